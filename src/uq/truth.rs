//! The diagnostics against a posterior known exactly: they pass on its draws and fail on wrong ones.

use super::Cells;
use super::coverage::Pooled;
use super::diagnosis::diagnose_draws;
use super::ecdf::Bands;
use super::error_by_uncertainty::{ence, equal_count, equal_width, uce_variance};
use super::latent::latent_test;
use super::ranks::{Ranking, rank};
use super::scale::Scale;
use super::score::{crps, energy_score, psnr, relative_error, rmse};
use crate::operator::{Operator, OperatorConfig};
use crate::posterior::exact::{ExactPosterior, PeriodicGaussian};
use crate::posterior::streaming::Moments;
use crate::prior::{PeriodicGaussianField, Prior};
use crate::random::{Purpose, stream};
use ndarray::{ArrayD, ArrayViewD, Axis, Dimension, Slice, stack};
use rand_distr::{Distribution, StandardNormal};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const PAIRS: u64 = 40;
const DRAWS: usize = 64;

/// Simulated pairs of the deblurring benchmark A1, with draws m + `scale` (draw − m) + `shift` s.
struct Experiment {
    exact: PeriodicGaussian,
    truths: Vec<ArrayD<f64>>,
    means: Vec<ArrayD<f64>>,
    draws: Vec<ArrayD<f32>>,
    latents: ArrayD<f64>,
}

fn experiment(scale: f64, shift: f64) -> Outcome<Experiment> {
    let prior = PeriodicGaussianField::new(&[32, 32], 4.0, 2.0)?;
    let blur = OperatorConfig::CircularBlur { sigma: 1.5 }.convolution(&prior.shape())?.ok_or("no blur")?;
    let exact = PeriodicGaussian::new(&prior, &blur, 0.05)?;
    let (mut truths, mut means, mut draws, mut latents) = (vec![], vec![], vec![], vec![]);
    for pair in 0..PAIRS {
        let x = prior.sample(&mut stream(7, Purpose::Prior, pair)).mapv(f64::from).insert_axis(Axis(0));
        let mut noise = stream(7, Purpose::Noise, pair);
        let y = blur.apply(x.view())?.mapv(|y| {
            let white: f64 = StandardNormal.sample(&mut noise);
            y + 0.05 * white
        });
        let mean = exact.mean(y.view())?;
        let mut rng = stream(7, Purpose::Latent, pair);
        let posterior = exact.sample(y.index_axis(Axis(0), 0), DRAWS, &mut rng)?;
        let wrong = (posterior - &mean) * scale + &mean + shift * exact.expected_rmse();
        // The latent of x under the wrong posterior.
        let moved = &mean + &((&x - &mean - shift * exact.expected_rmse()) / scale);
        latents.push(exact.latent(moved.view(), y.view())?.index_axis(Axis(0), 0).to_owned());
        draws.push(wrong.mapv(|v| v as f32));
        truths.push(x.index_axis(Axis(0), 0).to_owned());
        means.push(mean.index_axis(Axis(0), 0).to_owned());
    }
    let views: Vec<_> = latents.iter().map(|z| z.view()).collect();
    Ok(Experiment { latents: stack(Axis(0), &views)?, exact, truths, means, draws })
}

/// Which of the calibration tests accept: latent norm, pooled coverage at 90 %, ranks of the mean of each image.
fn verdicts(scale: f64, shift: f64) -> Outcome<[bool; 3]> {
    let e = experiment(scale, shift)?;
    let test = latent_test(e.latents.view())?;
    let mut rng = stream(8, Purpose::Diagnostic, 0);
    let (mut ranks, mut of_mean) = (vec![], vec![]);
    for (truth, draws) in e.truths.iter().zip(&e.draws) {
        let mut ranking = Ranking::new(truth.mapv(|v| v as f32).view());
        for slab in 0..4 {
            ranking.add(draws.slice_axis(Axis(0), Slice::from(16 * slab..16 * (slab + 1))))?;
        }
        ranks.push(ranking.ranks(&mut rng));
        let first = |image: &ArrayD<f64>| image[[0, 3, 5]];
        let values: Vec<f64> = draws.axis_iter(Axis(0)).map(|d| f64::from(d[[0, 3, 5]])).collect();
        of_mean.push(rank(first(truth), &values, &mut rng));
    }
    let mut pooled = Pooled::new(DRAWS as u32, &[0.9])?;
    ranks.iter().try_for_each(|image| pooled.add(image.view()))?;
    let coverage = pooled.curve()?[0];
    let within = (coverage.observed - coverage.expected).abs() < 0.02
        && coverage.band[0] <= coverage.expected
        && coverage.expected <= coverage.band[1];
    let bands = Bands::new(of_mean.len(), DRAWS as u32, 0.99, &mut rng)?;
    Ok([
        test.band[0] <= test.norm && test.norm <= test.band[1] && test.p_value > 0.01,
        within,
        bands.log_gamma(&of_mean)? >= 0.0,
    ])
}

#[test]
fn exact_draws_pass_and_wrong_ones_fail() -> Outcome<()> {
    assert_eq!(verdicts(1.0, 0.0)?, [true; 3]);
    // Forty ranks of one pixel have not the power to see the narrowing; all pixels together have.
    assert_eq!(verdicts(0.8, 0.0)?[..2], [false; 2]);
    assert_eq!(verdicts(1.25, 0.0)?[..2], [false; 2]);
    assert_eq!(verdicts(1.0, 1.0)?, [false; 3]);
    Ok(())
}

/// The whole diagnosis of draws, handed over in slabs of 16 or of all: coverage at 50 and 90 %, error of the mean, and the
/// ranks of several quantities.
#[test]
fn a_diagnosis_of_draws_accepts_exact_ones_and_no_others() -> Outcome<()> {
    let diagnose = |scale, shift, thick: usize| -> Outcome<_> {
        let e = experiment(scale, shift)?;
        let pairs = e.truths.iter().zip(&e.draws).map(|(truth, draws)| {
            let slabs = (0..DRAWS).step_by(thick).map(move |first| {
                Ok::<_, super::UqError>(draws.slice_axis(Axis(0), Slice::from(first..first + thick)).to_owned())
            });
            Ok((truth.mapv(|v| v as f32), slabs))
        });
        let diagnosis = diagnose_draws(pairs, &Cells::default(), DRAWS, 5, &Scale::one_unit("m/s"))?;
        let value = |name: &str| diagnosis.metrics[name].value;
        let numbers = ["coverage_50", "coverage_90", "rmse_mean", "mean_standard_deviation"].map(value);
        assert_eq!(diagnosis.metrics["rmse_mean"].unit, "m/s");
        assert_eq!(diagnosis.calibration.ranks[0].ranks.len(), PAIRS as usize);
        Ok((numbers, value("rank_log_gamma")))
    };
    let near = |a: f64, b: f64| (a - b).abs() < 0.02;
    let ([half, ninety, error, deviation], ranks) = diagnose(1.0, 0.0, 16)?;
    assert!(near(half, 0.5) && near(ninety, 0.9) && near(error, 0.2402) && near(deviation, 0.2402), "{half} {ninety}");
    assert!(ranks >= 0.0, "{ranks}");
    assert_eq!(diagnose(1.0, 0.0, DRAWS)?, ([half, ninety, error, deviation], ranks));
    let ([half, ninety, ..], _) = diagnose(0.8, 0.0, 16)?;
    assert!(half < 0.45 && ninety < 0.85, "{half} {ninety}");
    let ([half, ninety, error, _], ranks) = diagnose(1.0, 1.0, 16)?;
    assert!(half < 0.45 && ninety < 0.85 && error > 0.3 && ranks < 0.0, "{half} {ninety} {error} {ranks}");
    Ok(())
}

/// Draws that are too narrow are found to be so where four fifths of the cells are known, and every number is that of the
/// other cells alone, though the truth is off by a rounding in the known ones.
#[test]
fn known_cells_make_no_posterior_look_well() -> Outcome<()> {
    let e = experiment(0.5, 0.0)?;
    let is_known = |index: &[usize]| !(index[1] * 32 + index[2]).is_multiple_of(5);
    let fixed = ArrayD::from_shape_fn(vec![1, 32, 32], |p| if is_known(p.slice()) { 1500.0 } else { f32::NAN });
    let cells = Cells::beside(fixed.view())?;
    let with_known = |image: ArrayViewD<f32>, value: f32| {
        let mut image = image.to_owned();
        image.zip_mut_with(&fixed, |x, fixed| *x = if fixed.is_nan() { *x } else { value });
        image
    };
    let whole = e.truths.iter().zip(&e.draws).map(|(truth, draws)| {
        let draws: Vec<_> = draws.axis_iter(Axis(0)).map(|draw| with_known(draw, 1500.0)).collect();
        let views: Vec<_> = draws.iter().map(|draw| draw.view()).collect();
        Ok::<_, Box<dyn std::error::Error>>((
            with_known(truth.mapv(|v| v as f32).view(), 1500.01),
            [Ok(stack(Axis(0), &views)?)],
        ))
    });
    let of_whole = diagnose_draws(whole, &cells, DRAWS, 5, &Scale::one_unit("m/s"))?;
    let part = |image: ArrayViewD<f32>| cells.gathered(image).insert_axis(Axis(0)).into_dyn();
    let others = e.truths.iter().zip(&e.draws).map(|(truth, draws)| {
        let draws: Vec<_> = draws.axis_iter(Axis(0)).map(part).collect();
        let views: Vec<_> = draws.iter().map(|draw| draw.view()).collect();
        Ok::<_, Box<dyn std::error::Error>>((part(truth.mapv(|v| v as f32).view()), [Ok(stack(Axis(0), &views)?)]))
    });
    let alone = diagnose_draws(others, &Cells::default(), DRAWS, 5, &Scale::one_unit("m/s"))?;
    for name in ["coverage_50", "coverage_90", "rmse_mean", "mean_standard_deviation", "ence"] {
        assert_eq!(of_whole.metrics[name], alone.metrics[name], "{name}");
    }
    assert_eq!(of_whole.calibration.coverage, alone.calibration.coverage);
    let value = |name: &str| of_whole.metrics[name].value;
    assert!(value("coverage_90") < 0.75 && (0.5..2.0).contains(&value("ence")), "{:?}", of_whole.metrics);
    // Mean and norm of the image; its pixels are others.
    assert_eq!(of_whole.calibration.ranks[..2], alone.calibration.ranks[..2]);
    Ok(())
}

/// Mean over 40 pairs of what 64 exact draws score on A1; references from an independent program, whose own pairs leave
/// a few percent of uncertainty.
#[test]
fn exact_draws_score_what_a_perfect_sampler_scores() -> Outcome<()> {
    let e = experiment(1.0, 0.0)?;
    let mut scores = [0.0; 9];
    for ((truth, mean), draws) in e.truths.iter().zip(&e.means).zip(&e.draws) {
        let mut moments = Moments::new(truth.shape());
        moments.add(draws.view())?;
        let single = truth.mapv(|v| v as f32);
        let estimate = moments.mean();
        let deviation = moments.standard_deviation().mapv(|s| s as f32);
        let error = (&estimate - truth).mapv(|v| v as f32);
        let (low, high) = truth.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        let far = error.iter().zip(&deviation).filter(|(e, s)| e.abs() > 2.0 * **s).count();
        let all = [
            relative_error(estimate.view(), mean.view())?,
            relative_error(deviation.view(), e.exact.standard_deviation().view())?,
            rmse(estimate.view(), truth.view())?,
            psnr(estimate.view(), truth.view(), high - low)?,
            far as f64 / truth.len() as f64,
            uce_variance(&equal_width(error.view(), deviation.view(), 10)?),
            ence(&equal_count(error.view(), deviation.view(), 10)?),
            crps(draws.view(), single.view())?.mean().unwrap_or(f64::NAN),
            energy_score(draws.view(), single.view())? / 32.0,
        ];
        scores.iter_mut().zip(all).for_each(|(sum, score)| *sum += score / PAIRS as f64);
    }
    let references = [
        ("relative mean error", 0.0321, 0.003),
        ("relative std error", 0.0887, 0.003),
        ("rmse", 0.241, 0.004),
        ("psnr", 27.0, 0.6),
        ("|e| > 2 s", 0.050, 0.006),
        ("uce of variances", 0.0127, 0.005),
        ("ence", 0.112, 0.03),
        ("crps", 0.1350, 0.003),
        ("energy score / √n", 0.1692, 0.003),
    ];
    for (score, (name, expected, tolerance)) in scores.iter().zip(references) {
        assert!((score - expected).abs() < tolerance, "{name}: {score}, expected {expected}");
    }
    Ok(())
}
