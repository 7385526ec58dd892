//! Posteriors in closed form: the reference that trained ones are measured against.

mod dense;
mod periodic;

pub use dense::DenseGaussian;
pub use periodic::PeriodicGaussian;

use super::PosteriorError;
use super::error::check_shape;
use ndarray::{Array1, ArrayD, ArrayViewD, Axis};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::{E, TAU};

/// The posterior N(m(y), Σ) of a Gaussian image x ~ N(0, C) seen through a linear operator in white noise.
///
/// Σ is the same for every y. Everything is f64; images are `[sample, channel, axes…]`, observations
/// `[sample, shape of one…]`. Densities are in nats.
pub trait ExactPosterior: Send + Sync {
    /// Shape of one image, `[channel, axes…]`.
    fn shape(&self) -> &[usize];

    /// m(y) for each observation of a batch.
    fn mean(&self, y: ArrayViewD<f64>) -> Result<ArrayD<f64>, PosteriorError>;

    /// `n` independent draws `[draw, shape…]` from the posterior of one observation.
    fn sample(&self, y: ArrayViewD<f64>, n: usize, rng: &mut ChaCha8Rng) -> Result<ArrayD<f64>, PosteriorError>;

    /// Σ^(−1/2) v for each deviation v of a batch from some m(y), with some square root of Σ: white under the true posterior.
    ///
    /// # Errors
    /// Deviations of another shape than `[sample, shape of an image…]`.
    fn whiten(&self, deviation: ArrayViewD<f64>) -> Result<ArrayD<f64>, PosteriorError>;

    /// The standard deviation of every pixel, of shape [`ExactPosterior::shape`].
    fn standard_deviation(&self) -> ArrayD<f64>;

    /// log det C.
    fn log_det_prior(&self) -> f64;

    /// log det Σ.
    fn log_det_posterior(&self) -> f64;

    /// Number of pixels n.
    fn pixels(&self) -> usize {
        self.shape().iter().product()
    }

    /// Σ^(−1/2) (x − m(y)) for each pair.
    fn latent(&self, x: ArrayViewD<f64>, y: ArrayViewD<f64>) -> Result<ArrayD<f64>, PosteriorError> {
        let mean = self.mean(y)?;
        check_shape("image", x.shape(), mean.shape())?;
        self.whiten((&x - &mean).view())
    }

    /// log p(x | y) of each pair, in nats: −½ (n log 2π + log det Σ + ‖Σ^(−1/2) (x − m(y))‖²).
    fn log_prob(&self, x: ArrayViewD<f64>, y: ArrayViewD<f64>) -> Result<Array1<f64>, PosteriorError> {
        let constant = self.pixels() as f64 * TAU.ln() + self.log_det_posterior();
        let latent = self.latent(x, y)?;
        Ok(latent.axis_iter(Axis(0)).map(|z| -0.5 * (constant + z.iter().map(|z| z * z).sum::<f64>())).collect())
    }

    /// √(tr Σ / n): the root mean square error of the posterior mean, which no estimator beats.
    fn expected_rmse(&self) -> f64 {
        (self.standard_deviation().iter().map(|s| s * s).sum::<f64>() / self.pixels() as f64).sqrt()
    }

    /// H(x | y) / n in nats: the floor of the negative log-likelihood of a dimension.
    fn entropy_per_dim(&self) -> f64 {
        0.5 * ((TAU * E).ln() + self.log_det_posterior() / self.pixels() as f64)
    }

    /// H(x) / n in nats: what the prior scores, ignoring y.
    fn prior_entropy_per_dim(&self) -> f64 {
        0.5 * ((TAU * E).ln() + self.log_det_prior() / self.pixels() as f64)
    }

    /// I(x; y) in nats: what an observation says about the image on average, and the divergence of the prior from the
    /// posterior.
    fn mutual_information(&self) -> f64 {
        0.5 * (self.log_det_prior() - self.log_det_posterior())
    }

    /// KL(p ‖ q) in nats of the best Gaussian q with independent pixels, the one with the right mean and standard
    /// deviations: ½ (Σ log s² − log det Σ).
    fn mean_field_kl(&self) -> f64 {
        0.5 * (self.standard_deviation().iter().map(|s| 2.0 * s.ln()).sum::<f64>() - self.log_det_posterior())
    }
}

/// An error unless a batch is of samples of this shape.
fn check_batch(what: &'static str, batch: &ArrayViewD<f64>, shape: &[usize]) -> Result<(), PosteriorError> {
    let samples = batch.shape().first().copied().unwrap_or(0);
    let expected: Vec<usize> = std::iter::once(samples).chain(shape.iter().copied()).collect();
    check_shape(what, batch.shape(), &expected)
}

/// An error unless it is the standard deviation of some noise.
fn check_noise(sigma: f64) -> Result<(), PosteriorError> {
    if sigma > 0.0 && sigma.is_finite() {
        return Ok(());
    }
    let remedy = "give the standard deviation of the noise, a positive number";
    Err(PosteriorError::Parameter { name: "sigma", value: sigma.to_string(), remedy })
}

#[cfg(test)]
mod truth;
