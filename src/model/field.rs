//! Between arrays of files, `[sample, channel, axes…]`, and fields of the flow, `[batch, channel, d, h, w]`.

use burn::tensor::{DType, Device, Tensor, TensorData};
use ndarray::{ArrayD, IxDyn};

use crate::flow::Field;
use crate::model::ModelError;

/// The shape of one sample (channel, axes…) as (channel, depth, height, width): missing axes in front have extent 1.
pub fn four(shape: &[usize]) -> Result<[usize; 4], ModelError> {
    match *shape {
        [c] => Ok([c, 1, 1, 1]),
        [c, w] => Ok([c, 1, 1, w]),
        [c, h, w] => Ok([c, 1, h, w]),
        [c, d, h, w] => Ok([c, d, h, w]),
        _ => Err(ModelError::Rank { axes: shape.len().saturating_sub(1) }),
    }
}

/// A batch on the device. Its samples must have the shape `expected`.
pub fn to_field(what: &'static str, x: &ArrayD<f32>, expected: &[usize], device: &Device) -> Result<Field, ModelError> {
    let (batch, found) = match x.shape() {
        [batch, rest @ ..] if rest == expected => (*batch, rest),
        [_, rest @ ..] => {
            return Err(ModelError::Shape { what, expected: expected.into(), found: rest.into() });
        }
        [] => {
            return Err(ModelError::Shape { what, expected: expected.into(), found: vec![] });
        }
    };
    let [c, d, h, w] = four(found)?;
    let values: Vec<f32> = x.iter().copied().collect();
    Ok(Tensor::from_data(TensorData::new(values, [batch, c, d, h, w]), (device, DType::F32)))
}

/// Back on the host, with samples of the given shape.
pub fn from_field(x: Field, shape: &[usize]) -> Result<ArrayD<f32>, ModelError> {
    let mut full = vec![x.dims()[0]];
    full.extend(shape);
    let values = host(x)?;
    ArrayD::from_shape_vec(IxDyn(&full), values).map_err(|e| ModelError::Device(e.to_string()))
}

/// The numbers of a tensor.
pub fn host<const D: usize>(x: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    x.cast(DType::F32).into_data().try_to_vec().map_err(|e| ModelError::Device(format!("{e:?}")))
}
