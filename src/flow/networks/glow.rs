use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;

use crate::flow::networks::scales::{Scale, Scales};
use crate::flow::{
    ActNorm, BaseConfig, ChannelMixing, Conditioner, ConditionerShape, ConvolutionalConditioner, ConvolutionalConfig,
    Coupling, Flow, FlowError, Layer, Roles, Sequence, Squeezer, Transform,
};

/// Settings of a multi-scale flow (Kingma and Dhariwal 2018).
///
/// Each scale squeezes, applies its flow steps, and hands half of its channels on to the next. The latent comes back in the
/// shape of x.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use posteria::flow::GlowConfig;
/// use posteria::random::{Purpose, stream};
///
/// let (device, config) = (Device::flex(), GlowConfig { scales: 2, steps: 1, ..GlowConfig::default() });
/// let glow = config.glow([1, 1, 8, 8], &mut stream(1, Purpose::Weights, 0), &device)?;
/// let x = Tensor::<5>::ones([3, 1, 1, 8, 8], &device);
/// let (z, log_det) = glow.forward(x.clone(), &[])?;
/// let (again, of_inverse) = glow.inverse(z, &[])?;
/// assert!((again - x).abs().max().into_scalar::<f64>() < 1e-4);
/// assert!((log_det + of_inverse).abs().max().into_scalar::<f64>() < 1e-4);
/// # Ok::<(), posteria::flow::FlowError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
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
    /// The distribution of the latent.
    pub base: BaseConfig,
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
            base: BaseConfig::default(),
        }
    }
}

/// A multi-scale flow of couplings, see [`GlowConfig`]; conditional where it was built so.
pub type Glow<N = ConvolutionalConditioner> = Flow<Sequence<N>>;

impl GlowConfig {
    fn resolutions(&self) -> Scales {
        Scales { count: self.scales, steps: self.steps, squeezer: self.squeezer }
    }

    /// Every reason why no network for samples of this shape can be built from these settings.
    pub fn validate(&self, shape: [usize; 4]) -> Result<(), FlowError> {
        let wrong = |key, value: String, remedy| Err(FlowError::Setting { key, value, remedy });
        if self.reflections == 0 {
            return wrong("reflections", "0".into(), "a channel mixing has at least one reflection");
        }
        if let Transform::Affine { bound } = self.transform
            && !(bound > 0.0 && bound.is_finite())
        {
            return wrong("bound", bound.to_string(), "the bound of the log-scales is a positive number, such as 2");
        }
        self.base.validate()?;
        self.resolutions().validate(shape)
    }

    /// Multiply-adds of the networks of all couplings, applied once to one sample: the unit in which the work of a map is
    /// counted. Either map takes one; a gradient takes three, and a fourth where nothing was kept. For samples of shape
    /// `[channel, depth, height, width]` and conditions with these channels, finest first, as they can be built.
    pub fn multiply_adds(&self, shape: [usize; 4], condition: &[usize]) -> u64 {
        self.resolutions().multiply_adds(shape, condition, self.transform, &self.conditioner)
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
    ) -> Result<Glow, FlowError> {
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
        let conditions = self.resolutions().conditions(shape, condition)?;
        let layers = self.resolutions().layers(shape, condition, &mut |scale| {
            let Scale { channels, condition, axes, .. } = scale;
            let mut step = || {
                let reflections = self.reflections.clamp(1, channels);
                let mixing = ChannelMixing::new(channels, reflections, rng, device);
                let roles = Roles::halves(channels);
                let needed = ConditionerShape::of_coupling(&roles, condition, self.transform, axes);
                let coupling = Coupling::new(conditioner(needed, rng), self.transform, roles, condition);
                [
                    Layer::ActNorm(ActNorm::new(channels, device)),
                    Layer::ChannelMixing(mixing),
                    Layer::Coupling(coupling),
                ]
            };
            (0..self.steps).flat_map(|_| step()).collect()
        });
        let base = self.base.build(shape, rng, device)?;
        Flow::new(layers, base, shape, &conditions)
    }
}
