//! Sums over channels and samples, scales and shifts of channels, and reflections over the channels.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::instruction_set::{InstructionSet, Kernel, Simd};
use super::math::Sum;
use super::view::{Owned, Planes, Values, tensor};
use crate::kernels::{Field, PerSample};

/// Entries beyond which samples are shared among threads.
const LARGE: usize = 1 << 19;

/// Pixels that all reflections are applied to at once.
const PIXELS: usize = 128;

/// See [`crate::kernels::channel_sums`].
pub fn channel_sums(set: InstructionSet, x: &Field) -> Option<Tensor<1>> {
    let x = Planes::of(x)?;
    let one = |c: usize| (0..x.batch).map(|b| set.run(Sum(x.plane(b, c)))).sum::<f32>();
    let sums: Vec<f32> = if x.batch * x.channels * x.pixels() > LARGE {
        (0..x.channels).into_par_iter().map(one).collect()
    } else {
        (0..x.channels).map(one).collect()
    };
    Some(tensor(sums, [x.channels]))
}

/// See [`crate::kernels::sample_sums`].
pub fn sample_sums(set: InstructionSet, x: &Field) -> Option<PerSample> {
    let x = Planes::of(x)?;
    let one = |b: usize| (0..x.channels).map(|c| set.run(Sum(x.plane(b, c)))).sum::<f32>();
    Some(tensor((0..x.batch).map(one).collect(), [x.batch]))
}

/// Every sample of x, and what is done with it.
fn each_sample(x: &mut [f32], size: usize, f: impl Fn(&mut [f32]) + Sync) {
    if x.len() > LARGE {
        x.par_chunks_mut(size).for_each(&f);
    } else {
        x.chunks_mut(size).for_each(f);
    }
}

/// factor·x + shift, one of each a channel.
///
/// # Errors
/// The tensor x, where one is none of these.
pub fn scale_and_shift(
    set: InstructionSet,
    x: Field,
    factor: Option<&Tensor<1>>,
    shift: Option<&Tensor<1>>,
) -> Result<Field, Field> {
    let values = |v: Option<&Tensor<1>>| v.map(Values::of);
    let (factor, shift) = match (values(factor), values(shift)) {
        (Some(None), _) | (_, Some(None)) => return Err(x),
        (factor, shift) => (factor.flatten(), shift.flatten()),
    };
    let [_, channels, d, h, w] = x.dims();
    let pixels = d * h * w;
    let mut x = Owned::of(x)?;
    each_sample(x.get(), channels * pixels, |sample| {
        for (c, plane) in sample.chunks_mut(pixels).enumerate() {
            let factor = factor.as_ref().map(|v| v.get()[c]);
            let shift = shift.as_ref().map(|v| v.get()[c]);
            set.run(Affine { plane, factor, shift });
        }
    });
    Ok(x.into_tensor())
}

struct Affine<'a> {
    plane: &'a mut [f32],
    factor: Option<f32>,
    shift: Option<f32>,
}

impl Kernel for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let (factor, shift) = (self.factor, self.shift);
        match (factor, shift) {
            (Some(factor), None) => self.plane.iter_mut().for_each(|x| *x *= factor),
            (None, Some(shift)) => self.plane.iter_mut().for_each(|x| *x += shift),
            (Some(factor), Some(shift)) => self.plane.iter_mut().for_each(|x| *x = S::fused(*x, factor, shift)),
            (None, None) => {}
        }
    }
}

/// See [`crate::kernels::reflect`].
///
/// # Errors
/// The tensor x, where one is none of these.
pub fn reflect(set: InstructionSet, x: Field, vectors: &Tensor<2>, order: &[usize]) -> Result<Field, Field> {
    let Some(vectors) = Values::of(vectors) else {
        return Err(x);
    };
    let [_, channels, d, h, w] = x.dims();
    let pixels = d * h * w;
    let pairs: Vec<(&[f32], Vec<f32>)> = order
        .iter()
        .map(|i| {
            let v = &vectors.get()[i * channels..][..channels];
            let norm: f32 = v.iter().map(|v| v * v).sum();
            (v, v.iter().map(|v| v * 2.0 / norm).collect())
        })
        .collect();
    let mut x = Owned::of(x)?;
    each_sample(x.get(), channels * pixels, |sample| set.run(Reflect { sample, pixels, pairs: &pairs }));
    Ok(x.into_tensor())
}

/// x ← x − s (v·x) at every pixel for each pair (v, s).
struct Reflect<'a> {
    sample: &'a mut [f32],
    pixels: usize,
    pairs: &'a [(&'a [f32], Vec<f32>)],
}

impl Kernel for Reflect<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Reflect { sample, pixels, pairs } = self;
        for first in (0..pixels).step_by(PIXELS) {
            let range = first..(first + PIXELS).min(pixels);
            for (v, scaled) in pairs {
                let mut along = [0.0; PIXELS];
                let along = &mut along[..range.len()];
                for (x, &v) in sample.chunks(pixels).zip(*v) {
                    along.iter_mut().zip(&x[range.clone()]).for_each(|(along, &x)| *along = S::fused(v, x, *along));
                }
                for (x, &scaled) in sample.chunks_mut(pixels).zip(scaled) {
                    let x = &mut x[range.clone()];
                    x.iter_mut().zip(along.iter()).for_each(|(x, &along)| *x = S::fused(-scaled, along, *x));
                }
            }
        }
    }
}

/// See [`crate::kernels::reflection_gradients`]; in f64, since it is small.
pub fn reflection_gradients(vectors: &Tensor<2>, dw: &Tensor<2>) -> Option<Tensor<2>> {
    let [count, k] = vectors.dims();
    let (vectors, dw) = (Values::of(vectors)?, Values::of(dw)?);
    let wide = |values: &Values| values.get().iter().map(|&v| v as f64).collect::<Vec<f64>>();
    let (vectors, mut g) = (wide(&vectors), wide(&dw));
    let rows: Vec<&[f64]> = vectors.chunks(k).collect();
    rows.iter().skip(1).rev().for_each(|v| reflect_rows(&mut g, v));
    let mut gradients = Vec::with_capacity(count * k);
    for (i, v) in rows.iter().enumerate() {
        let norm = dot(v, v);
        let left: Vec<f64> = g.chunks(k).map(|row| dot(row, v)).collect();
        let right: Vec<f64> = (0..k).map(|c| (0..k).map(|r| g[r * k + c] * v[r]).sum()).collect();
        let quadratic = dot(&left, v);
        let along = 4.0 * quadratic / (norm * norm);
        gradients.extend((0..k).map(|c| (-2.0 / norm * (left[c] + right[c]) + along * v[c]) as f32));
        if let Some(next) = rows.get(i + 1) {
            // Hᵢ G is G less its columns' part along v.
            for row in 0..k {
                let factor = 2.0 * v[row] / norm;
                g[row * k..][..k].iter_mut().zip(&right).for_each(|(g, right)| *g -= factor * right);
            }
            reflect_rows(&mut g, next);
        }
    }
    Some(tensor(gradients, [count, k]))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// G ← G H for the reflection H of v.
fn reflect_rows(g: &mut [f64], v: &[f64]) {
    let norm = dot(v, v);
    for row in g.chunks_mut(v.len()) {
        let factor = 2.0 * dot(row, v) / norm;
        row.iter_mut().zip(v).for_each(|(g, v)| *g -= factor * v);
    }
}
