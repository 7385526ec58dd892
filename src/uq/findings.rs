//! What is kept of each pair for the tests of a posterior, and the tests made of it.

use super::cells::Cells;
use super::chance;
use super::diagnosis::QuantityRanks;
use super::every_cell::EveryCell;
use super::judgement::{Finding, Judgement};
use super::learned::Learned;
use super::standardised::{Aspect, aspects, second_half};
use crate::posterior::streaming::Moments;
use ndarray::ArrayViewD;

/// What is kept of all pairs, in the cells that are inferred.
pub struct Findings {
    draws: u32,
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
        Self {
            draws,
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
        let mut findings = self.of_standardised();
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

    /// Numbers of images in standard deviations of their posterior, aspect by aspect.
    fn of_standardised(&self) -> Vec<Finding> {
        let draws = second_half(self.draws);
        let kinds = [
            (Aspect::Coverage, "coverage", "in how many cells lie near the mean"),
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
        let says = format!("in cell {place:?}, the farthest off, {}", chance::said_of_means(worst.means, self.draws));
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
