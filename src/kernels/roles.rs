//! Which channels a coupling moves, and which its network reads.

use core::ops::Range;

/// The roles of the channels in a coupling: some are moved, others are read by the network, the rest stay aside.
///
/// ```
/// use posteria::flow::Roles;
///
/// let halves = Roles::halves(5);
/// assert_eq!((halves.moves(), halves.reads()), (0..2, 2..5));
/// assert!(Roles::new(5, 0..2, 1..3).is_none(), "a channel cannot be moved and read");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    channels: usize,
    moves: Range<usize>,
    reads: Range<usize>,
}

impl Roles {
    /// The first ⌊C/2⌋ of C channels are moved, the others read.
    pub fn halves(channels: usize) -> Self {
        let half = channels / 2;
        Self { channels, moves: 0..half, reads: half..channels }
    }

    /// `moves` and `reads` of so many channels; none where they overlap, are empty, or reach beyond the last.
    pub fn new(channels: usize, moves: Range<usize>, reads: Range<usize>) -> Option<Self> {
        let are_apart = moves.end <= reads.start || reads.end <= moves.start;
        let are_inside = [&moves, &reads].iter().all(|range| !range.is_empty() && range.end <= channels);
        (are_apart && are_inside).then_some(Self { channels, moves, reads })
    }

    /// All channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Those that are transformed.
    pub fn moves(&self) -> Range<usize> {
        self.moves.clone()
    }

    /// Those that the network sees.
    pub fn reads(&self) -> Range<usize> {
        self.reads.clone()
    }
}
