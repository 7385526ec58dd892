//! The operations as callers know them: the fast version where there is one for these tensors, else the portable one.

use burn::tensor::Tensor;

use super::fast::{self, InstructionSet};
use super::{Field, Padding, portable};

/// y\[b,o,p\] = bias\[o\] + Σ_{i,k} weight\[o,i,k\] · x\[b,i,p+k−before\], x being continued outside as `padding` says.
///
/// `x`: `[batch, in, d, h, w]`; `weight`: `[out, in, kd, kh, kw]`; `bias`: `[out]`. Each axis of the result has
/// extent `size + before + after − kernel + 1`.
pub fn convolve(x: Field, weight: Field, bias: Option<Tensor<1>>, padding: Padding) -> Field {
    match fast::convolve(InstructionSet::best(), &x, &weight, bias.as_ref(), &padding) {
        Some(y) => y,
        None => portable::convolution::convolve(x, weight, bias, padding),
    }
}

/// The adjoint of [`convolve`] in x: ∂L/∂x from ∂L/∂y, for an x of the given extents.
pub fn convolve_input_adjoint(extent: [usize; 3], weight: Field, dy: Field, padding: Padding) -> Field {
    match fast::convolve_input_adjoint(InstructionSet::best(), extent, &weight, &dy, &padding) {
        Some(dx) => dx,
        None => portable::convolution::convolve_input_adjoint(extent, weight, dy, padding),
    }
}

/// The adjoint of [`convolve`] in the weight: ∂L/∂weight `[out, in, kd, kh, kw]` from x and ∂L/∂y.
pub fn convolve_weight_adjoint(x: Field, dy: Field, kernel: [usize; 3], padding: Padding) -> Field {
    match fast::convolve_weight_adjoint(InstructionSet::best(), &x, &dy, kernel, &padding) {
        Some(dw) => dw,
        None => portable::convolution::convolve_weight_adjoint(x, dy, kernel, padding),
    }
}

/// The Gram matrix Σ_{sample, pixel} a bᵀ: `[channels of a, channels of b]`.
pub fn gram(a: Field, b: Field) -> Tensor<2> {
    match fast::gram(InstructionSet::best(), &a, &b) {
        Some(product) => product,
        None => portable::channel::gram(a, b),
    }
}
