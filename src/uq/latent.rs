//! Are the latents of truths standard normal? The strongest test of a flow on images, and free.

use super::UqError;
use super::error::check_enough;
use ndarray::{ArrayViewD, Axis};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// What the norms of latents say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatentTest {
    /// Mean of ‖z‖² / n: 1 under an exact flow. Above: posteriors too narrow or off; below: too wide.
    pub norm: f64,
    /// 1 ∓ 2 √(2 / (n L)): where 95 % of exact flows lie.
    pub band: [f64; 2],
    /// p-value of the Kolmogorov–Smirnov test of ‖z‖² against χ² with n degrees of freedom.
    pub p_value: f64,
}

/// Tests latents `[pair, dimensions…]` of L pairs: ‖z_l‖² follows χ² with n degrees of freedom.
pub fn latent_test<T: Copy + Into<f64>>(z: ArrayViewD<T>) -> Result<LatentTest, UqError> {
    let pairs = z.shape().first().copied().unwrap_or(0);
    check_enough("latents", pairs, 1)?;
    let norms: Vec<f64> = z.axis_iter(Axis(0)).map(|z| z.iter().map(|&z| Into::<f64>::into(z).powi(2)).sum()).collect();
    norm_test(&norms, z.len() / pairs)
}

/// The same from ‖z_l‖² of each pair, with n dimensions.
pub fn norm_test(norms: &[f64], dimensions: usize) -> Result<LatentTest, UqError> {
    check_enough("latents", norms.len(), 1)?;
    check_enough("dimensions", dimensions, 1)?;
    let chi_squared = ChiSquared::new(dimensions as f64).map_err(|e| UqError::Parameter {
        name: "dimensions",
        value: e.to_string(),
        remedy: "the latents are empty",
    })?;
    let numbers = (norms.len() * dimensions) as f64;
    let norm = norms.iter().sum::<f64>() / numbers;
    let half = 2.0 * (2.0 / numbers).sqrt();
    let uniform = norms.iter().map(|&n| if n.is_finite() { chi_squared.cdf(n) } else { f64::NAN }).collect();
    Ok(LatentTest { norm, band: [1.0 - half, 1.0 + half], p_value: uniform_p_value(uniform) })
}

/// Two-sided p-value of the Kolmogorov–Smirnov test that `values` are uniform on [0, 1]: NaN if one is.
///
/// D = sup |F − z|; P ≈ 2 Σ_j (−1)^(j−1) exp(−2 j² t²) with t = D (√n + 0.12 + 0.11/√n) (Stephens 1970), good from
/// n = 4 on.
pub fn uniform_p_value(mut values: Vec<f64>) -> f64 {
    if values.is_empty() || values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance =
        values.iter().enumerate().fold(0.0_f64, |d, (i, &v)| d.max((i as f64 + 1.0) / n - v).max(v - i as f64 / n));
    let t = distance * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if t < 0.2 {
        return 1.0; // where the alternating series no longer converges, P differs from 1 by less than 1e-12
    }
    let series = |j: i32| {
        let sign = if j % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(j * j) * t * t).exp()
    };
    (2.0 * (1..=100).map(series).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use approx::assert_abs_diff_eq;
    use ndarray::{ArrayD, IxDyn};
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn white_passes_and_scaled_fails() -> Result<(), UqError> {
        let mut rng = stream(2, Purpose::Diagnostic, 0);
        let z: ArrayD<f64> = ArrayD::from_shape_simple_fn(IxDyn(&[50, 1, 8, 8]), || StandardNormal.sample(&mut rng));
        let test = latent_test(z.view())?;
        assert!(test.band[0] < test.norm && test.norm < test.band[1] && test.p_value > 0.01, "{test:?}");
        for factor in [0.9, 1.1] {
            let test = latent_test((&z * factor).view())?;
            assert!(test.norm < test.band[0] || test.norm > test.band[1]);
            assert!(test.p_value < 1e-4, "{test:?}");
        }
        assert!(latent_test((&z * f64::NAN).view())?.norm.is_nan());
        assert!(latent_test(ArrayD::<f32>::zeros(vec![0, 3]).view()).is_err());
        Ok(())
    }

    /// The 5 % and 1 % points of √n D as n grows are 1.3581 and 1.6276.
    #[test]
    fn p_values_are_those_of_the_tables() {
        let n = 10_000;
        let shifted = |t: f64| (0..n).map(|i| (f64::from(i) + 0.5) / f64::from(n) + t / 100.0 - 5e-5).collect();
        assert_abs_diff_eq!(uniform_p_value(shifted(1.3581 / 1.0012)), 0.05, epsilon = 1e-3);
        assert_abs_diff_eq!(uniform_p_value(shifted(1.6276 / 1.0012)), 0.01, epsilon = 1e-3);
        assert_eq!(uniform_p_value(shifted(0.0)), 1.0);
    }
}
