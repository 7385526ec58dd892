//! The layers that flows are built of.

mod actnorm;
mod coupling;
mod deeper;
mod mixing;
mod parts;
mod reversed;
mod sequence;
mod squeeze;
mod then;

pub use actnorm::ActNorm;
pub use coupling::Coupling;
pub use deeper::Deeper;
pub use mixing::ChannelMixing;
pub use parts::Parts;
pub use reversed::Reversed;
pub use sequence::{Layer, Sequence};
pub use squeeze::{Squeeze, Squeezer};
pub use then::Then;
