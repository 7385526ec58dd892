use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::flow::{
    Condition, ConditionGradient, Conditioner, ConditionerShape, Field, FlowError, GradientSlot, Invertible,
    ParameterGradients, PerSample, Tile,
};
use crate::kernels::{affine_forward, affine_forward_vjp, affine_inverse, affine_inverse_vjp, no_log_det};

/// What a coupling does to one half of the channels, given parameters for each of its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transform {
    /// y = e^{β tanh(a/β)} x + t from parameters (a, t): scales between e^−β and e^β for the bound β.
    Affine {
        /// β, positive.
        bound: f64,
    },
    /// y = x + t.
    Additive,
}

impl Default for Transform {
    fn default() -> Self {
        Transform::Affine { bound: 2.0 }
    }
}

impl Transform {
    /// Parameters for each entry of x.
    pub fn parameters(self) -> usize {
        match self {
            Transform::Affine { .. } => 2,
            Transform::Additive => 1,
        }
    }

    fn forward(self, x: Field, p: Field) -> (Field, PerSample) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                affine_forward(x, a, t, bound)
            }
            Transform::Additive => {
                let log_det = no_log_det(&x);
                (x + p, log_det)
            }
        }
    }

    fn inverse(self, y: Field, p: Field) -> (Field, PerSample) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                affine_inverse(y, a, t, bound)
            }
            Transform::Additive => {
                let log_det = no_log_det(&y);
                (y - p, log_det)
            }
        }
    }

    /// (x, ∂L/∂x, ∂L/∂p) from the output of the forward map.
    fn forward_vjp(self, y: Field, dy: Field, dlog_det: &PerSample, p: Field) -> (Field, Field, Field) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                let (x, dx, da, dt) = affine_forward_vjp(y, dy, dlog_det, a, t, bound);
                (x, dx, Tensor::cat(vec![da, dt], 1))
            }
            Transform::Additive => (y - p, dy.clone(), dy),
        }
    }

    /// (y, ∂L/∂y, ∂L/∂p) from the output of the inverse map.
    fn inverse_vjp(self, x: Field, dx: Field, dlog_det: &PerSample, p: Field) -> (Field, Field, Field) {
        match self {
            Transform::Affine { bound } => {
                let (a, t) = halves(p);
                let (y, dy, da, dt) = affine_inverse_vjp(x, dx, dlog_det, a, t, bound);
                (y, dy, Tensor::cat(vec![da, dt], 1))
            }
            Transform::Additive => (x + p, dx.clone(), dx.neg()),
        }
    }
}

fn halves(p: Field) -> (Field, Field) {
    let half = p.dims()[1] / 2;
    (p.clone().narrow(1, 0, half), p.narrow(1, half, half))
}

/// One half of the channels is transformed, with parameters that a network reads off the other half and the condition
/// (Dinh et al. 2017, section 3.2).
///
///   (x₁, x₂) = x,   p = N(x₂, c),   z₁ = T(x₁; p),   z₂ = x₂,   log_det = log|∂z₁/∂x₁|.
///
/// x₁ has ⌊C/2⌋ of the C channels. From z, the network gives p of z₂ = x₂ once; it serves both the inverse, x₁ =
/// T⁻¹(z₁; p), and the gradient: p̄ of the transform is pulled through the network to x̄₂ = z̄₂ + (∂N/∂x₂)ᵀ p̄ and
/// c̄ = (∂N/∂c)ᵀ p̄.
#[derive(Module, Debug)]
pub struct Coupling<N: Conditioner> {
    conditioner: N,
    #[module(skip)]
    transform: Transform,
    #[module(skip)]
    channels: usize,
    /// Channels of the condition; none where it is unconditional.
    #[module(skip)]
    condition: usize,
}

impl<N: Conditioner> Coupling<N> {
    /// The shape of the conditioner that a coupling over `channels` channels of x and `condition` of c needs.
    pub fn conditioner_shape(
        channels: usize,
        condition: usize,
        transform: Transform,
        axes: [bool; 3],
    ) -> ConditionerShape {
        let active = channels / 2;
        ConditionerShape { inputs: channels - active + condition, outputs: active * transform.parameters(), axes }
    }

    /// A coupling of `channels` channels, `condition` of them in the condition, over a conditioner of the shape that
    /// [`conditioner_shape`](Coupling::conditioner_shape) gives.
    pub fn new(conditioner: N, transform: Transform, channels: usize, condition: usize) -> Self {
        Self { conditioner, transform, channels, condition }
    }

    fn split(&self, x: Field) -> (Field, Field) {
        let active = self.channels / 2;
        (x.clone().narrow(1, 0, active), x.narrow(1, active, self.channels - active))
    }

    /// What the conditioner reads: x₂ and the condition, which is repeated where its extent is 1.
    fn tile(&self, passive: &Field, c: &Condition) -> Tile {
        let field = match c.first() {
            Some(c) if self.condition > 0 => {
                let [batch, _, d, h, w] = passive.dims();
                let c = c.clone().expand([batch, self.condition, d, h, w]);
                Tensor::cat(vec![passive.clone(), c], 1)
            }
            _ => passive.clone(),
        };
        Tile::whole(field)
    }

    /// Pulls p̄ through the network: adds c̄ to its slot and returns what falls on x₂.
    fn pull(
        &self,
        tape: N::Tape,
        dp: Field,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
    ) -> Field {
        let passive = self.channels - self.channels / 2;
        match (c.first(), dc.first_mut()) {
            (Some(c), Some(slot)) if self.condition > 0 && slot.is_wanted() => {
                let dinput = self.conditioner.pull(tape, dp, passive + self.condition, dtheta);
                add_condition(slot, dinput.clone().narrow(1, passive, self.condition), c);
                dinput.narrow(1, 0, passive)
            }
            _ => self.conditioner.pull(tape, dp, passive, dtheta),
        }
    }
}

/// Adds a gradient at the extents of x to that of a condition, summed over the axes on which it was repeated.
fn add_condition(slot: &mut GradientSlot, gradient: Field, c: &Field) {
    let (from, to) = (gradient.dims(), c.dims());
    let summed = (2..5).filter(|&axis| to[axis] != from[axis]).fold(gradient, |g, axis| g.sum_dim(axis));
    slot.add(summed);
}

impl<N: Conditioner> Invertible for Coupling<N> {
    fn output_shape(&self, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        if x[1] < 2 {
            return Err(FlowError::TooFewChannels { found: x[1] });
        }
        if x[1] != self.channels {
            return Err(FlowError::Channels { layer: "coupling", expected: self.channels, found: x[1] });
        }
        if self.condition == 0 {
            return Ok(x);
        }
        let Some(&found) = c.first() else {
            return Err(FlowError::MissingCondition { scale: 0, found: 0 });
        };
        if found[1] != self.condition {
            return Err(FlowError::Channels {
                layer: "condition of a coupling",
                expected: self.condition,
                found: found[1],
            });
        }
        let fits = found[0] == x[0] && (2..5).all(|axis| found[axis] == x[axis] || found[axis] == 1);
        if fits { Ok(x) } else { Err(FlowError::ConditionShape { x, found }) }
    }

    fn initialize(self, x: Field, c: &Condition) -> (Self, Field) {
        let (z, _) = self.forward(x, c);
        (self, z)
    }

    fn forward(&self, x: Field, c: &Condition) -> (Field, PerSample) {
        let (active, passive) = self.split(x);
        let p = self.conditioner.apply(self.tile(&passive, c));
        let (active, log_det) = self.transform.forward(active, p);
        (Tensor::cat(vec![active, passive], 1), log_det)
    }

    fn inverse(&self, z: Field, c: &Condition) -> (Field, PerSample) {
        let (active, passive) = self.split(z);
        let p = self.conditioner.apply(self.tile(&passive, c));
        let (active, log_det) = self.transform.inverse(active, p);
        (Tensor::cat(vec![active, passive], 1), log_det)
    }

    fn forward_vjp(
        &self,
        z: Field,
        dz: Field,
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
    ) -> (Field, Field) {
        let ((z1, passive), (dz1, dpassive)) = (self.split(z), self.split(dz));
        let (p, tape) = self.conditioner.apply_taped(self.tile(&passive, c));
        let (x1, dx1, dp) = self.transform.forward_vjp(z1, dz1, dlog_det, p);
        let dpassive = dpassive + self.pull(tape, dp, c, dc, dtheta);
        (Tensor::cat(vec![x1, passive], 1), Tensor::cat(vec![dx1, dpassive], 1))
    }

    fn inverse_vjp(
        &self,
        x: Field,
        dx: Field,
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
    ) -> (Field, Field) {
        let ((x1, passive), (dx1, dpassive)) = (self.split(x), self.split(dx));
        let (p, tape) = self.conditioner.apply_taped(self.tile(&passive, c));
        let (z1, dz1, dp) = self.transform.inverse_vjp(x1, dx1, dlog_det, p);
        let dpassive = dpassive + self.pull(tape, dp, c, dc, dtheta);
        (Tensor::cat(vec![z1, passive], 1), Tensor::cat(vec![dz1, dpassive], 1))
    }
}
