use ndarray::{ArrayD, Axis, concatenate};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::flow::{Base, Field};
use crate::model::field::{from_field, host};
use crate::model::{Model, ModelError};

/// Draws computed together, by one thread.
const DRAWS_AT_ONCE: usize = 16;

/// Draws from q(x|y) and their densities.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    /// `[draw, channel, axes…]`.
    pub x: ArrayD<f32>,
    /// log q(x|y) of each: nats, density in file units, the number that [`Model::log_prob`] gives.
    pub log_prob: Vec<f64>,
}

/// Draws for one observation.
///
/// ```
/// # use burn::tensor::Device;
/// # use ndarray::{ArrayD, IxDyn};
/// # use posteria::flow::GlowConfig;
/// # use posteria::model::{Model, ModelConfig};
/// use posteria::random::{Purpose, stream};
///
/// # let network = GlowConfig { scales: 1, steps: 1, ..GlowConfig::default() }.into();
/// # let config = ModelConfig { network, ..ModelConfig::default() };
/// # let model = Model::new(config, None, &[1, 4, 4], &[1, 4, 4], 1, &Device::flex())?;
/// # let y = ArrayD::zeros(IxDyn(&[1, 1, 4, 4]));
/// let sampler = model.sampler(&y)?;
/// let rng = || stream(1, Purpose::Latent, 0);
/// let draws = sampler.draw(20, &mut rng())?;
/// assert_eq!((draws.x.shape(), draws.log_prob.len()), (&[20, 1, 4, 4][..], 20));
/// assert_eq!(sampler.images(20, &mut rng())?, draws.x, "the same latents make the same images");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        self.sampler(y)?.images(draws, rng)
    }
}

impl Sampler {
    /// The next `draws` draws, `[draw, channel, axes…]`. The numbers are those of `rng` in order, however many are asked for at
    /// a time.
    pub fn images(&self, draws: usize, rng: &mut ChaCha8Rng) -> Result<ArrayD<f32>, ModelError> {
        self.joined(self.in_parallel(draws, rng, |sampler, z| Ok(sampler.decode(z)?.x))?)
    }

    /// The same draws with their densities.
    pub fn draw(&self, draws: usize, rng: &mut ChaCha8Rng) -> Result<Draws, ModelError> {
        let parts = self.in_parallel(draws, rng, |sampler, z| {
            let joint = sampler.decode(z)?;
            match sampler.model.unknown.has_fillers() {
                // What the flow drew beside x is not what `log_prob` puts there.
                true => Ok(Draws { log_prob: sampler.log_prob(&joint.x)?, ..joint }),
                false => Ok(joint),
            }
        })?;
        let (x, log_prob): (Vec<_>, Vec<_>) = parts.into_iter().map(|part| (part.x, part.log_prob)).unzip();
        Ok(Draws { x: self.joined(x)?, log_prob: log_prob.concat() })
    }

    /// What `f` makes of batches of latents, in order.
    fn in_parallel<P: Send>(
        &self,
        draws: usize,
        rng: &mut ChaCha8Rng,
        f: impl Fn(&Sampler, Field) -> Result<P, ModelError> + Sync,
    ) -> Result<Vec<P>, ModelError> {
        let parts: Vec<Field> = (0..draws.div_ceil(DRAWS_AT_ONCE))
            .map(|k| {
                let count = DRAWS_AT_ONCE.min(draws - k * DRAWS_AT_ONCE);
                self.model.flow.latents(count, 1.0, rng)
            })
            .collect();
        parts.into_par_iter().map(|z| f(self, z)).collect()
    }

    fn joined(&self, parts: Vec<ArrayD<f32>>) -> Result<ArrayD<f32>, ModelError> {
        if parts.is_empty() {
            return Ok(ArrayD::zeros([&[0], self.model.x_shape()].concat()));
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &views).map_err(|e| ModelError::Device(e.to_string()))
    }

    /// The condition for a batch of draws.
    fn condition(&self, batch: usize) -> Vec<Field> {
        let for_each = |c: &Field| {
            let [_, channels, d, h, w] = c.dims();
            c.clone().expand([batch, channels, d, h, w])
        };
        self.condition.iter().map(for_each).collect()
    }

    /// log q(x|y) of each image.
    fn log_prob(&self, x: &ArrayD<f32>) -> Result<Vec<f64>, ModelError> {
        self.model.log_prob_given(x, &self.condition(x.len_of(Axis(0))))
    }

    /// The images of latents, and log q(x|y) with whatever the flow puts beside x.
    fn decode(&self, z: Field) -> Result<Draws, ModelError> {
        let condition = self.condition(z.dims()[0]);
        let density = self.model.flow.base().log_density(z.clone(), 1.0);
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
