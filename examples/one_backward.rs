//! A summary network of your own and a flow, trained by one `backward`.
//!
//!     cargo run --release --example one_backward
//!
//! x is a bump of unknown place and height in noise, y a few blurred numbers of it. A Burn network makes the flow's condition of
//! y; the flow is one piece of Burn's autodiff graph and keeps nothing of its inside there. Any Burn optimiser does the rest.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::silu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use posteria::flow::{Field, FlowError, Glow, GlowConfig, Plan, standard_normal_log_density};
use posteria::random::{Purpose, stream};
use rand_distr::{Distribution, StandardNormal};

/// Numbers in x and in y, and channels of the condition.
const X: usize = 16;
const Y: usize = 4;
const CONDITION: usize = 8;

/// What is trained: a module like any other.
#[derive(Module, Debug)]
struct Posterior {
    read: Linear,
    write: Linear,
    flow: Glow,
}

impl Posterior {
    fn new(device: &Device) -> Result<Self, FlowError> {
        let config = GlowConfig { scales: 1, steps: 6, ..GlowConfig::default() };
        // A trace of 16 numbers; a condition at its one scale, where the trace has 8 places.
        let flow = config.conditional_glow([1, 1, 1, X], &[CONDITION], &mut stream(1, Purpose::Weights, 0), device)?;
        let read = LinearConfig::new(Y, 64).init(device);
        let write = LinearConfig::new(64, CONDITION * X / 2).init(device);
        Ok(Self { read, write, flow })
    }

    fn condition(&self, y: Tensor<2>) -> [Field; 1] {
        let batch = y.dims()[0];
        [self.write.forward(silu(self.read.forward(y))).reshape([batch, CONDITION, 1, 1, X / 2])]
    }

    /// −log q(x | y), the mean over the batch, in nats.
    fn loss(&self, x: Field, y: Tensor<2>) -> Result<Tensor<1>, FlowError> {
        let (z, log_det) = self.flow.differentiable_forward(x, &self.condition(y), Plan::least())?;
        Ok((standard_normal_log_density(z) + log_det).mean().neg())
    }
}

/// Bumps and what is seen of them: the mean of each quarter, in noise.
fn pairs(step: u64, count: usize, device: &Device) -> (Field, Tensor<2>) {
    let mut rng = stream(1, Purpose::Prior, step);
    let (mut xs, mut ys): (Vec<f32>, Vec<f32>) = (Vec::new(), Vec::new());
    let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
    for _ in 0..count {
        let (centre, height) = (8.0 + 3.0 * normal(), 1.0 + 0.3 * normal());
        let bump = |i: usize| height * (-(i as f32 - centre).powi(2) / 8.0).exp();
        let x: Vec<f32> = (0..X).map(|i| bump(i) + 0.05 * normal()).collect();
        ys.extend(x.chunks(X / Y).map(|quarter| quarter.iter().sum::<f32>() / quarter.len() as f32 + 0.1 * normal()));
        xs.extend(x);
    }
    let x = Tensor::from_data(TensorData::new(xs, [count, 1, 1, 1, X]), (device, DType::F32));
    (x, Tensor::from_data(TensorData::new(ys, [count, Y]), (device, DType::F32)))
}

fn main() -> Result<(), FlowError> {
    let device = Device::flex();
    device.seed(1);
    let mut posterior = Posterior::new(&device)?.train();
    let mut adam = AdamConfig::new().init();
    let steps = 300;
    for step in 0..steps {
        let (x, y) = pairs(step, 64, &device);
        let gradients = posterior.loss(x.autodiff(), y.autodiff())?.backward();
        let gradients = GradientsParams::from_grads(gradients, &posterior);
        let rate = 3e-3 * (1.0 - step as f64 / steps as f64);
        posterior = adam.step(rate, posterior, gradients);
        if step % 100 == 99 {
            let (x, y) = pairs(1 << 32, 512, &device);
            let held_out = posterior.valid().loss(x, y)?.into_scalar::<f64>() / X as f64;
            println!("step {:3}: {held_out:.3} nats per number", step + 1);
        }
    }
    Ok(())
}
