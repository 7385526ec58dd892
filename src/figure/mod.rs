//! What people look at: maps with colour bars, calibration curves, the HTML report.
//!
//! Every figure is first a `Canvas`, shapes whose places are known and whose texts are measured, so that nothing overlaps
//! and panels line up; then it is a PNG, or an SVG drawn from the same shapes. [`maps`] draws panels of any rank,
//! [`posterior`] puts them together from a file of results, [`curve`] draws curves, [`report`] binds them into one page.

mod animation;
mod axis;
mod canvas;
mod colour;
pub mod curve;
mod encode;
mod error;
mod fields;
mod frame;
mod image;
mod lines;
pub mod maps;
mod pairs;
mod physics;
mod plot;
pub mod posterior;
mod profiles;
mod projections;
pub mod report;
mod statistics;
mod style;
pub mod training;

pub use colour::{Palette, extent, symmetric_extent};
pub use curve::{Curve, coverage_curve, ecdf_difference, error_by_uncertainty, growth_curve};
pub use error::FigureError;
pub use maps::{Content, Figure, Line, Panel};
pub use pairs::pairs_figure;
pub use posterior::posterior_figures;
pub use report::Report;
pub use statistics::maps_figures;
pub use training::{training_curve, training_text};

use std::path::PathBuf;

/// A figure that was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The picture.
    pub path: PathBuf,
    /// What it shows, in one or two sentences.
    pub caption: String,
}
