//! What is measured: a network and a batch.

use burn::tensor::{DType, Device, Tensor, TensorData};
use posteria::flow::{
    Field, FlowError, Glow, LikelihoodGradient, Parameter, Plan, cast, map_parameters, parameters, standard_normal,
};
use posteria::prior::{PeriodicGaussianField, Prior};
use posteria::random::{Purpose, stream};

use crate::arguments::{Memory, Point};

/// The seed of everything random here.
const SEED: u64 = 1;
/// Standard deviation of a weight of a last convolution times √(fan in): log-scales and shifts of some tenths.
const LAST_GAIN: f64 = 0.1;
/// Pixels along each side, at the coarsest scale, of the images that the network starts from.
const COARSEST: usize = 4;

/// A network that does real work, and what it works on.
pub struct Subject {
    pub glow: Glow,
    pub x: Field,
    pub condition: Vec<Field>,
}

impl Subject {
    /// The network and batch of a point.
    ///
    /// No parameter depends on the size of the images, so the network starts from small ones: what a pass over the
    /// large ones leaves in the allocator would hide a part of what the gradient takes.
    pub fn new(point: &Point) -> anyhow::Result<Self> {
        point.config().validate(point.shape())?;
        let small = Point { size: point.size.min(COARSEST << point.scales), ..point.clone() };
        let (glow, condition) = (network(&small)?, conditions(&small));
        let glow = map_parameters(glow, &mut non_zero());
        let glow = glow.initialize(images(&small, 0)?, &condition)?;
        let mut values = parameters(&glow).into_iter().map(|(_, value)| value);
        let glow = map_parameters(network(point)?, &mut |_, value| values.next().unwrap_or(value));
        Ok(Self { glow, x: images(point, 0)?, condition: conditions(point) })
    }

    /// The gradient of the likelihood of the batch. Every measurement makes it here.
    pub fn gradient(&self, memory: Option<Memory>) -> Result<LikelihoodGradient, FlowError> {
        let plan = memory.map_or(Plan::least(), |memory| Plan::within(usize::try_from(memory.0).unwrap_or(usize::MAX)));
        self.glow.likelihood_gradient(self.x.clone(), &self.condition, false, plan)
    }

    /// The same in double precision.
    pub fn double(self) -> Self {
        let condition = self.condition.into_iter().map(|c| c.cast(DType::F64)).collect();
        Self { glow: cast(self.glow, DType::F64), x: self.x.cast(DType::F64), condition }
    }

    /// Numbers that training moves.
    pub fn parameter_count(&self) -> usize {
        parameters(&self.glow).iter().map(|(parameter, _)| parameter.shape.iter().product::<usize>()).sum()
    }
}

fn network(point: &Point) -> Result<Glow, FlowError> {
    let condition = if point.condition > 0 { vec![point.condition; point.scales] } else { Vec::new() };
    let mut rng = stream(SEED, Purpose::Weights, 0);
    point.config().conditional_glow(point.shape(), &condition, &mut rng, &Device::flex())
}

/// Gives the last convolutions, which start at zero, small random weights.
fn non_zero() -> impl FnMut(&Parameter, Tensor<1>) -> Tensor<1> {
    let mut rng = stream(SEED, Purpose::Weights, 1);
    move |parameter, value| match parameter.shape[..] {
        [_, inputs, d, h, w] if value.clone().abs().max().into_scalar::<f32>() == 0.0 => {
            let shape = [value.dims()[0], 1, 1, 1, 1];
            let noise = standard_normal(shape, &mut rng, value.dtype(), &value.device());
            noise.reshape([-1]) * (LAST_GAIN / ((inputs * d * h * w) as f64).sqrt())
        }
        _ => value,
    }
}

/// Smooth random images, another batch for every index.
pub fn images(point: &Point, index: u64) -> anyhow::Result<Field> {
    let prior = PeriodicGaussianField::new(&[point.size, point.size], 4.0, 1.5)?;
    let count = point.batch * point.channels;
    let image = |i: usize| prior.sample(&mut stream(SEED, Purpose::Prior, index * count as u64 + i as u64));
    let values: Vec<f32> = (0..count).flat_map(|i| image(i).into_iter()).collect();
    let shape = [point.batch, point.channels, 1, point.size, point.size];
    Ok(Tensor::from_data(TensorData::new(values, shape), &Device::flex()))
}

fn conditions(point: &Point) -> Vec<Field> {
    let scales = if point.condition > 0 { point.scales } else { 0 };
    let at = |scale: usize| (point.size >> (scale + 1)).max(1);
    let shape = |scale| [point.batch, point.condition, 1, at(scale), at(scale)];
    let field = |scale| {
        standard_normal(shape(scale), &mut stream(SEED, Purpose::Noise, scale as u64), DType::F32, &Device::flex())
    };
    (0..scales).map(field).collect()
}

/// Multiply-adds, in 10⁹, of all conditioners applied once to the batch: the unit of work. A gradient does four units
/// where nothing is kept (forward, again while going back, and the adjoints in the input and in the weights).
pub fn work_gmac(point: &Point) -> f64 {
    let conditions = vec![point.condition; point.scales];
    point.batch as f64 * point.config().multiply_adds(point.shape(), &conditions) as f64 / 1e9
}
