//! The array operations that flows spend their time in.
//!
//! Every operation has a portable version in Burn tensor operations, which runs on any device and in any float
//! type and is the reference; `fast` does most of them for f32 on the CPU; `graph` makes those that networks are written
//! with nodes of Burn's autodiff, so that these run on the fast versions too. `seam` chooses: callers name the operation
//! here and never the version behind it. One exception: [`Swept`] does a whole coupling at once where it can; who is told
//! `None` composes it from the operations. Nothing in this room knows what a flow is.
//!
//! One rank serves everything: a [`Field`] is `[batch, channel, depth, height, width]`. A two-dimensional image
//! has depth 1, a trace also height 1, a vector of parameters all three.
//!
//! # Devices
//!
//! Everything runs in f32 on every device; f64 is for tests on the processor. What a device makes of it is held against the
//! processor in f64 by `tests/devices`: every operation here, every layer and network of the laws with the gradients of both
//! maps in x, condition and every parameter, 240 flow steps, training and sampling. The largest relative errors (L2) found:
//!
//! | | `flex` (processor) | `wgpu` (Mesa's lavapipe 22.3) | `cuda` (Hopper) | allowed |
//! |---|---|---|---|---|
//! | operations | 4e-7 | 8e-7 | compiled, not run | 2e-6 |
//! | matrix products in gradients | 2e-7 | 6e-7 | TF32, not run | 1e-4; TF32: 3e-3 |
//! | layers and networks: both maps, round trip, log_det | 7e-7 | 1e-6 | compiled, not run | 1e-5 |
//! | their gradients | 2e-6 | 3e-6 | compiled, not run | 1e-4; TF32: 3e-3 |
//! | 240 flow steps: round trip | 2e-5 | 3e-5 | compiled, not run | 1e-4 |
//! | draws and densities from the same weights | reference | 5e-7 | compiled, not run | 1e-5 |
//! | weights after 8 steps of training | reference | 6e-4 | compiled, not run | 1e-2 |
//! | what fails | nothing | nothing | not known | |
//!
//! The middle column is measured by
//! `VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json cargo test --profile devices --features wgpu --test devices`; with
//! `--features cuda` the same command measures an NVIDIA card. Without one, `tests/nvrtc.sh` has NVRTC compile every
//! kernel that those tests launch, for `sm_90a`: 753 kernels, of which 28 use tensor cores in TF32, which keeps three digits
//! of a factor. All 28 are matrix products: the weight gradient of 1×1 convolutions, and the linear layers and attention of a
//! user's own network. Nothing else is one: convolutions are direct, channel mixing with its gradient, sums and couplings
//! are products and sums in true f32, and the script fails where one of those is given to tensor cores.
//!
//! CUDA needs a driver (`libcuda.so.1`) and, since kernels are compiled when they are first used, NVRTC with its headers of
//! a toolkit no newer than the driver: its folder as `CUDA_PATH`, and `libnvrtc` where the loader looks. `wgpu` needs Vulkan or
//! OpenGL.

mod fast;
mod graph;
mod network;
mod padding;
mod portable;
mod roles;
mod seam;
mod transform;

pub use fast::swept::{Buffers, Direction, Pulled, Swept, SweptTapes};
pub use fast::{on_workers, peak_multiply_adds, runs_fast, spend_multiply_adds};
pub use graph::join;
pub use network::{Activation, Border, Convolutions};
pub use padding::{Pad, Padding};
pub use portable::channel::{no_log_det, pixels, sample_sums};
pub use portable::convolution::{wrap, wrap_adjoint};
pub use roles::Roles;
pub use seam::{
    affine_forward, affine_forward_vjp, affine_inverse, affine_inverse_vjp, channel_dots, channel_sums, checkerboard,
    checkerboard_inverse, convolve, convolve_input_adjoint, convolve_weight_adjoint, gram, haar, haar_inverse,
    leaky_relu, leaky_relu_pull, reflect, reflection_gradients, replace_channels, sample_distances, sample_dots,
    scale_channels, scale_then_shift, shift_channels, shift_then_scale, silu, silu_pull,
};
pub use transform::Transform;

use burn::tensor::Tensor;

/// Images, volumes, traces and vectors alike: `[batch, channel, depth, height, width]`.
pub type Field = Tensor<5>;

/// One number a sample: `[batch]`.
pub type PerSample = Tensor<1>;
