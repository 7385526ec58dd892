//! From an observation to the condition of a flow.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use crate::flow::{Field, ParameterGradients};
use crate::model::field::four;
use crate::model::{ConditionConfig, ModelError, Source};
use crate::summary::{Layout, Reducer, ReducerConfig, Summary};

/// Everything that is learned, or fixed, between an observation and the condition of a flow.
#[derive(Module, Debug)]
pub struct Conditioning {
    reducer: Option<Reducer>,
    summary: Summary,
}

/// What of an observation goes in, normalised.
#[derive(Clone)]
pub struct Inputs {
    /// Images at the extents of x, as channels.
    pub images: Option<Field>,
    /// The observation at its own extents, for the reducer.
    pub traces: Option<Field>,
}

impl Conditioning {
    /// Random weights for an x and a y of these shapes (channel, axes…), of which the flow sees `padded`.
    pub fn new(
        config: &ConditionConfig,
        [x_shape, y_shape]: [&[usize]; 2],
        padded: [usize; 4],
        scales: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let mut channels = image_channels(config, x_shape, y_shape)?;
        let reducer = match config.sources.contains(&Source::Reduced) {
            true => Some(config.reducer.init(four(y_shape)?, padded, rng, device)?),
            false => None,
        };
        channels += reducer.as_ref().map_or(0, Reducer::features);
        let summary = config.summary.init(&Layout::new(channels, padded, scales), rng, device)?;
        Ok(Self { reducer, summary })
    }

    /// One field a scale.
    pub fn forward(&self, inputs: Inputs) -> Vec<Field> {
        let reduced = self.reducer.as_ref().zip(inputs.traces).map(|(reducer, traces)| reducer.forward(traces));
        let images: Vec<Field> = inputs.images.into_iter().chain(reduced).collect();
        let images = match <[Field; 1]>::try_from(images) {
            Ok([images]) => images,
            Err(several) => Tensor::cat(several, 1),
        };
        self.summary.forward(images)
    }

    /// Channels of each condition.
    pub fn channels(&self) -> Vec<usize> {
        self.summary.channels()
    }

    /// Whether there is anything to train in it.
    pub fn is_learned(&self) -> bool {
        self.reducer.is_some() || self.summary.is_learned()
    }

    /// The conditions, with what their gradient needs.
    pub fn track(&self, inputs: Inputs) -> Tracked {
        if !self.is_learned() {
            return Tracked { network: None, conditions: self.forward(inputs) };
        }
        let network = self.clone().train();
        let conditions = network.forward(inputs);
        Tracked { network: Some(network), conditions }
    }
}

/// Conditions in an autodiff graph, where there is anything to train in them.
pub struct Tracked {
    network: Option<Conditioning>,
    conditions: Vec<Field>,
}

impl Tracked {
    /// Whether the gradient in the conditions is of any use.
    pub fn is_learned(&self) -> bool {
        self.network.is_some()
    }

    /// The conditions, outside the graph.
    pub fn values(&self) -> Vec<Field> {
        self.conditions.iter().map(|c| c.clone().inner()).collect()
    }

    /// Adds the gradients of the parameters from those of the conditions: ∂L/∂θ = Σ ⟨∂L/∂c, ∂c/∂θ⟩.
    pub fn pull(self, dc: Vec<Option<Field>>, dtheta: &mut ParameterGradients) {
        let Some(network) = self.network else { return };
        let products = self.conditions.into_iter().zip(dc);
        let terms = products.filter_map(|(c, dc)| Some((c * dc?.autodiff()).sum()));
        if let Some(sum) = terms.reduce(|sum, term| sum + term) {
            dtheta.add_module(&network, &sum.backward());
        }
    }
}

/// Channels of the images at the extents of x that are put side by side.
pub fn image_channels(config: &ConditionConfig, x: &[usize], y: &[usize]) -> Result<usize, ModelError> {
    let sources = &config.sources;
    if sources.is_empty() {
        return Err(ModelError::NoSource);
    }
    if let Some(twice) =
        sources.iter().enumerate().find_map(|(k, source)| sources[..k].contains(source).then_some(source))
    {
        return Err(ModelError::RepeatedSource(*twice));
    }
    if config.reducer != ReducerConfig::default() && !sources.contains(&Source::Reduced) {
        return Err(ModelError::UnusedReducer);
    }
    let ([x_channels, ..], [y_channels, ..]) = (four(x)?, four(y)?);
    if sources.contains(&Source::Observation) && !have_equal_extents(x, y) {
        return Err(ModelError::ObservationExtents { x: x.into(), y: y.into() });
    }
    let channels = sources.iter().map(|source| match source {
        Source::Observation => y_channels,
        Source::Adjoint => x_channels,
        Source::Reduced => 0,
    });
    Ok(channels.sum())
}

/// Whether samples of these shapes (channel, axes…) have the same pixels along each axis.
pub fn have_equal_extents(x: &[usize], y: &[usize]) -> bool {
    matches!((four(x), four(y)), (Ok([_, x @ ..]), Ok([_, y @ ..])) if x == y)
}
