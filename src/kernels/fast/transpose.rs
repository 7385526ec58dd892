//! Planes side by side as one run of channels a pixel: products whose sums run over pixels then have their vectors along
//! the channels, and no sum is taken across a vector.

use super::instruction_set::{Kernel, Simd};
use super::product::SLACK;

/// `into[c][r] = from[r][c]`. Rows of the result are written in whole vectors: `to` is rounded up to them.
pub struct Transpose<'a> {
    pub from: &'a [f32],
    /// Floats from row to row.
    pub pitch: usize,
    pub rows: usize,
    pub columns: usize,
    pub into: &'a mut [f32],
    pub to: usize,
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { from, pitch, rows, columns, into, to } = self;
        if columns < S::LANES {
            for (c, into) in into.chunks_mut(to).take(columns).enumerate() {
                into[..rows].iter_mut().enumerate().for_each(|(r, value)| *value = from[r * pitch + c]);
            }
            return;
        }
        for r in (0..rows).step_by(S::LANES) {
            // What would lie beyond the rows repeats the last one.
            let lines: [&[f32]; SLACK] =
                core::array::from_fn(|i| &from[(r + i % S::LANES).min(rows - 1) * pitch..][..columns]);
            for c in (0..columns).step_by(S::LANES) {
                // The last square begins earlier rather than end beyond the columns.
                let c = c.min(columns - S::LANES);
                S::transpose(|i| S::load(&lines[i][c..]), &mut into[c * to + r..], to);
            }
        }
    }
}
