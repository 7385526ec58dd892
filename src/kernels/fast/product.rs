//! The matrix product that everything is made of, with both operands read in place through a table of offsets.
//!
//! out\[m\]\[p\] = finish(start\[m\]\[p\] + Σ_k a\[row_m + a_k\] · b\[base + b_k + p\]), vectors along p; see [`Start`] and
//! [`Finish`]. A block of six rows by four (two) vectors, or of ten rows by one, stays in registers; each step loads the
//! vectors once and broadcasts a number a row.

use super::instruction_set::{Kernel, Simd};

/// Rows of a block of [`Rows`].
const ROWS: usize = 6;

/// Rows of a block with one vector: more of them have no registers for their addresses.
const TALL: usize = 10;

/// Vectors of a block of [`Rows`], at most.
const VECTORS: usize = 4;

/// Floats that may be read beyond the last pixel of a run.
pub const SLACK: usize = 16;

/// Where the factors of each step k are: offsets into a row of a, and into b.
pub struct Steps {
    offsets: Vec<[u32; 2]>,
    reach: [usize; 2],
}

impl Steps {
    pub fn new(offsets: impl Iterator<Item = [usize; 2]>) -> Self {
        let offsets: Vec<[u32; 2]> = offsets.map(|pair| pair.map(|offset| offset as u32)).collect();
        let reach = [0, 1].map(|side| offsets.iter().map(|pair| pair[side]).max().unwrap_or(0) as usize);
        Self { offsets, reach }
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
    /// For p from 0 to the length of the outputs, b must go on for [`SLACK`] floats where that is below [`SLACK`], and
    /// to a multiple of [`SLACK`] where outputs are added to.
    pub b: &'a [f32],
    pub base: usize,
    pub finish: Finish<'a>,
    /// One slice a row, all of one length.
    pub outputs: &'a mut [&'o mut [f32]],
}

impl Kernel for Rows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let vectors = if S::MANY_REGISTERS { VECTORS } else { VECTORS / 2 };
        let length = self.outputs.first().map_or(0, |output| output.len());
        let mut p = 0;
        while p < length {
            let count = (length - p).div_ceil(S::LANES).min(vectors);
            // The last block begins earlier, where it can, rather than end beyond the run. What is added to outputs is
            // added once.
            let start = match self.start {
                Start::Outputs => p,
                Start::Zero | Start::Bias(_) => p.min(length.saturating_sub(count * S::LANES)),
            };
            let mut row = 0;
            // One vector alone takes more rows: as many sums as the units for them need under way.
            let most = if count == 1 { TALL } else { ROWS };
            let mut panels = self.rows.len().div_ceil(most);
            while row < self.rows.len() {
                let height = (self.rows.len() - row).div_ceil(panels);
                match count {
                    1 => self.tall_panel::<S>(row, height, start),
                    2 => self.panel::<S, 2>(row, height, start),
                    3 => self.panel::<S, 3>(row, height, start),
                    _ => self.panel::<S, VECTORS>(row, height, start),
                }
                row += height;
                panels -= 1;
            }
            p = start + count * S::LANES;
        }
    }
}

impl Rows<'_, '_> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, row: usize, height: usize, start: usize) {
        match height {
            1 => self.block::<S, 1, V>(row, start),
            2 => self.block::<S, 2, V>(row, start),
            3 => self.block::<S, 3, V>(row, start),
            4 => self.block::<S, 4, V>(row, start),
            5 => self.block::<S, 5, V>(row, start),
            _ => self.block::<S, ROWS, V>(row, start),
        }
    }

    #[inline(always)]
    fn tall_panel<S: Simd>(&mut self, row: usize, height: usize, start: usize) {
        match height {
            7 => self.block::<S, 7, 1>(row, start),
            8 => self.block::<S, 8, 1>(row, start),
            9 => self.block::<S, 9, 1>(row, start),
            TALL => self.block::<S, TALL, 1>(row, start),
            _ => self.panel::<S, 1>(row, height, start),
        }
    }

    /// Rows from `row` on, pixels from `first` on.
    ///
    /// Sums stay in registers from beginning to end only if every index into them is a constant once loops are
    /// unrolled: blocks that pass the end of a row take the way through memory with copies of them.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "plain ranges are what is unrolled for certain")]
    fn block<S: Simd, const M: usize, const V: usize>(&mut self, row: usize, first: usize) {
        let rows: [&[f32]; M] = core::array::from_fn(|m| &self.a[self.rows[row + m]..][..self.steps.reach[0] + 1]);
        let b = &self.b[self.base + first..][..self.steps.reach[1] + V * S::LANES];
        let whole = self.outputs[row].len() >= first + V * S::LANES;
        let mut sums = [[S::splat(0.0); V]; M];
        match self.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for m in 0..M {
                    sums[m] = [S::splat(bias[row + m]); V];
                }
            }
            Start::Outputs if whole => {
                for m in 0..M {
                    let output = &self.outputs[row + m][first..][..V * S::LANES];
                    for v in 0..V {
                        sums[m][v] = S::load(&output[v * S::LANES..]);
                    }
                }
            }
            Start::Outputs => sums = self.load_parts::<S, M, V>(row, first),
        }
        for &[at, from] in &self.steps.offsets {
            // SAFETY: `from` is at most reach[1], and b has V vectors beyond that; `at` is at most reach[0], and each
            // row has one entry beyond that. Both by the slices cut above.
            let vectors: [S::Vector; V] =
                core::array::from_fn(|v| unsafe { S::load_unchecked(b, from as usize + v * S::LANES) });
            for (sums, row) in sums.iter_mut().zip(&rows) {
                // SAFETY: as above.
                let factor = S::splat(unsafe { *row.get_unchecked(at as usize) });
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = S::multiply_add(factor, vector, *sum);
                }
            }
        }
        match self.finish {
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
                let output = &mut self.outputs[row + m][first..][..V * S::LANES];
                for v in 0..V {
                    S::store(sums[m][v], &mut output[v * S::LANES..]);
                }
            }
        } else {
            self.store_parts::<S, M, V>(row, first, sums);
        }
    }

    /// The block of outputs, with zeros beyond the end.
    #[inline(always)]
    fn load_parts<S: Simd, const M: usize, const V: usize>(&self, row: usize, first: usize) -> [[S::Vector; V]; M] {
        let mut parts = [[S::splat(0.0); V]; M];
        for (output, parts) in self.outputs[row..].iter().zip(&mut parts) {
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
        &mut self,
        row: usize,
        first: usize,
        parts: [[S::Vector; V]; M],
    ) {
        for (output, parts) in self.outputs[row..].iter_mut().zip(&parts) {
            for (values, &part) in output[first..].chunks_mut(S::LANES).zip(parts) {
                let mut all = [0.0; SLACK];
                S::store(part, &mut all);
                values.copy_from_slice(&all[..values.len()]);
            }
        }
    }
}
