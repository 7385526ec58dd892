//! Arrays in and out of files: HDF5, sealed, atomic, readable by h5py without explanation; npy, NIfTI and PNG are read.
//!
//! Knows arrays, axes and attributes, nothing of what they mean. Everything the project writes goes through [`Create`]:
//! under a temporary name, then sealed with a digest, then renamed. Everything it reads goes through [`Source`] and
//! [`Rows`], which take any numeric type, byte order and storage layout and hand out f32 or f64.
//!
//! ```
//! use ndarray::{ArrayD, IxDyn};
//! use posteria::io::{Pairs, PairsInfo, PairsWriter};
//!
//! let folder = std::env::temp_dir().join(format!("posteria-example-{}", std::process::id()));
//! let writer = PairsWriter::create(&folder, PairsInfo::default())?;
//! let (x, y) = (ArrayD::<f32>::zeros(IxDyn(&[10, 1, 8, 8])), ArrayD::<f32>::ones(IxDyn(&[10, 1, 16])));
//! writer.write_shard(0, x.view(), y.view())?;
//! writer.finish()?;
//!
//! let pairs = Pairs::open(&folder)?;
//! let (x, y) = pairs.read(&[7, 0, 3])?;
//! assert_eq!((pairs.len(), x.shape(), y.shape()), (10, &[3, 1, 8, 8][..], &[3, 1, 16][..]));
//! # let _ = std::fs::remove_dir_all(&folder);
//! # Ok::<(), posteria::io::IoError>(())
//! ```

pub mod agreement;
mod atomic;
pub mod create;
mod element;
mod error;
pub mod fingerprint;
pub mod folder;
pub mod grid;
mod hdf;
pub mod inspect;
mod limits;
pub mod listing;
mod lost;
mod nifti;
mod npy;
mod number;
mod packing;
pub mod pairs;
pub mod partial;
mod picture;
pub mod precision;
pub mod quantity;
pub mod results;
mod scales;
pub mod seal;
pub mod source;
pub mod sums;
mod unit;
pub mod volume;

pub use atomic::{create_folder, read_json, replace};
pub use create::{Create, Kind, Layout, Precision, Provenance, Storage};
pub use error::{IoError, IoError as Error, Result};
pub use grid::{Axis, Grid};
pub use inspect::inspect;
pub use limits::finite_or_error;
pub use number::number;
pub use pairs::{NoiseTag, Pairs, PairsInfo, PairsWriter};
pub use quantity::{Channel, Quantity};
pub use results::ResultWriter;
pub use source::Source;
pub use volume::Rows;

/// Makes a dataset a dimension scale of axes of others in its file, as other programs do.
#[cfg(test)]
pub(crate) fn attach_for_tests(scale: &hdf5::Dataset, name: &str, to: &[(&str, usize)]) {
    let file = scale.file().unwrap();
    hdf::make_scale(scale, name).unwrap();
    to.iter().for_each(|(data, axis)| hdf::attach_scale(&file.dataset(data).unwrap(), *axis, scale).unwrap());
}
