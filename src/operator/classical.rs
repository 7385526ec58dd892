//! Images that an observation gives without a prior: what a trained posterior has to be better than.

use super::{LinearOperator, OperatorError, Real};
use ndarray::{ArrayD, ArrayViewD, Axis};
use std::sync::Arc;

/// A classical method of reconstruction.
pub trait ClassicalImage<T: Real>: Send + Sync {
    /// What it is called: "time reversal".
    fn name(&self) -> String;

    /// The image of each observation of a batch: `[sample, range…]` to `[sample, domain…]`. Its scale is the method's own.
    fn reconstruct(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError>;
}

/// Least squares by conjugate gradients on the normal equations, stopped early:
///
/// x_k minimises ‖A x − y‖ over the Krylov space of Aᵀ y, Aᵀ A Aᵀ y, … of dimension k. The number of iterations is the
/// regularisation: noise enters late (Hansen 2010, Discrete Inverse Problems, chapter 6; CGLS of Hestenes and Stiefel 1952).
pub struct LeastSquares<T: Real> {
    operator: Arc<dyn LinearOperator<T>>,
    iterations: usize,
}

impl<T: Real> LeastSquares<T> {
    /// So many iterations with an operator.
    pub fn new(operator: Arc<dyn LinearOperator<T>>, iterations: usize) -> Self {
        LeastSquares { operator, iterations }
    }
}

impl<T: Real> ClassicalImage<T> for LeastSquares<T> {
    fn name(&self) -> String {
        format!("least squares, {} iterations", self.iterations)
    }

    fn reconstruct(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        let mut residual = y.to_owned();
        let mut gradient = self.operator.adjoint(y)?;
        let mut x = ArrayD::zeros(gradient.raw_dim());
        let mut direction = gradient.clone();
        let mut square = squares(&gradient);
        for _ in 0..self.iterations {
            let image = self.operator.apply(direction.view())?;
            let step = ratios(&square, &squares(&image));
            add(&mut x, &step, &direction);
            add(&mut residual, &step.iter().map(|&s| -s).collect::<Vec<_>>(), &image);
            gradient = self.operator.adjoint(residual.view())?;
            let next = squares(&gradient);
            let turn = ratios(&next, &square);
            for (mut direction, &turn) in direction.axis_iter_mut(Axis(0)).zip(&turn) {
                direction.mapv_inplace(|d| d * T::of(turn));
            }
            direction.zip_mut_with(&gradient, |d, &g| *d = *d + g);
            square = next;
        }
        Ok(x)
    }
}

/// ‖x‖² of each sample.
fn squares<T: Real>(batch: &ArrayD<T>) -> Vec<f64> {
    batch.axis_iter(Axis(0)).map(|x| x.iter().map(|&v| v.into() * v.into()).sum()).collect()
}

/// a/b of each sample; zero once it has converged.
fn ratios(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| if *b > 0.0 { a / b } else { 0.0 }).collect()
}

/// x += step · direction for each sample.
fn add<T: Real>(x: &mut ArrayD<T>, step: &[f64], direction: &ArrayD<T>) {
    for ((mut x, direction), &step) in x.axis_iter_mut(Axis(0)).zip(direction.axis_iter(Axis(0))).zip(step) {
        x.scaled_add(T::of(step), &direction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::OperatorConfig;

    /// With as many iterations as the operator has eigenvalues, it solves; each sample for itself.
    #[test]
    fn converges_to_the_solution() -> Result<(), OperatorError> {
        let blur: Arc<dyn LinearOperator<f64>> =
            Arc::from(OperatorConfig::CircularBlur { sigma: 0.6 }.build(&[1, 12])?);
        let x = ArrayD::from_shape_fn(vec![3, 1, 12], |p| ((p[0] * 5 + p[2] * p[2]) as f64).sin());
        let y = blur.apply(x.view())?;
        let error = |iterations, y: &ArrayD<f64>| -> Result<f64, OperatorError> {
            let found = LeastSquares::new(blur.clone(), iterations).reconstruct(y.view())?;
            Ok((found - &x).iter().fold(0.0, |worst, d| d.abs().max(worst)))
        };
        assert!(error(7, &y)? < 1e-9);
        assert!(error(2, &y)? > 1e-3);
        let silence = LeastSquares::new(blur.clone(), 3).reconstruct(ArrayD::zeros(vec![1, 1, 12]).view())?;
        assert!(silence.iter().all(|&v| v == 0.0));
        Ok(())
    }
}
