//! Random streams of our own: the same numbers on every machine, in every shard, after every restart.
//!
//! A stream is named by the seed of the problem file, a purpose and an index, so that pair 4,711 is the same
//! whoever draws it and whenever. Nothing in the project uses a global generator.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// What a random stream is for. Streams of different purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The unknown x of pair `index`.
    Prior,
    /// The noise of pair `index`, where it is drawn once.
    Noise,
    /// The noise of pair `index`, drawn afresh at every visit: the index counts visits.
    FreshNoise,
    /// The initial weights of the model.
    Weights,
    /// The order of the pairs in epoch `index`.
    Shuffle,
    /// Latent draws of observation `index`.
    Latent,
    /// What stands in cells that are no unknowns: the seed is that of the image.
    Filler,
    /// The same in training, drawn afresh at every visit: the index counts visits.
    FreshFiller,
    /// The numbers behind a diagnostic.
    Diagnostic,
}

impl Purpose {
    /// Part of the stream's name: changing one changes every number drawn for it.
    fn name(self) -> &'static str {
        match self {
            Purpose::Prior => "prior",
            Purpose::Noise => "noise",
            Purpose::FreshNoise => "fresh-noise",
            Purpose::Weights => "weights",
            Purpose::Shuffle => "shuffle",
            Purpose::Latent => "latent",
            Purpose::Filler => "filler",
            Purpose::FreshFiller => "fresh-filler",
            Purpose::Diagnostic => "diagnostic",
        }
    }
}

/// The stream number `index` of a purpose: ChaCha8 keyed by SHA-256 of seed and purpose, its counter block
/// chosen by the index.
///
/// ```
/// use posteria::random::{Purpose, stream};
/// use rand::RngExt;
///
/// let number = |index| stream(1, Purpose::Prior, index).random::<u64>();
/// assert!(number(4711) == number(4711) && number(4711) != number(4712));
/// ```
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(b"posteria random stream 1");
    hash.update(seed.to_le_bytes());
    hash.update(purpose.name());
    let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
    rng.set_stream(index);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::Rng;

    #[test]
    fn a_stream_is_its_name() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let reference = first(1, Purpose::Prior, 7);
        assert_eq!(reference, first(1, Purpose::Prior, 7));
        assert_ne!(reference, first(2, Purpose::Prior, 7));
        assert_ne!(reference, first(1, Purpose::Noise, 7));
        assert_ne!(reference, first(1, Purpose::Prior, 8));
    }
}
