//! Empirical distribution of ranks with simultaneous bands (Säilynoja, Bürkner and Vehtari 2022, arXiv:2103.10522),
//! and the log-γ score (Modrák et al. 2025, doi 10.1214/23-BA1404).
//!
//! With R_i of L uniforms below z_i, R_i is binomial; γ = 2 min_i min{Bin(R_i | L, z_i), 1 − Bin(R_i − 1 | L, z_i)} is
//! the least likely point of the whole curve. Its quantile over simulated uniforms gives bands that hold at all points
//! at once. All probabilities are kept as logarithms: those of ranks that all lie at one end are below 10⁻³⁰⁸.

use super::UqError;
use super::error::check_enough;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{Binomial, Discrete};
use std::f64::consts::LN_2;

/// Simulated curves behind a band.
const SIMULATIONS: usize = 10_000;

/// Bands around the diagonal that the empirical distribution of `count` uniform ranks leaves nowhere with the stated
/// probability.
#[derive(Clone, Debug)]
pub struct Bands {
    /// z_i = i / (M + 1), i = 1 … M, thinned to a hundred at most: where the curve is looked at.
    pub points: Vec<f64>,
    /// Lower and upper limit of the empirical distribution at each point.
    pub limits: Vec<[f64; 2]>,
    /// log γ at the stated probability: a curve with a smaller one leaves the band.
    threshold: f64,
    steps: Vec<u32>,
    log_tails: Vec<Vec<[f64; 2]>>,
    count: usize,
    draws: u32,
}

impl Bands {
    /// For `count` ranks among `draws` draws, holding everywhere with `probability`, such as 0.95; `rng` simulates.
    pub fn new(count: usize, draws: u32, probability: f64, rng: &mut ChaCha8Rng) -> Result<Bands, UqError> {
        check_enough("ranks", count, 1)?;
        check_enough("draws", draws as usize, 1)?;
        if !(probability > 0.0 && probability < 1.0) {
            let remedy = "give a probability between 0 and 1";
            return Err(UqError::Parameter { name: "probability", value: probability.to_string(), remedy });
        }
        let stride = draws.div_ceil(100);
        let steps: Vec<u32> = (1..=draws).step_by(stride as usize).collect();
        let points: Vec<f64> = steps.iter().map(|&i| f64::from(i) / f64::from(draws + 1)).collect();
        let mut log_tails = Vec::with_capacity(points.len());
        for &z in &points {
            log_tails.push(self::log_tails(count, z)?);
        }
        let mut bands = Bands { points, limits: Vec::new(), threshold: 0.0, steps, log_tails, count, draws };
        let mut simulated: Vec<f64> = (0..SIMULATIONS)
            .map(|_| {
                let ranks: Vec<u32> = (0..count).map(|_| rng.random_range(0..=draws)).collect();
                bands.log_gamma_of(&bands.below(&ranks))
            })
            .collect();
        simulated.sort_by(f64::total_cmp);
        bands.threshold = simulated[((1.0 - probability) * SIMULATIONS as f64) as usize];
        bands.limits = bands.log_tails.iter().map(|tails| limits(tails, bands.threshold)).collect();
        Ok(bands)
    }

    /// The empirical distribution of ranks 0 … M at [`Bands::points`]: the share of ranks below i.
    pub fn ecdf(&self, ranks: &[u32]) -> Result<Vec<f64>, UqError> {
        self.check(ranks)?;
        Ok(self.below(ranks).iter().map(|&r| r as f64 / self.count as f64).collect())
    }

    /// log(γ / γ of the band): negative if the ranks are rejected as uniform.
    pub fn log_gamma(&self, ranks: &[u32]) -> Result<f64, UqError> {
        self.check(ranks)?;
        Ok(self.log_gamma_of(&self.below(ranks)) - self.threshold)
    }

    fn check(&self, ranks: &[u32]) -> Result<(), UqError> {
        super::error::check_shape("list of ranks", &[ranks.len()], &[self.count])?;
        match ranks.iter().find(|&&rank| rank > self.draws) {
            Some(rank) => {
                let remedy = "ranks go from 0 to the number of draws";
                Err(UqError::Parameter { name: "rank", value: rank.to_string(), remedy })
            }
            None => Ok(()),
        }
    }

    /// R_i: how many ranks lie below i.
    fn below(&self, ranks: &[u32]) -> Vec<usize> {
        let mut sorted = ranks.to_vec();
        sorted.sort_unstable();
        self.steps.iter().map(|&i| sorted.partition_point(|&rank| rank < i)).collect()
    }

    fn log_gamma_of(&self, below: &[usize]) -> f64 {
        let least = self.log_tails.iter().zip(below).map(|(tails, &r)| tails[r][0].min(tails[r][1]));
        twice(least.fold(0.0, f64::min))
    }
}

/// log min(2 P, 1) of log P.
fn twice(log_p: f64) -> f64 {
    (LN_2 + log_p).min(0.0)
}

/// log P(R ≤ r) and log P(R ≥ r) for r = 0 … count, R binomial.
fn log_tails(count: usize, z: f64) -> Result<Vec<[f64; 2]>, UqError> {
    let binomial = Binomial::new(z, count as u64).map_err(|e| UqError::Parameter {
        name: "z",
        value: e.to_string(),
        remedy: "the points of the curve lie between 0 and 1",
    })?;
    let log_mass: Vec<f64> = (0..=count as u64).map(|r| binomial.ln_pmf(r)).collect();
    let lower = running_log_sum(log_mass.iter());
    let mut upper = running_log_sum(log_mass.iter().rev());
    upper.reverse();
    Ok(lower.into_iter().zip(upper).map(|(lower, upper)| [lower, upper]).collect())
}

/// log Σ eᵃ of the first one, two, … of the numbers.
fn running_log_sum<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<f64> {
    let add = |sum: &mut f64, &value: &f64| {
        let (high, low) = if *sum > value { (*sum, value) } else { (value, *sum) };
        *sum = if high.is_finite() { high + (low - high).exp().ln_1p() } else { high };
        Some(*sum)
    };
    values.scan(f64::NEG_INFINITY, add).collect()
}

/// The smallest and largest share that log γ accepts.
fn limits(log_tails: &[[f64; 2]], log_gamma: f64) -> [f64; 2] {
    let count = (log_tails.len() - 1) as f64;
    let accepted = |tails: &[f64; 2]| twice(tails[0].min(tails[1])) >= log_gamma;
    let low = log_tails.iter().position(accepted).unwrap_or(0);
    let high = log_tails.iter().rposition(accepted).unwrap_or(log_tails.len() - 1);
    [low as f64 / count, high as f64 / count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    /// Squaring a uniform pulls ranks towards zero, averaging two towards the middle.
    #[test]
    fn uniform_ranks_stay_inside_and_others_leave() -> Result<(), UqError> {
        let mut rng = stream(4, Purpose::Diagnostic, 0);
        let (count, draws) = (200, 63);
        let bands = Bands::new(count, draws, 0.95, &mut rng)?;
        let mut rejected = [0; 3];
        for _ in 0..400 {
            let mut uniform = || rng.random_range(0.0..1.0);
            let pairs: Vec<(f64, f64)> = (0..count).map(|_| (uniform(), uniform())).collect();
            let of = |f: &dyn Fn(f64, f64) -> f64| -> Vec<u32> {
                pairs.iter().map(|&(u, v)| (f(u, v) * f64::from(draws + 1)) as u32).collect()
            };
            let cases = [of(&|u, _| u), of(&|u, _| u.powf(1.6)), of(&|u, v| (u + v) / 2.0)];
            for (case, ranks) in cases.iter().enumerate() {
                let inside = bands.ecdf(ranks)?.iter().zip(&bands.limits).all(|(e, l)| l[0] <= *e && *e <= l[1]);
                assert_eq!(inside, bands.log_gamma(ranks)? >= 0.0);
                rejected[case] += u32::from(!inside);
            }
        }
        assert!((5..=40).contains(&rejected[0]), "{rejected:?}");
        assert!(rejected[1] > 380 && rejected[2] > 380, "{rejected:?}");
        Ok(())
    }

    #[test]
    fn tails_are_those_of_the_distribution_and_never_vanish() -> Result<(), UqError> {
        use statrs::distribution::DiscreteCDF;
        for (count, z) in [(1, 0.3), (20, 0.5), (200, 0.02), (200, 0.97)] {
            let binomial = Binomial::new(z, count).expect("a probability");
            for (r, [lower, upper]) in (0..).zip(log_tails(count as usize, z)?) {
                let above = if r == 0 { 1.0 } else { binomial.sf(r - 1) };
                for (log_p, p) in [(lower, binomial.cdf(r)), (upper, above)] {
                    assert!((log_p.exp() - p).abs() < 1e-11 && log_p.is_finite(), "{count}, {z}, {r}: {log_p}, {p}");
                }
            }
        }
        // All of 500 ranks at the end, above the last point at 253/256: (3/256)⁵⁰⁰ is no number of double precision.
        let bands = Bands::new(500, 255, 0.95, &mut stream(5, Purpose::Diagnostic, 0))?;
        let log_gamma = bands.log_gamma(&[255; 500])?;
        let expected = 500.0 * (3.0f64 / 256.0).ln() + LN_2 - bands.threshold;
        assert!((log_gamma - expected).abs() < 1e-8 * expected.abs(), "{log_gamma}, {expected}");
        Ok(())
    }
}
