//! The matrix product that everything is made of, with both operands read in place.
//!
//! out\[m\]\[p\] = finish(start\[m\]\[p\] + Σ_k a\[row_m + a_k\] · b\[base + b_k + p\]), vectors along p; see [`Steps`],
//! [`Start`] and [`Finish`]. A block of six rows by four (two) vectors, or of ten rows by one, stays in registers; each
//! step loads the vectors once and broadcasts a number a row.

use super::instruction_set::{InstructionSet, Kernel, Simd};

/// Rows of a block of [`Rows`].
const ROWS: usize = 6;

/// Rows of a block with one vector: more of them have no registers for their addresses.
const TALL: usize = 10;

/// Vectors of a block of [`Rows`], at most.
const VECTORS: usize = 4;

/// Floats of b that the rows of a product take turns over: they stay in the first cache.
const CACHED: usize = 4 << 10;

/// Floats that may be read beyond the last pixel of a run.
pub const SLACK: usize = 16;

/// Steps of a run that are written out one after the other.
///
/// A core that shares its units with another program begins three instructions a cycle rather than six; then the fewer
/// of them go with a multiply-add, the more of these there are. Where factors are is counted, not looked up.
const UNROLLED: usize = 4;

/// Where the factors of each step k are: offsets into a row of a, and into b.
///
/// They are kept as runs. Products are fast where these are long.
pub struct Steps {
    runs: Vec<Run>,
    length: usize,
    /// The greatest offsets of any step: unchecked loads rely on them.
    reach: [usize; 2],
}

/// Steps whose factors in a follow each other, and those in b at one distance.
struct Run {
    at: usize,
    place: usize,
    stride: usize,
    length: usize,
}

impl Run {
    /// Whether a step goes on where this ends; a second step says at what distance.
    fn takes(&mut self, [at, place]: [usize; 2]) -> bool {
        let end = self.place + (self.length - 1) * self.stride;
        if self.length == 1 && place >= end {
            self.stride = place - end;
        }
        let follows = at == self.at + self.length && place == end + self.stride;
        self.length += usize::from(follows);
        follows
    }
}

impl Steps {
    pub fn new(offsets: impl Iterator<Item = [usize; 2]>) -> Self {
        let mut steps = Self { runs: Vec::new(), length: 0, reach: [0; 2] };
        for [at, place] in offsets {
            if !steps.runs.last_mut().is_some_and(|run| run.takes([at, place])) {
                steps.runs.push(Run { at, place, stride: 0, length: 1 });
            }
            steps.length += 1;
            steps.reach = [steps.reach[0].max(at), steps.reach[1].max(place)];
        }
        steps
    }

    /// So many steps: numbers of a that follow each other, and numbers of b that are `stride` apart.
    pub fn even(length: usize, stride: usize) -> Self {
        Self::lines([0].into_iter(), length, stride)
    }

    /// Lines of so many numbers of a, which begin at these offsets; numbers of b are `stride` apart all the way.
    pub fn lines(begins: impl Iterator<Item = usize>, length: usize, stride: usize) -> Self {
        let line = |(i, at)| Run { at, place: i * length * stride, stride, length };
        let runs: Vec<Run> = begins.enumerate().map(line).collect();
        let last = length.saturating_sub(1);
        let reach = |run: &Run| [run.at + last, run.place + last * stride];
        let reach = runs.iter().map(reach).fold([0; 2], |[a, b], [at, place]| [a.max(at), b.max(place)]);
        Self { length: runs.len() * length, runs, reach }
    }

    pub fn len(&self) -> usize {
        self.length
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// One number a row.
    Bias(&'a [f32]),
    /// What the outputs hold.
    Outputs,
}

/// What is done to a sum before it is stored.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    Nothing,
    /// Multiplied by this where it is negative; at most one.
    Leak(f32),
    /// Multiplied by the factor where the values, `pitch` apart from row to row, are not positive.
    Gate {
        values: &'a [f32],
        pitch: usize,
        factor: f32,
    },
}

/// A product with as many rows as there are outputs.
pub struct Rows<'a, 'o> {
    pub a: &'a [f32],
    /// The offset of each row in a.
    pub rows: &'a [usize],
    pub steps: &'a Steps,
    pub start: Start<'a>,
    /// For p from 0 to the length of the outputs, or to a multiple of [`SLACK`] where that is below [`SLACK`] times four or
    /// outputs are added to.
    pub b: &'a [f32],
    pub base: usize,
    pub finish: Finish<'a>,
    /// One slice a row, all of one length.
    pub outputs: &'a mut [&'o mut [f32]],
}

impl Rows<'_, '_> {
    /// Computes the outputs.
    pub fn run(mut self, set: InstructionSet) {
        let length = self.outputs.first().map_or(0, |output| output.len());
        let [lanes, vectors] = set.run(Widest);
        let (whole, rest) = (length / (vectors * lanes), length % (vectors * lanes));
        let count = rest.div_ceil(lanes);
        // The last block begins earlier, where it can, rather than end beyond the run. What is added to outputs is
        // added once.
        let last = match self.start {
            Start::Outputs => length - rest,
            Start::Zero | Start::Bias(_) => length.saturating_sub(count * lanes),
        };
        for (first, vectors, count) in [(0, vectors, whole), (last, count, 1)] {
            match vectors {
                0 => {}
                1 => self.blocks::<1>(set, lanes, first, count),
                2 => self.blocks::<2>(set, lanes, first, count),
                3 => self.blocks::<3>(set, lanes, first, count),
                _ => self.blocks::<VECTORS>(set, lanes, first, count),
            }
        }
    }

    /// All rows of some blocks of V vectors, from pixel `first` on. Rows take turns over as many blocks as the first cache
    /// has room for.
    fn blocks<const V: usize>(&mut self, set: InstructionSet, lanes: usize, first: usize, blocks: usize) {
        let width = V * lanes;
        let together = (CACHED / (width * self.steps.len().max(1))).max(1);
        for block in (0..blocks).step_by(together) {
            let end = blocks.min(block + together);
            let pixels = [first + block * width, first + end * width];
            // One vector alone takes more rows: as many sums as the units for them need under way.
            let most = if V == 1 { TALL } else { ROWS };
            let (mut row, mut panels) = (0, self.rows.len().div_ceil(most));
            while row < self.rows.len() {
                let height = (self.rows.len() - row).div_ceil(panels);
                match height {
                    1 => self.panel::<1, V>(set, row, pixels),
                    2 => self.panel::<2, V>(set, row, pixels),
                    3 => self.panel::<3, V>(set, row, pixels),
                    4 => self.panel::<4, V>(set, row, pixels),
                    5 => self.panel::<5, V>(set, row, pixels),
                    ROWS => self.panel::<ROWS, V>(set, row, pixels),
                    7 => self.panel::<7, 1>(set, row, pixels),
                    8 => self.panel::<8, 1>(set, row, pixels),
                    9 => self.panel::<9, 1>(set, row, pixels),
                    _ => self.panel::<TALL, 1>(set, row, pixels),
                }
                row += height;
                panels -= 1;
            }
        }
    }

    /// M rows from `row` on of the blocks between these pixels.
    fn panel<const M: usize, const V: usize>(&mut self, set: InstructionSet, row: usize, pixels: [usize; 2]) {
        let &mut Self { steps, start, finish, .. } = self;
        let rows: [&[f32]; M] = core::array::from_fn(|m| &self.a[self.rows[row + m]..][..steps.reach[0] + 1]);
        let Some(outputs) = self.outputs[row..].first_chunk_mut::<M>() else {
            unreachable!("every row has its output");
        };
        let b = &self.b[self.base..];
        set.run(Panel::<M, V> { rows: &rows, steps, start, b, finish, outputs, row, pixels });
    }
}

/// Entries of a vector, and vectors of a block at most.
struct Widest;

impl Kernel for Widest {
    type Output = [usize; 2];

    #[inline(always)]
    fn run<S: Simd>(self) -> [usize; 2] {
        [S::LANES, if S::MANY_REGISTERS { VECTORS } else { VECTORS / 2 }]
    }
}

/// M rows of a product by V vectors. A kernel of its own: its loops then have all registers to themselves.
struct Panel<'a, 'o, const M: usize, const V: usize> {
    /// Each with one number more than the steps reach.
    rows: &'a [&'a [f32]; M],
    steps: &'a Steps,
    start: Start<'a>,
    b: &'a [f32],
    finish: Finish<'a>,
    outputs: &'a mut [&'o mut [f32]; M],
    /// The number of the first row.
    row: usize,
    /// Where the first block begins, and where the last one ends.
    pixels: [usize; 2],
}

impl<const M: usize, const V: usize> Kernel for Panel<'_, '_, M, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let [first, end] = self.pixels;
        for first in (first..end).step_by(V * S::LANES) {
            self.block::<S>(first);
        }
    }
}

impl<const M: usize, const V: usize> Panel<'_, '_, M, V> {
    /// The block from pixel `first` on.
    ///
    /// Sums stay in registers from beginning to end only if every index into them is a constant once loops are
    /// unrolled: blocks that pass the end of a row take the way through memory with copies of them.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "plain ranges are what is unrolled for certain")]
    fn block<S: Simd>(&mut self, first: usize) {
        let &mut Self { rows, steps, start, b, finish, ref mut outputs, row, .. } = self;
        let rows = *rows;
        let b = &b[first..][..steps.reach[1] + V * S::LANES];
        let whole = outputs[0].len() >= first + V * S::LANES;
        let mut sums = [[S::splat(0.0); V]; M];
        match start {
            Start::Zero => {}
            Start::Bias(bias) => {
                let bias = &bias[row..][..M];
                for m in 0..M {
                    sums[m] = [S::splat(bias[m]); V];
                }
            }
            Start::Outputs if whole => {
                for m in 0..M {
                    let output = &outputs[m][first..][..V * S::LANES];
                    for v in 0..V {
                        sums[m][v] = S::load(&output[v * S::LANES..]);
                    }
                }
            }
            Start::Outputs => sums = load_parts::<S, M, V>(outputs, first),
        }
        for &Run { mut at, mut place, stride, length: mut left } in &steps.runs {
            while left >= UNROLLED {
                for i in 0..UNROLLED {
                    // SAFETY: no step passes the reach of all. b was cut above to V vectors beyond it, and every row, by
                    // `Rows::panel`, to one number beyond it.
                    unsafe { step::<S, M, V>(&rows, at + i, b, place + i * stride, &mut sums) };
                }
                at += UNROLLED;
                place += UNROLLED * stride;
                left -= UNROLLED;
            }
            for i in 0..left {
                // SAFETY: as above.
                unsafe { step::<S, M, V>(&rows, at + i, b, place + i * stride, &mut sums) };
            }
        }
        match finish {
            Finish::Nothing => {}
            Finish::Leak(slope) => {
                let (slope, zero) = (S::splat(slope), S::splat(0.0));
                for m in 0..M {
                    for v in 0..V {
                        sums[m][v] = S::max(sums[m][v], S::multiply_add(sums[m][v], slope, zero));
                    }
                }
            }
            Finish::Gate { values, pitch, factor } => {
                let factor = S::splat(factor);
                for m in 0..M {
                    let values = &values[(row + m) * pitch + first..][..V * S::LANES];
                    for v in 0..V {
                        sums[m][v] = S::gated(S::load(&values[v * S::LANES..]), sums[m][v], factor);
                    }
                }
            }
        }
        if whole {
            for m in 0..M {
                let output = &mut outputs[m][first..][..V * S::LANES];
                for v in 0..V {
                    S::store(sums[m][v], &mut output[v * S::LANES..]);
                }
            }
        } else {
            store_parts::<S, M, V>(outputs, first, sums);
        }
    }
}

/// The block of outputs, with zeros beyond the end.
#[inline(always)]
fn load_parts<S: Simd, const M: usize, const V: usize>(outputs: &[&mut [f32]; M], first: usize) -> [[S::Vector; V]; M] {
    let mut parts = [[S::splat(0.0); V]; M];
    for (output, parts) in outputs.iter().zip(&mut parts) {
        for (values, part) in output[first..].chunks(S::LANES).zip(parts) {
            let mut all = [0.0; SLACK];
            all[..values.len()].copy_from_slice(values);
            *part = S::load(&all);
        }
    }
    parts
}

/// Stores as much of a block as there are outputs.
#[inline(always)]
fn store_parts<S: Simd, const M: usize, const V: usize>(
    outputs: &mut [&mut [f32]; M],
    first: usize,
    parts: [[S::Vector; V]; M],
) {
    for (output, parts) in outputs.iter_mut().zip(&parts) {
        for (values, &part) in output[first..].chunks_mut(S::LANES).zip(parts) {
            let mut all = [0.0; SLACK];
            S::store(part, &mut all);
            values.copy_from_slice(&all[..values.len()]);
        }
    }
}

/// `sums[m][v] += rows[m][at] · b[place + v]`.
///
/// # Safety
/// Every row has an entry at `at`, and b has V vectors from `place` on.
#[inline(always)]
unsafe fn step<S: Simd, const M: usize, const V: usize>(
    rows: &[&[f32]; M],
    at: usize,
    b: &[f32],
    place: usize,
    sums: &mut [[S::Vector; V]; M],
) {
    // SAFETY: by the caller.
    let vectors: [S::Vector; V] = core::array::from_fn(|v| unsafe { S::load_unchecked(b, place + v * S::LANES) });
    for (sums, row) in sums.iter_mut().zip(rows) {
        // SAFETY: by the caller.
        let factor = S::splat(unsafe { *row.get_unchecked(at) });
        for (sum, &vector) in sums.iter_mut().zip(&vectors) {
            *sum = S::multiply_add(factor, vector, *sum);
        }
    }
}
