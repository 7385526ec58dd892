//! How often central credible intervals contain the truth.
//!
//! In rank form: of the M + 1 gaps that M draws leave, the central n_c hold the truth with probability n_c / (M + 1)
//! exactly, for any M. Intervals between estimated quantiles do not have that property: their nominal 90 % cover 0.872
//! with 64 draws of the exact posterior.

use super::UqError;
use super::error::check_enough;
use ndarray::ArrayViewD;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

/// The central gaps that make up an interval, and the coverage it has under an exact posterior.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    low: u32,
    high: u32,
    /// n_c / (M + 1): what is covered if the posterior is exact.
    pub expected: f64,
}

impl Interval {
    /// The central interval among `draws` draws whose coverage is closest to `level`, between 0 and 1.
    pub fn central(level: f64, draws: u32) -> Result<Interval, UqError> {
        if !(level > 0.0 && level < 1.0) {
            let remedy = "give a level between 0 and 1";
            return Err(UqError::Parameter { name: "level", value: level.to_string(), remedy });
        }
        let gaps = draws + 1;
        let central = ((level * f64::from(gaps)).round() as u32).clamp(1, gaps);
        let low = (gaps - central).div_ceil(2);
        Ok(Interval { low, high: low + central - 1, expected: f64::from(central) / f64::from(gaps) })
    }

    /// Whether a truth of this rank lies inside.
    pub fn covers(&self, rank: u32) -> bool {
        (self.low..=self.high).contains(&rank)
    }
}

/// One point of a coverage curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// What an exact posterior covers.
    pub expected: f64,
    /// What was covered.
    pub observed: f64,
    /// Where chance alone puts `observed` in 95 % of cases, if the posterior covers what was observed.
    pub band: [f64; 2],
}

/// Coverage at each level of independent ranks, one a pair: of one pixel or of one quantity of the image. The band is
/// Beta(k + 1, L − k + 1), its quantiles 2.5 and 97.5 %, of k pairs covered out of L.
pub fn curve(ranks: &[u32], draws: u32, levels: &[f64]) -> Result<Vec<Coverage>, UqError> {
    check_enough("ranks", ranks.len(), 1)?;
    levels
        .iter()
        .map(|&level| {
            let interval = Interval::central(level, draws)?;
            let covered = ranks.iter().filter(|&&rank| interval.covers(rank)).count();
            let band = beta_band(covered, ranks.len())?;
            let observed = covered as f64 / ranks.len() as f64;
            Ok(Coverage { expected: interval.expected, observed, band })
        })
        .collect()
}

fn beta_band(covered: usize, total: usize) -> Result<[f64; 2], UqError> {
    let beta = Beta::new(covered as f64 + 1.0, (total - covered) as f64 + 1.0).map_err(|e| UqError::Parameter {
        name: "covered",
        value: e.to_string(),
        remedy: "the number of pairs is out of range",
    })?;
    Ok([beta.inverse_cdf(0.025), beta.inverse_cdf(0.975)])
}

/// Coverage at each of several levels, pooled over all pixels of images that come one after the other.
///
/// Pixels of one image are not independent, so the band comes from the spread of the coverage between images,
/// ± 1.96 standard errors of their mean; it takes two images.
#[derive(Clone, Debug)]
pub struct Pooled {
    intervals: Vec<Interval>,
    /// For each interval, the share of pixels that every image had inside.
    shares: Vec<Vec<f64>>,
}

impl Pooled {
    /// At `levels`, of ranks among `draws` draws.
    pub fn new(draws: u32, levels: &[f64]) -> Result<Pooled, UqError> {
        let intervals: Vec<_> =
            levels.iter().map(|&level| Interval::central(level, draws)).collect::<Result<_, _>>()?;
        Ok(Pooled { shares: vec![Vec::new(); intervals.len()], intervals })
    }

    /// Adds the ranks of the pixels of one image.
    pub fn add(&mut self, ranks: ArrayViewD<u32>) -> Result<(), UqError> {
        check_enough("pixels", ranks.len(), 1)?;
        for (interval, shares) in self.intervals.iter().zip(&mut self.shares) {
            let inside = ranks.iter().filter(|&&rank| interval.covers(rank)).count();
            shares.push(inside as f64 / ranks.len() as f64);
        }
        Ok(())
    }

    /// One point a level.
    pub fn curve(&self) -> Result<Vec<Coverage>, UqError> {
        self.intervals
            .iter()
            .zip(&self.shares)
            .map(|(interval, shares)| {
                check_enough("pairs", shares.len(), 2)?;
                let n = shares.len() as f64;
                let observed = shares.iter().sum::<f64>() / n;
                let variance = shares.iter().map(|share| (share - observed).powi(2)).sum::<f64>() / (n - 1.0);
                let half = 1.96 * (variance / n).sqrt();
                Ok(Coverage { expected: interval.expected, observed, band: [observed - half, observed + half] })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn uniform_ranks_are_covered_exactly_as_expected() -> Result<(), UqError> {
        for draws in [1, 2, 20, 63, 64, 99] {
            let every: Vec<u32> = (0..=draws).collect();
            for point in curve(&every, draws, &[0.05, 0.5, 0.68, 0.9, 0.99])? {
                assert_eq!(point.observed, point.expected, "{draws} draws");
            }
            let interval = Interval::central(0.5, draws)?;
            assert!(interval.low.abs_diff(draws - interval.high) <= 1, "off centre");
        }
        assert_abs_diff_eq!(Interval::central(0.9, 99)?.expected, 0.9);
        assert!(Interval::central(1.5, 9).is_err());
        Ok(())
    }

    /// Beta(19, 3) lies below x as often as 21 tosses of probability x give 19 heads or more.
    #[test]
    fn the_band_is_the_beta_band() -> Result<(), UqError> {
        let below = |x: f64| {
            [(19, 210.0), (20, 21.0), (21, 1.0)]
                .iter()
                .map(|&(k, ways)| ways * x.powi(k) * (1.0 - x).powi(21 - k))
                .sum::<f64>()
        };
        let [low, high] = beta_band(18, 20)?;
        assert_abs_diff_eq!(below(low), 0.025, epsilon = 1e-9);
        assert_abs_diff_eq!(below(high), 0.975, epsilon = 1e-9);
        Ok(())
    }
}
