use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use ndarray::{ArrayD, Axis};

use crate::flow::density::relative_error;
use crate::flow::lanes::{LaneSums, Lanes};
use crate::flow::{
    Base, ConvolutionalFlow, Field, Parameter, ParameterGradients, Plan, Tapes, map_parameters, parameters,
};
use crate::io::{Grid, Provenance, Quantity};
use crate::kernels::runs_fast;
use crate::model::condition::{Conditioning, Inputs, image_channels};
use crate::model::field::{four, from_field, host, to_field};
use crate::model::fillers::Fillers;
use crate::model::likeness::{HeldOut, Unlike, Variation};
use crate::model::unknown::Unknown;
use crate::model::{Affine, Fitted, ModelConfig, ModelError, Source};
use crate::operator::{LinearOperator, Noise, OperatorConfig};
use crate::random::{Purpose, stream};

/// An amortized posterior q(x | y): one network that gives, for any observation, a density and draws in file units.
///
///   u = map of x,   c = summary of the images made of y,   log q(x | y) = log q_flow(u | c) + log|∂u/∂x|.
///
/// ```
/// use burn::tensor::Device;
/// use ndarray::{ArrayD, Axis, IxDyn};
/// use posteria::flow::GlowConfig;
/// use posteria::model::{Model, ModelConfig};
/// use posteria::random::{Purpose, stream};
///
/// let network = GlowConfig { scales: 1, steps: 1, ..GlowConfig::default() }.into();
/// let config = ModelConfig { network, ..ModelConfig::default() };
/// let x = ArrayD::from_shape_fn(IxDyn(&[9, 1, 4, 4]), |i| (i[0] + 2 * i[2] + i[3]) as f32);
/// let y = &x * 0.5;
/// let model = Model::new(config, None, &[1, 4, 4], &[1, 4, 4], 1, &Device::flex())?.fit(&x, &y)?;
/// assert_eq!(model.log_prob(&x, &y)?.len(), 9, "a density of each x, in its own units");
/// let first = y.slice_axis(Axis(0), (..1).into()).to_owned();
/// let draws = model.sample(&first, 10, &mut stream(1, Purpose::Latent, 0))?;
/// assert_eq!(draws.shape(), [10, 1, 4, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) description: Description,
    pub(super) flow: ConvolutionalFlow,
    pub(super) conditioning: Conditioning,
    pub(super) unknown: Unknown,
    pub(super) operator: Adjoint,
    /// What records that it was not trained on are like.
    pub(super) held_out: Option<Arc<HeldOut>>,
    pub(super) device: Device,
}

/// What a model is but for its weights.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub config: ModelConfig,
    /// What y is of x, where it is known: its adjoint makes condition images.
    pub operator: Option<OperatorConfig>,
    /// What is added to y, where it is known: the misfit of images is measured by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
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
    /// The values of y, channel by channel.
    #[serde(default)]
    pub observations: Vec<Variation>,
}

/// The operator as a model holds it.
#[derive(Clone)]
pub(super) struct Adjoint(Option<Arc<dyn LinearOperator<f32>>>);

impl Adjoint {
    /// The operator, where condition images are made by it.
    pub(super) fn built(&self) -> Option<&Arc<dyn LinearOperator<f32>>> {
        self.0.as_ref()
    }
}

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
    /// ‖x recomputed − x‖ / ‖x‖, see [`LikelihoodGradient`](crate::flow::LikelihoodGradient).
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
            observations: Vec::new(),
            config,
            operator,
            noise: None,
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
        let unknown = Unknown::new(&config.unknown, description.unknown.clone(), x_shape)?;
        let shape = four(unknown.padded())?;
        config.network.validate(shape)?;
        let (scales, mut of_summary) = (config.network.scales(), stream(seed, Purpose::Weights, 1));
        let conditioning =
            Conditioning::new(&config.condition, [x_shape, y_shape], shape, scales, &mut of_summary, device)?;
        let mut rng = stream(seed, Purpose::Weights, 0);
        let flow = config.network.build(shape, &conditioning.channels(), &mut rng, device)?;
        let needs_operator = config.condition.sources.contains(&Source::Adjoint);
        let operator = match &description.operator {
            Some(operator) if needs_operator => {
                let built = operator.build::<f32>(x_shape).map_err(|e| ModelError::Operator(e.to_string()))?;
                Some(Arc::from(built))
            }
            None if needs_operator => return Err(ModelError::NoOperator),
            _ => None,
        };
        let (operator, device) = (Adjoint(operator), device.clone());
        Ok(Self { description, flow, conditioning, unknown, operator, held_out: None, device })
    }

    /// The model knowing what x and y are and where it comes from, which it hands on to every file made with it.
    pub fn describe(mut self, x: Quantity, y: Quantity, provenance: Provenance) -> Self {
        (self.description.x, self.description.y, self.description.provenance) = (x, y, provenance);
        self
    }

    /// The model knowing what is added to y.
    pub fn with_noise(mut self, noise: Option<Noise>) -> Self {
        self.description.noise = noise;
        self
    }

    /// The model with normalisation, and what in the flow starts from data, set from these pairs.
    pub fn fit(self, x: &ArrayD<f32>, y: &ArrayD<f32>) -> Result<Self, ModelError> {
        same_batch(x, y)?;
        let mut model = self;
        model.check("x", x, model.x_shape())?;
        model.unknown = model.unknown.fit(model.description.config.unknown.normalisation, x)?;
        model.description.unknown = model.unknown.affine().clone();
        if let Some(images) = model.images(y)? {
            let [_, c, d, h, w] = images.dims();
            model.description.condition = Affine::standardising(&from_field(images, &[c, d, h, w])?);
        }
        model.description.traces = Affine::standardising(y);
        model.description.observations = Variation::of(y);
        let (u, _) = model.enter(x, Fillers::OfImage)?;
        let c = model.condition(y)?;
        model.flow = model.flow.initialize(u, &c)?;
        Ok(model)
    }

    /// What it took from the pairs that it was fitted to.
    pub fn fitted(&self) -> Fitted {
        let Description { unknown, condition, traces, .. } = self.description.clone();
        Fitted { unknown, condition, traces }
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

    /// What is added to y, where it is known.
    pub fn noise(&self) -> Option<&Noise> {
        self.description.noise.as_ref()
    }

    /// What y is of x, where it is known.
    pub fn operator(&self) -> Option<&OperatorConfig> {
        self.description.operator.as_ref()
    }

    /// How the values of an observation `[1, channel, axes…]` are unlike those that the model was fitted to, channel by channel;
    /// nothing where they are not. What a network answers to observations unlike those that it was trained on is no posterior.
    ///
    /// # Errors
    /// Another shape.
    pub fn unlike(&self, y: &ArrayD<f32>) -> Result<Vec<Option<Unlike>>, ModelError> {
        self.check("y", y, self.y_shape())?;
        let channels = y.axis_iter(Axis(1)).zip(&self.description.observations);
        Ok(channels.map(|(channel, seen)| seen.unlike(channel)).collect())
    }

    /// Unknown numbers in one x.
    pub fn dimension(&self) -> usize {
        self.unknown.dimension()
    }

    /// The model with cells of x that are known: an array of its shape with their values, NaN in those to be inferred.
    ///
    /// # Errors
    /// Another shape, or nothing that is unknown.
    pub fn with_fixed(self, fixed: ArrayD<f32>) -> Result<Self, ModelError> {
        Ok(Self { unknown: self.unknown.with_fixed(fixed)?, ..self })
    }

    /// The cells of x that are known, where there are some: their values, NaN in those to be inferred.
    pub fn fixed(&self) -> Option<&ArrayD<f32>> {
        self.unknown.fixed()
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
    ///
    /// Cells that are none of x's unknowns are filled with other numbers at every visit of a pair. `visit` is the number of
    /// that of the first pair, those of the others follow.
    pub fn gradient(&self, x: &ArrayD<f32>, y: &ArrayD<f32>, visit: u64, plan: Plan) -> Result<Gradient, ModelError> {
        same_batch(x, y)?;
        let pairs = x.len_of(Axis(0));
        let [channels, d, h, w] = self.flow.shape();
        let runs_fast = runs_fast(&Field::zeros([1; 5], &self.device));
        let lanes = Lanes::new([pairs, channels, d, h, w], runs_fast, plan);
        let (sums, buffers) = (LaneSums::new(lanes.count()), Arc::default());
        let parts = lanes.each_range(|lane, range| {
            let part = |of: &ArrayD<f32>| of.slice_axis(Axis(0), range.clone().into()).to_owned();
            let mut parameters = sums.lane(lane);
            let tapes = Tapes::with(plan.of_lane(lanes.count()), Arc::clone(&buffers));
            let found = self.lane_gradient(&part(x), &part(y), visit + range.start as u64, tapes, &mut parameters);
            found.map(|found| (found, parameters))
        });
        let (mut nll, mut parameters, mut error, mut size) = (Vec::with_capacity(pairs), sums.take(), 0.0, 0.0);
        for part in parts {
            let ((of_part, squares), own) = part?;
            nll.extend(of_part);
            parameters.add_all(own);
            (error, size) = (error + squares[0], size + squares[1]);
        }
        Ok(Gradient {
            nll,
            parameters: parameters.scale(1.0 / self.dimension() as f64),
            reconstruction_error: relative_error(error, size, pairs * self.flow.dimension()),
        })
    }

    /// −log q(x|y) of the pairs of one lane, and the squares of the error of recomputation and of u.
    fn lane_gradient(
        &self,
        x: &ArrayD<f32>,
        y: &ArrayD<f32>,
        visit: u64,
        tapes: Tapes,
        parameters: &mut ParameterGradients,
    ) -> Result<(Vec<f64>, [f64; 2]), ModelError> {
        let (u, log_det) = self.enter(x, Fillers::OfVisit { seed: self.provenance().seed, first: visit })?;
        let tracked = self.conditioning.track(self.inputs(y)?);
        let condition = tracked.values();
        self.flow.check_fields(&u, &condition)?;
        let found = self.flow.lane_gradient(u, &condition, tracked.is_learned(), tapes, parameters);
        tracked.pull(found.condition, parameters);
        parameters.end_layer();
        let nll = host(found.nll)?.into_iter().zip(log_det).map(|(nll, log_det)| f64::from(nll) - log_det).collect();
        Ok((nll, [found.error, found.size]))
    }

    /// log q(x|y) of each pair: nats, density in file units. Where x is padded or has known cells, an unbiased estimate of
    /// q(x|y) by one filling of them, always the same for an x.
    pub fn log_prob(&self, x: &ArrayD<f32>, y: &ArrayD<f32>) -> Result<Vec<f64>, ModelError> {
        same_batch(x, y)?;
        self.log_prob_given(x, &self.condition(y)?)
    }

    /// The same of a batch of x, each with its row of the condition.
    pub(super) fn log_prob_given(&self, x: &ArrayD<f32>, condition: &[Field]) -> Result<Vec<f64>, ModelError> {
        let (u, log_det) = self.enter(x, Fillers::OfImage)?;
        let log_prob = host(self.flow.log_prob(u, condition)?)?;
        Ok(log_prob.into_iter().zip(log_det).map(|(log_prob, log_det)| f64::from(log_prob) + log_det).collect())
    }

    /// z of each pair, in the shape of x with its padding: standard normal numbers for a perfect model. None where the base
    /// distribution of the flow is not made of such.
    pub fn latent(&self, x: &ArrayD<f32>, y: &ArrayD<f32>) -> Result<Option<ArrayD<f32>>, ModelError> {
        same_batch(x, y)?;
        let (u, _) = self.enter(x, Fillers::OfImage)?;
        let (z, _) = self.flow.forward(u, &self.condition(y)?)?;
        self.flow.base().standardised(z).map(|z| from_field(z, self.unknown.padded())).transpose()
    }

    /// u of a batch of x, and what log q(u) lacks to log q(x).
    fn enter(&self, x: &ArrayD<f32>, fillers: Fillers) -> Result<(Field, Vec<f64>), ModelError> {
        self.check("x", x, self.x_shape())?;
        let (u, log_det) = self.unknown.enter(x, fillers)?;
        Ok((to_field("u", &u, self.unknown.padded(), &self.device)?, log_det))
    }

    pub(super) fn check(&self, what: &'static str, batch: &ArrayD<f32>, expected: &[usize]) -> Result<(), ModelError> {
        match batch.shape() {
            [_, found @ ..] if found == expected => Ok(()),
            found => {
                let found = found.get(1..).unwrap_or_default().to_vec();
                Err(ModelError::Shape { what, expected: expected.into(), found })
            }
        }
    }

    /// The images at the extents of x that are made of a batch of observations, not yet normalised; none where the
    /// model is told of nothing but what it learns to make of them.
    fn images(&self, y: &ArrayD<f32>) -> Result<Option<Field>, ModelError> {
        self.check("y", y, self.y_shape())?;
        let field = |images: ArrayD<f32>| {
            let wide = self.unknown.widen(images);
            let shape = wide.shape()[1..].to_vec();
            to_field("an image of y", &wide, &shape, &self.device)
        };
        let image = |source: &Source| match source {
            Source::Observation => Some(field(y.clone())),
            Source::Adjoint => Some(self.adjoint(y).and_then(field)),
            Source::Reduced => None,
        };
        let images = self.description.config.condition.sources.iter().filter_map(image);
        let images = images.collect::<Result<Vec<Field>, _>>()?;
        Ok((!images.is_empty()).then(|| Tensor::cat(images, 1)))
    }

    pub(super) fn adjoint(&self, y: &ArrayD<f32>) -> Result<ArrayD<f32>, ModelError> {
        let operator = self.operator.built().ok_or(ModelError::NoOperator)?;
        let image = operator.adjoint(y.view()).map_err(|e| ModelError::Operator(e.to_string()))?;
        self.check("the adjoint image", &image, self.x_shape())?;
        Ok(image)
    }

    fn inputs(&self, y: &ArrayD<f32>) -> Result<Inputs, ModelError> {
        let images = self.images(y)?.map(|images| self.description.condition.apply(images));
        let traces = match self.config().condition.sources.contains(&Source::Reduced) {
            true => Some(self.description.traces.apply(to_field("y", y, self.y_shape(), &self.device)?)),
            false => None,
        };
        Ok(Inputs { images, traces })
    }

    pub(super) fn condition(&self, y: &ArrayD<f32>) -> Result<Vec<Field>, ModelError> {
        Ok(self.conditioning.forward(self.inputs(y)?))
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
