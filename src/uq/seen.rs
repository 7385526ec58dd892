//! What is kept of pairs whose draws stream past, and the numbers made of it.

use std::collections::BTreeMap;

use super::UqError;
use super::cells::Cells;
use super::coverage::Pooled;
use super::diagnosis::{Calibration, Diagnosis, QuantityRanks, measure};
use super::ecdf::Bands;
use super::error_by_uncertainty::{ence, equal_count};
use super::findings::Findings;
use super::judgement::Finding;
use super::quantities::Values;
use super::ranks::{Ranking, rank};
use super::scale::Scale;
use super::standardised::Standardised;
use crate::posterior::streaming::Moments;
use crate::random::{Purpose, stream};
use ndarray::{Array1, ArrayViewD};
use rand_chacha::ChaCha8Rng;

/// The levels of the coverage curve. Those of the metrics are among them.
const LEVELS: [f64; 21] = [
    0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98,
];
/// Bins of the error against the uncertainty.
const BINS: usize = 20;
/// Pixels pooled for those bins: of as many of the first pairs as fit.
const POOLED_PIXELS: usize = 1 << 22;
/// How far the central gaps of the draws may be from a level that is reported.
const REACHED: f64 = 0.025;
/// How sure a rejection of the ranks is, over all quantities together.
const REJECTION: f64 = 0.01;

/// Channels, or parameters of a vector, whose errors are told one by one.
const TOLD: usize = 16;

/// One pair while its draws stream past.
pub struct Image<'a> {
    truth: ArrayViewD<'a, f32>,
    pub moments: Moments,
    ranking: Ranking,
    /// Nothing where draws are too few.
    standardised: Option<Standardised>,
    /// Of the truth, and of all draws so far.
    quantities: Vec<(String, f64, Vec<f64>)>,
}

impl<'a> Image<'a> {
    /// Its truth, `[channel, axes…]`, and the quantities of it; so many draws are to come.
    pub fn new(truth: ArrayViewD<'a, f32>, of_truth: Values, draws: u32) -> Self {
        let quantities = of_truth.into_iter().map(|(name, values)| (name, values[0], Vec::new())).collect();
        Image {
            moments: Moments::new(truth.shape()),
            ranking: Ranking::new(truth.view()),
            standardised: Standardised::new(truth.shape(), draws),
            truth,
            quantities,
        }
    }

    /// More draws, `[draw, channel, axes…]`, and the quantities of each.
    pub fn add(&mut self, draws: ArrayViewD<f32>, of_draws: Values, cells: &Cells) -> Result<(), UqError> {
        self.ranking.add(draws.view())?;
        if let Some(standardised) = &mut self.standardised {
            standardised.add(draws.view(), cells)?;
        }
        self.moments.add(draws)?;
        for ((_, _, seen), (_, values)) in self.quantities.iter_mut().zip(of_draws) {
            seen.extend(values);
        }
        Ok(())
    }
}

/// What is kept of all pairs, in the cells that are inferred.
pub struct Seen<'a> {
    cells: &'a Cells,
    draws: u32,
    rng: ChaCha8Rng,
    pooled: Pooled,
    ranks: Vec<QuantityRanks>,
    findings: Findings,
    /// Squared errors of the mean in each channel, and their number.
    channels: Vec<(f64, usize)>,
    /// Of the mean, squared.
    squared_error: f64,
    deviation: f64,
    pixels: usize,
    errors: Vec<f32>,
    uncertainties: Vec<f32>,
}

impl<'a> Seen<'a> {
    /// Before the first pair.
    pub fn new(cells: &'a Cells, draws: u32, seed: u64) -> Result<Self, UqError> {
        Ok(Seen {
            cells,
            draws,
            rng: stream(seed, Purpose::Diagnostic, 0),
            pooled: Pooled::new(draws, &LEVELS)?,
            ranks: Vec::new(),
            findings: Findings::new(draws),
            channels: Vec::new(),
            squared_error: 0.0,
            deviation: 0.0,
            pixels: 0,
            errors: Vec::new(),
            uncertainties: Vec::new(),
        })
    }

    /// One more pair, all of whose draws were seen.
    pub fn add(&mut self, image: Image) -> Result<(), UqError> {
        super::error::check_shape("draws of a pair", &[image.ranking.draws() as usize], &[self.draws as usize])?;
        let ranks = self.cells.gathered(image.ranking.ranks(&mut self.rng).view());
        self.pooled.add(ranks.view().into_dyn())?;
        if self.ranks.is_empty() {
            let named =
                |(name, ..): &(String, f64, Vec<f64>)| QuantityRanks { quantity: name.clone(), ranks: Vec::new() };
            self.ranks = image.quantities.iter().map(named).collect();
        }
        for (quantity, (_, truth, draws)) in self.ranks.iter_mut().zip(&image.quantities) {
            quantity.ranks.push(rank(*truth, draws, &mut self.rng));
        }
        let of_standardised =
            image.standardised.as_ref().map(|all| all.ranks(image.truth.view(), self.cells, &mut self.rng));
        let of_standardised = of_standardised.unwrap_or_default();
        let all = ranks.as_slice().unwrap_or_default();
        self.findings.add(all, &of_standardised, &image.moments, image.truth.view(), self.cells);
        self.add_channels(&image);
        let (mean, deviation) = (image.moments.mean(), image.moments.standard_deviation());
        let keep = self.errors.len() + ranks.len() <= POOLED_PIXELS || self.errors.is_empty();
        let cells = self.cells.of(mean.view()).zip(self.cells.of(deviation.view())).zip(self.cells.of(image.truth));
        for ((mean, deviation), truth) in cells {
            let error = mean - f64::from(truth);
            self.squared_error += error * error;
            self.deviation += deviation;
            if keep {
                self.errors.push(error as f32);
                self.uncertainties.push(deviation as f32);
            }
        }
        self.pixels += ranks.len();
        Ok(())
    }

    /// Errors of the mean, channel by channel.
    fn add_channels(&mut self, image: &Image) {
        let (mean, channels) = (image.moments.mean(), image.truth.shape().first().copied().unwrap_or(1));
        self.channels.resize(channels, (0.0, 0));
        let each = image.truth.len() / channels.max(1);
        let cells = mean.iter().zip(image.truth.iter()).enumerate().filter(|(index, _)| self.cells.has(*index));
        for (index, (mean, truth)) in cells {
            if let Some((sum, count)) = self.channels.get_mut(index / each.max(1)) {
                *sum += (mean - f64::from(*truth)).powi(2);
                *count += 1;
            }
        }
    }

    /// What it comes to, with the tests that others made. `scale` says what the images were divided by, and their unit.
    pub fn finish(mut self, scale: &Scale, more: Vec<Finding>) -> Result<Diagnosis, UqError> {
        let unit = scale.unit();
        let coverage = self.pooled.curve()?;
        let array = |values: Vec<f32>| Array1::from(values).into_dyn();
        let bins = equal_count(array(self.errors).view(), array(self.uncertainties).view(), BINS.min(self.pixels))?;
        let mut metrics = BTreeMap::new();
        let unit = if unit.is_empty() { "1" } else { unit };
        measure(&mut metrics, "rmse_mean", (self.squared_error / self.pixels as f64).sqrt(), unit);
        measure(&mut metrics, "mean_standard_deviation", self.deviation / self.pixels as f64, unit);
        // Where draws of some pixels do not differ at all, their error has nothing to be divided by.
        if ence(&bins).is_finite() {
            measure(&mut metrics, "ence", ence(&bins), "1");
        }
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
        let contraction = self.findings.contraction();
        if contraction.is_finite() {
            measure(&mut metrics, "posterior_contraction", contraction, "1");
        }
        let judgement = self.findings.judge(&self.ranks, self.cells, more);
        // One sum of errors of different sizes says nothing: each is told by itself, where they are not too many to read.
        if scale.channels().len() <= TOLD {
            let channels = scale.channels().iter().zip(&self.channels).enumerate();
            for (channel, ([name, unit], (sum, count))) in channels.filter(|(_, (_, (_, count)))| *count > 0) {
                let rmse = (sum / *count as f64).sqrt() * scale.deviation(channel);
                measure(&mut metrics, &format!("rmse_mean of {name}"), rmse, unit);
            }
        }
        let calibration = Calibration {
            draws: self.draws,
            coverage,
            ranks: self.ranks,
            error_by_uncertainty: bins,
            classical: Vec::new(),
            left_out: Vec::new(),
        };
        Ok(Diagnosis { metrics, calibration, judgement })
    }
}
