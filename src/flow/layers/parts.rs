use std::ops::Range;

use burn::module::Module;

use crate::flow::{Condition, Direction, Field, FlowError, Invertible, PerSample, Pull, State, Tapes};
use crate::kernels::{no_log_det, replace_channels};

/// Cuts the channels in two and puts them together again, each part transformed by layers of its own.
///
///   (x₁, x₂) = x,   z = (f₁(x₁), f₂(x₂)),   log_det = the sum of both.
///
/// With no layers for the second part and a scale [`Deeper`](crate::flow::Deeper) in the first this is the multi-scale
/// network of Dinh et al. (2017, section 3.6), a layer like any other. Both parts keep their shapes.
#[derive(Module, Debug)]
pub struct Parts<L: Invertible> {
    first: Option<L>,
    second: Option<L>,
    /// Channels of the first part.
    #[module(skip)]
    channels: usize,
}

impl<L: Invertible> Parts<L> {
    /// `first` transforms that many channels, `second` those behind them; a part without layers stays as it is.
    pub fn new(channels: usize, first: Option<L>, second: Option<L>) -> Self {
        Self { first, second, channels }
    }

    /// The parts that are transformed, and which channels they have.
    fn each(&self, all: usize) -> impl Iterator<Item = (&L, Range<usize>)> {
        let parts = [(&self.first, 0..self.channels), (&self.second, self.channels..all)];
        parts.into_iter().filter_map(|(layers, channels)| Some((layers.as_ref()?, channels)))
    }
}

/// Some channels of a field.
fn part(x: &Field, channels: &Range<usize>) -> Field {
    x.clone().narrow(1, channels.start, channels.len())
}

impl<L: Invertible> Invertible for Parts<L> {
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        if self.channels == 0 || self.channels >= x[1] {
            return Err(FlowError::Cut { cut: self.channels, found: x[1] });
        }
        for (layers, channels) in self.each(x[1]) {
            let mut of_part = x;
            of_part[1] = channels.len();
            let found = layers.output_shape(to, of_part, c)?;
            if found != of_part {
                return Err(FlowError::PartShape { expected: of_part, found });
            }
        }
        Ok(x)
    }

    fn initialize(mut self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        let (mut z, channels) = (x, self.channels);
        let all = z.dims()[1];
        for (layers, channels) in [(&mut self.first, 0..channels), (&mut self.second, channels..all)] {
            if let Some(waiting) = layers.take() {
                let (started, of_part) = waiting.initialize(to, part(&z, &channels), c);
                (*layers, z) = (Some(started), replace_channels(z, channels.start, of_part));
            }
        }
        (self, z)
    }

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let none = no_log_det(&x);
        let along = in_order(self.each(x.dims()[1]), to);
        along.fold((x, none), |(x, sum), (layers, channels)| {
            let (z, log_det) = layers.transform(to, part(&x, &channels), c, tapes);
            (replace_channels(x, channels.start, z), sum + log_det)
        })
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        let along = in_order(self.each(output.value.dims()[1]), of.reversed());
        along.fold(output, |State { value, gradient }, (layers, channels)| {
            let of_part = State { value: part(&value, &channels), gradient: part(&gradient, &channels) };
            let pulled = layers.pull(of, of_part, pull);
            let [value, gradient] = [(value, pulled.value), (gradient, pulled.gradient)]
                .map(|(all, part)| replace_channels(all, channels.start, part));
            State { value, gradient }
        })
    }
}

/// The first part first in a forward map, and last in an inverse one. A gradient walks the parts the other way round than its
/// map, so tapes come off in reverse.
fn in_order<T>(parts: impl Iterator<Item = T>, to: Direction) -> impl Iterator<Item = T> {
    let mut parts: Vec<T> = parts.collect();
    if to == Direction::Inverse {
        parts.reverse();
    }
    parts.into_iter()
}
