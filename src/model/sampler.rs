use ndarray::{ArrayD, Axis, concatenate};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::flow::{Field, standard_normal, standard_normal_log_density};
use crate::model::field::{from_field, host};
use crate::model::{Model, ModelError};

/// Draws computed together, by one thread.
const DRAWS_AT_ONCE: usize = 16;

/// Draws from q(x|y) and their densities.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    /// `[draw, channel, axes…]`.
    pub x: ArrayD<f32>,
    /// log q(x|y) of each: nats, density in file units.
    pub log_prob: Vec<f64>,
}

/// Draws for one observation.
#[derive(Clone, Debug)]
pub struct Sampler {
    model: Model,
    condition: Vec<Field>,
}

impl Model {
    /// Draws from q(x|y) for one observation `[1, channel, axes…]`, made ready.
    pub fn sampler(&self, y: &ArrayD<f32>) -> Result<Sampler, ModelError> {
        if y.shape().first() != Some(&1) {
            return Err(ModelError::Batch { x: 1, y: y.shape().first().copied().unwrap_or(0) });
        }
        Ok(Sampler { model: self.clone(), condition: self.condition(y)? })
    }

    /// `draws` draws from q(x|y) for one observation: `[draw, channel, axes…]`.
    pub fn sample(&self, y: &ArrayD<f32>, draws: usize, rng: &mut ChaCha8Rng) -> Result<ArrayD<f32>, ModelError> {
        Ok(self.sampler(y)?.draw(draws, rng)?.x)
    }
}

impl Sampler {
    /// The next `draws` draws. The numbers are those of `rng` in order, however many are asked
    /// for at a time.
    pub fn draw(&self, draws: usize, rng: &mut ChaCha8Rng) -> Result<Draws, ModelError> {
        let Model { flow, device, description, .. } = &self.model;
        let [c, d, h, w] = flow.shape();
        let dtype = burn::tensor::DType::F32;
        let latents: Vec<Field> = (0..draws.div_ceil(DRAWS_AT_ONCE))
            .map(|k| {
                let count = DRAWS_AT_ONCE.min(draws - k * DRAWS_AT_ONCE);
                standard_normal([count, c, d, h, w], rng, dtype, device)
            })
            .collect();
        let parts: Vec<(Sampler, Field)> = latents.into_iter().map(|z| (self.clone(), z)).collect();
        let parts: Result<Vec<Draws>, ModelError> =
            parts.into_par_iter().map(|(sampler, z)| sampler.decode(z)).collect();
        let parts = parts?;
        let views: Vec<_> = parts.iter().map(|part| part.x.view()).collect();
        let x = if views.is_empty() {
            let mut shape = vec![0];
            shape.extend(&description.x_shape);
            ArrayD::zeros(shape)
        } else {
            concatenate(Axis(0), &views).map_err(|e| ModelError::Device(e.to_string()))?
        };
        Ok(Draws { x, log_prob: parts.into_iter().flat_map(|part| part.log_prob).collect() })
    }

    fn decode(&self, z: Field) -> Result<Draws, ModelError> {
        let batch = z.dims()[0];
        let condition: Vec<Field> = self
            .condition
            .iter()
            .map(|c| {
                let [_, channels, d, h, w] = c.dims();
                c.clone().expand([batch, channels, d, h, w])
            })
            .collect();
        let density = standard_normal_log_density(z.clone());
        let (u, log_det) = self.model.flow.inverse(z, &condition)?;
        let unknown = &self.model.unknown;
        let (x, of_unknown) = unknown.leave(&from_field(u, unknown.padded())?)?;
        let of_flow = host(density - log_det)?;
        let log_prob = of_flow.into_iter().zip(of_unknown).map(|(q, log_det)| f64::from(q) + log_det).collect();
        match x.iter().all(|v| v.is_finite()) {
            true => Ok(Draws { x, log_prob }),
            false => Err(ModelError::NotFinite {
                what: "a draw",
                remedy: "the observation may be far from the training data, or the model needs longer training",
            }),
        }
    }
}
