use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use ndarray::{ArrayD, Axis, concatenate};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::flow::{
    Field, Glow, LikelihoodGradient, Parameter, ParameterGradients, PerSample, Plan, map_parameters, parameters,
    standard_normal, standard_normal_log_density,
};
use crate::io::{Grid, Provenance, Quantity};
use crate::model::condition::{Conditioning, Inputs, image_channels};
use crate::model::field::{four, from_field, host, to_field};
use crate::model::{Affine, ModelConfig, ModelError, Normalisation, Source};
use crate::operator::{LinearOperator, OperatorConfig};
use crate::random::{Purpose, stream};

/// Draws computed together, by one thread.
const DRAWS_AT_ONCE: usize = 16;

/// An amortized posterior q(x | y): one network that gives, for any observation, a density and draws in file units.
///
///   u = (x − shift)/scale,   c = summary of the images made of y,   log q(x | y) = log q_flow(u | c) + log|∂u/∂x|.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) description: Description,
    pub(super) flow: Glow,
    pub(super) conditioning: Conditioning,
    pub(super) operator: Adjoint,
    pub(super) device: Device,
}

/// What a model is but for its weights.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub config: ModelConfig,
    /// What y is of x, where it is known: its adjoint makes condition images.
    pub operator: Option<OperatorConfig>,
    /// Channel and axes of one x.
    pub x_shape: Vec<usize>,
    /// Channel and axes of one y.
    pub y_shape: Vec<usize>,
    /// Name, unit and axes of x.
    pub x: Quantity,
    /// Name, unit and axes of y.
    pub y: Quantity,
    /// The problem it was trained for.
    pub provenance: Provenance,
    /// From x to what the flow sees of it.
    pub unknown: Affine,
    /// From the images made of y to what the summary network sees of them.
    pub condition: Affine,
    /// From y to what the reducer sees of it.
    #[serde(default)]
    pub traces: Affine,
}

/// The operator as a model holds it.
#[derive(Clone)]
pub(super) struct Adjoint(Option<Arc<dyn LinearOperator<f32>>>);

impl std::fmt::Debug for Adjoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "an operator" } else { "no operator" })
    }
}

/// The loss of a batch and its gradient.
#[derive(Debug)]
pub struct Gradient {
    /// −log q(x|y) of each pair, in nats and file units.
    pub nll: Vec<f64>,
    /// Gradient of Σ_pairs nll / dimension.
    pub parameters: ParameterGradients,
    /// ‖x recomputed − x‖ / ‖x‖, see [`LikelihoodGradient`].
    pub reconstruction_error: f64,
}

impl Model {
    /// A model with random weights for samples of the given shapes (channel, axes…).
    ///
    /// # Errors
    /// Shapes, settings and sources that do not go together.
    pub fn new(
        config: ModelConfig,
        operator: Option<OperatorConfig>,
        x_shape: &[usize],
        y_shape: &[usize],
        seed: u64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let channels = image_channels(&config.condition, x_shape, y_shape)?;
        let description = Description {
            unknown: Affine::identity(x_shape.first().copied().unwrap_or(1)),
            condition: Affine::identity(channels),
            traces: Affine::identity(y_shape.first().copied().unwrap_or(1)),
            config,
            operator,
            x_shape: x_shape.into(),
            y_shape: y_shape.into(),
            x: Quantity::default(),
            y: Quantity::default(),
            provenance: Provenance::default(),
        };
        Self::from_description(description, seed, device)
    }

    /// The model that a description describes, with random weights.
    pub(super) fn from_description(description: Description, seed: u64, device: &Device) -> Result<Self, ModelError> {
        let Description { config, x_shape, y_shape, .. } = &description;
        let shape = four(x_shape)?;
        config.network.validate(shape)?;
        let (scales, mut of_summary) = (config.network.scales, stream(seed, Purpose::Weights, 1));
        let conditioning = Conditioning::new(&config.condition, x_shape, y_shape, scales, &mut of_summary, device)?;
        let mut rng = stream(seed, Purpose::Weights, 0);
        let flow = config.network.conditional_glow(shape, &conditioning.channels(), &mut rng, device)?;
        let needs_operator = config.condition.sources.contains(&Source::Adjoint);
        let operator = match &description.operator {
            Some(operator) if needs_operator => {
                let built = operator.build::<f32>(x_shape).map_err(|e| ModelError::Operator(e.to_string()))?;
                Some(Arc::from(built))
            }
            None if needs_operator => return Err(ModelError::NoOperator),
            _ => None,
        };
        Ok(Self { description, flow, conditioning, operator: Adjoint(operator), device: device.clone() })
    }

    /// The model knowing what x and y are and where it comes from, which it hands on to every file made with it.
    pub fn describe(mut self, x: Quantity, y: Quantity, provenance: Provenance) -> Self {
        (self.description.x, self.description.y, self.description.provenance) = (x, y, provenance);
        self
    }

    /// The model with normalisation, and what in the flow starts from data, set from these pairs.
    pub fn fit(self, x: &ArrayD<f32>, y: &ArrayD<f32>) -> Result<Self, ModelError> {
        same_batch(x, y)?;
        let mut model = self;
        if model.description.config.unknown.normalisation == Normalisation::Standardise {
            model.description.unknown = Affine::standardising(x);
        }
        if let Some(images) = model.images(y)? {
            let [_, c, d, h, w] = images.dims();
            model.description.condition = Affine::standardising(&from_field(images, &[c, d, h, w])?);
        }
        model.description.traces = Affine::standardising(y);
        let u = model.description.unknown.apply(model.x_field(x)?);
        let c = model.condition(y)?;
        model.flow = model.flow.initialize(u, &c)?;
        Ok(model)
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What the model was made of.
    pub fn config(&self) -> &ModelConfig {
        &self.description.config
    }

    /// Channel and axes of one x.
    pub fn x_shape(&self) -> &[usize] {
        &self.description.x_shape
    }

    /// Channel and axes of one y.
    pub fn y_shape(&self) -> &[usize] {
        &self.description.y_shape
    }

    /// What x is; pixels where nobody said.
    pub fn x(&self) -> Quantity {
        described(&self.description.x, self.x_shape())
    }

    /// What y is; pixels where nobody said.
    pub fn y(&self) -> Quantity {
        described(&self.description.y, self.y_shape())
    }

    /// The problem it was trained for.
    pub fn provenance(&self) -> &Provenance {
        &self.description.provenance
    }

    /// What y is of x, where it is known.
    pub fn operator(&self) -> Option<&OperatorConfig> {
        self.description.operator.as_ref()
    }

    /// Numbers in one x.
    pub fn dimension(&self) -> usize {
        self.flow.dimension()
    }

    /// Every parameter with its flattened value, in the one order that is the same in every process.
    pub fn parameters(&self) -> Vec<(Parameter, Tensor<1>)> {
        let mut all = parameters(&self.flow);
        all.extend(parameters(&self.conditioning).into_iter().map(|(p, value)| (of_conditioning(&p), value)));
        all
    }

    /// The model with every parameter replaced by what `f` makes of it, in the same order.
    pub fn map_parameters(self, f: &mut dyn FnMut(&Parameter, Tensor<1>) -> Tensor<1>) -> Self {
        let flow = map_parameters(self.flow, f);
        let conditioning = map_parameters(self.conditioning, &mut |p, value| f(&of_conditioning(p), value));
        Self { flow, conditioning, ..self }
    }

    /// −log q(x|y) of each pair and the gradient of the mean over dimensions of its sum.
    pub fn gradient(&self, x: &ArrayD<f32>, y: &ArrayD<f32>, plan: Plan) -> Result<Gradient, ModelError> {
        same_batch(x, y)?;
        let x = self.x_field(x)?;
        let log_det = self.description.unknown.log_det(&x);
        let u = self.description.unknown.apply(x);
        let tracked = self.conditioning.track(self.inputs(y)?);
        let LikelihoodGradient { nll, mut parameters, condition, reconstruction_error, .. } =
            self.flow.likelihood_gradient(u, &tracked.values(), tracked.is_learned(), plan)?;
        tracked.pull(condition, &mut parameters);
        Ok(Gradient {
            nll: self.per_pair(nll, -log_det)?,
            parameters: parameters.scale(1.0 / self.dimension() as f64),
            reconstruction_error,
        })
    }

    /// log q(x|y) of each pair: nats, density in file units.
    pub fn log_prob(&self, x: &ArrayD<f32>, y: &ArrayD<f32>) -> Result<Vec<f64>, ModelError> {
        same_batch(x, y)?;
        let x = self.x_field(x)?;
        let log_det = self.description.unknown.log_det(&x);
        let log_prob = self.flow.log_prob(self.description.unknown.apply(x), &self.condition(y)?)?;
        self.per_pair(log_prob, log_det)
    }

    /// z of each pair, in the shape of x: standard normal numbers for a perfect model.
    pub fn latent(&self, x: &ArrayD<f32>, y: &ArrayD<f32>) -> Result<ArrayD<f32>, ModelError> {
        same_batch(x, y)?;
        let u = self.description.unknown.apply(self.x_field(x)?);
        let (z, _) = self.flow.forward(u, &self.condition(y)?)?;
        from_field(z, self.x_shape())
    }

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

    fn x_field(&self, x: &ArrayD<f32>) -> Result<Field, ModelError> {
        to_field("x", x, self.x_shape(), &self.device)
    }

    /// The images at the extents of x that are made of a batch of observations, not yet normalised; none where the
    /// model is told of nothing but what it learns to make of them.
    fn images(&self, y: &ArrayD<f32>) -> Result<Option<Field>, ModelError> {
        let observation = || to_field("y", y, self.y_shape(), &self.device);
        let image = |source: &Source| match source {
            Source::Observation => Some(observation()),
            Source::Adjoint => Some(self.adjoint(y)),
            Source::Reduced => None,
        };
        let images = self.description.config.condition.sources.iter().filter_map(image);
        let images = images.collect::<Result<Vec<Field>, _>>()?;
        Ok((!images.is_empty()).then(|| Tensor::cat(images, 1)))
    }

    fn adjoint(&self, y: &ArrayD<f32>) -> Result<Field, ModelError> {
        to_field("y", y, self.y_shape(), &self.device)?;
        let operator = self.operator.0.as_ref().ok_or(ModelError::NoOperator)?;
        let image = operator.adjoint(y.view()).map_err(|e| ModelError::Operator(e.to_string()))?;
        to_field("the adjoint image", &image, self.x_shape(), &self.device)
    }

    fn inputs(&self, y: &ArrayD<f32>) -> Result<Inputs, ModelError> {
        let images = self.images(y)?.map(|images| self.description.condition.apply(images));
        let traces = match self.config().condition.sources.contains(&Source::Reduced) {
            true => Some(self.description.traces.apply(to_field("y", y, self.y_shape(), &self.device)?)),
            false => None,
        };
        Ok(Inputs { images, traces })
    }

    fn condition(&self, y: &ArrayD<f32>) -> Result<Vec<Field>, ModelError> {
        Ok(self.conditioning.forward(self.inputs(y)?))
    }

    fn per_pair(&self, value: PerSample, constant: f64) -> Result<Vec<f64>, ModelError> {
        Ok(host(value)?.into_iter().map(|v| f64::from(v) + constant).collect())
    }
}

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
        let unknown = &self.model.description.unknown;
        let log_prob = self.model.per_pair(density - log_det, unknown.log_det(&u))?;
        let x = from_field(unknown.undo(u), self.model.x_shape())?;
        match x.iter().all(|v| v.is_finite()) {
            true => Ok(Draws { x, log_prob }),
            false => Err(ModelError::NotFinite {
                what: "a draw",
                remedy: "the observation may be far from the training data, or the model needs longer training",
            }),
        }
    }
}

fn described(quantity: &Quantity, shape: &[usize]) -> Quantity {
    let mut quantity = quantity.clone();
    if quantity.grid.axes.is_empty() {
        quantity.grid = Grid::of_pixels(shape.get(1..).unwrap_or_default());
    }
    quantity
}

/// A parameter of the conditioning among those of the model.
fn of_conditioning(parameter: &Parameter) -> Parameter {
    Parameter { path: format!("conditioning.{}", parameter.path), ..parameter.clone() }
}

fn same_batch(x: &ArrayD<f32>, y: &ArrayD<f32>) -> Result<(), ModelError> {
    match (x.shape().first(), y.shape().first()) {
        (Some(a), Some(b)) if a == b => Ok(()),
        (a, b) => Err(ModelError::Batch { x: a.copied().unwrap_or(0), y: b.copied().unwrap_or(0) }),
    }
}
