//! What 32-bit floats, which everything behind the files computes with, lose of values of more digits or of another size.

use super::error::{IoError, Result};

/// Deviations of values below are computed with as zero, or as numbers of a few bits.
const LEAST: f64 = 1e-37;
/// Rounding of this share of a deviation is told.
const TOLD: f64 = 0.05;
/// Values that differ by a smaller share of their size are taken for one, which its computation rounded.
const EQUAL: f64 = 1e-12;

/// Values of one quantity, gathered a part at a time, of which it is asked what 32-bit floats keep. Those that are not finite
/// are passed over.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    count: f64,
    mean: f64,
    /// Sum of squares of what values differ from their mean (Welford 1962), and from their 32-bit neighbours.
    squares: f64,
    rounding: f64,
    /// The largest of them in size.
    most: f64,
    /// Whether some are no whole numbers: those that are were not computed, and have no rounding.
    has_fractions: bool,
}

impl Gathered {
    /// Some more values.
    pub fn add(&mut self, values: impl Iterator<Item = f64>) {
        for value in values.filter(|value| value.is_finite()) {
            self.count += 1.0;
            let off = value - self.mean;
            self.mean += off / self.count;
            self.squares += off * (value - self.mean);
            self.rounding += (value - f64::from(value as f32)).powi(2);
            self.most = self.most.max(value.abs());
            self.has_fractions |= value.fract() != 0.0;
        }
    }

    /// An error where 32-bit floats cannot hold how these values differ. Those that are all the same are held.
    ///
    /// # Errors
    /// Names the place, what the values are of, and the way out.
    pub fn held_by_single_or_error(&self, place: &str, what: &str) -> Result<()> {
        let Self { count, mean, squares, rounding, most, has_fractions } = *self;
        if most == 0.0 {
            return Ok(());
        }
        let [spread, rounding] = [squares, rounding].map(|squares| (squares / count).sqrt());
        // First: squares of the smallest are zero in f64 too, and those of the largest infinite.
        if most < LEAST || most > f64::from(f32::MAX) {
            let size = if most < LEAST { "smaller" } else { "larger" };
            return Err(IoError::content(
                place,
                format!("{what} is {size} than 32-bit floats hold: at most {most:.1e} in size"),
                "choose another unit, in which values are near 1",
            ));
        }
        let equal = if has_fractions { EQUAL } else { 0.0 };
        if spread > equal * mean.abs() && rounding > TOLD * spread {
            return Err(IoError::content(
                place,
                format!(
                    "{what} is {mean:.10e} on average and differs by {spread:.1e}, which 32-bit floats cannot tell"
                ),
                "subtract a constant from all of it, such as the mean",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_with_the_way_out_and_nothing_else() {
        let waves = |mean: f64, size: f64| (0..100).map(move |i| mean + size * f64::from(i).sin());
        let held = |values: &mut dyn Iterator<Item = f64>| {
            let mut gathered = Gathered::default();
            // In parts as at once.
            gathered.add(values.take(30));
            gathered.add(values);
            gathered.held_by_single_or_error("a.h5:/x", "x").map_err(|e| e.to_string())
        };
        let said = |mean, size| held(&mut waves(mean, size)).err();
        assert!(said(1.7e9, 1.0).unwrap().contains("subtract a constant"));
        assert!(said(-1.7e9, 1.0).unwrap().contains("a.h5:/x: x is -1.7"));
        let times = (0..100).map(|i| 1_764_547_250_000_000_000.0 + 30_000.0 * f64::from(i));
        assert!(held(&mut times.clone()).unwrap_err().contains("subtract a constant"), "nanoseconds");
        for size in [1e-40, 1e-60, 1e300] {
            assert!(said(0.0, size).unwrap().contains("choose another unit"), "{size}");
        }
        for (mean, size) in [(0.0, 1.0), (1e6, 1.0), (0.1, 0.0), (0.1, 1e-17), (0.0, 1e-30), (0.0, 1e37), (0.0, 0.0)] {
            assert_eq!(said(mean, size), None);
        }
        assert!(held(&mut [f64::NAN].into_iter()).is_ok());
    }
}
