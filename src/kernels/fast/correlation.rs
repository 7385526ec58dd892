//! The adjoint of the convolution in its weight, and Gram matrices: sums over all pixels of products of two planes,
//! one of them shifted by every tap.
//!
//! A block of pixels of the side with fewer channels is copied with all that its taps see, and the other side is
//! [transposed](super::transpose): one product of the two, added to the sums, has its vectors along the channels of the
//! latter. Partial sums belong to groups of blocks that follow from the shapes; they are added in order.

use core::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::SMALL;
use super::axis::Axis;
use super::convolution::{adjoint, axes};
use super::instruction_set::InstructionSet;
use super::product::{Finish, Rows, SLACK, Start, Steps};
use super::tile::{Block, Geometry};
use super::transpose::Transpose;
use super::view::{Planes, tensor};
use crate::kernels::{Field, Pad, Padding};

/// Bytes of a transposed block, about: it stays in the first cache.
const BLOCK: usize = 32 << 10;

/// Partial sums of large work, at most.
const GROUPS: usize = 16;

/// Sums that are added up or moved on one thread, about.
const PART: usize = 1 << 14;

/// See [`crate::kernels::convolve_weight_adjoint`].
pub fn convolve_weight_adjoint(
    set: InstructionSet,
    x: &Field,
    dy: &Field,
    kernel: [usize; 3],
    padding: &Padding,
) -> Option<Field> {
    let axes = axes(&x.dims()[2..], kernel, padding)?;
    let [d, h, w] = axes.map(|axis| axis.output);
    if dy.dims() != [x.dims()[0], dy.dims()[1], d, h, w] {
        return None;
    }
    let (x, dy) = (Planes::of(x)?, Planes::of(dy)?);
    let taps: usize = kernel.iter().product();
    let (inputs, outputs) = (x.channels, dy.channels);
    let reversed = if outputs < inputs { adjoint(axes) } else { None };
    let mut weight = vec![0.0; outputs * inputs * taps];
    match reversed {
        // The adjoint's tap k' is the map's K − 1 − k'.
        Some(axes) => {
            let sums = correlate(set, &dy, &x, axes);
            for (o, weight) in weight.chunks_mut(inputs * taps).enumerate() {
                for (tap, sums) in sums[o * taps * inputs..][..taps * inputs].chunks(inputs).enumerate() {
                    let tap = taps - 1 - tap;
                    weight.chunks_mut(taps).zip(sums).for_each(|(weight, &sum)| weight[tap] = sum);
                }
            }
        }
        None => {
            let sums = correlate(set, &x, &dy, axes);
            let row = inputs * taps;
            weight.par_chunks_mut(row).with_min_len(PART.div_ceil(row)).enumerate().for_each(|(o, weight)| {
                let column = sums[o..].iter().step_by(outputs);
                weight.iter_mut().zip(column).for_each(|(weight, &sum)| *weight = sum);
            });
        }
    }
    let [kd, kh, kw] = kernel;
    Some(tensor(weight, [outputs, inputs, kd, kh, kw]))
}

/// See [`crate::kernels::gram`].
pub fn gram(set: InstructionSet, a: &Field, b: &Field) -> Option<Tensor<2>> {
    let axes = axes(&a.dims()[2..], [1; 3], &[Pad::NONE; 3])?;
    if a.dims()[0] != b.dims()[0] || a.dims()[2..] != b.dims()[2..] {
        return None;
    }
    let (a, b) = (Planes::of(a)?, Planes::of(b)?);
    Some(tensor(correlate(set, &a, &b, axes), [a.channels, b.channels]))
}

/// Σ over batch and pixels q of g of x_i\[what q sees through tap k\] · g_j\[q\], as \[(i, k)\]\[j\].
fn correlate(set: InstructionSet, x: &Planes, g: &Planes, axes: [Axis; 3]) -> Vec<f32> {
    let correlation = Correlation::new(set, x, g, axes);
    let pieces = correlation.pieces();
    let items = correlation.rows.len();
    let over = |pieces: &[Piece]| {
        let mut sums = vec![0.0; items * g.channels];
        let mut rows: Vec<&mut [f32]> = sums.chunks_mut(g.channels).collect();
        let mut scratch = Scratch::default();
        pieces.chunks(correlation.together).for_each(|pieces| correlation.add(pieces, &mut rows, &mut scratch));
        sums
    };
    if x.batch * g.pixels() * items * g.channels <= SMALL {
        return over(&pieces);
    }
    let size = pieces.len().div_ceil(GROUPS).next_multiple_of(correlation.together);
    let groups: Vec<Vec<f32>> = pieces.par_chunks(size).with_max_len(1).map(over).collect();
    let mut sums = vec![0.0; items * g.channels];
    sums.par_chunks_mut(PART).enumerate().for_each(|(i, sums)| {
        for group in &groups {
            sums.iter_mut().zip(&group[i * PART..]).for_each(|(sum, part)| *sum += part);
        }
    });
    sums
}

/// Whole rows of some slices, or columns of one row.
struct Piece {
    sample: usize,
    slices: Range<usize>,
    rows: Range<usize>,
    columns: Range<usize>,
}

#[derive(Default)]
struct Scratch {
    tiles: Vec<f32>,
    transposed: Vec<f32>,
}

/// What is summed, and how it is cut.
struct Correlation<'a> {
    set: InstructionSet,
    x: &'a Planes,
    g: &'a Planes,
    axes: [Axis; 3],
    /// Slices, rows and columns of a block, at most.
    extent: [usize; 3],
    /// Blocks of one product.
    together: usize,
    /// Whether x is read where it is.
    in_place: bool,
    /// Floats from block to block of x.
    stride: usize,
    /// Offsets of every channel and tap of x.
    rows: Vec<usize>,
    /// Floats from pixel to pixel of the transposed g.
    pitch: usize,
}

impl<'a> Correlation<'a> {
    fn new(set: InstructionSet, x: &'a Planes, g: &'a Planes, axes: [Axis; 3]) -> Self {
        let in_place = axes.iter().all(Axis::is_point);
        // A plane is then as good as one row.
        let axes = if in_place { [1, 1, g.pixels()].map(Axis::point) } else { axes };
        let pitch = g.channels.next_multiple_of(SLACK);
        let pixels = (BLOCK / size_of::<f32>() / pitch).max(4 * SLACK);
        let [depth, rows, columns] = axes.map(|axis| axis.output);
        let even = |whole: usize, most: usize| whole.div_ceil(whole.div_ceil(most));
        let width = even(columns, pixels);
        // Least is copied twice where slices and rows are alike.
        let lines = pixels / width;
        let height = even(rows, if axes[0].kernel > 1 { lines.isqrt() } else { lines });
        let slices = if width == columns { even(depth, (lines / height).max(1)) } else { 1 };
        let extent = [slices, height, width];
        let whole = extent == [depth, rows, columns];
        let together = if whole { (pixels / (depth * rows * columns)).clamp(1, x.batch) } else { 1 };
        let tile = tile(axes, x.channels, extent, 0);
        let taps: Vec<usize> = tile.places(axes.map(|axis| axis.kernel)).collect();
        let channel = |channel| if in_place { channel * x.channel_stride() } else { tile.offset(channel, [0; 3]) };
        let rows = (0..x.channels).flat_map(|c| taps.iter().map(move |tap| channel(c) + tap)).collect();
        let stride = if in_place { x.batch_stride() } else { tile.size() };
        Self { set, x, g, axes, extent, together, in_place, stride, rows, pitch }
    }

    /// The factors of so many blocks of one extent.
    fn steps(&self, blocks: usize, [slices, height, width]: [usize; 3]) -> Steps {
        let tile = tile(self.axes, self.x.channels, self.extent, 0);
        let lines = (0..slices).flat_map(|slice| (0..height).map(move |row| tile.line(slice, row)));
        let lines: Vec<usize> = lines.collect();
        let lines = (0..blocks).flat_map(|block| lines.iter().map(move |line| block * self.stride + line));
        Steps::lines(lines, width, self.pitch)
    }

    /// All blocks, in order.
    fn pieces(&self) -> Vec<Piece> {
        let cut = |axis: usize| {
            let (whole, size) = (self.axes[axis].output, self.extent[axis]);
            (0..whole).step_by(size).map(move |first| first..(first + size).min(whole))
        };
        let mut pieces = Vec::new();
        for (sample, slices) in (0..self.x.batch).flat_map(|sample| cut(0).map(move |slices| (sample, slices))) {
            for (rows, columns) in cut(1).flat_map(|rows| cut(2).map(move |columns| (rows.clone(), columns))) {
                pieces.push(Piece { sample, slices: slices.clone(), rows, columns });
            }
        }
        pieces
    }

    /// Adds blocks of one extent to the sums.
    fn add(&self, pieces: &[Piece], sums: &mut [&mut [f32]], Scratch { tiles, transposed }: &mut Scratch) {
        let &Self { set, x, g, axes, stride, pitch, .. } = self;
        let [_, high, wide] = axes.map(|axis| axis.output);
        let size = self.extent.iter().product::<usize>() * pitch;
        tiles.resize(if self.in_place { 0 } else { self.together * stride }, 0.0);
        transposed.resize(self.together * size, 0.0);
        let mut extent = self.extent;
        let mut into = &mut transposed[..];
        for (i, Piece { sample, slices, rows, columns }) in pieces.iter().enumerate() {
            extent = [slices.len(), rows.len(), columns.len()];
            let pixels = rows.len() * columns.len();
            for slice in slices.clone() {
                let first = (slice * high + rows.start) * wide + columns.start;
                let from = &g.storage()[g.offset(*sample, 0) + first..];
                let (part, rest) = into.split_at_mut(pixels * pitch);
                let (from_pitch, rows) = (g.channel_stride(), g.channels);
                set.run(Transpose { from, pitch: from_pitch, rows, columns: pixels, into: part, to: pitch });
                into = rest;
            }
            if !self.in_place {
                let block = Block { sample: *sample, slice: slices.start, rows: rows.clone() };
                let tile = tile(axes, x.channels, self.extent, columns.start);
                tile.fill(&mut tiles[i * stride..], &block, |channel| x.plane(*sample, channel));
            }
        }
        let a = match self.in_place {
            true => &x.storage()[x.offset(pieces[0].sample, 0) + pieces[0].columns.start..],
            false => &tiles[..],
        };
        let steps = &self.steps(pieces.len(), extent);
        let (start, finish) = (Start::Outputs, Finish::Nothing);
        Rows { a, rows: &self.rows, steps, start, b: transposed, base: 0, finish, outputs: sums }.run(set);
    }
}

/// What a block sees, through any tap, from column `first` on.
fn tile([deep, high, wide]: [Axis; 3], channels: usize, extent: [usize; 3], first: usize) -> Geometry {
    let [slices, height, width] = extent;
    Geometry::new([deep.reaching(slices), high, wide.window(first, width)], channels, height)
}
