//! The laws are themselves held against layers with one fault each.

use burn::module::Module;
use burn::tensor::Device;
use posteria::flow::{
    Condition, ConvolutionalConditioner, Direction, Field, FlowError, Glow, GlowConfig, GradientSlot, Invertible,
    ParameterGradients, PerSample, Pull, State, Tapes, parameters,
};
use posteria::random::{Purpose, stream};

use crate::laws::{Case, Laws};

/// What is wrong with a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The gradient of one parameter, by its place in visit order, is zero.
    ParameterLost(usize),
    /// The gradient of one parameter is one per cent too large.
    ParameterOff(usize),
    InputGradientOff,
    InputGradientLost,
    ConditionGradientLost,
    /// The gradient of log_det is left out.
    LogDetGradientLost,
    LogDetOff,
    InverseOff,
    ConditionGradientOff,
    InverseLogDetOff,
    InverseParameterOff(usize),
    InverseParameterLost(usize),
    InverseInputGradientOff,
    InverseConditionGradientLost,
    InverseLogDetGradientLost,
    SamplesMixed,
}

#[derive(Module, Debug)]
struct Broken {
    network: Wrapped,
    #[module(skip)]
    fault: Fault,
}

/// One flow step suffices here.
type Wrapped = posteria::flow::Sequence<ConvolutionalConditioner>;

impl Broken {
    fn spoil(&self, dtheta: &mut ParameterGradients, which: usize, factor: f64) {
        let (parameter, _) = parameters(&self.network).swap_remove(which);
        if let Some(gradient) = dtheta.get(&parameter.id).cloned() {
            dtheta.add_flat(parameter.id, gradient * (factor - 1.0));
        }
    }
}

impl Invertible for Broken {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        self.network.output_shape(to, x, c)
    }

    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        let (network, z) = self.network.initialize(to, x, c);
        (Self { network, ..self }, z)
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let mean = x.clone().mean_dim(0) * 1e-3;
        let x = if (self.fault, to) == (Fault::InverseOff, Direction::Inverse) { x * (1.0 + 1e-8) } else { x };
        let (z, log_det) = self.network.transform(to, x, c, tapes);
        match (self.fault, to) {
            (Fault::LogDetOff, Direction::Forward) | (Fault::InverseLogDetOff, Direction::Inverse) => {
                (z, log_det * 1.001)
            }
            (Fault::SamplesMixed, Direction::Forward) => (z + mean, log_det),
            _ => (z, log_det),
        }
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        let is_forward = of == Direction::Forward;
        let (lost, mut unwanted) = (pull.dlog_det.clone() * 0.0, vec![GradientSlot::Unwanted; pull.dcondition.len()]);
        let (log_det_lost, condition_lost) = match is_forward {
            true => (Fault::LogDetGradientLost, Fault::ConditionGradientLost),
            false => (Fault::InverseLogDetGradientLost, Fault::InverseConditionGradientLost),
        };
        let mut inner = Pull {
            condition: pull.condition,
            dcondition: if self.fault == condition_lost { &mut unwanted } else { pull.dcondition },
            dparameters: pull.dparameters,
            dlog_det: if self.fault == log_det_lost { &lost } else { pull.dlog_det },
            tapes: pull.tapes,
        };
        let State { value, gradient } = self.network.pull(of, output, &mut inner);
        match (self.fault, is_forward) {
            (Fault::ParameterLost(which), true) => self.spoil(pull.dparameters, which, 0.0),
            (Fault::InverseParameterLost(which), false) => self.spoil(pull.dparameters, which, 0.0),
            (Fault::ParameterOff(which), true) => self.spoil(pull.dparameters, which, 1.01),
            (Fault::InverseParameterOff(which), false) => self.spoil(pull.dparameters, which, 1.01),
            (Fault::ConditionGradientOff, true) => {
                let spare = pull.condition[0].clone().ones_like() * 0.01;
                pull.dcondition[0].add(spare);
            }
            (Fault::InputGradientOff, true) | (Fault::InverseInputGradientOff, false) => {
                return State { value, gradient: gradient * 1.01 };
            }
            (Fault::InputGradientLost, true) => return State { value, gradient: gradient * 0.0 },
            _ => {}
        }
        State { value, gradient }
    }
}

fn network(device: &Device) -> Wrapped {
    use posteria::flow::{
        ActNorm, Activation, ChannelMixing, ConditionerShape, ConvolutionalConfig, Coupling, Layer, Roles, Sequence,
        Transform,
    };
    let config = ConvolutionalConfig { hidden: 4, activation: Activation::Silu, ..ConvolutionalConfig::default() };
    let transform = Transform::default();
    let roles = Roles::halves(4);
    let shape = ConditionerShape::of_coupling(&roles, 2, transform, [false, true, true]);
    let rng = &mut stream(3, Purpose::Weights, 0);
    let mixing = ChannelMixing::new(4, 2, rng, device);
    let coupling = Coupling::new(config.init(shape, rng, device), transform, roles, 2);
    Sequence::new(vec![
        Layer::ActNorm(ActNorm::new(4, device)),
        Layer::ChannelMixing(mixing),
        Layer::Coupling(coupling),
    ])
}

#[test]
fn the_laws_catch_every_fault() {
    let device = Device::flex();
    let count = parameters(&network(&device)).len();
    let each = |fault: fn(usize) -> Fault| (0..count).map(fault);
    let faults: Vec<Fault> = each(Fault::ParameterLost)
        .chain(each(Fault::ParameterOff))
        .chain(each(Fault::InverseParameterOff))
        .chain(each(Fault::InverseParameterLost))
        .chain([
            Fault::InputGradientOff,
            Fault::InputGradientLost,
            Fault::ConditionGradientLost,
            Fault::LogDetGradientLost,
            Fault::LogDetOff,
            Fault::InverseOff,
            Fault::ConditionGradientOff,
            Fault::InverseLogDetOff,
            Fault::InverseInputGradientOff,
            Fault::InverseConditionGradientLost,
            Fault::InverseLogDetGradientLost,
            Fault::SamplesMixed,
        ])
        .collect();
    let missed: Vec<Fault> = faults
        .into_iter()
        .filter(|&fault| {
            let layer = Broken { network: network(&device), fault };
            let case = Case::new(layer, [2, 4, 1, 3, 3], &[[2, 2, 1, 3, 3]], &device);
            Laws::default().check(&case).is_ok()
        })
        .collect();
    assert!(missed.is_empty(), "the laws do not notice {missed:?}");
}

#[test]
fn a_glow_says_what_it_cannot_take() {
    let device = Device::flex();
    let rng = &mut stream(3, Purpose::Weights, 0);
    let config = GlowConfig::default();
    let error = config.glow([1, 1, 12, 16], rng, &device).expect_err("12 is not divisible by 8");
    assert_eq!(error, FlowError::Indivisible { axis: "height", size: 12, divisor: 8 });
    let error =
        config.conditional_glow([1, 1, 16, 16], &[1, 1], rng, &device).expect_err("two conditions, three scales");
    assert!(matches!(error, FlowError::Conditions { expected: 3, found: 2 }), "{error}");
    let network: Glow = config.glow([1, 1, 16, 16], rng, &device).expect("a Glow");
    let x = Field::zeros([1, 2, 1, 16, 16], &device);
    assert!(matches!(network.log_prob(x, &[]), Err(FlowError::SampleShape { .. })));
}
