use burn::module::Module;

use crate::flow::{Border, Conditioner, ConvolutionStack, Field, ParameterGradients, Tile};

/// A conditioner of one of two kinds, so that couplings of one network may have networks of different kinds. Of more kinds, one
/// of the two is such a choice again.
#[derive(Module, Debug)]
pub enum Either<A: Conditioner, B: Conditioner> {
    /// Of the first kind.
    First(A),
    /// Of the second kind.
    Second(B),
}

/// What one of the two keeps.
pub enum EitherTape<A, B> {
    /// The first kind.
    First(A),
    /// The second kind.
    Second(B),
}

/// Calls the same method of whichever kind it is.
macro_rules! each {
    ($either:expr, $inner:ident => $call:expr) => {
        match $either {
            Either::First($inner) => $call,
            Either::Second($inner) => $call,
        }
    };
}

impl<A: Conditioner, B: Conditioner> Conditioner for Either<A, B> {
    type Tape = EitherTape<A::Tape, B::Tape>;

    fn reach(&self) -> Option<[usize; 3]> {
        each!(self, network => network.reach())
    }

    fn border(&self) -> Border {
        each!(self, network => network.border())
    }

    fn tape_bytes(&self) -> Option<usize> {
        each!(self, network => network.tape_bytes())
    }

    fn stack(&self) -> Option<ConvolutionStack> {
        each!(self, network => network.stack())
    }

    fn apply(&self, tile: Tile) -> Field {
        each!(self, network => network.apply(tile))
    }

    fn apply_taped(&self, tile: Tile) -> (Field, Self::Tape) {
        match self {
            Either::First(network) => {
                let (y, tape) = network.apply_taped(tile);
                (y, EitherTape::First(tape))
            }
            Either::Second(network) => {
                let (y, tape) = network.apply_taped(tile);
                (y, EitherTape::Second(tape))
            }
        }
    }

    fn pull(&self, tape: Self::Tape, dy: Field, channels: usize, dparameters: &mut ParameterGradients) -> Field {
        match (self, tape) {
            (Either::First(network), EitherTape::First(tape)) => network.pull(tape, dy, channels, dparameters),
            (Either::Second(network), EitherTape::Second(tape)) => network.pull(tape, dy, channels, dparameters),
            // A coupling gives its network the tape that this network made, and no other.
            _ => unreachable!("a tape of the other kind"),
        }
    }
}
