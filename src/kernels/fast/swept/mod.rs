//! A whole coupling swept down the image: the network, the transform it parametrises, and both gradients, without the
//! network's hidden values ever existing at the size of the image.
//!
//! The state and its gradient are overwritten in place. Work is cut by shapes alone: samples, or bands of rows where
//! there are few samples, form groups with weight gradients of their own, which are added up in order. A band computes
//! hidden rows beyond its ends again; inside a band nothing is computed twice.

mod columns;
mod job;
mod network;
mod sweep;
mod transform;

use core::ops::Range;
use std::sync::Mutex;

use burn::tensor::Tensor;

use super::SMALL;
use super::axis::Axis;
use super::instruction_set::InstructionSet;
use super::view::{Owned, Planes, Values, is_fast, tensor};
use crate::kernels::{Activation, Border, Convolutions, Field, Pad, PerSample, Roles, Transform};
use columns::{View, along};
use job::{Job, Seams};
use network::{Gradients, Layer, Network};
use sweep::{Sweep, Tape, Unit, Worker};
pub use transform::Direction;

/// Floats of a hidden layer's chunk: a few of them fit into the second cache of a core.
const CHUNK: usize = 1 << 15;

/// Pixels of a chunk: enough for whole blocks of a product, and no more than its columns stay in the cache for.
const PIXELS: Range<usize> = 64..1024;

/// Floats of a hidden layer over one row of the image, at most: a chunk has no less than a row, and long traces and thin
/// volumes are better cut into tiles.
const ROW: usize = 1 << 24;

/// Samples below which an image is cut into bands.
const FEW: usize = 4;

/// Groups, at most: each has weight gradients of its own, which cost a pass to clear and one to add up. A sweep mostly holds
/// one more of them than there are threads, and never more than it has groups; the next sweep finds their memory.
const GROUPS: usize = 16;

/// Pixels of a group: a quarter of all, within these limits.
const GROUP: Range<usize> = 256..1024;

/// What a forward sweep keeps so that its gradient need not evaluate the network again.
pub struct SweptTapes(Vec<Vec<Tape>>);

/// What workers write their passing values into, from one sweep to the next.
#[derive(Default)]
pub struct Buffers {
    workers: Mutex<Vec<Worker>>,
    /// Gradients that were added to others, or whose layers were taken.
    spent: Mutex<Vec<Gradients>>,
}

impl Buffers {
    fn take_worker(&self) -> Worker {
        self.workers.lock().ok().and_then(|mut idle| idle.pop()).unwrap_or_default()
    }

    fn give_back_worker(&self, worker: Worker) {
        if let Ok(mut idle) = self.workers.lock() {
            idle.push(worker);
        }
    }

    fn take_gradients(&self, layers: &[Layer]) -> Gradients {
        let spent = self.spent.lock().ok().and_then(|mut spent| spent.pop());
        spent.unwrap_or_default().cleared(layers)
    }

    fn give_back_gradients(&self, gradients: Gradients) {
        if let Ok(mut spent) = self.spent.lock() {
            spent.push(gradients);
        }
    }
}

/// Makes a buffer at least so long.
fn grow(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}

/// The gradient of a sweep, from its output.
pub struct Pulled {
    /// The input of the map.
    pub x: Field,
    /// ∂L/∂input.
    pub dx: Field,
    /// ∂L/∂condition at the extents of x, where it was asked for.
    pub condition: Option<Field>,
    /// ∂L/∂weight and ∂L/∂bias of every convolution.
    pub layers: Vec<(Field, Tensor<1>)>,
}

/// A coupling that can be swept: some channels are transformed with parameters that a network reads off others and a
/// condition.
pub struct Swept {
    set: InstructionSet,
    parts: Parts,
    activation: Activation,
    border: Border,
    transform: Transform,
}

impl Swept {
    /// A coupling of fields like x, `[batch, channel, d, h, w]`; the condition has the extents of x. `None` where the
    /// kernels do not sweep it: tensors that are not f32 on the CPU or that autodiff tracks, other channels than the roles say,
    /// networks of one convolution, with an even kernel, or with one of several taps between the first and the last.
    pub fn new(
        x: &Field,
        roles: &Roles,
        network: &Convolutions,
        transform: Transform,
        condition: Option<&Field>,
    ) -> Option<Self> {
        Self::with(InstructionSet::best(), x, roles, network, transform, condition)
    }

    pub(super) fn with(
        set: InstructionSet,
        x: &Field,
        roles: &Roles,
        network: &Convolutions,
        transform: Transform,
        condition: Option<&Field>,
    ) -> Option<Self> {
        let parts = Parts::of(x, roles, network, transform, condition)?;
        Some(Self { set, parts, activation: network.activation, border: network.border, transform })
    }

    /// Bytes that the tapes of a map take.
    pub fn tape_bytes(&self) -> usize {
        let buffers = Buffers::default();
        let job = self.job(Direction::Forward, 0, &buffers);
        let chunks: usize = (0..job.bands).map(|band| job.sweep.chunks(&job.own(band)).len()).sum();
        // Every sample has its chunks, or some samples share one.
        let slots = self.parts.batch.div_ceil(job.together) * chunks;
        let parameters = self.parts.batch * self.parts.pixels() * job.sweep.network.last().outputs;
        (slots * job.sweep.network.slot() + parameters) * size_of::<f32>()
    }

    /// The map or its inverse and its log-determinant, in place where x is not shared; tapes where they are to be kept.
    ///
    /// # Errors
    /// The tensor itself, where it is not one as the coupling was made for.
    pub fn evaluate(
        &self,
        direction: Direction,
        x: Field,
        keep: bool,
        buffers: &Buffers,
    ) -> Result<(Field, PerSample, Option<SweptTapes>), Field> {
        if !self.parts.is_for(&x) {
            return Err(x);
        }
        let mut x = Owned::of(x)?;
        let job = self.job(direction, 0, buffers);
        let mut units = job.units(x.get(), &self.parts);
        let tapes = job.evaluate(&mut units, keep);
        let log_det = log_dets(&units, self.parts.batch);
        drop(units);
        Ok((x.into_tensor(), tensor(log_det, [self.parts.batch]), tapes))
    }

    /// From the output of a map and its gradient, and that of its log-determinant, to the same of its input.
    ///
    /// # Errors
    /// Both tensors, where they are not as the coupling was made for.
    pub fn pull(
        &self,
        direction: Direction,
        (x, dx): (Field, Field),
        dlog_det: &PerSample,
        condition_wanted: bool,
        tapes: Option<SweptTapes>,
        buffers: &Buffers,
    ) -> Result<Pulled, (Field, Field)> {
        let parts = &self.parts;
        let dlog_det = Values::of(dlog_det).filter(|_| parts.is_for(&x) && parts.is_for(&dx));
        let Some(dlog_det) = dlog_det else {
            return Err((x, dx));
        };
        let (mut x, mut dx) = match (Owned::of(x), Owned::of(dx)) {
            (Ok(x), Ok(dx)) => (x, dx),
            (x, dx) => {
                let back = |owned: Result<Owned<5>, Field>| owned.map_or_else(|field| field, Owned::into_tensor);
                return Err((back(x), back(dx)));
            }
        };
        let condition = if condition_wanted { parts.condition_channels() } else { 0 };
        let pulled = parts.passive() + condition;
        let job = self.job(direction, pulled, buffers);
        let mut dc = vec![0.0; parts.batch * condition * parts.pixels()];
        let mut seams = Seams::new(&job, parts.batch, pulled);
        let mut units = job.units(x.get(), parts);
        units.iter_mut().for_each(|unit| unit.dlog_det = dlog_det.get()[unit.sample]);
        job.give_gradients(&mut units, dx.get(), &mut dc, &mut seams, parts);
        let mut gradients = job.pull(&mut units, tapes);
        drop(units);
        seams.close(&job, dx.get(), &mut dc, parts);
        // What was arranged for the products is not needed beside the weights' gradients in their final order.
        let layers = job.sweep.network.into_layers();
        let layers = layers.iter().zip(&parts.layers).enumerate().map(|(l, (layer, (_, _, shape)))| {
            let (weight, bias) = gradients.take(l, layer);
            (tensor(weight, *shape), tensor(bias, [layer.outputs]))
        });
        let layers = layers.collect();
        buffers.give_back_gradients(gradients);
        let [d, h, w] = parts.extent;
        let condition = (condition > 0).then(|| tensor(dc, [parts.batch, condition, d, h, w]));
        Ok(Pulled { x: x.into_tensor(), dx: dx.into_tensor(), condition, layers })
    }

    /// How the work is cut: by shapes alone. Where gradients of no inputs are pulled, nothing is pulled back.
    fn job<'a>(&'a self, direction: Direction, pulled: usize, buffers: &'a Buffers) -> Job<'a> {
        let parts = &self.parts;
        let periodic = self.border == Border::Periodic;
        let rows = parts.extent[along(parts.extent)];
        let row = parts.pixels() / rows;
        let last = parts.layers.len() - 1;
        let widest = parts.layers[..last].iter().map(|(_, _, shape)| shape[0]).max().unwrap_or(1);
        let target = (CHUNK / widest).clamp(PIXELS.start, PIXELS.end) / PIXELS.start * PIXELS.start;
        let whole = parts.pixels() <= target || rows == 1;
        let height = if whole { rows } else { (target / row).clamp(1, rows) };
        let height = rows.div_ceil(rows.div_ceil(height));
        let layers: Vec<Layer> = parts.layers.iter().map(|values| parts.layer(self.set, values, periodic)).collect();
        let weights: usize = layers.iter().map(|layer| layer.weight.len()).sum();
        let serial = parts.batch * parts.pixels() * weights <= SMALL;
        let reach = layers[last].view.reach();
        let bands = match whole || parts.batch >= FEW || serial {
            true => 1,
            // A band computes rows beyond its ends again: at most a quarter of its own.
            false => FEW.div_ceil(parts.batch).min(rows / (8 * reach).max(2 * height)).max(1),
        };
        let units = parts.batch * bands;
        let pixels = (parts.batch * parts.pixels() / 4).clamp(GROUP.start, GROUP.end);
        let least = pixels.div_ceil(parts.pixels() / bands).max(units.div_ceil(GROUPS));
        let group = if serial { units } else { least.min(units) };
        let together = if whole { (target / parts.pixels()).clamp(1, group) } else { 1 };
        let network = Network::new(self.set, layers, self.activation, pulled, together * height * row);
        let transform = self.transform;
        let sweep = Sweep { network, transform, direction, backward: pulled > 0, rows, row, height, periodic };
        Job { sweep, bands, together, group, serial, buffers }
    }
}

fn log_dets(units: &[Unit], batch: usize) -> Vec<f32> {
    let mut sums = vec![0.0; batch];
    units.iter().for_each(|unit| sums[unit.sample] += unit.log_det);
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// The tensors of a coupling, where it is one that can be swept: at least two convolutions, those in the middle with
/// one tap.
struct Parts {
    batch: usize,
    roles: Roles,
    extent: [usize; 3],
    layers: Vec<(Values, Values, [usize; 5])>,
    condition: Option<Planes>,
}

impl Parts {
    fn of(
        x: &Field,
        roles: &Roles,
        network: &Convolutions,
        transform: Transform,
        condition: Option<&Field>,
    ) -> Option<Self> {
        let [batch, channels, d, h, w] = x.dims();
        if !is_fast(x) || x.dims().contains(&0) || channels != roles.channels() || network.layers.len() < 2 {
            return None;
        }
        let condition = match condition {
            Some(c) if c.dims()[0] == batch && c.dims()[2..] == [d, h, w] => Some(Planes::of(c)?),
            Some(_) => return None,
            None => None,
        };
        let active = roles.moves().len();
        let mut inputs = roles.reads().len() + condition.as_ref().map_or(0, |c| c.channels);
        let last = network.layers.len() - 1;
        let mut layers = Vec::with_capacity(network.layers.len());
        for (l, (weight, bias)) in network.layers.iter().enumerate() {
            let shape @ [outputs, found, kernel @ ..] = weight.dims();
            let pointwise = kernel == [1; 3];
            let fits = found == inputs && bias.dims() == [outputs] && outputs > 0;
            if !fits || kernel.iter().any(|k| k % 2 == 0) || !(pointwise || l == 0 || l == last) {
                return None;
            }
            layers.push((Values::of(weight)?, Values::of(bias)?, shape));
            inputs = outputs;
        }
        let row = d * h * w / [d, h, w][along([d, h, w])];
        let widest = layers.iter().map(|(_, _, shape)| shape[0]).max().unwrap_or(0);
        let fits = inputs == active * transform.parameters() && row * widest <= ROW;
        fits.then_some(Self { batch, roles: roles.clone(), extent: [d, h, w], layers, condition })
    }

    fn is_for(&self, x: &Field) -> bool {
        let [d, h, w] = self.extent;
        x.dims() == [self.batch, self.roles.channels(), d, h, w] && is_fast(x)
    }

    fn pixels(&self) -> usize {
        self.extent.iter().product()
    }

    fn passive(&self) -> usize {
        self.roles.reads().len()
    }

    fn condition_channels(&self) -> usize {
        self.condition.as_ref().map_or(0, |c| c.channels)
    }

    fn layer<'a>(
        &self,
        set: InstructionSet,
        (weight, bias, shape): &'a (Values, Values, [usize; 5]),
        periodic: bool,
    ) -> Layer<'a> {
        let [outputs, inputs, kernel @ ..] = *shape;
        let axes = core::array::from_fn(|axis| {
            let reach = kernel[axis] / 2;
            let pad = if periodic { Pad::Periodic(reach) } else { Pad::Zeros([reach; 2]) };
            Axis::same(self.extent[axis], kernel[axis], pad)
        });
        let view = View::new(set, axes);
        Layer { weight: weight.get(), bias: bias.get(), inputs, outputs, taps: view.taps(), view }
    }
}
