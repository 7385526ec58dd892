//! From values to colours.

use super::style::MISSING;

/// Which colours stand for values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// Values of an image: viridis.
    Value,
    /// Standard deviations and other sizes from zero: inferno.
    Deviation,
    /// Differences: blue below zero, white, red above; use a range that is symmetric about zero.
    Signed,
}

/// A palette over a range of values, as a table of 256 colours.
#[derive(Clone, Debug)]
pub struct Colours {
    table: Vec<[u8; 3]>,
    low: f64,
    scale: f64,
}

impl Colours {
    /// From low to high, both finite and apart.
    pub fn new(palette: Palette, [low, high]: [f64; 2]) -> Self {
        let colour = |i: usize| match palette {
            Palette::Value => colorous::VIRIDIS.eval_rational(i, 256),
            Palette::Deviation => colorous::INFERNO.eval_rational(i, 256),
            // colorous starts at red.
            Palette::Signed => colorous::RED_BLUE.eval_rational(255 - i, 256),
        };
        Self { table: (0..256).map(|i| colour(i).into_array()).collect(), low, scale: 256.0 / (high - low) }
    }

    /// The colour of a value; beyond the range that of its end, grey for NaN.
    pub fn of(&self, value: f32) -> [u8; 3] {
        if value.is_nan() {
            return [MISSING.0, MISSING.1, MISSING.2];
        }
        // As casts saturate, infinities get the colour of an end.
        let step = ((f64::from(value) - self.low) * self.scale) as usize;
        self.table[step.min(255)]
    }
}

/// The least and the greatest of the finite values; [0, 1] where there are none.
pub fn extent<'a>(values: impl IntoIterator<Item = &'a f32>) -> [f64; 2] {
    let finite = values.into_iter().filter(|v| v.is_finite()).map(|&v| f64::from(v));
    let [low, high] = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], v| [l.min(v), h.max(v)]);
    if low <= high { [low, high] } else { [0.0, 1.0] }
}

/// The range about zero that holds all finite values; [−1, 1] where there are none.
pub fn symmetric_extent<'a>(values: impl IntoIterator<Item = &'a f32>) -> [f64; 2] {
    let finite = values.into_iter().filter(|v| v.is_finite()).map(|v| f64::from(v.abs()));
    let largest = finite.fold(0.0, f64::max);
    if largest > 0.0 { [-largest, largest] } else { [-1.0, 1.0] }
}

/// A range that can be drawn: finite, rising, and wider than the rounding of f32. A constant stands in its middle.
pub fn drawable([low, high]: [f64; 2]) -> [f64; 2] {
    if !(low.is_finite() && high.is_finite()) {
        return [0.0, 1.0];
    }
    let (low, high) = (low.min(high), low.max(high));
    let size = low.abs().max(high.abs());
    if high - low > 1e-6 * size {
        return [low, high];
    }
    let half = if size > 0.0 { 0.1 * size } else { 1.0 };
    let middle = f64::midpoint(low, high);
    [middle - half, middle + half]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_take_what_is_finite() {
        let values = [f32::NAN, -3.0, 2.0, f32::INFINITY];
        assert_eq!(extent(&values), [-3.0, 2.0]);
        assert_eq!(symmetric_extent(&values), [-3.0, 3.0]);
        assert_eq!((extent(&[f32::NAN]), symmetric_extent(&[0.0])), ([0.0, 1.0], [-1.0, 1.0]));
        assert_eq!(drawable([1500.0, 1500.0]), [1350.0, 1650.0]);
        assert_eq!((drawable([0.0, 0.0]), drawable([f64::NAN, 1.0])), ([-1.0, 1.0], [0.0, 1.0]));
        assert_eq!(drawable([1e-6, 3e-6]), [1e-6, 3e-6]);
    }

    #[test]
    fn positive_differences_are_red() {
        let colours = Colours::new(Palette::Signed, [-2.0, 2.0]);
        let ([red, _, blue], [low_red, _, low_blue]) = (colours.of(1.5), colours.of(-1.5));
        assert!(red > blue + 60 && low_blue > low_red + 60);
        assert!(colours.of(0.0).iter().all(|&c| c > 230));
        assert_eq!(colours.of(f32::NAN), [0xb8; 3]);
        assert_eq!((colours.of(f32::INFINITY), colours.of(f32::NEG_INFINITY)), (colours.of(9.0), colours.of(-9.0)));
    }
}
