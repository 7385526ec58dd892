//! The array operations that flows spend their time in.
//!
//! Every operation has a portable version in Burn tensor operations, which runs on any device and in any float
//! type and is the reference; `fast` does most of them for f32 on the CPU. `seam` chooses: callers name the operation
//! here and never the version behind it. Nothing in this room knows what a flow is.
//!
//! One rank serves everything: a [`Field`] is `[batch, channel, depth, height, width]`. A two-dimensional image
//! has depth 1, a trace also height 1, a vector of parameters all three.

mod fast;
mod network;
mod padding;
mod portable;
mod seam;
mod transform;

pub use fast::swept::{Direction, Pulled, Swept, SweptTapes};
pub use network::{Activation, Border, Convolutions};
pub use padding::{Pad, Padding};
pub use portable::channel::{no_log_det, pixels};
pub use portable::convolution::{wrap, wrap_adjoint};
pub use seam::{
    affine_forward, affine_forward_vjp, affine_inverse, affine_inverse_vjp, channel_dots, channel_sums, checkerboard,
    checkerboard_inverse, convolve, convolve_input_adjoint, convolve_weight_adjoint, gram, haar, haar_inverse,
    leaky_relu, leaky_relu_pull, reflect, reflection_gradients, replace_channels, sample_distances, sample_dots,
    sample_sums, scale_channels, scale_then_shift, shift_channels, shift_then_scale, silu, silu_pull,
};
pub use transform::Transform;

use burn::tensor::Tensor;

/// Images, volumes, traces and vectors alike: `[batch, channel, depth, height, width]`.
pub type Field = Tensor<5>;

/// One number a sample: `[batch]`.
pub type PerSample = Tensor<1>;
