//! Gaussian blur on a periodic grid.

use super::symbol::Convolution;
use super::{LinearOperator, Operator, OperatorError, Real};
use ndarray::{ArrayD, ArrayViewD};
use rustfft::num_complex::Complex;
use std::f64::consts::PI;

/// Convolution with a Gaussian of standard deviation s pixels: B_k = exp(−2π² s² Σ_a (k_a/n_a)²).
#[derive(Clone)]
pub struct CircularBlur<T: Real>(Convolution<T>);

impl<T: Real> CircularBlur<T> {
    /// A blur of images of shape `domain`, `[channel, axes…]`; `sigma` in pixels, finite and not negative.
    pub fn new(domain: &[usize], sigma: f64) -> Result<Self, OperatorError> {
        if !(sigma >= 0.0 && sigma.is_finite()) {
            let remedy = "give a standard deviation in pixels, zero or more";
            return Err(OperatorError::Parameter { name: "sigma", value: sigma.to_string(), remedy });
        }
        let sizes: Vec<f64> = domain.iter().skip(1).map(|&n| n as f64).collect();
        let symbol = |k: &[i64]| {
            let squares: f64 = k.iter().zip(&sizes).map(|(&k, n)| (k as f64 / n).powi(2)).sum();
            Complex::new((-2.0 * PI * PI * sigma * sigma * squares).exp(), 0.0)
        };
        Ok(CircularBlur(Convolution::new(domain, symbol)?))
    }

    /// The blur as the convolution it is.
    pub fn convolution(&self) -> &Convolution<T> {
        &self.0
    }
}

impl<T: Real> Operator<T> for CircularBlur<T> {
    fn domain(&self) -> &[usize] {
        self.0.domain()
    }

    fn range(&self) -> &[usize] {
        self.0.range()
    }

    fn apply(&self, x: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        self.0.apply(x)
    }

    fn linearize(&self, x: ArrayViewD<T>) -> Result<Box<dyn LinearOperator<T> + '_>, OperatorError> {
        self.0.linearize(x)
    }

    fn commutes_with_flip(&self, axis: usize) -> bool {
        self.0.commutes_with_flip(axis)
    }
}

impl<T: Real> LinearOperator<T> for CircularBlur<T> {
    fn adjoint(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        self.0.adjoint(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_mean_and_spreads_a_point() -> Result<(), OperatorError> {
        let mut point = ArrayD::zeros(vec![1, 1, 31, 32]);
        point[[0, 0, 15, 16]] = 1.0;
        let y = CircularBlur::<f64>::new(&[1, 31, 32], 1.5)?.apply(point.view())?;
        assert!((y.sum() - 1.0).abs() < 1e-12);
        let variance: f64 = y.indexed_iter().map(|(p, &y)| y * (p[2] as f64 - 15.0).powi(2)).sum();
        assert!((variance - 2.25).abs() < 1e-6, "{variance}");
        Ok(())
    }

    #[test]
    fn a_bad_width_or_shape_is_an_error() -> Result<(), OperatorError> {
        assert!(CircularBlur::<f64>::new(&[1, 8], -1.0).is_err());
        assert!(CircularBlur::<f64>::new(&[1, 8], f64::NAN).is_err());
        assert!(CircularBlur::<f64>::new(&[1], 1.0).is_err());
        let blur = CircularBlur::<f32>::new(&[1, 8], 1.0)?;
        let message = blur.apply(ArrayD::zeros(vec![2, 1, 9]).view()).err().map(|e| e.to_string());
        assert!(message.is_some_and(|m| m.contains("[2, 1, 9]") && m.contains("[samples, 1, 8]")));
        Ok(())
    }
}
