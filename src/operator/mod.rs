//! Forward operators: how an observation follows from an image.
//!
//! An operator acts on batches `[sample, channel, axes…]`; [`Operator::domain`] and [`Operator::range`] give the shape
//! of one sample, `[channel, axes…]`. A linear one has an adjoint, a nonlinear one a linearisation whose adjoint,
//! applied to a residual, is the gradient of the least-squares misfit. [`check`] holds any implementation to both.
//! Samples run in parallel and each is computed by one thread, so the numbers do not depend on the number of threads.

mod batch;
pub mod blur;
pub mod check;
pub mod classical;
mod config;
mod error;
pub mod fourier;
pub mod identity;
mod noise;
pub mod photoacoustic;
mod real;
pub mod symbol;

pub use batch::map_samples;
pub use config::OperatorConfig;
pub use error::OperatorError;
pub use noise::{Noise, squared_residuals};
pub use real::Real;

use ndarray::{ArrayD, ArrayViewD};

/// A map from images to observations, linear or not.
pub trait Operator<T: Real>: Send + Sync {
    /// Shape of one input sample, `[channel, axes…]`.
    fn domain(&self) -> &[usize];

    /// Shape of one output sample, `[channel, axes…]`.
    fn range(&self) -> &[usize];

    /// `A(x)` for every sample of `x`, `[sample, domain…]`. An error if the shape is another.
    fn apply(&self, x: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError>;

    /// The derivative of the operator at one image `x` of shape [`Operator::domain`]. A linear operator is its own.
    fn linearize(&self, x: ArrayViewD<T>) -> Result<Box<dyn LinearOperator<T> + '_>, OperatorError>;

    /// Whether flipping an image along spatial axis `axis` (0 is the first after the channel) flips its observation
    /// alike. Only then may training flip pairs along it: otherwise the flipped pair has another posterior.
    fn commutes_with_flip(&self, axis: usize) -> bool {
        let _ = axis;
        false
    }
}

/// A linear map with its adjoint: ⟨A x, y⟩ = ⟨x, A' y⟩ in the plain sum over all entries.
pub trait LinearOperator<T: Real>: Operator<T> {
    /// `A' y` for every sample of `y`, `[sample, range…]`. An error if the shape is another.
    fn adjoint(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError>;
}

impl<T: Real, A: Operator<T> + ?Sized> Operator<T> for &A {
    fn domain(&self) -> &[usize] {
        (**self).domain()
    }

    fn range(&self) -> &[usize] {
        (**self).range()
    }

    fn apply(&self, x: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        (**self).apply(x)
    }

    fn linearize(&self, x: ArrayViewD<T>) -> Result<Box<dyn LinearOperator<T> + '_>, OperatorError> {
        (**self).linearize(x)
    }

    fn commutes_with_flip(&self, axis: usize) -> bool {
        (**self).commutes_with_flip(axis)
    }
}

impl<T: Real, A: LinearOperator<T> + ?Sized> LinearOperator<T> for &A {
    fn adjoint(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        (**self).adjoint(y)
    }
}
