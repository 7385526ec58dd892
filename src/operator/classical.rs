//! Images that an observation gives without a prior: what a trained posterior has to be better than.

use super::{LinearOperator, OperatorError, Real};
use ndarray::{ArrayD, ArrayViewD, Axis};
use std::sync::Arc;

/// A classical method of reconstruction. It may give several images, each of another strength of its regularisation.
pub trait ClassicalMethod<T: Real>: Send + Sync {
    /// What its images are called: "time reversal".
    fn names(&self) -> Vec<String>;

    /// The images of each observation of a batch, in the order of their names: each is `[sample, domain…]` for observations
    /// `[sample, range…]`. Their scale is the method's own.
    fn reconstruct(&self, y: ArrayViewD<T>) -> Result<Vec<ArrayD<T>>, OperatorError>;
}

/// The classical methods that there are for an operator.
pub struct ClassicalMethods<T: Real> {
    /// Those that are used.
    pub methods: Vec<Box<dyn ClassicalMethod<T>>>,
    /// The names of those that would take too long for an image of this size.
    pub left_out: Vec<String>,
}

/// One image of a classical method brought to the unit of x: a z + b for the image z.
pub struct Fitted {
    method: Box<dyn ClassicalMethod<f32>>,
    image: usize,
    line: [f64; 2],
}

impl Fitted {
    /// Image number `image` of a method, with the line `[a, b]`.
    pub fn new(method: Box<dyn ClassicalMethod<f32>>, image: usize, line: [f64; 2]) -> Self {
        Fitted { method, image, line }
    }

    /// What the image is called.
    pub fn name(&self) -> String {
        self.method.names().swap_remove(self.image)
    }

    /// The image of each observation of a batch, `[sample, domain…]`.
    pub fn images(&self, y: ArrayViewD<f32>) -> Result<ArrayD<f32>, OperatorError> {
        let [a, b] = self.line;
        let images = self.method.reconstruct(y)?.swap_remove(self.image);
        Ok(images.mapv_into(|z| (a * f64::from(z) + b) as f32))
    }
}

/// Least squares by conjugate gradients on the normal equations, stopped early:
///
/// x_k minimises ‖A x − y‖ over the Krylov space of Aᵀ y, Aᵀ A Aᵀ y, … of dimension k. The number of iterations is the
/// regularisation: noise enters late (Hansen 2010, Discrete Inverse Problems, chapter 6; CGLS of Hestenes and Stiefel 1952).
/// On the way to the last x_k lie all the others: one run gives an image for each number of iterations that is asked for.
pub struct LeastSquares<T: Real> {
    operator: Arc<dyn LinearOperator<T>>,
    /// Ascending.
    iterations: Vec<usize>,
}

impl<T: Real> LeastSquares<T> {
    /// An image after each of these numbers of iterations with an operator.
    pub fn new(operator: Arc<dyn LinearOperator<T>>, iterations: &[usize]) -> Self {
        let mut iterations = iterations.to_vec();
        iterations.sort_unstable();
        LeastSquares { operator, iterations }
    }
}

impl<T: Real> ClassicalMethod<T> for LeastSquares<T> {
    fn names(&self) -> Vec<String> {
        self.iterations.iter().map(|count| format!("least squares, {count} iterations")).collect()
    }

    fn reconstruct(&self, y: ArrayViewD<T>) -> Result<Vec<ArrayD<T>>, OperatorError> {
        let mut residual = y.to_owned();
        let mut gradient = self.operator.adjoint(y)?;
        let mut x = ArrayD::zeros(gradient.raw_dim());
        let mut direction = gradient.clone();
        let mut square = squares(&gradient);
        let (mut images, mut done) = (Vec::with_capacity(self.iterations.len()), 0);
        for &wanted in &self.iterations {
            for _ in done..wanted {
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
            done = wanted;
            images.push(x.clone());
        }
        Ok(images)
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
    use crate::operator::{Operator, OperatorConfig};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// With as many iterations as the operator has eigenvalues, it solves; each sample for itself.
    #[test]
    fn converges_to_the_solution() -> Result<(), OperatorError> {
        let blur: Arc<dyn LinearOperator<f64>> =
            Arc::from(OperatorConfig::CircularBlur { sigma: 0.6 }.build(&[1, 12])?);
        let x = ArrayD::from_shape_fn(vec![3, 1, 12], |p| ((p[0] * 5 + p[2] * p[2]) as f64).sin());
        let y = blur.apply(x.view())?;
        let found = LeastSquares::new(blur.clone(), &[7, 2]).reconstruct(y.view())?;
        let errors: Vec<f64> =
            found.iter().map(|found| (found - &x).iter().fold(0.0, |worst, d| d.abs().max(worst))).collect();
        assert!(errors[0] > 1e-3 && errors[1] < 1e-9, "{errors:?}");
        let silence = LeastSquares::new(blur.clone(), &[3]).reconstruct(ArrayD::zeros(vec![1, 1, 12]).view())?;
        assert!(silence[0].iter().all(|&v| v == 0.0));
        Ok(())
    }

    /// Counts how often an operator and its adjoint are applied.
    struct Counted(Box<dyn LinearOperator<f64>>, AtomicUsize);

    impl Operator<f64> for Counted {
        fn domain(&self) -> &[usize] {
            self.0.domain()
        }

        fn range(&self) -> &[usize] {
            self.0.range()
        }

        fn apply(&self, x: ArrayViewD<f64>) -> Result<ArrayD<f64>, OperatorError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.apply(x)
        }

        fn linearize(&self, x: ArrayViewD<f64>) -> Result<Box<dyn LinearOperator<f64> + '_>, OperatorError> {
            self.0.linearize(x)
        }
    }

    impl LinearOperator<f64> for Counted {
        fn adjoint(&self, y: ArrayViewD<f64>) -> Result<ArrayD<f64>, OperatorError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.adjoint(y)
        }
    }

    /// The images of several numbers of iterations are those of each alone, for the work of the last one.
    #[test]
    fn what_lies_on_the_way_costs_nothing() -> Result<(), OperatorError> {
        let blur = OperatorConfig::CircularBlur { sigma: 0.6 }.build(&[1, 12])?;
        let counted = Arc::new(Counted(blur, AtomicUsize::new(0)));
        let y = ArrayD::from_shape_fn(vec![2, 1, 12], |p| ((p[0] * 5 + p[2] * p[2]) as f64).sin());
        let run = |iterations: &[usize]| LeastSquares::new(counted.clone(), iterations).reconstruct(y.view());
        let all = run(&[1, 3, 5])?;
        assert_eq!(counted.1.load(Ordering::Relaxed), 11);
        for (image, alone) in all.iter().zip([1, 3, 5]) {
            assert_eq!(*image, run(&[alone])?[0]);
        }
        Ok(())
    }
}
