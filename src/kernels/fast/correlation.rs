//! The adjoint of the convolution in its weight, and Gram matrices: sums over all pixels of products of two planes,
//! one of them shifted by every tap.
//!
//! The side with fewer channels is laid out as [`tiles`](super::tile), the other is read where it is. Partial sums
//! belong to groups of blocks that follow from the shapes; they are added in order.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::SMALL;
use super::axis::Axis;
use super::convolution::{adjoint, axes, rows_within};
use super::instruction_set::InstructionSet;
use super::product::{Dots, Run, SLACK};
use super::tile::{Block, Geometry};
use super::view::{Planes, tensor};
use crate::kernels::{Field, Pad, Padding};

/// Bytes of the tiles that are summed over at once, at most.
const TILES: usize = 256 << 10;

/// Pixels that are summed over at once, about: rows and columns of a block of sums stay in the first cache.
const PIXELS: usize = 1024;

/// Partial sums of large work, at most.
const GROUPS: usize = 16;

/// See [`crate::kernels::convolve_weight_adjoint`].
pub fn convolve_weight_adjoint(
    set: InstructionSet,
    x: &Field,
    dy: &Field,
    kernel: [usize; 3],
    padding: &Padding,
) -> Option<Field> {
    let axes = axes(&x.dims()[2..], kernel, padding)?;
    let (x, dy) = (Planes::of(x)?, Planes::of(dy)?);
    let taps: usize = kernel.iter().product();
    let (inputs, outputs) = (x.channels, dy.channels);
    let reversed = if outputs < inputs { adjoint(axes) } else { None };
    let mut weight = vec![0.0; outputs * inputs * taps];
    match reversed {
        // The adjoint's tap k' is the map's K − 1 − k'.
        Some(axes) => {
            let sums = correlate(set, &dy, &x, axes, taps);
            for (o, weight) in weight.chunks_mut(inputs * taps).enumerate() {
                for (tap, sums) in sums[o * taps * inputs..][..taps * inputs].chunks(inputs).enumerate() {
                    let tap = taps - 1 - tap;
                    weight.chunks_mut(taps).zip(sums).for_each(|(weight, &sum)| weight[tap] = sum);
                }
            }
        }
        None => {
            let sums = correlate(set, &x, &dy, axes, taps);
            for (item, sums) in sums.chunks(outputs).enumerate() {
                sums.iter().enumerate().for_each(|(o, &sum)| weight[o * inputs * taps + item] = sum);
            }
        }
    }
    let [kd, kh, kw] = kernel;
    Some(tensor(weight, [outputs, inputs, kd, kh, kw]))
}

/// See [`crate::kernels::gram`].
pub fn gram(set: InstructionSet, a: &Field, b: &Field) -> Option<Tensor<2>> {
    let axes = axes(&a.dims()[2..], [1; 3], &[Pad::NONE; 3])?;
    let (a, b) = (Planes::of(a)?, Planes::of(b)?);
    Some(tensor(correlate(set, &a, &b, axes, 1), [a.channels, b.channels]))
}

/// Σ over batch and pixels q of `plain` of x_i\[what q sees through tap k\] · g_j\[q\], as \[(i, k)\]\[j\].
fn correlate(set: InstructionSet, x: &Planes, g: &Planes, axes: [Axis; 3], taps: usize) -> Vec<f32> {
    let [depth, rows, width] = axes.map(|axis| axis.output);
    let items = x.channels * taps;
    let point = axes.iter().all(Axis::is_point);
    let in_place = point && (rows * width).is_multiple_of(SLACK);
    // Where both sides stay in place a block is any run of pixels, here rows of the greatest width that divides.
    let height = PIXELS.div_ceil(width).min(rows);
    let height = if in_place && !(height * width).is_multiple_of(SLACK) { rows } else { height };
    let one = |rows| Geometry::new(axes, 1, rows).reserved();
    let height = if in_place { height } else { rows_within(TILES, one, height) };
    let channels = if in_place { x.channels } else { (TILES / size_of::<f32>() / one(height)).clamp(1, x.channels) };
    let blocks_of_slice = rows.div_ceil(height);
    let blocks: Vec<Block> = (0..x.batch * depth * blocks_of_slice)
        .map(|i| {
            let first = i % blocks_of_slice * height;
            let rows = first..(first + height).min(rows);
            Block { sample: i / (depth * blocks_of_slice), slice: i / blocks_of_slice % depth, rows }
        })
        .collect();
    let together = (2 * PIXELS / (height * width)).max(1);
    let sum = Sum { set, x, g, axes, height, channels, in_place, taps };
    let over = |blocks: &[Block]| {
        let mut sums = vec![0.0; items * g.channels];
        let mut scratch = [Vec::new(), Vec::new()];
        for blocks in blocks.chunks(together) {
            sum.add(blocks, &mut sums, &mut scratch);
        }
        sums
    };
    if blocks.len() * height * width * items * g.channels <= SMALL {
        return over(&blocks);
    }
    let size = blocks.len().div_ceil(GROUPS).next_multiple_of(together);
    let groups: Vec<Vec<f32>> = blocks.par_chunks(size).map(over).collect();
    let mut groups = groups.into_iter();
    let first = groups.next().unwrap_or_default();
    groups.fold(first, |mut sum, group| {
        sum.iter_mut().zip(group).for_each(|(sum, part)| *sum += part);
        sum
    })
}

/// What is summed, and how it is cut.
struct Sum<'a> {
    set: InstructionSet,
    x: &'a Planes,
    g: &'a Planes,
    axes: [Axis; 3],
    height: usize,
    /// Channels of x laid out at once.
    channels: usize,
    in_place: bool,
    taps: usize,
}

impl Sum<'_> {
    fn add(&self, blocks: &[Block], sums: &mut [f32], [tiles, padded]: &mut [Vec<f32>; 2]) {
        let Sum { set, x, g, .. } = *self;
        let [_, rows, width] = self.axes.map(|axis| axis.output);
        let first = |block: &Block| (block.slice * rows + block.rows.start) * width;
        let offsets = |planes: &Planes| (0..planes.channels).map(|c| c * planes.channel_stride()).collect::<Vec<_>>();
        let pixels = |block: &Block| block.rows.len() * width;
        if self.in_place {
            let at = |planes: &Planes, block: &Block| planes.offset(block.sample, 0) + first(block);
            let runs: Vec<Run> = blocks.iter().map(|b| Run { x: at(x, b), g: at(g, b), length: pixels(b) }).collect();
            let (x_offsets, g_offsets) = (offsets(x), offsets(g));
            let (x, g) = (x.storage(), g.storage());
            set.run(Dots { x, x_offsets: &x_offsets, g, g_offsets: &g_offsets, runs: &runs, sums });
            return;
        }
        let even = blocks.iter().all(|block| pixels(block).is_multiple_of(SLACK));
        let longest = (self.height * width).next_multiple_of(SLACK);
        if !even {
            // A run is read in whole vectors: what the tile has beyond its end meets zeros here.
            padded.clear();
            padded.resize(blocks.len() * g.channels * longest, 0.0);
            for (block, padded) in blocks.iter().zip(padded.chunks_mut(g.channels * longest)) {
                for (channel, padded) in padded.chunks_mut(longest).enumerate() {
                    let run = &g.plane(block.sample, channel)[first(block)..][..pixels(block)];
                    padded[..run.len()].copy_from_slice(run);
                }
            }
        }
        let (g_values, g_offsets) = match even {
            true => (g.storage(), offsets(g)),
            false => (&padded[..], (0..g.channels).map(|channel| channel * longest).collect()),
        };
        for c in (0..x.channels).step_by(self.channels) {
            let count = self.channels.min(x.channels - c);
            let geometry = Geometry::new(self.axes, count, self.height);
            let size = geometry.reserved();
            tiles.resize((blocks.len() * size).max(tiles.len()), 0.0);
            for (block, tile) in blocks.iter().zip(tiles.chunks_mut(size)) {
                geometry.fill(tile, block, |channel| x.plane(block.sample, c + channel));
            }
            let runs: Vec<Run> = (0..blocks.len())
                .map(|i| Run {
                    x: i * size,
                    g: if even { g.offset(blocks[i].sample, 0) + first(&blocks[i]) } else { i * g.channels * longest },
                    length: pixels(&blocks[i]).next_multiple_of(SLACK),
                })
                .collect();
            let taps: Vec<usize> = geometry.taps().map(|tap| geometry.offset(0, tap)).collect();
            let x_offsets: Vec<usize> = (0..count)
                .flat_map(|channel| taps.iter().map(move |&tap| geometry.offset(channel, [0; 3]) + tap))
                .collect();
            let sums = &mut sums[c * self.taps * g.channels..][..count * self.taps * g.channels];
            set.run(Dots { x: tiles, x_offsets: &x_offsets, g: g_values, g_offsets: &g_offsets, runs: &runs, sums });
        }
    }
}
