//! The discrete Fourier transform of real images of any dimension.
//!
//! x̂_k = Σ_p x_p exp(−2πi Σ_a k_a p_a / n_a), unnormalised; the inverse divides by n = Π n_a. The last axis keeps its
//! ⌊n/2⌋ + 1 non-negative frequencies only, the others are the conjugates of those at −k.

use super::Real;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Planned transforms of images of one shape. Cheap to clone: the plans are shared.
#[derive(Clone)]
pub struct Fourier<T: Real> {
    shape: Vec<usize>,
    half: Vec<usize>,
    last: (Arc<dyn RealToComplex<T>>, Arc<dyn ComplexToReal<T>>),
    others: Vec<Complete<T>>,
}

/// Forward and inverse transform along an axis that keeps all its frequencies.
type Complete<T> = (Arc<dyn Fft<T>>, Arc<dyn Fft<T>>);

impl<T: Real> Fourier<T> {
    /// Plans for spatial `shape`, which has at least one axis and no empty one.
    pub fn new(shape: &[usize]) -> Fourier<T> {
        let (&n, before) = shape.split_last().unwrap_or((&1, &[]));
        let mut real = RealFftPlanner::new();
        let mut complex = FftPlanner::new();
        let others = before.iter().map(|&n| (complex.plan_fft_forward(n), complex.plan_fft_inverse(n))).collect();
        let half = before.iter().copied().chain([n / 2 + 1]).collect();
        let last = (real.plan_fft_forward(n), real.plan_fft_inverse(n));
        Fourier { shape: shape.to_vec(), half, last, others }
    }

    /// Shape of an image.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Shape of its half spectrum: the last axis is ⌊n/2⌋ + 1.
    pub fn half(&self) -> &[usize] {
        &self.half
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.shape.iter().product()
    }

    /// x̂ of one image of shape [`Fourier::shape`].
    pub fn forward(&self, image: ArrayViewD<T>) -> ArrayD<Complex<T>> {
        let plan = &self.last.0;
        let mut spectrum = ArrayD::from_elem(IxDyn(&self.half), zero());
        let mut input = plan.make_input_vec();
        let mut output = plan.make_output_vec();
        let axis = Axis(self.others.len());
        for (lane, mut into) in image.lanes(axis).into_iter().zip(spectrum.lanes_mut(axis)) {
            input.iter_mut().zip(lane).for_each(|(a, &b)| *a = b);
            let done = plan.process(&mut input, &mut output);
            debug_assert!(done.is_ok(), "the buffers come from the plan");
            into.iter_mut().zip(&output).for_each(|(a, &b)| *a = b);
        }
        self.along_others(&mut spectrum, |plans| &plans.0);
        spectrum
    }

    /// The real image of a half spectrum of shape [`Fourier::half`], divided by the number of pixels.
    pub fn inverse(&self, mut spectrum: ArrayD<Complex<T>>) -> ArrayD<T> {
        self.along_others(&mut spectrum, |plans| &plans.1);
        let plan = &self.last.1;
        let mut image = ArrayD::zeros(IxDyn(&self.shape));
        let mut input = plan.make_input_vec();
        let mut output = plan.make_output_vec();
        let even = output.len().is_multiple_of(2);
        let scale = T::of(1.0 / self.pixels() as f64);
        let axis = Axis(self.others.len());
        for (lane, mut into) in spectrum.lanes(axis).into_iter().zip(image.lanes_mut(axis)) {
            input.iter_mut().zip(lane).for_each(|(a, &b)| *a = b);
            // Real up to rounding by now; the plan wants it exact.
            let last = input.len() - 1;
            input[0].im = T::of(0.0);
            if even {
                input[last].im = T::of(0.0);
            }
            let done = plan.process(&mut input, &mut output);
            debug_assert!(done.is_ok(), "the buffers come from the plan");
            into.iter_mut().zip(&output).for_each(|(a, &b)| *a = b * scale);
        }
        image
    }

    /// The transforms of all axes but the last, in place.
    fn along_others(
        &self,
        spectrum: &mut ArrayD<Complex<T>>,
        direction: impl Fn(&(Arc<dyn Fft<T>>, Arc<dyn Fft<T>>)) -> &Arc<dyn Fft<T>>,
    ) {
        for (axis, plans) in self.others.iter().enumerate() {
            let plan = direction(plans);
            let mut buffer = vec![zero(); plan.len()];
            let mut scratch = vec![zero(); plan.get_inplace_scratch_len()];
            for mut lane in spectrum.lanes_mut(Axis(axis)) {
                buffer.iter_mut().zip(&lane).for_each(|(a, &b)| *a = b);
                plan.process_with_scratch(&mut buffer, &mut scratch);
                lane.iter_mut().zip(&buffer).for_each(|(a, &b)| *a = b);
            }
        }
    }

    /// A function of the signed integer frequency, tabulated over the half spectrum.
    pub fn tabulate<V>(&self, mut value: impl FnMut(&[i64]) -> V) -> ArrayD<V> {
        let mut k = vec![0; self.shape.len()];
        ArrayD::from_shape_fn(IxDyn(&self.half), |index| {
            for (axis, k) in k.iter_mut().enumerate() {
                *k = frequency(index[axis], self.shape[axis]);
            }
            value(&k)
        })
    }

    /// How many of the n frequencies each entry of the half spectrum stands for: 1 or 2.
    pub fn multiplicity(&self) -> ArrayD<f64> {
        let n = self.shape.last().copied().unwrap_or(1) as i64;
        self.tabulate(|k| match k.last() {
            Some(&last) if last != 0 && 2 * last.abs() != n => 2.0,
            _ => 1.0,
        })
    }
}

/// The signed integer frequency of entry `index` on an axis of `n`: −⌊n/2⌋ … ⌈n/2⌉ − 1.
pub fn frequency(index: usize, n: usize) -> i64 {
    let (index, n) = (index as i64, n as i64);
    if 2 * index < n { index } else { index - n }
}

fn zero<T: Real>() -> Complex<T> {
    Complex::new(T::of(0.0), T::of(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn image(shape: &[usize]) -> ArrayD<f64> {
        let mut count = 0.0;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            count += 1.0;
            (count * 0.7_f64).sin() + 0.1 * count
        })
    }

    #[test]
    fn agrees_with_the_defining_sum_and_returns() {
        for shape in [vec![7], vec![8], vec![1], vec![4, 6], vec![3, 5], vec![2, 3, 4], vec![3, 4, 5]] {
            let fourier = Fourier::<f64>::new(&shape);
            let x = image(&shape);
            let spectrum = fourier.forward(x.view());
            let table = fourier.tabulate(|k| {
                x.indexed_iter().fold(Complex::new(0.0, 0.0), |sum, (p, &x)| {
                    let phase: f64 = (0..k.len()).map(|a| k[a] as f64 * p[a] as f64 / shape[a] as f64).sum();
                    sum + Complex::from_polar(x, -TAU * phase)
                })
            });
            let error = (&spectrum - &table).iter().map(|d| d.norm()).fold(0.0, f64::max);
            assert!(error < 1e-10, "{shape:?}: {error}");
            let back = fourier.inverse(spectrum);
            assert!((&back - &x).iter().all(|d| d.abs() < 1e-12), "{shape:?}");
            assert_eq!(fourier.multiplicity().sum(), fourier.pixels() as f64);
        }
    }
}
