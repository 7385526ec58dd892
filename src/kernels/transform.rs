//! What a coupling does to one half of the channels.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::kernels::{
    Field, PerSample, affine_forward, affine_forward_vjp, affine_inverse, affine_inverse_vjp, no_log_det,
};

/// What a coupling does to one half of the channels, given parameters for each of its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", expecting = "a table with the key `kind`", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transform {
    /// y = e^{β tanh(a/β)} x + t from parameters (a, t): scales between e^−β and e^β for the bound β.
    Affine {
        /// β, positive.
        bound: f64,
    },
    /// y = x + t.
    Additive,
}

impl Default for Transform {
    fn default() -> Self {
        Transform::Affine { bound: 2.0 }
    }
}

impl Transform {
    /// Parameters for each entry of x.
    pub fn parameters(self) -> usize {
        match self {
            Transform::Affine { .. } => 2,
            Transform::Additive => 1,
        }
    }

    /// (y, log_det) of x and the parameters p.
    pub fn forward(self, x: Field, p: Field) -> (Field, PerSample) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                affine_forward(x, a, t, bound)
            }
            Transform::Additive => {
                let log_det = no_log_det(&x);
                (x + p, log_det)
            }
        }
    }

    /// (x, log_det) of y and the parameters p.
    pub fn inverse(self, y: Field, p: Field) -> (Field, PerSample) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                affine_inverse(y, a, t, bound)
            }
            Transform::Additive => {
                let log_det = no_log_det(&y);
                (y - p, log_det)
            }
        }
    }

    /// (x, ∂L/∂x, ∂L/∂p) from the output of the forward map.
    pub fn forward_vjp(self, y: Field, dy: Field, dlog_det: &PerSample, p: Field) -> (Field, Field, Field) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                let (x, dx, da, dt) = affine_forward_vjp(y, dy, dlog_det, a, t, bound);
                (x, dx, Tensor::cat(vec![da, dt], 1))
            }
            Transform::Additive => (y - p, dy.clone(), dy),
        }
    }

    /// (y, ∂L/∂y, ∂L/∂p) from the output of the inverse map.
    pub fn inverse_vjp(self, x: Field, dx: Field, dlog_det: &PerSample, p: Field) -> (Field, Field, Field) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                let (y, dy, da, dt) = affine_inverse_vjp(x, dx, dlog_det, a, t, bound);
                (y, dy, Tensor::cat(vec![da, dt], 1))
            }
            Transform::Additive => (x + p, dx.clone(), dx.neg()),
        }
    }
}

fn halves(p: Field) -> (Field, Field) {
    let half = p.dims()[1] / 2;
    (p.clone().narrow(1, 0, half), p.narrow(1, half, half))
}
