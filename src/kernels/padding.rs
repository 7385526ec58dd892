//! How an array is continued beyond its ends, one axis at a time.

/// What stands before and after one spatial axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pad {
    /// So many zeros before and after.
    Zeros([usize; 2]),
    /// The axis itself, so many entries of it on both sides; more than its size winds around it again.
    Periodic(usize),
}

/// The continuation of depth, height and width.
pub type Padding = [Pad; 3];

impl Pad {
    /// Nothing: the result shrinks.
    pub const NONE: Pad = Pad::Zeros([0, 0]);

    /// Entries before and after the axis.
    pub fn sides(self) -> [usize; 2] {
        match self {
            Pad::Zeros(sides) => sides,
            Pad::Periodic(halo) => [halo, halo],
        }
    }

    /// The extent of a convolution with `kernel` over an axis of extent `size`.
    pub fn convolved(self, size: usize, kernel: usize) -> usize {
        let [before, after] = self.sides();
        size + before + after + 1 - kernel
    }
}
