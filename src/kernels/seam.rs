//! The operations as callers know them: the fast version where there is one for these tensors, else a node of the
//! autodiff graph where that is what they need, else the portable version.

use burn::tensor::Tensor;

use super::fast::activation::{LeakyRelu, LeakyReluPull, Silu, SiluPull, map, map_with};
use super::fast::coupling::{Forward, ForwardPull, Inverse, InversePull, couple};
use super::fast::squeeze::{squeeze, unsqueeze};
use super::fast::sums::{self, Product, SquaredDifference};
use super::fast::{self, InstructionSet};
use super::{Field, Padding, PerSample, graph, portable};

/// y\[b,o,p\] = bias\[o\] + Σ_{i,k} weight\[o,i,k\] · x\[b,i,p+k−before\], x being continued outside as `padding` says.
///
/// `x`: `[batch, in, d, h, w]`; `weight`: `[out, in, kd, kh, kw]`; `bias`: `[out]`. Each axis of the result has
/// extent `size + before + after − kernel + 1`.
pub fn convolve(x: Field, weight: Field, bias: Option<Tensor<1>>, padding: Padding) -> Field {
    match fast::convolve(InstructionSet::best(), &x, &weight, bias.as_ref(), &padding) {
        Some(y) => y,
        None => match graph::convolve(&x, &weight, bias.as_ref(), padding) {
            Some(y) => y,
            None => portable::convolution::convolve(x, weight, bias, padding),
        },
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

/// Σ over batch and pixels: `[channel]`.
pub fn channel_sums(x: Field) -> Tensor<1> {
    match sums::channel_sums(InstructionSet::best(), &x) {
        Some(sums) => sums,
        None => portable::channel::channel_sums(x),
    }
}

/// Σ over batch and pixels of a·b, for two fields of one shape: `[channel]`.
pub fn channel_dots(a: &Field, b: &Field) -> Tensor<1> {
    match sums::channel_dots(InstructionSet::best(), a, b) {
        Some(dots) => dots,
        None => portable::channel::channel_dots(a, b),
    }
}

/// Σ over channels and pixels of a·b, for two fields of one shape: `[batch]`.
pub fn sample_dots(a: &Field, b: &Field) -> PerSample {
    match sums::sample_terms(InstructionSet::best(), a, b, Product) {
        Some(dots) => dots,
        None => portable::channel::sample_dots(a, b),
    }
}

/// Σ over channels and pixels of (a − b)², for two fields of one shape: `[batch]`.
pub fn sample_distances(a: &Field, b: &Field) -> PerSample {
    match sums::sample_terms(InstructionSet::best(), a, b, SquaredDifference) {
        Some(distances) => distances,
        None => portable::channel::sample_distances(a, b),
    }
}

/// x multiplied by one factor a channel.
pub fn scale_channels(x: Field, factor: Tensor<1>) -> Field {
    match fast::channel::scale_then_shift(InstructionSet::best(), x, Some(&factor), None) {
        Ok(y) => y,
        Err(x) => portable::channel::scale_channels(x, factor),
    }
}

/// x plus one number a channel.
pub fn shift_channels(x: Field, shift: Tensor<1>) -> Field {
    match fast::channel::scale_then_shift(InstructionSet::best(), x, None, Some(&shift)) {
        Ok(y) => y,
        Err(x) => portable::channel::shift_channels(x, shift),
    }
}

/// factor·x + shift, one of each a channel: `[channel]`.
pub fn scale_then_shift(x: Field, factor: Tensor<1>, shift: Tensor<1>) -> Field {
    match fast::channel::scale_then_shift(InstructionSet::best(), x, Some(&factor), Some(&shift)) {
        Ok(y) => y,
        Err(x) => portable::channel::scale_then_shift(x, factor, shift),
    }
}

/// (x + shift)·factor, one of each a channel: `[channel]`.
pub fn shift_then_scale(x: Field, shift: Tensor<1>, factor: Tensor<1>) -> Field {
    match fast::channel::shift_then_scale(InstructionSet::best(), x, &shift, &factor) {
        Ok(y) => y,
        Err(x) => portable::channel::shift_then_scale(x, shift, factor),
    }
}

/// x with its channels from `first` on overwritten by those of `part`, which has all other extents of x.
pub fn replace_channels(x: Field, first: usize, part: Field) -> Field {
    match fast::channel::replace_channels(x, first, &part) {
        Ok(y) => y,
        Err(x) => portable::channel::replace_channels(x, first, part),
    }
}

/// Householder reflections applied one after the other: x ← x − 2 v (v·x)/(v·v) at every pixel, for each row v of
/// `vectors` in the given order. Orthogonal to the rounding of true f32, on every device.
pub fn reflect(x: Field, vectors: Tensor<2>, order: impl Iterator<Item = usize>) -> Field {
    let order: Vec<usize> = order.collect();
    match fast::channel::reflect(InstructionSet::best(), x, &vectors, &order) {
        Ok(y) => y,
        Err(x) => portable::channel::reflect(x, vectors, order.into_iter()),
    }
}

/// ∂L/∂vectors `[reflection, channel]` of W = H₁ H₂ … H_r from ∂L/∂W; the derivation is at the portable version.
pub fn reflection_gradients(vectors: Tensor<2>, dw: Tensor<2>) -> Tensor<2> {
    match fast::channel::reflection_gradients(&vectors, &dw) {
        Some(gradients) => gradients,
        None => portable::channel::reflection_gradients(vectors, dw),
    }
}

/// u, or `slope` u below zero.
pub fn leaky_relu(u: Field, slope: f64) -> Field {
    match map(InstructionSet::best(), u, LeakyRelu(slope as f32)) {
        Ok(y) => y,
        Err(u) => match graph::map(&u, |u| leaky_relu(u, slope), move |u, dy| leaky_relu_pull(u, dy, slope)) {
            Some(y) => y,
            None => portable::activation::leaky_relu(u, slope),
        },
    }
}

/// ∂L/∂u from u and ∂L/∂y for y = [`leaky_relu`] of u.
pub fn leaky_relu_pull(u: Field, dy: Field, slope: f64) -> Field {
    match map_with(InstructionSet::best(), dy, &u, LeakyReluPull(slope as f32)) {
        Ok(du) => du,
        Err(dy) => portable::activation::leaky_relu_pull(u, dy, slope),
    }
}

/// u · sigmoid(u).
pub fn silu(u: Field) -> Field {
    match map(InstructionSet::best(), u, Silu) {
        Ok(y) => y,
        Err(u) => match graph::map(&u, silu, silu_pull) {
            Some(y) => y,
            None => portable::activation::silu(u),
        },
    }
}

/// ∂L/∂u from u and ∂L/∂y for y = [`silu`] of u.
pub fn silu_pull(u: Field, dy: Field) -> Field {
    match map_with(InstructionSet::best(), dy, &u, SiluPull) {
        Ok(du) => du,
        Err(dy) => portable::activation::silu_pull(u, dy),
    }
}

/// (y, log_det) from x, the pre-scale a and the shift t, all of one shape: y = eˡ x + t with ℓ = β tanh(a/β).
pub fn affine_forward(x: Field, a: Field, t: Field, bound: f64) -> (Field, PerSample) {
    match couple(InstructionSet::best(), Forward, &x, None, &a, &t, bound) {
        Some(([y], log_det)) => (y, log_det),
        None => portable::coupling::affine_forward(x, a, t, bound),
    }
}

/// (x, log_det) from y, the pre-scale a and the shift t.
pub fn affine_inverse(y: Field, a: Field, t: Field, bound: f64) -> (Field, PerSample) {
    match couple(InstructionSet::best(), Inverse, &y, None, &a, &t, bound) {
        Some(([x], log_det)) => (x, log_det),
        None => portable::coupling::affine_inverse(y, a, t, bound),
    }
}

/// (x, x̄, ā, t̄) of the forward map from its output y, ȳ and δ.
pub fn affine_forward_vjp(
    y: Field,
    dy: Field,
    dlog_det: &PerSample,
    a: Field,
    t: Field,
    bound: f64,
) -> (Field, Field, Field, Field) {
    match couple(InstructionSet::best(), ForwardPull, &y, Some((&dy, dlog_det)), &a, &t, bound) {
        Some(([x, dx, da], _)) => (x, dx, da, dy),
        None => portable::coupling::affine_forward_vjp(y, dy, dlog_det, a, t, bound),
    }
}

/// (y, ȳ, ā, t̄) of the inverse map from its output x, x̄ and δ.
pub fn affine_inverse_vjp(
    x: Field,
    dx: Field,
    dlog_det: &PerSample,
    a: Field,
    t: Field,
    bound: f64,
) -> (Field, Field, Field, Field) {
    match couple(InstructionSet::best(), InversePull, &x, Some((&dx, dlog_det)), &a, &t, bound) {
        Some(([y, dy, da], _)) => (y, dy.clone(), da, dy.neg()),
        None => portable::coupling::affine_inverse_vjp(x, dx, dlog_det, a, t, bound),
    }
}

/// Polyphase samples: group g = Σ_axis bitₐ·2^(position of the axis) holds the pixels of offset bitₐ on each chosen
/// axis, the last axis counting fastest. Channels are group-major: all channels of group 0, then of group 1.
///
/// `x`: `[batch, c, d, h, w]`, the chosen axes even; result `[batch, c·2^n, …]` with the n chosen axes halved.
pub fn checkerboard(x: Field, axes: [bool; 3]) -> Field {
    match squeeze(InstructionSet::best(), x, axes, false) {
        Ok(z) => z,
        Err(x) => match graph::linear(&x, |x| checkerboard(x, axes), move |dy| checkerboard_inverse(dy, axes)) {
            Some(y) => y,
            None => portable::squeeze::checkerboard(x, axes),
        },
    }
}

/// The inverse of [`checkerboard`].
pub fn checkerboard_inverse(z: Field, axes: [bool; 3]) -> Field {
    match unsqueeze(InstructionSet::best(), z, axes, false) {
        Ok(x) => x,
        Err(z) => match graph::linear(&z, |z| checkerboard_inverse(z, axes), move |dy| checkerboard(dy, axes)) {
            Some(y) => y,
            None => portable::squeeze::checkerboard_inverse(z, axes),
        },
    }
}

/// The orthonormal Haar transform, one level: group g holds averages (bit 0) or differences (bit 1) of neighbours
/// along each chosen axis, (even ± odd)/√2. Channels as in [`checkerboard`].
pub fn haar(x: Field, axes: [bool; 3]) -> Field {
    match squeeze(InstructionSet::best(), x, axes, true) {
        Ok(z) => z,
        Err(x) => match graph::linear(&x, |x| haar(x, axes), move |dy| haar_inverse(dy, axes)) {
            Some(y) => y,
            None => portable::squeeze::haar(x, axes),
        },
    }
}

/// The inverse of [`haar`].
pub fn haar_inverse(z: Field, axes: [bool; 3]) -> Field {
    match unsqueeze(InstructionSet::best(), z, axes, true) {
        Ok(x) => x,
        Err(z) => match graph::linear(&z, |z| haar_inverse(z, axes), move |dy| haar(dy, axes)) {
            Some(y) => y,
            None => portable::squeeze::haar_inverse(z, axes),
        },
    }
}
