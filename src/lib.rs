//! Amortized Bayesian inference for scientific imaging.
pub mod random;
