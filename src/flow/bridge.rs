//! A flow as one piece of Burn's autodiff graph.
//!
//! Summary network, flow and whatever follows train by one `backward`. Nothing of the flow's inside enters the graph:
//! its part of the chain rule is the hand-written gradient, which starts from the output.

use burn::backend::DispatchTensor;
use burn::module::{ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::flow::{
    Condition, Direction, Field, FlowError, GradientSlot, Invertible, ParameterGradients, PerSample, Plan, Pull, State,
    Tapes,
};
use crate::kernels::{join, on_workers};

/// (z, log|det ∂z/∂x|) of x, as [`Invertible::forward`], differentiable in x, in every field of `c` and in the parameters
/// of `network`: in whatever of them autodiff tracks (`network.train()` tracks its parameters).
///
/// The graph keeps z, and what `plan` has memory for.
///
/// # Errors
/// Shapes that the network cannot take.
pub fn differentiable_forward<M: Invertible>(
    network: &M,
    x: Field,
    c: &Condition,
    plan: Plan,
) -> Result<(Field, PerSample), FlowError> {
    differentiable(network, x, c, plan, Direction::Forward)
}

/// (x, log|det ∂x/∂z|) of z, as [`Invertible::inverse`]; otherwise as [`differentiable_forward`].
///
/// # Errors
/// Shapes that the network cannot take.
pub fn differentiable_inverse<M: Invertible>(
    network: &M,
    z: Field,
    c: &Condition,
    plan: Plan,
) -> Result<(Field, PerSample), FlowError> {
    differentiable(network, z, c, plan, Direction::Inverse)
}

fn differentiable<M: Invertible>(
    network: &M,
    input: Field,
    c: &Condition,
    plan: Plan,
    to: Direction,
) -> Result<(Field, PerSample), FlowError> {
    let shapes: Vec<[usize; 5]> = c.iter().map(|c| c.dims()).collect();
    network.output_shape(to, input.dims(), &shapes)?;
    let mut leaves = Leaves::default();
    network.visit(&mut leaves);
    let fields = std::iter::once(&input).chain(c).map(|field| field.clone().into_dispatch());
    let inputs: Vec<DispatchTensor> = fields.chain(leaves.tensors).collect();

    let wanted: Vec<bool> = c.iter().map(Tensor::is_autodiff).collect();
    let c: Vec<Field> = c.iter().map(|c| c.clone().inner()).collect();
    let network = network.valid();
    let mut tapes = Tapes::new(plan);
    let (output, log_det) = on_workers(input.inner(), |input| network.transform(to, input, &c, &mut tapes));

    let place = (output.device(), output.dtype());
    let outputs = vec![output.clone().into_dispatch(), log_det.into_dispatch()];
    let pull = move |gradients: Vec<Option<DispatchTensor>>| {
        let [doutput, dlog_det] = <[_; 2]>::try_from(gradients).unwrap_or_default();
        let doutput = doutput.map_or_else(|| output.zeros_like(), Field::from_dispatch);
        let dlog_det = match dlog_det {
            Some(dlog_det) => PerSample::from_dispatch(dlog_det),
            None => Tensor::zeros([output.dims()[0]], (&output.device(), output.dtype())),
        };
        let slot = |&wanted: &bool| if wanted { GradientSlot::Empty } else { GradientSlot::Unwanted };
        let mut dc: Vec<GradientSlot> = wanted.iter().map(slot).collect();
        let mut dtheta = ParameterGradients::new();
        let State { gradient: dinput, .. } = on_workers(output, |value| {
            let mut pull = Pull {
                condition: &c,
                dcondition: &mut dc,
                dparameters: &mut dtheta,
                dlog_det: &dlog_det,
                tapes: &mut tapes,
            };
            network.pull(to, State { value, gradient: doutput }, &mut pull)
        });
        let dc = dc.into_iter().map(|slot| slot.into_sum().map(Tensor::into_dispatch));
        let dtheta = leaves.shaped.iter().map(|(id, shaped)| dtheta.get(id).map(|flat| shaped(flat.clone())));
        std::iter::once(Some(dinput.into_dispatch())).chain(dc).chain(dtheta).collect()
    };
    let joined = join(inputs, outputs, pull, (&place.0, place.1));
    let [output, log_det] = <[DispatchTensor; 2]>::try_from(joined)
        .unwrap_or_else(|_| unreachable!("as many tensors are joined as were handed over"));
    Ok((Tensor::from_dispatch(output), Tensor::from_dispatch(log_det)))
}

/// The parameters of a module in visit order.
#[derive(Default)]
struct Leaves {
    tensors: Vec<DispatchTensor>,
    /// How each takes its gradient, which is collected flat.
    shaped: Vec<(ParamId, Shaped)>,
}

type Shaped = Box<dyn Fn(Tensor<1>) -> DispatchTensor + Send>;

impl ModuleVisitor for Leaves {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let shape = value.dims();
        self.shaped.push((param.id, Box::new(move |flat| flat.reshape(shape).into_dispatch())));
        self.tensors.push(value.into_dispatch());
    }
}
