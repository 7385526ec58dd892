use burn::tensor::{Tensor, TensorData};
use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};

use crate::flow::Field;
use crate::kernels::shift_then_scale;

/// By how much of the scale two of the same data may differ: on another machine sums are rounded otherwise.
const ROUNDING: f64 = 1e-4;

/// u = (x − shift) / scale for each channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// In the unit of x, one a channel.
    pub shift: Vec<f64>,
    /// In the unit of x, positive, one a channel.
    pub scale: Vec<f64>,
}

impl Affine {
    /// u = x.
    pub fn identity(channels: usize) -> Self {
        Self { shift: vec![0.0; channels], scale: vec![1.0; channels] }
    }

    /// Mean zero and variance one for each channel of `x`: `[sample, channel, axes…]`. A channel that does not vary
    /// keeps its scale.
    pub fn standardising<T: Copy + Into<f64>>(x: &ArrayD<T>) -> Self {
        let mut found = Self { shift: Vec::new(), scale: Vec::new() };
        for channel in x.axis_iter(Axis(1)) {
            let count = channel.len().max(1) as f64;
            let mean = channel.iter().map(|&v| v.into()).sum::<f64>() / count;
            let variance = channel.iter().map(|&v| (v.into() - mean).powi(2)).sum::<f64>() / count;
            let varies = variance.sqrt() > 1e-6 * mean.abs() && variance > 0.0;
            found.shift.push(mean);
            found.scale.push(if varies { variance.sqrt() } else { 1.0 });
        }
        found
    }

    /// Whether it is `other` but for what rounding may do.
    fn agrees_with(&self, other: &Self) -> bool {
        let near = |a: &f64, b: &f64, scale: &f64| (a - b).abs() <= ROUNDING * scale;
        let channels = || self.shift.iter().zip(&other.shift).zip(self.scale.iter().zip(&other.scale));
        self.shift.len() == other.shift.len()
            && channels().all(|((a, b), (scale, other))| near(a, b, scale) && near(scale, other, scale))
    }

    /// u of x, `[batch, channel, …]`.
    pub fn apply(&self, x: Field) -> Field {
        let shift = self.shift.iter().map(|s| -s);
        let factor = self.scale.iter().map(|s| 1.0 / s);
        let (shift, factor) = (channels(shift, &x), channels(factor, &x));
        shift_then_scale(x, shift, factor)
    }
}

/// Everything that a model takes from the values of its first pairs, but for its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// From x to what the flow sees of it.
    pub unknown: Affine,
    /// From the images made of y to what the summary network sees of them.
    pub condition: Affine,
    /// From y to what the reducer sees of it.
    pub traces: Affine,
}

impl Fitted {
    /// Whether both were taken from the same pairs, as far as they tell: equal but for rounding.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let all = [(&self.unknown, &other.unknown), (&self.condition, &other.condition), (&self.traces, &other.traces)];
        all.into_iter().all(|(own, other)| own.agrees_with(other))
    }
}

fn channels(values: impl Iterator<Item = f64>, like: &Field) -> Tensor<1> {
    let values: Vec<f64> = values.collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]).convert_dtype(like.dtype()), (&like.device(), like.dtype()))
}
