//! One spatial axis of a convolution: which entry of the source an output entry sees through a tap of the kernel.

use core::ops::Range;

use crate::kernels::Pad;

/// Output entry q sees source entry q + k − before through tap k; beyond the ends is zero, or the other end.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub source: usize,
    pub output: usize,
    pub kernel: usize,
    before: isize,
    periodic: bool,
}

impl Axis {
    /// The axis of a convolution; `None` where nothing is left of it.
    pub fn new(source: usize, kernel: usize, pad: Pad) -> Option<Self> {
        let [before, after] = pad.sides();
        let output = (source + before + after + 1).checked_sub(kernel)?;
        let periodic = matches!(pad, Pad::Periodic(_));
        (source > 0 && kernel > 0 && output > 0).then_some(Self {
            source,
            output,
            kernel,
            before: before as isize,
            periodic,
        })
    }

    /// The axis of a convolution with an odd kernel that keeps its extent, padded by half the kernel on both sides.
    pub fn same(size: usize, kernel: usize, pad: Pad) -> Self {
        let periodic = matches!(pad, Pad::Periodic(_));
        Self { source: size, output: size, kernel, before: (kernel / 2) as isize, periodic }
    }

    /// The adjoint is a convolution with the reversed kernel: where the forward map reads i = q + k − before, it reads
    /// q = i + k' − (K − 1 − before) with k' = K − 1 − k. A periodic axis must keep its extent for that.
    pub fn adjoint(self) -> Option<Self> {
        let before = self.kernel as isize - 1 - self.before;
        let circular = self.source == self.output;
        (!self.periodic || circular).then_some(Self { source: self.output, output: self.source, before, ..self })
    }

    /// Entries that are seen as they are.
    pub fn point(size: usize) -> Self {
        Self { source: size, output: size, kernel: 1, before: 0, periodic: false }
    }

    /// All that so many outputs from `first` on see through any tap, in one run: the map of one tap that gives it.
    pub fn window(self, first: usize, outputs: usize) -> Self {
        Self { output: outputs + self.kernel - 1, kernel: 1, before: self.before - first as isize, ..self }
    }

    /// All that so many outputs from one on see through any tap, as the taps of that one.
    pub fn reaching(self, outputs: usize) -> Self {
        Self { kernel: outputs + self.kernel - 1, ..self }
    }

    /// Whether the kernel is one tap that sees its own place.
    pub fn is_point(&self) -> bool {
        self.kernel == 1 && self.before == 0 && self.source == self.output
    }

    /// What output `q` sees through tap `k`.
    pub fn seen(&self, q: usize, k: usize) -> Option<usize> {
        let i = q as isize + k as isize - self.before;
        let inside = 0 <= i && i < self.source as isize;
        match (inside, self.periodic) {
            (true, _) => Some(i as usize),
            (false, true) => Some(i.rem_euclid(self.source as isize) as usize),
            (false, false) => None,
        }
    }

    /// Source minus output entry of tap `k`, away from the ends.
    pub fn shift(&self, k: usize) -> isize {
        k as isize - self.before
    }

    /// The outputs that see tap `k` without passing an end.
    pub fn interior(&self, k: usize) -> Range<usize> {
        let shift = self.shift(k);
        let first = (-shift).clamp(0, self.output as isize);
        let last = (self.source as isize - shift).clamp(first, self.output as isize);
        first as usize..last as usize
    }
}

/// Calls `f(first output, first source, length)` for each run of outputs in `range` that see consecutive entries
/// through tap `k`; a run that sees nothing has no source.
pub fn runs(axis: &Axis, range: Range<usize>, k: usize, mut f: impl FnMut(usize, Option<usize>, usize)) {
    let mut first = range.start;
    while first < range.end {
        let i = first as isize + axis.shift(k);
        let left = range.end - first;
        let (seen, length) = match axis.seen(first, k) {
            Some(seen) => (Some(seen), axis.source - seen),
            // Zeros up to the first entry, or for good.
            None => (None, if i < 0 { i.unsigned_abs() } else { left }),
        };
        f(first, seen, length.min(left));
        first += length.min(left);
    }
}
