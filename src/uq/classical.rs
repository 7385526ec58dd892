//! How well the best classical method does on the same observations.

use std::collections::BTreeMap;

use super::UqError;
use super::cells::Cells;
use super::diagnosis::{Measured, measure};
use super::error::check_shape;
use super::scale::Scale;
use crate::operator::classical::ClassicalImage;
use ndarray::ArrayD;

/// Classical images of the same pairs.
///
/// A method's own scale and offset must not decide: x is estimated by a z + b for its image z, with a and b fitted by least
/// squares on the other half of the pairs, those of even number for those of odd and the other way round.
pub struct Classical {
    methods: Vec<Box<dyn ClassicalImage<f32>>>,
    /// Of each method: the even and the odd pairs.
    halves: Vec<[Sums; 2]>,
    pairs: usize,
}

impl Classical {
    /// Before the first pair.
    pub fn new(methods: Vec<Box<dyn ClassicalImage<f32>>>) -> Self {
        Classical { halves: vec![[Sums::default(); 2]; methods.len()], methods, pairs: 0 }
    }

    /// More pairs, each a batch of one, of which these cells are judged.
    pub fn add(&mut self, group: &[(ArrayD<f32>, ArrayD<f32>)], cells: &Cells, scale: &Scale) -> Result<(), UqError> {
        let y = super::diagnosis::joined(group.iter().map(|(_, y)| y))?;
        for (method, halves) in self.methods.iter().zip(&mut self.halves) {
            let images = scale.apply(method.reconstruct(y.view())?);
            for (index, ((x, _), z)) in group.iter().zip(images.outer_iter()).enumerate() {
                check_shape("classical image", z.shape(), &x.shape()[1..])?;
                let x = scale.apply(x.clone());
                let pixels = cells.of(z).zip(cells.of(x.view())).map(|(z, x)| [f64::from(z), f64::from(x)]);
                halves[(self.pairs + index) % 2].add(pixels);
            }
        }
        self.pairs += group.len();
        Ok(())
    }

    /// The least root mean square error among the methods, where there is one and there are two pairs or more.
    pub fn report(self, metrics: &mut BTreeMap<String, Measured>, unit: &str) {
        if self.pairs < 2 {
            return;
        }
        let errors = self.halves.iter().map(|[even, odd]| {
            let squares = even.squared_error(odd.fit()) + odd.squared_error(even.fit());
            (squares / (even.pixels + odd.pixels)).sqrt()
        });
        if let Some(best) = errors.min_by(f64::total_cmp) {
            measure(metrics, "rmse_best_classical", best, if unit.is_empty() { "1" } else { unit });
        }
    }
}

/// What a line through pairs of numbers (z, x) is fitted with.
#[derive(Clone, Copy, Default)]
struct Sums {
    pixels: f64,
    z: f64,
    x: f64,
    zz: f64,
    zx: f64,
    xx: f64,
}

impl Sums {
    fn add(&mut self, pixels: impl Iterator<Item = [f64; 2]>) {
        for [z, x] in pixels {
            self.pixels += 1.0;
            self.z += z;
            self.x += x;
            self.zz += z * z;
            self.zx += z * x;
            self.xx += x * x;
        }
    }

    /// The a and b of least Σ (a z + b − x)².
    fn fit(&self) -> [f64; 2] {
        let [z, x] = [self.z / self.pixels, self.x / self.pixels];
        let variance = self.zz / self.pixels - z * z;
        // An image of one value says nothing but the mean.
        let a = if variance > 0.0 { (self.zx / self.pixels - z * x) / variance } else { 0.0 };
        [a, x - a * z]
    }

    /// Σ (a z + b − x)².
    fn squared_error(&self, [a, b]: [f64; 2]) -> f64 {
        let Sums { pixels, z, x, zz, zx, xx } = self;
        (a * a * zz + 2.0 * a * b * z + pixels * b * b - 2.0 * a * zx - 2.0 * b * x + xx).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::OperatorError;
    use approx::assert_abs_diff_eq;
    use ndarray::ArrayViewD;

    /// Gives back y times a scale, and an offset.
    struct Line(f32, f32);

    impl ClassicalImage<f32> for Line {
        fn name(&self) -> String {
            "a line".into()
        }

        fn reconstruct(&self, y: ArrayViewD<f32>) -> Result<ArrayD<f32>, OperatorError> {
            Ok(y.mapv(|y| self.0 * y + self.1))
        }
    }

    /// The error of y = x + e by hand: whatever the scale of a method, its line is fitted; on one pair it is not judged.
    #[test]
    fn scale_and_offset_do_not_decide() -> Result<(), UqError> {
        let pair = |k: usize| {
            let x = ArrayD::from_shape_fn(vec![1, 1, 40, 50], |p| ((p[2] * 50 + p[3] + 2000 * k) as f32 * 1.7).sin());
            let e = ArrayD::from_shape_fn(x.raw_dim(), |p| 0.3 * ((p[2] * p[2] + 7 * p[3] + k) as f32 * 2.9).sin());
            (x.clone(), x + e)
        };
        let pairs: Vec<_> = (0..6).map(pair).collect();
        let error = |methods: Vec<Box<dyn ClassicalImage<f32>>>, count: usize| -> Result<Option<f64>, UqError> {
            let mut classical = Classical::new(methods);
            classical.add(&pairs[..1], &Cells::default(), &Scale::one_unit("Pa"))?;
            if count > 1 {
                classical.add(&pairs[1..count], &Cells::default(), &Scale::one_unit("Pa"))?;
            }
            let mut metrics = BTreeMap::new();
            classical.report(&mut metrics, "Pa");
            assert!(metrics.values().all(|measured| measured.unit == "Pa"));
            Ok(metrics.get("rmse_best_classical").map(|measured| measured.value))
        };
        let plain = error(vec![Box::new(Line(1.0, 0.0))], 6)?.unwrap_or_default();
        // With variances 1/2 of x and 0.045 of e, both white: √(0.5 · 0.045 / 0.545).
        assert_abs_diff_eq!(plain, 0.2032, epsilon = 0.004);
        let scaled = error(vec![Box::new(Line(-300.0, 40.0))], 6)?.unwrap_or_default();
        assert_abs_diff_eq!(scaled, plain, epsilon = 1e-4);
        let empty: Box<dyn ClassicalImage<f32>> = Box::new(Line(0.0, 2.0));
        assert_abs_diff_eq!(error(vec![empty], 6)?.unwrap_or_default(), 0.5_f64.sqrt(), epsilon = 0.01);
        let both: Vec<Box<dyn ClassicalImage<f32>>> = vec![Box::new(Line(0.0, 2.0)), Box::new(Line(2.0, 0.0))];
        assert_abs_diff_eq!(error(both, 6)?.unwrap_or_default(), plain, epsilon = 1e-4);
        assert_eq!(error(vec![Box::new(Line(1.0, 0.0))], 1)?, None);
        assert_eq!(error(vec![], 6)?, None);
        Ok(())
    }
}
