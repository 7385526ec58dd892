//! What an observation is worth to a model.

use super::UqError;
use super::diagnosis::{PAIRS_AT_ONCE, joined, known};
use crate::model::Model;
use crate::posterior::amortized::Observations;

/// −log q(x | y) of the first `count` pairs in nats per dimension, under a model that was trained on shuffled
/// observations: it knows x as well as the same network can without y. What the trained model needs less is its
/// `nll_gain_over_shuffled`, its own estimate of I(x; y) per dimension.
pub fn nll_nats_per_dim(model: &Model, pairs: &dyn Observations, count: usize) -> Result<f64, UqError> {
    let count = count.min(pairs.count());
    let mut sum = 0.0;
    for first in (0..count).step_by(PAIRS_AT_ONCE) {
        let range = first..(first + PAIRS_AT_ONCE).min(count);
        let group = range.map(|i| known(pairs, i)).collect::<Result<Vec<_>, _>>()?;
        let (x, y) = (joined(group.iter().map(|(x, _)| x))?, joined(group.iter().map(|(_, y)| y))?);
        sum -= model.log_prob(&x, &y)?.iter().sum::<f64>();
    }
    Ok(sum / (count * model.dimension()).max(1) as f64)
}
