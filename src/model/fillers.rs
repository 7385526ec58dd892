//! What stands in cells of the flow that are none of x's unknowns.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::random::{Purpose, stream};

/// Where the numbers come from that stand in cells which are no unknowns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fillers {
    /// Each x has its own: a density is the same number whenever it is asked for.
    OfImage,
    /// Each visit has its own, the first sample of a batch that with this number and the others the next: no flow can learn by
    /// heart what stood beside an x.
    OfVisit {
        /// Of the training.
        seed: u64,
        /// The number of the first visit.
        first: u64,
    },
}

impl Fillers {
    /// The numbers beside a sample, whose entries are `x`.
    pub fn stream(self, sample: usize, x: &[f32]) -> ChaCha8Rng {
        match self {
            Fillers::OfImage => stream(digest(x), Purpose::Filler, 0),
            Fillers::OfVisit { seed, first } => stream(seed, Purpose::FreshFiller, first + sample as u64),
        }
    }
}

/// −log N(e; 0, 1).
pub fn normal_surprise(e: f32) -> f64 {
    0.5 * (f64::from(e).powi(2) + TAU.ln())
}

/// A number that belongs to this x.
fn digest(x: &[f32]) -> u64 {
    let mut hash = Sha256::new();
    x.iter().for_each(|v| hash.update(v.to_le_bytes()));
    let bytes: [u8; 32] = hash.finalize().into();
    let (first, _) = bytes.as_chunks::<8>();
    first.first().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
