//! Checks that work for any operator: is the adjoint the adjoint, is the linearisation the derivative?

use super::{LinearOperator, Operator, OperatorError, Real};
use crate::random::{Purpose, stream};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// |⟨A x, y⟩ − ⟨x, A' y⟩| / (‖A x‖ ‖y‖) for white x and y drawn from `seed`: rounding error if the adjoint is right,
/// of order one if it is not. Sums are taken in f64.
///
/// ```
/// use posteria::operator::OperatorConfig;
/// use posteria::operator::check::adjoint_error;
///
/// let blur = OperatorConfig::CircularBlur { sigma: 1.5 };
/// assert!(adjoint_error(&*blur.build::<f64>(&[1, 16, 9])?, 1)? < 1e-13);
/// assert!(adjoint_error(&*blur.build::<f32>(&[1, 16, 9])?, 1)? < 1e-5);
/// # Ok::<(), posteria::operator::OperatorError>(())
/// ```
pub fn adjoint_error<T: Real>(operator: &dyn LinearOperator<T>, seed: u64) -> Result<f64, OperatorError> {
    let mut rng = stream(seed, Purpose::Diagnostic, 0);
    let x = white::<T>(operator.domain(), &mut rng);
    let y = white::<T>(operator.range(), &mut rng);
    let ax = operator.apply(x.view())?;
    let aty = operator.adjoint(y.view())?;
    let scale = (dot(&ax, &ax) * dot(&y, &y)).sqrt();
    Ok((dot(&ax, &y) - dot(&x, &aty)).abs() / scale)
}

/// The order in h of ‖A(x + h dx) − A(x) − h A'(x) dx‖, fitted over h = 2⁻¹ … 2⁻⁸ in the logarithm: 2 if the
/// linearisation is the derivative, 1 if it is not.
///
/// `x` and `dx` are one image each, of shape [`Operator::domain`]. The remainder of a linear operator is zero to
/// rounding: infinite order. Steps whose remainder is within rounding of A(x) are left out.
pub fn linearization_slope<T: Real>(
    operator: &dyn Operator<T>,
    x: ArrayViewD<T>,
    dx: ArrayViewD<T>,
) -> Result<f64, OperatorError> {
    let (x, dx) = (x.insert_axis(Axis(0)), dx.insert_axis(Axis(0)));
    let value = operator.apply(x.view())?;
    let derivative = operator.linearize(x.index_axis(Axis(0), 0))?.apply(dx.view())?;
    let noise = 1e3 * T::epsilon().into() * dot(&value, &value).sqrt();
    let mut points = Vec::new();
    for halvings in 1..=8 {
        let h = 0.5_f64.powi(halvings);
        let moved = operator.apply((&x + &dx.mapv(|d| d * T::of(h))).view())?;
        let remainder = &moved - &value - &derivative.mapv(|d| d * T::of(h));
        let size = dot(&remainder, &remainder).sqrt();
        if size > noise {
            points.push((h.ln(), size.ln()));
        }
    }
    Ok(if points.len() < 2 { f64::INFINITY } else { fitted_slope(&points) })
}

/// Least squares.
fn fitted_slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (up, down) =
        points.iter().fold((0.0, 0.0), |(up, down), p| (up + (p.0 - x) * (p.1 - y), down + (p.0 - x) * (p.0 - x)));
    up / down
}

/// One white sample as a batch of one.
fn white<T: Real>(shape: &[usize], rng: &mut ChaCha8Rng) -> ArrayD<T> {
    let shape: Vec<usize> = std::iter::once(1).chain(shape.iter().copied()).collect();
    ArrayD::from_shape_simple_fn(IxDyn(&shape), || {
        let value: f64 = StandardNormal.sample(rng);
        T::of(value)
    })
}

fn dot<T: Real>(a: &ArrayD<T>, b: &ArrayD<T>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| a.into() * b.into()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::symbol::Convolution;
    use super::super::{OperatorConfig, map_samples};
    use super::*;
    use rustfft::num_complex::Complex;

    const SHAPES: [&[usize]; 7] = [&[1, 16], &[2, 15], &[1, 1], &[1, 8, 9], &[3, 7, 6], &[1, 4, 5, 6], &[2, 5, 4, 7]];

    #[test]
    fn every_adjoint_is_one() -> Result<(), OperatorError> {
        for shape in SHAPES {
            let n = shape[1] as f64;
            let shift = |k: &[i64]| {
                let nyquist = 2 * k[0] == -(shape[1] as i64);
                let phase = if nyquist { 0.0 } else { 0.9 * k[0] as f64 / n };
                Complex::from_polar(1.0, phase)
            };
            for config in [OperatorConfig::Identity {}, OperatorConfig::CircularBlur { sigma: 1.3 }] {
                let double = adjoint_error(&*config.build::<f64>(shape)?, 1)?;
                let single = adjoint_error(&*config.build::<f32>(shape)?, 1)?;
                assert!(double <= 1e-13 && single <= 1e-5, "{config:?} {shape:?}: {double} {single}");
            }
            let double = adjoint_error(&Convolution::<f64>::new(shape, shift)?, 2)?;
            let single = adjoint_error(&Convolution::<f32>::new(shape, shift)?, 2)?;
            assert!(double <= 1e-13 && single <= 1e-5, "shift {shape:?}: {double} {single}");
        }
        Ok(())
    }

    /// y = (x + shift x)², and its derivative times `factor`; with `transposed` false the adjoint repeats the forward map.
    struct Squares {
        domain: Vec<usize>,
        factor: f64,
        transposed: bool,
    }

    struct Derivative<'a>(&'a Squares, ArrayD<f64>);

    fn plus_neighbour(x: ArrayViewD<f64>, step: usize) -> ArrayD<f64> {
        let n = x.len_of(Axis(1));
        ArrayD::from_shape_fn(x.raw_dim(), |i| x[[i[0], i[1]]] + x[[i[0], (i[1] + step) % n]])
    }

    impl Operator<f64> for Squares {
        fn domain(&self) -> &[usize] {
            &self.domain
        }
        fn range(&self) -> &[usize] {
            &self.domain
        }
        fn apply(&self, x: ArrayViewD<f64>) -> Result<ArrayD<f64>, OperatorError> {
            map_samples("image", x, &self.domain, &self.domain, |x| Ok(plus_neighbour(x, 1).mapv(|v| v * v)))
        }
        fn linearize(&self, x: ArrayViewD<f64>) -> Result<Box<dyn LinearOperator<f64> + '_>, OperatorError> {
            Ok(Box::new(Derivative(self, plus_neighbour(x, 1) * 2.0)))
        }
    }

    impl Operator<f64> for Derivative<'_> {
        fn domain(&self) -> &[usize] {
            &self.0.domain
        }
        fn range(&self) -> &[usize] {
            &self.0.domain
        }
        fn apply(&self, x: ArrayViewD<f64>) -> Result<ArrayD<f64>, OperatorError> {
            map_samples("image", x, &self.0.domain, &self.0.domain, |x| {
                Ok(plus_neighbour(x, 1) * &self.1 * self.0.factor)
            })
        }
        fn linearize(&self, _: ArrayViewD<f64>) -> Result<Box<dyn LinearOperator<f64> + '_>, OperatorError> {
            Ok(Box::new(self))
        }
    }

    impl LinearOperator<f64> for Derivative<'_> {
        fn adjoint(&self, y: ArrayViewD<f64>) -> Result<ArrayD<f64>, OperatorError> {
            let n = self.0.domain[1];
            let step = if self.0.transposed { n - 1 } else { 1 };
            map_samples("observation", y, &self.0.domain, &self.0.domain, |y| {
                Ok(plus_neighbour((&y * &self.1).view(), step) * self.0.factor)
            })
        }
    }

    #[test]
    fn a_wrong_adjoint_and_a_wrong_derivative_are_found() -> Result<(), OperatorError> {
        let x = ArrayD::from_shape_fn(vec![1, 12], |i| (i[1] as f64).sin());
        let dx = ArrayD::from_shape_fn(vec![1, 12], |i| (i[1] as f64 * 1.7).cos());
        let squares = |factor, transposed| Squares { domain: vec![1, 12], factor, transposed };
        let right = squares(1.0, true);
        let slope = linearization_slope(&right, x.view(), dx.view())?;
        assert!((slope - 2.0).abs() < 0.05, "{slope}");
        assert!(adjoint_error(&*right.linearize(x.view())?, 3)? < 1e-13);
        let slope = linearization_slope(&squares(1.1, true), x.view(), dx.view())?;
        assert!(slope < 1.5, "{slope}");
        let slope = linearization_slope(&squares(0.0, true), x.view(), dx.view())?;
        assert!(slope < 1.5, "{slope}");
        assert!(adjoint_error(&*squares(1.0, false).linearize(x.view())?, 3)? > 1e-3);
        Ok(())
    }

    #[test]
    fn a_linear_operator_is_its_own_linearisation() -> Result<(), OperatorError> {
        let blur = super::super::blur::CircularBlur::<f64>::new(&[1, 12], 1.0)?;
        let x = ArrayD::from_elem(vec![1, 12], 0.5);
        assert_eq!(linearization_slope(&blur, x.view(), x.view())?, f64::INFINITY);
        Ok(())
    }

    #[test]
    fn numbers_do_not_depend_on_threads() -> Result<(), Box<dyn std::error::Error>> {
        let blur = OperatorConfig::CircularBlur { sigma: 1.5 }.build::<f32>(&[1, 16, 16])?;
        let x = ArrayD::from_shape_fn(vec![9, 1, 16, 16], |i| ((i[0] * 31 + i[2] * 7 + i[3]) as f32).sin());
        let with = |threads| -> Result<ArrayD<f32>, Box<dyn std::error::Error>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            Ok(pool.install(|| blur.apply(x.view()))?)
        };
        assert_eq!(with(1)?, with(5)?);
        Ok(())
    }
}
