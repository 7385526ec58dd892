//! The identity: denoising.

use super::batch::{check_domain, map_samples};
use super::{LinearOperator, Operator, OperatorError, Real};
use ndarray::{ArrayD, ArrayViewD};

/// `A x = x`: the observation is the image itself, with noise.
#[derive(Clone, Debug)]
pub struct Identity {
    domain: Vec<usize>,
}

impl Identity {
    /// The identity on images of shape `domain`, `[channel, axes…]`.
    pub fn new(domain: &[usize]) -> Result<Identity, OperatorError> {
        check_domain(domain)?;
        Ok(Identity { domain: domain.to_vec() })
    }
}

impl<T: Real> Operator<T> for Identity {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.domain
    }

    fn apply(&self, x: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        map_samples("image", x, &self.domain, &self.domain, |x| Ok(x.to_owned()))
    }

    fn linearize(&self, _: ArrayViewD<T>) -> Result<Box<dyn LinearOperator<T> + '_>, OperatorError> {
        Ok(Box::new(self))
    }

    fn commutes_with_flip(&self, _: usize) -> bool {
        true
    }
}

impl<T: Real> LinearOperator<T> for Identity {
    fn adjoint(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        map_samples("observation", y, &self.domain, &self.domain, |y| Ok(y.to_owned()))
    }
}
