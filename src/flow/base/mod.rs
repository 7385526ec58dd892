//! Distributions of the latent.

mod diagonal;
mod mixture;
mod normal;
mod student;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::flow::{Field, FlowError, ParameterGradients, PerSample};

pub use diagonal::Diagonal;
pub use mixture::Mixture;
pub use normal::{Normal, standard_normal, standard_normal_log_density};
pub use student::StudentT;

/// The distribution that a flow maps data to.
///
/// A temperature τ stretches how far latents lie from the middle of the distribution by τ, in a mixture from that of their
/// component: below 1, draws are more alike. The density that goes with it is that of these draws.
///
/// ```
/// use burn::tensor::{DType, Device};
/// use posteria::flow::{Base, Normal};
/// use posteria::random::{Purpose, stream};
///
/// let (shape, mut rng) = ([10_000, 1, 1, 1, 1], stream(1, Purpose::Latent, 0));
/// let z = Normal::new().sample(shape, 0.5, &mut rng, DType::F32, &Device::flex());
/// let deviation = z.square().mean().into_scalar::<f64>().sqrt();
/// assert!((deviation - 0.5).abs() < 0.02, "half as far from the middle at a temperature of ½");
/// ```
pub trait Base: Module + ModuleDisplay + Sync + 'static {
    /// log p_τ(z) of each sample, in nats.
    fn log_density(&self, z: Field, temperature: f64) -> PerSample;

    /// ∂L/∂z from ∂L/∂(log p₁(z)) of each sample; the gradients of the parameters are added to `dparameters`.
    fn pull(&self, z: Field, dlog_density: &PerSample, dparameters: &mut ParameterGradients) -> Field;

    /// Draws of p_τ, `[draw, channel, d, h, w]`, made on the host so that they are the same on any device.
    fn sample(&self, shape: [usize; 5], temperature: f64, rng: &mut ChaCha8Rng, dtype: DType, device: &Device)
    -> Field;

    /// Sets what starts from data, from one batch of latents.
    fn initialize(self, _z: &Field) -> Self {
        self
    }

    /// Latents as standard normal numbers, if they are draws of this distribution; none where there is no such map.
    fn standardised(&self, _z: Field) -> Option<Field> {
        None
    }

    /// The shape of the samples it is made for; none where it takes any.
    fn shape(&self) -> Option<[usize; 4]> {
        None
    }
}

/// Settings of a base distribution.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use posteria::flow::{Base, BaseConfig, FlowError};
/// use posteria::random::{Purpose, stream};
///
/// let device = Device::flex();
/// let far = Tensor::<5>::full([1, 2, 1, 1, 1], 5.0, &device);
/// let density = |config: BaseConfig| {
///     let base = config.build([2, 1, 1, 1], &mut stream(1, Purpose::Weights, 0), &device)?;
///     Ok::<_, FlowError>(base.log_density(far.clone(), 1.0).into_scalar::<f64>())
/// };
/// let student = BaseConfig::StudentT { freedom: 5.0 };
/// assert!(density(student)? > density(BaseConfig::Normal)?, "its tails are heavier");
/// # Ok::<(), FlowError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", expecting = "a table with the key `kind`", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BaseConfig {
    /// Independent standard normal numbers.
    #[default]
    Normal,
    /// Independent normal numbers whose means and deviations are learned.
    Diagonal,
    /// Independent numbers of Student's t distribution, for data with heavy tails.
    StudentT {
        /// Degrees of freedom, more than 2.
        freedom: f64,
    },
    /// A mixture of such distributions as [`Diagonal`](BaseConfig::Diagonal), for data in clusters.
    Mixture {
        /// How many.
        components: usize,
    },
}

/// With more degrees of freedom, Student's t is a normal distribution.
const MOST_FREEDOM: f64 = 1e6;
/// Beyond this, a slip of the keyboard asks for more memory than there is.
const MOST_COMPONENTS: usize = 1000;

impl BaseConfig {
    /// Every reason why no distribution can be built from these settings.
    pub fn validate(&self) -> Result<(), FlowError> {
        let wrong = |key, value: String, remedy| Err(FlowError::Setting { key, value, remedy });
        match *self {
            Self::StudentT { freedom } if !(freedom > 2.0 && freedom <= MOST_FREEDOM) => wrong(
                "freedom",
                freedom.to_string(),
                "give more than 2 degrees of freedom, such as 5; of many take \"normal\"",
            ),
            Self::Mixture { components } if !(1..=MOST_COMPONENTS).contains(&components) => {
                wrong("components", components.to_string(), "give 1 to 1000 components, such as 4")
            }
            _ => Ok(()),
        }
    }

    /// The distribution of samples of shape `[channel, depth, height, width]`.
    ///
    /// # Errors
    /// Those of [`validate`](Self::validate).
    pub fn build(&self, shape: [usize; 4], rng: &mut ChaCha8Rng, device: &Device) -> Result<AnyBase, FlowError> {
        self.validate()?;
        Ok(match *self {
            Self::Normal => AnyBase::Normal(Normal::new()),
            Self::Diagonal => AnyBase::Diagonal(Diagonal::new(shape, device)),
            Self::StudentT { freedom } => AnyBase::StudentT(StudentT::new(freedom)),
            Self::Mixture { components } => AnyBase::Mixture(Mixture::new(shape, components, rng, device)),
        })
    }
}

/// Any of the distributions that a problem file can name.
#[derive(Module, Debug)]
pub enum AnyBase {
    /// Standard normal.
    Normal(Normal),
    /// Normal, with learned means and deviations.
    Diagonal(Diagonal),
    /// Student's t.
    StudentT(StudentT),
    /// A mixture.
    Mixture(Mixture),
}

/// Calls the same method of whichever distribution it is.
macro_rules! each {
    ($base:expr, $inner:ident => $call:expr) => {
        match $base {
            AnyBase::Normal($inner) => $call,
            AnyBase::Diagonal($inner) => $call,
            AnyBase::StudentT($inner) => $call,
            AnyBase::Mixture($inner) => $call,
        }
    };
}

impl Base for AnyBase {
    fn log_density(&self, z: Field, temperature: f64) -> PerSample {
        each!(self, base => base.log_density(z, temperature))
    }

    fn pull(&self, z: Field, dlog_density: &PerSample, dparameters: &mut ParameterGradients) -> Field {
        each!(self, base => base.pull(z, dlog_density, dparameters))
    }

    fn sample(
        &self,
        shape: [usize; 5],
        temperature: f64,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Field {
        each!(self, base => base.sample(shape, temperature, rng, dtype, device))
    }

    fn initialize(self, z: &Field) -> Self {
        match self {
            AnyBase::Normal(base) => AnyBase::Normal(base.initialize(z)),
            AnyBase::Diagonal(base) => AnyBase::Diagonal(base.initialize(z)),
            AnyBase::StudentT(base) => AnyBase::StudentT(base.initialize(z)),
            AnyBase::Mixture(base) => AnyBase::Mixture(base.initialize(z)),
        }
    }

    fn standardised(&self, z: Field) -> Option<Field> {
        each!(self, base => base.standardised(z))
    }

    fn shape(&self) -> Option<[usize; 4]> {
        each!(self, base => base.shape())
    }
}

/// Entries of one sample.
fn entries(z: &Field) -> usize {
    z.dims().iter().skip(1).product()
}

/// A number a sample, along the batch of a field.
fn along_batch(values: PerSample) -> Field {
    let batch = values.dims()[0];
    values.reshape([batch, 1, 1, 1, 1])
}

/// A tensor of host numbers in the given type.
pub(crate) fn tensor<const D: usize>(values: Vec<f64>, shape: [usize; D], dtype: DType, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape).convert_dtype(dtype), (device, dtype))
}
