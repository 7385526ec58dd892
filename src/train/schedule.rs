use std::f64::consts::PI;

use crate::train::Training;

/// The learning rate of step k (from 0): a linear rise over the warm-up, then half a cosine from `learning_rate` down to
/// `final_learning_rate` at the last step (Loshchilov and Hutter 2017, arXiv:1608.03983).
pub fn learning_rate(training: &Training, step: u64) -> f64 {
    let Training { warm_up, steps, learning_rate: top, final_learning_rate: end, .. } = *training;
    if step < warm_up {
        return top * (step + 1) as f64 / warm_up as f64;
    }
    let length = steps.saturating_sub(warm_up + 1).max(1);
    let progress = ((step - warm_up) as f64 / length as f64).min(1.0);
    end + (top - end) * 0.5 * (1.0 + (PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_and_falls() {
        let training =
            Training { steps: 110, warm_up: 10, learning_rate: 1.0, final_learning_rate: 0.1, ..Training::default() };
        let rate = |step| learning_rate(&training, step);
        assert!((rate(0) - 0.1).abs() < 1e-12 && (rate(9) - 1.0).abs() < 1e-12 && (rate(10) - 1.0).abs() < 1e-12);
        assert!((rate(109) - 0.1).abs() < 1e-12);
        assert!((10..109).all(|k| rate(k + 1) < rate(k)));
        let middle = 0.5 * (rate(59) + rate(60));
        assert!((middle - 0.55).abs() < 1e-3, "{middle}");
    }
}
