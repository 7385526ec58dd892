//! A flow whose couplings run a network of your own, written as an ordinary Burn module.
//!
//!     cargo run --release --example own_conditioner
//!
//! The flow learns the density of a banana in the plane, and the program prints how its negative log-likelihood falls
//! towards the exact entropy.

use std::collections::HashMap;
use std::f64::consts::{E, PI};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, Optimizer};
use burn::tensor::activation::silu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use posteria::flow::{Adapter, ConditionerShape, Field, FlowError, Glow, GlowConfig, Network, Plan, map_parameters};
use posteria::random::{Purpose, stream};
use rand_distr::{Distribution, StandardNormal};

/// Three dense layers: for vectors, whose extents are all 1.
#[derive(Module, Debug)]
struct Dense {
    read: Linear,
    think: Linear,
    write: Linear,
}

impl Dense {
    fn new(shape: ConditionerShape, device: &Device) -> Self {
        let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self { read: layer(shape.inputs, 64), think: layer(64, 64), write: layer(64, shape.outputs) }
    }
}

impl Network for Dense {
    fn forward(&self, x: Field) -> Field {
        let [batch, channels, ..] = x.dims();
        let h = silu(self.read.forward(x.reshape([batch, channels])));
        let y = self.write.forward(silu(self.think.forward(h)));
        let outputs = y.dims()[1];
        y.reshape([batch, outputs, 1, 1, 1])
    }
}

/// A banana: x₁ standard normal, x₂ normal around x₁² with standard deviation 0.3.
fn banana(step: u64, count: usize, device: &Device) -> Field {
    let mut rng = stream(1, Purpose::Prior, step);
    let mut values: Vec<f64> = Vec::with_capacity(2 * count);
    for _ in 0..count {
        let (a, e): (f64, f64) = (StandardNormal.sample(&mut rng), StandardNormal.sample(&mut rng));
        values.extend([a, a * a + 0.3 * e]);
    }
    Tensor::from_data(TensorData::new(values, [count, 2, 1, 1, 1]).convert_dtype(DType::F32), (device, DType::F32))
}

fn main() -> Result<(), FlowError> {
    let device = Device::flex();
    let rng = &mut stream(1, Purpose::Weights, 0);
    let config = GlowConfig { scales: 1, steps: 10, ..GlowConfig::default() };
    let flow: Glow<Adapter<Dense>> =
        config.build([2, 1, 1, 1], &[], rng, &device, &mut |shape, _| Adapter::new(Dense::new(shape, &device)))?;
    let mut flow = flow.initialize(banana(u64::MAX, 512, &device), &[])?;

    let (adam, mut moments) = (AdamConfig::new().build(), HashMap::new());
    let (steps, batch) = (400, 256);
    // Of two normals of standard deviations 1 and 0.3; the bend keeps areas.
    let entropy = (2.0 * PI * E).ln() + 0.3f64.ln();
    for step in 0..steps {
        let gradient = flow.likelihood_gradient(banana(step, batch, &device), &[], false, Plan::default())?;
        let rate = 3e-3 * (1.0 - step as f64 / steps as f64);
        flow = map_parameters(flow, &mut |parameter, value| match gradient.parameters.get(&parameter.id) {
            Some(g) => {
                let state = moments.remove(&parameter.id);
                let (value, state) = adam.step(rate, value, g.clone() / batch as f64, state);
                moments.extend(state.map(|state| (parameter.id, state)));
                value
            }
            None => value,
        });
        if step % 100 == 99 {
            let held_out = flow.log_prob(banana(1 << 32, 4096, &device), &[])?.mean().neg().into_scalar::<f64>();
            println!("step {:3}: {held_out:.3} nats; the banana's entropy is {entropy:.3}", step + 1);
        }
    }
    Ok(())
}
