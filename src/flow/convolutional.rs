use burn::module::Module;
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::flow::convolution::{Convolution, RECTIFIED};
use crate::flow::{
    Activation, Border, Conditioner, ConditionerShape, ConvolutionStack, Edge, Field, FlowError, ParameterGradients,
    Tile,
};

/// Settings of a [`ConvolutionalConditioner`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ConvolutionalConfig {
    /// Channels between the convolutions.
    pub hidden: usize,
    /// Odd kernel sizes, one a convolution; their number is the depth.
    pub kernels: Vec<usize>,
    /// Between two convolutions.
    pub activation: Activation,
    /// Beyond the border of the image.
    pub border: Border,
}

impl Default for ConvolutionalConfig {
    fn default() -> Self {
        Self { hidden: 64, kernels: vec![3, 1, 3], activation: Activation::default(), border: Border::default() }
    }
}

/// Beyond these, a slip of the keyboard asks for more memory than there is.
const MOST_HIDDEN: usize = 8192;
const WIDEST: usize = 99;

impl ConvolutionalConfig {
    /// Every reason why no conditioner can be built from these settings.
    pub fn validate(&self) -> Result<(), FlowError> {
        let wrong = |key, value: String, remedy| Err(FlowError::Setting { key, value, remedy });
        if self.hidden == 0 || self.hidden > MOST_HIDDEN {
            return wrong("hidden", self.hidden.to_string(), "give 1 to 8192 hidden channels, such as 64");
        }
        if self.kernels.is_empty() || self.kernels.iter().any(|&k| k % 2 == 0 || k > WIDEST) {
            return wrong(
                "kernels",
                format!("{:?}", self.kernels),
                "give one or more odd kernel sizes up to 99, such as [3, 1, 3]",
            );
        }
        Ok(())
    }

    /// A conditioner whose last convolution is zero, so that a coupling starts as the identity.
    pub fn init(&self, shape: ConditionerShape, rng: &mut ChaCha8Rng, device: &Device) -> ConvolutionalConditioner {
        let last = self.kernels.len() - 1;
        let layers = self.layers(shape).enumerate().map(|(i, (inputs, outputs, kernel))| {
            let gain = if i == last { 0.0 } else { RECTIFIED };
            Convolution::new(inputs, outputs, kernel, gain, rng, device)
        });
        ConvolutionalConditioner { layers: layers.collect(), activation: self.activation, border: self.border }
    }

    /// Channels in, channels out and kernel of each convolution.
    fn layers(&self, shape: ConditionerShape) -> impl Iterator<Item = (usize, usize, [usize; 3])> {
        let count = self.kernels.len();
        self.kernels.iter().enumerate().map(move |(i, &size)| {
            let inputs = if i == 0 { shape.inputs } else { self.hidden };
            let outputs = if i + 1 == count { shape.outputs } else { self.hidden };
            (inputs, outputs, shape.axes.map(|spatial| if spatial { size } else { 1 }))
        })
    }

    /// Multiply-adds for each pixel of its output.
    pub fn multiply_adds(&self, shape: ConditionerShape) -> u64 {
        let of_layer =
            |(inputs, outputs, kernel): (usize, usize, [usize; 3])| inputs * outputs * kernel.iter().product::<usize>();
        self.layers(shape).map(of_layer).sum::<usize>() as u64
    }
}

/// Convolutions with a pointwise nonlinearity between them, by default 3×3 – 1×1 – 3×3, and their gradient by hand.
///
///   h₀ = x,   u_i = W_i ∗ h_{i−1} + b_i,   h_i = φ(u_i),   y = u_m.
///
/// Backwards, from ū_m = ȳ: W̄_i and b̄_i are the adjoints of the convolution in its weight and bias, h̄_{i−1} the
/// adjoint in its input, ū_{i−1} = φ'(u_{i−1}) h̄_{i−1}. The tape holds x and the u_i; φ is evaluated again.
#[derive(Module, Debug)]
pub struct ConvolutionalConditioner {
    layers: Vec<Convolution>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    border: Border,
}

/// The input, the values before each nonlinearity, and where the border was.
pub struct ConvolutionalTape {
    x: Field,
    before: Vec<Field>,
    edges: [[Edge; 2]; 3],
}

impl Conditioner for ConvolutionalConditioner {
    type Tape = ConvolutionalTape;

    fn reach(&self) -> Option<[usize; 3]> {
        Some(self.layers.iter().fold([0; 3], |sum, layer| {
            let reach = layer.reach();
            core::array::from_fn(|axis| sum[axis] + reach[axis])
        }))
    }

    fn border(&self) -> Border {
        self.border
    }

    fn tape_bytes(&self) -> Option<usize> {
        let first = self.layers.first()?.weight.val();
        let outputs: usize = self.layers.iter().map(|layer| layer.bias.val().dims()[0]).sum();
        Some((first.dims()[1] + outputs) * first.dtype().size())
    }

    fn stack(&self) -> Option<ConvolutionStack> {
        let layers = self.layers.iter().map(|layer| (layer.weight.clone(), layer.bias.clone())).collect();
        Some(ConvolutionStack { layers, activation: self.activation, border: self.border })
    }

    fn apply(&self, tile: Tile) -> Field {
        let Tile { field, edges } = tile;
        self.layers.iter().enumerate().fold(field, |h, (i, layer)| {
            let h = if i == 0 { h } else { self.activation.apply(h) };
            layer.apply(h, &edges, self.border)
        })
    }

    fn apply_taped(&self, tile: Tile) -> (Field, ConvolutionalTape) {
        let Tile { field: x, edges } = tile;
        let mut before: Vec<Field> = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            let h = match i.checked_sub(1) {
                None => x.clone(),
                Some(last) => self.activation.apply(before[last].clone()),
            };
            before.push(layer.apply(h, &edges, self.border));
        }
        let y = before.pop().unwrap_or_else(|| x.clone());
        (y, ConvolutionalTape { x, before, edges })
    }

    fn pull(&self, tape: ConvolutionalTape, dy: Field, channels: usize, dtheta: &mut ParameterGradients) -> Field {
        let ConvolutionalTape { x, mut before, edges } = tape;
        let mut dh = dy;
        for layer in self.layers.iter().skip(1).rev() {
            if let Some(u) = before.pop() {
                let h = self.activation.apply(u.clone());
                let all = h.dims()[1];
                let dinput = layer.pull(h, dh, all, &edges, self.border, dtheta);
                dh = self.activation.pull(u, dinput);
            }
        }
        match self.layers.first() {
            Some(layer) => layer.pull(x, dh, channels, &edges, self.border, dtheta),
            None => dh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{cast, map_parameters, parameters, standard_normal};
    use crate::random::{Purpose, stream};
    use burn::tensor::{DType, Tensor};

    const SHAPE: ConditionerShape = ConditionerShape { inputs: 3, outputs: 4, axes: [false, true, true] };

    fn random(shape: [usize; 5], index: u64) -> Field {
        standard_normal(shape, &mut stream(7, Purpose::Diagnostic, index), DType::F64, &Device::flex())
    }

    fn conditioner(activation: Activation, border: Border) -> ConvolutionalConditioner {
        let config = ConvolutionalConfig { hidden: 5, kernels: vec![3, 1, 5], activation, border };
        let network = config.init(SHAPE, &mut stream(7, Purpose::Weights, 0), &Device::flex());
        let mut index = 0;
        map_parameters(cast(network, DType::F64), &mut |_, value| {
            index += 1;
            random([1, 1, 1, 1, value.dims()[0]], 100 + index).reshape([-1]) * 0.3
        })
    }

    fn norm(x: Tensor<1>) -> f64 {
        x.square().sum().sqrt().into_scalar::<f64>()
    }

    fn assert_close(what: &str, found: Field, expected: Field) {
        let scale = norm(expected.clone().reshape([-1]));
        let error = norm((found - expected).reshape([-1])) / scale;
        assert!(error < 1e-12 && scale > 0.0, "{what}: {error:e}");
    }

    #[test]
    fn the_gradient_by_hand_is_that_of_autodiff() {
        for activation in [Activation::Relu, Activation::LeakyRelu, Activation::Silu] {
            for border in [Border::Zeros, Border::Periodic] {
                let network = conditioner(activation, border);
                let (x, dy) = (random([2, 3, 1, 4, 3], 1), random([2, 4, 1, 4, 3], 2));
                let mut dtheta = ParameterGradients::new();
                let (y, tape) = network.apply_taped(Tile::whole(x.clone()));
                assert_close("taped", y, network.apply(Tile::whole(x.clone())));
                let dx = network.pull(tape, dy.clone(), 3, &mut dtheta);

                let tracked = network.clone().train();
                let input = x.autodiff().require_grad();
                let loss = (tracked.apply(Tile::whole(input.clone())) * dy.autodiff()).sum();
                let gradients = loss.backward();
                assert_close("dx", dx, input.grad(&gradients).expect("a gradient"));
                for (layer, plain) in tracked.layers.iter().zip(&network.layers) {
                    let weight = dtheta.get(&plain.weight.id).expect("a gradient").clone();
                    let expected = layer.weight.val().grad(&gradients).expect("a gradient");
                    assert_close("weight", weight.reshape(expected.dims()), expected);
                    let bias = dtheta.get(&plain.bias.id).expect("a gradient").clone();
                    let expected = layer.bias.val().grad(&gradients).expect("a gradient");
                    assert_close("bias", bias.reshape([1, 1, 1, 1, -1]), expected.reshape([1, 1, 1, 1, -1]));
                }
                assert_eq!(parameters(&network).len(), 6);
            }
        }
    }

    /// A tile that holds as much of its surroundings as the conditioner reaches gives what the whole image gives there.
    #[test]
    fn a_tile_with_its_halo_is_a_cut_of_the_whole() {
        let network = conditioner(Activation::Relu, Border::Zeros);
        let [_, reach, _] = network.reach().expect("convolutions have a reach");
        assert_eq!(reach, 3);
        let x = random([1, 3, 1, 14, 6], 3);
        let whole = network.apply(Tile::whole(x.clone()));
        for (first, rows) in [(0, 5), (5, 4), (9, 5)] {
            let (before, after) = (first.min(reach), (14 - first - rows).min(reach));
            let edge = |room: usize| {
                if room < reach { Edge::Border } else { Edge::Interior }
            };
            let mut edges = [[Edge::Border; 2]; 3];
            edges[1] = [edge(before), edge(after)];
            let field = x.clone().narrow(3, first - before, before + rows + after);
            let tile = network.apply(Tile { field, edges });
            assert_close("tile", tile, whole.clone().narrow(3, first, rows));
        }
    }
}
