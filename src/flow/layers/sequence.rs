use burn::module::Module;

use crate::flow::{
    ActNorm, ChannelMixing, Condition, Conditioner, Coupling, Deeper, Direction, Field, FlowError, Invertible, Parts,
    PerSample, Pull, Reversed, Squeeze, State, Tapes,
};
use crate::kernels::no_log_det;

/// Any layer, over conditioners of one kind. (Burn's modules are not object-safe: an enum takes the place of `dyn`.)
#[derive(Module, Debug)]
pub enum Layer<N: Conditioner> {
    /// Scale and shift of each channel.
    ActNorm(ActNorm),
    /// Orthogonal 1×1 convolution.
    ChannelMixing(ChannelMixing),
    /// Some channels transformed by others.
    Coupling(Coupling<N>),
    /// Resolution traded for channels.
    Squeeze(Squeeze),
    /// Channels cut in two, each part with layers of its own.
    Parts(Parts<Sequence<N>>),
    /// Layers that are given the conditions from the second on.
    Deeper(Deeper<Sequence<N>>),
    /// The inverse of some layers.
    Reversed(Reversed<Sequence<N>>),
}

/// Calls the same method of whichever layer it is.
macro_rules! each {
    ($layer:expr, $inner:ident => $call:expr) => {
        match $layer {
            Layer::ActNorm($inner) => $call,
            Layer::ChannelMixing($inner) => $call,
            Layer::Coupling($inner) => $call,
            Layer::Squeeze($inner) => $call,
            Layer::Parts($inner) => $call,
            Layer::Deeper($inner) => $call,
            Layer::Reversed($inner) => $call,
        }
    };
}

impl<N: Conditioner> Invertible for Layer<N> {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        each!(self, layer => layer.output_shape(to, x, c))
    }

    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        fn wrap<L, T>((layer, z): (L, Field), variant: fn(L) -> T) -> (T, Field) {
            (variant(layer), z)
        }
        match self {
            Layer::ActNorm(layer) => wrap(layer.initialize(to, x, c), Layer::ActNorm),
            Layer::ChannelMixing(layer) => wrap(layer.initialize(to, x, c), Layer::ChannelMixing),
            Layer::Coupling(layer) => wrap(layer.initialize(to, x, c), Layer::Coupling),
            Layer::Squeeze(layer) => wrap(layer.initialize(to, x, c), Layer::Squeeze),
            Layer::Parts(layer) => wrap(layer.initialize(to, x, c), Layer::Parts),
            Layer::Deeper(layer) => wrap(layer.initialize(to, x, c), Layer::Deeper),
            Layer::Reversed(layer) => wrap(layer.initialize(to, x, c), Layer::Reversed),
        }
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        each!(self, layer => layer.transform(to, x, c, tapes))
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        each!(self, layer => layer.pull(of, output, pull))
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

    /// The layers in the order in which a map that goes this way meets them.
    fn along(&self, to: Direction) -> impl Iterator<Item = &Layer<N>> {
        let count = self.layers.len();
        (0..count).map(move |i| &self.layers[if to == Direction::Forward { i } else { count - 1 - i }])
    }
}

impl<N: Conditioner> Invertible for Sequence<N> {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        self.along(to).try_fold(x, |x, layer| layer.output_shape(to, x, c))
    }

    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        let turn = |layers: &mut Vec<Layer<N>>| {
            if to == Direction::Inverse {
                layers.reverse();
            }
        };
        let mut waiting = self.layers;
        turn(&mut waiting);
        let (mut layers, mut z) = (Vec::with_capacity(waiting.len()), x);
        for layer in waiting {
            let (layer, next) = layer.initialize(to, z, c);
            layers.push(layer);
            z = next;
        }
        turn(&mut layers);
        (Self { layers }, z)
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let none = no_log_det(&x);
        self.along(to).fold((x, none), |(x, sum), layer| {
            let (z, log_det) = layer.transform(to, x, c, tapes);
            (z, sum + log_det)
        })
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        self.along(of.reversed()).fold(output, |output, layer| {
            let input = layer.pull(of, output, pull);
            pull.dparameters.end_layer();
            input
        })
    }
}
