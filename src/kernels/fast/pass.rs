//! Passes over all numbers of a result, block by block: a block stays in the first cache while it is worked on.

use rayon::prelude::*;

use super::view::{Owned, Planes, tensor};
use crate::kernels::Field;

/// Numbers of a block.
const BLOCK: usize = 2048;

/// Numbers beyond which blocks are shared among threads.
const LARGE: usize = 1 << 19;

/// Numbers up to which a result is cleared before it is written: it stays in the caches.
const SMALL: usize = 1 << 14;

/// The numbers that `fill(first, block)` writes into every block, `first` being the place of its first number.
///
/// Blocks are filled on the stack and moved to their places: the memory of a large result is touched once, not cleared
/// first.
pub fn write(length: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    if length <= SMALL {
        let mut values = vec![0.0; length];
        values.chunks_mut(BLOCK).enumerate().for_each(|(i, block)| fill(i * BLOCK, block));
        return values;
    }
    let block = |i: usize| {
        let mut block = [0.0; BLOCK];
        fill(i * BLOCK, &mut block);
        block
    };
    let whole = length / BLOCK;
    let mut blocks: Vec<[f32; BLOCK]> = Vec::with_capacity(length.div_ceil(BLOCK));
    if length > LARGE {
        (0..whole).into_par_iter().map(block).collect_into_vec(&mut blocks);
    } else {
        blocks.extend((0..whole).map(block));
    }
    let mut values = blocks.into_flattened();
    let mut last = [0.0; BLOCK];
    let last = &mut last[..length - whole * BLOCK];
    fill(whole * BLOCK, last);
    values.extend_from_slice(last);
    values
}

/// x with every block of its numbers overwritten by `f(first, block)`: in place where nobody shares x.
///
/// # Errors
/// The tensor itself, where it is not one of f32 on the flex device, or tracked by autodiff.
pub fn overwrite(x: Field, f: impl Fn(usize, &mut [f32]) + Sync) -> Result<Field, Field> {
    let x = match Owned::unshared(x) {
        Ok(mut x) => {
            let values = x.get();
            if values.len() > LARGE {
                values.par_chunks_mut(BLOCK).enumerate().for_each(|(i, block)| f(i * BLOCK, block));
            } else {
                values.chunks_mut(BLOCK).enumerate().for_each(|(i, block)| f(i * BLOCK, block));
            }
            return Ok(x.into_tensor());
        }
        Err(x) => x,
    };
    let Some(planes) = Planes::of(&x) else {
        return Err(x);
    };
    let values = write(x.dims().iter().product(), |first, block| {
        planes.copy(first, block);
        f(first, block);
    });
    Ok(tensor(values, x.dims()))
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
