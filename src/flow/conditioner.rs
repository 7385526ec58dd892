use burn::module::{Module, ModuleDisplay, Param};
use burn::tensor::Tensor;

use crate::flow::{Activation, Border, Field, ParameterGradients};
use crate::kernels::Convolutions;

/// What lies beyond one side of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The border of the image: convolutions pad here.
    Border,
    /// More of the image, of which the tile holds as much as the conditioner reaches; convolutions shrink here.
    Interior,
}

/// A piece of an image, or all of it, that knows where the true border is.
///
/// A conditioner applied to a tile gives the same numbers as applied to the whole image and cut: at each interior side
/// the result is smaller than the tile by the conditioner's reach. A periodic image is either whole along an axis or
/// interior on both sides of it.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Its pixels, `[batch, channel, d, h, w]`.
    pub field: Field,
    /// Before and after each of depth, height and width.
    pub edges: [[Edge; 2]; 3],
}

impl Tile {
    /// The whole image.
    pub fn whole(field: Field) -> Self {
        Self { field, edges: [[Edge::Border; 2]; 3] }
    }
}

/// What a conditioner is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionerShape {
    /// Channels it reads: those of x that the coupling reads, and the condition.
    pub inputs: usize,
    /// Channels it gives: what the coupling's transform takes.
    pub outputs: usize,
    /// Which of depth, height and width are spatial axes.
    pub axes: [bool; 3],
}

/// A network of convolutions that keep the extents of an image, with one nonlinearity between them, as data. It gives what
/// [`Conditioner::apply`] gives.
#[derive(Clone, Debug)]
pub struct ConvolutionStack {
    /// Weights `[out, in, kd, kh, kw]` and biases `[out]`, the first to see the input first.
    pub layers: Vec<(Param<Tensor<5>>, Param<Tensor<1>>)>,
    /// Between two convolutions.
    pub activation: Activation,
    /// Beyond the border of the image.
    pub border: Border,
}

impl ConvolutionStack {
    /// Channels that it reads and gives; none where it has no layers.
    pub fn channels(&self) -> Option<[usize; 2]> {
        let ([first, ..], [.., last]) = (&self.layers[..], &self.layers[..]) else { return None };
        Some([first.0.val().dims()[1], last.0.val().dims()[0]])
    }

    /// The numbers, as the kernels take them.
    pub(super) fn convolutions(&self) -> Convolutions {
        let layers = self.layers.iter().map(|(weight, bias)| (weight.val(), bias.val())).collect();
        Convolutions { layers, activation: self.activation, border: self.border }
    }

    /// Adds the gradients of the weights and biases, layer by layer.
    pub(super) fn add_gradients(&self, gradients: Vec<(Field, Tensor<1>)>, dparameters: &mut ParameterGradients) {
        for ((weight, bias), (dweight, dbias)) in self.layers.iter().zip(gradients) {
            dparameters.add(weight, dweight);
            dparameters.add(bias, dbias);
        }
    }
}

/// The network inside a coupling. It need not be invertible and is differentiated by itself.
pub trait Conditioner: Module + ModuleDisplay + Sync + 'static {
    /// What [`apply_taped`](Conditioner::apply_taped) keeps for [`pull`](Conditioner::pull).
    type Tape: Send + 'static;

    /// How many pixels it sees around an output pixel on each axis. `None` if unknown; then the network always runs on whole
    /// images.
    fn reach(&self) -> Option<[usize; 3]> {
        None
    }

    /// How it continues an image beyond its border.
    fn border(&self) -> Border {
        Border::Zeros
    }

    /// Bytes of a tape for each pixel. `None` if unknown; then tapes are never kept and the network always runs on whole
    /// images.
    fn tape_bytes(&self) -> Option<usize> {
        None
    }

    /// The network as data, where it is a stack of convolutions: the kernels know how to sweep these.
    fn stack(&self) -> Option<ConvolutionStack> {
        None
    }

    /// The output on a tile.
    fn apply(&self, tile: Tile) -> Field;

    /// The output, and what its gradient needs.
    fn apply_taped(&self, tile: Tile) -> (Field, Self::Tape);

    /// ∂L/∂input of the first `channels` channels, of the tile's extents, from ∂L/∂output; the gradients of the
    /// parameters are added to `dtheta`.
    fn pull(&self, tape: Self::Tape, dy: Field, channels: usize, dtheta: &mut ParameterGradients) -> Field;
}
