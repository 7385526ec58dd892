use burn::module::Module;
use burn::tensor::Tensor;

use crate::flow::tiles::{Tiling, joined, rows};
use crate::flow::{
    Condition, Conditioner, ConditionerShape, Direction, Field, FlowError, GradientSlot, Invertible, PerSample, Pull,
    Roles, State, Tapes, Tile, Transform,
};
use crate::kernels::{Swept, SweptTapes, no_log_det, replace_channels};

/// Some channels are transformed, with parameters that a network reads off others and the condition (Dinh et al. 2017,
/// section 3.2).
///
///   (x₁, x₂, x₃) = x,   p = N(x₂, c),   z₁ = T(x₁; p),   z₂ = x₂,   z₃ = x₃,   log_det = log|∂z₁/∂x₁|.
///
/// Its [`Roles`] say which channels are x₁, those that are moved, and x₂, those that are read; by [`Roles::halves`] the
/// first ⌊C/2⌋ of C channels are moved and all others read. From z, the network gives p of z₂ = x₂ once; it serves both the
/// inverse, x₁ = T⁻¹(z₁; p), and the gradient: p̄ of the transform is pulled through the network to x̄₂ = z̄₂ + (∂N/∂x₂)ᵀ p̄ and
/// c̄ = (∂N/∂c)ᵀ p̄.
///
/// Unless the plan has memory for it, or nobody knows how far the network sees, its hidden values never exist at the
/// size of the image: the kernels sweep convolutions down the image where they can;
/// elsewhere it is evaluated, and pulled back, on one tile after the other, each with as much of its surroundings as the
/// network sees.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use posteria::flow::{
///     ConditionerShape, ConvolutionalConfig, Coupling, Invertible, Roles, Tapes, Transform,
/// };
/// use posteria::random::{Purpose, stream};
///
/// // Of five channels the first two are moved, the next two read; the last stays aside.
/// let roles = Roles::new(5, 0..2, 2..4).expect("ranges that lie apart");
/// let (transform, device) = (Transform::default(), Device::flex());
/// let shape = ConditionerShape::of_coupling(&roles, 0, transform, [false, true, true]);
/// let network = ConvolutionalConfig::default().init(shape, &mut stream(1, Purpose::Weights, 0), &device);
/// let x = Tensor::<5>::ones([2, 5, 1, 4, 4], &device);
/// let (z, log_det) = Coupling::new(network, transform, roles, 0).forward(x.clone(), &[], &mut Tapes::none());
/// assert_eq!(log_det.dims(), [2]);
/// assert!((z - x).abs().max().into_scalar::<f64>() < 1e-6, "it starts as the identity");
/// ```
#[derive(Module, Debug)]
pub struct Coupling<N: Conditioner> {
    conditioner: N,
    #[module(skip)]
    transform: Transform,
    #[module(skip)]
    roles: Roles,
    /// Channels of the condition; none where it is unconditional.
    #[module(skip)]
    condition: usize,
}

impl ConditionerShape {
    /// What a coupling needs whose channels have these roles, with so many channels in the condition.
    pub fn of_coupling(roles: &Roles, condition: usize, transform: Transform, axes: [bool; 3]) -> Self {
        let (moved, read) = (roles.moves().len(), roles.reads().len());
        Self { inputs: read + condition, outputs: moved * transform.parameters(), axes }
    }
}

impl<N: Conditioner> Coupling<N> {
    /// A coupling over a conditioner of the shape that [`ConditionerShape::of_coupling`] gives; `condition` is the number
    /// of channels of the condition.
    pub fn new(conditioner: N, transform: Transform, roles: Roles, condition: usize) -> Self {
        Self { conditioner, transform, roles, condition }
    }

    /// The channels that are moved and those that are read.
    fn parts(&self, x: &Field) -> (Field, Field) {
        let part = |range: std::ops::Range<usize>| x.clone().narrow(1, range.start, range.len());
        (part(self.roles.moves()), part(self.roles.reads()))
    }

    /// The condition at the extents of x.
    fn condition(&self, x: &Field, c: &Condition) -> Option<Field> {
        let [batch, _, d, h, w] = x.dims();
        c.first().filter(|_| self.condition > 0).map(|c| c.clone().expand([batch, self.condition, d, h, w]))
    }

    /// The whole coupling as the kernels sweep it, where they can.
    fn swept(&self, x: &Field, condition: Option<&Field>) -> Option<Swept> {
        Swept::new(x, &self.roles, &self.conditioner.stack()?.convolutions(), self.transform, condition)
    }

    /// Sets memory aside for the tape of the whole network, where there is enough.
    fn keeps(&self, inputs: &Field, tapes: &mut Tapes) -> bool {
        let [batch, _, d, h, w] = inputs.dims();
        self.conditioner.tape_bytes().is_some_and(|each| tapes.reserve(batch * d * h * w * each))
    }
}

/// What a coupling keeps for its gradient.
enum CouplingTape<T> {
    Swept(SweptTapes),
    /// The transform's parameters, and what the network keeps.
    Whole(Box<(Field, T)>),
}

/// What the conditioner reads: x₂ and the condition.
fn inputs(read: Field, condition: Option<Field>) -> Field {
    match condition {
        Some(c) => Tensor::cat(vec![read, c], 1),
        None => read,
    }
}

/// Adds a gradient at the extents of x to that of a condition, summed over the axes on which it was repeated.
fn add_condition(slot: &mut GradientSlot, gradient: Field, c: &Field) {
    let (from, to) = (gradient.dims(), c.dims());
    let summed = (2..5).filter(|&axis| to[axis] != from[axis]).fold(gradient, |g, axis| g.sum_dim(axis));
    slot.add(summed);
}

impl<N: Conditioner> Invertible for Coupling<N> {
    fn output_shape(&self, _to: Direction, x: [usize; 5], c: &[[usize; 5]]) -> Result<[usize; 5], FlowError> {
        if x[1] < 2 {
            return Err(FlowError::TooFewChannels { found: x[1] });
        }
        if x[1] != self.roles.channels() {
            return Err(FlowError::Channels { layer: "coupling", expected: self.roles.channels(), found: x[1] });
        }
        let needed = ConditionerShape::of_coupling(&self.roles, self.condition, self.transform, [true; 3]);
        if let Some([inputs, outputs]) = self.conditioner.stack().and_then(|stack| stack.channels())
            && [inputs, outputs] != [needed.inputs, needed.outputs]
        {
            return Err(FlowError::Conditioner { inputs, outputs, expected: [needed.inputs, needed.outputs] });
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

    fn transform(&self, to: Direction, x: Field, c: &Condition, tapes: &mut Tapes) -> (Field, PerSample) {
        let condition = self.condition(&x, c);
        let x = match self.swept(&x, condition.as_ref()) {
            Some(swept) => {
                let keep = tapes.reserve(swept.tape_bytes());
                match swept.evaluate(to, x, keep, &tapes.buffers) {
                    Ok((z, log_det, tape)) => {
                        tapes.push(tape.map(CouplingTape::<N::Tape>::Swept));
                        return (z, log_det);
                    }
                    Err(x) => x,
                }
            }
            None => x,
        };
        let (moved, read) = self.parts(&x);
        let inputs = inputs(read, condition);
        let tiling = Tiling::new(&self.conditioner, inputs.dims(), tapes.tile_bytes());
        let (moved, log_det) = if tiling.is_whole() && self.keeps(&inputs, tapes) {
            let (p, tape) = self.conditioner.apply_taped(Tile::whole(inputs));
            tapes.push(Some(CouplingTape::Whole(Box::new((p.clone(), tape)))));
            self.transform.apply(to, moved, p)
        } else {
            tapes.push(None::<CouplingTape<N::Tape>>);
            let mut log_det = no_log_det(&x);
            let parts = tiling.rows().map(|own| {
                let p = self.conditioner.apply(tiling.tile(&inputs, &own));
                let (part, share) = self.transform.apply(to, rows(&moved, tiling.axis(), &own), p);
                log_det = log_det.clone() + share;
                part
            });
            (joined(parts.collect(), tiling.axis()), log_det)
        };
        (replace_channels(x, self.roles.moves().start, moved), log_det)
    }

    fn pull(&self, of: Direction, output: State, pull: &mut Pull) -> State {
        let State { value: mut x, gradient: mut dx } = output;
        let condition = self.condition(&x, pull.condition);
        let mut slot = pull.dcondition.first_mut().filter(|slot| condition.is_some() && slot.is_wanted());
        let (tape, mut whole) = match pull.tapes.pop() {
            Some(CouplingTape::Swept(tape)) => (Some(tape), None),
            Some(CouplingTape::Whole(kept)) => (None, Some(*kept)),
            None => (None, None),
        };
        if let Some(swept) = self.swept(&x, condition.as_ref()) {
            match swept.pull(of, (x, dx), pull.dlog_det, slot.is_some(), tape, &pull.tapes.buffers) {
                Ok(pulled) => {
                    if let Some(stack) = self.conditioner.stack() {
                        stack.add_gradients(pulled.layers, pull.dparameters);
                    }
                    if let (Some(slot), Some(gradient), Some(c)) = (slot, pulled.condition, pull.condition.first()) {
                        add_condition(slot, gradient, c);
                    }
                    return State { value: pulled.x, gradient: pulled.dx };
                }
                Err(unchanged) => (x, dx) = unchanged,
            }
        }
        let ((moved, read), (dmoved, dread)) = (self.parts(&x), self.parts(&dx));
        let channels = read.dims()[1];
        let inputs = inputs(read, condition);
        // What is kept is of the whole network, however little memory is left.
        let bytes = if whole.is_some() { usize::MAX } else { pull.tapes.tile_bytes() };
        let tiling = Tiling::new(&self.conditioner, inputs.dims(), bytes);
        let wanted = channels + if slot.is_some() { self.condition } else { 0 };
        let (mut parts, mut gradients) = (Vec::new(), Vec::new());
        let mut dinputs: Option<Field> = None;
        for own in tiling.rows() {
            let (p, tape) = match whole.take() {
                Some(kept) => kept,
                None => self.conditioner.apply_taped(tiling.tile(&inputs, &own)),
            };
            let [part, dpart] = [&moved, &dmoved].map(|field| rows(field, tiling.axis(), &own));
            let (part, dpart, dp) = self.transform.pull(of, part, dpart, pull.dlog_det, p);
            let dtile = self.conditioner.pull(tape, dp, wanted, pull.dparameters);
            dinputs = Some(match dinputs {
                None if tiling.is_whole() => dtile,
                None => tiling.add(inputs.clone().narrow(1, 0, wanted).zeros_like(), dtile, &own),
                Some(sum) => tiling.add(sum, dtile, &own),
            });
            parts.push(part);
            gradients.push(dpart);
        }
        let [moved, dmoved] = [parts, gradients].map(|parts| joined(parts, tiling.axis()));
        let first = self.roles.moves().start;
        (x, dx) = (replace_channels(x, first, moved), replace_channels(dx, first, dmoved));
        if let Some(dinputs) = dinputs {
            if let (Some(slot), Some(c)) = (&mut slot, pull.condition.first()) {
                add_condition(slot, dinputs.clone().narrow(1, channels, self.condition), c);
            }
            dx = replace_channels(dx, self.roles.reads().start, dread + dinputs.narrow(1, 0, channels));
        }
        State { value: x, gradient: dx }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        Activation, Border, ConvolutionalConditioner, ConvolutionalConfig, ParameterGradients, Plan, cast,
        map_parameters, parameters, standard_normal,
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
            let (z, log_det) = coupling.transform(direction, x.clone(), &conditions, &mut tapes);
            let mut dc = [GradientSlot::Empty];
            let mut dtheta = ParameterGradients::new();
            let output = State { value: z.clone(), gradient: dz.clone() };
            let mut pull = Pull {
                condition: &conditions,
                dcondition: &mut dc,
                dparameters: &mut dtheta,
                dlog_det: &dlog_det,
                tapes: &mut tapes,
            };
            let State { value: again, gradient: dx } = coupling.pull(direction, output, &mut pull);
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
            let roles = Roles::halves(shape[1]);
            let needed = ConditionerShape::of_coupling(&roles, 2, transform, axes);
            let conditioner = config.init(needed, &mut stream(9, Purpose::Weights, 0), &Device::flex());
            let mut index = 20;
            let conditioner = map_parameters(cast(conditioner, DType::F64), &mut |_, value| {
                index += 1;
                random([1, 1, 1, 1, value.dims()[0]], index).reshape([-1]) * 0.3
            });
            let coupling = Coupling::new(conditioner, transform, roles, 2);
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
