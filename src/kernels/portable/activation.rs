//! Pointwise nonlinearities and their gradients.

use burn::tensor::activation::{leaky_relu as burn_leaky_relu, sigmoid};

use crate::kernels::Field;

pub fn leaky_relu(u: Field, slope: f64) -> Field {
    burn_leaky_relu(u, slope)
}

pub fn leaky_relu_pull(u: Field, dy: Field, slope: f64) -> Field {
    let leaked = dy.clone() * slope;
    dy.mask_where(u.lower_equal_elem(0.0), leaked)
}

pub fn silu(u: Field) -> Field {
    u.clone() * sigmoid(u)
}

pub fn silu_pull(u: Field, dy: Field) -> Field {
    let s = sigmoid(u.clone());
    dy * (s.clone() + u * s.clone() * (s.neg() + 1.0))
}
