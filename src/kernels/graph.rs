//! The operations as nodes of Burn's autodiff graph, on the flex device.
//!
//! Burn would differentiate the portable versions step by step. Here the gradient of an operation is made of
//! operations of this room again, so that networks written as Burn modules run on the fast kernels too, forward and
//! backward. Every function returns `None` where autodiff tracks none of its tensors, or one of them is elsewhere.

mod node;
mod several;

use burn::backend::DispatchTensor;
use burn::tensor::Tensor;

use super::{Field, Padding, seam};
use node::Parents;
pub use several::join;

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
        move |dy, wanted: &[bool]| {
            let dy = field(dy);
            let dx = wanted[0].then(|| seam::convolve_input_adjoint(extent, weight.clone(), dy.clone(), padding));
            let dw = wanted[1].then(|| seam::convolve_weight_adjoint(x.clone(), dy.clone(), kernel, padding));
            let db = wanted.get(2).is_some_and(|&wanted| wanted).then(|| seam::channel_sums(dy));
            vec![dx.map(Tensor::into_dispatch), dw.map(Tensor::into_dispatch), db.map(Tensor::into_dispatch)]
        }
    };
    let [x, weight] = [x, weight].map(|x| x.clone().into_dispatch());
    match bias {
        None => Some(field(Parents::on_flex([x, weight])?.node(apply().into_dispatch(), pull))),
        Some(bias) => {
            let parents = Parents::on_flex([x, weight, bias.clone().into_dispatch()])?;
            Some(field(parents.node(apply().into_dispatch(), pull)))
        }
    }
}

/// The map `apply` of one field; `pull` gives ∂L/∂x from x and ∂L/∂y.
pub fn map(
    x: &Field,
    apply: impl FnOnce(Field) -> Field,
    pull: impl Fn(Field, Field) -> Field + Send + Sync + 'static,
) -> Option<Field> {
    let parents = Parents::on_flex([x.clone().into_dispatch()])?;
    let x = x.clone().inner();
    let y = apply(x.clone()).into_dispatch();
    Some(field(parents.node(y, move |dy, _| vec![Some(pull(x.clone(), field(dy)).into_dispatch())])))
}

/// A linear `map` of one field and its adjoint; x is not kept.
pub fn linear(
    x: &Field,
    apply: impl FnOnce(Field) -> Field,
    adjoint: impl Fn(Field) -> Field + Send + Sync + 'static,
) -> Option<Field> {
    let parents = Parents::on_flex([x.clone().into_dispatch()])?;
    let y = apply(x.clone().inner()).into_dispatch();
    Some(field(parents.node(y, move |dy, _| vec![Some(adjoint(field(dy)).into_dispatch())])))
}

fn field(tensor: DispatchTensor) -> Field {
    Tensor::from_dispatch(tensor)
}

#[cfg(test)]
mod tests;
