//! Every layer and network, in one, two and three dimensions, with odd and even channels and sizes.

use burn::tensor::Device;
use posteria::flow::{
    ActNorm, Activation, Adapter, BaseConfig, Border, ChannelMixing, ConditionerShape, ConvolutionalConditioner,
    ConvolutionalConfig, Coupling, Deeper, Direction, Either, GlowConfig, Invertible, Layer, NiceConfig, Parts,
    Reversed, Roles, Sequence, Squeeze, Squeezer, Then, Transform, map_parameters,
};
use posteria::random::{Purpose, stream};

use crate::laws::Case;
use crate::network::Attentive;

pub trait Visitor {
    fn entry<L: Invertible>(&mut self, name: &str, case: Case<L>);
}

const LINE: [bool; 3] = [false, false, true];
const PLANE: [bool; 3] = [false, true, true];
const VOLUME: [bool; 3] = [true, true, true];
const AFFINE: Transform = Transform::Affine { bound: 1.5 };

/// Smooth activations: the laws take derivatives by differences. The kinked ones are held against autodiff.
fn smooth(kernels: &[usize], border: Border) -> ConvolutionalConfig {
    ConvolutionalConfig { hidden: 5, kernels: kernels.to_vec(), activation: Activation::Silu, border }
}

fn coupling(
    config: &ConvolutionalConfig,
    transform: Transform,
    roles: Roles,
    condition: usize,
    axes: [bool; 3],
    device: &Device,
) -> Coupling<ConvolutionalConditioner> {
    let shape = ConditionerShape::of_coupling(&roles, condition, transform, axes);
    let conditioner = config.init(shape, &mut stream(3, Purpose::Weights, 0), device);
    Coupling::new(conditioner, transform, roles, condition)
}

fn glow(scales: usize, steps: usize, squeezer: Squeezer, border: Border) -> GlowConfig {
    let conditioner = smooth(&[3, 1, 3], border);
    GlowConfig { scales, steps, reflections: 3, squeezer, transform: AFFINE, conditioner, base: BaseConfig::Normal }
}

pub fn visit<V: Visitor>(device: &Device, visitor: &mut V) {
    actnorm_and_mixing(device, visitor);
    couplings(device, visitor);
    squeezes_and_parts(device, visitor);
    glows(device, visitor);
}

fn actnorm_and_mixing<V: Visitor>(device: &Device, visitor: &mut V) {
    for (name, shape) in [
        ("ActNorm 1D, odd", [3, 3, 1, 1, 7]),
        ("ActNorm 2D", [2, 4, 1, 3, 5]),
        ("ActNorm 3D, batch of one", [1, 2, 2, 3, 3]),
        ("ActNorm, one pixel", [2, 5, 1, 1, 1]),
    ] {
        visitor.entry(name, Case::new(ActNorm::new(shape[1], device), shape, &[], device));
    }
    for (name, shape, reflections) in [
        ("mixing 1D, 3 of 4", [2, 4, 1, 1, 5], 3),
        ("mixing 2D, odd channels", [2, 5, 1, 3, 2], 3),
        ("mixing 3D, one reflection", [1, 3, 2, 2, 2], 1),
        ("mixing of one channel", [2, 1, 1, 2, 3], 1),
        ("mixing, as many reflections as channels", [2, 6, 1, 2, 2], 6),
    ] {
        let mixing = ChannelMixing::new(shape[1], reflections, &mut stream(3, Purpose::Weights, 0), device);
        visitor.entry(name, Case::new(mixing, shape, &[], device));
    }
}

fn couplings<V: Visitor>(device: &Device, visitor: &mut V) {
    let zeros = smooth(&[3, 1, 3], Border::Zeros);
    let periodic = smooth(&[3, 1, 3], Border::Periodic);
    let one = smooth(&[3], Border::Zeros);
    let mixed = smooth(&[5, 3], Border::Periodic);
    let additive = Transform::Additive;
    let none: &[[usize; 5]] = &[];
    for (name, config, transform, x, c, axes) in [
        ("coupling 1D", &zeros, AFFINE, [2, 4, 1, 1, 6], none, LINE),
        ("coupling 1D, odd channels and size", &zeros, AFFINE, [2, 3, 1, 1, 5], none, LINE),
        ("coupling 2D", &zeros, AFFINE, [2, 2, 1, 4, 4], none, PLANE),
        ("coupling 2D, odd channels and sizes", &zeros, AFFINE, [2, 5, 1, 3, 5], none, PLANE),
        ("coupling 2D, batch of one", &zeros, AFFINE, [1, 4, 1, 3, 3], none, PLANE),
        ("coupling 2D, periodic", &periodic, AFFINE, [2, 3, 1, 4, 3], none, PLANE),
        ("coupling 2D, kernels wider than the image", &mixed, AFFINE, [2, 2, 1, 2, 3], none, PLANE),
        ("coupling 2D, one convolution", &one, AFFINE, [2, 4, 1, 3, 3], none, PLANE),
        ("coupling 2D, additive", &zeros, additive, [2, 4, 1, 3, 3], none, PLANE),
        ("coupling 3D", &zeros, AFFINE, [1, 2, 2, 3, 3], none, VOLUME),
        ("coupling 3D, periodic, odd", &periodic, AFFINE, [2, 3, 3, 2, 2], none, VOLUME),
        ("coupling of a vector", &smooth(&[1, 1], Border::Zeros), AFFINE, [3, 7, 1, 1, 1], none, [false; 3]),
        ("conditional coupling 1D", &zeros, AFFINE, [2, 3, 1, 1, 5], &[[2, 2, 1, 1, 5]], LINE),
        ("conditional coupling 2D", &zeros, AFFINE, [2, 4, 1, 3, 4], &[[2, 3, 1, 3, 4]], PLANE),
        (
            "conditional coupling 2D, one vector for all pixels",
            &zeros,
            AFFINE,
            [2, 4, 1, 3, 4],
            &[[2, 3, 1, 1, 1]],
            PLANE,
        ),
        ("conditional coupling 2D, additive", &periodic, additive, [2, 3, 1, 3, 4], &[[2, 1, 1, 3, 4]], PLANE),
        ("conditional coupling 3D", &zeros, AFFINE, [1, 3, 2, 2, 3], &[[1, 2, 2, 2, 3]], VOLUME),
    ] {
        let condition = c.first().map_or(0, |c| c[1]);
        let layer = coupling(config, transform, Roles::halves(x[1]), condition, axes, device);
        visitor.entry(name, Case::new(layer, x, c, device));
    }
    for (name, channels, moves, reads, condition) in [
        ("coupling that moves its last channels", 5, 3..5, 0..3, 0),
        ("coupling that leaves channels aside", 7, 1..3, 4..6, 0),
        ("conditional coupling that reads one channel in front of those it moves", 6, 2..5, 0..1, 2),
    ] {
        let roles = Roles::new(channels, moves, reads).expect("ranges apart");
        let c: &[[usize; 5]] = if condition == 0 { &[] } else { &[[2, 2, 1, 3, 4]] };
        let layer = coupling(&zeros, AFFINE, roles, condition, PLANE, device);
        visitor.entry(name, Case::new(layer, [2, channels, 1, 3, 4], c, device));
    }
    let roles = Roles::halves(4);
    let shape = ConditionerShape::of_coupling(&roles, 2, AFFINE, PLANE);
    let written = Coupling::new(Adapter::new(Attentive::new(shape, device)), AFFINE, roles, 2);
    let case = Case::new(written, [2, 4, 1, 3, 4], &[[2, 2, 1, 3, 4]], device);
    visitor.entry("coupling with a user's network: group norm and attention", case);
}

fn squeezes_and_parts<V: Visitor>(device: &Device, visitor: &mut V) {
    for squeezer in [Squeezer::Haar, Squeezer::Checkerboard] {
        for (axes, x) in [(LINE, [2, 3, 1, 1, 6]), (PLANE, [2, 1, 1, 4, 6]), (VOLUME, [1, 2, 2, 4, 2])] {
            let squeeze = Squeeze::new(squeezer, axes);
            let coarse = squeeze.output_shape(Direction::Forward, x, &[]).expect("even sizes");
            let back = reversed(vec![Layer::Squeeze(squeeze.clone())]);
            visitor.entry(&format!("{squeezer:?} {axes:?}"), Case::new(squeeze, x, &[], device));
            visitor.entry(&format!("{squeezer:?} {axes:?}, reversed"), Case::new(back, coarse, &[], device));
        }
    }
    let config = smooth(&[3, 3], Border::Zeros);
    let step = |channels: usize, condition: usize| {
        let inner = coupling(&config, AFFINE, Roles::halves(channels), condition, PLANE, device);
        vec![Layer::ActNorm(ActNorm::new(channels, device)), Layer::Coupling(inner)]
    };
    for (name, channels, condition) in [("next scale", 4, 0), ("next scale of odd channels, conditional", 5, 2)] {
        let half = usize::div_ceil(channels, 2);
        let deeper = Layer::Deeper(Deeper::new(Sequence::new(step(half, condition))));
        let parts = Parts::new(half, Some(Sequence::new(vec![deeper])), None);
        let c: &[[usize; 5]] = if condition == 0 { &[] } else { &[[2, 1, 1, 3, 4], [2, 2, 1, 3, 4]] };
        visitor.entry(name, Case::new(parts, [2, channels, 1, 3, 4], c, device));
    }
    let c: &[[usize; 5]] = &[[2, 2, 1, 3, 4]];
    let both = Parts::new(2, Some(Sequence::new(step(2, 2))), Some(Sequence::new(step(3, 2))));
    visitor.entry("both parts with layers, conditional", Case::new(both, [2, 5, 1, 3, 4], c, device));
    let second = Parts::new(1, None, Some(Sequence::new(step(3, 0))));
    visitor.entry("the second part with layers", Case::new(second, [2, 4, 1, 3, 4], &[], device));
    let back = reversed(step(4, 2));
    visitor.entry("ActNorm and conditional coupling, reversed", Case::new(back, [2, 4, 1, 3, 4], c, device));
    let then = Then::new(ActNorm::new(4, device), reversed(step(4, 2)));
    visitor.entry("ActNorm, then a reversed sequence", Case::new(then, [2, 4, 1, 3, 4], c, device));
    let twice = reversed(vec![Layer::Reversed(reversed(step(4, 0)))]);
    visitor.entry("reversed twice", Case::new(twice, [2, 4, 1, 3, 4], &[], device));
}

fn reversed(layers: Vec<Layer<ConvolutionalConditioner>>) -> Reversed<Sequence<ConvolutionalConditioner>> {
    Reversed::new(Sequence::new(layers))
}

fn glows<V: Visitor>(device: &Device, visitor: &mut V) {
    let mut rng = stream(3, Purpose::Weights, 0);
    let zeros = Border::Zeros;
    for (name, config, shape, condition) in [
        ("Glow 1D", glow(2, 2, Squeezer::Haar, zeros), [1, 1, 1, 8], vec![]),
        ("Glow 2D, three channels", glow(1, 2, Squeezer::Checkerboard, zeros), [3, 1, 4, 2], vec![]),
        ("Glow 2D, three scales", glow(3, 1, Squeezer::Haar, zeros), [1, 1, 8, 8], vec![]),
        ("Glow 2D, odd halves", glow(2, 2, Squeezer::Haar, Border::Periodic), [1, 1, 12, 4], vec![]),
        ("Glow 3D", glow(2, 1, Squeezer::Haar, zeros), [1, 4, 4, 4], vec![]),
        ("Glow of a vector", glow(1, 3, Squeezer::Haar, zeros), [6, 1, 1, 1], vec![]),
        ("conditional Glow 1D", glow(2, 1, Squeezer::Haar, zeros), [1, 1, 1, 8], vec![2, 3]),
        ("conditional Glow 2D", glow(2, 2, Squeezer::Haar, Border::Periodic), [1, 1, 8, 4], vec![4, 2]),
        ("conditional Glow 3D", glow(1, 2, Squeezer::Checkerboard, zeros), [1, 2, 4, 2], vec![3]),
        ("conditional Glow of a vector", glow(1, 2, Squeezer::Haar, zeros), [5, 1, 1, 1], vec![4]),
    ] {
        let network = config.conditional_glow(shape, &condition, &mut rng, device).expect(name);
        let ([channels, d, h, w], c) = (shape, network.condition_shapes(2));
        visitor.entry(name, Case::scaled(network.into_layers(), [2, channels, d, h, w], &c, 0.6, 0.2, device));
    }
    let config = glow(2, 1, Squeezer::Haar, zeros);
    let network = config.conditional_glow([1, 1, 8, 4], &[2, 3], &mut rng, device).expect("a Glow");
    let c = network.condition_shapes(2);
    let back = Case::scaled(network.into_layers(), [2, 1, 1, 8, 4], &c, 0.6, 0.2, device);
    let back = Case { layer: Reversed::new(back.layer), x: back.x, c: back.c };
    visitor.entry("conditional Glow, reversed", back);
    for (name, squeezer, shape, condition) in [
        ("NICE 2D", Squeezer::Haar, [1, 1, 8, 4], vec![]),
        ("NICE 1D, checkerboard", Squeezer::Checkerboard, [1, 1, 1, 8], vec![]),
        ("conditional NICE 3D", Squeezer::Haar, [1, 4, 4, 4], vec![2, 1]),
        ("conditional NICE of a vector", Squeezer::Haar, [5, 1, 1, 1], vec![3]),
    ] {
        let (scales, conditioner) = (condition.len().max(1), smooth(&[3, 1, 3], zeros));
        let config = NiceConfig { scales, steps: 2, squeezer, conditioner, ..NiceConfig::default() };
        let network = config.build(shape, &condition, &mut rng, device).expect(name);
        let ([channels, d, h, w], c) = (shape, network.condition_shapes(2));
        visitor.entry(name, Case::scaled(network.into_layers(), [2, channels, d, h, w], &c, 0.6, 0.2, device));
    }
    let network = config
        .build([1, 1, 8, 4], &[2, 3], &mut rng, device, &mut |shape, _| Adapter::new(Attentive::new(shape, device)))
        .expect("a Glow over a user's network");
    let c = network.condition_shapes(2);
    let case = Case::scaled(network.into_layers(), [2, 1, 1, 8, 4], &c, 0.6, 0.2, device);
    visitor.entry("conditional Glow over a user's network", case);
    let (mut made, convolutions) = (0, smooth(&[3, 1, 3], zeros));
    let mut one_or_the_other = |shape: ConditionerShape, rng: &mut rand_chacha::ChaCha8Rng| {
        made += 1;
        match made % 2 {
            0 => Either::First(convolutions.init(shape, rng, device)),
            _ => Either::Second(Adapter::new(Attentive::new(shape, device))),
        }
    };
    let network = glow(1, 2, Squeezer::Haar, zeros)
        .build([1, 1, 4, 4], &[2], &mut rng, device, &mut one_or_the_other)
        .expect("a Glow over networks of two kinds");
    let c = network.condition_shapes(2);
    let case = Case::scaled(network.into_layers(), [2, 1, 1, 4, 4], &c, 0.6, 0.2, device);
    visitor.entry("conditional Glow over networks of two kinds", case);
}

/// L = 3, K = 80: 240 flow steps, hidden width 64, couplings with log-scales of rms 0.1 and more at every depth: each
/// ActNorm, started from data, undoes what the random couplings before it do to the size of their input.
pub fn deep_glow(device: &Device) -> Case<Sequence<ConvolutionalConditioner>> {
    let config = GlowConfig { scales: 3, steps: 80, conditioner: wide(), ..GlowConfig::default() };
    let network = config.glow([3, 1, 16, 16], &mut stream(3, Purpose::Weights, 0), device).expect("a deep Glow");
    let case = vivid(Case::scaled(network.into_layers(), [8, 3, 1, 16, 16], &[], LAST, 0.1, device));
    let (layer, _) = case.layer.initialize(Direction::Forward, case.x.clone(), &[]);
    Case { layer, x: case.x.narrow(0, 0, 1), c: Vec::new() }
}

/// One coupling as those of [`deep_glow`].
pub fn deep_coupling(device: &Device) -> Case<Coupling<ConvolutionalConditioner>> {
    let coupling = coupling(&wide(), Transform::default(), Roles::halves(12), 0, PLANE, device);
    vivid(Case::scaled(coupling, [2, 12, 1, 8, 8], &[], LAST, 0.1, device))
}

fn wide() -> ConvolutionalConfig {
    ConvolutionalConfig { hidden: 64, ..ConvolutionalConfig::default() }
}

/// Size of the weights of the last convolution, whose outputs are log-scales and shifts.
const LAST: f64 = 0.1;

/// All convolutions but the last keep the variance of what they see.
fn vivid<L: Invertible>(case: Case<L>) -> Case<L> {
    let layer = map_parameters(case.layer, &mut |parameter, value| {
        let hidden = ["layers.0.weight", "layers.1.weight"].iter().any(|end| parameter.path.ends_with(end));
        if hidden { value / LAST } else { value }
    });
    Case { layer, ..case }
}
