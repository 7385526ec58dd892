//! Posteriors in closed form: the reference that trained ones are measured against.

use super::PosteriorError;
use super::error::check_shape;
use crate::operator::fourier::Fourier;
use crate::operator::symbol::Convolution;
use crate::operator::{Operator, Real};
use crate::prior::{PeriodicGaussianField, filtered_noise};
use ndarray::{Array1, ArrayD, ArrayViewD, Axis, IxDyn, Zip};
use rand_chacha::ChaCha8Rng;
use rustfft::num_complex::Complex;
use std::f64::consts::{E, TAU};

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
/// Sums over k run over all n frequencies. Everything is f64 inside; images are `[sample, channel, axes…]` of either
/// float type, with one channel. Sizes are those of one pixel's unit; densities are in nats.
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
        if !(sigma > 0.0 && sigma.is_finite()) {
            let remedy = "give the standard deviation of the noise, a positive number";
            return Err(PosteriorError::Parameter { name: "sigma", value: sigma.to_string(), remedy });
        }
        let (spectrum, symbol) = (prior.spectrum(), operator.symbol());
        let noise = sigma * sigma;
        let total = |p: f64, b: Complex<f64>| b.norm_sqr() * p + noise;
        let filter = Zip::from(spectrum).and(symbol).map_collect(|&p, &b| b.conj() * p / total(p, b));
        let variance = Zip::from(spectrum).and(symbol).map_collect(|&p, &b| p * noise / total(p, b));
        let fourier = prior.fourier().clone();
        let multiplicity = fourier.multiplicity();
        Ok(PeriodicGaussian { shape, multiplicity, prior: spectrum.clone(), filter, variance, fourier })
    }

    /// Shape of one image, `[1, axes…]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of pixels n.
    pub fn pixels(&self) -> usize {
        self.fourier.pixels()
    }

    /// m(y) for each observation of a batch `[sample, 1, axes…]`.
    pub fn mean<T: Real>(&self, y: ArrayViewD<T>) -> Result<ArrayD<f64>, PosteriorError> {
        self.check_batch("observation", &y)?;
        let mut mean = ArrayD::zeros(y.raw_dim());
        for (y, mut mean) in y.axis_iter(Axis(0)).zip(mean.axis_iter_mut(Axis(0))) {
            let mut spectrum = self.transform(y);
            spectrum *= &self.filter;
            mean.index_axis_mut(Axis(0), 0).assign(&self.fourier.inverse(spectrum));
        }
        Ok(mean)
    }

    /// `n` independent draws `[draw, 1, axes…]` from the posterior of one observation `[1, axes…]`.
    pub fn sample<T: Real>(
        &self,
        y: ArrayViewD<T>,
        n: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<ArrayD<f64>, PosteriorError> {
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

    /// Σ^(−1/2) (x − m(y)) for each pair: white under the true posterior.
    pub fn latent<T: Real>(&self, x: ArrayViewD<T>, y: ArrayViewD<T>) -> Result<ArrayD<f64>, PosteriorError> {
        check_shape("image", x.shape(), y.shape())?;
        let mut latent = x.mapv(Into::into) - self.mean(y)?;
        for mut z in latent.axis_iter_mut(Axis(0)) {
            let mut spectrum = self.transform(z.view());
            Zip::from(&mut spectrum).and(&self.variance).for_each(|z, &v| *z /= v.sqrt());
            z.index_axis_mut(Axis(0), 0).assign(&self.fourier.inverse(spectrum));
        }
        Ok(latent)
    }

    /// log p(x | y) of each pair, in nats: −½ (n log 2π + log det Σ + ‖Σ^(−1/2) (x − m(y))‖²).
    pub fn log_prob<T: Real>(&self, x: ArrayViewD<T>, y: ArrayViewD<T>) -> Result<Array1<f64>, PosteriorError> {
        let constant = self.pixels() as f64 * TAU.ln() + self.log_det_posterior();
        let latent = self.latent(x, y)?;
        Ok(latent.axis_iter(Axis(0)).map(|z| -0.5 * (constant + z.iter().map(|z| z * z).sum::<f64>())).collect())
    }

    /// The standard deviation of every pixel, `[1, axes…]`: the same for all of them and for every y.
    pub fn standard_deviation(&self) -> ArrayD<f64> {
        ArrayD::from_elem(IxDyn(&self.shape), self.expected_rmse())
    }

    /// √(tr Σ / n): the root mean square error of the posterior mean, which no estimator beats.
    pub fn expected_rmse(&self) -> f64 {
        (self.sum(&self.variance) / self.pixels() as f64).sqrt()
    }

    /// log det C.
    pub fn log_det_prior(&self) -> f64 {
        self.sum(&self.prior.mapv(f64::ln))
    }

    /// log det Σ.
    pub fn log_det_posterior(&self) -> f64 {
        self.sum(&self.variance.mapv(f64::ln))
    }

    /// H(x | y) / n in nats: the floor of the negative log-likelihood of a dimension.
    pub fn entropy_per_dim(&self) -> f64 {
        0.5 * ((TAU * E).ln() + self.log_det_posterior() / self.pixels() as f64)
    }

    /// H(x) / n in nats: what the prior scores, ignoring y.
    pub fn prior_entropy_per_dim(&self) -> f64 {
        0.5 * ((TAU * E).ln() + self.log_det_prior() / self.pixels() as f64)
    }

    /// I(x; y) = ½ (log det C − log det Σ) in nats.
    pub fn mutual_information(&self) -> f64 {
        0.5 * (self.log_det_prior() - self.log_det_posterior())
    }

    /// KL(p ‖ q) in nats of the best Gaussian q with independent pixels, the one with the right mean and standard
    /// deviations: ½ (Σ log s² − log det Σ).
    pub fn mean_field_kl(&self) -> f64 {
        0.5 * (self.pixels() as f64 * 2.0 * self.expected_rmse().ln() - self.log_det_posterior())
    }

    /// Σ_k over all frequencies.
    fn sum(&self, values: &ArrayD<f64>) -> f64 {
        values.iter().zip(&self.multiplicity).map(|(value, count)| value * count).sum()
    }

    /// x̂ of one image `[1, axes…]`.
    fn transform<T: Real>(&self, image: ArrayViewD<T>) -> ArrayD<Complex<f64>> {
        self.fourier.forward(image.index_axis(Axis(0), 0).mapv(Into::into).view())
    }

    fn check_batch<T: Real>(&self, what: &'static str, batch: &ArrayViewD<T>) -> Result<(), PosteriorError> {
        let samples = batch.shape().first().copied().unwrap_or(0);
        let expected: Vec<usize> = std::iter::once(samples).chain(self.shape.iter().copied()).collect();
        check_shape(what, batch.shape(), &expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::OperatorConfig;
    use crate::prior::Prior;
    use crate::random::{Purpose, stream};
    use approx::assert_abs_diff_eq;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn problem(
        shape: &[usize],
        operator: OperatorConfig,
        sigma: f64,
    ) -> Result<(PeriodicGaussianField, Convolution<f64>, PeriodicGaussian), Box<dyn std::error::Error>> {
        let prior = PeriodicGaussianField::new(shape, 4.0, 2.0)?;
        let operator = operator.convolution(&prior.shape())?.ok_or("no convolution")?;
        let exact = PeriodicGaussian::new(&prior, &operator, sigma)?;
        Ok((prior, operator, exact))
    }

    const BLUR: OperatorConfig = OperatorConfig::CircularBlur { sigma: 1.5 };
    const DENOISE: OperatorConfig = OperatorConfig::Identity {};

    /// What an independent program computed for denoising (A0) and deblurring (A1) 32×32 images.
    struct Golden {
        log_det: f64,
        floor: f64,
        information: f64,
        mean_field: f64,
        rmse: f64,
        y_norm: f64,
        mean: [f64; 3],
        mean_norm: f64,
    }

    fn agrees(operator: OperatorConfig, sigma: f64, golden: Golden) -> Outcome {
        let (_, forward, exact) = problem(&[32, 32], operator, sigma)?;
        assert_abs_diff_eq!(exact.log_det_prior(), -2628.3399, epsilon = 5.1e-5);
        assert_abs_diff_eq!(exact.log_det_posterior(), golden.log_det, epsilon = 5.1e-5);
        assert_abs_diff_eq!(exact.entropy_per_dim(), golden.floor, epsilon = 5.1e-7);
        assert_abs_diff_eq!(exact.prior_entropy_per_dim(), 0.135569, epsilon = 5.1e-7);
        assert_abs_diff_eq!(exact.mutual_information(), golden.information, epsilon = 5.1e-3);
        assert_abs_diff_eq!(exact.mean_field_kl(), golden.mean_field, epsilon = 5.1e-3);
        assert_abs_diff_eq!(exact.expected_rmse(), golden.rmse, epsilon = 5.1e-7);
        assert!(exact.standard_deviation().iter().all(|&s| s == exact.expected_rmse()));
        let x = ArrayD::from_shape_fn(vec![1, 1, 32, 32], |p| {
            let (i, j) = (p[2] as f64, p[3] as f64);
            (TAU * i / 32.0).sin() + 0.5 * (TAU * (2.0 * j + i) / 32.0).cos()
        });
        let y = forward.apply(x.view())?;
        let norm = |a: &ArrayD<f64>| a.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert_abs_diff_eq!(norm(&y), golden.y_norm, epsilon = 5.1e-6);
        let mean = exact.mean(y.view())?;
        assert_abs_diff_eq!(norm(&mean), golden.mean_norm, epsilon = 5.1e-6);
        for (value, (i, j)) in golden.mean.iter().zip([(0, 0), (5, 7), (16, 16)]) {
            assert_abs_diff_eq!(mean[[0, 0, i, j]], *value, epsilon = 5.1e-7);
        }
        Ok(())
    }

    #[test]
    fn denoising_agrees_with_the_golden_numbers() -> Outcome {
        let golden = Golden {
            log_det: -3745.0610,
            floor: -0.409705,
            information: 558.36,
            mean_field: 95.18,
            rmse: 0.176278,
            y_norm: 25.29822,
            mean: [0.498090, 0.416340, -0.498090],
            mean_norm: 25.25499,
        };
        agrees(DENOISE, 0.25, golden)
    }

    #[test]
    fn deblurring_agrees_with_the_golden_numbers() -> Outcome {
        let golden = Golden {
            log_det: -3405.6174,
            floor: -0.243961,
            information: 388.64,
            mean_field: 242.30,
            rmse: 0.240201,
            y_norm: 23.50350,
            mean: [0.499882, 0.415790, -0.499882],
            mean_norm: 25.29598,
        };
        agrees(BLUR, 0.05, golden)
    }

    #[test]
    fn volumes_agree_with_the_golden_numbers() -> Outcome {
        let (_, _, exact) = problem(&[16, 16, 16], BLUR, 0.05)?;
        assert_abs_diff_eq!(exact.mutual_information(), 697.3135, epsilon = 5.1e-5);
        assert_abs_diff_eq!(exact.log_det_posterior(), -6005.9710, epsilon = 5.1e-5);
        assert_abs_diff_eq!(exact.expected_rmse(), 0.590194, epsilon = 5.1e-7);
        Ok(())
    }

    /// Bayes' formula by pixels, with dense matrices and no Fourier transform, on a grid of odd and even size.
    #[test]
    fn agrees_with_dense_linear_algebra() -> Outcome {
        use faer::prelude::Solve;
        let (prior, forward, exact) = problem(&[3, 4], BLUR, 0.3)?;
        let n = 12;
        let pixels = [1, 3, 4];
        let unit = |i: usize| {
            let mut e = ArrayD::zeros(IxDyn(&[1, 1, 3, 4]));
            e[[0, 0, i / 4, i % 4]] = 1.0;
            e
        };
        let mut a = faer::Mat::<f64>::zeros(n, n);
        let mut c = faer::Mat::<f64>::zeros(n, n);
        for j in 0..n {
            let column = forward.apply(unit(j).view())?;
            let mut spectrum = prior.fourier().forward(unit(j).index_axis(Axis(0), 0).index_axis(Axis(0), 0));
            Zip::from(&mut spectrum).and(prior.spectrum()).for_each(|x, &p| *x *= p);
            let covariance = prior.fourier().inverse(spectrum);
            for i in 0..n {
                a[(i, j)] = column[[0, 0, i / 4, i % 4]];
                c[(i, j)] = covariance[[i / 4, i % 4]];
            }
        }
        let data = &a * &c * a.transpose() + faer::Mat::from_fn(n, n, |i, j| if i == j { 0.09 } else { 0.0 });
        let y = ArrayD::from_shape_fn(vec![1, 1, 3, 4], |p| ((p[2] * 4 + p[3]) as f64).sin());
        let yv = faer::Mat::from_fn(n, 1, |i, _| (i as f64).sin());
        let mean = &c * a.transpose() * data.partial_piv_lu().solve(&yv);
        let ours = exact.mean(y.view())?;
        for i in 0..n {
            assert_abs_diff_eq!(ours[[0, 0, i / 4, i % 4]], mean[(i, 0)], epsilon = 1e-12);
        }
        let posterior = &c - &c * a.transpose() * data.partial_piv_lu().solve(&(&a * &c));
        let x = ArrayD::from_shape_fn(vec![1, 1, 3, 4], |p| ((p[2] * 4 + p[3]) as f64).cos());
        let residual = faer::Mat::from_fn(n, 1, |i, _| (i as f64).cos()) - &mean;
        let quadratic = (residual.transpose() * posterior.partial_piv_lu().solve(&residual))[(0, 0)];
        let log_prob = -0.5 * (n as f64 * TAU.ln() + posterior.determinant().ln() + quadratic);
        assert_abs_diff_eq!(exact.log_prob(x.view(), y.view())?[0], log_prob, epsilon = 1e-9);
        assert_eq!(exact.shape(), pixels);
        Ok(())
    }

    #[test]
    fn draws_have_its_moments() -> Outcome {
        let (prior, forward, exact) = problem(&[9, 8], BLUR, 0.05)?;
        let mut rng = stream(3, Purpose::Diagnostic, 0);
        let x = prior.sample(&mut rng).mapv(f64::from).insert_axis(Axis(0));
        let y = forward.apply(x.view())?;
        let count = 4000;
        let draws = exact.sample(y.index_axis(Axis(0), 0), count, &mut rng)?;
        let mean = exact.mean(y.view())?;
        let deviation = &draws - &mean;
        let rms = (deviation.mapv(|d| d * d).sum() / deviation.len() as f64).sqrt();
        assert_abs_diff_eq!(rms / exact.expected_rmse(), 1.0, epsilon = 0.02);
        let off = draws.mean_axis(Axis(0)).ok_or("no draws")? - mean.index_axis(Axis(0), 0);
        let worst = off.iter().fold(0.0_f64, |w, d| w.max(d.abs())) / exact.expected_rmse();
        assert!(worst < 5.0 / (count as f64).sqrt(), "{worst}");
        let ys = ArrayD::from_shape_fn(draws.raw_dim(), |p| y[[0, 0, p[2], p[3]]]);
        let z = exact.latent(draws.view(), ys.view())?;
        let norm = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
        assert_abs_diff_eq!(norm, 1.0, epsilon = 0.02);
        let nll = -exact.log_prob(draws.view(), ys.view())?.mean().ok_or("no draws")? / 72.0;
        assert_abs_diff_eq!(nll, exact.entropy_per_dim(), epsilon = 0.01);
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_an_error() -> Outcome {
        let (prior, _, exact) = problem(&[8, 8], DENOISE, 0.1)?;
        let other = DENOISE.convolution(&[1, 8, 9])?.ok_or("no convolution")?;
        assert!(PeriodicGaussian::new(&prior, &other, 0.1).is_err());
        let channels = DENOISE.convolution(&[2, 8, 8])?.ok_or("no convolution")?;
        assert!(PeriodicGaussian::new(&prior, &channels, 0.1).is_err());
        let fits = DENOISE.convolution(&[1, 8, 8])?.ok_or("no convolution")?;
        assert!(PeriodicGaussian::new(&prior, &fits, 0.0).is_err());
        assert!(exact.mean(ArrayD::<f32>::zeros(vec![2, 1, 8, 9]).view()).is_err());
        Ok(())
    }
}
