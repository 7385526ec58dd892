//! Amortized Bayesian inference for scientific imaging.
pub mod flow;
pub mod kernels;
pub mod random;
