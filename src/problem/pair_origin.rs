use std::ops::Range;
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

    /// What files, or the simulator, say x and y are.
    fn said(&self) -> [Quantity; 2];
}

/// Some neighbouring pairs of a collection.
#[derive(Clone, Debug)]
pub struct Portion {
    pairs: Arc<Pairs>,
    range: Range<usize>,
}

impl Portion {
    /// The pairs `range` of a collection that has as many.
    pub(super) fn new(pairs: Arc<Pairs>, range: Range<usize>) -> Self {
        Self { pairs, range }
    }

    /// All pairs of a collection.
    pub fn whole(pairs: Pairs) -> Self {
        let range = 0..pairs.len();
        Self { pairs: Arc::new(pairs), range }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether y has no noise yet.
    pub fn is_clean(&self) -> bool {
        self.pairs.clean()
    }

    /// The pairs of these numbers, counted from the first of the portion, in this order.
    pub fn read(&self, indices: &[usize]) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        let indices: Vec<usize> = indices.iter().map(|i| self.range.start + i).collect();
        Ok(self.pairs.read(&indices)?)
    }
}
