//! Invertible networks with hand-written gradients.
//!
//! A flow is an invertible map z = f(x; c). *Forward* is x → z, from data to latent, and returns log|det ∂z/∂x|;
//! *inverse* is z → x and returns log|det ∂x/∂z|, both one number a sample. The density it gives to x is
//!
//!   log q(x | c) = log p(z) + log|det ∂z/∂x|   with a [`Base`] distribution p, by default N(0, I).
//!
//! z has the shape of x. Nothing need be kept between a map and its gradient but the map's output: each layer
//! recomputes its input by the inverse while it pulls the gradient back, so the memory of a gradient does not grow with
//! depth. What a [`Plan`] has memory for is kept, and saves time. On a processor a [`Flow`] walks the halves of a batch at
//! once, which keeps threads busy; how a batch is cut depends on shapes and the plan alone, and so does the result.
//!
//! Three traits are open: an [`Invertible`] layer or network, the [`Conditioner`] inside a coupling, and the [`Base`]. A
//! [`Flow`] makes a density of any of them; [`GlowConfig`] and [`NiceConfig`] build those that problem files name.
//!
//! Sources: Dinh, Sohl-Dickstein and Bengio 2017 (arXiv:1605.08803), Kingma and Dhariwal 2018 (arXiv:1807.03039),
//! Jacobsen, Smeulders and Oyallon 2018 (arXiv:1802.07088), Orozco et al. 2024 (JOSS 9(99), 6554).

mod adapter;
pub(crate) mod base;
mod bridge;
mod conditioner;
pub(crate) mod convolution;
mod convolutional;
pub(crate) mod density;
mod either;
mod error;
mod gradient;
pub(crate) mod lanes;
mod layers;
mod networks;
mod parameters;
mod pull;
mod tapes;
mod tiles;

pub use crate::kernels::{Activation, Border, Direction, Field, PerSample, Roles, Transform};
pub use adapter::{Adapter, Network};
pub use base::{
    AnyBase, Base, BaseConfig, Diagonal, Mixture, Normal, StudentT, standard_normal, standard_normal_log_density,
};
pub use bridge::{differentiable_forward, differentiable_inverse};
pub use conditioner::{Conditioner, ConditionerShape, ConvolutionStack, Edge, Tile};
pub use convolutional::{ConvolutionalConditioner, ConvolutionalConfig};
pub use density::{Flow, LikelihoodGradient};
pub use either::{Either, EitherTape};
pub use error::FlowError;
pub use gradient::{ConditionGradient, GradientSlot, ParameterGradients};
pub use layers::{ActNorm, ChannelMixing, Coupling, Deeper, Layer, Parts, Reversed, Sequence, Squeeze, Squeezer, Then};
pub use networks::{ConvolutionalFlow, Glow, GlowConfig, NetworkConfig, NiceConfig};
pub use parameters::{Parameter, cast, map_parameters, parameters};
pub use pull::{Pull, State};
pub use tapes::{Plan, Tapes};

use burn::module::{Module, ModuleDisplay};

/// What a flow is conditioned on: one field a scale, finest first. Each has the batch of x and either the extents of
/// x at its scale or extent 1, which is repeated. A network one scale [`Deeper`] is given `&c[1..]`. Empty: unconditional.
pub type Condition = [Field];

/// An invertible map, both ways, with the vector–Jacobian products of both.
///
/// Shapes are checked once, by [`output_shape`](Invertible::output_shape); the other methods rely on it.
pub trait Invertible: Module + ModuleDisplay + Sync + 'static {
    /// The shape that the map gives for an input of shape `x` and conditions of shapes `c`.
    ///
    /// # Errors
    /// Every reason for which the other methods could not work: sizes that a squeeze does not divide, channels that
    /// are not those of the parameters, conditions that are missing or do not fit.
    fn output_shape(&self, to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError>;

    /// Sets what starts from data, such as ActNorm's scale and shift, from one batch of inputs of this map, and returns its
    /// output with it. Most layers start from random weights alone.
    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        let (z, _) = self.transform(to, x, c, &mut Tapes::none());
        (self, z)
    }

    /// Forward: (z, log|det ∂z/∂x|) of x; inverse: (x, log|det ∂x/∂z|) of z. What the gradient may use again goes to `tapes`.
    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample);

    /// The gradient of that map: from its output and ∂L/∂output to its input and ∂L/∂input, in the same buffers where nobody
    /// else holds them. The gradients of parameters and conditions are added to those of `pull`.
    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State;

    /// (z, log|det ∂z/∂x|) of x.
    fn forward(&self, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        self.transform(Direction::Forward, x, c, tapes)
    }

    /// (x, log|det ∂x/∂z|) of z.
    fn inverse(&self, z: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        self.transform(Direction::Inverse, z, c, tapes)
    }
}
