//! A flow as a piece of Burn's autodiff graph, against the same flow written in ordinary tensor operations.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Gradients, Tensor};
use posteria::flow::{
    Activation, Adapter, Conditioner, ConvolutionalConfig, Field, Glow, GlowConfig, Network, PerSample, Plan, cast,
    map_parameters, parameters, standard_normal,
};
use posteria::random::{Purpose, stream};

const SCALES: usize = 2;
const STEPS: usize = 2;
const REFLECTIONS: usize = 2;
const BOUND: f64 = 2.0;
const X: [usize; 5] = [2, 2, 1, 8, 4];
const C: [[usize; 5]; SCALES] = [[2, 3, 1, 4, 2], [2, 2, 1, 2, 1]];
const TOLERANCE: f64 = 1e-10;

fn random(shape: [usize; 5], index: u64) -> Field {
    standard_normal(shape, &mut stream(23, Purpose::Diagnostic, index), DType::F64, &Device::flex())
}

/// A flow with random parameters in double precision.
fn flow() -> Glow {
    let conditioner = ConvolutionalConfig { hidden: 5, activation: Activation::Silu, ..ConvolutionalConfig::default() };
    let config =
        GlowConfig { scales: SCALES, steps: STEPS, reflections: REFLECTIONS, conditioner, ..GlowConfig::default() };
    let rng = &mut stream(23, Purpose::Weights, 0);
    shaken(config.conditional_glow([2, 1, 8, 4], &C.map(|c| c[1]), rng, &Device::flex()).unwrap())
}

/// The same in double precision, every parameter moved at random.
fn shaken<N: Conditioner>(flow: Glow<N>) -> Glow<N> {
    let mut index = 100;
    map_parameters(cast(flow, DType::F64), &mut |_, value| {
        index += 1;
        value.clone() + random([1, 1, 1, 1, value.dims()[0]], index).reshape([-1]) * 0.3
    })
}

/// The forward map in ordinary operations, from the tracked parameters of the flow by their paths.
struct Written {
    parameters: HashMap<String, (Vec<usize>, Tensor<1>)>,
}

impl Written {
    fn new(flow: &Glow) -> Self {
        let named = parameters(flow).into_iter().map(|(p, value)| (p.path, (p.shape, value)));
        Self { parameters: named.collect() }
    }

    fn get(&self, path: &str) -> (&[usize], Tensor<1>) {
        let (shape, value) = &self.parameters[path];
        (shape, value.clone())
    }

    fn forward(&self, x: Field, c: &[Field]) -> (Field, PerSample) {
        self.scale(x, c, "layers.layers")
    }

    fn scale(&self, x: Field, c: &[Field], path: &str) -> (Field, PerSample) {
        let mut x = haar(x);
        let [batch, channels, _, h, w] = x.dims();
        let mut log_det = Tensor::<1>::zeros([batch], (&x.device(), DType::F64));
        for step in 0..STEPS {
            let layer = |offset: usize, name: &str| format!("{path}.{}.{name}", 1 + 3 * step + offset);
            let (_, log_scale) = self.get(&layer(0, "ActNorm.log_scale"));
            let (_, shift) = self.get(&layer(0, "ActNorm.shift"));
            let row = |v: Tensor<1>| v.reshape([1, channels, 1, 1, 1]);
            x = x * row(log_scale.clone().exp()) + row(shift);
            log_det = log_det + log_scale.sum() * (h * w) as f64;
            let (_, vectors) = self.get(&layer(1, "ChannelMixing.vectors"));
            let vectors = vectors.reshape([REFLECTIONS, channels]);
            for i in (0..REFLECTIONS).rev() {
                let v = vectors.clone().narrow(0, i, 1).reshape([1, channels, 1, 1, 1]);
                let along = (x.clone() * v.clone()).sum_dim(1) / v.clone().square().sum_dim(1);
                x = x - v * along * 2.0;
            }
            let half = channels / 2;
            let (active, passive) = (x.clone().slice([0..batch, 0..half]), x.slice([0..batch, half..channels]));
            let mut p = Tensor::cat(vec![passive.clone(), c[0].clone()], 1);
            for convolution in 0..3 {
                if convolution > 0 {
                    p = silu(p);
                }
                p = self.convolve(p, &layer(2, &format!("Coupling.conditioner.layers.{convolution}")));
            }
            let a = p.clone().slice([0..batch, 0..half]);
            let t = p.slice([0..batch, half..2 * half]);
            let l = (a / BOUND).tanh() * BOUND;
            log_det = log_det + l.clone().reshape([batch as i32, -1]).sum_dim(1).reshape([batch]);
            x = Tensor::cat(vec![active * l.exp() + t, passive], 1);
        }
        if c.len() > 1 {
            let kept = channels.div_ceil(2);
            let (on, rest) = (x.clone().slice([0..batch, 0..kept]), x.slice([0..batch, kept..channels]));
            let (on, deeper) =
                self.scale(on, &c[1..], &format!("{path}.{}.Parts.first.layers.0.Deeper.rest.layers", 1 + 3 * STEPS));
            x = Tensor::cat(vec![on, rest], 1);
            log_det = log_det + deeper;
        }
        (haar_inverse(x), log_det)
    }

    fn convolve(&self, x: Field, path: &str) -> Field {
        let (shape, weight) = self.get(&format!("{path}.weight"));
        let (_, bias) = self.get(&format!("{path}.bias"));
        let [batch, channels, _, h, w] = x.dims();
        let weight = weight.reshape([shape[0], shape[1], shape[3], shape[4]]);
        let options = ConvOptions::new([1, 1], [shape[3] / 2, shape[4] / 2], [1, 1], 1);
        conv2d(x.reshape([batch, channels, h, w]), weight, Some(bias), options).reshape([batch, shape[0], 1, h, w])
    }
}

/// (sum, differences) of 2×2 pixels over 2, offsets in height before offsets in width among the channels.
fn haar(x: Field) -> Field {
    let [batch, channels, _, h, w] = x.dims();
    let x = x.reshape([batch, channels, h / 2, 2, w / 2, 2]);
    let at = |i: usize, j: usize| {
        let ranges = [0..batch, 0..channels, 0..h / 2, i..i + 1, 0..w / 2, j..j + 1];
        x.clone().slice(ranges).reshape([batch, channels, 1, h / 2, w / 2])
    };
    let [a, b, c, d] = [at(0, 0), at(0, 1), at(1, 0), at(1, 1)];
    let signed = |b_sign: f64, c_sign: f64, d_sign: f64| {
        (a.clone() + b.clone() * b_sign + c.clone() * c_sign + d.clone() * d_sign) * 0.5
    };
    Tensor::cat(
        vec![signed(1.0, 1.0, 1.0), signed(-1.0, 1.0, -1.0), signed(1.0, -1.0, -1.0), signed(-1.0, -1.0, 1.0)],
        1,
    )
}

/// Each group of channels is a sign pattern, which is its own inverse.
fn haar_inverse(y: Field) -> Field {
    let [batch, channels, _, h, w] = y.dims();
    let part = channels / 4;
    let group = |k: usize| y.clone().slice([0..batch, k * part..(k + 1) * part]).reshape([batch, part, h, 1, w, 1]);
    let [s, dw, dh, dd] = [group(0), group(1), group(2), group(3)];
    let signed = |w_sign: f64, h_sign: f64, d_sign: f64| {
        (s.clone() + dw.clone() * w_sign + dh.clone() * h_sign + dd.clone() * d_sign) * 0.5
    };
    let upper = Tensor::cat(vec![signed(1.0, 1.0, 1.0), signed(-1.0, 1.0, -1.0)], 5);
    let lower = Tensor::cat(vec![signed(1.0, -1.0, -1.0), signed(-1.0, -1.0, 1.0)], 5);
    Tensor::<6>::cat(vec![upper, lower], 3).reshape([batch, part, 1, 2 * h, 2 * w])
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().try_to_vec().unwrap()
}

/// Largest difference relative to the largest value.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-300f64, |m, v| m.max(v.abs()));
    found.iter().zip(expected).fold(0f64, |m, (a, b)| m.max((a - b).abs())) / largest
}

struct Gather<'a> {
    gradients: &'a Gradients,
    found: Vec<(ParamId, Vec<f64>)>,
}

impl ModuleVisitor for Gather<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients).expect("a gradient of every parameter");
        self.found.push((param.id, values(gradient)));
    }
}

/// The loss of a chain, and its gradients in x, both conditions and every parameter, in one list.
fn differentiate(flow: &Glow, chain: impl Fn(&Glow, Field, &[Field]) -> Tensor<1>) -> Vec<Vec<f64>> {
    let flow = flow.clone().train();
    let leaf = |shape, index| random(shape, index).autodiff().require_grad();
    let (x, c) = (leaf(X, 0), [leaf(C[0], 1), leaf(C[1], 2)]);
    let loss = chain(&flow, x.clone(), &c);
    let gradients = loss.clone().backward();
    let mut all = vec![values(loss.inner())];
    all.extend([&x, &c[0], &c[1]].map(|leaf| values(leaf.grad(&gradients).expect("a gradient of every input"))));
    let mut gather = Gather { gradients: &gradients, found: Vec::new() };
    flow.visit(&mut gather);
    all.extend(gather.found.into_iter().map(|(_, gradient)| gradient));
    all
}

fn agree(found: &[Vec<f64>], expected: &[Vec<f64>]) {
    assert_eq!(found.len(), expected.len());
    assert!(found.len() > 20, "loss, x, two conditions and the parameters of four steps");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let distance = distance(found, expected);
        assert!(distance < TOLERANCE, "entry {index} is off by {distance:.1e}");
        assert!(expected.iter().any(|v| v.abs() > 1e-6), "entry {index} says nothing");
    }
}

/// What follows a flow in these tests, as a Burn layer would.
fn tail(z: Field, log_det: PerSample) -> Tensor<1> {
    let weights = random(X, 7).autodiff();
    (silu(z) * weights).sum() + (log_det.clone() * log_det).sum() * 0.01
}

/// What comes before.
fn head(x: Field) -> Field {
    silu(x.clone()) + x * 0.5
}

#[test]
fn forward_has_the_gradients_of_plain_autodiff() {
    let flow = flow();
    for plan in [Plan::least(), Plan::within(1 << 30)] {
        let found = differentiate(&flow, |flow, x, c| {
            let (z, log_det) = flow.differentiable_forward(head(x), c, plan).unwrap();
            tail(z, log_det)
        });
        let expected = differentiate(&flow, |flow, x, c| {
            let (z, log_det) = Written::new(flow).forward(head(x), c);
            tail(z, log_det)
        });
        agree(&found, &expected);
    }
}

/// f⁻¹ ∘ f is the identity whatever the parameters: no parameter and no condition has a say in the result.
#[test]
fn inverse_undoes_forward_in_the_graph() {
    let flow = flow();
    let all = differentiate(&flow, |flow, x, c| {
        let (z, up) = flow.differentiable_forward(head(x), c, Plan::least()).unwrap();
        let (x, down) = flow.differentiable_inverse(z, c, Plan::least()).unwrap();
        tail(x, up + down)
    });
    let expected = differentiate(&flow, |flow, x, c| {
        let zero = parameters(flow)
            .into_iter()
            .fold(c[0].clone().sum() * 0.0 + c[1].clone().sum() * 0.0, |sum, (_, v)| sum + v.sum() * 0.0);
        let x = head(x);
        let none = Tensor::<1>::zeros([X[0]], (&x.device(), DType::F64));
        tail(x, none) + zero
    });
    for (found, expected) in all.iter().zip(&expected) {
        let scale = 1.0 + expected.iter().fold(0f64, |m, v| m.max(v.abs()));
        let worst = found.iter().zip(expected).fold(0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < TOLERANCE * scale * 10.0, "{worst:.1e}");
    }
}

/// With z = f(x) in ordinary operations, the inverse brings back x, and log_det of f with the other sign: a loss of both
/// has the gradients of that loss without the detour.
#[test]
fn inverse_has_the_gradients_of_plain_autodiff() {
    let flow = flow();
    let weigh = |x: Field, log_det: PerSample| (silu(x) * random(X, 8).autodiff()).sum() + log_det.sum() * 0.7;
    let found = differentiate(&flow, |flow, x, c| {
        let (z, _) = Written::new(flow).forward(head(x), c);
        let (x, log_det) = flow.differentiable_inverse(z, c, Plan::least()).unwrap();
        weigh(x, log_det)
    });
    let expected = differentiate(&flow, |flow, x, c| {
        let x = head(x);
        let (_, log_det) = Written::new(flow).forward(x.clone(), c);
        weigh(x, log_det.neg())
    });
    agree(&found, &expected);
}

#[test]
fn an_output_that_the_loss_does_not_see_costs_nothing_and_constants_stay_constants() {
    let flow = flow();
    let expected = differentiate(&flow, |flow, x, c| Written::new(flow).forward(x, c).1.sum());
    let found = differentiate(&flow, |flow, x, c| flow.differentiable_forward(x, c, Plan::least()).unwrap().1.sum());
    agree(&found, &expected);
    let c = [random(C[0], 1), random(C[1], 2)];
    let (z, log_det) = flow.differentiable_forward(random(X, 0), &c, Plan::least()).unwrap();
    assert!(!z.is_autodiff() && !log_det.is_autodiff());
    let x = random(X, 0).autodiff().require_grad();
    let (z, _) = flow.differentiable_forward(x.clone(), &c, Plan::least()).unwrap();
    assert!(x.grad(&z.sum().backward()).is_some());
}

/// The likelihood is differentiated twice: in the graph, and by hand as training does it.
fn likelihood_agrees<N: Conditioner>(flow: &Glow<N>, x: Field, c: &[Field], tolerance: f64) {
    let wide = |x: Tensor<1>| values(x.cast(DType::F64));
    for plan in [Plan::least(), Plan::within(1 << 30)] {
        let by_hand = flow.likelihood_gradient(x.clone(), c, true, plan).unwrap();
        let tracked = flow.clone().train();
        let leaf = |field: &Field| field.clone().autodiff().require_grad();
        let (x, c) = (leaf(&x), c.iter().map(leaf).collect::<Vec<_>>());
        let (z, log_det) = tracked.differentiable_forward(x.clone(), &c, plan).unwrap();
        let gradients = ((z.clone() * z).sum() * 0.5 - log_det.sum()).backward();
        let agrees = |found: Tensor<1>, expected: Tensor<1>, what: &str| {
            let distance = distance(&wide(found), &wide(expected));
            assert!(distance < tolerance, "{what} is off by {distance:.1e}");
        };
        let flat = |field: Field| field.reshape([-1]);
        agrees(flat(x.grad(&gradients).unwrap()), flat(by_hand.x), "x");
        for (c, expected) in c.iter().zip(by_hand.condition) {
            agrees(flat(c.grad(&gradients).unwrap()), flat(expected.unwrap()), "a condition");
        }
        let mut gather = Flat { gradients: &gradients, found: Vec::new() };
        tracked.visit(&mut gather);
        assert!(gather.found.len() > 5);
        for (id, found) in gather.found {
            agrees(found, by_hand.parameters.get(&id).unwrap().clone(), "a parameter");
        }
    }
}

struct Flat<'a> {
    gradients: &'a Gradients,
    found: Vec<(ParamId, Tensor<1>)>,
}

impl ModuleVisitor for Flat<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients).expect("a gradient of every parameter");
        self.found.push((param.id, gradient.reshape([-1])));
    }
}

/// A network of Burn's own layers, the same at every pixel. Inside a coupling it has a graph of its own.
#[derive(Module, Debug)]
struct Pointwise {
    read: Linear,
    write: Linear,
}

impl Network for Pointwise {
    fn forward(&self, x: Field) -> Field {
        let pixels = x.permute([0, 2, 3, 4, 1]);
        self.write.forward(silu(self.read.forward(pixels))).permute([0, 4, 1, 2, 3])
    }
}

#[test]
fn the_likelihood_has_one_gradient_in_the_graph_and_by_hand() {
    let c = [random(C[0], 1), random(C[1], 2)];
    likelihood_agrees(&flow(), random(X, 0), &c, TOLERANCE);
    let single = |field: &Field| field.clone().cast(DType::F32);
    likelihood_agrees(&cast(flow(), DType::F32), single(&random(X, 0)), &[single(&c[0]), single(&c[1])], 1e-4);

    let config = GlowConfig { scales: SCALES, steps: STEPS, ..GlowConfig::default() };
    let rng = &mut stream(24, Purpose::Weights, 0);
    let device = Device::flex();
    let with_burn: Glow<Adapter<Pointwise>> = config
        .build([2, 1, 8, 4], &C.map(|c| c[1]), rng, &device, &mut |shape, _| {
            let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
            Adapter::new(Pointwise { read: layer(shape.inputs, 6), write: layer(6, shape.outputs) })
        })
        .unwrap();
    likelihood_agrees(&shaken(with_burn), random(X, 0), &c, TOLERANCE);

    let conditioner = ConvolutionalConfig { hidden: 4, activation: Activation::Silu, ..ConvolutionalConfig::default() };
    let config = GlowConfig { conditioner, ..config };
    let volume = config.conditional_glow([1, 4, 8, 4], &[3, 2], rng, &device).unwrap();
    let c = [random([2, 3, 2, 4, 2], 1), random([2, 2, 1, 2, 1], 2)];
    likelihood_agrees(&shaken(volume), random([2, 1, 4, 8, 4], 0), &c, TOLERANCE);
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let c = [random(C[0], 1), random(C[1], 2)];
    assert!(flow().differentiable_forward(random([2, 2, 1, 8, 5], 0), &c, Plan::least()).is_err());
    assert!(flow().differentiable_inverse(random(X, 0), &c[..1], Plan::least()).is_err());
}
