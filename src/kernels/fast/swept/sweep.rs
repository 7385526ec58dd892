//! One worker's way down the images: hidden values exist for a few rows at a time.
//!
//! Rows of the transform's parameters are final once every row of the last convolution's input that they see was
//! made. A chunk is pulled back once all rows of parameters that see it are final and were turned into gradients; till
//! then its values before the nonlinearities wait in a slot. Inside a unit nothing is computed twice.

use core::ops::Range;

use super::columns::View;
use super::grow;
use super::network::{Gradients, Network, Scratch};
use super::transform::{Direction, Run, transform};
use crate::kernels::Transform;

/// Some rows of a sample, or all of it: what one worker transforms.
pub struct Unit<'a> {
    pub sample: usize,
    /// The rows that are its own.
    pub rows: Range<usize>,
    /// Its rows of the channels that are transformed, and of their gradients.
    pub active: Vec<&'a mut [f32]>,
    pub dactive: Vec<&'a mut [f32]>,
    /// Whole planes of what the network reads.
    pub inputs: Vec<&'a [f32]>,
    /// Planes to which the gradients of the first inputs are added; they hold the rows of `window`.
    pub dinputs: Vec<&'a mut [f32]>,
    pub window: Range<usize>,
    pub dlog_det: f32,
    pub log_det: f64,
}

/// What a forward sweep of some units may leave for their gradient.
pub struct Tape {
    parameters: Vec<f32>,
    /// One slot a chunk, in order.
    slots: Vec<Vec<f32>>,
}

/// What is the same for all units.
pub struct Sweep<'a> {
    pub network: Network<'a>,
    pub transform: Transform,
    pub direction: Direction,
    /// Whether gradients are pulled back.
    pub backward: bool,
    /// Rows of an image, and the pixels of one.
    pub rows: usize,
    pub row: usize,
    /// Rows of a chunk.
    pub height: usize,
    pub periodic: bool,
}

/// A worker's buffers.
#[derive(Default)]
pub struct Worker {
    scratch: Scratch,
    logs: Vec<f32>,
    slots: Vec<Vec<f32>>,
    /// What the gradients of the parameters are added to in a backward sweep.
    pub gradients: Option<Gradients>,
}

impl Sweep<'_> {
    /// Makes the buffers of a worker large enough.
    pub fn fit(&self, worker: &mut Worker) {
        self.network.fit(&mut worker.scratch, self.backward);
    }

    fn outputs(&self) -> usize {
        self.network.last().outputs
    }

    fn last(&self) -> &View {
        &self.network.last().view
    }

    /// Rows whose hidden values the rows `own` depend on, cut into chunks.
    pub fn chunks(&self, own: &Range<usize>) -> Vec<Range<usize>> {
        let reach = self.last().reach();
        let (first, length) = if own.len() == self.rows {
            (0, self.rows)
        } else if self.periodic {
            // What passes an end goes on at the other; a row is taken once.
            ((own.start + self.rows - reach % self.rows) % self.rows, (own.len() + 2 * reach).min(self.rows))
        } else {
            let first = own.start.saturating_sub(reach);
            (first, (own.end + reach).min(self.rows) - first)
        };
        let end = (first + length).min(self.rows);
        let runs = [first..end, 0..first + length - end];
        let cut = |run: Range<usize>| {
            let height = run.len().div_ceil(run.len().div_ceil(self.height).max(1)).max(1);
            run.clone().step_by(height).map(move |first| first..(first + height).min(run.end))
        };
        runs.into_iter().flat_map(cut).collect()
    }

    /// Transforms units of the same rows, in one or many chunks.
    pub fn run(&self, units: &mut [Unit], worker: &mut Worker, tape: Option<Tape>, keep: bool) -> Option<Tape> {
        let own = units.first().map(|unit| unit.rows.clone())?;
        let chunks = self.chunks(&own);
        if let Some(Tape { mut parameters, slots }) = tape {
            self.transform(units, worker, &mut parameters, own.clone(), &own);
            for (chunk, slot) in chunks.iter().zip(&slots) {
                self.pull(units, worker, chunk.clone(), slot, &parameters, &own);
            }
            return None;
        }
        let mut parameters = self.biases(units.len(), own.len() * self.row);
        let mut state = Rows::new(self.last(), &chunks, own.clone());
        let mut waiting: Vec<(Range<usize>, Vec<f32>)> = Vec::new();
        let mut kept = Vec::new();
        for chunk in chunks {
            let mut slot = if keep { Vec::new() } else { worker.slots.pop().unwrap_or_default() };
            grow(&mut slot, self.network.slot());
            self.forward(units, worker, chunk.clone(), &mut slot, &mut parameters, &own);
            for rows in state.made(self.last(), chunk.clone()) {
                self.transform(units, worker, &mut parameters, rows, &own);
            }
            if keep {
                kept.push(slot);
            } else if !self.backward {
                worker.slots.push(slot);
            } else {
                waiting.push((chunk, slot));
                let (ready, later): (Vec<_>, _) =
                    waiting.into_iter().partition(|(chunk, _)| state.is_final(self.last(), chunk.clone()));
                waiting = later;
                for (chunk, slot) in ready {
                    self.pull(units, worker, chunk, &slot, &parameters, &own);
                    worker.slots.push(slot);
                }
            }
        }
        keep.then_some(Tape { parameters, slots: kept })
    }

    /// Planes of parameters that hold the bias.
    fn biases(&self, units: usize, pixels: usize) -> Vec<f32> {
        let mut planes = Vec::with_capacity(units * self.outputs() * pixels);
        for &bias in self.network.last().bias.iter().cycle().take(units * self.outputs()) {
            planes.resize(planes.len() + pixels, bias);
        }
        planes
    }

    /// Pixels of a chunk.
    fn pixels(&self, units: &[Unit], chunk: &Range<usize>) -> usize {
        units.len() * chunk.len() * self.row
    }

    fn gather_inputs(&self, units: &[Unit], scratch: &mut Scratch, chunk: &Range<usize>) {
        let (layer, each, pitch) = (self.network.first(), chunk.len() * self.row, self.network.pitch());
        let Scratch { columns, lines, .. } = scratch;
        for (input, columns) in columns.chunks_mut(layer.taps * pitch).take(layer.inputs).enumerate() {
            for (u, unit) in units.iter().enumerate() {
                let columns = columns.chunks_mut(pitch).map(|column| &mut column[u * each..]);
                layer.view.gather(chunk, unit.inputs[input], &(0..self.rows), lines, columns);
            }
        }
    }

    fn forward(
        &self,
        units: &[Unit],
        worker: &mut Worker,
        chunk: Range<usize>,
        slot: &mut [f32],
        parameters: &mut [f32],
        own: &Range<usize>,
    ) {
        let scratch = &mut worker.scratch;
        self.gather_inputs(units, scratch, &chunk);
        self.network.forward(self.pixels(units, &chunk), slot, scratch);
        let (layer, each, plane) = (self.network.last(), chunk.len() * self.row, own.len() * self.row);
        let Scratch { shares, lines, kept, .. } = scratch;
        let taps = layer.taps;
        let pitch = self.network.pitch();
        for (u, planes) in parameters.chunks_mut(layer.outputs * plane).take(units.len()).enumerate() {
            for (output, plane) in planes.chunks_mut(plane).enumerate() {
                let share = |tap| &shares[(output * taps + tap) * pitch + u * each..][..each];
                layer.view.scatter(&chunk, share, own, plane, lines, kept);
            }
        }
    }

    fn transform(
        &self,
        units: &mut [Unit],
        worker: &mut Worker,
        parameters: &mut [f32],
        rows: Range<usize>,
        own: &Range<usize>,
    ) {
        let plane = own.len() * self.row;
        let pixels = (rows.start - own.start) * self.row..(rows.end - own.start) * self.row;
        for (unit, parameters) in units.iter_mut().zip(parameters.chunks_mut(self.outputs() * plane)) {
            let channels = unit.active.len();
            let (scales, shifts) = parameters.split_at_mut(parameters.len() - channels * plane);
            for (channel, x) in unit.active.iter_mut().enumerate() {
                let at = |planes: &mut [f32]| -> Range<usize> {
                    if planes.is_empty() { 0..0 } else { channel * plane + pixels.start..channel * plane + pixels.end }
                };
                let (a, t) = (at(scales), at(shifts));
                let run = Run {
                    x: &mut x[pixels.clone()],
                    dx: unit.dactive.get_mut(channel).map(|dx| &mut dx[pixels.clone()]),
                    a: &mut scales[a],
                    t: &mut shifts[t],
                    dlog_det: unit.dlog_det,
                };
                let set = self.network.set;
                unit.log_det += f64::from(transform(set, self.transform, self.direction, run, &mut worker.logs));
            }
        }
        if let Some(gradients) = &mut worker.gradients {
            let last = gradients.biases.len() - 1;
            for planes in parameters.chunks(self.outputs() * plane).take(units.len()) {
                for (sum, plane) in gradients.biases[last].iter_mut().zip(planes.chunks(plane)) {
                    *sum += self.network.sum(&plane[pixels.clone()]);
                }
            }
        }
    }

    fn pull(
        &self,
        units: &mut [Unit],
        worker: &mut Worker,
        chunk: Range<usize>,
        slot: &[f32],
        parameters: &[f32],
        own: &Range<usize>,
    ) {
        let Worker { scratch, gradients: Some(gradients), .. } = worker else {
            return;
        };
        let (each, plane, pitch) = (chunk.len() * self.row, own.len() * self.row, self.network.pitch());
        let pixels = self.pixels(units, &chunk);
        let layer = self.network.last();
        let taps = layer.taps;
        let Scratch { columns, lines, .. } = &mut *scratch;
        for (output, columns) in columns.chunks_mut(taps * pitch).take(layer.outputs).enumerate() {
            for (u, planes) in parameters.chunks(layer.outputs * plane).take(units.len()).enumerate() {
                let columns = columns.chunks_mut(pitch).map(|column| &mut column[u * each..]);
                layer.view.gather_adjoint(&chunk, &planes[output * plane..][..plane], own, lines, columns);
            }
        }
        self.network.pull(pixels, slot, scratch, gradients);
        self.gather_inputs(units, scratch, &chunk);
        self.network.pull_first(pixels, scratch, gradients);
        let layer = self.network.first();
        let taps = layer.taps;
        let Scratch { shares, lines, kept, .. } = scratch;
        for (u, unit) in units.iter_mut().enumerate() {
            for (input, plane) in unit.dinputs.iter_mut().enumerate() {
                let share = |tap| &shares[(input * taps + tap) * pitch + u * each..][..each];
                layer.view.scatter_adjoint(&chunk, share, &unit.window, plane, lines, kept);
            }
        }
    }
}

/// Which rows of parameters still miss shares, and which are transformed.
struct Rows {
    own: Range<usize>,
    missing: Vec<usize>,
    transformed: Vec<bool>,
}

impl Rows {
    fn new(view: &View, chunks: &[Range<usize>], own: Range<usize>) -> Self {
        let mut missing = vec![0; own.len()];
        for row in chunks.iter().cloned().flatten().flat_map(|row| view.seeing(row)).filter(|row| own.contains(row)) {
            missing[row - own.start] += 1;
        }
        Self { transformed: vec![false; own.len()], missing, own }
    }

    /// Takes note of a chunk; the rows that are final now.
    fn made(&mut self, view: &View, chunk: Range<usize>) -> Vec<Range<usize>> {
        for row in chunk.flat_map(|row| view.seeing(row)).filter(|row| self.own.contains(row)) {
            self.missing[row - self.own.start] -= 1;
        }
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (i, transformed) in self.transformed.iter_mut().enumerate() {
            if *transformed || self.missing[i] > 0 {
                continue;
            }
            *transformed = true;
            let row = self.own.start + i;
            match runs.last_mut() {
                Some(run) if run.end == row => run.end = row + 1,
                _ => runs.push(row..row + 1),
            }
        }
        runs
    }

    /// Whether all rows that see a chunk are transformed.
    fn is_final(&self, view: &View, chunk: Range<usize>) -> bool {
        let mut seeing = chunk.flat_map(|row| view.seeing(row)).filter(|row| self.own.contains(row));
        seeing.all(|row| self.transformed[row - self.own.start])
    }
}
