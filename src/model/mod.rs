//! What is trained, saved and loaded as one: normalisation, the condition made of an observation, and the flow.

mod affine;
mod condition;
mod config;
mod error;
mod field;
mod files;
mod fillers;
pub mod likeness;
mod posterior;
mod sampler;
mod unknown;
mod values;

pub use affine::{Affine, Fitted};
pub use condition::have_equal_extents;
pub use config::{ConditionConfig, ModelConfig, Normalisation, Source, UnknownConfig};
pub use error::ModelError;
pub use field::host;
pub use files::{ShapedValues, tensors_from_bytes, tensors_to_bytes};
pub use posterior::{Gradient, Model};
pub use sampler::{Draws, Sampler};
pub use values::Values;
