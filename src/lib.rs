//! Amortized Bayesian inference for scientific imaging.
pub mod io;
pub mod random;
