use burn::module::Module;
use burn::tensor::{DType, Device};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StudentT as Draws};
use statrs::function::gamma::ln_gamma;

use crate::flow::base::{Base, along_batch, entries, tensor};
use crate::flow::{Field, ParameterGradients, PerSample};
use crate::kernels::sample_sums;

/// Independent numbers of Student's t distribution with ν degrees of freedom: latents for data with heavy tails.
///
///   log p_τ(z) = Σ [c − ½ (ν + 1) log(1 + z²/(ν τ²))] − n log τ,   c = log Γ(½(ν+1)) − log Γ(½ν) − ½ log(ν π),
///
/// z̄ = −δ (ν + 1) z/(ν + z²) with δ = ∂L/∂log p₁ of a sample.
#[derive(Module, Debug)]
pub struct StudentT {
    /// ν.
    #[module(skip)]
    freedom: f64,
}

impl StudentT {
    /// Degrees of freedom, positive.
    pub fn new(freedom: f64) -> Self {
        Self { freedom }
    }
}

impl Base for StudentT {
    fn log_density(&self, z: Field, temperature: f64) -> PerSample {
        let (nu, n) = (self.freedom, entries(&z) as f64);
        let constant = ln_gamma(0.5 * (nu + 1.0)) - ln_gamma(0.5 * nu) - 0.5 * (nu * std::f64::consts::PI).ln();
        let logs = (z.square() / (nu * temperature * temperature)).log1p();
        sample_sums(logs) * (-0.5 * (nu + 1.0)) + n * (constant - temperature.ln())
    }

    fn pull(&self, z: Field, dlog_density: &PerSample, _dparameters: &mut ParameterGradients) -> Field {
        let nu = self.freedom;
        let slope = z.clone() / (z.square() + nu) * -(nu + 1.0);
        slope * along_batch(dlog_density.clone())
    }

    fn sample(
        &self,
        shape: [usize; 5],
        temperature: f64,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Field {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = match Draws::new(self.freedom) {
            Ok(draws) => (0..count).map(|_| temperature * draws.sample(rng)).collect(),
            Err(_) => vec![f64::NAN; count],
        };
        tensor(values, shape, dtype, device)
    }
}
