use super::{LinearOperator, OperatorError};
use ndarray::{ArrayViewD, Axis};
use serde::{Deserialize, Serialize};

/// White Gaussian noise of y.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Noise {
    /// Standard deviation, in the unit of y.
    pub sigma: f64,
}

impl Noise {
    /// The data misfit χ²/m = ‖(y − A x)/σ‖² / m of each image x, `[image, channel, axes…]`, to one observation y of m
    /// numbers, `[1, channel, axes…]`. Of the image that made y, and of draws of a right posterior, it is 1 ± √(2/m).
    ///
    /// # Errors
    /// Arrays whose shapes are not those of the operator.
    ///
    /// ```
    /// use ndarray::{ArrayD, IxDyn};
    /// use posteria::operator::{Noise, OperatorConfig};
    ///
    /// let identity = OperatorConfig::Identity {}.build::<f32>(&[1, 2, 3])?;
    /// let y = ArrayD::from_elem(IxDyn(&[1, 1, 2, 3]), 2.0);
    /// // Two images: one that is y, one that is a deviation off everywhere.
    /// let images = ArrayD::from_shape_fn(IxDyn(&[2, 1, 2, 3]), |i| if i[0] == 0 { 2.0 } else { 2.5 });
    /// let misfits = Noise { sigma: 0.5 }.chi_square(&*identity, images.view(), y.view())?;
    /// assert_eq!(misfits, [0.0, 1.0]);
    /// # Ok::<(), posteria::operator::OperatorError>(())
    /// ```
    pub fn chi_square(
        &self,
        operator: &dyn LinearOperator<f32>,
        images: ArrayViewD<f32>,
        y: ArrayViewD<f32>,
    ) -> Result<Vec<f64>, OperatorError> {
        let numbers = y.len().max(1) as f64;
        let squares = squared_residuals(operator, images, y)?;
        Ok(squares.into_iter().map(|square| self.over_variance(square) / numbers).collect())
    }

    /// A square in units of the variance of the noise.
    pub fn over_variance(&self, square: f64) -> f64 {
        square / (self.sigma * self.sigma)
    }
}

/// ‖y − A x‖² of each image x, `[image, channel, axes…]`, and one observation y, `[1, channel, axes…]`.
///
/// # Errors
/// Arrays whose shapes are not those of the operator.
pub fn squared_residuals(
    operator: &dyn LinearOperator<f32>,
    images: ArrayViewD<f32>,
    y: ArrayViewD<f32>,
) -> Result<Vec<f64>, OperatorError> {
    let expected: Vec<usize> = std::iter::once(1).chain(operator.range().iter().copied()).collect();
    if y.shape() != expected {
        return Err(OperatorError::Shape {
            what: "observation",
            found: y.shape().into(),
            expected: format!("{expected:?}"),
        });
    }
    let predicted = operator.apply(images)?;
    let of_one = |p: ArrayViewD<f32>| p.iter().zip(&y).map(|(p, y)| f64::from(p - y).powi(2)).sum();
    Ok(predicted.axis_iter(Axis(0)).map(of_one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::OperatorConfig;
    use ndarray::{ArrayD, IxDyn};

    #[test]
    fn chi_square_is_one_at_a_distance_of_one_deviation() -> Result<(), OperatorError> {
        let operator = OperatorConfig::Identity {}.build::<f32>(&[1, 2, 3])?;
        let y = ArrayD::from_elem(IxDyn(&[1, 1, 2, 3]), 2.0_f32);
        let images = ArrayD::from_shape_fn(IxDyn(&[2, 1, 2, 3]), |i| if i[0] == 0 { 2.5 } else { 2.0 });
        let chi_square = Noise { sigma: 0.5 }.chi_square(operator.as_ref(), images.view(), y.view())?;
        assert_eq!(chi_square, [1.0, 0.0]);
        let other = ArrayD::zeros(IxDyn(&[1, 1, 3, 2]));
        assert!(Noise { sigma: 0.5 }.chi_square(operator.as_ref(), images.view(), other.view()).is_err());
        Ok(())
    }
}
