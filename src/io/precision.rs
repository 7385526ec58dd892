//! What 32-bit floats, which everything behind the files computes with, lose of values of more digits or of another size.

use super::error::{IoError, Result};

/// Deviations of values below are computed with as zero, or as numbers of a few bits.
const LEAST: f64 = 1e-37;
/// Rounding of this share of a deviation is told.
const TOLD: f64 = 0.05;
/// Values that differ by a smaller share of their size are taken for one, which its computation rounded.
const EQUAL: f64 = 1e-12;

/// An error where 32-bit floats cannot hold how these values of one quantity differ. Values that are not finite are passed
/// over, and so are those of one size.
pub fn single_or_error(place: &str, what: &str, values: impl Iterator<Item = f64> + Clone) -> Result<()> {
    let finite = || values.clone().filter(|value| value.is_finite());
    let (count, sum, most) = finite().fold((0.0, 0.0, 0.0_f64), |(n, s, m), v| (n + 1.0, s + v, m.max(v.abs())));
    if count == 0.0 || most == 0.0 {
        return Ok(());
    }
    let mean = sum / count;
    let [spread, rounding] = [
        finite().map(|v| (v - mean).powi(2)).sum::<f64>(),
        finite().map(|v| (v - f64::from(v as f32)).powi(2)).sum::<f64>(),
    ]
    .map(|squares| (squares / count).sqrt());
    // First: squares of the smallest are zero in f64 too, and those of the largest infinite.
    if most < LEAST || most > f64::from(f32::MAX) {
        let size = if most < LEAST { "smaller" } else { "larger" };
        return Err(IoError::content(
            place,
            format!("{what} is {size} than 32-bit floats hold: at most {most:.1e} in size"),
            "choose another unit, in which values are near 1",
        ));
    }
    if spread > EQUAL * mean.abs() && rounding > TOLD * spread {
        return Err(IoError::content(
            place,
            format!("{what} is {mean:.10e} on average and differs by {spread:.1e}, which 32-bit floats cannot tell"),
            "subtract a constant from all of it, such as the mean",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_with_the_way_out_and_nothing_else() {
        let waves = |mean: f64, size: f64| (0..100).map(move |i| mean + size * f64::from(i).sin());
        let said = |mean, size| single_or_error("a.h5:/x", "x", waves(mean, size)).err().map(|e| e.to_string());
        assert!(said(1.7e9, 1.0).unwrap().contains("subtract a constant"));
        assert!(said(-1.7e9, 1.0).unwrap().contains("a.h5:/x: x is -1.7"));
        for size in [1e-40, 1e-60, 1e300] {
            assert!(said(0.0, size).unwrap().contains("choose another unit"), "{size}");
        }
        for (mean, size) in [(0.0, 1.0), (1e6, 1.0), (0.1, 0.0), (0.1, 1e-17), (0.0, 1e-30), (0.0, 1e37), (0.0, 0.0)] {
            assert_eq!(said(mean, size), None);
        }
        assert!(single_or_error("a", "x", [f64::NAN].into_iter()).is_ok());
    }
}
