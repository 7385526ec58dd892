use burn::module::Module;

use crate::flow::{
    Condition, Conditioner, Direction, Field, FlowError, Invertible, PerSample, Pull, Sequence, State, Tapes,
};

/// The inverse of some layers, as a layer: its forward map is their inverse.
#[derive(Module, Debug)]
pub struct Reversed<N: Conditioner> {
    layers: Sequence<N>,
}

impl<N: Conditioner> Reversed<N> {
    /// The inverse of `layers`.
    pub fn new(layers: Sequence<N>) -> Self {
        Self { layers }
    }
}

impl<N: Conditioner> Invertible for Reversed<N> {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        self.layers.output_shape(to.reversed(), x, c)
    }

    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        let (layers, z) = self.layers.initialize(to.reversed(), x, c);
        (Self { layers }, z)
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        self.layers.transform(to.reversed(), x, c, tapes)
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        self.layers.pull(of.reversed(), output, pull)
    }
}
