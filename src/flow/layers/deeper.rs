use burn::module::Module;

use crate::flow::pull::deeper;
use crate::flow::{
    Condition, Conditioner, Direction, Field, FlowError, Invertible, PerSample, Pull, Sequence, State, Tapes,
};

/// Layers of the next scale: they are given the conditions from the second on.
#[derive(Module, Debug)]
pub struct Deeper<N: Conditioner> {
    rest: Sequence<N>,
}

impl<N: Conditioner> Deeper<N> {
    /// `rest` sees `&c[1..]` of the conditions c.
    pub fn new(rest: Sequence<N>) -> Self {
        Self { rest }
    }
}

impl<N: Conditioner> Invertible for Deeper<N> {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        self.rest.output_shape(to, x, deeper(c)).map_err(|error| match error {
            FlowError::MissingCondition { scale, found } => {
                FlowError::MissingCondition { scale: scale + 1, found: found + c.len().min(1) }
            }
            other => other,
        })
    }

    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        let (rest, z) = self.rest.initialize(to, x, deeper(c));
        (Self { rest }, z)
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        self.rest.transform(to, x, deeper(c), tapes)
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        self.rest.pull(of, output, &mut pull.deeper())
    }
}
