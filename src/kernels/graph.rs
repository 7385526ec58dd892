//! The operations as nodes of Burn's autodiff graph, on the flex device.
//!
//! Burn would differentiate the portable versions step by step. Here the gradient of an operation is made of
//! operations of this room again, so that networks written as Burn modules run on the fast kernels too, forward and
//! backward. Every function returns `None` where autodiff tracks none of its tensors, or one of them is elsewhere.

use core::fmt;
use std::sync::Arc;

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    AutodiffBackend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
};
use burn::tensor::Tensor;

use super::{Field, Padding, seam};

/// See [`crate::kernels::convolve`].
pub fn convolve(x: &Field, weight: &Field, bias: Option<&Tensor<1>>, padding: Padding) -> Option<Field> {
    let [_, _, extent @ ..] = x.dims();
    let [_, _, kernel @ ..] = weight.dims();
    let [x_inner, weight_inner] = [x, weight].map(|x| x.clone().inner());
    let apply = || {
        let bias = bias.map(|bias| bias.clone().inner());
        seam::convolve(x_inner.clone(), weight_inner.clone(), bias, padding)
    };
    let pull = {
        let (x, weight) = (x_inner.clone(), weight_inner.clone());
        move |dy: Field, wanted: &[bool]| {
            let dx = wanted[0].then(|| seam::convolve_input_adjoint(extent, weight.clone(), dy.clone(), padding));
            let dw = wanted[1].then(|| seam::convolve_weight_adjoint(x.clone(), dy.clone(), kernel, padding));
            let db = wanted.get(2).is_some_and(|&wanted| wanted).then(|| seam::channel_sums(dy));
            vec![dx.map(Tensor::into_dispatch), dw.map(Tensor::into_dispatch), db.map(Tensor::into_dispatch)]
        }
    };
    let [x, weight] = [x, weight].map(|x| x.clone().into_dispatch());
    match bias {
        None => Some(Parents::of([x, weight])?.node(apply(), pull)),
        Some(bias) => Some(Parents::of([x, weight, bias.clone().into_dispatch()])?.node(apply(), pull)),
    }
}

/// The map `apply` of one field; `pull` gives ∂L/∂x from x and ∂L/∂y.
pub fn map(
    x: &Field,
    apply: impl FnOnce(Field) -> Field,
    pull: impl Fn(Field, Field) -> Field + Send + Sync + 'static,
) -> Option<Field> {
    let parents = Parents::of([x.clone().into_dispatch()])?;
    let x = x.clone().inner();
    let y = apply(x.clone());
    Some(parents.node(y, move |dy, _| vec![Some(pull(x.clone(), dy).into_dispatch())]))
}

/// A linear `map` of one field and its adjoint; x is not kept.
pub fn linear(
    x: &Field,
    apply: impl FnOnce(Field) -> Field,
    adjoint: impl Fn(Field) -> Field + Send + Sync + 'static,
) -> Option<Field> {
    let parents = Parents::of([x.clone().into_dispatch()])?;
    let y = apply(x.clone().inner());
    Some(parents.node(y, move |dy, _| vec![Some(adjoint(dy).into_dispatch())]))
}

/// The gradients of those parents that are wanted, in their order.
type Pulled = Vec<Option<DispatchTensor>>;

/// These from the gradient of the node, and which are wanted.
type Function = dyn Fn(Field, &[bool]) -> Pulled + Send + Sync;

#[derive(Clone)]
struct Pull(Arc<Function>);

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pull")
    }
}

/// What a node is made from.
struct Parents<const N: usize> {
    guards: [NodeGuard; N],
    context: DispatchAutodiffContext,
}

impl<const N: usize> Parents<N> {
    fn of(tensors: [DispatchTensor; N]) -> Option<Self> {
        let contexts = tensors.iter().map(|tensor| tensor.autodiff);
        let context = contexts.fold(DispatchAutodiffContext::Disabled, DispatchAutodiffContext::merge);
        if context == DispatchAutodiffContext::Disabled {
            return None;
        }
        let guards: Vec<NodeGuard> = tensors.into_iter().map(guard).collect::<Option<_>>()?;
        Some(Self { guards: guards.try_into().ok()?, context })
    }

    /// A tensor of the value y that hands its gradient to these parents.
    fn node(self, y: Field, pull: impl Fn(Field, &[bool]) -> Pulled + Send + Sync + 'static) -> Field {
        // Nothing to recompute: what the gradient needs is in `pull`, whatever the strategy of the context.
        let y = match Node.prepare::<NoCheckpointing>(self.guards).compute_bound().stateful() {
            OpsKind::Tracked(node) => node.finish(Pull(Arc::new(pull)), primitive(y.into_dispatch())),
            OpsKind::UnTracked(node) => node.finish(primitive(y.into_dispatch())),
        };
        let kind = DispatchTensorKind::Autodiff(Box::new(DispatchTensorKind::Flex(BackendTensor::Autodiff(y))));
        Tensor::from_dispatch(DispatchTensor { kind, autodiff: self.context })
    }
}

/// The node of a tensor in the graph; one outside it is a constant.
fn guard(tensor: DispatchTensor) -> Option<NodeGuard> {
    match tensor.kind {
        DispatchTensorKind::Autodiff(kind) => match *kind {
            DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => Some(tensor.node()),
            _ => None,
        },
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => Some(Autodiff::<Flex>::from_inner(tensor).node()),
        _ => None,
    }
}

fn primitive(tensor: DispatchTensor) -> FloatTensor<Flex> {
    match tensor.kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor,
        kind => unreachable!("operations on flex tensors give flex tensors, not {kind:?}"),
    }
}

#[derive(Debug)]
struct Node;

impl<const N: usize> Backward<Flex, N> for Node {
    type State = Pull;

    fn backward(self, ops: Ops<Pull, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dy = Tensor::from_primitive::<Flex>(gradients.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let pulled = (ops.state.0)(dy, &wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(pulled) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, primitive(gradient));
            }
        }
    }
}

#[cfg(test)]
mod tests;
