use burn::module::Module;
use burn::tensor::{DType, Device};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::flow::base::{Base, along_batch, entries, tensor};
use crate::flow::{Field, ParameterGradients, PerSample};
use crate::kernels::sample_dots;

/// Independent standard normal numbers.
///
///   log p_τ(z) = −½ ‖z/τ‖² − n log τ − ½ n log 2π   with n entries a sample,   z̄ = −z times ∂L/∂log p.
#[derive(Module, Debug)]
pub struct Normal {}

impl Normal {
    /// It has no parameters.
    pub fn new() -> Self {
        Self {}
    }
}

impl Default for Normal {
    fn default() -> Self {
        Self::new()
    }
}

impl Base for Normal {
    fn log_density(&self, z: Field, temperature: f64) -> PerSample {
        let n = entries(&z) as f64;
        let z = if temperature == 1.0 { z } else { z / temperature };
        standard_normal_log_density(z) - n * temperature.ln()
    }

    fn pull(&self, z: Field, dlog_density: &PerSample, _dparameters: &mut ParameterGradients) -> Field {
        z * along_batch(dlog_density.clone().neg())
    }

    fn sample(
        &self,
        shape: [usize; 5],
        temperature: f64,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Field {
        let z = standard_normal(shape, rng, dtype, device);
        if temperature == 1.0 { z } else { z * temperature }
    }

    fn standardised(&self, z: Field) -> Option<Field> {
        Some(z)
    }
}

/// log N(z; 0, I) of each sample, in nats: −½(‖z‖² + n log 2π) with n entries a sample.
pub fn standard_normal_log_density(z: Field) -> PerSample {
    let constant = entries(&z) as f64 * (2.0 * std::f64::consts::PI).ln();
    (sample_dots(&z, &z) + constant) * -0.5
}

/// Independent standard normal numbers of the given shape, drawn on the host so that they are the same on any device.
pub fn standard_normal(shape: [usize; 5], rng: &mut ChaCha8Rng, dtype: DType, device: &Device) -> Field {
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| StandardNormal.sample(rng)).collect();
    tensor(values, shape, dtype, device)
}
