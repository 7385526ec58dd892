//! Rows of an image as a convolution sees them through one tap of its kernel, and the way back.

use core::ops::Range;

use crate::kernels::fast::axis::{Axis, runs};
use crate::kernels::fast::convolution::add_shifted;
use crate::kernels::fast::instruction_set::{InstructionSet, Kernel, Simd};
use crate::kernels::fast::tile::shift;

/// A convolution that keeps the extents of an image: its three axes, and the one that a sweep goes along.
///
/// A *row* is all pixels at one place of that axis; rows of a plane follow each other in memory.
#[derive(Clone, Copy)]
pub struct View {
    set: InstructionSet,
    axes: [Axis; 3],
    along: usize,
}

/// The axis of a sweep: depth, or height where there is no depth.
pub fn along(extent: [usize; 3]) -> usize {
    usize::from(extent[0] == 1)
}

impl View {
    /// The axes must have odd kernels, padded alike on both sides.
    pub fn new(set: InstructionSet, axes: [Axis; 3]) -> Self {
        Self { set, axes, along: along(axes.map(|axis| axis.output)) }
    }

    /// Rows beyond a row that its convolution sees.
    pub fn reach(&self) -> usize {
        self.axes[self.along].kernel / 2
    }

    /// The taps of the kernel in the order of a weight tensor.
    pub fn taps(&self) -> Vec<[usize; 3]> {
        let [kd, kh, kw] = self.axes.map(|axis| axis.kernel);
        (0..kd).flat_map(|z| (0..kh).flat_map(move |y| (0..kw).map(move |x| [z, y, x]))).collect()
    }

    /// What the adjoint sees where the map sees `tap`.
    fn reversed(&self, tap: [usize; 3]) -> [usize; 3] {
        core::array::from_fn(|axis| self.axes[axis].kernel - 1 - tap[axis])
    }

    /// The rows that see row `row`, one for each tap along the sweep.
    pub fn seeing(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let axis = &self.axes[self.along];
        (0..axis.kernel).filter_map(move |k| axis.seen(row, k))
    }

    /// `into[s] = plane[s + tap − before]` for the pixels s of `rows`; the plane holds the rows of `window` alone,
    /// and is zero elsewhere.
    pub fn gather(&self, rows: Range<usize>, tap: [usize; 3], plane: &[f32], window: &Range<usize>, into: &mut [f32]) {
        let (wide, kx) = (&self.axes[2], tap[2]);
        let width = wide.output;
        self.each_run(rows, tap, window, |first, from, count| {
            let into = &mut into[first * width..][..count * width];
            match from {
                Some(from) => shift(wide, kx, &plane[from * width..][..count * width], into),
                None => into.fill(0.0),
            }
        });
    }

    /// [`gather`](Self::gather) as the adjoint sees it.
    pub fn gather_adjoint(
        &self,
        rows: Range<usize>,
        tap: [usize; 3],
        plane: &[f32],
        window: &Range<usize>,
        into: &mut [f32],
    ) {
        self.gather(rows, self.reversed(tap), plane, window, into);
    }

    /// `plane[q] += shares[q + tap − before]` for all q of `window` that see a pixel of `rows`.
    pub fn scatter(
        &self,
        rows: Range<usize>,
        tap: [usize; 3],
        shares: &[f32],
        window: &Range<usize>,
        plane: &mut [f32],
        kept: &mut Vec<f32>,
    ) {
        let (wide, kx) = (&self.axes[2], tap[2]);
        let width = wide.output;
        self.each_run(rows, self.reversed(tap), window, |first, to, count| {
            if let Some(to) = to {
                let rows = &mut plane[to * width..][..count * width];
                let shares = &shares[first * width..][..count * width];
                self.set.run(AddShifted { axis: wide, tap: kx, shares, rows, kept });
            }
        });
    }

    /// [`scatter`](Self::scatter) as the adjoint sees it.
    pub fn scatter_adjoint(
        &self,
        rows: Range<usize>,
        tap: [usize; 3],
        shares: &[f32],
        window: &Range<usize>,
        plane: &mut [f32],
        kept: &mut Vec<f32>,
    ) {
        self.scatter(rows, self.reversed(tap), shares, window, plane, kept);
    }

    /// Calls `f(first line, its line in the plane, lines)` for runs of lines (of one width) that see consecutive lines.
    fn each_run(
        &self,
        rows: Range<usize>,
        [kz, ky, _]: [usize; 3],
        window: &Range<usize>,
        mut f: impl FnMut(usize, Option<usize>, usize),
    ) {
        let [deep, high, _] = &self.axes;
        if self.along == 0 {
            let height = high.output;
            for (i, z) in rows.enumerate() {
                let slice = deep.seen(z, kz).filter(|z| window.contains(z)).map(|z| (z - window.start) * height);
                runs(high, 0..height, ky, |first, from, count| {
                    f(i * height + first, slice.zip(from).map(|(slice, from)| slice + from), count);
                });
            }
            return;
        }
        let seen = deep.seen(0, kz).is_some();
        let begin = rows.start;
        runs(high, rows, ky, |first, from, count| {
            let first = first - begin;
            let Some(from) = from.filter(|_| seen) else {
                return f(first, None, count);
            };
            let inside = from.clamp(window.start, window.end)..(from + count).clamp(window.start, window.end);
            if inside.is_empty() {
                return f(first, None, count);
            }
            let (before, after) = (inside.start - from, from + count - inside.end);
            if before > 0 {
                f(first, None, before);
            }
            f(first + before, Some(inside.start - window.start), inside.len());
            if after > 0 {
                f(first + count - after, None, after);
            }
        });
    }
}

/// Adds rows of shares as the outputs see them through a tap.
struct AddShifted<'a> {
    axis: &'a Axis,
    tap: usize,
    shares: &'a [f32],
    rows: &'a mut [f32],
    kept: &'a mut Vec<f32>,
}

impl Kernel for AddShifted<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        add_shifted(self.axis, self.tap, self.shares, self.rows, self.kept);
    }
}
