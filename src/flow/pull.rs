//! The walk back through a flow: from the output of a map and its gradient to the input and its gradient.

use crate::flow::gradient::{ConditionGradient, ParameterGradients};
use crate::flow::{Condition, Field, PerSample, Tapes};

/// Values at one place of a flow, and the gradient of the loss in them.
#[derive(Debug)]
pub struct State {
    /// The values.
    pub value: Field,
    /// ∂L/∂value, of the same shape.
    pub gradient: Field,
}

impl State {
    /// Both fields changed in the same way.
    pub fn each(self, mut change: impl FnMut(Field) -> Field) -> Self {
        Self { value: change(self.value), gradient: change(self.gradient) }
    }
}

/// What is the same for all layers of a walk back, and what they add to on their way.
pub struct Pull<'a> {
    /// What the map was conditioned on.
    pub condition: &'a Condition,
    /// Where the gradients of the conditions are added; one slot for each field of the condition.
    pub dcondition: &'a mut ConditionGradient,
    /// Where the gradients of the parameters are added.
    pub dparameters: &'a mut ParameterGradients,
    /// ∂L/∂log_det of each sample, of the map that is pulled back.
    pub dlog_det: &'a PerSample,
    /// Those of the map, or none.
    pub tapes: &'a mut Tapes,
}

impl Pull<'_> {
    /// The walk through what lies one scale deeper: it is given the conditions from the second on.
    pub fn deeper(&mut self) -> Pull<'_> {
        Pull {
            condition: deeper(self.condition),
            dcondition: self.dcondition.get_mut(1..).unwrap_or(&mut []),
            dparameters: self.dparameters,
            dlog_det: self.dlog_det,
            tapes: self.tapes,
        }
    }
}

/// The conditions of what lies one scale deeper.
pub fn deeper<T>(conditions: &[T]) -> &[T] {
    conditions.get(1..).unwrap_or(&[])
}
