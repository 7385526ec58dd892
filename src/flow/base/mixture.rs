use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::flow::base::{Base, along_batch, entries, standard_normal, standard_normal_log_density, tensor};
use crate::flow::{Field, ParameterGradients, PerSample};

/// A mixture of K normal distributions, each with independent entries: latents for data in clusters.
///
///   log p_τ(z) = log Σ_k w_k N(ε_k/τ; 0, I) e^{−Σ s_k} τ^{−n},   ε_k = e^{−s_k} (z − μ_k),   w = softmax(a).
///
/// With the responsibilities r_k = w_k p_k(z)/p(z) and δ = ∂L/∂log p₁ of a sample:
///
///   z̄ = −δ Σ_k r_k e^{−s_k} ε_k,   μ̄_k = Σ δ r_k e^{−s_k} ε_k,   s̄_k = Σ δ r_k (ε_k² − 1),   ā_k = Σ δ (r_k − w_k).
#[derive(Module, Debug)]
pub struct Mixture {
    /// a: `[component]`.
    logits: Param<Tensor<1>>,
    /// μ: `[component, channel, d, h, w]`.
    means: Param<Tensor<5>>,
    /// s, of the same shape.
    log_scales: Param<Tensor<5>>,
}

impl Mixture {
    /// So many components for samples of shape `[channel, d, h, w]`, with equal weights and means that are drawn.
    pub fn new([channels, d, h, w]: [usize; 4], components: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let shape = [components, channels, d, h, w];
        let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(rng)).collect();
        Self {
            logits: Param::from_tensor(Tensor::zeros([components], device)),
            means: Param::from_tensor(tensor(values, shape, DType::F32, device)),
            log_scales: Param::from_tensor(Tensor::zeros(shape, device)),
        }
    }

    fn components(&self) -> usize {
        self.logits.val().dims()[0]
    }

    /// μ and s of one component, `[1, channel, d, h, w]`.
    fn component(&self, k: usize) -> (Field, Field) {
        (self.means.val().narrow(0, k, 1), self.log_scales.val().narrow(0, k, 1))
    }

    /// log w.
    fn log_weights(&self) -> Tensor<1> {
        burn::tensor::activation::log_softmax(self.logits.val(), 0)
    }

    /// log w_k p_k(z): `[sample, component]`.
    fn joint(&self, z: &Field, temperature: f64) -> Tensor<2> {
        let (batch, n, log_weights) = (z.dims()[0], entries(z) as f64, self.log_weights());
        let of = |k: usize| {
            let (mean, log_scale) = self.component(k);
            let epsilon = (z.clone() - mean) * log_scale.clone().neg().exp();
            let constant = log_weights.clone().narrow(0, k, 1) - log_scale.sum() - n * temperature.ln();
            let one = standard_normal_log_density(epsilon / temperature) + constant.expand([batch]);
            one.reshape([batch, 1])
        };
        Tensor::cat((0..self.components()).map(of).collect(), 1)
    }
}

/// The logarithm of the sum of exponentials over the components: `[sample, 1]`.
fn log_sum(joint: Tensor<2>) -> Tensor<2> {
    let most = joint.clone().max_dim(1);
    (joint - most.clone()).exp().sum_dim(1).log() + most
}

impl Base for Mixture {
    fn log_density(&self, z: Field, temperature: f64) -> PerSample {
        log_sum(self.joint(&z, temperature)).reshape([-1])
    }

    fn pull(&self, z: Field, dlog_density: &PerSample, dparameters: &mut ParameterGradients) -> Field {
        let (batch, joint) = (z.dims()[0], self.joint(&z, 1.0));
        let responsibilities = (joint.clone() - log_sum(joint)).exp();
        let d: Tensor<2> = dlog_density.clone().reshape([batch, 1]);
        let weights: Tensor<2> = self.log_weights().exp().reshape([1, self.components()]);
        let dlogits = (responsibilities.clone() - weights) * d.clone();
        dparameters.add(&self.logits, dlogits.sum_dim(0).reshape([-1]));
        let shares = responsibilities * d;
        let (mut dz, mut dmeans, mut dscales) = (z.zeros_like(), Vec::new(), Vec::new());
        for k in 0..self.components() {
            let (mean, log_scale) = self.component(k);
            let inverse = log_scale.neg().exp();
            let epsilon = (z.clone() - mean) * inverse.clone();
            let share = along_batch(shares.clone().narrow(1, k, 1).reshape([-1]));
            let dmean = epsilon.clone() * inverse * share.clone();
            dz = dz - dmean.clone();
            dmeans.push(dmean.sum_dim(0));
            dscales.push(((epsilon.square() - 1.0) * share).sum_dim(0));
        }
        dparameters.add(&self.means, Tensor::cat(dmeans, 0));
        dparameters.add(&self.log_scales, Tensor::cat(dscales, 0));
        dz
    }

    fn sample(
        &self,
        shape: [usize; 5],
        temperature: f64,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Field {
        let weights: Vec<f64> = self.log_weights().exp().into_data().iter::<f64>().collect();
        let one = |rng: &mut ChaCha8Rng| {
            let mut rest: f64 = rng.random();
            let last = weights.len() - 1;
            let k = weights.iter().position(|weight| {
                rest -= weight;
                rest < 0.0
            });
            let (mean, log_scale) = self.component(k.unwrap_or(last));
            let [_, of_one @ ..] = shape;
            let [channels, d, h, w] = of_one;
            let epsilon = standard_normal([1, channels, d, h, w], rng, dtype, device) * temperature;
            epsilon * log_scale.exp() + mean
        };
        let draws: Vec<Field> = (0..shape[0]).map(|_| one(rng)).collect();
        if draws.is_empty() { Tensor::zeros(shape, (device, dtype)) } else { Tensor::cat(draws, 0) }
    }

    fn shape(&self) -> Option<[usize; 4]> {
        let [_, rest @ ..] = self.means.val().dims();
        Some(rest)
    }
}
