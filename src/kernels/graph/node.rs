//! Nodes of Burn's autodiff graph whose gradients are our own functions, on every device.

use core::fmt;
use std::sync::Arc;

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Cube;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    AutodiffBackend, Backend, BackendTensor, DispatchAutodiffContext, DispatchKindConversion, DispatchTensor,
    DispatchTensorKind, Flex,
};

/// The gradients of those parents that are wanted, in their order.
pub type Pulled = Vec<Option<DispatchTensor>>;

/// These from the gradient of the node, and which are wanted.
type Function = dyn Fn(DispatchTensor, &[bool]) -> Pulled + Send + Sync;

#[derive(Clone)]
struct Pull(Arc<Function>);

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pull")
    }
}

/// Where a graph lives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Flex,
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    Cube,
}

/// What a node is made from.
pub struct Parents<const N: usize> {
    guards: [NodeGuard; N],
    context: DispatchAutodiffContext,
    home: Home,
}

impl<const N: usize> Parents<N> {
    /// `None` where autodiff tracks none of them, or they are on several backends.
    pub fn of(tensors: [DispatchTensor; N]) -> Option<Self> {
        let contexts = tensors.iter().map(|tensor| tensor.autodiff);
        let context = contexts.fold(DispatchAutodiffContext::Disabled, DispatchAutodiffContext::merge);
        if context == DispatchAutodiffContext::Disabled {
            return None;
        }
        let guards: Vec<(Home, NodeGuard)> = tensors.into_iter().map(guard).collect::<Option<_>>()?;
        let (home, _) = *guards.first()?;
        if guards.iter().any(|(other, _)| *other != home) {
            return None;
        }
        let guards: Vec<NodeGuard> = guards.into_iter().map(|(_, guard)| guard).collect();
        Some(Self { guards: guards.try_into().ok()?, context, home })
    }

    /// The same, only on the flex device.
    pub fn on_flex(tensors: [DispatchTensor; N]) -> Option<Self> {
        Self::of(tensors).filter(|parents| parents.home == Home::Flex)
    }

    /// A tensor of the value y that hands its gradient to these parents through `pull`.
    pub fn node(
        self,
        y: DispatchTensor,
        pull: impl Fn(DispatchTensor, &[bool]) -> Pulled + Send + Sync + 'static,
    ) -> DispatchTensor {
        let pull = Pull(Arc::new(pull));
        let kind = match self.home {
            Home::Flex => attach::<Flex, N>(self.guards, y, pull),
            #[cfg(any(feature = "cuda", feature = "wgpu"))]
            Home::Cube => attach::<Cube, N>(self.guards, y, pull),
        };
        DispatchTensor { kind: DispatchTensorKind::Autodiff(Box::new(kind)), autodiff: self.context }
    }
}

/// The node of a tensor in the graph, and where that is; one outside it is a constant.
fn guard(tensor: DispatchTensor) -> Option<(Home, NodeGuard)> {
    let kind = match tensor.kind {
        DispatchTensorKind::Autodiff(kind) => *kind,
        kind => kind,
    };
    match kind {
        DispatchTensorKind::Flex(tensor) => Some((Home::Flex, node_of::<Flex>(tensor)?)),
        #[cfg(any(feature = "cuda", feature = "wgpu"))]
        DispatchTensorKind::Cube(tensor) => Some((Home::Cube, node_of::<Cube>(tensor)?)),
        DispatchTensorKind::Autodiff(_) => None,
    }
}

fn node_of<B: Backend>(tensor: BackendTensor<B>) -> Option<NodeGuard> {
    match tensor {
        BackendTensor::Autodiff(tensor) => Some(tensor.node()),
        BackendTensor::Float(tensor) => Some(Autodiff::<B>::from_inner(tensor).node()),
        _ => None,
    }
}

fn attach<B: Backend, const N: usize>(guards: [NodeGuard; N], y: DispatchTensor, pull: Pull) -> DispatchTensorKind
where
    DispatchTensor: DispatchKindConversion<B>,
{
    // Nothing to recompute: what the gradient needs is in `pull`, whatever the strategy of the context.
    let y = match Node.prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(node) => node.finish(pull, primitive::<B>(y)),
        OpsKind::UnTracked(node) => node.finish(primitive::<B>(y)),
    };
    DispatchTensor::from_backend(BackendTensor::<B>::Autodiff(y)).kind
}

fn primitive<B: Backend>(tensor: DispatchTensor) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    match DispatchTensor::try_into_backend(tensor) {
        Ok(BackendTensor::Float(tensor)) => tensor,
        Ok(_) => unreachable!("operations on floats give floats"),
        Err(other) => unreachable!("operations on tensors of one backend stay there: {other}"),
    }
}

#[derive(Debug)]
struct Node;

impl<B: Backend, const N: usize> Backward<B, N> for Node
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = Pull;

    fn backward(self, ops: Ops<Pull, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dy = DispatchTensor::from_backend(BackendTensor::<B>::Float(gradients.consume::<B>(&ops.node)));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let pulled = (ops.state.0)(dy, &wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(pulled) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, primitive::<B>(gradient));
            }
        }
    }
}
