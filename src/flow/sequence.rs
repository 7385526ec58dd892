use burn::module::Module;

use crate::flow::{
    ActNorm, ChannelMixing, Condition, ConditionGradient, Conditioner, Coupling, Field, FlowError, Invertible,
    ParameterGradients, PerSample, Split, Squeeze, Tapes,
};
use crate::kernels::no_log_det;

/// Any layer, over conditioners of one kind. (Burn's modules are not object-safe: an enum takes the place of `dyn`.)
#[derive(Module, Debug)]
pub enum Layer<N: Conditioner> {
    /// Scale and shift of each channel.
    ActNorm(ActNorm),
    /// Orthogonal 1×1 convolution.
    ChannelMixing(ChannelMixing),
    /// One half transformed by the other.
    Coupling(Coupling<N>),
    /// Resolution traded for channels.
    Squeeze(Squeeze),
    /// The rest of the network on half of the channels.
    Split(Split<N>),
}

/// Calls the same method of whichever layer it is.
macro_rules! each {
    ($layer:expr, $inner:ident => $call:expr) => {
        match $layer {
            Layer::ActNorm($inner) => $call,
            Layer::ChannelMixing($inner) => $call,
            Layer::Coupling($inner) => $call,
            Layer::Squeeze($inner) => $call,
            Layer::Split($inner) => $call,
        }
    };
}

impl<N: Conditioner> Invertible for Layer<N> {
    fn output_shape(&self, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        each!(self, layer => layer.output_shape(x, c))
    }

    fn initialize(self, x: Field, c: &Condition) -> (Self, Field) {
        fn wrap<L, T>((layer, z): (L, Field), variant: fn(L) -> T) -> (T, Field) {
            (variant(layer), z)
        }
        match self {
            Layer::ActNorm(layer) => wrap(layer.initialize(x, c), Layer::ActNorm),
            Layer::ChannelMixing(layer) => wrap(layer.initialize(x, c), Layer::ChannelMixing),
            Layer::Coupling(layer) => wrap(layer.initialize(x, c), Layer::Coupling),
            Layer::Squeeze(layer) => wrap(layer.initialize(x, c), Layer::Squeeze),
            Layer::Split(layer) => wrap(layer.initialize(x, c), Layer::Split),
        }
    }

    fn forward(&self, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        each!(self, layer => layer.forward(x, c, tapes))
    }

    fn inverse(&self, z: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        each!(self, layer => layer.inverse(z, c, tapes))
    }

    fn forward_vjp(
        &self,
        z: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        each!(self, layer => layer.forward_vjp(z, dlog_det, c, dc, dtheta, tapes))
    }

    fn inverse_vjp(
        &self,
        x: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        each!(self, layer => layer.inverse_vjp(x, dlog_det, c, dc, dtheta, tapes))
    }
}

/// Layers one after the other; log-determinants add up. The one loop over layers there is.
#[derive(Module, Debug)]
pub struct Sequence<N: Conditioner> {
    layers: Vec<Layer<N>>,
}

impl<N: Conditioner> Sequence<N> {
    /// The layers, the first to see x first.
    pub fn new(layers: Vec<Layer<N>>) -> Self {
        Self { layers }
    }
}

impl<N: Conditioner> Invertible for Sequence<N> {
    fn output_shape(&self, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        self.layers.iter().try_fold(x, |x, layer| layer.output_shape(x, c))
    }

    fn initialize(self, x: Field, c: &Condition) -> (Self, Field) {
        let mut z = x;
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in self.layers {
            let (layer, next) = layer.initialize(z, c);
            layers.push(layer);
            z = next;
        }
        (Self { layers }, z)
    }

    fn forward(&self, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let none = no_log_det(&x);
        self.layers.iter().fold((x, none), |(x, sum), layer| {
            let (z, log_det) = layer.forward(x, c, tapes);
            (z, sum + log_det)
        })
    }

    fn inverse(&self, z: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let none = no_log_det(&z);
        self.layers.iter().rev().fold((z, none), |(z, sum), layer| {
            let (x, log_det) = layer.inverse(z, c, tapes);
            (x, sum + log_det)
        })
    }

    fn forward_vjp(
        &self,
        z: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        self.layers.iter().rev().fold(z, |z, layer| {
            let x = layer.forward_vjp(z, dlog_det, c, dc, dtheta, tapes);
            dtheta.end_layer();
            x
        })
    }

    fn inverse_vjp(
        &self,
        x: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        self.layers.iter().fold(x, |x, layer| {
            let z = layer.inverse_vjp(x, dlog_det, c, dc, dtheta, tapes);
            dtheta.end_layer();
            z
        })
    }
}
