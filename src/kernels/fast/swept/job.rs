//! Who does what: units, groups of them, and where the gradients of bands meet.

use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::network::Gradients;
use super::sweep::{Sweep, Tape, Unit};
use super::{Buffers, Parts, SweptTapes};
use crate::kernels::Roles;

/// A sweep and how it is cut.
pub struct Job<'a> {
    pub sweep: Sweep<'a>,
    /// Bands of a sample.
    pub bands: usize,
    /// Units that make one chunk.
    pub together: usize,
    /// Units of a group.
    pub group: usize,
    pub serial: bool,
    pub buffers: &'a Buffers,
}

/// What a group of units leaves behind.
struct Done {
    gradients: Option<Gradients>,
    tapes: Vec<Tape>,
}

/// A sum in the order of its terms, which come in any.
#[derive(Default)]
struct OrderedSum {
    total: Option<Gradients>,
    /// How many terms the total has.
    added: usize,
    early: BTreeMap<usize, Gradients>,
}

impl OrderedSum {
    /// Hands every term but the first to `spent` once it is added.
    fn add(&mut self, index: usize, term: Gradients, spent: impl Fn(Gradients)) {
        self.early.insert(index, term);
        while let Some(term) = self.early.remove(&self.added) {
            match &mut self.total {
                Some(total) => {
                    total.add(&term);
                    spent(term);
                }
                None => self.total = Some(term),
            }
            self.added += 1;
        }
    }
}

/// Where samples are cut into bands: gradients of the inputs of each band, which overlap where bands meet.
pub struct Seams {
    /// Planes of the rows of each band's window, band after band.
    planes: Vec<f32>,
    /// Sample and window of each band.
    bands: Vec<(usize, Range<usize>)>,
}

impl Seams {
    pub fn new(job: &Job, batch: usize, planes: usize) -> Self {
        let bands: Vec<(usize, Range<usize>)> = match job.bands {
            1 => Vec::new(),
            bands => (0..batch * bands).map(|i| (i / bands, job.window(&job.own(i % bands)))).collect(),
        };
        let rows: usize = bands.iter().map(|(_, window)| window.len()).sum();
        Self { planes: vec![0.0; rows * job.sweep.row * planes], bands }
    }

    /// Adds everything up, in order.
    pub fn close(self, job: &Job, dx: &mut [f32], dc: &mut [f32], parts: &Parts) {
        let (pixels, row, passive) = (parts.pixels(), job.sweep.row, parts.passive());
        let planes = job.sweep.network.pulled;
        let mut rest = &self.planes[..];
        for (sample, window) in self.bands {
            let size = window.len() * row;
            let (band, later) = rest.split_at(planes * size);
            rest = later;
            for (channel, band) in band.chunks(size).enumerate() {
                let plane = match channel.checked_sub(passive) {
                    None => {
                        let at = sample * parts.roles.channels() + parts.roles.reads().start + channel;
                        &mut dx[at * pixels..][..pixels]
                    }
                    Some(channel) => &mut dc[(sample * (planes - passive) + channel) * pixels..][..pixels],
                };
                plane[window.start * row..][..size].iter_mut().zip(band).for_each(|(sum, band)| *sum += band);
            }
        }
    }
}

/// A plane cut into runs of these lengths.
fn cut(plane: &mut [f32], lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = &mut [f32]> {
    let mut rest = plane;
    lengths.map(move |length| {
        let (run, later) = std::mem::take(&mut rest).split_at_mut(length);
        rest = later;
        run
    })
}

/// The planes of one sample that are moved, and those that are read.
fn planes<'a>(sample: &'a mut [f32], pixels: usize, roles: &Roles) -> (Vec<&'a mut [f32]>, Vec<&'a mut [f32]>) {
    let (moves, reads) = (roles.moves(), roles.reads());
    let (mut moved, mut read) = (Vec::with_capacity(moves.len()), Vec::with_capacity(reads.len()));
    for (channel, plane) in sample.chunks_mut(pixels).enumerate() {
        if moves.contains(&channel) {
            moved.push(plane);
        } else if reads.contains(&channel) {
            read.push(plane);
        }
    }
    (moved, read)
}

impl Job<'_> {
    /// The rows of a band.
    pub fn own(&self, band: usize) -> Range<usize> {
        let rows = self.sweep.rows;
        band * rows / self.bands..(band + 1) * rows / self.bands
    }

    fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.bands).map(|band| self.own(band).len() * self.sweep.row)
    }

    pub fn units<'a>(&self, x: &'a mut [f32], parts: &'a Parts) -> Vec<Unit<'a>> {
        let (bands, pixels) = (self.bands, parts.pixels());
        let mut units = Vec::with_capacity(parts.batch * bands);
        for (sample, x) in x.chunks_mut(parts.roles.channels() * pixels).enumerate() {
            let (active, passive) = planes(x, pixels, &parts.roles);
            let condition = parts.condition.iter().flat_map(|c| (0..c.channels).map(|i| c.plane(sample, i)));
            let inputs: Vec<&'a [f32]> = passive.into_iter().map(|plane| &*plane).chain(condition).collect();
            let first = units.len();
            units.extend((0..bands).map(|band| Unit {
                sample,
                rows: self.own(band),
                active: Vec::with_capacity(active.len()),
                dactive: Vec::new(),
                inputs: inputs.clone(),
                dinputs: Vec::new(),
                window: self.window(&self.own(band)),
                dlog_det: 0.0,
                log_det: 0.0,
            }));
            for plane in active {
                units[first..].iter_mut().zip(cut(plane, self.lengths())).for_each(|(unit, run)| unit.active.push(run));
            }
        }
        units
    }

    /// Gives every unit what its gradients overwrite and are added to.
    pub fn give_gradients<'a>(
        &self,
        units: &mut [Unit<'a>],
        dx: &'a mut [f32],
        dc: &'a mut [f32],
        seams: &'a mut Seams,
        parts: &Parts,
    ) {
        let pixels = parts.pixels();
        let condition = self.sweep.network.pulled - parts.passive();
        let mut dc = dc.chunks_mut((condition * pixels).max(1));
        let samples = units.chunks_mut(self.bands).zip(dx.chunks_mut(parts.roles.channels() * pixels));
        for (units, dx) in samples {
            let (active, passive) = planes(dx, pixels, &parts.roles);
            for plane in active {
                units.iter_mut().zip(cut(plane, self.lengths())).for_each(|(unit, run)| unit.dactive.push(run));
            }
            if let [unit] = units {
                let condition = if condition > 0 { dc.next() } else { None };
                let condition = condition.into_iter().flat_map(|c| c.chunks_mut(pixels));
                unit.dinputs.extend(passive.into_iter().chain(condition));
            }
        }
        if self.bands > 1 {
            let planes = self.sweep.network.pulled;
            let mut rest = &mut seams.planes[..];
            for unit in units {
                let size = unit.window.len() * self.sweep.row;
                let (own, later) = std::mem::take(&mut rest).split_at_mut(planes * size);
                unit.dinputs.extend(own.chunks_mut(size));
                rest = later;
            }
        }
    }

    /// Rows that gradients of the inputs of a band fall on.
    fn window(&self, own: &Range<usize>) -> Range<usize> {
        let network = &self.sweep.network;
        let reach = network.first().view.reach() + network.last().view.reach();
        let (rows, inside) = (self.sweep.rows, own.start >= reach && own.end + reach <= self.sweep.rows);
        match (own.len() == rows, inside || !self.sweep.periodic) {
            (false, true) => own.start.saturating_sub(reach)..(own.end + reach).min(rows),
            _ => 0..rows,
        }
    }

    pub fn evaluate(&self, units: &mut [Unit], keep: bool) -> Option<SweptTapes> {
        let one = |units: &mut [Unit]| self.group(units, Vec::new(), keep).tapes;
        let tapes = if self.serial {
            units.chunks_mut(self.group).map(one).collect()
        } else {
            // One at a time: else a thread that is done early finds that others have taken several.
            units.par_chunks_mut(self.group).with_max_len(1).map(one).collect()
        };
        keep.then_some(SweptTapes(tapes))
    }

    /// The gradients of all units. Groups are added up in their order, whichever is done first.
    pub fn pull(&self, units: &mut [Unit], tapes: Option<SweptTapes>) -> Gradients {
        let tapes = tapes.map(|SweptTapes(tapes)| tapes).unwrap_or_default();
        let tapes = tapes.into_iter().chain(std::iter::repeat_with(Vec::new));
        let groups = Mutex::new(units.chunks_mut(self.group).zip(tapes).enumerate());
        let sum = Mutex::new(OrderedSum::default());
        let spent = |gradients| self.buffers.give_back_gradients(gradients);
        // A thread takes the next group as soon as it is done with one, and waits for none.
        let work = || {
            let next = || groups.lock().unwrap_or_else(PoisonError::into_inner).next();
            while let Some((index, (units, tapes))) = next() {
                if let Some(gradients) = self.group(units, tapes, false).gradients {
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(index, gradients, spent);
                }
            }
        };
        if self.serial {
            work();
        } else {
            (0..rayon::current_num_threads()).into_par_iter().with_max_len(1).for_each(|_| work());
        }
        let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(sum.early.is_empty());
        sum.total.unwrap_or_else(|| Gradients::default().cleared(&self.sweep.network.layers))
    }

    fn group(&self, units: &mut [Unit], tapes: Vec<Tape>, keep: bool) -> Done {
        let mut worker = self.buffers.take_worker();
        self.sweep.fit(&mut worker);
        worker.gradients = self.sweep.backward.then(|| self.buffers.take_gradients(&self.sweep.network.layers));
        let mut tapes = tapes.into_iter();
        let kept =
            units.chunks_mut(self.together).filter_map(|units| self.sweep.run(units, &mut worker, tapes.next(), keep));
        let tapes = kept.collect();
        let gradients = worker.gradients.take();
        self.buffers.give_back_worker(worker);
        Done { gradients, tapes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_the_order_of_their_terms_whichever_comes_first() {
        let term = |value: f32| Gradients { weights: vec![vec![value]], biases: vec![vec![-value]] };
        let terms = [1e8, 3.0, -1e8, 5.0];
        let expected = terms.into_iter().reduce(|sum, term| sum + term);
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 0, 3, 2]] {
            let mut sum = OrderedSum::default();
            order.into_iter().for_each(|index| sum.add(index, term(terms[index]), drop));
            assert!(sum.early.is_empty());
            let total = sum.total.map(|total| [total.weights[0][0], -total.biases[0][0]]);
            assert_eq!(total, expected.map(|expected| [expected; 2]), "{order:?}");
        }
    }
}
