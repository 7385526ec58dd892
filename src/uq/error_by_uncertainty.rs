//! Does the error grow as the stated uncertainty says? Pixels sorted into bins of uncertainty, and the calibration
//! errors made of them. With e = μ − x* and s the standard deviation of the draws, E e² = s² for an exact posterior,
//! while E |e| = √(2/π) s = 0.798 s even then: the curve to draw is root mean squares against root mean squares.

use super::UqError;
use super::error::{check_enough, check_shape};
use ndarray::ArrayViewD;
use serde::{Deserialize, Serialize};

/// Pixels of similar uncertainty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// How many there are.
    pub count: usize,
    /// √(mean s²).
    pub uncertainty: f64,
    /// √(mean e²).
    pub error: f64,
    /// mean s.
    pub mean_uncertainty: f64,
    /// mean |e|.
    pub mean_error: f64,
}

/// Bins of equal count by increasing s, from `error` e = μ − x* and `uncertainty` s of the same pixels. Pool fifty
/// images or more: a single 32×32 image leaves an ENCE of about 0.1 to chance.
pub fn equal_count(error: ArrayViewD<f32>, uncertainty: ArrayViewD<f32>, bins: usize) -> Result<Vec<Bin>, UqError> {
    let pixels = sorted(error, uncertainty, bins)?;
    check_enough("pixels", pixels.len(), bins)?;
    let edge = |b: usize| b * pixels.len() / bins;
    Ok((0..bins).map(|b| bin(&pixels[edge(b)..edge(b + 1)])).collect())
}

/// Bins of equal width of s between its extremes, empty ones included.
pub fn equal_width(error: ArrayViewD<f32>, uncertainty: ArrayViewD<f32>, bins: usize) -> Result<Vec<Bin>, UqError> {
    let pixels = sorted(error, uncertainty, bins)?;
    let (low, high) = (pixels[0].0, pixels[pixels.len() - 1].0);
    let edge = |b: usize| {
        if b == bins {
            return pixels.len();
        }
        let limit = low + (high - low) * b as f64 / bins as f64;
        pixels.partition_point(|p| p.0 < limit)
    };
    Ok((0..bins).map(|b| bin(&pixels[edge(b)..edge(b + 1)])).collect())
}

/// Expected normalised calibration error (Levi et al. 2022): the mean over bins of |error − uncertainty| /
/// uncertainty, both root mean squares. For bins of equal count.
pub fn ence(bins: &[Bin]) -> f64 {
    let full = filled(bins);
    full.clone().map(|b| (b.error - b.uncertainty).abs() / b.uncertainty).sum::<f64>() / full.count() as f64
}

/// Uncertainty calibration error of Laves et al. (2020): Σ (count/n) |mean e² − mean s²|. The one meant if no other is
/// named. For bins of equal width.
pub fn uce_variance(bins: &[Bin]) -> f64 {
    weighted(bins, |b| (b.error.powi(2) - b.uncertainty.powi(2)).abs())
}

/// The mean over all bins, empty ones counting zero, of |mean s − mean |e||. Not zero for an exact posterior.
pub fn uce_absolute(bins: &[Bin]) -> f64 {
    bins.iter().map(|b| (b.mean_uncertainty - b.mean_error).abs()).sum::<f64>() / bins.len() as f64
}

/// The same weighted by the pixels of each bin, Σ (count/n) |mean s − mean |e||. Not zero for an exact posterior.
pub fn uce_absolute_weighted(bins: &[Bin]) -> f64 {
    weighted(bins, |b| (b.mean_uncertainty - b.mean_error).abs())
}

fn filled(bins: &[Bin]) -> impl Iterator<Item = &Bin> + Clone {
    bins.iter().filter(|b| b.count > 0)
}

fn weighted(bins: &[Bin], value: impl Fn(&Bin) -> f64) -> f64 {
    let total: usize = bins.iter().map(|b| b.count).sum();
    bins.iter().map(|b| b.count as f64 * value(b)).sum::<f64>() / total as f64
}

/// (s, e) by increasing s.
fn sorted(error: ArrayViewD<f32>, uncertainty: ArrayViewD<f32>, bins: usize) -> Result<Vec<(f64, f64)>, UqError> {
    check_shape("error", error.shape(), uncertainty.shape())?;
    check_enough("pixels", error.len(), 1)?;
    check_enough("bins", bins, 1)?;
    let mut pixels: Vec<(f64, f64)> =
        uncertainty.iter().zip(error).map(|(&s, &e)| (f64::from(s), f64::from(e))).collect();
    pixels.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    Ok(pixels)
}

fn bin(pixels: &[(f64, f64)]) -> Bin {
    if pixels.is_empty() {
        return Bin::default();
    }
    let mean = |f: &dyn Fn(&(f64, f64)) -> f64| pixels.iter().map(f).sum::<f64>() / pixels.len() as f64;
    Bin {
        count: pixels.len(),
        uncertainty: mean(&|p| p.0 * p.0).sqrt(),
        error: mean(&|p| p.1 * p.1).sqrt(),
        mean_uncertainty: mean(&|p| p.0),
        mean_error: mean(&|p| p.1.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::ArrayD;

    #[test]
    fn bins_hold_the_right_pixels() -> Result<(), UqError> {
        let s = ArrayD::from_shape_vec(vec![4], vec![4.0, 1.0, 2.0, 1.0]).unwrap_or_default();
        let e = ArrayD::from_shape_vec(vec![4], vec![-8.0, 1.0, 2.0, -1.0]).unwrap_or_default();
        let counts = |bins: &[Bin]| bins.iter().map(|b| b.count).collect::<Vec<_>>();
        let width = equal_width(e.view(), s.view(), 3)?;
        assert_eq!(counts(&width), [2, 1, 1]);
        assert_abs_diff_eq!(uce_variance(&width), (64.0 - 16.0) / 4.0);
        assert_abs_diff_eq!(uce_absolute(&width), 4.0 / 3.0);
        assert_abs_diff_eq!(uce_absolute_weighted(&width), 1.0);
        let count = equal_count(e.view(), s.view(), 2)?;
        assert_eq!(counts(&count), [2, 2]);
        assert_abs_diff_eq!(ence(&count), 0.5 * (34.0_f64.sqrt() / 10.0_f64.sqrt() - 1.0), epsilon = 1e-12);
        assert!(equal_count(e.view(), s.view(), 5).is_err());
        Ok(())
    }
}
