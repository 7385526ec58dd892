//! Scales and shifts of channels, their replacement, and reflections over the channels.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::LARGE;
use super::instruction_set::{InstructionSet, Kernel, Simd};
use super::pass::{overwrite, parts};
use super::view::{Owned, Planes, Values, tensor};
use crate::kernels::Field;

/// Pixels that all reflections are applied to at once.
const PIXELS: usize = 128;

/// factor·x + shift, one of each a channel.
///
/// # Errors
/// The tensor x, where one is none of these.
pub fn scale_then_shift(
    set: InstructionSet,
    x: Field,
    factor: Option<&Tensor<1>>,
    shift: Option<&Tensor<1>>,
) -> Result<Field, Field> {
    affine(set, x, factor, shift, false)
}

/// (x + shift)·factor, one of each a channel.
///
/// # Errors
/// The tensor x, where one is none of these.
pub fn shift_then_scale(set: InstructionSet, x: Field, shift: &Tensor<1>, factor: &Tensor<1>) -> Result<Field, Field> {
    affine(set, x, Some(factor), Some(shift), true)
}

fn affine(
    set: InstructionSet,
    x: Field,
    factor: Option<&Tensor<1>>,
    shift: Option<&Tensor<1>>,
    shift_first: bool,
) -> Result<Field, Field> {
    let [_, channels, d, h, w] = x.dims();
    let coefficients = |values: Option<&Tensor<1>>, missing: f32| match values {
        Some(values) => {
            Values::of(values).map(|values| values.get().to_vec()).filter(|values| values.len() == channels)
        }
        None => Some(vec![missing; channels]),
    };
    let (Some(factors), Some(shifts)) = (coefficients(factor, 1.0), coefficients(shift, 0.0)) else {
        return Err(x);
    };
    overwrite(x, |first, block| {
        set.run(Affine { block, first, pixels: d * h * w, factors: &factors, shifts: &shifts, shift_first });
    })
}

/// A block whose first number has place `first` in its field.
struct Affine<'a> {
    block: &'a mut [f32],
    first: usize,
    pixels: usize,
    factors: &'a [f32],
    shifts: &'a [f32],
    shift_first: bool,
}

impl Kernel for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let mut block = self.block;
        for (plane, _, length) in parts(self.first, block.len(), self.pixels) {
            let (part, rest) = core::mem::take(&mut block).split_at_mut(length);
            let channel = plane % self.factors.len();
            let (factor, shift) = (self.factors[channel], self.shifts[channel]);
            if self.shift_first {
                part.iter_mut().for_each(|x| *x = (*x + shift) * factor);
            } else {
                part.iter_mut().for_each(|x| *x = S::fused(*x, factor, shift));
            }
            block = rest;
        }
    }
}

/// x with its channels from `first` on overwritten by those of `part`; see [`crate::kernels::replace_channels`].
///
/// # Errors
/// The tensor x, where one is none of f32 on the flex device, or tracked by autodiff.
pub fn replace_channels(x: Field, first: usize, part: &Field) -> Result<Field, Field> {
    let Some(part) = Planes::of(part) else {
        return Err(x);
    };
    let [batch, channels, extent @ ..] = x.dims();
    let (pixels, replaced) = (part.pixels(), first..first + part.channels);
    if part.batch != batch || part.extent != extent || replaced.end > channels {
        return Err(x);
    }
    let x = match Owned::unshared(x) {
        Ok(mut x) => {
            for (sample, x) in x.get().chunks_mut(channels * pixels).enumerate() {
                let x = &mut x[first * pixels..][..part.channels * pixels];
                x.chunks_mut(pixels).enumerate().for_each(|(c, x)| x.copy_from_slice(part.plane(sample, c)));
            }
            return Ok(x.into_tensor());
        }
        Err(x) => x,
    };
    let Some(kept) = Planes::of(&x) else {
        return Err(x);
    };
    let mut values = Vec::with_capacity(batch * channels * pixels);
    for (sample, channel) in (0..batch).flat_map(|sample| (0..channels).map(move |channel| (sample, channel))) {
        values.extend_from_slice(match replaced.contains(&channel) {
            true => part.plane(sample, channel - first),
            false => kept.plane(sample, channel),
        });
    }
    Ok(tensor(values, x.dims()))
}

/// Every sample of x, and what is done with it.
fn each_sample(x: &mut [f32], size: usize, f: impl Fn(&mut [f32]) + Sync) {
    if x.len() > LARGE {
        x.par_chunks_mut(size).for_each(&f);
    } else {
        x.chunks_mut(size).for_each(f);
    }
}

/// See [`crate::kernels::reflect`].
///
/// # Errors
/// The tensor x, where one is none of these.
pub fn reflect(set: InstructionSet, x: Field, vectors: &Tensor<2>, order: &[usize]) -> Result<Field, Field> {
    let fits = vectors.dims()[1] == x.dims()[1];
    let Some(vectors) = Values::of(vectors).filter(|_| fits) else {
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
