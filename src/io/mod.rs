//! Arrays in and out of files: HDF5 and npy, sealed, atomic, readable by h5py without explanation.
//!
//! Knows arrays, axes and attributes, nothing of what they mean. Everything the project writes goes through [`Create`]:
//! under a temporary name, then sealed with a digest, then renamed. Everything it reads goes through [`Source`] and
//! [`Rows`], which take any numeric type, byte order and storage layout and hand out f32.

pub mod create;
mod error;
pub mod folder;
pub mod grid;
mod hdf;
pub mod inspect;
mod npy;
pub mod pairs;
pub mod results;
pub mod seal;
pub mod source;
pub mod volume;

pub use create::{Create, Kind, Provenance, replace};
pub use error::{IoError, IoError as Error, Result};
pub use grid::{Axis, Grid};
pub use inspect::inspect;
pub use pairs::{NoiseTag, Pairs, PairsInfo, PairsWriter};
pub use results::{Layout, ResultWriter};
pub use source::Source;
pub use volume::{Rows, finite_or_error};
