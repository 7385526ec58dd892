//! Scalars of an image that its truth and its draws are ranked by (Modrák et al. 2025): some see what pixels do not.

use super::cells::Cells;
use ndarray::{ArrayViewD, Axis};

/// Pixels whose ranks are looked at one by one.
const PROBES: usize = 3;

/// Quantities by name, each with one value an image.
pub type Values = Vec<(String, Vec<f64>)>;

/// Mean, Euclidean norm and a few pixels, of the cells that are inferred.
pub struct Quantities<'a> {
    cells: &'a Cells,
    /// Along the diagonal, each moved on to the next cell that is inferred.
    probes: Vec<Vec<usize>>,
    has_norm: bool,
}

impl<'a> Quantities<'a> {
    /// Of images of this shape, `[channel, axes…]`.
    pub fn new(cells: &'a Cells, shape: &[usize]) -> Self {
        let count = shape.iter().product::<usize>();
        let probe = |number: usize| -> Option<Vec<usize>> {
            let first = shape.iter().fold(0, |index, n| index * n + n * (2 * number + 1) / (2 * PROBES));
            let found = (0..count).map(|step| (first + step) % count).find(|&index| cells.has(index))?;
            let mut place = vec![0; shape.len()];
            shape.iter().zip(&mut place).rev().fold(found, |rest, (n, at)| {
                *at = rest % n;
                rest / n
            });
            Some(place)
        };
        let mut probes: Vec<Vec<usize>> = Vec::new();
        for place in (0..PROBES).filter_map(probe) {
            if !probes.contains(&place) {
                probes.push(place);
            }
        }
        Quantities { cells, probes, has_norm: true }
    }

    /// The same without the norm, of images whose size says nothing.
    pub fn with_norm(self, has_norm: bool) -> Self {
        Quantities { has_norm, ..self }
    }

    /// Of each image `[image, channel, axes…]`.
    pub fn of(&self, images: ArrayViewD<f32>) -> Values {
        let sum = |image: ArrayViewD<f32>, f: &dyn Fn(f64) -> f64| -> [f64; 2] {
            self.cells.of(image).fold([0.0; 2], |[sum, count], v| [sum + f(v.into()), count + 1.0])
        };
        let each = |f: &dyn Fn(ArrayViewD<f32>) -> f64| images.axis_iter(Axis(0)).map(f).collect::<Vec<f64>>();
        let mean = each(&|image| {
            let [sum, count] = sum(image, &|v| v);
            sum / count.max(1.0)
        });
        let mut values = vec![("mean".to_string(), mean)];
        if self.has_norm {
            values.push(("norm".to_string(), each(&|image| sum(image, &|v| v * v)[0].sqrt())));
        }
        for place in &self.probes {
            let pixel = each(&|image| image.get(place.as_slice()).map_or(f64::NAN, |&v| f64::from(v)));
            values.push((format!("pixel {place:?}"), pixel));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uq::UqError;
    use ndarray::{ArrayD, IxDyn};

    /// Probes stand on the diagonal, or on the next cell that is not known; none of the known ones has a say.
    #[test]
    fn known_cells_have_no_say() -> Result<(), UqError> {
        let names = |cells: &Cells| {
            let images = ArrayD::zeros(vec![1, 1, 6, 6]);
            let values = Quantities::new(cells, &[1, 6, 6]).of(images.view());
            values.into_iter().map(|(name, _)| name).skip(2).collect::<Vec<_>>()
        };
        assert_eq!(names(&Cells::default()), ["pixel [0, 1, 1]", "pixel [0, 3, 3]", "pixel [0, 5, 5]"]);
        let fixed = ArrayD::from_shape_fn(IxDyn(&[1, 6, 6]), |p| if p[1] == 2 && p[2] < 4 { f32::NAN } else { 7.0 });
        let cells = Cells::beside(fixed.view())?;
        assert_eq!(names(&cells), ["pixel [0, 2, 0]"]);
        let image = |known: f32| {
            ArrayD::from_shape_fn(IxDyn(&[1, 1, 6, 6]), |p| if p[2] == 2 && p[3] < 4 { p[3] as f32 } else { known })
        };
        let quantities = Quantities::new(&cells, &[1, 6, 6]);
        let values = quantities.of(image(7.0).view());
        assert_eq!(values[..2], [("mean".to_string(), vec![1.5]), ("norm".to_string(), vec![14.0_f64.sqrt()])]);
        assert_eq!(values, quantities.of(image(7.001).view()));
        Ok(())
    }
}
