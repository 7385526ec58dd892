//! Invertible networks with hand-written gradients.
//!
//! A flow is an invertible map z = f(x; c). *Forward* is x → z, from data to latent, and returns log|det ∂z/∂x|;
//! *inverse* is z → x and returns log|det ∂x/∂z|, both one number a sample. The density it gives to x is
//!
//!   log q(x | c) = log N(z; 0, I) + log|det ∂z/∂x|.
//!
//! z has the shape of x. Nothing need be kept between a map and its gradient but the map's output: each layer
//! recomputes its input by the inverse while it pulls the gradient back, so the memory of a gradient does not grow with
//! depth. What a [`Plan`] has memory for is kept, and saves time. On a processor a [`Glow`] walks the halves of a batch at
//! once, which keeps threads busy; how a batch is cut depends on shapes and the plan alone, and so does the result.
//!
//! Sources: Dinh, Sohl-Dickstein and Bengio 2017 (arXiv:1605.08803), Kingma and Dhariwal 2018 (arXiv:1807.03039),
//! Jacobsen, Smeulders and Oyallon 2018 (arXiv:1802.07088), Orozco et al. 2024 (JOSS 9(99), 6554).

mod actnorm;
mod adapter;
pub(crate) mod base;
mod bridge;
mod conditioner;
pub(crate) mod convolution;
mod convolutional;
mod coupling;
mod error;
mod glow;
mod gradient;
mod lanes;
mod mixing;
mod parameters;
mod sequence;
mod split;
mod squeeze;
mod tapes;
mod tiles;

pub use crate::kernels::{Activation, Border, Field, PerSample, Transform};
pub use actnorm::ActNorm;
pub use adapter::{Adapter, Network};
pub use base::{standard_normal, standard_normal_log_density};
pub use bridge::{differentiable_forward, differentiable_inverse};
pub use conditioner::{Conditioner, ConditionerShape, Edge, Tile};
pub use convolutional::{ConvolutionalConditioner, ConvolutionalConfig};
pub use coupling::Coupling;
pub use error::FlowError;
pub use glow::{ConditionalGlow, Glow, GlowConfig, LikelihoodGradient};
pub use gradient::{ConditionGradient, GradientSlot, ParameterGradients};
pub use mixing::ChannelMixing;
pub use parameters::{Parameter, cast, map_parameters, parameters};
pub use sequence::{Layer, Sequence};
pub use split::Split;
pub use squeeze::{Squeeze, Squeezer};
pub use tapes::{Plan, Tapes};

use burn::module::Module;

/// What a flow is conditioned on: one field a scale, finest first. Each has the batch of x and either the extents of
/// x at its scale or extent 1, which is repeated. A network inside a split is given `&c[1..]`. Empty: unconditional.
pub type Condition = [Field];

/// An invertible map with both of its vector–Jacobian products.
///
/// Shapes are checked once, by [`output_shape`](Invertible::output_shape); the other methods rely on it.
pub trait Invertible: Module {
    /// The shape of z for an x of shape `x` and conditions of shapes `c`.
    ///
    /// # Errors
    /// Every reason for which the other methods could not work: sizes that a squeeze does not divide, channels that
    /// are not those of the parameters, conditions that are missing or do not fit.
    fn output_shape(&self, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError>;

    /// Sets what starts from data, such as ActNorm's scale and shift, from one batch, and returns z with it.
    fn initialize(self, x: Field, c: &Condition) -> (Self, Field);

    /// (z, log|det ∂z/∂x|) of x. What its gradient may use again goes to `tapes`.
    fn forward(&self, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample);

    /// (x, log|det ∂x/∂z|) of z. What its gradient may use again goes to `tapes`.
    fn inverse(&self, z: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample);

    /// Gradient of the forward map: from its output and ∂L/∂output, and ∂L/∂log_det, to the input and ∂L/∂input, in
    /// the same buffers where nobody else holds them. The gradients of the parameters and of the conditions are added
    /// to `dtheta` and `dc`; `tapes` are those of the forward map, or none.
    fn forward_vjp(
        &self,
        z: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field);

    /// Gradient of the inverse map: from (x, ∂L/∂x) and ∂L/∂log_det of the inverse to (z, ∂L/∂z).
    fn inverse_vjp(
        &self,
        x: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field);
}
