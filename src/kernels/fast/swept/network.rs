//! The network of a coupling as matrix products over the pixels of a chunk.
//!
//! Every buffer of a chunk is planar: one row a channel (or channel and tap), one column a pixel, `pitch` floats from
//! row to row. Then each convolution is one product:
//!
//! - the first one gathers its few inputs as columns, one row for each tap: u = W · columns;
//! - those in the middle have one tap: u = W h;
//! - the last one gives every output's share of every tap, Wᵀ-like, and the shares are added at their places.
//!
//! The adjoints exchange the two: the last gathers, the first scatters. A weight's gradient is a product over pixels
//! of two planar buffers, one of which is transposed, so that vectors run along its channels and no sum has to be
//! taken across a vector.

use std::borrow::Cow;

use crate::kernels::Activation;
use crate::kernels::fast::activation::{Pass, Pointwise, Silu, SiluPull};
use crate::kernels::fast::instruction_set::{InstructionSet, Kernel, Simd};
use crate::kernels::fast::math::sum;
use crate::kernels::fast::product::{Finish, Rows, SLACK, Start, Steps};
use crate::kernels::fast::transpose::Transpose;
use crate::kernels::network::LEAK;

use super::columns::View;
use super::grow;

/// One convolution: its values and the products it takes part in.
pub struct Layer<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub inputs: usize,
    pub outputs: usize,
    pub view: View,
    /// Of its kernel.
    pub taps: usize,
}

/// A weight as the rows of a product, and the offsets of the product into these and into a planar buffer.
pub struct Product<'a> {
    weight: Cow<'a, [f32]>,
    rows: Vec<usize>,
    steps: Steps,
}

impl<'a> Product<'a> {
    /// A product with so many rows and steps, whose rows follow each other.
    fn new(weight: Cow<'a, [f32]>, rows: usize, steps: usize, pitch: usize) -> Self {
        let rows = (0..rows).map(|row| row * steps).collect();
        Self { weight, rows, steps: Steps::even(steps, pitch) }
    }
}

impl<'a> Layer<'a> {
    /// Outputs from inputs gathered as columns.
    fn gathered(&self, pitch: usize) -> Product<'a> {
        Product::new(Cow::Borrowed(self.weight), self.outputs, self.inputs * self.taps, pitch)
    }

    /// Shares of outputs and taps from inputs.
    fn scattered(&self, pitch: usize) -> Product<'a> {
        let [outputs, inputs, taps] = self.axes();
        let weight = arranged(self.weight, [outputs, taps, inputs]);
        Product::new(Cow::Owned(weight), self.outputs * self.taps, self.inputs, pitch)
    }

    /// Gradients of inputs from gradients of outputs gathered as columns.
    fn pulled_gathered(&self, pitch: usize) -> Product<'a> {
        let [outputs, inputs, taps] = self.axes();
        let weight = arranged(self.weight, [inputs, outputs, taps]);
        Product::new(Cow::Owned(weight), self.inputs, self.outputs * self.taps, pitch)
    }

    /// Shares of the gradients of the first inputs and taps from gradients of outputs.
    fn pulled_scattered(&self, pitch: usize, pulled: usize) -> Product<'a> {
        let [outputs, (_, input), taps] = self.axes();
        let weight = arranged(self.weight, [(pulled, input), taps, outputs]);
        Product::new(Cow::Owned(weight), pulled * self.taps, self.outputs, pitch)
    }

    /// Counts and strides of outputs, inputs and taps of the weight.
    fn axes(&self) -> [(usize, usize); 3] {
        let taps = self.taps;
        [(self.outputs, self.inputs * taps), (self.inputs, taps), (taps, 1)]
    }
}

/// Numbers in another order: with these counts and strides, the last axis fastest.
fn arranged(weight: &[f32], [outer, middle, inner]: [(usize, usize); 3]) -> Vec<f32> {
    let mut arranged = Vec::with_capacity(outer.0 * middle.0 * inner.0);
    for (i, j) in (0..outer.0).flat_map(|i| (0..middle.0).map(move |j| (i, j))) {
        let start = i * outer.1 + j * middle.1;
        arranged.extend((0..inner.0).map(|k| weight[start + k * inner.1]));
    }
    arranged
}

/// The gradients of all weights and biases.
#[derive(Default)]
pub struct Gradients {
    /// Of the first layer `[(input, tap)][output]`, of the others `[(output, tap)][input]`.
    pub weights: Vec<Vec<f32>>,
    pub biases: Vec<Vec<f32>>,
}

impl Gradients {
    /// Zeros for these layers, in the memory that the vectors have.
    pub fn cleared(mut self, layers: &[Layer]) -> Self {
        self.weights.resize(layers.len(), Vec::new());
        self.biases.resize(layers.len(), Vec::new());
        for ((weight, bias), layer) in self.weights.iter_mut().zip(&mut self.biases).zip(layers) {
            for (vector, length) in [(weight, layer.weight.len()), (bias, layer.outputs)] {
                vector.clear();
                vector.resize(length, 0.0);
            }
        }
        self
    }

    /// On one thread: it is called under a lock, where a worker must not take other work.
    pub fn add(&mut self, other: &Self) {
        let (weights, biases) = (self.weights.iter_mut(), self.biases.iter_mut());
        for (sum, part) in weights.zip(&other.weights).chain(biases.zip(&other.biases)) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }

    /// Takes the gradients of a layer: that of its weight as `[output][input][tap]`, and that of its bias. What had to be put
    /// in another order leaves its memory here.
    pub fn take(&mut self, l: usize, layer: &Layer) -> (Vec<f32>, Vec<f32>) {
        let (outputs, inputs, taps) = (layer.outputs, layer.inputs, layer.taps);
        let weight = match (l, taps) {
            (0, _) => arranged(&self.weights[0], [(outputs, 1), (inputs, taps * outputs), (taps, outputs)]),
            (_, 1) => taken(&mut self.weights[l]),
            _ => arranged(&self.weights[l], [(outputs, taps * inputs), (inputs, 1), (taps, inputs)]),
        };
        (weight, taken(&mut self.biases[l]))
    }
}

/// What a vector holds, without the room for more.
fn taken(vector: &mut Vec<f32>) -> Vec<f32> {
    let mut vector = std::mem::take(vector);
    vector.shrink_to_fit();
    vector
}

/// Floats from pixel to pixel of a transposed buffer of so many channels.
fn transposed_pitch(wide: usize) -> usize {
    wide + SLACK
}

/// The whole network for chunks of up to so many pixels.
pub struct Network<'a> {
    pub set: InstructionSet,
    pub layers: Vec<Layer<'a>>,
    pub activation: Activation,
    /// Channels whose gradient is asked for: the first ones of the input; none in a network that is not pulled back.
    pub pulled: usize,
    /// Floats from row to row of a planar buffer.
    pitch: usize,
    /// Channels of the widest hidden layer, rounded up so that transposes need no rest.
    wide: usize,
    forward: Vec<Product<'a>>,
    backward: Vec<Product<'a>>,
}

/// The buffers of one worker.
#[derive(Default)]
pub struct Scratch {
    /// Lines around a chunk, as they are and once for each horizontal tap.
    pub lines: Vec<f32>,
    /// Inputs, or gradients of outputs, with a row for each tap.
    pub columns: Vec<f32>,
    /// Shares of outputs, or of gradients of inputs.
    pub shares: Vec<f32>,
    hidden: Vec<f32>,
    gradient: Vec<f32>,
    transposed: Vec<f32>,
    pub kept: Vec<f32>,
}

impl<'a> Network<'a> {
    pub fn new(
        set: InstructionSet,
        layers: Vec<Layer<'a>>,
        activation: Activation,
        pulled: usize,
        pixels: usize,
    ) -> Self {
        // A pitch that is no power of two spreads the rows of a buffer over the sets of the caches.
        let pitch = pixels.next_multiple_of(SLACK) + SLACK;
        let last = layers.len() - 1;
        let wide = layers[..last].iter().map(|layer| layer.outputs).max().unwrap_or(0).next_multiple_of(SLACK);
        let forward = (0..=last).map(|l| if l < last { layers[l].gathered(pitch) } else { layers[l].scattered(pitch) });
        let forward = forward.collect();
        let mut backward = Vec::new();
        if pulled > 0 {
            backward.push(layers[0].pulled_scattered(pitch, pulled));
            backward.extend(layers[1..].iter().map(|layer| layer.pulled_gathered(pitch)));
        }
        Self { set, layers, activation, pulled, pitch, wide, forward, backward }
    }

    /// The layers, without what was arranged for their products.
    pub fn into_layers(self) -> Vec<Layer<'a>> {
        self.layers
    }

    pub fn pitch(&self) -> usize {
        self.pitch
    }

    pub fn first(&self) -> &Layer<'a> {
        &self.layers[0]
    }

    pub fn last(&self) -> &Layer<'a> {
        &self.layers[self.layers.len() - 1]
    }

    /// Floats of what [`forward`](Self::forward) leaves for [`pull`](Self::pull): the values before each nonlinearity,
    /// or behind it where these tell the sign of the others.
    pub fn slot(&self) -> usize {
        (self.layers.len() - 1) * self.wide * self.pitch + SLACK
    }

    fn before(&self, slot: usize) -> core::ops::Range<usize> {
        slot * self.wide * self.pitch..(slot + 1) * self.wide * self.pitch
    }

    /// Makes the buffers as large as this network needs. What they hold does not matter: of values that were not
    /// written, none is stored.
    pub fn fit(&self, scratch: &mut Scratch, backward: bool) {
        let rows = |layer: &Layer, channels: usize| channels * layer.taps * self.pitch + SLACK;
        let (first, last) = (self.first(), self.last());
        let hidden = self.wide * self.pitch + SLACK;
        let (inputs, outputs) = (rows(first, first.inputs), rows(last, last.outputs));
        grow(&mut scratch.columns, if backward { inputs.max(outputs) } else { inputs });
        grow(&mut scratch.shares, if backward { outputs.max(rows(first, self.pulled)) } else { outputs });
        grow(&mut scratch.hidden, hidden);
        grow(&mut scratch.gradient, if backward { hidden } else { 0 });
        grow(&mut scratch.transposed, if backward { self.pitch * transposed_pitch(self.wide) + SLACK } else { 0 });
    }

    /// The slope below zero of a nonlinearity with a kink there; it keeps the sign, and is applied as sums are stored.
    fn slope(&self) -> Option<f32> {
        match self.activation {
            Activation::Relu => Some(0.0),
            Activation::LeakyRelu => Some(LEAK as f32),
            Activation::Silu => None,
        }
    }

    /// From the columns of the inputs to the shares of the outputs; `slot` gets what [`pull`](Self::pull) needs.
    pub fn forward(&self, pixels: usize, slot: &mut [f32], scratch: &mut Scratch) {
        let last = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate() {
            let Scratch { columns, shares, hidden, .. } = scratch;
            let (before, own) = slot.split_at_mut(self.before(l).start);
            let from = match (l.checked_sub(1), self.slope()) {
                (None, _) => &*columns,
                (Some(l), Some(_)) => &before[self.before(l)],
                (Some(l), None) => {
                    self.activate(&before[self.before(l)], hidden);
                    &*hidden
                }
            };
            let (start, finish, into) = match l == last {
                true => (Start::Zero, Finish::Nothing, &mut shares[..]),
                false => (Start::Bias(layer.bias), self.slope().map_or(Finish::Nothing, Finish::Leak), own),
            };
            self.product(&self.forward[l], (start, finish), from, into, pixels);
        }
    }

    /// From the columns of the outputs' gradients and what [`forward`](Self::forward) left to the gradient before the
    /// first nonlinearity, adding up the gradients of all parameters but those of the first layer.
    pub fn pull(&self, pixels: usize, slot: &[f32], scratch: &mut Scratch, gradients: &mut Gradients) {
        let last = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate().skip(1).rev() {
            let Scratch { columns, hidden, gradient, transposed, .. } = scratch;
            let values = &slot[self.before(l - 1)];
            let h = match self.slope() {
                Some(_) => values,
                None => {
                    self.activate(values, hidden);
                    &*hidden
                }
            };
            self.transpose(h, layer.inputs, pixels, transposed);
            let dy = if l == last { &*columns } else { &*gradient };
            let rows = layer.outputs * layer.taps;
            self.correlate(dy, rows, pixels, transposed, layer.inputs, &mut gradients.weights[l]);
            let gate = |factor| Finish::Gate { values, pitch: self.pitch, factor };
            let finish = self.slope().map_or(Finish::Nothing, gate);
            self.product(&self.backward[l], (Start::Zero, finish), dy, hidden, pixels);
            std::mem::swap(hidden, gradient);
            if self.slope().is_none() {
                self.set.run(Pass { x: &mut gradient[..values.len()], u: Some(values), f: SiluPull });
            }
            self.sums(gradient, pixels, &mut gradients.biases[l - 1]);
        }
    }

    /// From the columns of the inputs and the gradient before the first nonlinearity to the shares of the inputs'
    /// gradients, adding up the gradient of the first weight.
    pub fn pull_first(&self, pixels: usize, scratch: &mut Scratch, gradients: &mut Gradients) {
        let layer = self.first();
        let Scratch { columns, shares, gradient, transposed, .. } = scratch;
        self.transpose(gradient, layer.outputs, pixels, transposed);
        let rows = layer.inputs * layer.taps;
        self.correlate(columns, rows, pixels, transposed, layer.outputs, &mut gradients.weights[0]);
        let plain = (Start::Zero, Finish::Nothing);
        self.product(&self.backward[0], plain, gradient, shares, pixels);
    }

    fn product(
        &self,
        Product { weight: a, rows, steps }: &Product,
        (start, finish): (Start, Finish),
        b: &[f32],
        into: &mut [f32],
        pixels: usize,
    ) {
        let rows_of_outputs = into.chunks_mut(self.pitch).take(rows.len());
        let mut outputs: Vec<&mut [f32]> = rows_of_outputs.map(|row| &mut row[..pixels]).collect();
        Rows { a, rows, steps, start, b, base: 0, finish, outputs: &mut outputs }.run(self.set);
    }

    /// `sums[r][n] += Σ_s rows[r][s] · transposed[s][n]`.
    fn correlate(
        &self,
        values: &[f32],
        rows: usize,
        pixels: usize,
        transposed: &[f32],
        columns: usize,
        sums: &mut [f32],
    ) {
        let rows: Vec<usize> = (0..rows).map(|row| row * self.pitch).collect();
        let mut outputs: Vec<&mut [f32]> = sums.chunks_mut(columns).collect();
        let steps = &Steps::even(pixels, transposed_pitch(self.wide));
        let (a, b, outputs) = (values, transposed, &mut outputs[..]);
        let (start, finish) = (Start::Outputs, Finish::Nothing);
        Rows { a, rows: &rows, steps, start, b, base: 0, finish, outputs }.run(self.set);
    }

    fn transpose(&self, from: &[f32], rows: usize, columns: usize, into: &mut [f32]) {
        self.set.run(Transpose { from, pitch: self.pitch, rows, columns, into, to: transposed_pitch(self.wide) });
    }

    /// Σ over a slice.
    pub fn sum(&self, values: &[f32]) -> f32 {
        self.set.run(Sum(values))
    }

    /// Σ over pixels of each row.
    fn sums(&self, values: &[f32], pixels: usize, sums: &mut [f32]) {
        sums.iter_mut().zip(values.chunks(self.pitch)).for_each(|(sum, row)| *sum += self.sum(&row[..pixels]));
    }

    /// The smooth nonlinearity; see [`slope`](Self::slope) for the others.
    fn activate(&self, u: &[f32], into: &mut [f32]) {
        self.set.run(Map { u, into: &mut into[..u.len()], f: Silu });
    }
}

/// `into = f(u)`.
struct Map<'a, F> {
    u: &'a [f32],
    into: &'a mut [f32],
    f: F,
}

impl<F: Pointwise> Kernel for Map<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let f = self.f;
        self.into.iter_mut().zip(self.u).for_each(|(into, &u)| *into = f.value::<S>(u, 0.0));
    }
}

/// Σ over a slice.
struct Sum<'a>(&'a [f32]);

impl Kernel for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self) -> f32 {
        sum::<S>(self.0)
    }
}
