//! Amortized Bayesian inference for scientific imaging.
pub mod flow;
pub mod io;
pub mod kernels;
pub mod random;
pub mod summary;
