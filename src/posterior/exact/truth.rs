//! The closed forms against what an independent program computed, and against each other.

use super::{DenseGaussian, ExactPosterior, PeriodicGaussian};
use crate::operator::photoacoustic::{PhotoacousticConfig, Sensors};
use crate::operator::symbol::Convolution;
use crate::operator::{LinearOperator, Operator, OperatorConfig};
use crate::prior::{MaternField, PeriodicGaussianField, Prior};
use crate::random::{Purpose, stream};
use approx::assert_abs_diff_eq;
use ndarray::{ArrayD, Axis, IxDyn, Zip};
use std::f64::consts::TAU;
use std::sync::Arc;

type Made<T> = Result<T, Box<dyn std::error::Error>>;
type Outcome = Made<()>;

fn problem(
    shape: &[usize],
    operator: OperatorConfig,
    sigma: f64,
) -> Made<(PeriodicGaussianField, Convolution<f64>, PeriodicGaussian)> {
    let prior = PeriodicGaussianField::new(shape, 4.0, 2.0)?;
    let operator = operator.convolution(&prior.shape())?.ok_or("no convolution")?;
    let exact = PeriodicGaussian::new(&prior, &operator, sigma)?;
    Ok((prior, operator, exact))
}

const BLUR: OperatorConfig = OperatorConfig::CircularBlur { sigma: 1.5 };
const DENOISE: OperatorConfig = OperatorConfig::Identity {};

/// What an independent program computed for 32×32 images: denoising (A0), deblurring (A1), photoacoustics (B).
struct Golden {
    log_det_prior: f64,
    log_det: f64,
    floor: f64,
    floor_of_prior: f64,
    information: f64,
    mean_field: f64,
    rmse: f64,
    /// Mean, least and greatest standard deviation, to five digits.
    deviation: [f64; 3],
    y_norm: f64,
    mean: [f64; 3],
    mean_norm: f64,
}

/// What does not depend on the operator.
const PERIODIC: Golden = Golden {
    log_det_prior: -2628.3399,
    floor_of_prior: 0.135569,
    log_det: 0.0,
    floor: 0.0,
    information: 0.0,
    mean_field: 0.0,
    rmse: 0.0,
    deviation: [0.0; 3],
    y_norm: 0.0,
    mean: [0.0; 3],
    mean_norm: 0.0,
};

fn agrees(exact: &dyn ExactPosterior, forward: &dyn LinearOperator<f64>, golden: Golden) -> Outcome {
    assert_abs_diff_eq!(exact.log_det_prior(), golden.log_det_prior, epsilon = 5.1e-5);
    assert_abs_diff_eq!(exact.log_det_posterior(), golden.log_det, epsilon = 5.1e-5);
    assert_abs_diff_eq!(exact.entropy_per_dim(), golden.floor, epsilon = 5.1e-7);
    assert_abs_diff_eq!(exact.prior_entropy_per_dim(), golden.floor_of_prior, epsilon = 5.1e-7);
    assert_abs_diff_eq!(exact.mutual_information(), golden.information, epsilon = 5.1e-3);
    assert_abs_diff_eq!(exact.mean_field_kl(), golden.mean_field, epsilon = 5.1e-3);
    assert_abs_diff_eq!(exact.expected_rmse(), golden.rmse, epsilon = 5.1e-7);
    let deviation = exact.standard_deviation();
    assert_abs_diff_eq!(deviation.mean().ok_or("no pixels")?, golden.deviation[0], epsilon = 5.1e-6);
    let (least, greatest) = deviation.iter().fold((f64::MAX, 0.0_f64), |(l, g), &s| (l.min(s), g.max(s)));
    assert_abs_diff_eq!(least, golden.deviation[1], epsilon = 5.1e-6);
    assert_abs_diff_eq!(greatest, golden.deviation[2], epsilon = 5.1e-6);
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
    let (_, forward, exact) = problem(&[32, 32], DENOISE, 0.25)?;
    let golden = Golden {
        log_det: -3745.0610,
        floor: -0.409705,
        information: 558.36,
        mean_field: 95.18,
        rmse: 0.176278,
        deviation: [0.17628; 3],
        y_norm: 25.29822,
        mean: [0.498090, 0.416340, -0.498090],
        mean_norm: 25.25499,
        ..PERIODIC
    };
    agrees(&exact, &forward, golden)
}

#[test]
fn deblurring_agrees_with_the_golden_numbers() -> Outcome {
    let (_, forward, exact) = problem(&[32, 32], BLUR, 0.05)?;
    let golden = Golden {
        log_det: -3405.6174,
        floor: -0.243961,
        information: 388.64,
        mean_field: 242.30,
        rmse: 0.240201,
        deviation: [0.24020; 3],
        y_norm: 23.50350,
        mean: [0.499882, 0.415790, -0.499882],
        mean_norm: 25.29598,
        ..PERIODIC
    };
    agrees(&exact, &forward, golden)
}

/// Benchmark B: 32 sensors above the image, 44 times, a periodic grid of three times the image.
fn photoacoustics() -> Made<(MaternField, Arc<dyn LinearOperator<f64>>)> {
    let config = PhotoacousticConfig {
        spacing: vec![1.0, 1.0],
        sound_speed: 1.0,
        time_step: 1.0,
        times: 44,
        first_time: 1.0,
        sensors: Sensors::Line { count: 32, first: vec![-1.0, 0.0], last: vec![-1.0, 31.0] },
        bandwidth: None,
        grid: Some(vec![96, 96]),
    };
    let prior = MaternField::new(&[32, 32], 1.5, 4.0)?;
    let operator = OperatorConfig::Photoacoustic(config).build(&prior.shape())?;
    Ok((prior, Arc::from(operator)))
}

#[test]
fn photoacoustics_agree_with_the_golden_numbers() -> Outcome {
    let (prior, operator) = photoacoustics()?;
    let exact = DenseGaussian::new(prior.factor(), operator.clone(), 0.1)?;
    let deviation = exact.standard_deviation();
    let places = [(0, 0, 0.154376), (0, 16, 0.123896), (16, 16, 0.435744), (31, 16, 0.258932), (31, 31, 0.314033)];
    for (i, j, s) in places {
        assert_abs_diff_eq!(deviation[[0, i, j]], s, epsilon = 5.1e-7);
    }
    let golden = Golden {
        log_det_prior: -3407.1631,
        log_det: -4061.5968,
        floor: -0.564263,
        floor_of_prior: -0.244715,
        information: 327.22,
        mean_field: 840.42,
        rmse: 0.366641,
        deviation: [0.34270, 0.11769, 0.53723],
        y_norm: 11.43098,
        mean: [0.498467, 0.417615, -0.225898],
        mean_norm: 24.57253,
    };
    agrees(&exact, &*operator, golden)
}

/// With the covariance of a periodic field as a matrix, the dense posterior is the periodic one.
#[test]
fn dense_and_periodic_agree() -> Outcome {
    let (prior, forward, periodic) = problem(&[6, 5], BLUR, 0.2)?;
    let unit = |p: usize| ArrayD::from_shape_fn(IxDyn(&[6, 5]), |q| if q[0] * 5 + q[1] == p { 1.0 } else { 0.0 });
    let mut covariance = faer::Mat::<f64>::zeros(30, 30);
    for j in 0..30 {
        let mut spectrum = prior.fourier().forward(unit(j).view());
        Zip::from(&mut spectrum).and(prior.spectrum()).for_each(|x, &p| *x *= p);
        prior.fourier().inverse(spectrum).iter().enumerate().for_each(|(i, &c)| covariance[(i, j)] = c);
    }
    let cholesky = covariance.llt(faer::Side::Lower).map_err(|e| format!("{e:?}"))?;
    let dense = DenseGaussian::new(cholesky.L(), Arc::new(forward), 0.2)?;
    assert_abs_diff_eq!(dense.log_det_prior(), periodic.log_det_prior(), epsilon = 1e-9);
    assert_abs_diff_eq!(dense.log_det_posterior(), periodic.log_det_posterior(), epsilon = 1e-9);
    assert!(dense.standard_deviation().iter().all(|s| (s - periodic.expected_rmse()).abs() < 1e-12));
    let image = |f: f64| ArrayD::from_shape_fn(vec![3, 1, 6, 5], |p| (f * (p[0] * 31 + p[2] * 5 + p[3]) as f64).sin());
    let (x, y) = (image(1.3), image(0.7));
    let worst = |a: ArrayD<f64>, b: ArrayD<f64>| (a - b).iter().fold(0.0_f64, |w, d| w.max(d.abs()));
    assert!(worst(dense.mean(y.view())?, periodic.mean(y.view())?) < 1e-11);
    let (ours, theirs) = (dense.log_prob(x.view(), y.view())?, periodic.log_prob(x.view(), y.view())?);
    assert!(worst(ours.into_dyn(), theirs.into_dyn()) < 1e-8);
    Ok(())
}

/// Draws of either kind have its moments, and its white latent.
fn has_its_moments(exact: &dyn ExactPosterior, y: &ArrayD<f64>) -> Outcome {
    let mut rng = stream(3, Purpose::Diagnostic, 1);
    let count = 4000;
    let draws = exact.sample(y.index_axis(Axis(0), 0), count, &mut rng)?;
    let mean = exact.mean(y.view())?;
    let s = exact.standard_deviation();
    let spread = (&draws - &mean).mapv(|d| d * d).mean_axis(Axis(0)).ok_or("no draws")?.mapv(f64::sqrt);
    let worst = (&spread / &s).iter().fold(0.0_f64, |w, r| w.max((r - 1.0).abs()));
    assert!(worst < 0.06, "deviation: {worst}");
    let off = (draws.mean_axis(Axis(0)).ok_or("no draws")? - mean.index_axis(Axis(0), 0)) / &s;
    let worst = off.iter().fold(0.0_f64, |w, d| w.max(d.abs()));
    assert!(worst < 5.0 / (count as f64).sqrt(), "mean: {worst}");
    let views = vec![y.view(); count];
    let ys = ndarray::concatenate(Axis(0), &views)?;
    let z = exact.latent(draws.view(), ys.view())?;
    assert_abs_diff_eq!(z.mapv(|z| z * z).mean().ok_or("no draws")?, 1.0, epsilon = 0.02);
    let nll = -exact.log_prob(draws.view(), ys.view())?.mean().ok_or("no draws")? / exact.pixels() as f64;
    assert_abs_diff_eq!(nll, exact.entropy_per_dim(), epsilon = 0.01);
    Ok(())
}

#[test]
fn draws_have_its_moments() -> Outcome {
    let (prior, forward, exact) = problem(&[9, 8], BLUR, 0.05)?;
    let x = prior.sample(&mut stream(3, Purpose::Diagnostic, 0)).mapv(f64::from).insert_axis(Axis(0));
    has_its_moments(&exact, &forward.apply(x.view())?)?;
    let prior = MaternField::new(&[9, 8], 1.5, 3.0)?;
    has_its_moments(&DenseGaussian::new(prior.factor(), Arc::new(forward.clone()), 0.05)?, &forward.apply(x.view())?)
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
fn what_does_not_fit_is_an_error() -> Outcome {
    let (prior, _, exact) = problem(&[8, 8], DENOISE, 0.1)?;
    let other = DENOISE.convolution(&[1, 8, 9])?.ok_or("no convolution")?;
    assert!(PeriodicGaussian::new(&prior, &other, 0.1).is_err());
    let channels = DENOISE.convolution(&[2, 8, 8])?.ok_or("no convolution")?;
    assert!(PeriodicGaussian::new(&prior, &channels, 0.1).is_err());
    let fits = DENOISE.convolution(&[1, 8, 8])?.ok_or("no convolution")?;
    assert!(PeriodicGaussian::new(&prior, &fits, 0.0).is_err());
    assert!(exact.mean(ArrayD::zeros(vec![2, 1, 8, 9]).view()).is_err());
    let matern = MaternField::new(&[8, 8], 1.5, 3.0)?;
    let dense = |operator: Convolution<f64>, sigma| DenseGaussian::new(matern.factor(), Arc::new(operator), sigma);
    assert!(dense(other, 0.1).is_err());
    assert!(dense(fits.clone(), -1.0).is_err());
    assert!(dense(fits.clone(), 1e-200).is_err());
    let (periodic, exact) = (exact, dense(fits, 0.1)?);
    assert!(exact.mean(ArrayD::zeros(vec![2, 1, 8, 9]).view()).is_err());
    assert!(exact.latent(ArrayD::zeros(vec![1, 1, 8, 8]).view(), ArrayD::zeros(vec![2, 1, 8, 8]).view()).is_err());
    for shape in [vec![1, 1, 8, 7], vec![1, 8, 8], vec![]] {
        let deviation = ArrayD::zeros(shape);
        assert!(exact.whiten(deviation.view()).is_err() && periodic.whiten(deviation.view()).is_err());
    }
    Ok(())
}
