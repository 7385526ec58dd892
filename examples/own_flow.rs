//! A flow of parts that the library does not have: an invertible layer, the network inside its coupling, and the
//! distribution of the latent, with gradients by hand. It learns a bent distribution of heavy tails that lies aslant in the
//! plane, and prints how its negative log-likelihood falls to the exact entropy.
//!
//!     cargo run --release --example own_flow

use std::collections::HashMap;

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use posteria::flow::{
    Base, Condition, Conditioner, Coupling, Direction, Field, Flow, FlowError, Invertible, ParameterGradients,
    PerSample, Plan, Pull, Roles, State, Tapes, Tile, Transform, map_parameters,
};
use posteria::random::{Purpose, stream};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

/// Turns two channels by a learned angle θ, then moves the second by what a coupling reads of the first.
#[derive(Module, Debug)]
struct Aslant {
    angle: Param<Tensor<1>>,
    coupling: Coupling<Quadratic>,
}

/// R(θ) x of two channels.
fn turned(angle: Tensor<1>, x: Field) -> Field {
    let [cos, sin] = [angle.clone().cos(), angle.sin()].map(|number| number.reshape([1, 1, 1, 1, 1]));
    let (a, b) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
    Tensor::cat(vec![a.clone() * cos.clone() - b.clone() * sin.clone(), a * sin + b * cos], 1)
}

/// θ̄ of y = R(θ) x: Σ ȳ · R(π/2) y.
fn slope(y: &State) -> Tensor<1> {
    let quarter = Tensor::full([1], std::f64::consts::FRAC_PI_2, (&y.value.device(), y.value.dtype()));
    (y.gradient.clone() * turned(quarter, y.value.clone())).sum()
}

impl Invertible for Aslant {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        self.coupling.output_shape(to, x, c)
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        if to == Direction::Forward {
            return self.coupling.transform(to, turned(self.angle.val(), x), c, tapes);
        }
        let (x, log_det) = self.coupling.transform(to, x, c, tapes);
        (turned(self.angle.val().neg(), x), log_det)
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        if of == Direction::Forward {
            let y = self.coupling.pull(of, output, pull);
            pull.dparameters.add(&self.angle, slope(&y));
            return y.each(|field| turned(self.angle.val().neg(), field));
        }
        pull.dparameters.add(&self.angle, slope(&output).neg());
        self.coupling.pull(of, output.each(|field| turned(self.angle.val(), field)), pull)
    }
}

/// The network of the coupling, a square: y = w · (1, x, x²), for vectors of one channel.
#[derive(Module, Debug)]
struct Quadratic {
    weight: Param<Tensor<2>>,
}

fn powers(x: Field) -> Tensor<2> {
    Tensor::cat(vec![x.ones_like(), x.clone(), x.square()], 1).reshape([-1, 3])
}

impl Conditioner for Quadratic {
    type Tape = Field;

    fn apply(&self, tile: Tile) -> Field {
        powers(tile.field).matmul(self.weight.val()).reshape([-1, 1, 1, 1, 1])
    }

    fn apply_taped(&self, tile: Tile) -> (Field, Field) {
        (self.apply(tile.clone()), tile.field)
    }

    /// w̄ = Σ ȳ (1, x, x²), x̄ = (w₁ + 2 w₂ x) ȳ.
    fn pull(&self, x: Field, dy: Field, _channels: usize, dparameters: &mut ParameterGradients) -> Field {
        dparameters.add(&self.weight, powers(x.clone()).transpose().matmul(dy.clone().reshape([-1, 1])));
        let [linear, square] = [1, 2].map(|k| self.weight.val().narrow(0, k, 1).reshape([1, 1, 1, 1, 1]));
        (x * square * 2.0 + linear) * dy
    }
}

/// Independent numbers of Laplace's distribution: log p_τ(z) = −|z|/τ − log 2τ each.
#[derive(Module, Debug)]
struct Laplace {}

impl Base for Laplace {
    fn log_density(&self, z: Field, temperature: f64) -> PerSample {
        let distance: Tensor<2> = z.abs().reshape([-1, 2]);
        distance.sum_dim(1).reshape([-1]) / -temperature - 2.0 * (2.0 * temperature).ln()
    }

    fn pull(&self, z: Field, dlog_density: &PerSample, _dparameters: &mut ParameterGradients) -> Field {
        z.sign().neg() * dlog_density.clone().reshape([-1, 1, 1, 1, 1])
    }

    fn sample(&self, shape: [usize; 5], t: f64, rng: &mut ChaCha8Rng, dtype: DType, device: &Device) -> Field {
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| t * laplace(rng)).collect();
        Tensor::from_data(TensorData::new(values, shape).convert_dtype(dtype), (device, dtype))
    }
}

fn laplace(rng: &mut ChaCha8Rng) -> f64 {
    let (size, side): (f64, f64) = (Exp1.sample(rng), StandardNormal.sample(rng));
    size.copysign(side)
}

/// Two such numbers, the square of the first added to the second, turned by half a radian.
fn bent(step: u64, count: usize, device: &Device) -> Field {
    let mut rng = stream(1, Purpose::Prior, step);
    let pairs = (0..count).map(|_| [laplace(&mut rng), laplace(&mut rng)]);
    let values: Vec<f64> = pairs.flat_map(|[a, b]| [a, a * a + b]).collect();
    let data = TensorData::new(values, [count, 2, 1, 1, 1]);
    turned(Tensor::full([1], 0.5, device), Tensor::from_data(data, device))
}

fn main() -> Result<(), FlowError> {
    let device = Device::flex();
    let (angle, weight) = (Tensor::zeros([1], &device), Tensor::zeros([3, 1], &device));
    let roles = Roles::new(2, 1..2, 0..1).ok_or(FlowError::TooFewChannels { found: 2 })?;
    let coupling = Coupling::new(Quadratic { weight: Param::from_tensor(weight) }, Transform::Additive, roles, 0);
    let mut flow = Flow::new(Aslant { angle: Param::from_tensor(angle), coupling }, Laplace {}, [2, 1, 1, 1], &[])?;
    let (adam, mut moments) = (AdamConfig::new().build(), HashMap::new());
    for step in 0..400 {
        let gradient = flow.likelihood_gradient(bent(step, 256, &device), &[], false, Plan::default())?;
        flow = map_parameters(flow, &mut |parameter, value| {
            let Some(slope) = gradient.parameters.get(&parameter.id) else { return value };
            let (rate, state) = (0.05 * (1.0 - step as f64 / 400.0), moments.remove(&parameter.id));
            let (value, state) = adam.step(rate, value, slope.clone() / 256.0, state);
            moments.extend(state.map(|state| (parameter.id, state)));
            value
        });
        if step % 100 == 99 {
            let (nll, entropy) = (flow.log_prob(bent(1 << 32, 8192, &device), &[])?.neg(), 2.0 * (1.0 + 2.0_f64.ln()));
            println!("step {:3}: {:.3} nats, the entropy is {entropy:.3}", step + 1, nll.mean().into_scalar::<f64>());
        }
    }
    Ok(())
}
