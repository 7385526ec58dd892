//! Whether a record is like those of training: of what it never saw, a network knows nothing, and draws all the same.
//!
//! Three things are looked at. The values of each channel, beside those that the model was fitted to ([`Variation`]): other
//! units. The misfit of the record's draws, where operator and noise are known ([`Misfit`]): the prior, the noise or the
//! operator are others. And the distance of what the model is shown, the record and its adjoint image, from what it was
//! shown in training ([`Typical`]). The last two are compared with those of records held out of training ([`HeldOut`]).

mod held_out;
mod misfit;
mod traits;
mod typical;
mod variation;

pub use held_out::{FIRST_DRAWS, HeldOut, Likeness, Side, Standing};
pub use misfit::Misfit;
pub use traits::{Along, Shown, Trait};
pub use typical::{Strangest, Typical};
pub use variation::{Unlike, Variation};
