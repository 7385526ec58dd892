//! Pointwise nonlinearities and what they do to a gradient, in one pass and in place where the tensor is owned.

use super::instruction_set::{InstructionSet, Kernel, Simd};
use super::math::sigmoid;
use super::pass::overwrite;
use super::view::Values;
use crate::kernels::Field;

/// A number from one or two others.
pub trait Pointwise: Copy + Send + Sync {
    fn value<S: Simd>(self, x: f32, u: f32) -> f32;
}

/// x, or `slope` x below zero; see [`crate::kernels::leaky_relu`].
#[derive(Clone, Copy)]
pub struct LeakyRelu(pub f32);

impl Pointwise for LeakyRelu {
    #[inline(always)]
    fn value<S: Simd>(self, x: f32, _: f32) -> f32 {
        if x > 0.0 { x } else { self.0 * x }
    }
}

/// ∂L/∂u from ∂L/∂y; see [`crate::kernels::leaky_relu_pull`].
#[derive(Clone, Copy)]
pub struct LeakyReluPull(pub f32);

impl Pointwise for LeakyReluPull {
    #[inline(always)]
    fn value<S: Simd>(self, dy: f32, u: f32) -> f32 {
        if u > 0.0 { dy } else { self.0 * dy }
    }
}

/// x · sigmoid(x).
#[derive(Clone, Copy)]
pub struct Silu;

impl Pointwise for Silu {
    #[inline(always)]
    fn value<S: Simd>(self, x: f32, _: f32) -> f32 {
        x * sigmoid::<S>(x)
    }
}

/// With s = sigmoid(u), ∂L/∂u = ∂L/∂y · s (1 + u (1 − s)).
#[derive(Clone, Copy)]
pub struct SiluPull;

impl Pointwise for SiluPull {
    #[inline(always)]
    fn value<S: Simd>(self, dy: f32, u: f32) -> f32 {
        let s = sigmoid::<S>(u);
        dy * S::fused(u * (1.0 - s), s, s)
    }
}

/// `f` of every entry of x.
///
/// # Errors
/// The tensor itself, where it is none of these.
pub fn map(set: InstructionSet, x: Field, f: impl Pointwise) -> Result<Field, Field> {
    overwrite(x, |_, x| set.run(Pass { x, u: None, f }))
}

/// `f` of every entry of x and the entry of u at its place.
///
/// # Errors
/// The tensor x, where one is none of these.
pub fn map_with(set: InstructionSet, x: Field, u: &Field, f: impl Pointwise) -> Result<Field, Field> {
    let Some(u) = Values::of(u).filter(|_| u.dims() == x.dims()) else {
        return Err(x);
    };
    overwrite(x, |first, x| {
        let u = Some(&u.get()[first..][..x.len()]);
        set.run(Pass { x, u, f });
    })
}

pub struct Pass<'a, F> {
    pub x: &'a mut [f32],
    pub u: Option<&'a [f32]>,
    pub f: F,
}

impl<F: Pointwise> Kernel for Pass<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        match self.u {
            None => self.x.iter_mut().for_each(|x| *x = self.f.value::<S>(*x, 0.0)),
            Some(u) => self.x.iter_mut().zip(u).for_each(|(x, &u)| *x = self.f.value::<S>(*x, u)),
        }
    }
}
