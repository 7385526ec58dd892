use burn::module::Module;

use crate::flow::pull::deeper;
use crate::flow::{Condition, Direction, Field, FlowError, Invertible, PerSample, Pull, State, Tapes};

/// Layers of the next scale: they are given the conditions from the second on.
#[derive(Module, Debug)]
pub struct Deeper<L: Invertible> {
    rest: L,
}

impl<L: Invertible> Deeper<L> {
    /// `rest` sees `&c[1..]` of the conditions c.
    pub fn new(rest: L) -> Self {
        Self { rest }
    }
}

impl<L: Invertible> Invertible for Deeper<L> {
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
