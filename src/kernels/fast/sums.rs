//! Sums over the pixels of channels or samples: of one field, of a product, of a squared difference.
//!
//! Blocks are summed in vectors of f32, the sums of blocks in f64: a long sum is as accurate as a short one.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::LARGE;
use super::instruction_set::{InstructionSet, Kernel, Simd};
use super::view::{Planes, tensor};
use crate::kernels::{Field, PerSample};

/// Pixels of a plane that are summed as one piece of work.
const PIECE: usize = 1 << 16;

/// Pixels that are summed in f32.
const BLOCK: usize = 4096;

/// Vectors of partial sums; their additions do not wait for each other.
const CHAINS: usize = 4;

/// What is summed up over pairs of numbers.
pub trait Term: Copy + Send + Sync {
    /// `sum` with the terms of a and b; those of zeros are zero.
    fn add<S: Simd>(self, a: S::Vector, b: S::Vector, sum: S::Vector) -> S::Vector;
}

/// a, whatever b.
#[derive(Clone, Copy)]
struct First;

/// a·b.
#[derive(Clone, Copy)]
pub struct Product;

/// (a − b)².
#[derive(Clone, Copy)]
pub struct SquaredDifference;

impl Term for First {
    #[inline(always)]
    fn add<S: Simd>(self, a: S::Vector, _: S::Vector, sum: S::Vector) -> S::Vector {
        S::multiply_add(S::splat(1.0), a, sum)
    }
}

impl Term for Product {
    #[inline(always)]
    fn add<S: Simd>(self, a: S::Vector, b: S::Vector, sum: S::Vector) -> S::Vector {
        S::multiply_add(a, b, sum)
    }
}

impl Term for SquaredDifference {
    #[inline(always)]
    fn add<S: Simd>(self, a: S::Vector, b: S::Vector, sum: S::Vector) -> S::Vector {
        let difference = S::multiply_add(S::splat(-1.0), b, a);
        S::multiply_add(difference, difference, sum)
    }
}

/// See [`crate::kernels::channel_sums`].
pub fn channel_sums(set: InstructionSet, x: &Field) -> Option<Tensor<1>> {
    let x = Planes::of(x)?;
    Some(by_channel(&x, &plane_sums(set, &x, &x, First)))
}

/// See [`crate::kernels::channel_dots`].
pub fn channel_dots(set: InstructionSet, a: &Field, b: &Field) -> Option<Tensor<1>> {
    let [a, b] = pair(a, b)?;
    Some(by_channel(&a, &plane_sums(set, &a, &b, Product)))
}

/// Σ of `term` over channels and pixels.
pub fn sample_terms(set: InstructionSet, a: &Field, b: &Field, term: impl Term) -> Option<PerSample> {
    let [a, b] = pair(a, b)?;
    Some(by_sample(&a, &plane_sums(set, &a, &b, term)))
}

fn pair(a: &Field, b: &Field) -> Option<[Planes; 2]> {
    if a.dims() == b.dims() { Some([Planes::of(a)?, Planes::of(b)?]) } else { None }
}

fn by_channel(x: &Planes, sums: &[f64]) -> Tensor<1> {
    let channel = |c: usize| sums.iter().skip(c).step_by(x.channels).sum::<f64>() as f32;
    tensor((0..x.channels).map(channel).collect(), [x.channels])
}

fn by_sample(x: &Planes, sums: &[f64]) -> PerSample {
    tensor(sums.chunks(x.channels).map(|sums| sums.iter().sum::<f64>() as f32).collect(), [x.batch])
}

/// The sum of every plane, all channels of the first sample first.
fn plane_sums(set: InstructionSet, a: &Planes, b: &Planes, term: impl Term) -> Vec<f64> {
    let pixels = a.pixels();
    let (planes, pieces) = (a.batch * a.channels, pixels.div_ceil(PIECE));
    let one = |i: usize| {
        let (plane, first) = (i / pieces, i % pieces * PIECE);
        let [a, b] = [a, b].map(|x| {
            let plane = &x.plane(plane / x.channels, plane % x.channels)[first..];
            &plane[..plane.len().min(PIECE)]
        });
        set.run(Run { a, b, term })
    };
    let sums: Vec<f64> = if planes * pixels > LARGE {
        (0..planes * pieces).into_par_iter().map(one).collect()
    } else {
        (0..planes * pieces).map(one).collect()
    };
    if pieces == 1 { sums } else { sums.chunks(pieces).map(|sums| sums.iter().sum()).collect() }
}

struct Run<'a, T> {
    a: &'a [f32],
    b: &'a [f32],
    term: T,
}

impl<T: Term> Kernel for Run<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self) -> f64 {
        let Run { a, b, term } = self;
        let mut sum = 0.0;
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            sum += block::<S, T>(a, b, term) as f64;
        }
        sum
    }
}

#[inline(always)]
fn block<S: Simd, T: Term>(a: &[f32], b: &[f32], term: T) -> f32 {
    let step = CHAINS * S::LANES;
    let mut sums = [S::splat(0.0); CHAINS];
    let whole = a.len() / step * step;
    let (whole, rest) = ([&a[..whole], &b[..whole]], [&a[whole..], &b[whole..]]);
    let pairs = whole[0].chunks_exact(step).zip(whole[1].chunks_exact(step));
    for (a, b) in pairs {
        add::<S, T>(a, b, term, &mut sums);
    }
    if !rest[0].is_empty() {
        // Filled up with zeros, whose terms are zero.
        let [a, b] = rest.map(|rest| {
            let mut last = [0.0; CHAINS * 16];
            last[..rest.len()].copy_from_slice(rest);
            last
        });
        add::<S, T>(&a[..step], &b[..step], term, &mut sums);
    }
    let [a, b, c, d] = sums.map(S::sum);
    (a + b) + (c + d)
}

#[inline(always)]
fn add<S: Simd, T: Term>(a: &[f32], b: &[f32], term: T, sums: &mut [S::Vector; CHAINS]) {
    let vectors = a.chunks_exact(S::LANES).zip(b.chunks_exact(S::LANES));
    for (sum, (a, b)) in sums.iter_mut().zip(vectors) {
        *sum = term.add::<S>(S::load(a), S::load(b), *sum);
    }
}
