use burn::module::Module;

use crate::flow::{Condition, Direction, Field, FlowError, Invertible, PerSample, Pull, State, Tapes};

/// The inverse of some layers, as a layer: its forward map is their inverse.
#[derive(Module, Debug)]
pub struct Reversed<L: Invertible> {
    layers: L,
}

impl<L: Invertible> Reversed<L> {
    /// The inverse of `layers`.
    pub fn new(layers: L) -> Self {
        Self { layers }
    }
}

impl<L: Invertible> Invertible for Reversed<L> {
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
