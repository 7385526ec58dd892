use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::flow::base::tensor;
use crate::flow::convolution::Convolution;
use crate::flow::{Activation, Border, Field};
use crate::summary::config::SummaryError;

/// Settings of a [`Reducer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ReducerConfig {
    /// Images that are made of an observation.
    pub features: usize,
    /// Odd size of the convolutions along the axes of the observation.
    pub kernel: usize,
    /// Between the convolutions.
    pub activation: Activation,
}

impl Default for ReducerConfig {
    fn default() -> Self {
        Self { features: 8, kernel: 5, activation: Activation::Silu }
    }
}

/// Beyond these, a slip of the keyboard asks for more memory than there is.
const MOST_FEATURES: usize = 1024;
const WIDEST: usize = 99;

impl ReducerConfig {
    /// The reducer from observations to images, both `[channel, depth, height, width]`, with random weights.
    ///
    /// # Errors
    /// Settings that make no network.
    pub fn init(
        &self,
        observation: [usize; 4],
        image: [usize; 4],
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Reducer, SummaryError> {
        let wrong = |key, value: usize, remedy| {
            Err(SummaryError::Setting { table: "reducer", key, value: value.to_string(), remedy })
        };
        if !(1..=MOST_FEATURES).contains(&self.features) {
            return wrong("features", self.features, "give 1 to 1024");
        }
        if self.kernel.is_multiple_of(2) || self.kernel > WIDEST {
            return wrong("kernel", self.kernel, "give an odd size up to 99, such as 5");
        }
        let [channels, from @ ..] = observation;
        let [_, to @ ..] = image;
        let kernel = from.map(|size| if size > 1 { self.kernel } else { 1 });
        let convolution =
            |inputs, rng: &mut ChaCha8Rng| Convolution::new(inputs, self.features, kernel, 1.0, rng, device);
        let filters = vec![convolution(channels, rng), convolution(self.features, rng)];
        let mut matrix = |axis: usize| {
            let values = interpolation(self.features, to[axis], from[axis], rng);
            Param::from_tensor(tensor(values, [self.features, to[axis], from[axis]], DType::F32, device))
        };
        let matrices = [matrix(0), matrix(1), matrix(2)].to_vec();
        Ok(Reducer { filters, matrices, activation: self.activation })
    }
}

/// Relative size of what is random in the matrices of a reducer.
const RANDOM: f64 = 0.3;

/// Matrices that stretch one axis to another linearly, each with a random part of its own.
fn interpolation(features: usize, to: usize, from: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let step = from as f64 / to as f64;
    // A hat as wide as the coarser of the two spacings, centred where an output pixel lies among the inputs.
    let width = step.max(1.0);
    let hat = |i: usize, j: usize| {
        let centre = (i as f64 + 0.5) * step - 0.5;
        (1.0 - (j as f64 - centre).abs() / width).max(0.0)
    };
    let mut values = Vec::with_capacity(features * to * from);
    for _ in 0..features {
        for i in 0..to {
            let row: Vec<f64> = (0..from).map(|j| hat(i, j)).collect();
            let sum = row.iter().sum::<f64>().max(1e-6);
            let deviation = RANDOM / (from as f64).sqrt();
            values.extend(row.iter().map(|v| {
                let random: f64 = StandardNormal.sample(rng);
                v / sum + deviation * random
            }));
        }
    }
    values
}

/// Brings observations of any extents, such as traces (time × receiver), to the extents of x.
///
/// Convolutions filter along the axes of the observation; then one matrix an axis and feature f takes each axis of the
/// observation to that of the image:
///
///   h = W₂ ∗ φ(W₁ ∗ y),   r\[f, i, j, k\] = Σ_{a,b,c} D_f\[i, a\] H_f\[j, b\] V_f\[k, c\] h\[f, a, b, c\].
///
/// The matrices start as linear interpolation, axis by axis in order: depth from depth, height from height, width from
/// width, so that an observation whose axes lie as those of the image do (time as depth below a line of receivers) starts
/// near its image. An axis that the observation lacks is spread by a learned profile.
#[derive(Module, Debug)]
pub struct Reducer {
    filters: Vec<Convolution>,
    /// Of depth, height and width: `[feature, image, observation]`.
    matrices: Vec<Param<Tensor<3>>>,
    #[module(skip)]
    activation: Activation,
}

impl Reducer {
    /// `[batch, feature, d, h, w]` with the extents of x, of a batch of observations.
    pub fn forward(&self, y: Field) -> Field {
        let filtered = self.filters.iter().enumerate().fold(y, |h, (index, filter)| {
            let h = if index == 0 { h } else { self.activation.apply(h) };
            filter.whole(h, Border::Zeros)
        });
        // Each in turn is the second axis from the end, which a product with a matrix from the left takes.
        self.matrices.iter().enumerate().fold(filtered, |h, (axis, matrix)| {
            let matrix = matrix.val();
            let [features, to, from] = matrix.dims();
            if to == 1 && from == 1 {
                let factor = matrix.reshape([1, features, 1, 1, 1]);
                return h * factor;
            }
            let matrix = matrix.reshape([1, features, 1, to, from]);
            match axis {
                0 => matrix.matmul(h.swap_dims(2, 3)).swap_dims(2, 3),
                1 => matrix.matmul(h),
                _ => matrix.matmul(h.swap_dims(3, 4)).swap_dims(3, 4),
            }
        })
    }

    /// Images that it makes.
    pub fn features(&self) -> usize {
        self.filters.last().map_or(0, Convolution::outputs)
    }
}
