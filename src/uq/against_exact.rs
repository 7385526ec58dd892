//! How far a posterior is from the exact one, over the same pairs.

use std::collections::BTreeMap;

use super::UqError;
use super::diagnosis::{Measured, MethodError, measure};
use crate::posterior::exact::ExactPosterior;
use crate::posterior::streaming::Moments;
use ndarray::{ArrayD, Axis};

/// The same pairs under the exact posterior N(m(y), Σ).
///
/// KL(p ‖ q) of the exact p from the trained q is the mean of log p − log q over true images. Were q the exact posterior moved to
/// the mean that q has, it would be ½ ‖μ‖² with μ = Σ^(−1/2) (E_q x − m(y)): what the mean alone would cost. With sums Sⱼ of
/// mⱼ white draws Σ^(−1/2) (x − m(y)) it is estimated without bias from products of different sums,
///
/// ```text
/// ‖μ‖² ≈ (‖Σⱼ Sⱼ‖² − Σⱼ ‖Sⱼ‖²) / (M² − Σⱼ mⱼ²),   M = Σⱼ mⱼ,
/// ```
///
/// which the noise of a finite number of draws does not add to; where μ is small, the estimate may be negative.
pub struct AgainstExact<'a> {
    exact: &'a dyn ExactPosterior,
    pairs: usize,
    /// Σ log p − log q.
    gap: f64,
    log_prob: f64,
    /// ½ ‖μ‖², summed.
    gap_of_mean: f64,
    /// ‖m̂ − m‖² and ‖m‖², summed.
    mean: [f64; 2],
    /// ‖ŝ − s‖ / ‖s‖, summed.
    deviation: f64,
    classical: f64,
}

/// Draws for one observation, held against the exact posterior as they come in.
pub struct DrawsAgainstExact<'a> {
    exact: &'a dyn ExactPosterior,
    mean: ArrayD<f64>,
    /// Draws of a sum Sⱼ.
    together: usize,
    /// Σ mⱼ and Σ mⱼ².
    counts: [f64; 2],
    /// Σ Sⱼ, and Σ ‖Sⱼ‖².
    sum: ArrayD<f64>,
    squares: f64,
}

/// Sums that the draws of an observation are gathered in: few enough to cost little, enough to lose little.
const SUMS: usize = 16;

fn square(values: &ArrayD<f64>) -> f64 {
    values.iter().map(|v| v * v).sum()
}

impl DrawsAgainstExact<'_> {
    /// More draws `[draw, channel, axes…]`.
    ///
    /// # Errors
    /// Draws of another shape than the images of the exact posterior.
    pub fn add(&mut self, draws: &ArrayD<f32>) -> Result<(), UqError> {
        for slab in draws.axis_chunks_iter(Axis(0), self.together) {
            let count = slab.len_of(Axis(0)) as f64;
            let sum = slab.mapv(f64::from).sum_axis(Axis(0)).insert_axis(Axis(0));
            let white = self.exact.whiten((sum - &(&self.mean * count)).view())?;
            self.counts[0] += count;
            self.counts[1] += count * count;
            self.squares += square(&white);
            self.sum += &white;
        }
        Ok(())
    }

    /// ½ ‖μ‖² in nats; not a number of fewer than two sums.
    fn gap_of_mean(&self) -> f64 {
        let [count, squares] = self.counts;
        0.5 * (square(&self.sum) - self.squares) / (count * count - squares)
    }
}

impl<'a> AgainstExact<'a> {
    /// Before the first pair.
    pub fn new(exact: &'a dyn ExactPosterior) -> Self {
        AgainstExact {
            exact,
            pairs: 0,
            gap: 0.0,
            log_prob: 0.0,
            gap_of_mean: 0.0,
            mean: [0.0; 2],
            deviation: 0.0,
            classical: 0.0,
        }
    }

    /// One observation `[1, …]` more, of which so many draws are to come, two or more.
    ///
    /// # Errors
    /// An observation of another shape than the exact posterior takes.
    pub fn observation(&self, y: &ArrayD<f32>, draws: usize) -> Result<DrawsAgainstExact<'a>, UqError> {
        let mean = self.exact.mean(y.mapv(f64::from).view())?;
        let (together, sum) = ((draws / SUMS).max(1), ArrayD::zeros(mean.raw_dim()));
        Ok(DrawsAgainstExact { exact: self.exact, mean, together, counts: [0.0; 2], sum, squares: 0.0 })
    }

    /// One more pair: its draws and their moments, and log q of its truth.
    ///
    /// # Errors
    /// Images of another shape than those of the exact posterior.
    pub fn add(
        &mut self,
        draws: &DrawsAgainstExact<'_>,
        moments: &Moments,
        x: &ArrayD<f32>,
        y: &ArrayD<f32>,
        log_q: f64,
    ) -> Result<(), UqError> {
        let (x, y) = (x.mapv(f64::from), y.mapv(f64::from));
        let log_p = self.exact.log_prob(x.view(), y.view())?.sum();
        let (mean, truth) = (draws.mean.index_axis(Axis(0), 0).to_owned(), x.index_axis_move(Axis(0), 0));
        let deviation = self.exact.standard_deviation();
        self.pairs += 1;
        self.gap += log_p - log_q;
        self.log_prob += log_p;
        self.gap_of_mean += draws.gap_of_mean();
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
        measure(metrics, "kl_gap_of_mean_nats", self.gap_of_mean / pairs, "nat");
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
                let y = y.mapv(|v| v as f32);
                let mut draws = against.observation(&y, 4000)?;
                // In pieces that no sum fits into.
                for slab in moved.axis_chunks_iter(Axis(0), 999) {
                    draws.add(&slab.mapv(|v| v as f32))?;
                }
                against.add(&draws, &moments, &x, &y, log_p - gap)?;
            }
            let mut metrics = BTreeMap::new();
            against.report(&mut metrics);
            let names = ["kl_gap_nats", "mean_relative_error", "std_relative_error", "kl_gap_of_mean_nats"];
            Ok(names.map(|name| metrics[name].value).to_vec())
        };
        let right = measured(0.0, 0.0, 1.0)?;
        assert_abs_diff_eq!(right[0], 0.0, epsilon = 1e-9);
        assert!(right[1] < 0.03 && right[2] < 0.015, "{right:?}");
        // Of 256 pixels and 4 × 4000 draws: √(2 · 256) / (2 · 4000) / √4, and a little more.
        assert_abs_diff_eq!(right[3], 0.0, epsilon = 5.0 * 0.0014);
        let wrong = measured(5.0, 0.5, 1.2)?;
        assert_abs_diff_eq!(wrong[0], 5.0, epsilon = 1e-9);
        assert!(wrong[1] > 10.0 * right[1], "{wrong:?}");
        assert_abs_diff_eq!(wrong[2], 0.2, epsilon = 0.02);
        let shift = ArrayD::from_elem(vec![1, 1, 16, 16], 0.5 * exact.expected_rmse());
        let expected = 0.5 * square(&exact.whiten(shift.view())?);
        assert!(expected > 0.1, "{expected}");
        assert_abs_diff_eq!(wrong[3], expected, epsilon = 0.1 * expected);
        Ok(())
    }
}
