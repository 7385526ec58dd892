use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayD;

use crate::io::{Pairs, Quantity};
use crate::problem::{ProblemError, Set};

/// Where an experiment takes its pairs from: a simulator, or files.
pub(super) trait PairOrigin: Send + Sync {
    /// Channel and axes of one x.
    fn x_shape(&self) -> &[usize];

    /// Channel and axes of one y.
    fn y_shape(&self) -> &[usize];

    /// These pairs of a set, `[pair, channel, axes…]`. Pair i is the same whoever asks for it.
    fn read(&self, set: Set, range: Range<u64>) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError>;

    /// Whether the y of a set has no noise yet.
    fn is_clean(&self, set: Set) -> bool;

    /// The pairs of a set where they lie in files.
    fn stored(&self, set: Set) -> Option<&Portion>;

    /// Standard deviation of the white noise that the prior adds to its images.
    fn white_noise(&self) -> f64 {
        0.0
    }

    /// What files, or the simulator, say x and y are.
    fn said(&self) -> [Quantity; 2];
}

/// Numbers of pairs that are read together, at most, unless one pair has more.
const AT_ONCE: usize = 1 << 24;
/// Pairs that are read together, at most.
const PAIRS_AT_ONCE: usize = 64;

/// How many pairs of a collection are read together where all of them are read.
pub(super) fn at_once(pairs: &Pairs) -> usize {
    let numbers = pairs.x_shape().iter().product::<usize>() + pairs.y_shape().iter().product::<usize>();
    (AT_ONCE / numbers.max(1)).clamp(1, PAIRS_AT_ONCE)
}

/// Whether x and y of each pair are finite.
pub(super) fn are_finite(x: &ArrayD<f32>, y: &ArrayD<f32>) -> impl Iterator<Item = bool> {
    x.outer_iter().zip(y.outer_iter()).map(|(x, y)| x.iter().chain(&y).all(|value| value.is_finite()))
}

/// Some neighbouring pairs of a collection, or of those of its pairs that are used.
#[derive(Clone, Debug)]
pub struct Portion {
    pairs: Arc<Pairs>,
    /// The numbers of the pairs that are used, where some are left out.
    used: Option<Arc<[usize]>>,
    range: Range<usize>,
}

impl Portion {
    /// The pairs `range` of a collection, or of those that are used of it, which are as many.
    pub(super) fn new(pairs: Arc<Pairs>, used: Option<Arc<[usize]>>, range: Range<usize>) -> Self {
        Self { pairs, used, range }
    }

    /// All pairs of a collection.
    pub fn whole(pairs: Pairs) -> Self {
        let range = 0..pairs.len();
        Self { pairs: Arc::new(pairs), used: None, range }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// How many pairs of its collection are left out, here or elsewhere in it.
    pub(super) fn left_out(&self) -> usize {
        self.used.as_ref().map_or(0, |used| self.pairs.len() - used.len())
    }

    /// Whether both are of one collection.
    pub(super) fn is_beside(&self, other: &Portion) -> bool {
        Arc::ptr_eq(&self.pairs, &other.pairs)
    }

    /// How many pairs are read together where all of them are read.
    pub(super) fn at_once(&self) -> usize {
        at_once(&self.pairs)
    }

    /// Whether y has no noise yet.
    pub fn is_clean(&self) -> bool {
        self.pairs.clean()
    }

    /// The pairs of these numbers, counted from the first of the portion, in this order.
    pub fn read(&self, indices: &[usize]) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        Ok(self.pairs.read(&self.numbers(indices))?)
    }

    /// The same whatever their values are.
    pub fn read_as_is(&self, indices: &[usize]) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        Ok(self.pairs.read_as_is(&self.numbers(indices))?)
    }

    /// In which file pair `index` of the portion is, and which one of its pairs it is.
    pub fn file_of(&self, index: usize) -> Option<(&Path, usize)> {
        self.numbers(&[index]).first().and_then(|&number| self.pairs.file_of(number))
    }

    /// The numbers of these pairs in the collection.
    fn numbers(&self, indices: &[usize]) -> Vec<usize> {
        let of_used = |index: usize| self.used.as_ref().map_or(Some(index), |used| used.get(index).copied());
        // A number that is not there is one that the collection has not either.
        indices.iter().map(|i| of_used(self.range.start + i).unwrap_or(usize::MAX)).collect()
    }
}
