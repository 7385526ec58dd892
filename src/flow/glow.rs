use std::iter::Peekable;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::flow::lanes::{LaneSums, Lanes};
use crate::flow::parameters::home;
use crate::flow::tiles::joined;
use crate::flow::{
    ActNorm, ChannelMixing, Condition, Conditioner, ConditionerShape, ConvolutionalConditioner, ConvolutionalConfig,
    Coupling, Field, FlowError, GradientSlot, Invertible, Layer, ParameterGradients, PerSample, Plan, Sequence, Split,
    Squeeze, Squeezer, Tapes, Transform, differentiable_forward, differentiable_inverse, standard_normal,
    standard_normal_log_density,
};
use crate::kernels::{Buffers, sample_distances, sample_dots};

/// Settings of a [`Glow`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct GlowConfig {
    /// Resolutions; every spatial axis of x must be divisible by 2 to this power.
    pub scales: usize,
    /// Flow steps (ActNorm, channel mixing, coupling) at each resolution.
    pub steps: usize,
    /// Householder reflections of a channel mixing, at most one a channel.
    pub reflections: usize,
    /// How resolution is traded for channels between two scales.
    pub squeezer: Squeezer,
    /// What a coupling does to its active half.
    pub transform: Transform,
    /// The network inside every coupling.
    pub conditioner: ConvolutionalConfig,
}

impl Default for GlowConfig {
    fn default() -> Self {
        Self {
            scales: 3,
            steps: 4,
            reflections: 3,
            squeezer: Squeezer::default(),
            transform: Transform::default(),
            conditioner: ConvolutionalConfig::default(),
        }
    }
}

/// Beyond this, a slip of the keyboard asks for more memory than there is.
const MOST_STEPS: usize = 10_000;

impl GlowConfig {
    /// Every reason why no network for samples of this shape can be built from these settings.
    pub fn validate(&self, [_, d, h, w]: [usize; 4]) -> Result<(), FlowError> {
        let wrong = |key, value: String, remedy| Err(FlowError::Setting { key, value, remedy });
        if self.scales == 0 {
            return wrong("scales", "0".into(), "a network has at least one scale");
        }
        if self.steps == 0 || self.steps > MOST_STEPS {
            return wrong("steps", self.steps.to_string(), "a scale has 1 to 10000 flow steps");
        }
        if self.reflections == 0 {
            return wrong("reflections", "0".into(), "a channel mixing has at least one reflection");
        }
        if let Transform::Affine { bound } = self.transform
            && !(bound > 0.0 && bound.is_finite())
        {
            return wrong("bound", bound.to_string(), "the bound of the log-scales is a positive number, such as 2");
        }
        let Some(divisor) = u32::try_from(self.scales).ok().and_then(|scales| 1usize.checked_shl(scales)) else {
            return wrong("scales", self.scales.to_string(), "no image can be halved so often: use fewer");
        };
        for (axis, size) in [("depth", d), ("height", h), ("width", w)] {
            if size > 1 && !size.is_multiple_of(divisor) {
                return Err(FlowError::Indivisible { axis, size, divisor });
            }
        }
        Ok(())
    }

    /// Multiply-adds of the networks of all couplings, applied once to one sample: the unit in which the work of a map is
    /// counted. Either map takes one; a gradient takes three, and a fourth where nothing was kept. For samples of shape
    /// `[channel, depth, height, width]` and conditions with these channels, finest first, as they can be built.
    pub fn multiply_adds(&self, shape: [usize; 4], condition: &[usize]) -> u64 {
        let of_scale =
            |scale: Scale| (self.steps * scale.pixels) as u64 * self.conditioner.multiply_adds(scale.conditioner);
        self.scales(shape, condition).map(of_scale).sum()
    }

    /// What the flow steps at each resolution work on, finest first.
    fn scales(&self, [channels, d, h, w]: [usize; 4], condition: &[usize]) -> impl Iterator<Item = Scale> {
        let axes = [d > 1, h > 1, w > 1];
        let factor = Squeeze::new(self.squeezer, axes).factor();
        let (mut channels, mut pixels) = (channels, d * h * w);
        (0..self.scales).map(move |scale| {
            (channels, pixels) = (channels * factor, pixels / factor);
            let condition = condition.get(scale).copied().unwrap_or(0);
            let conditioner =
                Coupling::<ConvolutionalConditioner>::conditioner_shape(channels, condition, self.transform, axes);
            let found = Scale { channels, pixels, condition, conditioner };
            // The coarser scales are those of half of the channels.
            channels = channels.div_ceil(2);
            found
        })
    }

    /// An unconditional network for samples of shape `[channel, depth, height, width]`, with random weights.
    ///
    /// # Errors
    /// Settings that make no network, and shapes that the squeezes do not divide.
    pub fn glow(&self, shape: [usize; 4], rng: &mut ChaCha8Rng, device: &Device) -> Result<Glow, FlowError> {
        self.conditional_glow(shape, &[], rng, device)
    }

    /// A network conditioned on one field a scale with the given numbers of channels, finest first.
    ///
    /// # Errors
    /// As [`glow`](Self::glow), and a condition missing for a scale.
    pub fn conditional_glow(
        &self,
        shape: [usize; 4],
        condition: &[usize],
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<ConditionalGlow, FlowError> {
        self.conditioner.validate()?;
        let config = self.conditioner.clone();
        self.build(shape, condition, rng, device, &mut |shape, rng| config.init(shape, rng, device))
    }

    /// The same network over conditioners of any kind: `conditioner` makes one for each coupling.
    pub fn build<N: Conditioner>(
        &self,
        shape: [usize; 4],
        condition: &[usize],
        rng: &mut ChaCha8Rng,
        device: &Device,
        conditioner: &mut dyn FnMut(ConditionerShape, &mut ChaCha8Rng) -> N,
    ) -> Result<Glow<N>, FlowError> {
        self.validate(shape)?;
        if !condition.is_empty() && condition.len() != self.scales {
            return Err(FlowError::Conditions { expected: self.scales, found: condition.len() });
        }
        let [channels, d, h, w] = shape;
        let squeeze = Squeeze::new(self.squeezer, [d > 1, h > 1, w > 1]);
        let mut builder = Builder { config: self, squeeze, rng, device, conditioner };
        let layers = builder.layers(&mut self.scales(shape, condition).peekable());
        let glow = Glow { layers, shape, condition: condition.to_vec() };
        glow.check([1, channels, d, h, w], &glow.condition_shapes(1))?;
        Ok(glow)
    }
}

/// One resolution of a network.
struct Scale {
    /// Of x, squeezed.
    channels: usize,
    /// Of one sample, squeezed.
    pixels: usize,
    /// Channels of its condition.
    condition: usize,
    conditioner: ConditionerShape,
}

struct Builder<'a, N> {
    config: &'a GlowConfig,
    squeeze: Squeeze,
    rng: &'a mut ChaCha8Rng,
    device: &'a Device,
    conditioner: &'a mut dyn FnMut(ConditionerShape, &mut ChaCha8Rng) -> N,
}

impl<N: Conditioner> Builder<'_, N> {
    /// Squeeze, flow steps, the coarser scales on half of the channels, and back to the resolution it came from.
    fn layers(&mut self, scales: &mut Peekable<impl Iterator<Item = Scale>>) -> Sequence<N> {
        let config = self.config;
        let mut layers = vec![Layer::Squeeze(self.squeeze.clone())];
        if let Some(Scale { channels, condition, conditioner: shape, .. }) = scales.next() {
            for _ in 0..config.steps {
                let reflections = config.reflections.clamp(1, channels);
                layers.push(Layer::ActNorm(ActNorm::new(channels, self.device)));
                layers.push(Layer::ChannelMixing(ChannelMixing::new(channels, reflections, self.rng, self.device)));
                let conditioner = (self.conditioner)(shape, self.rng);
                layers.push(Layer::Coupling(Coupling::new(conditioner, config.transform, channels, condition)));
            }
        }
        if scales.peek().is_some() {
            layers.push(Layer::Split(Split::new(self.layers(scales))));
        }
        layers.push(Layer::Squeeze(self.squeeze.reversed()));
        Sequence::new(layers)
    }
}

/// A multi-scale flow (Kingma and Dhariwal 2018) and its density; conditional where it was built so.
///
/// Each scale squeezes, applies its flow steps, and hands half of its channels on to the next. The latent comes back
/// in the shape of x.
#[derive(Module, Debug)]
pub struct Glow<N: Conditioner = ConvolutionalConditioner> {
    layers: Sequence<N>,
    #[module(skip)]
    shape: [usize; 4],
    #[module(skip)]
    condition: Vec<usize>,
}

/// A [`Glow`] that is handed a condition; the same type, built with conditions.
pub type ConditionalGlow<N = ConvolutionalConditioner> = Glow<N>;

/// The negative log-likelihood of a batch and its gradient.
#[derive(Debug)]
pub struct LikelihoodGradient {
    /// −log q(x|c) of each sample, in nats.
    pub nll: PerSample,
    /// ∂/∂x of the sum over the batch.
    pub x: Field,
    /// ∂/∂θ of the sum over the batch.
    pub parameters: ParameterGradients,
    /// ∂/∂c of the sum over the batch, where it was asked for.
    pub condition: Vec<Option<Field>>,
    /// ‖x recomputed − x‖ / ‖x‖, of x = 0 the root mean square of the difference: how well the inverse brought back the
    /// input. The gradient is as good as this.
    pub reconstruction_error: f64,
}

impl<N: Conditioner> Glow<N> {
    /// The shape of one sample: `[channel, depth, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The layers, to be a part of something larger; their shapes are checked by whoever runs them.
    pub fn into_layers(self) -> Sequence<N> {
        self.layers
    }

    /// Entries of one sample.
    pub fn dimension(&self) -> usize {
        self.shape.iter().product()
    }

    /// The shapes of the conditions it takes, finest first; none where it is unconditional.
    pub fn condition_shapes(&self, batch: usize) -> Vec<[usize; 5]> {
        let [_, d, h, w] = self.shape;
        let at = |size: usize, scale: usize| if size > 1 { size >> (scale + 1) } else { 1 };
        self.condition
            .iter()
            .enumerate()
            .map(|(scale, &channels)| [batch, channels, at(d, scale), at(h, scale), at(w, scale)])
            .collect()
    }

    fn check(&self, x: [usize; 5], c: &[[usize; 5]]) -> Result<(), FlowError> {
        let [_, found @ ..] = x;
        if found != self.shape {
            return Err(FlowError::SampleShape { expected: self.shape, found });
        }
        if c.len() != self.condition.len() {
            return Err(FlowError::Conditions { expected: self.condition.len(), found: c.len() });
        }
        self.layers.output_shape(x, c).map(|_| ())
    }

    fn check_fields(&self, x: &Field, c: &Condition) -> Result<(), FlowError> {
        if x.dims()[0] == 0 {
            return Err(FlowError::EmptyBatch);
        }
        let expected = home(self).map_or(x.dtype(), |(dtype, _)| dtype);
        if let Some(found) = std::iter::once(x).chain(c).map(|field| field.dtype()).find(|&found| found != expected) {
            return Err(FlowError::FloatType { expected, found });
        }
        let shapes: Vec<[usize; 5]> = c.iter().map(|c| c.dims()).collect();
        self.check(x.dims(), &shapes)
    }

    /// The network with what starts from data set from this batch.
    pub fn initialize(self, x: Field, c: &Condition) -> Result<Self, FlowError> {
        self.check_fields(&x, c)?;
        let (layers, _) = self.layers.initialize(x, c);
        Ok(Self { layers, ..self })
    }

    /// (z, log|det ∂z/∂x|) of x.
    pub fn forward(&self, x: Field, c: &Condition) -> Result<(Field, PerSample), FlowError> {
        self.check_fields(&x, c)?;
        Ok(in_lanes(x, c, |x, c| self.layers.forward(x, c, &mut Tapes::none())))
    }

    /// (x, log|det ∂x/∂z|) of z.
    pub fn inverse(&self, z: Field, c: &Condition) -> Result<(Field, PerSample), FlowError> {
        self.check_fields(&z, c)?;
        Ok(in_lanes(z, c, |z, c| self.layers.inverse(z, c, &mut Tapes::none())))
    }

    /// [`forward`](Self::forward) as a piece of Burn's autodiff graph, see [`differentiable_forward`].
    pub fn differentiable_forward(&self, x: Field, c: &Condition, plan: Plan) -> Result<(Field, PerSample), FlowError> {
        self.check_fields(&x, c)?;
        differentiable_forward(&self.layers, x, c, plan)
    }

    /// [`inverse`](Self::inverse) as a piece of Burn's autodiff graph, see [`differentiable_inverse`].
    pub fn differentiable_inverse(&self, z: Field, c: &Condition, plan: Plan) -> Result<(Field, PerSample), FlowError> {
        self.check_fields(&z, c)?;
        differentiable_inverse(&self.layers, z, c, plan)
    }

    /// log q(x|c) of each sample, in nats.
    pub fn log_prob(&self, x: Field, c: &Condition) -> Result<PerSample, FlowError> {
        let (z, log_det) = self.forward(x, c)?;
        Ok(standard_normal_log_density(z) + log_det)
    }

    /// One draw from q(x|c) for each condition of a batch of so many.
    pub fn sample(&self, batch: usize, c: &Condition, rng: &mut ChaCha8Rng) -> Result<Field, FlowError> {
        let [channels, d, h, w] = self.shape;
        let (dtype, device) = home(self).unwrap_or((DType::F32, Device::flex()));
        let z = standard_normal([batch, channels, d, h, w], rng, dtype, &device);
        self.inverse(z, c).map(|(x, _)| x)
    }

    /// Σ −log q(x|c) over the batch and its gradient, with as much memory as the plan grants. The gradient in the
    /// condition costs more and is made only where `condition_wanted`.
    pub fn likelihood_gradient(
        &self,
        x: Field,
        c: &Condition,
        condition_wanted: bool,
        plan: Plan,
    ) -> Result<LikelihoodGradient, FlowError> {
        self.check_fields(&x, c)?;
        let (lanes, plan) = match Lanes::of(&x) {
            lanes @ Lanes::Two(_) if plan.is_alone() => (lanes, plan.shared(2)),
            _ => (Lanes::One, plan),
        };
        let (sums, buffers) = (Arc::<LaneSums>::default(), Arc::<Buffers>::default());
        let parts = lanes.each(x, c, |x, c| {
            let parameters = match lanes {
                Lanes::One => ParameterGradients::new(),
                Lanes::Two(_) => ParameterGradients::of_lane(&sums),
            };
            self.lane_gradient(x, c, condition_wanted, Tapes::with(plan, buffers.clone()), parameters)
        });
        Ok(LikelihoodGradient::joined(parts, sums.take()))
    }

    fn lane_gradient(
        &self,
        x: Field,
        c: &Condition,
        condition_wanted: bool,
        mut tapes: Tapes,
        mut parameters: ParameterGradients,
    ) -> LaneGradient {
        let (z, log_det) = self.layers.forward(x.clone(), c, &mut tapes);
        let nll = (standard_normal_log_density(z.clone()) + log_det).neg();
        let slot = if condition_wanted { GradientSlot::Empty } else { GradientSlot::Unwanted };
        let mut dc = vec![slot; c.len()];
        let dlog_det = Tensor::ones([x.dims()[0]], (&x.device(), x.dtype())).neg();
        let (again, dx) = self.layers.forward_vjp((z.clone(), z), &dlog_det, c, &mut dc, &mut parameters, &mut tapes);
        let error = sample_distances(&again, &x).sum().into_scalar::<f64>();
        let size = sample_dots(&x, &x).sum().into_scalar::<f64>();
        let condition = dc.into_iter().map(GradientSlot::into_sum).collect();
        LaneGradient { nll, x: dx, parameters, condition, error, size }
    }
}

/// What a map makes of a batch.
fn in_lanes(
    x: Field,
    c: &Condition,
    map: impl Fn(Field, &Condition) -> (Field, PerSample) + Sync,
) -> (Field, PerSample) {
    let (z, log_det) = Lanes::of(&x).each(x, c, map).into_iter().unzip();
    (joined(z, 0), joined(log_det, 0))
}

/// A lane's part of a [`LikelihoodGradient`].
struct LaneGradient {
    nll: PerSample,
    x: Field,
    /// What did not leave for the sums over lanes.
    parameters: ParameterGradients,
    condition: Vec<Option<Field>>,
    /// ‖x recomputed − x‖².
    error: f64,
    /// ‖x‖².
    size: f64,
}

impl LikelihoodGradient {
    fn joined(lanes: Vec<LaneGradient>, mut parameters: ParameterGradients) -> Self {
        let (mut error, mut size, mut nll, mut x, mut conditions) = (0.0, 0.0, Vec::new(), Vec::new(), Vec::new());
        for lane in lanes {
            error += lane.error;
            size += lane.size;
            nll.push(lane.nll);
            x.push(lane.x);
            parameters.add_all(lane.parameters);
            conditions.resize_with(lane.condition.len(), Vec::new);
            conditions.iter_mut().zip(lane.condition).for_each(|(parts, part)| parts.extend(part));
        }
        let condition = conditions.into_iter().map(|parts| (!parts.is_empty()).then(|| joined(parts, 0))).collect();
        let x: Field = joined(x, 0);
        // Nothing is relative to nothing: of x = 0 the error is that of one value.
        let size = if size > 0.0 { size } else { x.dims().iter().product::<usize>() as f64 };
        let reconstruction_error = (error / size).sqrt();
        Self { nll: joined(nll, 0), x, parameters, condition, reconstruction_error }
    }
}
