//! The fast versions for the CPU: f32 tensors of the flex device that autodiff does not track.
//!
//! A function returns `None` for what it does not do, or hands its operand back as `Err`; the portable version does it
//! then. Which instructions are used is decided when the program runs ([`InstructionSet`]). Results are the same for any
//! number of threads: work is cut by the shapes alone, and partial sums are added in a fixed order. Only large work is
//! given to rayon; small work stays on the calling thread, which may have brothers of its own.
//!
//! `unsafe` stands in `instruction_set` (intrinsics, and calls of functions compiled for a set), `product` (loads whose
//! bounds were checked once, for the rows of a panel and the vectors of a block), and where results are [`unwritten`] at
//! first, alone. Property tests hold every kernel of every set of the machine to the portable one; a nightly compiler runs
//! them under AddressSanitizer, which sees a read or a write beyond a slice, with the debug assertions of the unchecked
//! loads:
//!
//! ```sh
//! RUSTFLAGS=-Zsanitizer=address CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_TARGET_DIR=target/sanitized \
//!     cargo +nightly test --release --target x86_64-unknown-linux-gnu --lib kernels
//! ```

// An `Err` here is the operand handed back to whoever can do it, not a failure.
#![allow(clippy::result_large_err)]

pub mod activation;
mod axis;
pub mod channel;
mod convolution;
mod correlation;
pub mod coupling;
mod instruction_set;
mod math;
mod pass;
mod peak;
mod product;
pub mod squeeze;
pub mod sums;
pub mod swept;
mod tile;
mod transpose;
mod unwritten;
mod view;

use crate::kernels::Field;
pub use convolution::{convolve, convolve_input_adjoint};
pub use correlation::{convolve_weight_adjoint, gram};
pub use instruction_set::InstructionSet;
pub use peak::{peak_multiply_adds, spend_multiply_adds};

/// Multiply-adds below which a call stays on its thread: a fifth of a millisecond on one core. To wake another takes half of
/// that.
const SMALL: usize = 1 << 23;

/// Numbers beyond which a pass over them is shared among threads.
const LARGE: usize = 1 << 16;

/// Whether the fast versions work on x.
pub fn runs_fast(x: &Field) -> bool {
    view::is_fast(x)
}

/// `f` of x, on a thread of rayon's pool where the fast versions work on x: parallel pieces then start without waking anyone.
pub fn on_workers<T: Send>(x: Field, f: impl FnOnce(Field) -> T + Send) -> T {
    if runs_fast(&x) { rayon::scope(|_| f(x)) } else { f(x) }
}

#[cfg(test)]
mod tests;
