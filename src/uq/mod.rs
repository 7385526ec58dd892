//! Is a posterior right, and how good is it? Functions of samples and truths, wherever they come from.
//!
//! Notation: L pairs of truth and observation, M draws of each posterior. A calibrated posterior is one under which the
//! truth looks like one more draw; [`ranks`], [`coverage`], [`ecdf`] and [`latent`] test that, each with the band
//! within which chance explains the result. [`score`] says how close draws are to the truth, [`verdict`] collects
//! numbers with what is accepted of them.

pub mod advice;
mod against_exact;
mod cells;
mod chance;
mod classical;
pub mod coverage;
pub mod diagnosis;
pub mod drawn;
pub mod ecdf;
mod error;
pub mod error_by_uncertainty;
mod every_cell;
mod findings;
pub mod judgement;
pub mod latent;
pub mod learned;
mod quantities;
pub mod ranks;
pub mod scale;
pub mod score;
mod seen;
pub mod shuffled;
mod standardised;
pub mod verdict;

pub use cells::Cells;
pub use classical::best_classical;
pub use error::UqError;

#[cfg(test)]
mod truth;
