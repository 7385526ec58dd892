//! Posteriors of given observations: the exact one where it is known, and what is kept of the draws of any other.

pub mod amortized;
pub mod dataset;
mod error;
pub mod exact;
pub mod stats;
pub mod streaming;

pub use error::PosteriorError;
