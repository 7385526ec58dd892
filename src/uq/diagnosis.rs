//! All diagnostics of a posterior in one pass over test pairs, whose draws are seen once and not kept.

use std::collections::BTreeMap;

use super::UqError;
use super::against_exact::AgainstExact;
use super::cells::Cells;
use super::chance;
use super::classical::Classical;
use super::coverage::Coverage;
use super::error_by_uncertainty::Bin;
use super::judgement::{Finding, Judgement, NOISE};
use super::latent::norm_test;
use super::quantities::{Quantities, Values};
use super::scale::Scale;
use super::seen::{Image, Seen};
use crate::io::number;
use crate::model::Model;
use crate::operator::{Noise, squared_residuals};
use crate::posterior::amortized::{Observation, Observations};
use crate::posterior::exact::ExactPosterior;
use crate::random::{Purpose, stream};
use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};
use serde::{Deserialize, Serialize};

/// Every metric there is, and what it means.
pub const METRICS: [(&str, &str); 20] = [
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
    (
        "posterior_contraction",
        "One less the posterior variance over that of the truths: zero where nothing was learned from y, one where nothing is left open.",
    ),
    (
        "misfit_chi2_draws",
        "Mean χ²/m of draws to their record, by the noise that was stated; that of truths if the posterior is exact.",
    ),
    ("misfit_chi2_truth", "The same of the truths: one if the noise is as stated."),
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
        "Root-mean-square error of the best classical method on the same observations: the Wiener filter where that is the exact mean, else the best of time reversal, back-projection and least squares, scale and offset fitted.",
    ),
    (
        "rmse_over_classical",
        "rmse_mean divided by rmse_best_classical: below one, the posterior mean is the better image.",
    ),
    ("kl_gap_nats", "Kullback–Leibler divergence of the posterior from the exact one."),
    (
        "kl_gap_of_mean_nats",
        "What kl_gap_nats would be of the exact posterior moved to this posterior's mean: half the squared distance of the means, in standard deviations of the exact posterior.",
    ),
    ("mean_relative_error", "Distance of the posterior mean from the exact mean, relative to its size."),
    ("std_relative_error", "Distance of the standard deviation from the exact one, relative to its size."),
];

/// Pairs whose densities and latents are computed together.
pub(super) const PAIRS_AT_ONCE: usize = 16;
/// So far operators and flows are computed: a mean square that is nearer to one is no deviation.
const COMPUTED: f64 = 0.01;

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
    /// What chance does not explain.
    pub judgement: Judgement,
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
    /// What `rmse_best_classical` is the least of.
    #[serde(default)]
    pub classical: Vec<MethodError>,
    /// Classical methods that would take too long, and are not among them.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// The error of a classical method on the same observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodError {
    /// "time reversal".
    pub method: String,
    /// √(mean (image − truth)²), in the unit of x.
    pub rmse: f64,
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
/// else against classical methods where there is an operator. Cells of x that the model knows are not judged.
///
/// Where channels have units of their own, each is divided by the standard deviation of its truths before errors in
/// them are added up.
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
    let channels = model.x_shape().first().copied().unwrap_or(1);
    let scale = Scale::of(
        &model.x(),
        channels,
        (0..count).map(|i| known(pairs, i).map(|(x, _)| x.index_axis_move(Axis(0), 0))),
    )?;
    let cells = Cells::inferred_by(model)?;
    let quantities = Quantities::new(&cells, model.x_shape());
    let mut seen = Seen::new(&cells, judging.draws as u32, judging.seed)?;
    let mut densities = Densities::default();
    let mut misfits = Misfits::new(model.noise());
    let mut against = exact.map(AgainstExact::new);
    let operator = match model.operator() {
        Some(operator) => Some(operator.build::<f32>(model.x_shape())?),
        None => None,
    };
    let mut classical = match (exact, model.operator()) {
        (None, Some(operator)) => Some(Classical::new(operator.classical_methods(model.x_shape())?)),
        _ => None,
    };
    // Of images in their units and scaled: an operator takes the former.
    let scalars = |images: ArrayViewD<f32>, scaled: ArrayViewD<f32>, log_prob: &[f64], y: &ArrayD<f32>| {
        let mut values = quantities.of(scaled);
        values.push(("log_density".into(), log_prob.to_vec()));
        if let Some(operator) = &operator {
            let squares = squared_residuals(operator.as_ref(), images, y.view())?;
            values.push(("misfit".into(), squares.into_iter().map(f64::sqrt).collect()));
        }
        Ok::<_, UqError>(values)
    };
    let mut done = 0;
    for first in (0..count).step_by(PAIRS_AT_ONCE) {
        let group =
            (first..(first + PAIRS_AT_ONCE).min(count)).map(|i| known(pairs, i)).collect::<Result<Vec<_>, _>>()?;
        let log_prob = densities.add(model, &group)?;
        if let Some(classical) = &mut classical {
            classical.add(&group, &cells, &scale)?;
        }
        for ((x, y), (index, log_prob)) in group.iter().zip((first..).zip(log_prob)) {
            let scaled = scale.apply(x.clone());
            let of_truth = scalars(x.view(), scaled.view(), &[log_prob], y)?;
            misfits.truth(&of_truth, y);
            let mut image = Image::new(scaled.index_axis(Axis(0), 0), of_truth, judging.draws as u32);
            let mut exactly = against.as_ref().map(|against| against.observation(y, judging.draws)).transpose()?;
            let (sampler, mut rng) = (model.sampler(y)?, stream(judging.seed, Purpose::Latent, index as u64));
            while image.moments.count() < judging.draws as u64 {
                let rest = judging.draws - image.moments.count() as usize;
                let draws = sampler.draw(judging.at_once.min(rest), &mut rng)?;
                let scaled = scale.apply(draws.x.clone());
                let of_draws = scalars(draws.x.view(), scaled.view(), &draws.log_prob, y)?;
                misfits.draws(&of_draws, y);
                image.add(scaled.view(), of_draws, &cells)?;
                if let Some(exactly) = &mut exactly {
                    exactly.add(&draws.x)?;
                }
                done += draws.log_prob.len();
                if !progress(done) {
                    return Ok(None);
                }
            }
            if let (Some(against), Some(exactly)) = (&mut against, &exactly) {
                against.add(exactly, &image.moments, x, y, log_prob)?;
            }
            seen.add(image)?;
        }
    }
    let more = densities.finding()?.into_iter().chain(misfits.finding()).collect();
    let mut diagnosis = seen.finish(&scale, more)?;
    densities.report(&mut diagnosis.metrics)?;
    misfits.report(&mut diagnosis.metrics);
    if let Some(against) = against {
        diagnosis.calibration.classical = vec![against.wiener()];
        against.report(&mut diagnosis.metrics);
    }
    if let Some(classical) = classical {
        diagnosis.calibration.classical = classical.errors();
        diagnosis.calibration.left_out = classical.left_out;
    }
    if let Some(best) = diagnosis.calibration.classical.first() {
        let unit = if scale.unit().is_empty() { "1" } else { scale.unit() };
        measure(&mut diagnosis.metrics, "rmse_best_classical", best.rmse, unit);
    }
    let error = |name: &str| diagnosis.metrics.get(name).map(|measured| measured.value);
    if let (Some(mean), Some(classical)) = (error("rmse_mean"), error("rmse_best_classical")) {
        measure(&mut diagnosis.metrics, "rmse_over_classical", mean / classical, "1");
    }
    Ok(Some(diagnosis))
}

/// Judges draws of any origin: for each pair, the truth `[channel, axes…]` and its draws `[draw, channel, axes…]` in
/// slabs. Only `cells` are judged, in the units of `scale`.
///
/// ```
/// use ndarray::{ArrayD, IxDyn};
/// use posteria::random::{Purpose, stream};
/// use posteria::uq::{Cells, UqError, diagnosis::diagnose_draws, scale::Scale};
/// use rand_distr::{Distribution, StandardNormal};
///
/// let mut rng = stream(1, Purpose::Diagnostic, 0);
/// let mut white = |shape: &[usize]| -> ArrayD<f32> {
///     ArrayD::from_shape_simple_fn(IxDyn(shape), || StandardNormal.sample(&mut rng))
/// };
/// // Truths and draws of one distribution, as those of a right posterior are.
/// let mut pair = || Ok::<_, UqError>((white(&[1, 4, 4]), [Ok(white(&[59, 1, 4, 4]))]));
/// let pairs: Vec<_> = (0..50).map(|_| pair()).collect();
/// let diagnosis = diagnose_draws(pairs, &Cells::default(), 59, 1, &Scale::one_unit("m/s"))?;
/// assert!((diagnosis.metrics["coverage_90"].value - 0.9).abs() < 0.05);
/// assert!(diagnosis.judgement.tests.values().all(|test| test.holds == Some(true)));
/// # Ok::<(), UqError>(())
/// ```
pub fn diagnose_draws<S, E>(
    pairs: impl IntoIterator<Item = Result<(ArrayD<f32>, S), E>>,
    cells: &Cells,
    draws: usize,
    seed: u64,
    scale: &Scale,
) -> Result<Diagnosis, E>
where
    S: IntoIterator<Item = Result<ArrayD<f32>, E>>,
    E: From<UqError>,
{
    let mut seen = Seen::new(cells, draws as u32, seed)?;
    for pair in pairs {
        let (truth, slabs) = pair?;
        let quantities = Quantities::new(cells, truth.shape()).with_norm(scale.knows_size());
        let truth = scale.apply(truth.insert_axis(Axis(0)));
        let mut image = Image::new(truth.index_axis(Axis(0), 0), quantities.of(truth.view()), draws as u32);
        for slab in slabs {
            let slab = scale.apply(slab?);
            image.add(slab.view(), quantities.of(slab.view()), cells)?;
        }
        seen.add(image)?;
    }
    Ok(seen.finish(scale, Vec::new())?)
}

pub(super) fn known(pairs: &dyn Observations, index: usize) -> Result<(ArrayD<f32>, ArrayD<f32>), UqError> {
    match pairs.get(index)? {
        Observation { y, truth: Some(truth) } => Ok((truth, y)),
        Observation { truth: None, .. } => {
            Err(UqError::TooFew { what: "true images of the observations", found: 0, needed: pairs.count() })
        }
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
    /// ‖z‖² of each pair, where latents are standard normal numbers.
    norms: Vec<f64>,
}

impl Densities {
    /// log q of each pair of a group.
    fn add(&mut self, model: &Model, group: &[(ArrayD<f32>, ArrayD<f32>)]) -> Result<Vec<f64>, UqError> {
        let (x, y) = (joined(group.iter().map(|(x, _)| x))?, joined(group.iter().map(|(_, y)| y))?);
        let log_prob = model.log_prob(&x, &y)?;
        self.log_prob += log_prob.iter().sum::<f64>();
        self.dimensions += group.len() * model.dimension();
        if let Some(latents) = model.latent(&x, &y)? {
            self.latents = latents.len() / group.len().max(1);
            let norms = latents.axis_iter(Axis(0)).map(|z| z.iter().map(|&z| f64::from(z).powi(2)).sum::<f64>());
            self.norms.extend(norms);
        }
        Ok(log_prob)
    }

    /// The test of the latents: their norms, and their sum.
    fn finding(&self) -> Result<Option<Finding>, UqError> {
        if self.norms.is_empty() {
            return Ok(None);
        }
        let test = norm_test(&self.norms, self.latents)?;
        let numbers = (self.norms.len() * self.latents) as f64;
        let of_sum = chance::sum_of_squares(test.norm * numbers, numbers, COMPUTED);
        let says =
            format!("latent codes of truths have a mean square of {} (1 of an exact posterior)", number(test.norm));
        Ok(Some(Finding { name: "latents", p_value: (2.0 * of_sum.min(test.p_value)).min(1.0), says }))
    }

    fn report(self, metrics: &mut BTreeMap<String, Measured>) -> Result<(), UqError> {
        measure(metrics, "nll_nats_per_dim", -self.log_prob / self.dimensions as f64, "nat");
        if !self.norms.is_empty() {
            let test = norm_test(&self.norms, self.latents)?;
            measure(metrics, "latent_norm", test.norm, "1");
            measure(metrics, "latent_p_value", test.p_value, "1");
        }
        Ok(())
    }
}

/// χ²/m of truths and of draws, where the noise is known.
struct Misfits {
    noise: Option<Noise>,
    /// Sum over pairs, and over all draws.
    of_truths: f64,
    of_draws: f64,
    /// Numbers of y, of all pairs, and of all draws.
    numbers: f64,
    drawn: f64,
}

impl Misfits {
    fn new(noise: Option<&Noise>) -> Self {
        Self { noise: noise.cloned(), of_truths: 0.0, of_draws: 0.0, numbers: 0.0, drawn: 0.0 }
    }

    /// ‖(y − A x)/σ‖², added up over images.
    fn sum(&self, values: &Values) -> Option<(f64, f64)> {
        let noise = self.noise.as_ref()?;
        let (_, distances) = values.iter().find(|(name, _)| name == "misfit")?;
        Some((distances.iter().map(|d| noise.over_variance(d * d)).sum(), distances.len() as f64))
    }

    fn truth(&mut self, values: &Values, y: &ArrayD<f32>) {
        if let Some((sum, count)) = self.sum(values) {
            self.of_truths += sum;
            self.numbers += count * y.len() as f64;
        }
    }

    fn draws(&mut self, values: &Values, y: &ArrayD<f32>) {
        if let Some((sum, count)) = self.sum(values) {
            self.of_draws += sum;
            self.drawn += count * y.len() as f64;
        }
    }

    /// Whether the noise is as the model was told: of truths, its square is a sum of squares of normal numbers.
    fn finding(&self) -> Option<Finding> {
        let p_value = (self.numbers > 0.0).then(|| chance::sum_of_squares(self.of_truths, self.numbers, COMPUTED))?;
        let says = format!(
            "truths miss their records by χ²/m = {} (1 where operator and noise are as the problem says; else correct noise.sigma \
             or the operator's settings)",
            number(self.of_truths / self.numbers)
        );
        Some(Finding { name: NOISE, p_value, says })
    }

    fn report(&self, metrics: &mut BTreeMap<String, Measured>) {
        if self.numbers > 0.0 && self.drawn > 0.0 {
            measure(metrics, "misfit_chi2_truth", self.of_truths / self.numbers, "1");
            measure(metrics, "misfit_chi2_draws", self.of_draws / self.drawn, "1");
        }
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
