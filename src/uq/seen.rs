//! What is kept of pairs whose draws stream past, and the numbers made of it.

use std::collections::BTreeMap;

use super::UqError;
use super::cells::Cells;
use super::coverage::Pooled;
use super::diagnosis::{Calibration, Diagnosis, QuantityRanks, measure};
use super::ecdf::Bands;
use super::error_by_uncertainty::{ence, equal_count};
use super::quantities::Values;
use super::ranks::{Ranking, rank};
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

/// One pair while its draws stream past.
pub struct Image<'a> {
    truth: ArrayViewD<'a, f32>,
    pub moments: Moments,
    ranking: Ranking,
    /// Of the truth, and of all draws so far.
    quantities: Vec<(String, f64, Vec<f64>)>,
}

impl<'a> Image<'a> {
    /// Its truth, `[channel, axes…]`, and the quantities of it.
    pub fn new(truth: ArrayViewD<'a, f32>, of_truth: Values) -> Self {
        let quantities = of_truth.into_iter().map(|(name, values)| (name, values[0], Vec::new())).collect();
        Image { moments: Moments::new(truth.shape()), ranking: Ranking::new(truth.view()), truth, quantities }
    }

    /// More draws, `[draw, channel, axes…]`, and the quantities of each.
    pub fn add(&mut self, draws: ArrayViewD<f32>, of_draws: Values) -> Result<(), UqError> {
        self.ranking.add(draws.view())?;
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

    /// What it comes to. `unit` is that of the images.
    pub fn finish(mut self, unit: &str) -> Result<Diagnosis, UqError> {
        let coverage = self.pooled.curve()?;
        let array = |values: Vec<f32>| Array1::from(values).into_dyn();
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
        let calibration = Calibration {
            draws: self.draws,
            coverage,
            ranks: self.ranks,
            error_by_uncertainty: bins,
            classical: Vec::new(),
            left_out: Vec::new(),
        };
        Ok(Diagnosis { metrics, calibration })
    }
}
