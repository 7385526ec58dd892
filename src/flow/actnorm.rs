use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::flow::{Condition, ConditionGradient, Field, FlowError, Invertible, ParameterGradients, PerSample};
use crate::kernels::{channel_sums, pixels, scale_channels, shift_channels};

/// Scale and shift of each channel, started from data (Kingma and Dhariwal 2018, section 3.1).
///
///   z = eˡ x + b,   log_det = n Σ_c l_c   for n pixels.
///
/// The scale is kept as its logarithm, so that it is positive and never divided by. From z and z̄ = ∂L/∂z,
/// δ = ∂L/∂log_det:
///
///   x = e⁻ˡ (z − b),   x̄ = eˡ z̄,   l̄ = Σ z̄ (z − b) + n Σ_samples δ,   b̄ = Σ z̄,
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

    fn scaled(&self, x: Field) -> Field {
        scale_channels(x, self.log_scale.val().exp())
    }

    /// By the reciprocal of the very factor of [`scaled`](Self::scaled): some devices round e⁻ˡ otherwise.
    fn unscaled(&self, x: Field) -> Field {
        scale_channels(x, self.log_scale.val().exp().recip())
    }

    fn log_det(&self, x: &Field) -> PerSample {
        let one = self.log_scale.val().sum() * pixels(x) as f64;
        one.expand([x.dims()[0]])
    }
}

impl Invertible for ActNorm {
    fn output_shape(&self, x: [usize; 5], _c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        match self.shift.val().dims()[0] {
            expected if expected == x[1] => Ok(x),
            expected => Err(FlowError::Channels { layer: "ActNorm", expected, found: x[1] }),
        }
    }

    /// Each channel of z gets mean zero and variance one over the batch.
    fn initialize(self, x: Field, c: &Condition) -> (Self, Field) {
        let count = (x.dims()[0] * pixels(&x)) as f64;
        let mean = channel_sums(x.clone()) / count;
        let centred = shift_channels(x.clone(), mean.clone().neg());
        let variance = channel_sums(centred.square()) / count;
        let floor = (mean.clone().square() + variance.clone()) * (CONSTANT * CONSTANT);
        let constant = variance.clone().lower_equal(floor);
        let log_scale = variance.mask_fill(constant, 1.0).log() * -0.5;
        let shift = mean.neg() * log_scale.clone().exp();
        let layer = Self { log_scale: self.log_scale.map(|_| log_scale), shift: self.shift.map(|_| shift) };
        let (z, _) = layer.forward(x, c);
        (layer, z)
    }

    fn forward(&self, x: Field, _c: &Condition) -> (Field, PerSample) {
        let log_det = self.log_det(&x);
        (shift_channels(self.scaled(x), self.shift.val()), log_det)
    }

    fn inverse(&self, z: Field, _c: &Condition) -> (Field, PerSample) {
        let log_det = self.log_det(&z).neg();
        (self.unscaled(shift_channels(z, self.shift.val().neg())), log_det)
    }

    fn forward_vjp(
        &self,
        z: Field,
        dz: Field,
        dlog_det: &PerSample,
        _c: &Condition,
        _dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
    ) -> (Field, Field) {
        let n = pixels(&z) as f64;
        let centred = shift_channels(z, self.shift.val().neg());
        let own = channel_sums(dz.clone() * centred.clone());
        dtheta.add(&self.log_scale, own + dlog_det.clone().sum() * n);
        dtheta.add(&self.shift, channel_sums(dz.clone()));
        (self.unscaled(centred), self.scaled(dz))
    }

    fn inverse_vjp(
        &self,
        x: Field,
        dx: Field,
        dlog_det: &PerSample,
        _c: &Condition,
        _dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
    ) -> (Field, Field) {
        let n = pixels(&x) as f64;
        let own = channel_sums(dx.clone() * x.clone());
        dtheta.add(&self.log_scale, (own + dlog_det.clone().sum() * n).neg());
        let dz = self.unscaled(dx);
        dtheta.add(&self.shift, channel_sums(dz.clone()).neg());
        (shift_channels(self.scaled(x), self.shift.val()), dz)
    }
}
