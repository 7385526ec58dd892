//! What to try where a posterior is not calibrated: what the losses of its training say.

/// A validation loss that fell by less in the last part of a training, in nats per dimension, did not fall.
const FELL: f64 = 2e-3;
/// A loss so far below the validation loss, in nats per dimension, is that of pairs learned by heart.
const BY_HEART: f64 = 0.02;
/// The last part of a training: one entry of the log in so many, two at least.
const LAST: usize = 5;

/// What to try, from the entries of a training log: steps done, loss, validation loss, in nats per dimension.
pub fn advice(entries: impl Iterator<Item = (u64, f64, f64)>) -> Vec<String> {
    let entries: Vec<_> = entries.collect();
    let last = (entries.len() / LAST).max(2);
    let Some((before, end)) = entries.len().checked_sub(last).filter(|first| *first > 0).map(|at| entries.split_at(at))
    else {
        return vec!["the training is too short to tell whether the loss still fell: raise training.steps".into()];
    };
    let least = |part: &[(u64, f64, f64)]| part.iter().map(|entry| entry.2).fold(f64::INFINITY, f64::min);
    let (earlier, later) = (least(before), least(end));
    let best = entries.iter().find(|entry| entry.2 <= earlier.min(later)).map_or(0, |entry| entry.0);
    let steps = entries.last().map_or(0, |entry| entry.0);
    let loss = end.iter().map(|entry| entry.1).sum::<f64>() / end.len() as f64;
    let validation = end.iter().map(|entry| entry.2).sum::<f64>() / end.len() as f64;
    if validation - loss > BY_HEART {
        return vec![format!(
            "the loss of pairs that were trained on ends {:.4} nats per dimension below that of others, which was best at step \
             {best} of {steps}: it overfits; give more pairs (simulation.pairs, or files of more), or fewer training.steps",
            validation - loss
        )];
    }
    if earlier - later > FELL {
        return vec![format!(
            "the validation loss still fell, by {:.4} nats per dimension over the last {} of {steps} steps: raise training.steps",
            earlier - later,
            steps - before.last().map_or(0, |entry| entry.0)
        )];
    }
    vec![
        "the loss did not fall any more and does not overfit: a larger network (network.steps, network.conditioner.hidden), or \
         sources that say more of x ([condition])"
            .into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advised(losses: impl Fn(f64) -> (f64, f64)) -> String {
        let entry = |k: u64| {
            let (loss, validation) = losses(k as f64 / 20.0);
            (100 * k, loss, validation)
        };
        advice((1..=20).map(entry)).join("; ")
    }

    #[test]
    fn losses_that_fall_overfit_or_stand_are_told_apart() {
        let falls = advised(|t| (1.0 - t, 1.0 - t));
        assert!(falls.contains("still fell, by 0.2000") && falls.contains("last 400 of 2000 steps"), "{falls}");
        let overfits = advised(|t| (1.0 - t, 0.8 + (t - 0.4).powi(2)));
        assert!(overfits.contains("overfits") && overfits.contains("step 800 of 2000"), "{overfits}");
        let stands = advised(|t| (0.5 + 0.5 * (-20.0 * t).exp(), 0.5 + 0.5 * (-20.0 * t).exp()));
        assert!(stands.contains("larger network"), "{stands}");
        assert!(advice(std::iter::once((100, 1.0, 1.0))).join("").contains("too short"));
    }
}
