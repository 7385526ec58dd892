use burn::module::Module;

use crate::flow::{
    Condition, ConditionGradient, Conditioner, Field, FlowError, Invertible, ParameterGradients, PerSample, Sequence,
    Tapes,
};
use crate::kernels::replace_channels;

/// Runs the rest of a network on half of the channels and puts the parts together again (Dinh et al. 2017, section
/// 3.6), so that a multi-scale network is a layer like any other.
///
///   (x₁, x₂) = x,   z = (f(x₁), x₂),   log_det = that of f.
///
/// x₁ has ⌈C/2⌉ of the C channels. The rest is given the conditions from the second scale on and must keep the shape.
#[derive(Module, Debug)]
pub struct Split<N: Conditioner> {
    rest: Sequence<N>,
}

impl<N: Conditioner> Split<N> {
    /// `rest` is given ⌈C/2⌉ channels and must keep their shape.
    pub fn new(rest: Sequence<N>) -> Self {
        Self { rest }
    }

    /// The part that goes on; the other stays where it is in x.
    fn part(x: &Field) -> Field {
        x.clone().narrow(1, 0, x.dims()[1].div_ceil(2))
    }
}

fn deeper<T>(conditions: &[T]) -> &[T] {
    conditions.get(1..).unwrap_or(&[])
}

fn deeper_mut<T>(conditions: &mut [T]) -> &mut [T] {
    conditions.get_mut(1..).unwrap_or(&mut [])
}

impl<N: Conditioner> Invertible for Split<N> {
    fn output_shape(&self, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        if x[1] < 2 {
            return Err(FlowError::TooFewChannels { found: x[1] });
        }
        let mut half = x;
        half[1] = x[1].div_ceil(2);
        match self.rest.output_shape(half, deeper(c)) {
            Ok(shape) if shape == half => Ok(x),
            Ok(shape) => Err(FlowError::Channels { layer: "split", expected: half[1], found: shape[1] }),
            Err(FlowError::MissingCondition { scale, found }) => {
                Err(FlowError::MissingCondition { scale: scale + 1, found: found + c.len().min(1) })
            }
            Err(FlowError::Indivisible { axis, size, divisor }) if axis != "channels" => {
                Err(FlowError::Indivisible { axis, size: 2 * size, divisor: 2 * divisor })
            }
            Err(error) => Err(error),
        }
    }

    fn initialize(self, x: Field, c: &Condition) -> (Self, Field) {
        let (rest, z1) = self.rest.initialize(Self::part(&x), deeper(c));
        (Self { rest }, replace_channels(x, 0, z1))
    }

    fn forward(&self, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let (z1, log_det) = self.rest.forward(Self::part(&x), deeper(c), tapes);
        (replace_channels(x, 0, z1), log_det)
    }

    fn inverse(&self, z: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let (x1, log_det) = self.rest.inverse(Self::part(&z), deeper(c), tapes);
        (replace_channels(z, 0, x1), log_det)
    }

    fn forward_vjp(
        &self,
        (z, dz): (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        let parts = (Self::part(&z), Self::part(&dz));
        let (x1, dx1) = self.rest.forward_vjp(parts, dlog_det, deeper(c), deeper_mut(dc), dtheta, tapes);
        (replace_channels(z, 0, x1), replace_channels(dz, 0, dx1))
    }

    fn inverse_vjp(
        &self,
        (x, dx): (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        let parts = (Self::part(&x), Self::part(&dx));
        let (z1, dz1) = self.rest.inverse_vjp(parts, dlog_det, deeper(c), deeper_mut(dc), dtheta, tapes);
        (replace_channels(x, 0, z1), replace_channels(dx, 0, dz1))
    }
}
