//! How close an estimate or a set of draws is to the truth: scores of one image, in f64.
//!
//! Below, x* is the truth, n its number of pixels, μ a mean, s a standard deviation and x_m one of M draws.

use super::UqError;
use super::error::{check_enough, check_shape};
use ndarray::{ArrayD, ArrayViewD, Axis, Zip};

/// √(mean (μ − x*)²), in the unit of the image.
pub fn rmse<T: Copy + Into<f64>, S: Copy + Into<f64>>(
    estimate: ArrayViewD<T>,
    truth: ArrayViewD<S>,
) -> Result<f64, UqError> {
    check_shape("estimate", estimate.shape(), truth.shape())?;
    check_enough("pixels", truth.len(), 1)?;
    Ok((squared_distance(&estimate, &truth) / truth.len() as f64).sqrt())
}

/// 20 log₁₀(R / RMSE) in decibels; `range` R is the span of values the image may take and must be stated with the
/// result, since it changes it.
pub fn psnr<T: Copy + Into<f64>, S: Copy + Into<f64>>(
    estimate: ArrayViewD<T>,
    truth: ArrayViewD<S>,
    range: f64,
) -> Result<f64, UqError> {
    if !(range > 0.0 && range.is_finite()) {
        let remedy = "give the span of values of the image, a positive number";
        return Err(UqError::Parameter { name: "range", value: range.to_string(), remedy });
    }
    Ok(20.0 * (range / rmse(estimate, truth)?).log10())
}

/// ‖a − b‖ / ‖b‖: of an estimated map against the exact one. With M exact draws, the standard deviation map scores
/// about 1/√(2 (M − 1)).
pub fn relative_error<T: Copy + Into<f64>, S: Copy + Into<f64>>(
    estimate: ArrayViewD<T>,
    exact: ArrayViewD<S>,
) -> Result<f64, UqError> {
    check_shape("estimate", estimate.shape(), exact.shape())?;
    check_enough("pixels", exact.len(), 1)?;
    let size: f64 = exact.iter().map(|&v| Into::<f64>::into(v).powi(2)).sum();
    Ok((squared_distance(&estimate, &exact) / size).sqrt())
}

/// The continuous ranked probability score of every pixel, by the fair estimator with sorted draws x₍₁₎ ≤ … ≤ x₍M₎:
/// (1/M) Σ |x_m − x*| − 1/(M (M − 1)) Σ_k (2k − M − 1) x₍k₎. Its expectation does not depend on M (Gneiting and
/// Raftery 2007; Ferro 2014). `draws` is `[draw, shape of the truth…]`, at least two.
pub fn crps(draws: ArrayViewD<f32>, truth: ArrayViewD<f32>) -> Result<ArrayD<f64>, UqError> {
    let count = check_draws(&draws, &truth)?;
    let m = count as f64;
    let mut sorted = vec![0.0; count];
    let mut score = ArrayD::zeros(truth.raw_dim());
    Zip::from(&mut score).and(&truth).and(draws.lanes(Axis(0))).for_each(|score, &truth, lane| {
        sorted.iter_mut().zip(lane).for_each(|(to, &x)| *to = f64::from(x));
        sorted.sort_unstable_by(f64::total_cmp);
        let error: f64 = sorted.iter().map(|x| (x - f64::from(truth)).abs()).sum();
        let spread: f64 = sorted.iter().enumerate().map(|(k, x)| (2.0 * k as f64 + 1.0 - m) * x).sum();
        *score = error / m - spread / (m * (m - 1.0));
    });
    Ok(score)
}

/// The energy score of an image, the CRPS of whole images: (1/M) Σ ‖x_m − x*‖ − 1/(2 M (M − 1)) Σ_{m≠m'} ‖x_m − x_m'‖.
/// Quadratic in the number of draws. Divide by √n to compare images of different size.
pub fn energy_score(draws: ArrayViewD<f32>, truth: ArrayViewD<f32>) -> Result<f64, UqError> {
    let count = check_draws(&draws, &truth)?;
    let m = count as f64;
    let draw = |i: usize| draws.index_axis(Axis(0), i);
    let error: f64 = (0..count).map(|i| squared_distance(&draw(i), &truth).sqrt()).sum();
    let spread: f64 = (0..count)
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .map(|(i, j)| squared_distance(&draw(i), &draw(j)).sqrt())
        .sum();
    Ok(error / m - spread / (m * (m - 1.0)))
}

fn check_draws(draws: &ArrayViewD<f32>, truth: &ArrayViewD<f32>) -> Result<usize, UqError> {
    let count = draws.shape().first().copied().unwrap_or(0);
    let expected: Vec<usize> = std::iter::once(count).chain(truth.shape().iter().copied()).collect();
    check_shape("batch of draws", draws.shape(), &expected)?;
    check_enough("draws", count, 2)?;
    Ok(count)
}

fn squared_distance<T: Copy + Into<f64>, S: Copy + Into<f64>>(a: &ArrayViewD<T>, b: &ArrayViewD<S>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (Into::<f64>::into(a) - b.into()).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn array(shape: &[usize], values: &[f32]) -> ArrayD<f32> {
        ArrayD::from_shape_vec(shape, values.to_vec()).unwrap_or_default()
    }

    #[test]
    fn agree_with_sums_by_hand() -> Result<(), UqError> {
        let truth = array(&[2], &[1.0, 3.0]);
        let estimate = array(&[2], &[4.0, 7.0]);
        assert_abs_diff_eq!(rmse(estimate.view(), truth.view())?, 12.5_f64.sqrt());
        assert_abs_diff_eq!(psnr(estimate.view(), truth.view(), 125.0_f64.sqrt())?, 10.0, epsilon = 1e-12);
        assert_abs_diff_eq!(relative_error(estimate.view(), truth.view())?, 2.5_f64.sqrt());
        assert!(psnr(estimate.view(), truth.view(), 0.0).is_err());
        assert!(rmse(estimate.view(), array(&[1], &[1.0]).view()).is_err());
        Ok(())
    }

    /// The pairwise form of the CRPS, and the energy score of a single pixel, which is the CRPS.
    #[test]
    fn crps_is_its_pairwise_form_and_the_energy_score_of_a_pixel() -> Result<(), UqError> {
        let values = [0.3_f32, -1.0, 2.0, 0.7, 0.7];
        let draws = array(&[5, 1], &values);
        let truth = array(&[1], &[0.5]);
        let error: f64 = values.iter().map(|x| (f64::from(*x) - 0.5).abs()).sum::<f64>() / 5.0;
        let spread: f64 = values.iter().flat_map(|a| values.iter().map(move |b| f64::from((a - b).abs()))).sum();
        let expected = error - spread / (2.0 * 5.0 * 4.0);
        assert_abs_diff_eq!(crps(draws.view(), truth.view())?[0], expected, epsilon = 1e-7);
        assert_abs_diff_eq!(energy_score(draws.view(), truth.view())?, expected, epsilon = 1e-7);
        assert!(crps(array(&[1, 1], &[0.0]).view(), truth.view()).is_err());
        Ok(())
    }
}
