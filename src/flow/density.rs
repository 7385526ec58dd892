use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;

use crate::flow::lanes::{LaneSums, Lanes};
use crate::flow::parameters::home;
use crate::flow::tiles::joined;
use crate::flow::{
    AnyBase, Base, Condition, Direction, Field, FlowError, GradientSlot, Invertible, ParameterGradients, PerSample,
    Plan, Pull, State, Tapes, differentiable_forward, differentiable_inverse,
};
use crate::kernels::{Buffers, sample_distances, sample_dots};

/// A density made of an invertible map and the distribution of its latent:
///
///   log q(x | c) = log p(f(x; c)) + log|det ∂f/∂x|.
///
/// Whatever the layers are, shapes and float types are checked here, once for all of them.
///
/// ```
/// use burn::tensor::{DType, Device};
/// use posteria::flow::{ActNorm, Flow, Normal, standard_normal};
/// use posteria::random::{Purpose, stream};
///
/// // Two numbers, each scaled and shifted as those of a batch are.
/// let (device, mut rng) = (Device::flex(), stream(1, Purpose::Latent, 0));
/// let batch = standard_normal([500, 2, 1, 1, 1], &mut rng, DType::F32, &device) * 3.0 + 5.0;
/// let flow = Flow::new(ActNorm::new(2, &device), Normal::new(), [2, 1, 1, 1], &[])?.initialize(batch, &[])?;
/// let (x, log_density) = flow.draw(1000, &[], 1.0, &mut rng)?;
/// assert!((x.clone().mean().into_scalar::<f64>() - 5.0).abs() < 0.5);
/// let again = flow.log_prob(x, &[])?;
/// assert!((again - log_density).abs().max().into_scalar::<f64>() < 1e-4);
/// # Ok::<(), posteria::flow::FlowError>(())
/// ```
#[derive(Module, Debug)]
pub struct Flow<L: Invertible, B: Base = AnyBase> {
    layers: L,
    base: B,
    #[module(skip)]
    shape: [usize; 4],
    #[module(skip)]
    conditions: Vec<[usize; 4]>,
}

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

impl<L: Invertible, B: Base> Flow<L, B> {
    /// The density of samples of shape `[channel, depth, height, width]`, given conditions of such shapes, finest first.
    ///
    /// # Errors
    /// Layers that cannot take such samples and conditions, or give them another shape; a base of another shape.
    pub fn new(layers: L, base: B, shape: [usize; 4], conditions: &[[usize; 4]]) -> Result<Self, FlowError> {
        let flow = Self { layers, base, shape, conditions: conditions.to_vec() };
        let [channels, d, h, w] = shape;
        let x = [1, channels, d, h, w];
        let z = flow.layers.output_shape(Direction::Forward, x, &flow.condition_shapes(1))?;
        let of_base = flow.base.shape().unwrap_or(shape);
        match [z[1..].to_vec(), of_base.to_vec()].into_iter().find(|found| *found != shape) {
            Some(found) => Err(FlowError::LatentShape { expected: shape, found }),
            None => Ok(flow),
        }
    }

    /// The shape of one sample: `[channel, depth, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The distribution of the latent.
    pub fn base(&self) -> &B {
        &self.base
    }

    /// The layers, to be a part of something larger; their shapes are checked by whoever runs them.
    pub fn into_layers(self) -> L {
        self.layers
    }

    /// Entries of one sample.
    pub fn dimension(&self) -> usize {
        self.shape.iter().product()
    }

    /// The shapes of the conditions it takes, finest first; none where it is unconditional.
    pub fn condition_shapes(&self, batch: usize) -> Vec<[usize; 5]> {
        self.conditions.iter().map(|&[channels, d, h, w]| [batch, channels, d, h, w]).collect()
    }

    pub(crate) fn check_fields(&self, x: &Field, c: &Condition) -> Result<(), FlowError> {
        if x.dims()[0] == 0 {
            return Err(FlowError::EmptyBatch);
        }
        let expected = home(self).map_or(x.dtype(), |(dtype, _)| dtype);
        if let Some(found) = std::iter::once(x).chain(c).map(|field| field.dtype()).find(|&found| found != expected) {
            return Err(FlowError::FloatType { expected, found });
        }
        let [_, found @ ..] = x.dims();
        if found != self.shape {
            return Err(FlowError::SampleShape { expected: self.shape, found });
        }
        if c.len() != self.conditions.len() {
            return Err(FlowError::Conditions { expected: self.conditions.len(), found: c.len() });
        }
        let shapes: Vec<[usize; 5]> = c.iter().map(|c| c.dims()).collect();
        self.layers.output_shape(Direction::Forward, x.dims(), &shapes).map(|_| ())
    }

    /// The network with what starts from data set from this batch.
    pub fn initialize(self, x: Field, c: &Condition) -> Result<Self, FlowError> {
        self.check_fields(&x, c)?;
        let (layers, z) = self.layers.initialize(Direction::Forward, x, c);
        Ok(Self { layers, base: self.base.initialize(&z), ..self })
    }

    /// (z, log|det ∂z/∂x|) of x.
    pub fn forward(&self, x: Field, c: &Condition) -> Result<(Field, PerSample), FlowError> {
        self.transform(Direction::Forward, x, c)
    }

    /// (x, log|det ∂x/∂z|) of z.
    pub fn inverse(&self, z: Field, c: &Condition) -> Result<(Field, PerSample), FlowError> {
        self.transform(Direction::Inverse, z, c)
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition) -> Result<(Field, PerSample), FlowError> {
        self.check_fields(&x, c)?;
        let lanes = Lanes::of(&x, Plan::least());
        let lanes = lanes.each(x, c, |_, x, c| self.layers.transform(to, x, c, &mut Tapes::none()));
        let (z, log_det) = lanes.into_iter().unzip();
        Ok((joined(z, 0), joined(log_det, 0)))
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
        Ok(self.base.log_density(z, 1.0) + log_det)
    }

    /// `batch` draws from q(x|c), one for each row of the condition.
    pub fn sample(&self, batch: usize, c: &Condition, rng: &mut ChaCha8Rng) -> Result<Field, FlowError> {
        self.draw(batch, c, 1.0, rng).map(|(x, _)| x)
    }

    /// Draws whose latents have a temperature, one for each row of the condition, and the log-densities that go with it: at
    /// temperature 1 those of [`log_prob`](Self::log_prob).
    ///
    /// # Errors
    /// A temperature that is not positive; conditions that do not fit.
    pub fn draw(
        &self,
        batch: usize,
        c: &Condition,
        temperature: f64,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Field, PerSample), FlowError> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            let remedy = "give a positive number; 1 is the density that was trained";
            return Err(FlowError::Setting { key: "temperature", value: temperature.to_string(), remedy });
        }
        if batch == 0 {
            return Err(FlowError::EmptyBatch);
        }
        let z = self.latents(batch, temperature, rng);
        let density = self.base.log_density(z.clone(), temperature);
        let (x, log_det) = self.inverse(z, c)?;
        Ok((x, density - log_det))
    }

    /// Draws of the base.
    pub fn latents(&self, batch: usize, temperature: f64, rng: &mut ChaCha8Rng) -> Field {
        let [channels, d, h, w] = self.shape;
        let (dtype, device) = home(self).unwrap_or((DType::F32, Device::flex()));
        self.base.sample([batch, channels, d, h, w], temperature, rng, dtype, &device)
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
        let lanes = Lanes::of(&x, plan);
        let (sums, plan, buffers) =
            (LaneSums::new(lanes.count()), plan.of_lane(lanes.count()), Arc::<Buffers>::default());
        let parts = lanes.each(x, c, |lane, x, c| {
            let mut parameters = sums.lane(lane);
            let tapes = Tapes::with(plan, buffers.clone());
            (self.lane_gradient(x, c, condition_wanted, tapes, &mut parameters), parameters)
        });
        let mut parameters = sums.take();
        let parts = parts.into_iter().map(|(part, own)| {
            parameters.add_all(own);
            part
        });
        let parts = parts.collect();
        Ok(LikelihoodGradient::joined(parts, parameters))
    }

    /// The gradient of a batch whose shapes were checked, walked in one lane; that of the parameters is added to `parameters`.
    pub(crate) fn lane_gradient(
        &self,
        x: Field,
        c: &Condition,
        condition_wanted: bool,
        mut tapes: Tapes,
        parameters: &mut ParameterGradients,
    ) -> LaneGradient {
        let (z, log_det) = self.layers.forward(x.clone(), c, &mut tapes);
        let nll = (self.base.log_density(z.clone(), 1.0) + log_det).neg();
        // Of −log q: the same in the density of the base and in log_det.
        let minus = Tensor::ones([x.dims()[0]], (&x.device(), x.dtype())).neg();
        let dz = self.base.pull(z.clone(), &minus, parameters);
        parameters.end_layer();
        let slot = if condition_wanted { GradientSlot::Empty } else { GradientSlot::Unwanted };
        let mut dc = vec![slot; c.len()];
        let mut pull =
            Pull { condition: c, dcondition: &mut dc, dparameters: parameters, dlog_det: &minus, tapes: &mut tapes };
        let input = self.layers.pull(Direction::Forward, State { value: z, gradient: dz }, &mut pull);
        let error = sample_distances(&input.value, &x).sum().into_scalar::<f64>();
        let size = sample_dots(&x, &x).sum().into_scalar::<f64>();
        let condition = dc.into_iter().map(GradientSlot::into_sum).collect();
        LaneGradient { nll, x: input.gradient, condition, error, size }
    }
}

/// A lane's part of a [`LikelihoodGradient`].
pub(crate) struct LaneGradient {
    pub nll: PerSample,
    pub x: Field,
    pub condition: Vec<Option<Field>>,
    /// ‖x recomputed − x‖².
    pub error: f64,
    /// ‖x‖².
    pub size: f64,
}

impl LikelihoodGradient {
    fn joined(lanes: Vec<LaneGradient>, parameters: ParameterGradients) -> Self {
        let (mut error, mut size, mut nll, mut x, mut conditions) = (0.0, 0.0, Vec::new(), Vec::new(), Vec::new());
        for lane in lanes {
            error += lane.error;
            size += lane.size;
            nll.push(lane.nll);
            x.push(lane.x);
            conditions.resize_with(lane.condition.len(), Vec::new);
            conditions.iter_mut().zip(lane.condition).for_each(|(parts, part)| parts.extend(part));
        }
        let condition = conditions.into_iter().map(|parts| (!parts.is_empty()).then(|| joined(parts, 0))).collect();
        let x: Field = joined(x, 0);
        let reconstruction_error = relative_error(error, size, x.dims().iter().product());
        Self { nll: joined(nll, 0), x, parameters, condition, reconstruction_error }
    }
}

/// ‖x recomputed − x‖ / ‖x‖ from both squares. If x = 0, the error is divided by the number of entries instead of by ‖x‖².
pub(crate) fn relative_error(error: f64, size: f64, entries: usize) -> f64 {
    (error / if size > 0.0 { size } else { entries as f64 }).sqrt()
}
