//! Rows of an image as a convolution sees them through the taps of its kernel, and the way back.

use core::ops::Range;

use crate::kernels::fast::axis::{Axis, runs};
use crate::kernels::fast::convolution::add_shifted;
use crate::kernels::fast::instruction_set::{InstructionSet, Kernel, Simd};
use crate::kernels::fast::tile::shift;

use super::grow;

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

    /// How many taps the kernel has.
    pub fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }

    /// The taps in the order of a weight tensor.
    fn each_tap(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [kd, kh, kw] = self.axes.map(|axis| axis.kernel);
        (0..kd).flat_map(move |z| (0..kh).flat_map(move |y| (0..kw).map(move |x| [z, y, x])))
    }

    /// The rows that see row `row`, one for each tap along the sweep.
    pub fn seeing(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let axis = &self.axes[self.along];
        (0..axis.kernel).filter_map(move |k| axis.seen(row, k))
    }

    /// `column[s] = plane[s + tap − before]` for the pixels s of `rows` and every tap; the plane holds the rows of `window`
    /// alone, and is zero elsewhere. There is a column for each tap, which may be longer than the pixels. `buffer` is for
    /// passing values.
    pub fn gather<'a>(
        &self,
        rows: &Range<usize>,
        plane: &[f32],
        window: &Range<usize>,
        buffer: &mut Vec<f32>,
        columns: impl ExactSizeIterator<Item = &'a mut [f32]>,
    ) {
        debug_assert_eq!(columns.len(), self.taps());
        let (wide, around) = (&self.axes[2], Around::new(self, rows));
        let (width, size) = (wide.output, around.size());
        grow(buffer, (1 + wide.kernel) * size);
        let (lines, shifted) = buffer.split_at_mut(size);
        let lines = match self.within(&around, window) {
            Some(first) => &plane[first * width..][..size],
            None => {
                self.each_run(&around, window, |first, from, count| {
                    let into = &mut lines[first * width..][..count * width];
                    match from {
                        Some(from) => into.copy_from_slice(&plane[from * width..][..count * width]),
                        None => into.fill(0.0),
                    }
                });
                lines
            }
        };
        // Once for each horizontal tap: what any tap sees of a slice is one run then.
        for (kx, seen) in shifted.chunks_mut(size).take(wide.kernel).enumerate() {
            shift(wide, kx, lines, seen);
        }
        for ([kz, ky, kx], column) in self.each_tap().zip(columns) {
            let seen = &shifted[kx * size..][..size];
            for (run, column) in around.runs([kz, ky]).zip(column.chunks_mut(around.slice())) {
                column.copy_from_slice(&seen[run]);
            }
        }
    }

    /// [`gather`](Self::gather) as the adjoint sees it.
    pub fn gather_adjoint<'a>(
        &self,
        rows: &Range<usize>,
        plane: &[f32],
        window: &Range<usize>,
        buffer: &mut Vec<f32>,
        columns: impl DoubleEndedIterator<Item = &'a mut [f32]> + ExactSizeIterator,
    ) {
        self.gather(rows, plane, window, buffer, columns.rev());
    }

    /// `plane[q] += Σ_tap shares(tap)[q + tap − before]` for all q of `window` that see a pixel of `rows`. `buffer` and `kept`
    /// are for passing values.
    pub fn scatter<'a>(
        &self,
        rows: &Range<usize>,
        shares: impl Fn(usize) -> &'a [f32],
        window: &Range<usize>,
        plane: &mut [f32],
        buffer: &mut Vec<f32>,
        kept: &mut Vec<f32>,
    ) {
        let [kd, kh, kw] = self.axes.map(|axis| axis.kernel);
        let (wide, around) = (&self.axes[2], Around::new(self, rows));
        let (width, slice) = (wide.output, around.slice());
        let within = self.within(&around, window);
        let lines = match within {
            Some(first) => &mut plane[first * width..][..around.size()],
            None => {
                grow(buffer, around.size());
                let lines = &mut buffer[..around.size()];
                lines.fill(0.0);
                lines
            }
        };
        for (kz, ky) in (0..kd).flat_map(|kz| (0..kh).map(move |ky| (kz, ky))) {
            let share = |kx: usize| shares((kz * kh + ky) * kw + kx);
            // What sees a pixel through a tap is what the pixel sees through the reversed one.
            for (z, run) in around.runs([kd - 1 - kz, kh - 1 - ky]).enumerate() {
                let sums = &mut lines[run];
                let part = |kx| &share(kx)[z * slice..][..slice];
                if kw == 3 {
                    self.set.run(AddThree { axis: wide, shares: [part(0), part(1), part(2)], rows: sums, kept });
                } else {
                    for tap in 0..kw {
                        self.set.run(AddShifted { axis: wide, tap, shares: part(tap), rows: sums, kept });
                    }
                }
            }
        }
        if within.is_some() {
            return;
        }
        self.each_run(&around, window, |first, to, count| {
            if let Some(to) = to {
                let sums = &mut plane[to * width..][..count * width];
                sums.iter_mut().zip(&buffer[first * width..]).for_each(|(sum, line)| *sum += line);
            }
        });
    }

    /// [`scatter`](Self::scatter) as the adjoint sees it.
    pub fn scatter_adjoint<'a>(
        &self,
        rows: &Range<usize>,
        shares: impl Fn(usize) -> &'a [f32],
        window: &Range<usize>,
        plane: &mut [f32],
        buffer: &mut Vec<f32>,
        kept: &mut Vec<f32>,
    ) {
        let last = self.taps() - 1;
        self.scatter(rows, |tap| shares(last - tap), window, plane, buffer, kept);
    }

    /// Slices of `rows`, and lines of each.
    fn extent(&self, rows: &Range<usize>) -> [Range<usize>; 2] {
        let [deep, high, _] = &self.axes;
        if self.along == 0 { [rows.clone(), 0..high.output] } else { [0..deep.output, rows.clone()] }
    }

    /// Where in the plane the lines around the rows begin, where they are of one slice and it holds all of them.
    fn within(&self, around: &Around, window: &Range<usize>) -> Option<usize> {
        let mut begin = None;
        self.each_run(around, window, |_, from, count| {
            if count == around.deep * around.high {
                begin = from;
            }
        });
        begin
    }

    /// Calls `f(first line around the rows, its line in the plane, lines)` for runs of lines that follow each other in a
    /// plane that holds the rows of `window`, and for those that it does not hold.
    fn each_run(&self, around: &Around, window: &Range<usize>, mut f: impl FnMut(usize, Option<usize>, usize)) {
        let [deep, high, _] = &self.axes;
        let [deep_window, high_window] = self.extent(window);
        for z in 0..around.deep {
            let slice = deep.seen(around.first[0] + z, 0).filter(|z| deep_window.contains(z));
            let slice = slice.map(|z| (z - deep_window.start) * high_window.len());
            let begin = around.first[1];
            runs(high, begin..begin + around.high, 0, |first, from, count| {
                let first = z * around.high + first - begin;
                let (Some(slice), Some(from)) = (slice, from) else {
                    return f(first, None, count);
                };
                let [start, end] = [from, from + count].map(|line| line.clamp(high_window.start, high_window.end));
                if start == end {
                    return f(first, None, count);
                }
                let (before, after) = (start - from, from + count - end);
                if before > 0 {
                    f(first, None, before);
                }
                f(first + before, Some(slice + start - high_window.start), end - start);
                if after > 0 {
                    f(first + count - after, None, after);
                }
            });
        }
    }
}

/// All lines that some rows see, slice after slice: what they see of a slice through a tap is one run.
struct Around {
    /// Where the rows begin: slice and line. What stands there sees the first of all lines through the first tap.
    first: [usize; 2],
    /// Slices and lines of the rows.
    own: [usize; 2],
    /// Slices that are seen, and lines of each.
    deep: usize,
    high: usize,
    width: usize,
}

impl Around {
    fn new(view: &View, rows: &Range<usize>) -> Self {
        let [deep, high, wide] = &view.axes;
        let own = view.extent(rows);
        let [slices, lines] = own.clone().map(|range| range.len());
        Self {
            first: own.map(|range| range.start),
            own: [slices, lines],
            deep: slices + deep.kernel - 1,
            high: lines + high.kernel - 1,
            width: wide.output,
        }
    }

    /// Pixels around the rows.
    fn size(&self) -> usize {
        self.deep * self.high * self.width
    }

    /// Pixels of a slice of the rows.
    fn slice(&self) -> usize {
        self.own[1] * self.width
    }

    /// What each slice sees through a tap.
    fn runs(&self, [kz, ky]: [usize; 2]) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.own[0]).map(move |z| {
            let first = ((z + kz) * self.high + ky) * self.width;
            first..first + self.slice()
        })
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

/// Adds the shares of all three taps of a row in one pass.
struct AddThree<'a> {
    axis: &'a Axis,
    shares: [&'a [f32]; 3],
    rows: &'a mut [f32],
    kept: &'a mut Vec<f32>,
}

impl Kernel for AddThree<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { axis, shares, rows, kept } = self;
        let width = axis.output;
        // All rows are added at once; the first and the last pixel of each are put right afterwards.
        let ends = [0, width - 1];
        let ends = &ends[..width.min(2)];
        kept.clear();
        for &column in ends {
            let seen: [Option<usize>; 3] = core::array::from_fn(|tap| axis.seen(column, tap));
            for (i, row) in rows.chunks(width).enumerate() {
                let mut sum = row[column];
                for (seen, shares) in seen.iter().zip(&shares) {
                    sum += seen.map_or(0.0, |seen| shares[i * width + seen]);
                }
                kept.push(sum);
            }
        }
        let n = rows.len();
        if n > 2 {
            let [before, at, behind] = [&shares[0][..n - 2], &shares[1][1..n - 1], &shares[2][2..n]];
            let rows = &mut rows[1..n - 1];
            for i in 0..rows.len() {
                rows[i] += (before[i] + at[i]) + behind[i];
            }
        }
        let mut kept = kept.iter();
        for &column in ends {
            for (row, &kept) in rows.chunks_mut(width).zip(&mut kept) {
                row[column] = kept;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::Pad;

    /// Extents, halves of kernels, whether the borders are periodic; two fractions each of rows and window.
    type Case = ([usize; 3], [usize; 3], bool, [usize; 4]);

    fn case() -> impl Strategy<Value = Case> {
        let extent = (prop_oneof![Just(1usize), 1usize..6], 1usize..7, 1usize..6).prop_map(|(d, h, w)| [d, h, w]);
        (extent, [0usize..3, 0usize..3, 0usize..3], any::<bool>(), [0usize..100, 0usize..100, 0usize..100, 0usize..100])
    }

    /// The places of some rows, in the order of a plane that holds these alone.
    fn places(extent: [usize; 3], along: usize, held: &Range<usize>) -> Vec<[usize; 3]> {
        let [d, h, w] = extent;
        let all = (0..d).flat_map(|z| (0..h).flat_map(move |y| (0..w).map(move |x| [z, y, x])));
        all.filter(|place| held.contains(&place[along])).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn columns_are_what_every_pixel_sees_and_scattering_is_the_adjoint((extent, reach, periodic, ends) in case()) {
            let axes: [Axis; 3] = core::array::from_fn(|axis| {
                let pad = if periodic { Pad::Periodic(reach[axis]) } else { Pad::Zeros([reach[axis]; 2]) };
                Axis::same(extent[axis], 2 * reach[axis] + 1, pad)
            });
            let view = View::new(InstructionSet::best(), axes);
            let count = extent[view.along];
            let range = |[a, b]: [usize; 2]| {
                let first = a * count / 100;
                first..first + 1 + b * (count - first - 1) / 99
            };
            let (rows, window) = (range([ends[0], ends[1]]), range([ends[2], ends[3]]));
            let (pixels, plane) = (places(extent, view.along, &rows), places(extent, view.along, &window));
            let taps: Vec<[usize; 3]> = view.each_tap().collect();
            // What a place sees through a tap.
            let seen = |place: [usize; 3], tap: [usize; 3]| -> Option<[usize; 3]> {
                let [z, y, x] = [0, 1, 2].map(|axis| axes[axis].seen(place[axis], tap[axis]));
                Some([z?, y?, x?])
            };
            let at = |places: &[[usize; 3]], place: Option<[usize; 3]>| places.iter().position(|p| Some(*p) == place);

            let values: Vec<f32> = (0..plane.len()).map(|i| (i + 1) as f32).collect();
            let pitch = pixels.len() + 3;
            let mut columns = vec![f32::NAN; taps.len() * pitch];
            let mut buffer = vec![f32::NAN; 10_000];
            view.gather(&rows, &values, &window, &mut buffer, columns.chunks_mut(pitch));
            for (tap, column) in taps.iter().zip(columns.chunks(pitch)) {
                for (&pixel, &found) in pixels.iter().zip(column) {
                    let expected = at(&plane, seen(pixel, *tap)).map_or(0.0, |i| values[i]);
                    prop_assert_eq!(found, expected, "{:?} through {:?}", pixel, tap);
                }
            }

            let shares: Vec<f32> = (0..taps.len() * pixels.len()).map(|i| (i % 13) as f32 - 6.0).collect();
            let share = |tap: usize| &shares[tap * pixels.len()..][..pixels.len()];
            let mut sums = values.clone();
            buffer.fill(f32::NAN);
            view.scatter(&rows, share, &window, &mut sums, &mut buffer, &mut Vec::new());
            for ((&place, &before), &found) in plane.iter().zip(&values).zip(&sums) {
                let terms = taps.iter().enumerate().filter_map(|(t, tap)| Some(share(t)[at(&pixels, seen(place, *tap))?]));
                prop_assert_eq!(found, before + terms.sum::<f32>(), "{:?}", place);
            }
        }
    }
}
