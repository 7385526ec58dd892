//! Pairs (x, y): what is inferred and what is observed, written as shards and read as one collection.
//!
//! A shard is an HDF5 file with the datasets `x` and `y`, `[sample, channel, axes…]` (vectors are `[sample, parameter]`).
//! Any program can write one; ours add a seal, units, axes and provenance.

mod read;
mod shards;
mod write;

pub use read::Pairs;
pub use write::PairsWriter;

use super::create::Provenance;
use super::grid::Grid;

/// Whether the stored y already carries noise: the attribute `noise` of y.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseTag {
    /// "none": y is clean, noise is added anew each time it is used.
    None,
    /// "included", or nothing said: y is used as it is.
    #[default]
    Included,
}

impl NoiseTag {
    /// The value of the attribute.
    pub fn name(self) -> &'static str {
        match self {
            NoiseTag::None => "none",
            NoiseTag::Included => "included",
        }
    }

    fn parse(text: Option<&str>) -> Self {
        match text {
            Some("none") => NoiseTag::None,
            _ => NoiseTag::Included,
        }
    }
}

/// What x or y is: name, unit and spatial axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantity {
    /// "velocity", "pressure", … (attribute `long_name`).
    pub name: String,
    /// SI unit of the values (attribute `units`).
    pub unit: String,
    /// The last axes of the array; empty for vectors.
    pub grid: Grid,
}

/// All that a collection says about itself beside its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairsInfo {
    /// What is inferred.
    pub x: Quantity,
    /// What is observed.
    pub y: Quantity,
    /// Whether y carries noise.
    pub noise: NoiseTag,
    /// Problem file, seed and version.
    pub provenance: Provenance,
}

/// The labels of the axes in front of the grid.
fn leading_labels(rank: usize, grid: &Grid) -> Vec<&'static str> {
    match rank.saturating_sub(grid.axes.len()) {
        2 if grid.axes.is_empty() => vec!["sample", "parameter"],
        2 => vec!["sample", "channel"],
        1 => vec!["sample"],
        n => std::iter::once("sample")
            .chain(std::iter::repeat_n("", n.saturating_sub(1)))
            .collect(),
    }
}
