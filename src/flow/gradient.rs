//! Where gradients are collected. They are always added, never overwritten.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};

use crate::flow::Field;
use crate::flow::lanes::Lane;

/// Gradients of parameters, each flattened, by the parameter's identity.
///
/// Identities are random in every process: whatever depends on an order walks the module instead.
#[derive(Clone, Debug, Default)]
pub struct ParameterGradients {
    by_id: HashMap<ParamId, Tensor<1>>,
    /// Where they are those of one lane of several.
    lane: Option<Lane>,
}

impl ParameterGradients {
    /// No gradients yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of a lane, which leave for the sums layer by layer.
    pub(super) fn of_lane(lane: Lane) -> Self {
        Self { by_id: HashMap::new(), lane: Some(lane) }
    }

    /// A layer was pulled back: its gradients are complete, and may leave for the sums over lanes. A sequence calls this after
    /// each of its layers.
    pub fn end_layer(&mut self) {
        if let Some(lane) = &mut self.lane {
            self.by_id.drain().for_each(|(id, gradient)| lane.bring(id, gradient));
        }
    }

    /// Adds ∂L/∂parameter.
    pub fn add<const D: usize>(&mut self, parameter: &Param<Tensor<D>>, gradient: Tensor<D>) {
        self.add_flat(parameter.id, gradient.reshape([-1]));
    }

    /// Adds a flattened gradient.
    pub fn add_flat(&mut self, id: ParamId, gradient: Tensor<1>) {
        let sum = match self.by_id.remove(&id) {
            Some(before) => before + gradient,
            None => gradient,
        };
        self.by_id.insert(id, sum);
    }

    /// Adds the gradients that autodiff found for the parameters of a module.
    pub fn add_module<M: Module>(&mut self, module: &M, gradients: &Gradients) {
        module.visit(&mut Gather { gradients, sums: self });
    }

    /// Adds all gradients of another collection.
    pub fn add_all(&mut self, other: ParameterGradients) {
        for (id, gradient) in other.by_id {
            self.add_flat(id, gradient);
        }
    }

    /// The flattened gradient of a parameter, where there is one.
    pub fn get(&self, id: &ParamId) -> Option<&Tensor<1>> {
        self.by_id.get(id)
    }

    /// Every gradient multiplied by a number.
    pub fn scale(self, factor: f64) -> Self {
        let by_id = self.by_id.into_iter().map(|(id, gradient)| (id, gradient * factor)).collect();
        Self { by_id, lane: self.lane }
    }
}

/// Moves the gradients of a module's parameters out of an autodiff graph.
struct Gather<'a> {
    gradients: &'a Gradients,
    sums: &'a mut ParameterGradients,
}

impl ModuleVisitor for Gather<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.sums.add(param, gradient);
        }
    }
}

/// Where the gradient of one condition is collected.
#[derive(Clone, Debug)]
pub enum GradientSlot {
    /// Nobody asks for it, and the work for it is saved.
    Unwanted,
    /// Wanted; nothing was added yet.
    Empty,
    /// Wanted; the sum so far, boxed so that an empty slot is small.
    Sum(Box<Field>),
}

impl GradientSlot {
    /// Whether anybody asks for it.
    pub fn is_wanted(&self) -> bool {
        !matches!(self, GradientSlot::Unwanted)
    }

    /// Adds a gradient, unless nobody wants it.
    pub fn add(&mut self, gradient: Field) {
        *self = match std::mem::replace(self, GradientSlot::Unwanted) {
            GradientSlot::Unwanted => return,
            GradientSlot::Empty => GradientSlot::Sum(Box::new(gradient)),
            GradientSlot::Sum(before) => GradientSlot::Sum(Box::new(*before + gradient)),
        };
    }

    /// The sum, where something was added.
    pub fn into_sum(self) -> Option<Field> {
        match self {
            GradientSlot::Sum(sum) => Some(*sum),
            GradientSlot::Unwanted | GradientSlot::Empty => None,
        }
    }
}

/// One slot for each field of a [`Condition`](crate::flow::Condition), sliced alike; shorter where none is wanted.
pub type ConditionGradient = [GradientSlot];
