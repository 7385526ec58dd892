//! What the kernels need to know of the networks inside couplings.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::kernels::{Field, leaky_relu, leaky_relu_pull, silu, silu_pull};

/// The nonlinearity between two convolutions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(u, 0).
    Relu,
    /// Slope 0.1 below zero.
    #[default]
    LeakyRelu,
    /// u · sigmoid(u).
    Silu,
}

/// The slope of a leaky ReLU below zero.
pub(super) const LEAK: f64 = 0.1;

impl Activation {
    /// φ(u).
    pub fn apply(self, u: Field) -> Field {
        match self {
            Activation::Relu => leaky_relu(u, 0.0),
            Activation::LeakyRelu => leaky_relu(u, LEAK),
            Activation::Silu => silu(u),
        }
    }

    /// ∂L/∂u from ∂L/∂φ(u).
    pub fn pull(self, u: Field, dy: Field) -> Field {
        match self {
            Activation::Relu => leaky_relu_pull(u, dy, 0.0),
            Activation::LeakyRelu => leaky_relu_pull(u, dy, LEAK),
            Activation::Silu => silu_pull(u, dy),
        }
    }
}

/// How an image goes on beyond its border, for a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Border {
    /// With zeros, which also tell the network where the border is.
    #[default]
    Zeros,
    /// With its other side: for unknowns and operators on a periodic grid.
    Periodic,
}

/// Convolutions that keep the extents of an image, with a nonlinearity between them.
#[derive(Clone, Debug)]
pub struct Convolutions {
    /// Weights `[out, in, kd, kh, kw]` of odd extents and biases `[out]`, the first to see the input first.
    pub layers: Vec<(Field, Tensor<1>)>,
    /// Between two convolutions.
    pub activation: Activation,
    /// Beyond the border of the image.
    pub border: Border,
}
