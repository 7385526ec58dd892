//! Passes over all numbers of a field, block by block: a block stays in the first cache while it is worked on.

use rayon::prelude::*;

use super::LARGE;
use super::unwritten::Unwritten;
use super::view::{Owned, Planes, tensor};
use crate::kernels::Field;

/// Numbers of a block.
const BLOCK: usize = 2048;

/// x with every block of its numbers overwritten by `f(first, block)`, `first` being the place of its first number: in
/// place where nobody shares x.
///
/// # Errors
/// The tensor itself, where it is not one of f32 on the flex device, or tracked by autodiff.
pub fn overwrite(x: Field, f: impl Fn(usize, &mut [f32]) + Sync) -> Result<Field, Field> {
    let x = match Owned::unshared(x) {
        Ok(mut x) => {
            each_block(x.get(), f);
            return Ok(x.into_tensor());
        }
        Err(x) => x,
    };
    let Some(source) = Planes::of(&x) else {
        return Err(x);
    };
    let length = x.dims().iter().product();
    let values = if length > LARGE {
        let mut values = Unwritten::new(length);
        values.get().par_chunks_mut(BLOCK).enumerate().for_each(|(i, block)| {
            let mut all = [0.0; BLOCK];
            let all = &mut all[..block.len()];
            let mut rest = &mut all[..];
            source.runs(i * BLOCK, rest.len(), |run| {
                let (part, next) = core::mem::take(&mut rest).split_at_mut(run.len());
                part.copy_from_slice(run);
                rest = next;
            });
            f(i * BLOCK, all);
            block.write_copy_of_slice(all);
        });
        // SAFETY: blocks of all numbers were written whole.
        unsafe { values.into_written() }
    } else {
        let mut values = Vec::with_capacity(length);
        for first in (0..length).step_by(BLOCK) {
            source.runs(first, BLOCK.min(length - first), |run| values.extend_from_slice(run));
            f(first, &mut values[first..]);
        }
        values
    };
    Ok(tensor(values, x.dims()))
}

fn each_block(values: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
    if values.len() > LARGE {
        values.par_chunks_mut(BLOCK).enumerate().for_each(|(i, block)| f(i * BLOCK, block));
    } else {
        values.chunks_mut(BLOCK).enumerate().for_each(|(i, block)| f(i * BLOCK, block));
    }
}

/// The planes of `pixels` numbers that a block of `length` numbers at place `first` has parts of: for each the number
/// of the plane, the first pixel, and how many pixels of it.
pub fn parts(first: usize, length: usize, pixels: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (mut at, end) = (first, first + length);
    core::iter::from_fn(move || {
        let (plane, pixel) = (at / pixels, at % pixels);
        let part = (pixels - pixel).min(end - at);
        at += part;
        (part > 0).then_some((plane, pixel, part))
    })
}
