use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::flow::{Condition, Direction, Field, FlowError, Invertible, PerSample, Pull, State, Tapes};
use crate::kernels::{
    channel_dots, channel_sums, pixels, scale_channels, scale_then_shift, shift_channels, shift_then_scale,
};

/// Scale and shift of each channel, started from data (Kingma and Dhariwal 2018, section 3.1).
///
///   z = eˡ x + b,   log_det = n Σ_c l_c   for n pixels.
///
/// The scale is kept as its logarithm, so that it is positive and never divided by. From z and z̄ = ∂L/∂z,
/// δ = ∂L/∂log_det:
///
///   x = e⁻ˡ (z − b),   x̄ = eˡ z̄,   l̄ = eˡ Σ z̄ x + n Σ_samples δ,   b̄ = Σ z̄,
///
/// and for the inverse map, from x, x̄ and δ of its own log_det = −n Σ l:
///
///   z = eˡ x + b,   z̄ = e⁻ˡ x̄,   l̄ = −Σ x̄ x − n Σ δ,   b̄ = −Σ z̄.
#[derive(Module, Debug)]
pub struct ActNorm {
    /// l: `[channel]`.
    log_scale: Param<Tensor<1>>,
    /// b: `[channel]`.
    shift: Param<Tensor<1>>,
}

/// A channel that varies less than this, relative to its size, counts as constant and keeps its scale.
const CONSTANT: f64 = 1e-6;

impl ActNorm {
    /// The identity on `channels` channels, until it is initialized from data.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            log_scale: Param::from_tensor(Tensor::zeros([channels], device)),
            shift: Param::from_tensor(Tensor::zeros([channels], device)),
        }
    }

    fn scale(&self) -> Tensor<1> {
        self.log_scale.val().exp()
    }

    /// The reciprocal of the very factor of the forward map: some devices round e⁻ˡ otherwise.
    fn inverse_scale(&self) -> Tensor<1> {
        self.scale().recip()
    }

    fn apply(&self, x: Field) -> Field {
        scale_then_shift(x, self.scale(), self.shift.val())
    }

    fn apply_inverse(&self, z: Field) -> Field {
        shift_then_scale(z, self.shift.val().neg(), self.inverse_scale())
    }

    fn log_det(&self, x: &Field) -> PerSample {
        let one = self.log_scale.val().sum() * pixels(x) as f64;
        one.expand([x.dims()[0]])
    }
}

impl Invertible for ActNorm {
    fn output_shape(&self, _to: Direction, x: [usize; 5], _c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        match self.shift.val().dims()[0] {
            expected if expected == x[1] => Ok(x),
            expected => Err(FlowError::Channels { layer: "ActNorm", expected, found: x[1] }),
        }
    }

    /// Each channel of the output gets mean zero and variance one over the batch, whichever way the map goes: with mean m and
    /// deviation s of the input, l = −log s and b = −m/s forward, l = log s and b = m inverse.
    fn initialize(self, to: Direction, x: Field, c: &Condition) -> (Self, Field) {
        let count = (x.dims()[0] * pixels(&x)) as f64;
        let mean = channel_sums(x.clone()) / count;
        let centred = shift_channels(x.clone(), mean.clone().neg());
        let variance = channel_dots(&centred, &centred) / count;
        let floor = (mean.clone().square() + variance.clone()) * (CONSTANT * CONSTANT);
        let constant = variance.clone().lower_equal(floor);
        let log_deviation = variance.mask_fill(constant, 1.0).log() * 0.5;
        let (log_scale, shift) = match to {
            Direction::Forward => (log_deviation.clone().neg(), mean.neg() * log_deviation.neg().exp()),
            Direction::Inverse => (log_deviation, mean),
        };
        let layer = Self { log_scale: self.log_scale.map(|_| log_scale), shift: self.shift.map(|_| shift) };
        let (z, _) = layer.transform(to, x, c, &mut Tapes::none());
        (layer, z)
    }

    fn transform(&self, to: Direction, x: Field, _c: &Condition, _tapes: &mut Tapes) -> (Field, PerSample) {
        let log_det = self.log_det(&x);
        match to {
            Direction::Forward => (self.apply(x), log_det),
            Direction::Inverse => (self.apply_inverse(x), log_det.neg()),
        }
    }

    fn pull(&self, of: Direction, State { value, gradient }: State, pull: &mut Pull) -> State {
        let of_log_det = pull.dlog_det.clone().sum() * pixels(&value) as f64;
        let dparameters = &mut *pull.dparameters;
        match of {
            Direction::Forward => {
                let x = self.apply_inverse(value);
                let own = channel_dots(&gradient, &x) * self.scale();
                dparameters.add(&self.log_scale, own + of_log_det);
                dparameters.add(&self.shift, channel_sums(gradient.clone()));
                State { value: x, gradient: scale_channels(gradient, self.scale()) }
            }
            Direction::Inverse => {
                let own = channel_dots(&gradient, &value);
                dparameters.add(&self.log_scale, (own + of_log_det).neg());
                let dz = scale_channels(gradient, self.inverse_scale());
                dparameters.add(&self.shift, channel_sums(dz.clone()).neg());
                State { value: self.apply(value), gradient: dz }
            }
        }
    }
}
