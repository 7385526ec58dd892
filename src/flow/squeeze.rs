use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::flow::{Condition, ConditionGradient, Field, FlowError, Invertible, ParameterGradients, PerSample, Tapes};
use crate::kernels::{checkerboard, checkerboard_inverse, haar, haar_inverse, no_log_det};

/// How resolution is traded for channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Squeezer {
    /// Every second pixel, by offset.
    Checkerboard,
    /// Averages and differences of neighbours, orthonormal.
    #[default]
    Haar,
}

/// Halves the chosen axes and doubles the channels for each. Orthonormal, so log_det = 0 and the gradient of the map
/// is its inverse.
#[derive(Module, Debug)]
pub struct Squeeze {
    #[module(skip)]
    squeezer: Squeezer,
    /// Which of depth, height and width are halved.
    #[module(skip)]
    axes: [bool; 3],
    /// The map from coarse to fine instead.
    #[module(skip)]
    reversed: bool,
}

const AXES: [&str; 3] = ["depth", "height", "width"];

impl Squeeze {
    /// Halves the chosen of depth, height and width.
    pub fn new(squeezer: Squeezer, axes: [bool; 3]) -> Self {
        Self { squeezer, axes, reversed: false }
    }

    /// The inverse layer.
    pub fn reversed(&self) -> Self {
        Self { reversed: !self.reversed, ..self.clone() }
    }

    /// Channels are multiplied by this.
    pub fn factor(&self) -> usize {
        1 << self.axes.iter().filter(|&&chosen| chosen).count()
    }

    fn coarse(&self, x: Field) -> Field {
        match self.squeezer {
            Squeezer::Checkerboard => checkerboard(x, self.axes),
            Squeezer::Haar => haar(x, self.axes),
        }
    }

    fn fine(&self, x: Field) -> Field {
        match self.squeezer {
            Squeezer::Checkerboard => checkerboard_inverse(x, self.axes),
            Squeezer::Haar => haar_inverse(x, self.axes),
        }
    }

    /// The map of a field.
    pub fn apply(&self, x: Field) -> Field {
        if self.reversed { self.fine(x) } else { self.coarse(x) }
    }

    /// The inverse map of a field.
    pub fn apply_inverse(&self, z: Field) -> Field {
        if self.reversed { self.coarse(z) } else { self.fine(z) }
    }
}

impl Invertible for Squeeze {
    fn output_shape(&self, x: [usize; 5], _c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        let mut z = x;
        let factor = self.factor();
        if self.reversed {
            if !x[1].is_multiple_of(factor) {
                return Err(FlowError::Indivisible { axis: "channels", size: x[1], divisor: factor });
            }
            z[1] /= factor;
        } else {
            z[1] *= factor;
        }
        for (axis, _) in self.axes.iter().enumerate().filter(|&(_, &chosen)| chosen) {
            let size = x[axis + 2];
            match (self.reversed, size % 2) {
                (true, _) => z[axis + 2] = 2 * size,
                (false, 0) => z[axis + 2] = size / 2,
                (false, _) => {
                    return Err(FlowError::Indivisible { axis: AXES[axis], size, divisor: 2 });
                }
            }
        }
        Ok(z)
    }

    fn initialize(self, x: Field, _c: &Condition) -> (Self, Field) {
        let z = self.apply(x);
        (self, z)
    }

    fn forward(&self, x: Field, _c: &Condition, _tapes: &mut Tapes) -> (Field, PerSample) {
        let log_det = no_log_det(&x);
        (self.apply(x), log_det)
    }

    fn inverse(&self, z: Field, _c: &Condition, _tapes: &mut Tapes) -> (Field, PerSample) {
        let log_det = no_log_det(&z);
        (self.apply_inverse(z), log_det)
    }

    fn forward_vjp(
        &self,
        (z, dz): (Field, Field),
        _dlog_det: &PerSample,
        _c: &Condition,
        _dc: &mut ConditionGradient,
        _dtheta: &mut ParameterGradients,
        _tapes: &mut Tapes,
    ) -> (Field, Field) {
        (self.apply_inverse(z), self.apply_inverse(dz))
    }

    fn inverse_vjp(
        &self,
        (x, dx): (Field, Field),
        _dlog_det: &PerSample,
        _c: &Condition,
        _dc: &mut ConditionGradient,
        _dtheta: &mut ParameterGradients,
        _tapes: &mut Tapes,
    ) -> (Field, Field) {
        (self.apply(x), self.apply(dx))
    }
}
