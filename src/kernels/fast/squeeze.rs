//! Squeezes in one pass: every number is read once and written once, rows at a time.
//!
//! An axis that is not halved is joined to the one outside it, or inside it for the width: what is left are rows that
//! lie after each other, and long ones where that is possible. The order of channels is that of the portable version.

use rayon::prelude::*;

use super::LARGE;
use super::instruction_set::{InstructionSet, Kernel, Simd};
use super::view::{Planes, tensor};
use crate::kernels::Field;

/// Entries of a run of rows that is transformed at once: all groups of it stay in the first cache.
const RUN: usize = 512;

/// The orthonormal pair of a sum and a difference has this factor.
const HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// The extents of a coarse channel, and which axes are two times as long in the fine one.
#[derive(Clone, Copy)]
struct Grid {
    coarse: [usize; 3],
    halved: [bool; 3],
}

impl Grid {
    fn new(coarse: [usize; 3], halved: [bool; 3]) -> Self {
        let ([mut d, mut h, mut w], [deep, high, _]) = (coarse, halved);
        if !high && !deep {
            // The whole channel is one row.
            (w, h, d) = (d * h * w, 1, 1);
        } else if !high {
            // Rows of one slice lie after each other in both.
            (w, h) = (h * w, 1);
        } else if !deep {
            (h, d) = (d * h, 1);
        }
        Self { coarse: [d, h, w], halved }
    }

    fn groups(&self) -> usize {
        1 << self.halved.iter().filter(|&&halved| halved).count()
    }

    fn pixels(&self) -> usize {
        self.coarse.iter().product()
    }

    fn steps(&self) -> [usize; 3] {
        self.halved.map(|halved| if halved { 2 } else { 1 })
    }

    /// Calls `f(group, coarse row, fine row)` for the rows of a slice, the group being the first of the two where the
    /// width is halved.
    #[inline(always)]
    fn rows(&self, slice: usize, rows: core::ops::Range<usize>, mut f: impl FnMut(usize, usize, usize)) {
        let [_, h, _] = self.coarse;
        let [deep, high, wide] = self.steps();
        for (dz, dy) in (0..deep).flat_map(|dz| (0..high).map(move |dy| (dz, dy))) {
            for row in rows.clone() {
                let fine = ((slice * deep + dz) * h + row) * high + dy;
                f((dz * high + dy) * wide, slice * h + row, fine);
            }
        }
    }

    /// Runs of coarse rows of a slice.
    fn runs(&self) -> impl Iterator<Item = (usize, core::ops::Range<usize>)> {
        let [d, h, w] = self.coarse;
        let height = (RUN / w).max(1);
        (0..d).flat_map(move |slice| (0..h).step_by(height).map(move |row| (slice, row..(row + height).min(h))))
    }
}

/// A squeeze to coarse channels; `haar` or a checkerboard.
pub fn squeeze(set: InstructionSet, x: &Field, halved: [bool; 3], haar: bool) -> Option<Field> {
    let x = Planes::of(x)?;
    let steps = halved.map(|halved| if halved { 2 } else { 1 });
    if x.extent.iter().zip(steps).any(|(size, step)| !size.is_multiple_of(step)) {
        return None;
    }
    let [d, h, w] = core::array::from_fn(|axis| x.extent[axis] / steps[axis]);
    let grid = Grid::new([d, h, w], halved);
    let (groups, pixels) = (grid.groups(), grid.pixels());
    let mut z = vec![0.0; x.batch * x.channels * groups * pixels];
    let mut channels: Vec<Vec<&mut [f32]>> = (0..x.batch * x.channels).map(|_| Vec::with_capacity(groups)).collect();
    for (i, plane) in z.chunks_mut(pixels).enumerate() {
        let (sample, channel) = (i / (groups * x.channels), i % x.channels);
        channels[sample * x.channels + channel].push(plane);
    }
    let one = |(i, coarse): (usize, &mut Vec<&mut [f32]>)| {
        let fine = x.plane(i / x.channels, i % x.channels);
        set.run(Squeeze { grid, fine, coarse, haar });
    };
    if x.batch * x.channels * x.pixels() > LARGE {
        channels.par_iter_mut().enumerate().for_each(one);
    } else {
        channels.iter_mut().enumerate().for_each(one);
    }
    drop(channels);
    Some(tensor(z, [x.batch, x.channels * groups, d, h, w]))
}

/// The inverse of [`squeeze`].
pub fn unsqueeze(set: InstructionSet, z: &Field, halved: [bool; 3], haar: bool) -> Option<Field> {
    let z = Planes::of(z)?;
    let grid = Grid::new(z.extent, halved);
    let groups = grid.groups();
    if !z.channels.is_multiple_of(groups) {
        return None;
    }
    let channels = z.channels / groups;
    let mut x = vec![0.0; z.batch * z.channels * z.pixels()];
    let one = |(i, fine): (usize, &mut [f32])| {
        let (sample, channel) = (i / channels, i % channels);
        let coarse: Vec<&[f32]> = (0..groups).map(|group| z.plane(sample, group * channels + channel)).collect();
        set.run(Unsqueeze { grid, coarse: &coarse, fine, haar });
    };
    if x.len() > LARGE {
        x.par_chunks_mut(groups * z.pixels()).enumerate().for_each(one);
    } else {
        x.chunks_mut(groups * z.pixels()).enumerate().for_each(one);
    }
    let [d, h, w] = core::array::from_fn(|axis| if halved[axis] { 2 * z.extent[axis] } else { z.extent[axis] });
    Some(tensor(x, [z.batch, channels, d, h, w]))
}

/// One fine channel and all its coarse ones.
struct Squeeze<'a, 'b> {
    grid: Grid,
    fine: &'a [f32],
    coarse: &'a mut [&'b mut [f32]],
    haar: bool,
}

impl Kernel for Squeeze<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Squeeze { grid, fine, coarse, haar } = self;
        let [_, h, width] = grid.coarse;
        let wide = grid.halved[2];
        for (slice, rows) in grid.runs() {
            grid.rows(slice, rows.clone(), |group, row, from| {
                let into = row * width..(row + 1) * width;
                if wide {
                    let from = &fine[2 * from * width..][..2 * width];
                    if let [even, odd] = &mut coarse[group..group + 2] {
                        deal(from, &mut even[into.clone()], &mut odd[into]);
                    }
                } else {
                    coarse[group][into].copy_from_slice(&fine[from * width..][..width]);
                }
            });
            if haar {
                let range = (slice * h + rows.start) * width..(slice * h + rows.end) * width;
                butterflies(coarse, range);
            }
        }
    }
}

/// One fine channel of all its coarse ones.
struct Unsqueeze<'a> {
    grid: Grid,
    coarse: &'a [&'a [f32]],
    fine: &'a mut [f32],
    haar: bool,
}

impl Kernel for Unsqueeze<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Unsqueeze { grid, coarse, fine, haar } = self;
        let [_, h, width] = grid.coarse;
        let wide = grid.halved[2];
        let mut scratch = vec![0.0; if haar { coarse.len() * width.max(RUN) } else { 0 }];
        for (slice, rows) in grid.runs() {
            let (first, length) = ((slice * h + rows.start) * width, rows.len() * width);
            let mut transformed: Vec<&mut [f32]>;
            let mut groups: Vec<&[f32]> = coarse.iter().map(|coarse| &coarse[first..first + length]).collect();
            if haar {
                transformed = scratch.chunks_exact_mut(length).take(groups.len()).collect();
                transformed.iter_mut().zip(&groups).for_each(|(into, from)| into.copy_from_slice(from));
                butterflies(&mut transformed, 0..length);
                groups = transformed.into_iter().map(|group| &*group).collect();
            }
            grid.rows(slice, rows.clone(), |group, row, into| {
                let from = (row * width - first)..((row + 1) * width - first);
                if wide {
                    collect(&groups[group][from.clone()], &groups[group + 1][from], &mut fine[2 * into * width..]);
                } else {
                    fine[into * width..][..width].copy_from_slice(&groups[group][from]);
                }
            });
        }
    }
}

/// Every second number to the one and to the other.
#[inline(always)]
fn deal(row: &[f32], even: &mut [f32], odd: &mut [f32]) {
    for ((pair, even), odd) in row.as_chunks::<2>().0.iter().zip(even).zip(odd) {
        [*even, *odd] = *pair;
    }
}

/// The inverse of [`deal`].
#[inline(always)]
fn collect(even: &[f32], odd: &[f32], row: &mut [f32]) {
    for ((pair, &even), &odd) in row.as_chunks_mut::<2>().0.iter_mut().zip(even).zip(odd) {
        *pair = [even, odd];
    }
}

/// (a, b) → ((a + b)/√2, (a − b)/√2) between groups that differ in one bit; its own inverse.
#[inline(always)]
fn butterflies(groups: &mut [&mut [f32]], range: core::ops::Range<usize>) {
    let mut stride = groups.len() / 2;
    while stride > 0 {
        for pairs in groups.chunks_exact_mut(2 * stride) {
            let (first, second) = pairs.split_at_mut(stride);
            for (a, b) in first.iter_mut().zip(second) {
                butterfly(&mut a[range.clone()], &mut b[range.clone()]);
            }
        }
        stride /= 2;
    }
}

#[inline(always)]
fn butterfly(a: &mut [f32], b: &mut [f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = ((*a + *b) * HALF, (*a - *b) * HALF);
    }
}
