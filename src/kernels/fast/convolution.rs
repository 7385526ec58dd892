//! Convolution and its adjoint in the input.
//!
//! Three ways, by what is cheapest:
//!
//! - *in place*: a 1×1 kernel is a matrix product over the pixels where they are;
//! - *gathered*: the source is laid out as a [`tile`](super::tile), then one product over channels and taps; where rows
//!   are wide a tile is a copy without shifts, and there is one product a row;
//! - *scattered*, for few outputs of many inputs: one product over the pixels where they are gives every output's
//!   share of every tap; these are shifted and added up. Far less is moved than when many inputs are laid out.
//!
//! The adjoint is a convolution with the reversed kernel, inputs and outputs exchanged: the same code with other
//! strides of the weight. Products want its numbers one after the other, so it is copied in their order where they are
//! not: one number is moved for each multiply-add of a single pixel.

use core::ops::Range;
use std::borrow::Cow;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::SMALL;
use super::axis::{Axis, runs};
use super::instruction_set::{InstructionSet, Kernel, Simd};
use super::product::{Finish, Rows, SLACK, Start, Steps};
use super::tile::{Block, Geometry};
use super::view::{Planes, Values, tensor};
use crate::kernels::{Field, Padding};

/// Bytes of a tile, at most: it stays in the second cache.
const TILE: usize = 384 << 10;

/// Bytes of the shares of a slice, at most.
const SHARES: usize = 768 << 10;

/// Inputs whose taps are summed one after the other: few pages of a tile are visited at a time, and the runs of a product
/// are as long as these are many.
const TOGETHER: usize = 8;

/// Pieces that large work is cut into, at least.
const PIECES: usize = 8;

/// See [`crate::kernels::convolve`].
pub fn convolve(
    set: InstructionSet,
    x: &Field,
    weight: &Field,
    bias: Option<&Tensor<1>>,
    padding: &Padding,
) -> Option<Field> {
    let [outputs, inputs, kernel @ ..] = nonempty(weight)?;
    let axes = axes(&x.dims()[2..], kernel, padding)?;
    let taps = kernel.iter().product::<usize>();
    if x.dims()[1] != inputs || bias.is_some_and(|bias| bias.dims() != [outputs]) {
        return None;
    }
    let bias = match bias {
        Some(bias) => Some(Values::of(bias)?),
        None => None,
    };
    let (source, weight) = (Planes::of(x)?, Values::of(weight)?);
    let weight = Weight { values: weight.get(), inputs, outputs, taps, reversed: false };
    Some(run(set, &source, &weight, bias.as_ref().map(Values::get), axes))
}

/// See [`crate::kernels::convolve_input_adjoint`].
pub fn convolve_input_adjoint(
    set: InstructionSet,
    extent: [usize; 3],
    weight: &Field,
    dy: &Field,
    padding: &Padding,
) -> Option<Field> {
    let [outputs, inputs, kernel @ ..] = nonempty(weight)?;
    let axes = axes(&extent, kernel, padding)?;
    if dy.dims()[1] != outputs || dy.dims()[2..] != axes.map(|axis| axis.output) {
        return None;
    }
    let axes = adjoint(axes)?;
    let taps = kernel.iter().product::<usize>();
    let (source, weight) = (Planes::of(dy)?, Values::of(weight)?);
    let weight = Weight { values: weight.get(), inputs: outputs, outputs: inputs, taps, reversed: true };
    Some(run(set, &source, &weight, None, axes))
}

fn nonempty(weight: &Field) -> Option<[usize; 5]> {
    Some(weight.dims()).filter(|dims| !dims.contains(&0))
}

/// The three axes of a convolution.
pub fn axes(extent: &[usize], kernel: [usize; 3], padding: &Padding) -> Option<[Axis; 3]> {
    let axis = |a: usize| Axis::new(extent[a], kernel[a], padding[a]);
    Some([axis(0)?, axis(1)?, axis(2)?])
}

/// The axes of the adjoint.
pub fn adjoint([deep, high, wide]: [Axis; 3]) -> Option<[Axis; 3]> {
    Some([deep.adjoint()?, high.adjoint()?, wide.adjoint()?])
}

/// Whether a product may read runs of so many pixels in place: no vector passes the end of a run.
pub fn in_place(pixels: usize) -> bool {
    pixels.is_multiple_of(SLACK) || pixels >= 4 * SLACK
}

/// A weight tensor as one of the two maps reads it.
struct Weight<'a> {
    values: &'a [f32],
    /// Of the map.
    inputs: usize,
    outputs: usize,
    taps: usize,
    /// Whether the map is the adjoint.
    reversed: bool,
}

impl<'a> Weight<'a> {
    /// Every input and tap: all taps of so many inputs, one tap after the other, then those of the next ones.
    fn order(&self, together: usize) -> Vec<[usize; 2]> {
        let blocks = (0..self.inputs).step_by(together).map(|first| first..self.inputs.min(first + together));
        let block =
            |inputs: Range<usize>| (0..self.taps).flat_map(move |tap| inputs.clone().map(move |input| [input, tap]));
        blocks.flat_map(block).collect()
    }

    /// The numbers of one output after the other, each in this order of inputs and taps.
    fn ordered(&self, order: &[[usize; 2]]) -> Cow<'a, [f32]> {
        if self.taps == 1 && !self.reversed {
            return Cow::Borrowed(self.values);
        }
        let (first, [output, input, tap]) = self.strides();
        let offsets: Vec<isize> = order.iter().map(|&[i, t]| i as isize * input + t as isize * tap).collect();
        let rows = (0..self.outputs as isize).map(|row| first as isize + row * output);
        Cow::Owned(rows.flat_map(|row| offsets.iter().map(move |at| self.values[(row + at) as usize])).collect())
    }

    /// Where the tensor begins as the map sees it, and from output to output, input to input, and tap to tap.
    fn strides(&self) -> (usize, [isize; 3]) {
        let &Self { inputs, outputs, taps, reversed, .. } = self;
        match reversed {
            false => (0, [(inputs * taps) as isize, taps as isize, 1]),
            true => (taps - 1, [taps as isize, (outputs * taps) as isize, -1]),
        }
    }
}

/// The map of a source.
fn run(set: InstructionSet, source: &Planes, weight: &Weight, bias: Option<&[f32]>, axes: [Axis; 3]) -> Field {
    let [depth, rows, width] = axes.map(|axis| axis.output);
    let mut y = vec![0.0; source.batch * weight.outputs * depth * rows * width];
    let [_, high, wide] = &axes;
    let area = high.source * wide.source;
    let point = axes.iter().all(Axis::is_point);
    let shares = weight.outputs * high.kernel * wide.kernel * area * size_of::<f32>();
    let few = 3 * weight.outputs <= weight.inputs && high.source == rows && wide.source == width;
    let plan = if point && in_place(area) {
        Plan::InPlace
    } else if few && shares <= SHARES && in_place(area) {
        Plan::Scattered
    } else {
        Plan::Gathered { lines: wide.kernel > 1 && is_wide(width) }
    };
    let work = y.len() * weight.inputs * weight.taps;
    let most = match plan {
        Plan::Scattered => rows,
        Plan::InPlace => rows,
        Plan::Gathered { lines } => rows_within(TILE, |rows| tile(axes, lines, weight.inputs, rows).size(), rows),
    };
    let cut = work > SMALL && !matches!(plan, Plan::Scattered);
    let height = if cut { most.min((source.batch * depth * rows).div_ceil(PIECES)) } else { most };
    // In place, the last block of a slice must be as good a run as the others.
    let last = rows - (rows - 1) / height * height;
    let height = if matches!(plan, Plan::InPlace) && !in_place(last * width) { rows } else { height };
    let map = Map::new(set, source, weight, bias, axes, plan, height);
    let mut pieces = pieces(&mut y, source.batch, weight.outputs, [depth, rows, width], height);
    let each = |scratch: &mut Vec<f32>, (block, outputs): &mut (Block, Vec<&mut [f32]>)| match plan {
        Plan::InPlace => map.in_place(block, outputs),
        Plan::Scattered => map.scattered(block, outputs, scratch),
        Plan::Gathered { lines } => map.gathered(block, lines, outputs, scratch),
    };
    if work > SMALL {
        pieces.par_iter_mut().for_each_init(Vec::new, each);
    } else {
        let mut scratch = Vec::new();
        pieces.iter_mut().for_each(|piece| each(&mut scratch, piece));
    }
    drop(pieces);
    tensor(y, [source.batch, weight.outputs, depth, rows, width])
}

#[derive(Clone, Copy)]
enum Plan {
    InPlace,
    Scattered,
    Gathered {
        /// One product a row.
        lines: bool,
    },
}

/// Whether so little of the vectors of a row passes its end that a product may be of one row.
fn is_wide(width: usize) -> bool {
    width >= 4 * SLACK && 8 * (width.next_multiple_of(SLACK) - width) <= width
}

fn tile([deep, high, wide]: [Axis; 3], lines: bool, channels: usize, rows: usize) -> Geometry {
    let wide = if lines { wide.window(0, wide.output) } else { wide };
    Geometry::new([deep, high, wide], channels, rows)
}

/// As many rows as fit into so many bytes, at least one.
pub fn rows_within(bytes: usize, floats: impl Fn(usize) -> usize, rows: usize) -> usize {
    let one = floats(1);
    let each = (floats(2) - one).max(1);
    let spare = (bytes / size_of::<f32>()).saturating_sub(one);
    (1 + spare / each).min(rows)
}

/// The blocks of a result, each with its run of pixels in every channel.
fn pieces(
    y: &mut [f32],
    batch: usize,
    channels: usize,
    [depth, rows, width]: [usize; 3],
    height: usize,
) -> Vec<(Block, Vec<&mut [f32]>)> {
    let blocks = rows.div_ceil(height);
    let mut pieces: Vec<(Block, Vec<&mut [f32]>)> = (0..batch * depth * blocks)
        .map(|i| {
            let first = i % blocks * height;
            let rows = first..(first + height).min(rows);
            (Block { sample: i / (depth * blocks), slice: i / blocks % depth, rows }, Vec::with_capacity(channels))
        })
        .collect();
    for (sample, y) in y.chunks_mut(channels * depth * rows * width).enumerate() {
        for plane in y.chunks_mut(depth * rows * width) {
            let slices = plane.chunks_mut(rows * width).flat_map(|slice| slice.chunks_mut(height * width));
            for (piece, run) in pieces[sample * depth * blocks..].iter_mut().zip(slices) {
                piece.1.push(run);
            }
        }
    }
    pieces
}

/// One of the two maps, and all that its blocks have in common.
struct Map<'a> {
    set: InstructionSet,
    source: &'a Planes,
    weight: &'a Weight<'a>,
    /// The weight in the order of the products, and where the rows of each begin in it: there is one product, or one for
    /// each kz where shares are scattered.
    values: Cow<'a, [f32]>,
    rows: Vec<Vec<usize>>,
    steps: Steps,
    bias: Option<&'a [f32]>,
    axes: [Axis; 3],
    tile: Geometry,
}

impl<'a> Map<'a> {
    fn new(
        set: InstructionSet,
        source: &'a Planes,
        weight: &'a Weight<'a>,
        bias: Option<&'a [f32]>,
        axes: [Axis; 3],
        plan: Plan,
        height: usize,
    ) -> Self {
        let lines = matches!(plan, Plan::Gathered { lines: true });
        let tile = tile(axes, lines, weight.inputs, height);
        let slice = axes[1].kernel * axes[2].kernel;
        let all = || vec![(0..weight.outputs).map(|output| output * weight.inputs * weight.taps).collect()];
        let each = || Steps::even(weight.inputs, source.channel_stride());
        let (order, rows, steps) = match plan {
            Plan::InPlace => (weight.order(weight.inputs), all(), each()),
            Plan::Gathered { .. } => {
                let order = weight.order(TOGETHER);
                let places: Vec<usize> = tile.places(axes.map(|axis| axis.kernel)).collect();
                let place = |&[input, tap]: &[usize; 2]| tile.offset(input, [0; 3]) + places[tap];
                let steps = Steps::new(order.iter().map(place).enumerate().map(|(at, place)| [at, place]));
                (order, all(), steps)
            }
            Plan::Scattered => {
                let row = |output, tap| (output * weight.taps + tap) * weight.inputs;
                let taps = |kz| kz * slice..(kz + 1) * slice;
                let outputs =
                    |kz| (0..weight.outputs).flat_map(move |output| taps(kz).map(move |tap| row(output, tap)));
                let rows = (0..axes[0].kernel).map(|kz| outputs(kz).collect()).collect();
                (weight.order(weight.inputs), rows, each())
            }
        };
        let values = weight.ordered(&order);
        Self { set, source, weight, values, bias, axes, tile, rows, steps }
    }

    fn product(&self, rows: usize, bias: Option<&[f32]>, b: &[f32], base: usize, outputs: &mut [&mut [f32]]) {
        let (a, steps) = (&self.values, &self.steps);
        let start = bias.map_or(Start::Zero, Start::Bias);
        Rows { a, rows: &self.rows[rows], steps, start, b, base, finish: Finish::Nothing, outputs }.run(self.set);
    }

    fn in_place(&self, block: &Block, outputs: &mut [&mut [f32]]) {
        let [_, rows, width] = self.axes.map(|axis| axis.output);
        let first = (block.slice * rows + block.rows.start) * width;
        let base = self.source.offset(block.sample, 0) + first;
        self.product(0, self.bias, self.source.storage(), base, outputs);
    }

    fn gathered(&self, block: &Block, lines: bool, outputs: &mut [&mut [f32]], tile: &mut Vec<f32>) {
        tile.resize(self.tile.reserved(), 0.0);
        self.tile.fill(tile, block, |channel| self.source.plane(block.sample, channel));
        if !lines {
            return self.product(0, self.bias, tile, 0, outputs);
        }
        let width = self.axes[2].output;
        for row in 0..block.rows.len() {
            let mut line: Vec<&mut [f32]> = outputs.iter_mut().map(|o| &mut o[row * width..][..width]).collect();
            self.product(0, self.bias, tile, self.tile.line(0, row), &mut line);
        }
    }

    /// The block is a whole slice.
    fn scattered(&self, block: &Block, outputs: &mut [&mut [f32]], shares: &mut Vec<f32>) {
        let [deep, high, wide] = &self.axes;
        let area = high.source * wide.source;
        shares.resize(self.weight.outputs * high.kernel * wide.kernel * area, 0.0);
        if let Some(bias) = self.bias {
            outputs.iter_mut().zip(bias).for_each(|(output, &bias)| output.fill(bias));
        }
        for kz in 0..deep.kernel {
            let Some(z) = deep.seen(block.slice, kz) else {
                continue;
            };
            let mut planes: Vec<&mut [f32]> = shares.chunks_mut(area).collect();
            let base = self.source.offset(block.sample, 0) + z * area;
            self.product(kz, None, self.source.storage(), base, &mut planes);
            self.set.run(Gather { high, wide, shares, outputs });
        }
    }
}

/// Adds the share of every tap, at its place, to every output.
struct Gather<'a, 'o> {
    high: &'a Axis,
    wide: &'a Axis,
    shares: &'a [f32],
    outputs: &'a mut [&'o mut [f32]],
}

impl Kernel for Gather<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Gather { high, wide, shares, outputs } = self;
        let (width, area) = (wide.output, high.source * wide.source);
        let mut kept = Vec::new();
        let mut shares = shares.chunks(area);
        for output in outputs.iter_mut() {
            for (ky, kx) in (0..high.kernel).flat_map(|ky| (0..wide.kernel).map(move |kx| (ky, kx))) {
                let Some(share) = shares.next() else {
                    return;
                };
                runs(high, 0..high.output, ky, |first, from, count| {
                    if let Some(from) = from {
                        let rows = &mut output[first * width..][..count * width];
                        add_shifted(wide, kx, &share[from * width..][..count * width], rows, &mut kept);
                    }
                });
            }
        }
    }
}

/// Adds rows as the outputs see them through tap `k`; source and output are of one width.
#[inline(always)]
pub fn add_shifted(axis: &Axis, k: usize, source: &[f32], rows: &mut [f32], kept: &mut Vec<f32>) {
    let (width, inside) = (axis.output, axis.interior(k));
    let outside = || (0..inside.start).chain(inside.end..width);
    // All rows are added at once; what passes the end of a row is put right afterwards.
    kept.clear();
    for column in outside() {
        let seen = axis.seen(column, k);
        let pairs = rows.chunks(width).zip(source.chunks(width));
        kept.extend(pairs.map(|(row, source)| row[column] + seen.map_or(0.0, |seen| source[seen])));
    }
    let shift = axis.shift(k).clamp(-(rows.len() as isize), rows.len() as isize);
    let (from, to) = (shift.max(0) as usize, (-shift).max(0) as usize);
    let length = rows.len() - from - to;
    for (y, x) in rows[to..to + length].iter_mut().zip(&source[from..from + length]) {
        *y += x;
    }
    let mut kept = kept.iter();
    for column in outside() {
        for (row, &kept) in rows.chunks_mut(width).zip(&mut kept) {
            row[column] = kept;
        }
    }
}
