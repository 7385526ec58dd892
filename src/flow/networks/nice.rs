use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;

use crate::flow::networks::scales::{Scale, Scales};
use crate::flow::{
    BaseConfig, ConditionerShape, ConvolutionalConfig, ConvolutionalFlow, Coupling, Flow, FlowError, Layer, Roles,
    Squeezer, Transform,
};

/// Settings of a flow of additive couplings alone (Dinh, Krueger and Bengio 2015, arXiv:1410.8516): it keeps volumes, and
/// what it cannot stretch the distribution of its latent learns.
///
/// A flow step is two couplings: the first half of the channels is moved by the second, then the second by the first.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use posteria::flow::NiceConfig;
/// use posteria::random::{Purpose, stream};
///
/// let (device, config) = (Device::flex(), NiceConfig { scales: 1, steps: 2, ..NiceConfig::default() });
/// let nice = config.build([1, 1, 4, 4], &[], &mut stream(1, Purpose::Weights, 0), &device)?;
/// let (_, log_det) = nice.forward(Tensor::ones([3, 1, 1, 4, 4], &device), &[])?;
/// assert_eq!(log_det.abs().max().into_scalar::<f64>(), 0.0, "volumes are kept");
/// # Ok::<(), posteria::flow::FlowError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NiceConfig {
    /// Resolutions; every spatial axis of x must be divisible by 2 to this power.
    pub scales: usize,
    /// Flow steps (two couplings) at each resolution.
    pub steps: usize,
    /// How resolution is traded for channels between two scales.
    pub squeezer: Squeezer,
    /// The network inside every coupling.
    pub conditioner: ConvolutionalConfig,
    /// The distribution of the latent.
    pub base: BaseConfig,
}

impl Default for NiceConfig {
    fn default() -> Self {
        Self {
            scales: 3,
            steps: 4,
            squeezer: Squeezer::default(),
            conditioner: ConvolutionalConfig::default(),
            base: BaseConfig::Diagonal,
        }
    }
}

impl NiceConfig {
    fn resolutions(&self) -> Scales {
        Scales { count: self.scales, steps: self.steps, squeezer: self.squeezer }
    }

    /// Every reason why no network for samples of this shape can be built from these settings.
    pub fn validate(&self, shape: [usize; 4]) -> Result<(), FlowError> {
        self.base.validate()?;
        self.resolutions().validate(shape)
    }

    /// Multiply-adds of the networks of all couplings, as [`GlowConfig::multiply_adds`](crate::flow::GlowConfig::multiply_adds).
    pub fn multiply_adds(&self, shape: [usize; 4], condition: &[usize]) -> u64 {
        2 * self.resolutions().multiply_adds(shape, condition, Transform::Additive, &self.conditioner)
    }

    /// A network for samples of shape `[channel, depth, height, width]` with random weights, conditioned on one field a scale
    /// with the given numbers of channels, finest first, or on nothing.
    ///
    /// # Errors
    /// Settings that make no network, shapes that the squeezes do not divide, and a condition missing for a scale.
    pub fn build(
        &self,
        shape: [usize; 4],
        condition: &[usize],
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<ConvolutionalFlow, FlowError> {
        self.conditioner.validate()?;
        self.validate(shape)?;
        let conditions = self.resolutions().conditions(shape, condition)?;
        let layers = self.resolutions().layers(shape, condition, &mut |scale| {
            let Scale { channels, condition, axes, .. } = scale;
            let half = channels / 2;
            // A single channel cannot be cut: the check of the layers' shapes says so.
            let [first, second] = [0..half, half..channels];
            let roles = [Roles::new(channels, first.clone(), second.clone()), Roles::new(channels, second, first)];
            let mut coupling = |roles: &Roles| {
                let needed = ConditionerShape::of_coupling(roles, condition, Transform::Additive, axes);
                let conditioner = self.conditioner.init(needed, rng, device);
                Layer::Coupling(Coupling::new(conditioner, Transform::Additive, roles.clone(), condition))
            };
            let halves = || roles.iter().map(|roles| roles.clone().unwrap_or_else(|| Roles::halves(channels)));
            (0..self.steps).flat_map(|_| halves()).map(|roles| coupling(&roles)).collect()
        });
        let base = self.base.build(shape, rng, device)?;
        Flow::new(layers, base, shape, &conditions)
    }
}
