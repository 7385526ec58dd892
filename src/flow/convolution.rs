use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::flow::base::tensor;
use crate::flow::{Border, Edge, Field, ParameterGradients};
use crate::kernels::{Pad, Padding, channel_sums, convolve, convolve_input_adjoint, convolve_weight_adjoint};

/// The gain that keeps the variance through rectifiers (He et al. 2015).
pub const RECTIFIED: f64 = std::f64::consts::SQRT_2;

/// One convolution with "same" padding and a bias.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[out, in, kd, kh, kw]`.
    pub(super) weight: Param<Tensor<5>>,
    /// `[out]`.
    pub(super) bias: Param<Tensor<1>>,
}

impl Convolution {
    /// Weights with standard deviation `gain` over √(fan in), and no bias.
    pub fn new(
        inputs: usize,
        outputs: usize,
        kernel: [usize; 3],
        gain: f64,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let [kd, kh, kw] = kernel;
        let fan_in = inputs * kd * kh * kw;
        let deviation = gain / (fan_in as f64).sqrt();
        let normal = |rng: &mut ChaCha8Rng| -> f64 { StandardNormal.sample(rng) };
        let values = (0..outputs * fan_in).map(|_| deviation * normal(rng)).collect();
        Self {
            weight: Param::from_tensor(tensor(values, [outputs, inputs, kd, kh, kw], DType::F32, device)),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    /// Channels it gives.
    pub fn outputs(&self) -> usize {
        self.bias.val().dims()[0]
    }

    /// Pixels seen around an output pixel on each axis.
    pub fn reach(&self) -> [usize; 3] {
        let [_, _, kd, kh, kw] = self.weight.val().dims();
        [kd / 2, kh / 2, kw / 2]
    }

    /// How the image goes on where the tile ends with it; elsewhere the result shrinks.
    fn padding(&self, edges: &[[Edge; 2]; 3], border: Border) -> Padding {
        let reach = self.reach();
        core::array::from_fn(|axis| match (border, edges[axis]) {
            (Border::Periodic, [Edge::Border, Edge::Border]) => Pad::Periodic(reach[axis]),
            (Border::Periodic, _) => Pad::NONE,
            (Border::Zeros, sides) => Pad::Zeros(sides.map(|side| if side == Edge::Border { reach[axis] } else { 0 })),
        })
    }

    /// The convolution of a tile with these edges.
    pub fn apply(&self, x: Field, edges: &[[Edge; 2]; 3], border: Border) -> Field {
        convolve(x, self.weight.val(), Some(self.bias.val()), self.padding(edges, border))
    }

    /// The convolution of a whole image.
    pub fn whole(&self, x: Field, border: Border) -> Field {
        self.apply(x, &[[Edge::Border; 2]; 3], border)
    }

    /// Adds the gradients of weight and bias; ∂L/∂x of the first `channels` channels.
    pub fn pull(
        &self,
        x: Field,
        dy: Field,
        channels: usize,
        edges: &[[Edge; 2]; 3],
        border: Border,
        dtheta: &mut ParameterGradients,
    ) -> Field {
        let padding = self.padding(edges, border);
        let weight = self.weight.val();
        let [_, _, kd, kh, kw] = weight.dims();
        let [_, _, d, h, w] = x.dims();
        dtheta.add(&self.weight, convolve_weight_adjoint(x, dy.clone(), [kd, kh, kw], padding));
        dtheta.add(&self.bias, channel_sums(dy.clone()));
        let weight = if channels == weight.dims()[1] { weight } else { weight.narrow(1, 0, channels) };
        convolve_input_adjoint([d, h, w], weight, dy, padding)
    }
}
