use super::{ExactPosterior, check_batch, check_noise};
use crate::operator::Operator;
use crate::operator::fourier::Fourier;
use crate::operator::symbol::Convolution;
use crate::posterior::PosteriorError;
use crate::posterior::error::check_shape;
use crate::prior::{PeriodicGaussianField, filtered_noise};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Zip};
use rand_chacha::ChaCha8Rng;
use rustfft::num_complex::Complex;

/// The posterior of a periodic Gaussian field seen through a circular convolution in white noise.
///
/// x ~ N(0, C), y = A x + ε, ε ~ N(0, σ² I). Prior covariance and operator are diagonal in the Fourier basis, with
/// P_k and B_k there, and so is the posterior N(m(y), Σ):
///
/// ```text
/// v_k = P_k σ² / (|B_k|² P_k + σ²)                      eigenvalues of Σ, the same for every y
/// m̂_k = P_k conj(B_k) / (|B_k|² P_k + σ²) · ŷ_k          the Wiener filter
/// ```
///
/// Sums over k run over all n frequencies. Images have one channel.
#[derive(Clone)]
pub struct PeriodicGaussian {
    shape: Vec<usize>,
    fourier: Fourier<f64>,
    multiplicity: ArrayD<f64>,
    prior: ArrayD<f64>,
    filter: ArrayD<Complex<f64>>,
    variance: ArrayD<f64>,
}

impl PeriodicGaussian {
    /// The posterior for a prior, an operator on the same grid and noise of standard deviation `sigma` > 0.
    pub fn new(
        prior: &PeriodicGaussianField,
        operator: &Convolution<f64>,
        sigma: f64,
    ) -> Result<PeriodicGaussian, PosteriorError> {
        let shape: Vec<usize> = std::iter::once(1).chain(prior.fourier().shape().iter().copied()).collect();
        check_shape("image of the operator", operator.domain(), &shape)?;
        check_noise(sigma)?;
        let (spectrum, symbol) = (prior.spectrum(), operator.symbol());
        let noise = sigma * sigma;
        let total = |p: f64, b: Complex<f64>| b.norm_sqr() * p + noise;
        let filter = Zip::from(spectrum).and(symbol).map_collect(|&p, &b| b.conj() * p / total(p, b));
        let variance = Zip::from(spectrum).and(symbol).map_collect(|&p, &b| p * noise / total(p, b));
        let fourier = prior.fourier().clone();
        let multiplicity = fourier.multiplicity();
        Ok(PeriodicGaussian { shape, multiplicity, prior: spectrum.clone(), filter, variance, fourier })
    }

    /// Σ_k over all frequencies.
    fn sum(&self, values: &ArrayD<f64>) -> f64 {
        values.iter().zip(&self.multiplicity).map(|(value, count)| value * count).sum()
    }

    /// x̂ of one image `[1, axes…]`.
    fn transform(&self, image: ArrayViewD<f64>) -> ArrayD<Complex<f64>> {
        self.fourier.forward(image.index_axis_move(Axis(0), 0))
    }
}

impl ExactPosterior for PeriodicGaussian {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn mean(&self, y: ArrayViewD<f64>) -> Result<ArrayD<f64>, PosteriorError> {
        check_batch("observation", &y, &self.shape)?;
        let mut mean = ArrayD::zeros(y.raw_dim());
        for (y, mut mean) in y.axis_iter(Axis(0)).zip(mean.axis_iter_mut(Axis(0))) {
            let mut spectrum = self.transform(y);
            spectrum *= &self.filter;
            mean.index_axis_mut(Axis(0), 0).assign(&self.fourier.inverse(spectrum));
        }
        Ok(mean)
    }

    fn sample(&self, y: ArrayViewD<f64>, n: usize, rng: &mut ChaCha8Rng) -> Result<ArrayD<f64>, PosteriorError> {
        let mean = self.mean(y.insert_axis(Axis(0)))?;
        let mean = mean.index_axis(Axis(0), 0);
        let shape: Vec<usize> = std::iter::once(n).chain(self.shape.iter().copied()).collect();
        let mut draws = ArrayD::zeros(IxDyn(&shape));
        for mut draw in draws.axis_iter_mut(Axis(0)) {
            let deviation = filtered_noise(&self.fourier, &self.variance, rng).insert_axis(Axis(0));
            draw.assign(&(&mean + &deviation));
        }
        Ok(draws)
    }

    fn whiten(&self, deviation: ArrayViewD<f64>) -> Result<ArrayD<f64>, PosteriorError> {
        check_batch("deviation", &deviation, &self.shape)?;
        let mut white = ArrayD::zeros(deviation.raw_dim());
        for (deviation, mut white) in deviation.axis_iter(Axis(0)).zip(white.axis_iter_mut(Axis(0))) {
            let mut spectrum = self.transform(deviation);
            Zip::from(&mut spectrum).and(&self.variance).for_each(|z, &v| *z /= v.sqrt());
            white.index_axis_mut(Axis(0), 0).assign(&self.fourier.inverse(spectrum));
        }
        Ok(white)
    }

    fn standard_deviation(&self) -> ArrayD<f64> {
        ArrayD::from_elem(IxDyn(&self.shape), self.expected_rmse())
    }

    fn expected_rmse(&self) -> f64 {
        (self.sum(&self.variance) / self.pixels() as f64).sqrt()
    }

    fn log_det_prior(&self) -> f64 {
        self.sum(&self.prior.mapv(f64::ln))
    }

    fn log_det_posterior(&self) -> f64 {
        self.sum(&self.variance.mapv(f64::ln))
    }
}
