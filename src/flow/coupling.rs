use burn::module::Module;
use burn::tensor::Tensor;

use crate::flow::tiles::{Tiling, joined, rows};
use crate::flow::{
    Condition, ConditionGradient, Conditioner, ConditionerShape, ConvolutionalConditioner, Field, FlowError,
    GradientSlot, Invertible, ParameterGradients, PerSample, Tapes, Tile, Transform,
};
use crate::kernels::{Direction, Swept, SweptTapes, no_log_det};

/// One half of the channels is transformed, with parameters that a network reads off the other half and the condition
/// (Dinh et al. 2017, section 3.2).
///
///   (x₁, x₂) = x,   p = N(x₂, c),   z₁ = T(x₁; p),   z₂ = x₂,   log_det = log|∂z₁/∂x₁|.
///
/// x₁ has ⌊C/2⌋ of the C channels. From z, the network gives p of z₂ = x₂ once; it serves both the inverse, x₁ =
/// T⁻¹(z₁; p), and the gradient: p̄ of the transform is pulled through the network to x̄₂ = z̄₂ + (∂N/∂x₂)ᵀ p̄ and
/// c̄ = (∂N/∂c)ᵀ p̄.
///
/// Unless the plan has memory for it, or nobody knows how far the network sees, its hidden values never exist at the
/// size of the image: the kernels sweep convolutions down the image where they can;
/// elsewhere it is evaluated, and pulled back, on one tile after the other, each with as much of its surroundings as the
/// network sees.
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

    /// The condition at the extents of x.
    fn condition(&self, x: &Field, c: &Condition) -> Option<Field> {
        let [batch, _, d, h, w] = x.dims();
        c.first().filter(|_| self.condition > 0).map(|c| c.clone().expand([batch, self.condition, d, h, w]))
    }

    fn evaluate(&self, direction: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let condition = self.condition(&x, c);
        let network = self.conditioner.as_convolutional().map(ConvolutionalConditioner::convolutions);
        let swept = network.and_then(|network| Swept::new(&x, &network, self.transform, condition.as_ref()));
        let x = match swept {
            Some(swept) => {
                let keep = tapes.reserve(swept.tape_bytes());
                match swept.evaluate(direction, x, keep, &tapes.buffers) {
                    Ok((z, log_det, tape)) => {
                        tapes.push(tape.map(CouplingTape::<N::Tape>::Swept));
                        return (z, log_det);
                    }
                    Err(x) => x,
                }
            }
            None => x,
        };
        let (active, passive) = self.split(x);
        let inputs = inputs(passive.clone(), condition);
        let tiling = Tiling::new(&self.conditioner, inputs.dims(), tapes.tile_bytes());
        let (active, log_det) = if tiling.is_whole() && self.keeps(&inputs, tapes) {
            let (p, tape) = self.conditioner.apply_taped(Tile::whole(inputs));
            tapes.push(Some(CouplingTape::Whole(Box::new((p.clone(), tape)))));
            self.transform(direction, active, p)
        } else {
            tapes.push(None::<CouplingTape<N::Tape>>);
            let mut log_det = no_log_det(&passive);
            let parts = tiling.rows().map(|own| {
                let p = self.conditioner.apply(tiling.tile(&inputs, &own));
                let (part, share) = self.transform(direction, rows(&active, tiling.axis(), &own), p);
                log_det = log_det.clone() + share;
                part
            });
            (joined(parts.collect(), tiling.axis()), log_det)
        };
        (Tensor::cat(vec![active, passive], 1), log_det)
    }

    /// Sets memory aside for the tape of the whole network, where there is enough.
    fn keeps(&self, inputs: &Field, tapes: &mut Tapes) -> bool {
        let [batch, _, d, h, w] = inputs.dims();
        self.conditioner.tape_bytes().is_some_and(|each| tapes.reserve(batch * d * h * w * each))
    }

    fn transform(&self, direction: Direction, x: Field, p: Field) -> (Field, PerSample) {
        match direction {
            Direction::Forward => self.transform.forward(x, p),
            Direction::Inverse => self.transform.inverse(x, p),
        }
    }

    /// From the output of a map and its gradient to its input and its gradient.
    #[allow(clippy::too_many_arguments)]
    fn pull(
        &self,
        direction: Direction,
        mut state: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        let condition = self.condition(&state.0, c);
        let mut slot = dc.first_mut().filter(|slot| condition.is_some() && slot.is_wanted());
        let (tape, mut whole) = match tapes.pop() {
            Some(CouplingTape::Swept(tape)) => (Some(tape), None),
            Some(CouplingTape::Whole(kept)) => (None, Some(*kept)),
            None => (None, None),
        };
        if let Some(conditioner) = self.conditioner.as_convolutional()
            && let Some(swept) = Swept::new(&state.0, &conditioner.convolutions(), self.transform, condition.as_ref())
        {
            match swept.pull(direction, state, dlog_det, slot.is_some(), tape, &tapes.buffers) {
                Ok(pulled) => {
                    conditioner.add_gradients(pulled.layers, dtheta);
                    if let (Some(slot), Some(gradient), Some(c)) = (slot, pulled.condition, c.first()) {
                        add_condition(slot, gradient, c);
                    }
                    return (pulled.x, pulled.dx);
                }
                Err(unchanged) => state = unchanged,
            }
        }
        let (x, dx) = state;
        let ((active, passive), (dactive, dpassive)) = (self.split(x), self.split(dx));
        let inputs = inputs(passive.clone(), condition);
        // What is kept is of the whole network, however little memory is left.
        let bytes = if whole.is_some() { usize::MAX } else { tapes.tile_bytes() };
        let tiling = Tiling::new(&self.conditioner, inputs.dims(), bytes);
        let channels = passive.dims()[1];
        let wanted = channels + if slot.is_some() { self.condition } else { 0 };
        let (mut parts, mut gradients) = (Vec::new(), Vec::new());
        let mut dinputs: Option<Field> = None;
        for own in tiling.rows() {
            let (p, tape) = match whole.take() {
                Some(kept) => kept,
                None => self.conditioner.apply_taped(tiling.tile(&inputs, &own)),
            };
            let [x, dx] = [&active, &dactive].map(|field| rows(field, tiling.axis(), &own));
            let (x, dx, dp) = match direction {
                Direction::Forward => self.transform.forward_vjp(x, dx, dlog_det, p),
                Direction::Inverse => self.transform.inverse_vjp(x, dx, dlog_det, p),
            };
            let dtile = self.conditioner.pull(tape, dp, wanted, dtheta);
            dinputs = Some(match dinputs {
                None if tiling.is_whole() => dtile,
                None => tiling.add(inputs.clone().narrow(1, 0, wanted).zeros_like(), dtile, &own),
                Some(sum) => tiling.add(sum, dtile, &own),
            });
            parts.push(x);
            gradients.push(dx);
        }
        let mut dpassive = dpassive;
        if let Some(dinputs) = dinputs {
            if let (Some(slot), Some(c)) = (&mut slot, c.first()) {
                add_condition(slot, dinputs.clone().narrow(1, channels, self.condition), c);
            }
            dpassive = dpassive + dinputs.narrow(1, 0, channels);
        }
        let [active, dactive] = [parts, gradients].map(|parts| joined(parts, tiling.axis()));
        (Tensor::cat(vec![active, passive], 1), Tensor::cat(vec![dactive, dpassive], 1))
    }
}

/// What a coupling keeps for its gradient.
enum CouplingTape<T> {
    Swept(SweptTapes),
    /// The transform's parameters, and what the network keeps.
    Whole(Box<(Field, T)>),
}

/// What the conditioner reads: x₂ and the condition.
fn inputs(passive: Field, condition: Option<Field>) -> Field {
    match condition {
        Some(c) => Tensor::cat(vec![passive, c], 1),
        None => passive,
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
        let (z, _) = self.forward(x, c, &mut Tapes::none());
        (self, z)
    }

    fn forward(&self, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        self.evaluate(Direction::Forward, x, c, tapes)
    }

    fn inverse(&self, z: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        self.evaluate(Direction::Inverse, z, c, tapes)
    }

    fn forward_vjp(
        &self,
        z: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        self.pull(Direction::Forward, z, dlog_det, c, dc, dtheta, tapes)
    }

    fn inverse_vjp(
        &self,
        x: (Field, Field),
        dlog_det: &PerSample,
        c: &Condition,
        dc: &mut ConditionGradient,
        dtheta: &mut ParameterGradients,
        tapes: &mut Tapes,
    ) -> (Field, Field) {
        self.pull(Direction::Inverse, x, dlog_det, c, dc, dtheta, tapes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        Activation, Border, ConvolutionalConfig, Plan, cast, map_parameters, parameters, standard_normal,
    };
    use crate::random::{Purpose, stream};
    use burn::tensor::{DType, Device};

    fn random(shape: [usize; 5], index: u64) -> Field {
        standard_normal(shape, &mut stream(9, Purpose::Diagnostic, index), DType::F64, &Device::flex())
    }

    fn distance<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f64 {
        let norm = |x: Tensor<D>| x.square().sum().sqrt().into_scalar::<f64>();
        norm(a.clone() - b.clone()) / norm(b.clone())
    }

    /// Everything that a coupling gives, both ways, under one plan.
    fn everything(
        coupling: &Coupling<ConvolutionalConditioner>,
        x: &Field,
        c: &Field,
        plan: Plan,
    ) -> (Vec<Tensor<1>>, Vec<Tensor<1>>) {
        let (dz, dlog_det) = (random(x.dims(), 5), random([x.dims()[0], 1, 1, 1, 1], 6).reshape([-1]));
        let conditions = [c.clone()];
        let mut results = Vec::new();
        let mut gradients = Vec::new();
        for direction in [Direction::Forward, Direction::Inverse] {
            let mut tapes = Tapes::new(plan);
            let (z, log_det) = coupling.evaluate(direction, x.clone(), &conditions, &mut tapes);
            let mut dc = [GradientSlot::Empty];
            let mut dtheta = ParameterGradients::new();
            let state = (z.clone(), dz.clone());
            let (again, dx) = coupling.pull(direction, state, &dlog_det, &conditions, &mut dc, &mut dtheta, &mut tapes);
            assert!(distance(&again, x) < 1e-12);
            let [dc] = dc.map(|slot| slot.into_sum().expect("a gradient"));
            results.extend([z.reshape([-1]), log_det]);
            gradients.extend([dx.reshape([-1]), dc.reshape([-1])]);
            gradients.extend(parameters(coupling).iter().map(|(p, _)| dtheta.get(&p.id).expect("one").clone()));
        }
        (results, gradients)
    }

    /// Tiles, and tapes that are kept, change nothing, whatever the border.
    #[test]
    fn every_plan_gives_the_same() {
        let cases = [
            ([2, 4, 1, 19, 5], vec![3, 1, 3], Border::Zeros),
            ([1, 5, 1, 17, 4], vec![3, 3, 5], Border::Periodic),
            ([2, 3, 1, 1, 23], vec![5, 3], Border::Zeros),
            ([1, 4, 13, 4, 3], vec![3, 1, 3], Border::Periodic),
            ([2, 4, 12, 3, 4], vec![3], Border::Zeros),
        ];
        for (shape, kernels, border) in cases {
            let axes = [shape[2] > 1, shape[3] > 1, shape[4] > 1];
            let config = ConvolutionalConfig { hidden: 5, kernels, activation: Activation::Silu, border };
            let transform = Transform::default();
            let needed = Coupling::<ConvolutionalConditioner>::conditioner_shape(shape[1], 2, transform, axes);
            let conditioner = config.init(needed, &mut stream(9, Purpose::Weights, 0), &Device::flex());
            let mut index = 20;
            let conditioner = map_parameters(cast(conditioner, DType::F64), &mut |_, value| {
                index += 1;
                random([1, 1, 1, 1, value.dims()[0]], index).reshape([-1]) * 0.3
            });
            let coupling = Coupling::new(conditioner, transform, shape[1], 2);
            let (x, mut extent) = (random(shape, 1), shape);
            extent[1] = 2;
            let c = random(extent, 2);
            let tiling = Tiling::new(&coupling.conditioner, shape, 1);
            assert!(tiling.rows().count() > 1, "{shape:?}");
            let (whole, whole_gradients) = everything(&coupling, &x, &c, Plan::least());
            // Enough for a map in one tile, and after it has kept its tape no more for a gradient in one.
            let each = coupling.conditioner.tape_bytes().expect("a convolutional network");
            let scarce = 3 * each * x.dims().iter().product::<usize>() / shape[1];
            for plan in [Plan::tiny_tiles(0), Plan::tiny_tiles(scarce), Plan::within(1 << 30)] {
                let (values, gradients) = everything(&coupling, &x, &c, plan);
                for (value, expected) in values.iter().chain(&gradients).zip(whole.iter().chain(&whole_gradients)) {
                    assert!(distance(value, expected) < 1e-12, "{shape:?} {plan:?}");
                }
            }
        }
    }
}
