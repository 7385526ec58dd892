//! The affine coupling in one pass over the pixels; the formulas are those of the portable version.

use core::mem::MaybeUninit;

use rayon::prelude::*;

use super::LARGE;
use super::instruction_set::{InstructionSet, Kernel, Simd};
use super::math::{exp, sum, tanh};
use super::unwritten::Unwritten;
use super::view::{Planes, Values, tensor};
use crate::kernels::{Field, PerSample};

/// What a pass computes at a pixel: R results from its input x, the gradient there, ℓ and its slope in a, the shift t,
/// and the gradient of the sample's log-determinant.
pub trait Map<const R: usize>: Copy + Send + Sync {
    /// The log-determinant is this times Σ ℓ.
    const SIGN: f32;
    fn at<S: Simd>(self, x: f32, dx: f32, l: f32, slope: f32, t: f32, d: f32) -> [f32; R];
}

/// y of x.
#[derive(Clone, Copy)]
pub struct Forward;

/// x of y.
#[derive(Clone, Copy)]
pub struct Inverse;

/// x, x̄ and ā of y and ȳ.
#[derive(Clone, Copy)]
pub struct ForwardPull;

/// y, ȳ and ā of x and x̄.
#[derive(Clone, Copy)]
pub struct InversePull;

impl Map<1> for Forward {
    const SIGN: f32 = 1.0;

    #[inline(always)]
    fn at<S: Simd>(self, x: f32, _: f32, l: f32, _: f32, t: f32, _: f32) -> [f32; 1] {
        [S::fused(x, exp::<S>(l), t)]
    }
}

impl Map<1> for Inverse {
    const SIGN: f32 = -1.0;

    #[inline(always)]
    fn at<S: Simd>(self, y: f32, _: f32, l: f32, _: f32, t: f32, _: f32) -> [f32; 1] {
        [(y - t) / exp::<S>(l)]
    }
}

impl Map<3> for ForwardPull {
    const SIGN: f32 = 1.0;

    #[inline(always)]
    fn at<S: Simd>(self, y: f32, dy: f32, l: f32, slope: f32, t: f32, d: f32) -> [f32; 3] {
        let (scale, u) = (exp::<S>(l), y - t);
        [u / scale, dy * scale, S::fused(dy, u, d) * slope]
    }
}

impl Map<3> for InversePull {
    const SIGN: f32 = -1.0;

    #[inline(always)]
    fn at<S: Simd>(self, x: f32, dx: f32, l: f32, slope: f32, t: f32, d: f32) -> [f32; 3] {
        let scale = exp::<S>(l);
        [S::fused(x, scale, t), dx / scale, -S::fused(dx, x, d) * slope]
    }
}

/// A map of fields of one shape: its results, and the log-determinant. `None` for tensors of other kinds or shapes.
pub fn couple<M: Map<R>, const R: usize>(
    set: InstructionSet,
    map: M,
    x: &Field,
    gradients: Option<(&Field, &PerSample)>,
    a: &Field,
    t: &Field,
    bound: f64,
) -> Option<([Field; R], PerSample)> {
    let shape = x.dims();
    let fits = [a, t].into_iter().chain(gradients.map(|(dx, _)| dx)).all(|field| field.dims() == shape);
    if !fits || gradients.is_some_and(|(_, d)| d.dims() != [shape[0]]) {
        return None;
    }
    let (x, a, t) = (Planes::of(x)?, Planes::of(a)?, Planes::of(t)?);
    let gradients = match gradients {
        Some((dx, d)) => Some((Planes::of(dx)?, Values::of(d)?)),
        None => None,
    };
    let (pixels, size) = (x.pixels(), x.batch * x.channels * x.pixels());
    let mut results: [Unwritten; R] = core::array::from_fn(|_| Unwritten::new(size));
    let mut rest = results.each_mut().map(Unwritten::get);
    let planes: Vec<[&mut [MaybeUninit<f32>]; R]> =
        (0..x.batch * x.channels).map(|_| take(&mut rest, pixels)).collect();
    let one = |(i, results): (usize, [&mut [MaybeUninit<f32>]; R])| -> f64 {
        let (sample, channel) = (i / x.channels, i % x.channels);
        let d = gradients.as_ref().map_or(0.0, |(_, d)| d.get()[sample]);
        let dx = gradients.as_ref().map_or(&x, |(dx, _)| dx);
        let inputs = [&x, dx, &a, &t].map(|planes| planes.plane(sample, channel));
        set.run(Pass { map, inputs, d, bound: bound as f32, results })
    };
    let logs: Vec<f64> = if size > LARGE {
        planes.into_par_iter().enumerate().map(one).collect()
    } else {
        planes.into_iter().enumerate().map(one).collect()
    };
    let log_det = logs.chunks(x.channels).map(|logs| M::SIGN * logs.iter().sum::<f64>() as f32).collect();
    // SAFETY: there was a pass over each plane, and they are all there is; a pass writes every pixel of its plane.
    let results = results.map(|values| tensor(unsafe { values.into_written() }, shape));
    Some((results, tensor(log_det, [shape[0]])))
}

/// The first entries of every slice; the rest stays.
fn take<'a, T, const R: usize>(slices: &mut [&'a mut [T]; R], length: usize) -> [&'a mut [T]; R] {
    slices.each_mut().map(|slice| {
        let (first, rest) = core::mem::take(slice).split_at_mut(length);
        *slice = rest;
        first
    })
}

/// Pixels that are worked on at once: what is known of them stays in the first cache.
const BLOCK: usize = 512;

/// One plane of x, of the gradient, of a and of t; returns Σ ℓ. Every pixel of the results is written.
struct Pass<'a, M, const R: usize> {
    map: M,
    inputs: [&'a [f32]; 4],
    d: f32,
    bound: f32,
    results: [&'a mut [MaybeUninit<f32>]; R],
}

impl<M: Map<R>, const R: usize> Kernel for Pass<'_, M, R> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self) -> f64 {
        let Pass { map, inputs: [x, dx, a, t], d, bound, mut results } = self;
        let inverse = 1.0 / bound;
        let mut total = 0.0;
        let mut ratios = [0.0; BLOCK];
        // Results have no values yet that a loop could refer to.
        let mut blocks = [[0.0; BLOCK]; R];
        for first in (0..x.len()).step_by(BLOCK) {
            let n = BLOCK.min(x.len() - first);
            let (x, dx, a, t) = (&x[first..][..n], &dx[first..][..n], &a[first..][..n], &t[first..][..n]);
            // ℓ/β of all first: two short loops keep their numbers in registers, a long one does not.
            let ratios = &mut ratios[..n];
            for (ratio, a) in ratios.iter_mut().zip(a) {
                *ratio = tanh::<S>(a * inverse);
            }
            total += sum::<S>(ratios) as f64;
            let mut block = blocks.each_mut().map(|block| &mut block[..n]);
            for i in 0..n {
                let h = ratios[i];
                let values = map.at::<S>(x[i], dx[i], h * bound, S::fused(-h, h, 1.0), t[i], d);
                for (block, value) in block.iter_mut().zip(values) {
                    block[i] = value;
                }
            }
            for (result, block) in results.iter_mut().zip(block) {
                result[first..][..n].write_copy_of_slice(block);
            }
        }
        total * bound as f64
    }
}
