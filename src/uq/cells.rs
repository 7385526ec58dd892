//! Which cells of an image are judged.

use super::UqError;
use super::error::check_enough;
use crate::model::Model;
use ndarray::{Array1, ArrayViewD};

/// The cells of an image that are inferred. Those that are known beforehand are right whatever a posterior says: they are
/// left out of every rank, interval and error, or a poor posterior of the others would look well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// One an entry of an image, in order; all of them are inferred where there is none.
    inferred: Option<Vec<bool>>,
}

impl Cells {
    /// All cells of an image but those that are known: `fixed` has the shape of an image, their values, and NaN elsewhere.
    ///
    /// # Errors
    /// Nothing left to infer.
    pub fn beside(fixed: ArrayViewD<f32>) -> Result<Cells, UqError> {
        let inferred: Vec<bool> = fixed.iter().map(|value| value.is_nan()).collect();
        check_enough("cells that are not fixed", inferred.iter().filter(|is| **is).count(), 1)?;
        Ok(Cells { inferred: Some(inferred) })
    }

    /// The cells that a model infers.
    pub fn inferred_by(model: &Model) -> Result<Cells, UqError> {
        model.fixed().map_or(Ok(Cells::default()), |fixed| Cells::beside(fixed.view()))
    }

    /// The values of an image in these cells, in order.
    pub fn of<'a, T: Copy>(&'a self, image: ArrayViewD<'a, T>) -> impl Iterator<Item = T> + 'a {
        image.into_iter().enumerate().filter(|(index, _)| self.has(*index)).map(|(_, value)| *value)
    }

    /// The same as an array.
    pub fn gathered<T: Copy>(&self, image: ArrayViewD<T>) -> Array1<T> {
        self.of(image).collect()
    }

    /// Whether the entry with this number is among them.
    pub fn has(&self, index: usize) -> bool {
        self.inferred.as_ref().is_none_or(|inferred| inferred.get(index) == Some(&true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayD, array};

    #[test]
    fn known_cells_are_left_out_in_any_memory_order() -> Result<(), UqError> {
        let fixed = array![[f32::NAN, 1.0, f32::NAN], [2.0, 3.0, f32::NAN]].into_dyn();
        let image = array![[10, 11, 12], [13, 14, 15]].into_dyn();
        let cells = Cells::beside(fixed.view())?;
        assert_eq!(cells.gathered(image.view()).to_vec(), [10, 12, 15]);
        let turned = image.t().as_standard_layout().into_owned();
        assert_eq!(cells.gathered(turned.t()).to_vec(), [10, 12, 15]);
        assert_eq!(Cells::default().of(image.view()).count(), 6);
        assert!(Cells::beside(ArrayD::zeros(vec![2]).view()).is_err());
        Ok(())
    }
}
