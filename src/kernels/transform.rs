//! What a coupling does to the channels that it moves.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::kernels::{
    Direction, Field, PerSample, affine_forward, affine_forward_vjp, affine_inverse, affine_inverse_vjp, no_log_det,
};

/// What a coupling does to the channels that it moves, given parameters for each of its pixels.
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

    /// The output of the map or its inverse, and its log_det, of x and the parameters p.
    pub fn apply(self, to: Direction, x: Field, p: Field) -> (Field, PerSample) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                match to {
                    Direction::Forward => affine_forward(x, a, t, bound),
                    Direction::Inverse => affine_inverse(x, a, t, bound),
                }
            }
            Transform::Additive => {
                let log_det = no_log_det(&x);
                match to {
                    Direction::Forward => (x + p, log_det),
                    Direction::Inverse => (x - p, log_det),
                }
            }
        }
    }

    /// (x, ∂L/∂x, ∂L/∂p) from the output y of that map of x, ∂L/∂y and ∂L/∂log_det.
    pub fn pull(self, of: Direction, y: Field, dy: Field, dlog_det: &PerSample, p: Field) -> (Field, Field, Field) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                let (x, dx, da, dt) = match of {
                    Direction::Forward => affine_forward_vjp(y, dy, dlog_det, a, t, bound),
                    Direction::Inverse => affine_inverse_vjp(y, dy, dlog_det, a, t, bound),
                };
                (x, dx, Tensor::cat(vec![da, dt], 1))
            }
            Transform::Additive => match of {
                Direction::Forward => (y - p, dy.clone(), dy),
                Direction::Inverse => (y + p, dy.clone(), dy.neg()),
            },
        }
    }
}

fn halves(p: Field) -> (Field, Field) {
    let half = p.dims()[1] / 2;
    (p.clone().narrow(1, 0, half), p.narrow(1, half, half))
}
