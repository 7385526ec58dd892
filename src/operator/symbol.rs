//! Circular convolutions, each by its Fourier symbol.

use super::batch::{check_domain, map_samples};
use super::fourier::Fourier;
use super::{LinearOperator, Operator, OperatorError, Real};
use ndarray::{ArrayD, ArrayViewD, Axis, Zip};
use rustfft::num_complex::Complex;

/// `A x = F⁻¹ (B ∘ F x)` on every channel: convolution on a periodic grid. Its adjoint has the symbol conj B.
#[derive(Clone)]
pub struct Convolution<T: Real> {
    domain: Vec<usize>,
    fourier: Fourier<T>,
    symbol: ArrayD<Complex<T>>,
    even: Vec<bool>,
}

impl<T: Real> Convolution<T> {
    /// The convolution of images of shape `domain`, `[channel, axes…]`, whose symbol at the signed integer frequency
    /// k (one entry an axis) is `symbol(k)`. An error unless B(−k) = conj B(k), as a real kernel has.
    pub fn new(domain: &[usize], symbol: impl Fn(&[i64]) -> Complex<f64>) -> Result<Self, OperatorError> {
        check_domain(domain)?;
        let shape = &domain[1..];
        let fourier = Fourier::new(shape);
        let mut even = vec![true; shape.len()];
        let mut broken = None;
        let table = fourier.tabulate(|k| {
            let here = symbol(k);
            let close = |a: Complex<f64>, b: Complex<f64>| (a - b).norm() <= 1e-12 * (1.0 + here.norm());
            let opposite: Vec<i64> = k.iter().zip(shape).map(|(&k, &n)| negative(k, n)).collect();
            if !close(symbol(&opposite).conj(), here) && broken.is_none() {
                broken = Some(k.to_vec());
            }
            for (axis, even) in even.iter_mut().enumerate() {
                let mut flipped = k.to_vec();
                flipped[axis] = opposite[axis];
                *even &= close(symbol(&flipped), here);
            }
            Complex::new(T::of(here.re), T::of(here.im))
        });
        match broken {
            Some(frequency) => Err(OperatorError::Symbol { frequency }),
            None => Ok(Convolution { domain: domain.to_vec(), fourier, symbol: table, even }),
        }
    }

    /// The symbol over the half spectrum of [`Fourier`].
    pub fn symbol(&self) -> &ArrayD<Complex<T>> {
        &self.symbol
    }

    /// The transform it works with.
    pub fn fourier(&self) -> &Fourier<T> {
        &self.fourier
    }

    fn convolve(
        &self,
        what: &'static str,
        batch: ArrayViewD<T>,
        factor: impl Fn(Complex<T>) -> Complex<T> + Send + Sync,
    ) -> Result<ArrayD<T>, OperatorError> {
        map_samples(what, batch, &self.domain, &self.domain, |sample| {
            let mut out = ArrayD::zeros(sample.raw_dim());
            for (channel, mut out) in sample.axis_iter(Axis(0)).zip(out.axis_iter_mut(Axis(0))) {
                let mut spectrum = self.fourier.forward(channel);
                Zip::from(&mut spectrum).and(&self.symbol).for_each(|x, &b| *x = *x * factor(b));
                out.assign(&self.fourier.inverse(spectrum));
            }
            Ok(out)
        })
    }
}

/// −k on an axis of `n`, in the range of the signed frequencies: the one at −n/2 is its own negative.
fn negative(k: i64, n: usize) -> i64 {
    if 2 * k == -(n as i64) { k } else { -k }
}

impl<T: Real> Operator<T> for Convolution<T> {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.domain
    }

    fn apply(&self, x: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        self.convolve("image", x, |b| b)
    }

    fn linearize(&self, _: ArrayViewD<T>) -> Result<Box<dyn LinearOperator<T> + '_>, OperatorError> {
        Ok(Box::new(self))
    }

    /// Where the symbol is even along the axis.
    fn commutes_with_flip(&self, axis: usize) -> bool {
        self.even.get(axis).copied().unwrap_or(false)
    }
}

impl<T: Real> LinearOperator<T> for Convolution<T> {
    fn adjoint(&self, y: ArrayViewD<T>) -> Result<ArrayD<T>, OperatorError> {
        self.convolve("observation", y, |b| b.conj())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// The shift by one pixel along the first axis: a symbol that is not real.
    fn shift(domain: &[usize]) -> Result<Convolution<f64>, OperatorError> {
        let n = domain[1] as f64;
        Convolution::new(domain, move |k| Complex::from_polar(1.0, -TAU * k[0] as f64 / n))
    }

    #[test]
    fn a_phase_is_a_shift() -> Result<(), OperatorError> {
        let x = ArrayD::from_shape_fn(vec![2, 1, 5, 4], |i| (i[0] * 7 + i[2] * i[2] + 3 * i[3]) as f64);
        let y = shift(&[1, 5, 4])?.apply(x.view())?;
        for (index, &y) in y.indexed_iter() {
            let from = [index[0], 0, (index[2] + 4) % 5, index[3]];
            assert!((y - x[from.as_slice()]).abs() < 1e-12);
        }
        Ok(())
    }

    #[test]
    fn only_even_symbols_commute_with_flips() -> Result<(), OperatorError> {
        let shift = shift(&[1, 5, 4])?;
        assert!(!shift.commutes_with_flip(0));
        assert!(shift.commutes_with_flip(1));
        assert!(!shift.commutes_with_flip(2));
        Ok(())
    }

    #[test]
    fn a_symbol_of_no_real_kernel_is_an_error() {
        let odd = Convolution::<f64>::new(&[1, 4, 4], |k| Complex::new(k[0] as f64, 0.0));
        assert!(matches!(odd, Err(OperatorError::Symbol { .. })));
    }
}
