//! The distribution of the latent: a standard normal.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::flow::{Field, PerSample};
use crate::kernels::sample_dots;

/// log N(z; 0, I) of each sample, in nats: −½(‖z‖² + n log 2π) with n entries a sample.
pub fn standard_normal_log_density(z: Field) -> PerSample {
    let [_, channels, d, h, w] = z.dims();
    let entries = (channels * d * h * w) as f64;
    let constant = entries * (2.0 * std::f64::consts::PI).ln();
    (sample_dots(&z, &z) + constant) * -0.5
}

/// Independent standard normal numbers of the given shape, drawn on the host so that they are the same on any device.
pub fn standard_normal(shape: [usize; 5], rng: &mut ChaCha8Rng, dtype: DType, device: &Device) -> Field {
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| StandardNormal.sample(rng)).collect();
    tensor(values, shape, dtype, device)
}

/// A tensor of host numbers in the given type.
pub(crate) fn tensor<const D: usize>(values: Vec<f64>, shape: [usize; D], dtype: DType, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape).convert_dtype(dtype), (device, dtype))
}
