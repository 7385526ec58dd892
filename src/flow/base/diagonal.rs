use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;

use crate::flow::base::{Base, along_batch, entries, standard_normal, standard_normal_log_density};
use crate::flow::{Field, ParameterGradients, PerSample};

/// Independent normal numbers, each with a mean and a deviation that are learned.
///
///   ε = e⁻ˢ (z − μ),   log p_τ(z) = log N(ε/τ; 0, I) − Σ s − n log τ.
///
/// With δ = ∂L/∂log p₁ of a sample:
///
///   z̄ = −δ e⁻ˢ ε,   μ̄ = Σ_samples δ e⁻ˢ ε,   s̄ = Σ_samples δ (ε² − 1).
#[derive(Module, Debug)]
pub struct Diagonal {
    /// μ: `[1, channel, d, h, w]`.
    mean: Param<Tensor<5>>,
    /// s, of the same shape.
    log_scale: Param<Tensor<5>>,
}

/// The variance of a channel counts as that of so many samples of each entry.
const PRIOR: f64 = 8.0;
/// Entries that vary less than this over a batch start as if they varied as much.
const LEAST: f64 = 1e-3;

impl Diagonal {
    /// Standard normal for samples of shape `[channel, d, h, w]`, until it is initialized from data.
    pub fn new([channels, d, h, w]: [usize; 4], device: &Device) -> Self {
        let zeros = || Param::from_tensor(Tensor::zeros([1, channels, d, h, w], device));
        Self { mean: zeros(), log_scale: zeros() }
    }

    /// ε of z.
    fn centred(&self, z: Field) -> Field {
        (z - self.mean.val()) * self.log_scale.val().neg().exp()
    }
}

impl Base for Diagonal {
    fn log_density(&self, z: Field, temperature: f64) -> PerSample {
        let (batch, n) = (z.dims()[0], entries(&z) as f64);
        let scales = self.log_scale.val().sum().expand([batch]);
        standard_normal_log_density(self.centred(z) / temperature) - scales - n * temperature.ln()
    }

    fn pull(&self, z: Field, dlog_density: &PerSample, dparameters: &mut ParameterGradients) -> Field {
        let (epsilon, d) = (self.centred(z), along_batch(dlog_density.clone()));
        let dmean = epsilon.clone() * self.log_scale.val().neg().exp() * d.clone();
        dparameters.add(&self.mean, dmean.clone().sum_dim(0));
        dparameters.add(&self.log_scale, ((epsilon.square() - 1.0) * d).sum_dim(0));
        dmean.neg()
    }

    fn sample(
        &self,
        shape: [usize; 5],
        temperature: f64,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Field {
        let epsilon = standard_normal(shape, rng, dtype, device) * temperature;
        epsilon * self.log_scale.val().exp() + self.mean.val()
    }

    /// Each entry gets the mean that it has over the batch. Its variance is drawn towards that of its channel, which counts as
    /// eight samples more: the variance of few samples is uncertain.
    fn initialize(self, z: &Field) -> Self {
        let batch = z.dims()[0] as f64;
        let mean = z.clone().mean_dim(0);
        let own = (z.clone() - mean.clone()).square().mean_dim(0);
        let of_channel = own.clone().mean_dim(2).mean_dim(3).mean_dim(4);
        let variance = if batch > 1.0 { (own * batch + of_channel * PRIOR) / (batch + PRIOR) } else { own.ones_like() };
        let log_scale = variance.clamp_min(LEAST * LEAST).log() * 0.5;
        Self { mean: self.mean.map(|_| mean), log_scale: self.log_scale.map(|_| log_scale) }
    }

    fn standardised(&self, z: Field) -> Option<Field> {
        Some(self.centred(z))
    }

    fn shape(&self) -> Option<[usize; 4]> {
        let [_, rest @ ..] = self.mean.val().dims();
        Some(rest)
    }
}
