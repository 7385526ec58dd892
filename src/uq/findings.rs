//! What is kept of each pair for the tests of a posterior, and the tests made of it.

use super::cells::Cells;
use super::chance;
use super::diagnosis::QuantityRanks;
use super::every_cell::EveryCell;
use super::judgement::{Finding, Judgement, LEVEL};
use super::learned::Learned;
use super::standardised::{Aspect, aspects, second_half};
use crate::io::number;
use crate::posterior::streaming::Moments;
use ndarray::ArrayViewD;

/// Levels of the central intervals that coverage is tested at.
const LEVELS: [f64; 3] = [0.5, 0.9, 0.98];

/// A central interval: of the ranks 0 … M those from `least` on, `count` of them.
struct Interval {
    least: u32,
    count: u32,
    /// Share of the cells of each pair inside.
    shares: Vec<f64>,
}

/// What is kept of all pairs, in the cells that are inferred.
pub struct Findings {
    draws: u32,
    intervals: Vec<Interval>,
    aspects: Vec<(Aspect, Vec<u32>)>,
    every: EveryCell,
    learned: Learned,
    /// Mean posterior variance over cells, summed over pairs.
    variance: f64,
    pairs: usize,
    shape: Vec<usize>,
}

impl Findings {
    /// Before the first pair, of posteriors of so many draws.
    pub fn new(draws: u32) -> Self {
        let gaps = draws + 1;
        let interval = |level: f64| {
            let count = ((level * f64::from(gaps)).round() as u32).clamp(1, gaps);
            // As many ranks are left out on either side.
            let count = if (gaps - count).is_multiple_of(2) { count } else { count - 1 };
            Interval { least: (gaps - count) / 2, count, shares: Vec::new() }
        };
        let intervals: Vec<Interval> = LEVELS.map(interval).into();
        Self {
            draws,
            intervals: intervals.into_iter().filter(|interval| (1..gaps).contains(&interval.count)).collect(),
            aspects: Vec::new(),
            every: EveryCell::new(draws),
            learned: Learned::default(),
            variance: 0.0,
            pairs: 0,
            shape: Vec::new(),
        }
    }

    /// One more pair: the ranks of its inferred cells, in order, those of the truth in numbers of the standardised images, the
    /// moments of its draws and its truth, `[channel, axes…]`.
    pub fn add(
        &mut self,
        ranks: &[u32],
        of_standardised: &[u32],
        moments: &Moments,
        truth: ArrayViewD<f32>,
        cells: &Cells,
    ) {
        self.shape = truth.shape().to_vec();
        self.pairs += 1;
        let all = ranks.len().max(1) as f64;
        for Interval { least, count, shares } in &mut self.intervals {
            let inside = ranks.iter().filter(|&&rank| (*least..*least + *count).contains(&rank)).count();
            shares.push(inside as f64 / all);
        }
        if self.aspects.is_empty() && !of_standardised.is_empty() {
            self.aspects = aspects(truth.shape()).into_iter().map(|aspect| (aspect, Vec::new())).collect();
        }
        self.aspects.iter_mut().zip(of_standardised).for_each(|((_, ranks), rank)| ranks.push(*rank));
        self.every.add(ranks, cells.of(truth.view()));
        let (mean, deviation) = (moments.mean(), moments.standard_deviation());
        self.variance += cells.of(deviation.view()).map(|s| s * s).sum::<f64>() / all;
        self.learned.add(cells.of(mean.view()).collect(), cells.of(truth));
    }

    /// 1 − posterior variance over that of the truths: 0 where nothing was learned, 1 where nothing is left open.
    pub fn contraction(&self) -> f64 {
        1.0 - self.variance / self.pairs as f64 / self.every.variance_of_truths()
    }

    /// The tests of all pairs, with `more` that others made.
    pub fn judge(self, ranks: &[QuantityRanks], cells: &Cells, more: Vec<Finding>) -> Judgement {
        let mut findings: Vec<Finding> = self.coverage().into_iter().collect();
        findings.extend(self.of_standardised());
        findings.extend(self.cells(cells));
        findings.extend(self.quantities(ranks));
        findings.extend(more);
        let judgement = Judgement::of(findings, self.pairs, self.draws);
        let contraction = self.contraction();
        match contraction.is_finite() {
            true => judgement.with_learned(self.learned.outcome(), contraction),
            false => judgement,
        }
    }

    /// Coverage of the central intervals, over the cells of all pairs; the level that is farthest off.
    fn coverage(&self) -> Option<Finding> {
        let gaps = f64::from(self.draws + 1);
        let level = LEVEL / self.intervals.len().max(1) as f64;
        let of = |interval: &Interval| {
            let expected = f64::from(interval.count) / gaps;
            let tosses = chance::tosses(&interval.shares, expected, level);
            let found = interval.shares.iter().sum::<f64>() / interval.shares.len() as f64;
            (chance::shares(&interval.shares, expected, tosses), expected, found)
        };
        let (p_value, expected, found) = self.intervals.iter().map(of).min_by(|a, b| a.0.total_cmp(&b.0))?;
        let p_value = (p_value * self.intervals.len() as f64).min(1.0);
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let says = format!("{} intervals hold the truth in {} of the cells", percent(expected), percent(found));
        Some(Finding { name: "coverage", p_value, says })
    }

    /// Numbers of images in standard deviations of their posterior, aspect by aspect.
    fn of_standardised(&self) -> Vec<Finding> {
        let draws = second_half(self.draws);
        let kinds = [
            (Aspect::Bias, "bias", "in the mean of a standardised image"),
            (Aspect::Spread, "spread", "in the mean square of a standardised image"),
            (Aspect::Tails, "tails", "in how far single cells stray"),
            (Aspect::Texture, "texture", "in how neighbouring cells differ"),
        ];
        let of = |(aspect, name, place): (Aspect, &'static str, &str)| {
            let ranks: Vec<&Vec<u32>> = self.aspects.iter().filter(|(a, _)| *a == aspect).map(|(_, r)| r).collect();
            let (p_value, worst) = ranks
                .iter()
                .map(|ranks| (chance::uniform_ranks(ranks, draws), *ranks))
                .min_by(|a, b| a.0.total_cmp(&b.0))?;
            let says = format!("{place}, {}", chance::said_of_ranks(worst, draws));
            Some(Finding { name, p_value: (p_value * ranks.len() as f64).min(1.0), says })
        };
        kinds.into_iter().filter_map(of).collect()
    }

    /// The cell that is the farthest off.
    fn cells(&self, cells: &Cells) -> Option<Finding> {
        let worst = self.every.worst()?;
        let index = (0..self.shape.iter().product()).filter(|&index| cells.has(index)).nth(worst.cell)?;
        let mut place = vec![0; self.shape.len()];
        self.shape.iter().zip(&mut place).rev().fold(index, |rest, (size, at)| {
            *at = rest % size;
            rest / size
        });
        let what = if worst.score == 0 { "the mean is off there" } else { "the deviation is off there" };
        let says = format!(
            "the farthest off is cell {place:?}, by {} in mean rank; where that is no chance, {what}",
            number(worst.mean)
        );
        Some(Finding { name: "every_cell", p_value: worst.p_value, says })
    }

    /// Ranks of the truth in quantities of the image; density and misfit by themselves.
    fn quantities(&self, all: &[QuantityRanks]) -> Vec<Finding> {
        let is_own = |quantity: &QuantityRanks| ["log_density", "misfit"].contains(&quantity.quantity.as_str());
        let of = |name: &'static str, chosen: Vec<&QuantityRanks>| {
            let p_value = |quantity: &&QuantityRanks| chance::uniform_ranks(&quantity.ranks, self.draws);
            let (p, worst) = chosen.iter().map(|q| (p_value(q), *q)).min_by(|a, b| a.0.total_cmp(&b.0))?;
            let says = format!("in {}, {}", worst.quantity, chance::said_of_ranks(&worst.ranks, self.draws));
            Some(Finding { name, p_value: (p * chosen.len() as f64).min(1.0), says })
        };
        let named = |name: &str| all.iter().filter(|quantity| quantity.quantity == name).collect::<Vec<_>>();
        let others = all.iter().filter(|quantity| !is_own(quantity)).collect();
        let tests = [("quantities", others), ("density", named("log_density")), ("misfit", named("misfit"))];
        tests.into_iter().filter_map(|(name, chosen)| of(name, chosen)).collect()
    }
}
