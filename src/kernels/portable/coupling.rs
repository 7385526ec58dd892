//! The affine coupling at one pixel, its inverse and both adjoints.
//!
//! With a pre-scale a and a bound β, the log-scale is ℓ = β tanh(a/β): smooth, of slope one at zero, and within ±β, so
//! that neither direction can amplify rounding without limit. Then
//!
//!   y = eˡ x + t,   x = (y − t) e⁻ˡ,   log_det = Σ ℓ  (forward),   −Σ ℓ  (inverse).
//!
//! Both directions use one exponential, in a product and in a quotient: devices round exponentials in their own ways, and
//! e⁻ˡ is not 1/eˡ on all of them.
//!
//! Adjoint of the forward map from y, ȳ = ∂L/∂y and δ = ∂L/∂log_det (per sample), with u = y − t = eˡ x:
//!
//!   x̄ = ȳ eˡ,   t̄ = ȳ,   ℓ̄ = ȳ u + δ,   ā = ℓ̄ (1 − (ℓ/β)²).
//!
//! Adjoint of the inverse map from x, x̄ and δ (of its own log_det):
//!
//!   ȳ = x̄ e⁻ˡ,   t̄ = −ȳ,   ℓ̄ = −x̄ x − δ,   ā as above.

use crate::kernels::portable::channel::sample_sums;
use crate::kernels::{Field, PerSample};

/// ℓ = β tanh(a/β).
fn log_scale(a: Field, bound: f64) -> Field {
    (a * (1.0 / bound)).tanh() * bound
}

/// ā from ℓ̄ and ℓ.
fn pre_scale_gradient(dl: Field, log_scale: Field, bound: f64) -> Field {
    let slope = (log_scale * (1.0 / bound)).square() * -1.0 + 1.0;
    dl * slope
}

fn per_sample(value: &PerSample) -> Field {
    let batch = value.dims()[0];
    value.clone().reshape([batch, 1, 1, 1, 1])
}

/// (y, log_det) from x, the pre-scale a and the shift t, all of one shape.
pub fn affine_forward(x: Field, a: Field, t: Field, bound: f64) -> (Field, PerSample) {
    let l = log_scale(a, bound);
    let log_det = sample_sums(l.clone());
    (x * l.exp() + t, log_det)
}

/// (x, log_det) from y, the pre-scale a and the shift t.
pub fn affine_inverse(y: Field, a: Field, t: Field, bound: f64) -> (Field, PerSample) {
    let l = log_scale(a, bound);
    let log_det = sample_sums(l.clone()).neg();
    ((y - t) / l.exp(), log_det)
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
    let l = log_scale(a, bound);
    let scale = l.clone().exp();
    let scaled = y - t;
    let x = scaled.clone() / scale.clone();
    let dl = dy.clone() * scaled + per_sample(dlog_det);
    (x, dy.clone() * scale, pre_scale_gradient(dl, l, bound), dy)
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
    let l = log_scale(a, bound);
    let scale = l.clone().exp();
    let dl = (dx.clone() * x.clone() + per_sample(dlog_det)).neg();
    let y = x * scale.clone() + t;
    let dy = dx / scale;
    (y, dy.clone(), pre_scale_gradient(dl, l, bound), dy.neg())
}
