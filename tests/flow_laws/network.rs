//! A conditioner as a user of Burn would write it: convolution, group norm, self-attention over pixels.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::{Device, Tensor};
use posteria::flow::{ConditionerShape, Field, Network};

#[derive(Module, Debug)]
pub struct Attentive {
    read: Conv2d,
    norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    write: Conv2d,
}

impl Attentive {
    pub fn new(shape: ConditionerShape, device: &Device) -> Self {
        let hidden = 4;
        let linear = || LinearConfig::new(hidden, hidden).init(device);
        let conv = |inputs, outputs| {
            Conv2dConfig::new([inputs, outputs], [3, 3]).with_padding(PaddingConfig2d::Same).init(device)
        };
        Self {
            read: conv(shape.inputs, hidden),
            norm: GroupNormConfig::new(2, hidden).init(device),
            query: linear(),
            key: linear(),
            value: linear(),
            write: conv(hidden, shape.outputs),
        }
    }
}

impl Network for Attentive {
    fn forward(&self, x: Field) -> Field {
        let [batch, channels, _, height, width] = x.dims();
        let h = self.norm.forward(self.read.forward(x.reshape([batch, channels, height, width])));
        let hidden = h.dims()[1];
        let tokens: Tensor<3> = silu(h).reshape([batch, hidden, height * width]).swap_dims(1, 2);
        let (query, key) = (self.query.forward(tokens.clone()), self.key.forward(tokens.clone()));
        let attention = softmax(query.matmul(key.swap_dims(1, 2)), 2);
        let mixed = tokens.clone() + attention.matmul(self.value.forward(tokens));
        let y = self.write.forward(mixed.swap_dims(1, 2).reshape([batch, hidden, height, width]));
        let outputs = y.dims()[1];
        y.reshape([batch, outputs, 1, height, width])
    }
}
