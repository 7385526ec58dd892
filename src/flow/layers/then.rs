use burn::module::Module;

use crate::flow::{Condition, Direction, Field, FlowError, Invertible, PerSample, Pull, State, Tapes};

/// One map after another of any two kinds: how layers of one's own stand beside those of the library.
#[derive(Module, Debug)]
pub struct Then<A: Invertible, B: Invertible> {
    first: A,
    second: B,
}

impl<A: Invertible, B: Invertible> Then<A, B> {
    /// `first` sees x first.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: Invertible, B: Invertible> Invertible for Then<A, B> {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        match to {
            Direction::Forward => self.second.output_shape(to, self.first.output_shape(to, x, c)?, c),
            Direction::Inverse => self.first.output_shape(to, self.second.output_shape(to, x, c)?, c),
        }
    }

    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        match to {
            Direction::Forward => {
                let (first, x) = self.first.initialize(to, x, c);
                let (second, z) = self.second.initialize(to, x, c);
                (Self { first, second }, z)
            }
            Direction::Inverse => {
                let (second, x) = self.second.initialize(to, x, c);
                let (first, z) = self.first.initialize(to, x, c);
                (Self { first, second }, z)
            }
        }
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let (z, [one, other]) = match to {
            Direction::Forward => {
                let (x, one) = self.first.transform(to, x, c, tapes);
                let (z, other) = self.second.transform(to, x, c, tapes);
                (z, [one, other])
            }
            Direction::Inverse => {
                let (x, one) = self.second.transform(to, x, c, tapes);
                let (z, other) = self.first.transform(to, x, c, tapes);
                (z, [one, other])
            }
        };
        (z, one + other)
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        match of {
            Direction::Forward => {
                let output = self.second.pull(of, output, pull);
                pull.dparameters.end_layer();
                self.first.pull(of, output, pull)
            }
            Direction::Inverse => {
                let output = self.first.pull(of, output, pull);
                pull.dparameters.end_layer();
                self.second.pull(of, output, pull)
            }
        }
    }
}
