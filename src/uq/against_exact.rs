//! How far a posterior is from the exact one, over the same pairs.

use std::collections::BTreeMap;

use super::UqError;
use super::diagnosis::{Measured, MethodError, measure};
use crate::posterior::exact::ExactPosterior;
use crate::posterior::streaming::Moments;
use ndarray::{ArrayD, Axis};

/// The same pairs under the exact posterior.
pub struct AgainstExact<'a> {
    exact: &'a dyn ExactPosterior,
    pairs: usize,
    /// Σ log p − log q.
    gap: f64,
    log_prob: f64,
    /// ‖m̂ − m‖² and ‖m‖², summed.
    mean: [f64; 2],
    /// ‖ŝ − s‖ / ‖s‖, summed.
    deviation: f64,
    classical: f64,
}

impl<'a> AgainstExact<'a> {
    /// Before the first pair.
    pub fn new(exact: &'a dyn ExactPosterior) -> Self {
        AgainstExact { exact, pairs: 0, gap: 0.0, log_prob: 0.0, mean: [0.0; 2], deviation: 0.0, classical: 0.0 }
    }

    /// One more pair: the moments of its draws, and log q of its truth.
    pub fn add(&mut self, moments: &Moments, x: &ArrayD<f32>, y: &ArrayD<f32>, log_q: f64) -> Result<(), UqError> {
        let square = |values: &ArrayD<f64>| values.iter().map(|v| v * v).sum::<f64>();
        let (x, y) = (x.mapv(f64::from), y.mapv(f64::from));
        let log_p = self.exact.log_prob(x.view(), y.view())?.sum();
        let batch = self.exact.mean(y.view())?;
        let (mean, truth) = (batch.index_axis_move(Axis(0), 0), x.index_axis_move(Axis(0), 0));
        let deviation = self.exact.standard_deviation();
        self.pairs += 1;
        self.gap += log_p - log_q;
        self.log_prob += log_p;
        self.mean[0] += square(&(moments.mean() - &mean));
        self.mean[1] += square(&mean);
        self.deviation += (square(&(moments.standard_deviation() - &deviation)) / square(&deviation)).sqrt();
        self.classical += square(&(mean - truth));
        Ok(())
    }

    /// The error of the exact mean. Of a Gaussian image it is the best linear estimate there is: the Wiener filter.
    pub fn wiener(&self) -> MethodError {
        let rmse = (self.classical / (self.pairs as f64 * self.exact.pixels() as f64)).sqrt();
        MethodError { method: "Wiener filter".into(), rmse }
    }

    /// What it comes to.
    pub fn report(self, metrics: &mut BTreeMap<String, Measured>) {
        let (pairs, pixels) = (self.pairs as f64, self.exact.pixels() as f64);
        measure(metrics, "kl_gap_nats", self.gap / pairs, "nat");
        measure(metrics, "nll_floor_nats_per_dim", -self.log_prob / (pairs * pixels), "nat");
        measure(metrics, "mean_relative_error", (self.mean[0] / self.mean[1]).sqrt(), "1");
        measure(metrics, "std_relative_error", self.deviation / pairs, "1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Operator, OperatorConfig};
    use crate::posterior::exact::PeriodicGaussian;
    use crate::prior::{PeriodicGaussianField, Prior};
    use crate::random::{Purpose, stream};
    use approx::assert_abs_diff_eq;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// A posterior that is `gap` nats off in density, `shift` standard deviations in the mean and by a factor in the
    /// deviation is found to be so.
    #[test]
    fn the_distance_from_the_exact_posterior_is_what_it_is_made() -> Outcome {
        let prior = PeriodicGaussianField::new(&[16, 16], 4.0, 2.0)?;
        let blur = OperatorConfig::CircularBlur { sigma: 1.5 }.convolution(&prior.shape())?.ok_or("no blur")?;
        let exact = PeriodicGaussian::new(&prior, &blur, 0.05)?;
        let measured = |gap: f64, shift: f64, factor: f64| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
            let mut against = AgainstExact::new(&exact);
            for pair in 0..4 {
                let mut rng = stream(7, Purpose::Prior, pair);
                let x = prior.sample(&mut rng).insert_axis(Axis(0));
                let y = blur.apply(x.mapv(f64::from).view())?.mapv(|v| f64::from(v as f32));
                let mean = exact.mean(y.view())?.index_axis(Axis(0), 0).to_owned();
                let draws = exact.sample(y.index_axis(Axis(0), 0), 4000, &mut rng)?;
                let mut moments = Moments::new(mean.shape());
                let moved = (draws - &mean) * factor + &mean + shift * exact.expected_rmse();
                moments.add(moved.view())?;
                let log_p = exact.log_prob(x.mapv(f64::from).view(), y.view())?[0];
                against.add(&moments, &x, &y.mapv(|v| v as f32), log_p - gap)?;
            }
            let mut metrics = BTreeMap::new();
            against.report(&mut metrics);
            Ok(["kl_gap_nats", "mean_relative_error", "std_relative_error"].map(|name| metrics[name].value).to_vec())
        };
        let right = measured(0.0, 0.0, 1.0)?;
        assert_abs_diff_eq!(right[0], 0.0, epsilon = 1e-9);
        assert!(right[1] < 0.03 && right[2] < 0.015, "{right:?}");
        let wrong = measured(5.0, 0.5, 1.2)?;
        assert_abs_diff_eq!(wrong[0], 5.0, epsilon = 1e-9);
        assert!(wrong[1] > 10.0 * right[1], "{wrong:?}");
        assert_abs_diff_eq!(wrong[2], 0.2, epsilon = 0.02);
        Ok(())
    }
}
