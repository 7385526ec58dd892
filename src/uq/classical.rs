//! How well the best classical method does on the same observations.

use super::UqError;
use super::cells::Cells;
use super::diagnosis::{MethodError, joined, known};
use super::error::check_shape;
use super::scale::Scale;
use crate::model::Model;
use crate::operator::classical::{ClassicalMethod, ClassicalMethods, Fitted};
use crate::posterior::amortized::Observations;
use ndarray::ArrayD;
use std::ops::Range;

/// Classical images of the same pairs.
///
/// A method's own scale and offset must not decide: x is estimated by a z + b for its image z, with a and b fitted by least
/// squares on the other half of the pairs, those of even number for those of odd and the other way round.
pub struct Classical {
    methods: Vec<Box<dyn ClassicalMethod<f32>>>,
    candidates: Vec<Candidate>,
    /// The names of methods that are not judged.
    pub left_out: Vec<String>,
    pairs: usize,
}

/// One image of a method.
struct Candidate {
    method: usize,
    image: usize,
    name: String,
    /// Of the even and the odd pairs.
    halves: [Sums; 2],
}

impl Classical {
    /// Before the first pair.
    pub fn new(ClassicalMethods { methods, left_out }: ClassicalMethods<f32>) -> Self {
        let images = methods.iter().enumerate().flat_map(|(method, m)| {
            let names = m.names().into_iter().enumerate();
            names.map(move |(image, name)| Candidate { method, image, name, halves: Default::default() })
        });
        Classical { candidates: images.collect(), methods, left_out, pairs: 0 }
    }

    /// More pairs, each a batch of one, of which these cells are judged.
    pub fn add(&mut self, group: &[(ArrayD<f32>, ArrayD<f32>)], cells: &Cells, scale: &Scale) -> Result<(), UqError> {
        let y = joined(group.iter().map(|(_, y)| y))?;
        let mut images: Vec<Vec<ArrayD<f32>>> = Vec::with_capacity(self.methods.len());
        for method in &self.methods {
            images.push(method.reconstruct(y.view())?.into_iter().map(|images| scale.apply(images)).collect());
        }
        for candidate in &mut self.candidates {
            let images = &images[candidate.method][candidate.image];
            for (index, ((x, _), z)) in group.iter().zip(images.outer_iter()).enumerate() {
                check_shape("classical image", z.shape(), &x.shape()[1..])?;
                let x = scale.apply(x.clone());
                let pixels = cells.of(z).zip(cells.of(x.view())).map(|(z, x)| [f64::from(z), f64::from(x)]);
                candidate.halves[(self.pairs + index) % 2].add(pixels);
            }
        }
        self.pairs += group.len();
        Ok(())
    }

    /// The root mean square error of each image, the least first, where there are two pairs or more. One that is not finite
    /// is none.
    pub fn errors(&self) -> Vec<MethodError> {
        self.ranked().into_iter().map(|(rmse, image)| MethodError { method: image.name.clone(), rmse }).collect()
    }

    /// The image of least error, its line fitted on all pairs.
    pub fn best(mut self) -> Option<Fitted> {
        let ranked = self.ranked();
        let (_, Candidate { method, image, halves: [even, odd], .. }) = ranked.first()?;
        let (method, image, line) = (*method, *image, even.with(odd).fit());
        Some(Fitted::new(self.methods.swap_remove(method), image, line))
    }

    fn ranked(&self) -> Vec<(f64, &Candidate)> {
        if self.pairs < 2 {
            return Vec::new();
        }
        let judged = self.candidates.iter().map(|image| {
            let [even, odd] = &image.halves;
            let squares = even.squared_error(odd.fit()) + odd.squared_error(even.fit());
            ((squares / (even.pixels + odd.pixels)).sqrt(), image)
        });
        let mut ranked: Vec<_> = judged.filter(|(rmse, _)| rmse.is_finite()).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        ranked
    }
}

/// The best classical image for the x of a model, chosen and brought to its unit by the pairs of this range: others than
/// those that it is shown for, whose truth has no say in it. None where there is no operator, or fewer than two pairs.
pub fn best_classical(model: &Model, pairs: &dyn Observations, range: Range<usize>) -> Result<Option<Fitted>, UqError> {
    let Some(operator) = model.operator().filter(|_| range.len() > 1) else { return Ok(None) };
    let mut classical = Classical::new(operator.classical_methods(model.x_shape())?);
    // The line is of the units of x, as they are.
    let (cells, scale) = (Cells::inferred_by(model)?, Scale::one_unit(""));
    for index in range {
        classical.add(&[known(pairs, index)?], &cells, &scale)?;
    }
    Ok(classical.best())
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

    fn with(&self, other: &Sums) -> Sums {
        Sums {
            pixels: self.pixels + other.pixels,
            z: self.z + other.z,
            x: self.x + other.x,
            zz: self.zz + other.zz,
            zx: self.zx + other.zx,
            xx: self.xx + other.xx,
        }
    }

    /// The a and b of least Σ (a z + b − x)².
    fn fit(&self) -> [f64; 2] {
        let [z, x] = [self.z / self.pixels, self.x / self.pixels];
        let variance = self.zz / self.pixels - z * z;
        // An image of one value says nothing but the mean.
        let a = if variance <= 0.0 { 0.0 } else { (self.zx / self.pixels - z * x) / variance };
        [a, x - a * z]
    }

    /// Σ (a z + b − x)²: rounding may leave less than nothing, and what is no number stays none.
    fn squared_error(&self, [a, b]: [f64; 2]) -> f64 {
        let Sums { pixels, z, x, zz, zx, xx } = self;
        let sum = a * a * zz + 2.0 * a * b * z + pixels * b * b - 2.0 * a * zx - 2.0 * b * x + xx;
        if sum < 0.0 { 0.0 } else { sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::OperatorError;
    use approx::assert_abs_diff_eq;
    use ndarray::ArrayViewD;

    /// Gives back y times a scale, and an offset: one image for each of these.
    struct Lines(Vec<[f32; 2]>);

    impl ClassicalMethod<f32> for Lines {
        fn names(&self) -> Vec<String> {
            self.0.iter().map(|[a, b]| format!("{a} y + {b}")).collect()
        }

        fn reconstruct(&self, y: ArrayViewD<f32>) -> Result<Vec<ArrayD<f32>>, OperatorError> {
            Ok(self.0.iter().map(|[a, b]| y.mapv(|y| a * y + b)).collect())
        }
    }

    /// y = x + e, both white, of variances 1/2 and 0.045.
    fn pairs(count: usize) -> Vec<(ArrayD<f32>, ArrayD<f32>)> {
        let pair = |k: usize| {
            let x = ArrayD::from_shape_fn(vec![1, 1, 40, 50], |p| ((p[2] * 50 + p[3] + 2000 * k) as f32 * 1.7).sin());
            let e = ArrayD::from_shape_fn(x.raw_dim(), |p| 0.3 * ((p[2] * p[2] + 7 * p[3] + k) as f32 * 2.9).sin());
            (x.clone(), x + e)
        };
        (0..count).map(pair).collect()
    }

    fn judged(methods: &[&[[f32; 2]]], count: usize) -> Result<Classical, UqError> {
        let methods = methods.iter().map(|lines| Box::new(Lines(lines.to_vec())) as Box<dyn ClassicalMethod<f32>>);
        let mut classical = Classical::new(ClassicalMethods { methods: methods.collect(), left_out: Vec::new() });
        let pairs = pairs(count);
        classical.add(&pairs[..1], &Cells::default(), &Scale::one_unit("Pa"))?;
        if count > 1 {
            classical.add(&pairs[1..], &Cells::default(), &Scale::one_unit("Pa"))?;
        }
        Ok(classical)
    }

    /// Whatever the scale of a method, its line is fitted; on one pair it is not judged.
    #[test]
    fn scale_and_offset_do_not_decide() -> Result<(), UqError> {
        let least = |methods: &[&[[f32; 2]]]| -> Result<f64, UqError> {
            Ok(judged(methods, 6)?.errors().first().map_or(f64::NAN, |first| first.rmse))
        };
        let plain = least(&[&[[1.0, 0.0]]])?;
        // √(0.5 · 0.045 / 0.545).
        assert_abs_diff_eq!(plain, 0.2032, epsilon = 0.004);
        assert_abs_diff_eq!(least(&[&[[-300.0, 40.0]]])?, plain, epsilon = 1e-4);
        assert_abs_diff_eq!(least(&[&[[0.0, 2.0]]])?, 0.5_f64.sqrt(), epsilon = 0.01);
        assert_abs_diff_eq!(least(&[&[[0.0, 2.0]], &[[2.0, 0.0]]])?, plain, epsilon = 1e-4);
        assert!(judged(&[&[[1.0, 0.0]]], 1)?.errors().is_empty() && judged(&[], 6)?.errors().is_empty());
        Ok(())
    }

    /// An image that is no number, or infinite, is no best one.
    #[test]
    fn what_is_no_number_does_not_win() -> Result<(), UqError> {
        for wrong in [f32::NAN, f32::INFINITY] {
            let classical = judged(&[&[[wrong, 0.0], [2.0, 0.0]], &[[0.0, wrong]]], 6)?;
            let names: Vec<_> = classical.errors().into_iter().map(|error| error.method).collect();
            assert_eq!(names, ["2 y + 0"]);
            assert_eq!(judged(&[&[[wrong, 0.0]]], 6)?.best().map(|best| best.name()), None);
        }
        Ok(())
    }

    /// The best image is that of the least error, in the unit of x: the line is 0.5/0.545 of y, whatever the method's own.
    #[test]
    fn the_best_comes_in_the_unit_of_x() -> Result<(), UqError> {
        let best = judged(&[&[[0.0, 2.0]], &[[0.0, 1.0], [-4.0, 7.0]]], 6)?.best().ok_or(UqError::TooFew {
            what: "classical images",
            found: 0,
            needed: 1,
        })?;
        assert_eq!(best.name(), "-4 y + 7");
        let (_, y) = &pairs(1)[0];
        let images = best.images(y.view())?;
        for (image, y) in images.iter().zip(y) {
            assert_abs_diff_eq!(*image, 0.917 * y, epsilon = 0.02);
        }
        Ok(())
    }
}
