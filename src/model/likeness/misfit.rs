use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD};

use crate::model::{Model, ModelError};
use crate::operator::{LinearOperator, Noise};

/// What measures how well images explain a record: the operator and the noise that a model knows.
#[derive(Clone)]
pub struct Misfit {
    operator: Arc<dyn LinearOperator<f32>>,
    noise: Noise,
}

impl Misfit {
    /// Mean of χ²/m over images `[image, channel, axes…]`, see [`Noise::chi_square`]. At most the largest `f32`, also where
    /// the numbers ran over: files hold it.
    ///
    /// # Errors
    /// Arrays whose shapes are not those of the operator.
    pub fn mean(&self, images: ArrayViewD<f32>, y: &ArrayD<f32>) -> Result<f64, ModelError> {
        let all = self.noise.chi_square(self.operator.as_ref(), images, y.view());
        let all = all.map_err(|e| ModelError::Operator(e.to_string()))?;
        // The minimum of a number and of none is the number.
        Ok((all.iter().sum::<f64>() / all.len().max(1) as f64).min(f64::from(f32::MAX)))
    }
}

impl Model {
    /// What measures the misfit of its draws, made ready; none where operator or noise are unknown.
    ///
    /// # Errors
    /// An operator that cannot be built.
    pub fn misfit(&self) -> Result<Option<Misfit>, ModelError> {
        let (Some(config), Some(noise)) = (self.operator(), self.noise()) else { return Ok(None) };
        let operator = match self.operator.built() {
            Some(built) => built.clone(),
            None => Arc::from(config.build(self.x_shape()).map_err(|e| ModelError::Operator(e.to_string()))?),
        };
        Ok(Some(Misfit { operator, noise: noise.clone() }))
    }
}
