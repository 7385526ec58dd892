use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::flow::{Condition, Direction, Field, FlowError, Invertible, PerSample, Pull, State, Tapes};
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
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use posteria::flow::{Squeeze, Squeezer};
///
/// let squeeze = Squeeze::new(Squeezer::Haar, [false, true, true]);
/// let x = Tensor::<5>::ones([1, 1, 1, 4, 6], &Device::flex());
/// let z = squeeze.coarser(x.clone());
/// assert_eq!((z.dims(), squeeze.factor()), ([1, 4, 1, 2, 3], 4));
/// assert!((squeeze.finer(z) - x).abs().max().into_scalar::<f64>() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct Squeeze {
    #[module(skip)]
    squeezer: Squeezer,
    /// Which of depth, height and width are halved.
    #[module(skip)]
    axes: [bool; 3],
}

const AXES: [&str; 3] = ["depth", "height", "width"];

impl Squeeze {
    /// Halves the chosen of depth, height and width.
    pub fn new(squeezer: Squeezer, axes: [bool; 3]) -> Self {
        Self { squeezer, axes }
    }

    /// Channels are multiplied by this.
    pub fn factor(&self) -> usize {
        1 << self.axes.iter().filter(|&&chosen| chosen).count()
    }

    /// The forward map: half as many pixels along the chosen axes.
    pub fn coarser(&self, x: Field) -> Field {
        match self.squeezer {
            Squeezer::Checkerboard => checkerboard(x, self.axes),
            Squeezer::Haar => haar(x, self.axes),
        }
    }

    /// The inverse map: twice as many pixels along the chosen axes.
    pub fn finer(&self, z: Field) -> Field {
        match self.squeezer {
            Squeezer::Checkerboard => checkerboard_inverse(z, self.axes),
            Squeezer::Haar => haar_inverse(z, self.axes),
        }
    }

    fn apply(&self, to: Direction, x: Field) -> Field {
        match to {
            Direction::Forward => self.coarser(x),
            Direction::Inverse => self.finer(x),
        }
    }
}

impl Invertible for Squeeze {
    fn output_shape(&self, to: Direction, x: [usize; 5], _c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        let (mut z, factor) = (x, self.factor());
        match to {
            Direction::Forward => z[1] *= factor,
            Direction::Inverse if x[1].is_multiple_of(factor) => z[1] /= factor,
            Direction::Inverse => {
                return Err(FlowError::Indivisible { axis: "channels", size: x[1], divisor: factor });
            }
        }
        for (axis, _) in self.axes.iter().enumerate().filter(|&(_, &chosen)| chosen) {
            let size = x[axis + 2];
            z[axis + 2] = match to {
                Direction::Inverse => 2 * size,
                Direction::Forward if size.is_multiple_of(2) => size / 2,
                Direction::Forward => return Err(FlowError::Indivisible { axis: AXES[axis], size, divisor: 2 }),
            };
        }
        Ok(z)
    }

    fn transform(&self, to: Direction, x: Field, _c: &Condition, _tapes: &mut Tapes) -> (Field, PerSample) {
        let log_det = no_log_det(&x);
        (self.apply(to, x), log_det)
    }

    fn pull(&self, of: Direction, output: State, _pull: &mut Pull) -> State {
        output.each(|field| self.apply(of.reversed(), field))
    }
}
