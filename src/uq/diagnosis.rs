//! All diagnostics of a posterior in one pass over test pairs, whose draws are seen once and not kept.

use std::collections::BTreeMap;

use super::UqError;
use super::against_exact::AgainstExact;
use super::classical::Classical;
use super::coverage::{Coverage, Pooled};
use super::ecdf::Bands;
use super::error_by_uncertainty::{Bin, ence, equal_count};
use super::latent::norm_test;
use super::ranks::{Ranking, rank};
use crate::model::Model;
use crate::operator::LinearOperator;
use crate::posterior::amortized::{Observation, Observations};
use crate::posterior::exact::ExactPosterior;
use crate::posterior::streaming::Moments;
use crate::random::{Purpose, stream};
use ndarray::{ArrayD, ArrayViewD, Axis, Zip, concatenate};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Every metric there is, and what it means.
pub const METRICS: [(&str, &str); 15] = [
    (
        "nll_nats_per_dim",
        "Mean negative log-density of the truth under the posterior, per dimension; the lower the better.",
    ),
    (
        "nll_gain_over_shuffled",
        "How much lower that is than of the same model trained on shuffled observations: what it has learned from y, per dimension.",
    ),
    ("latent_norm", "Mean squared latent code of the truths, per dimension; one if the posterior is exact."),
    (
        "latent_p_value",
        "Probability that an exact posterior gives latent codes of such norms, by Kolmogorov and Smirnov.",
    ),
    ("nll_floor_nats_per_dim", "Negative log-density of the same truths under the exact posterior, per dimension."),
    ("coverage_50", "Share of true values inside the central 50 % credible interval."),
    ("coverage_90", "Share of true values inside the central 90 % credible interval."),
    ("mean_standard_deviation", "Mean of the posterior standard deviation over all pixels: sharpness."),
    ("ence", "Mean relative difference of error and stated uncertainty, over bins of pixels; zero if they agree."),
    (
        "rank_log_gamma",
        "Worst of the rank tests over several quantities of the image, the data misfit among them; below zero, one of them rejects the posterior at the level of 1 %.",
    ),
    ("rmse_mean", "Root-mean-square error of the posterior mean."),
    (
        "rmse_best_classical",
        "Root-mean-square error of the best classical method on the same observations: the Wiener filter where that is the exact mean, else the best of those without a prior, scale and offset fitted.",
    ),
    ("kl_gap_nats", "Kullback–Leibler divergence of the posterior from the exact one."),
    ("mean_relative_error", "Distance of the posterior mean from the exact mean, relative to its size."),
    ("std_relative_error", "Distance of the standard deviation from the exact one, relative to its size."),
];

/// The levels of the coverage curve. Those of the metrics are among them.
const LEVELS: [f64; 21] = [
    0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98,
];
/// Bins of the error against the uncertainty.
const BINS: usize = 20;
/// Pixels pooled for those bins: of as many of the first pairs as fit.
const POOLED_PIXELS: usize = 1 << 22;
/// Pairs whose densities and latents are computed together.
pub(super) const PAIRS_AT_ONCE: usize = 16;
/// Pixels whose ranks are looked at one by one.
const PROBES: usize = 3;
/// How far the central gaps of the draws may be from a level that is reported.
const REACHED: f64 = 0.025;
/// How sure a rejection of the ranks is, over all quantities together.
const REJECTION: f64 = 0.01;

/// How a model is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judging {
    /// Of the latent draws and of ties.
    pub seed: u64,
    /// Test pairs.
    pub pairs: usize,
    /// Draws for each.
    pub draws: usize,
    /// Draws held in memory at a time.
    pub at_once: usize,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// NaN where it could not be measured.
    pub value: f64,
    /// "1" for a ratio.
    pub unit: String,
}

/// What a diagnosis found.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// Numbers by name.
    pub metrics: BTreeMap<String, Measured>,
    /// The curves behind them.
    pub calibration: Calibration,
}

/// The curves of a diagnosis: the content of `calibration.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Draws behind each rank.
    pub draws: u32,
    /// Pooled over all pixels.
    pub coverage: Vec<Coverage>,
    /// Ranks of the truth in some quantity of the image, one a pair.
    pub ranks: Vec<QuantityRanks>,
    /// Error of the mean against the stated uncertainty.
    pub error_by_uncertainty: Vec<Bin>,
}

/// Ranks of the truth among the draws in one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantityRanks {
    /// "mean", "norm", "misfit", "log_density", "pixel [0, 3, 5]".
    pub quantity: String,
    /// One a pair.
    pub ranks: Vec<u32>,
}

/// Judges a model by the first pairs of `pairs`, whose truth is known, and against the exact posterior where there is one,
/// else against classical methods where there is an operator.
///
/// `progress` is told how many draws were made; the work is given up when it returns false, and nothing is returned.
pub fn diagnose_model(
    model: &Model,
    pairs: &dyn Observations,
    exact: Option<&dyn ExactPosterior>,
    judging: &Judging,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Diagnosis>, UqError> {
    let count = judging.pairs.min(pairs.count());
    let mut seen = Seen::new(judging.draws as u32, judging.seed)?;
    let mut densities = Densities::default();
    let mut against = exact.map(AgainstExact::new);
    let operator = match model.operator() {
        Some(operator) => Some(operator.build::<f32>(model.x_shape())?),
        None => None,
    };
    let mut classical = match (exact, model.operator()) {
        (None, Some(operator)) => Some(Classical::new(operator.classical_images(model.x_shape())?)),
        _ => None,
    };
    let mut done = 0;
    for first in (0..count).step_by(PAIRS_AT_ONCE) {
        let group =
            (first..(first + PAIRS_AT_ONCE).min(count)).map(|i| known(pairs, i)).collect::<Result<Vec<_>, _>>()?;
        let log_prob = densities.add(model, &group)?;
        if let Some(classical) = &mut classical {
            classical.add(&group)?;
        }
        for ((x, y), (index, log_prob)) in group.iter().zip((first..).zip(log_prob)) {
            let truth = x.index_axis(Axis(0), 0);
            let observation = Quantities { operator: operator.as_deref(), y: y.view() };
            let mut image = Image::new(truth, observation.of(x.view(), &[log_prob])?);
            let (sampler, mut rng) = (model.sampler(y)?, stream(judging.seed, Purpose::Latent, index as u64));
            while image.moments.count() < judging.draws as u64 {
                let rest = judging.draws - image.moments.count() as usize;
                let draws = sampler.draw(judging.at_once.min(rest), &mut rng)?;
                image.add(draws.x.view(), observation.of(draws.x.view(), &draws.log_prob)?)?;
                done += draws.log_prob.len();
                if !progress(done) {
                    return Ok(None);
                }
            }
            if let Some(against) = &mut against {
                against.add(&image.moments, x, y, log_prob)?;
            }
            seen.add(image)?;
        }
    }
    let mut diagnosis = seen.finish(&model.x().unit)?;
    densities.report(&mut diagnosis.metrics)?;
    if let Some(against) = against {
        against.report(&mut diagnosis.metrics, &model.x().unit);
    }
    if let Some(classical) = classical {
        classical.report(&mut diagnosis.metrics, &model.x().unit);
    }
    Ok(Some(diagnosis))
}

/// Judges draws of any origin: for each pair, the truth `[channel, axes…]` and its draws `[draw, channel, axes…]` in
/// slabs. `unit` is that of the images.
pub fn diagnose_draws<S, E>(
    pairs: impl IntoIterator<Item = Result<(ArrayD<f32>, S), E>>,
    draws: usize,
    seed: u64,
    unit: &str,
) -> Result<Diagnosis, E>
where
    S: IntoIterator<Item = Result<ArrayD<f32>, E>>,
    E: From<UqError>,
{
    let mut seen = Seen::new(draws as u32, seed)?;
    for pair in pairs {
        let (truth, slabs) = pair?;
        let mut image = Image::new(truth.view(), of_images(truth.view().insert_axis(Axis(0))));
        for slab in slabs {
            let slab = slab?;
            image.add(slab.view(), of_images(slab.view()))?;
        }
        seen.add(image)?;
    }
    Ok(seen.finish(unit)?)
}

pub(super) fn known(pairs: &dyn Observations, index: usize) -> Result<(ArrayD<f32>, ArrayD<f32>), UqError> {
    match pairs.get(index)? {
        Observation { y, truth: Some(truth) } => Ok((truth, y)),
        Observation { truth: None, .. } => {
            Err(UqError::TooFew { what: "true images of the observations", found: 0, needed: pairs.count() })
        }
    }
}

/// The values of one quantity, one an image.
type Values = Vec<(String, Vec<f64>)>;

/// Scalars of an image that its truth and its draws are ranked by (Modrák et al. 2025): some see what pixels do not.
struct Quantities<'a> {
    operator: Option<&'a dyn LinearOperator<f32>>,
    y: ArrayViewD<'a, f32>,
}

impl Quantities<'_> {
    fn of(&self, images: ArrayViewD<f32>, log_prob: &[f64]) -> Result<Values, UqError> {
        let mut values = of_images(images.view());
        values.push(("log_density".into(), log_prob.to_vec()));
        if let Some(operator) = self.operator {
            let predicted = operator.apply(images)?;
            let misfit = |p: ArrayViewD<f32>| {
                let y = self.y.index_axis(Axis(0), 0);
                p.iter().zip(&y).map(|(p, y)| f64::from(p - y).powi(2)).sum::<f64>().sqrt()
            };
            values.push(("misfit".into(), predicted.axis_iter(Axis(0)).map(misfit).collect()));
        }
        Ok(values)
    }
}

/// Mean, Euclidean norm and a few pixels of each image `[image, channel, axes…]`.
fn of_images(images: ArrayViewD<f32>) -> Values {
    let each = |f: &dyn Fn(ArrayViewD<f32>) -> f64| images.axis_iter(Axis(0)).map(f).collect::<Vec<f64>>();
    let mean = each(&|image| image.iter().map(|&v| f64::from(v)).sum::<f64>() / image.len().max(1) as f64);
    let norm = each(&|image| image.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt());
    let mut values = vec![("mean".to_string(), mean), ("norm".to_string(), norm)];
    for probe in 0..PROBES {
        let place: Vec<usize> = images.shape()[1..].iter().map(|n| n * (2 * probe + 1) / (2 * PROBES)).collect();
        let pixel = each(&|image| image.get(place.as_slice()).map_or(f64::NAN, |&v| f64::from(v)));
        values.push((format!("pixel {place:?}"), pixel));
    }
    values
}

/// One pair while its draws stream past.
struct Image<'a> {
    truth: ArrayViewD<'a, f32>,
    moments: Moments,
    ranking: Ranking,
    /// Of the truth, and of all draws so far.
    quantities: Vec<(String, f64, Vec<f64>)>,
}

impl<'a> Image<'a> {
    fn new(truth: ArrayViewD<'a, f32>, of_truth: Values) -> Self {
        let quantities = of_truth.into_iter().map(|(name, values)| (name, values[0], Vec::new())).collect();
        Image { moments: Moments::new(truth.shape()), ranking: Ranking::new(truth.view()), truth, quantities }
    }

    fn add(&mut self, draws: ArrayViewD<f32>, of_draws: Values) -> Result<(), UqError> {
        self.ranking.add(draws.view())?;
        self.moments.add(draws)?;
        for ((_, _, seen), (_, values)) in self.quantities.iter_mut().zip(of_draws) {
            seen.extend(values);
        }
        Ok(())
    }
}

/// What is kept of all pairs.
struct Seen {
    draws: u32,
    rng: ChaCha8Rng,
    pooled: Pooled,
    ranks: Vec<QuantityRanks>,
    /// Of the mean, squared; its pixels.
    squared_error: f64,
    deviation: f64,
    pixels: usize,
    errors: Vec<f32>,
    uncertainties: Vec<f32>,
}

impl Seen {
    fn new(draws: u32, seed: u64) -> Result<Seen, UqError> {
        Ok(Seen {
            draws,
            rng: stream(seed, Purpose::Diagnostic, 0),
            pooled: Pooled::new(draws, &LEVELS)?,
            ranks: Vec::new(),
            squared_error: 0.0,
            deviation: 0.0,
            pixels: 0,
            errors: Vec::new(),
            uncertainties: Vec::new(),
        })
    }

    fn add(&mut self, image: Image) -> Result<(), UqError> {
        super::error::check_shape("draws of a pair", &[image.ranking.draws() as usize], &[self.draws as usize])?;
        self.pooled.add(image.ranking.ranks(&mut self.rng).view())?;
        if self.ranks.is_empty() {
            let named =
                |(name, ..): &(String, f64, Vec<f64>)| QuantityRanks { quantity: name.clone(), ranks: Vec::new() };
            self.ranks = image.quantities.iter().map(named).collect();
        }
        for (quantity, (_, truth, draws)) in self.ranks.iter_mut().zip(&image.quantities) {
            quantity.ranks.push(rank(*truth, draws, &mut self.rng));
        }
        let keep = self.errors.len() + image.truth.len() <= POOLED_PIXELS || self.errors.is_empty();
        Zip::from(&image.moments.mean()).and(&image.moments.standard_deviation()).and(&image.truth).for_each(
            |m, s, &x| {
                let error = m - f64::from(x);
                self.squared_error += error * error;
                self.deviation += s;
                if keep {
                    self.errors.push(error as f32);
                    self.uncertainties.push(*s as f32);
                }
            },
        );
        self.pixels += image.truth.len();
        Ok(())
    }

    fn finish(mut self, unit: &str) -> Result<Diagnosis, UqError> {
        let coverage = self.pooled.curve()?;
        let array = |values: Vec<f32>| ndarray::Array1::from(values).into_dyn();
        let bins = equal_count(array(self.errors).view(), array(self.uncertainties).view(), BINS.min(self.pixels))?;
        let mut metrics = BTreeMap::new();
        let unit = if unit.is_empty() { "1" } else { unit };
        measure(&mut metrics, "rmse_mean", (self.squared_error / self.pixels as f64).sqrt(), unit);
        measure(&mut metrics, "mean_standard_deviation", self.deviation / self.pixels as f64, unit);
        measure(&mut metrics, "ence", ence(&bins), "1");
        for (level, point) in LEVELS.iter().zip(&coverage) {
            // Few draws leave few gaps: a level that none of their numbers comes near is not reported.
            if [0.5, 0.9].contains(level) && (point.expected - level).abs() < REACHED {
                measure(&mut metrics, &format!("coverage_{:.0}", 100.0 * level), point.observed, "1");
            }
        }
        // The worst of several quantities is held to a stricter level, so that all together reject one exact posterior in
        // a hundred.
        let count = self.ranks.first().map_or(0, |quantity| quantity.ranks.len());
        let probability = 1.0 - REJECTION / self.ranks.len().max(1) as f64;
        let bands = Bands::new(count, self.draws, probability, &mut self.rng)?;
        let mut worst = f64::INFINITY;
        for quantity in &self.ranks {
            worst = worst.min(bands.log_gamma(&quantity.ranks)?);
        }
        measure(&mut metrics, "rank_log_gamma", worst, "1");
        let calibration = Calibration { draws: self.draws, coverage, ranks: self.ranks, error_by_uncertainty: bins };
        Ok(Diagnosis { metrics, calibration })
    }
}

/// Densities and latents of the truths.
#[derive(Default)]
struct Densities {
    log_prob: f64,
    /// Unknowns of all pairs together.
    dimensions: usize,
    /// Entries of one z: padding has some too.
    latents: usize,
    /// ‖z‖² of each pair.
    norms: Vec<f64>,
}

impl Densities {
    /// log q of each pair of a group.
    fn add(&mut self, model: &Model, group: &[(ArrayD<f32>, ArrayD<f32>)]) -> Result<Vec<f64>, UqError> {
        let (x, y) = (joined(group.iter().map(|(x, _)| x))?, joined(group.iter().map(|(_, y)| y))?);
        let log_prob = model.log_prob(&x, &y)?;
        self.log_prob += log_prob.iter().sum::<f64>();
        self.dimensions += group.len() * model.dimension();
        let latents = model.latent(&x, &y)?;
        self.latents = latents.len() / group.len().max(1);
        self.norms.extend(latents.axis_iter(Axis(0)).map(|z| z.iter().map(|&z| f64::from(z).powi(2)).sum::<f64>()));
        Ok(log_prob)
    }

    fn report(self, metrics: &mut BTreeMap<String, Measured>) -> Result<(), UqError> {
        measure(metrics, "nll_nats_per_dim", -self.log_prob / self.dimensions as f64, "nat");
        let test = norm_test(&self.norms, self.latents)?;
        measure(metrics, "latent_norm", test.norm, "1");
        measure(metrics, "latent_p_value", test.p_value, "1");
        Ok(())
    }
}

pub(super) fn joined<'a>(parts: impl Iterator<Item = &'a ArrayD<f32>>) -> Result<ArrayD<f32>, UqError> {
    let views: Vec<_> = parts.map(|part| part.view()).collect();
    concatenate(Axis(0), &views).map_err(|_| UqError::TooFew { what: "pairs", found: 0, needed: 1 })
}

/// Keeps a number under its name.
pub fn measure(metrics: &mut BTreeMap<String, Measured>, name: &str, value: f64, unit: &str) {
    metrics.insert(name.into(), Measured { value, unit: unit.into() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn the_norm_of_latents_is_summed_over_pairs() -> Result<(), UqError> {
        let densities = Densities { log_prob: -30.0, dimensions: 20, latents: 10, norms: vec![8.0, 12.0] };
        let mut metrics = BTreeMap::new();
        densities.report(&mut metrics)?;
        assert_abs_diff_eq!(metrics["nll_nats_per_dim"].value, 1.5);
        assert_abs_diff_eq!(metrics["latent_norm"].value, 1.0);
        Ok(())
    }
}
