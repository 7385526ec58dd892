//! A block of output rows with all that its convolution sees, laid out so that every tap is one contiguous run.
//!
//! For each channel and each horizontal tap there is a copy of the rows, shifted by the tap and continued beyond the
//! border, of the width of the output: `[channel][kx][kz][row][column]`. The pixels that the outputs of the block see
//! through a tap (kz, ky, kx) are then one run from row ky on, whatever the width: no vector is wasted at the end of
//! a row.
//!
//! Where runs need not pass the ends of rows, the [window](Axis::window) of the horizontal axis gives one copy for all
//! horizontal taps; tap kx begins kx pixels further.

use core::ops::Range;

use super::axis::{Axis, runs};
use super::product::SLACK;

/// Output rows of one depth slice of one sample.
#[derive(Clone, Debug)]
pub struct Block {
    pub sample: usize,
    pub slice: usize,
    pub rows: Range<usize>,
}

/// Sizes of a tile for blocks of up to `rows` rows.
#[derive(Clone, Copy)]
pub struct Geometry {
    axes: [Axis; 3],
    channels: usize,
    rows: usize,
}

impl Geometry {
    pub fn new(axes: [Axis; 3], channels: usize, rows: usize) -> Self {
        Self { axes, channels, rows }
    }

    fn tall(&self) -> usize {
        self.rows + self.axes[1].kernel - 1
    }

    fn slice(&self) -> usize {
        self.tall() * self.axes[2].output
    }

    fn shifted(&self) -> usize {
        self.axes[0].kernel * self.slice()
    }

    /// Floats of a tile.
    pub fn size(&self) -> usize {
        self.channels * self.axes[2].kernel * self.shifted()
    }

    /// Floats to reserve for a tile: vectors are read a little beyond its end.
    pub fn reserved(&self) -> usize {
        self.size() + SLACK
    }

    /// Where the run of a tap of a channel begins.
    pub fn offset(&self, channel: usize, [kz, ky, kx]: [usize; 3]) -> usize {
        let shifted = channel * self.axes[2].kernel + kx;
        shifted * self.shifted() + kz * self.slice() + ky * self.axes[2].output
    }

    /// Where the run of every tap of a kernel begins in the first channel, in the order of a weight tensor; horizontal
    /// taps are one pixel apart where there is no copy for each.
    pub fn places(&self, [kd, kh, kw]: [usize; 3]) -> impl Iterator<Item = usize> {
        let (this, copies) = (*self, self.axes[2].kernel > 1);
        let lines = (0..kd).flat_map(move |z| (0..kh).map(move |y| [z, y]));
        lines.flat_map(move |[z, y]| {
            (0..kw).map(move |x| if copies { this.offset(0, [z, y, x]) } else { this.offset(0, [z, y, 0]) + x })
        })
    }

    /// Where row `row` of a run begins, `slice` slices further, relative to the run.
    pub fn line(&self, slice: usize, row: usize) -> usize {
        slice * self.slice() + row * self.axes[2].output
    }

    /// Copies what a block sees of the planes of its sample, one a channel.
    pub fn fill<'a>(&self, tile: &mut [f32], block: &Block, plane: impl Fn(usize) -> &'a [f32]) {
        let [deep, high, wide] = &self.axes;
        let area = high.source * wide.source;
        let seen = block.rows.start..block.rows.end + high.kernel - 1;
        for (channel, copies) in tile[..self.size()].chunks_mut(wide.kernel * self.shifted()).enumerate() {
            let plane = plane(channel);
            for (kx, copy) in copies.chunks_mut(self.shifted()).enumerate() {
                for (kz, rows) in copy.chunks_mut(self.slice()).enumerate() {
                    let Some(z) = deep.seen(block.slice, kz) else {
                        rows.fill(0.0);
                        continue;
                    };
                    let source = &plane[z * area..][..area];
                    // Row q of the tile is what row q of the output sees through tap 0.
                    runs(high, seen.clone(), 0, |first, from, count| {
                        let into = &mut rows[(first - seen.start) * wide.output..][..count * wide.output];
                        match from {
                            Some(from) => shift(wide, kx, &source[from * wide.source..][..count * wide.source], into),
                            None => into.fill(0.0),
                        }
                    });
                }
            }
        }
    }
}

/// Rows of the source as the outputs see them through tap `k`.
pub fn shift(axis: &Axis, k: usize, source: &[f32], rows: &mut [f32]) {
    let (width, inside) = (axis.output, axis.interior(k));
    let outside = (0..inside.start).chain(inside.end..width);
    if axis.source == width {
        // All rows at once; what passes the end of a row is overwritten below.
        let shift = axis.shift(k).clamp(-(rows.len() as isize), rows.len() as isize);
        let (from, to) = (shift.max(0) as usize, (-shift).max(0) as usize);
        let length = rows.len() - from - to;
        rows[to..to + length].copy_from_slice(&source[from..from + length]);
    } else if !inside.is_empty() {
        let first = (inside.start as isize + axis.shift(k)) as usize;
        for (row, source) in rows.chunks_mut(width).zip(source.chunks(axis.source)) {
            row[inside.clone()].copy_from_slice(&source[first..][..inside.len()]);
        }
    }
    for column in outside {
        let seen = axis.seen(column, k);
        for (row, source) in rows.chunks_mut(width).zip(source.chunks(axis.source)) {
            row[column] = seen.map_or(0.0, |seen| source[seen]);
        }
    }
}
