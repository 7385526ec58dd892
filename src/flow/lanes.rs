//! A batch walked in two lanes at once.
//!
//! Threads that share the work of a layer wait for the last of them at its end, and at the start of the next until they are
//! awake. A lane is a half of the batch and walks all layers by itself; what one leaves idle, the other uses.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::ParamId;
use burn::tensor::Tensor;

use crate::flow::{Condition, Field, ParameterGradients};
use crate::kernels::{on_workers, runs_fast};

/// How many samples each lane has.
pub(super) struct Lanes(Vec<usize>);

impl Lanes {
    /// All samples in one.
    pub fn one(x: &Field) -> Self {
        Self(vec![x.dims()[0]])
    }

    /// Halves, where the fast kernels work on x. Nothing but x decides: sums over samples have one order.
    pub fn two(x: &Field) -> Self {
        match x.dims()[0] {
            batch @ 2.. if runs_fast(x) => Self(vec![batch.div_ceil(2), batch / 2]),
            batch => Self(vec![batch]),
        }
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What `f` makes of each lane's number, x and condition, in order.
    pub fn walk<T: Send>(&self, x: Field, c: &Condition, f: impl Fn(usize, Field, &Condition) -> T + Sync) -> Vec<T> {
        let &[first, second] = &self.0[..] else {
            return vec![on_workers(x, |x| f(0, x, c))];
        };
        let part = |start, length| {
            let part = |field: &Field| field.clone().narrow(0, start, length);
            (part(&x), c.iter().map(part).collect::<Vec<_>>())
        };
        let ((x0, c0), (x1, c1)) = (part(0, first), part(first, second));
        drop(x);
        let (y0, y1) = rayon::join(|| f(0, x0, &c0), || f(1, x1, &c1));
        vec![y0, y1]
    }
}

/// What lanes made, as one batch again.
pub(super) fn joined<const D: usize>(mut parts: Vec<Tensor<D>>) -> Tensor<D> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 0) }
}

/// Which use of a parameter, of as many as there are layers that share it.
type Use = (ParamId, usize);

/// Where the gradients of lanes meet, which walk the same layers at paces of their own. Those of a layer are added up, in
/// the lanes' order, when the last lane is through with it: what is held beside the sums is what one is ahead.
#[derive(Debug)]
pub(super) struct Meeting {
    lanes: usize,
    /// What some lanes have brought, one place a lane.
    early: Mutex<HashMap<Use, Vec<Option<Tensor<1>>>>>,
    /// First the sums of all first uses.
    sums: Mutex<BTreeMap<usize, HashMap<ParamId, Tensor<1>>>>,
}

/// A lane's way to the meeting.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    meeting: Arc<Meeting>,
    number: usize,
    /// How often each parameter's gradient was handed over.
    uses: HashMap<ParamId, usize>,
}

impl Meeting {
    /// Of so many lanes.
    pub fn of(lanes: usize) -> Arc<Self> {
        Arc::new(Self { lanes, early: Mutex::default(), sums: Mutex::default() })
    }

    /// The way of one of them.
    pub fn lane(self: &Arc<Self>, number: usize) -> Lane {
        Lane { meeting: self.clone(), number, uses: HashMap::new() }
    }

    /// The sums over lanes that have all come to the end.
    pub fn sums(&self) -> ParameterGradients {
        // A lane may have had no gradient for a parameter.
        let early = std::mem::take(&mut *lock(&self.early));
        early.into_iter().for_each(|(of, terms)| self.add_up(of, terms));
        let mut all = ParameterGradients::new();
        for (id, gradient) in std::mem::take(&mut *lock(&self.sums)).into_values().flatten() {
            all.add_flat(id, gradient);
        }
        all
    }

    fn add_up(&self, (id, times): Use, terms: Vec<Option<Tensor<1>>>) {
        if let Some(sum) = terms.into_iter().flatten().reduce(|sum, term| sum + term) {
            lock(&self.sums).entry(times).or_default().insert(id, sum);
        }
    }
}

impl Lane {
    /// No lock is held while tensors are added: a thread may take up other work meanwhile, and come here with it.
    pub fn hand_over(&mut self, id: ParamId, gradient: Tensor<1>) {
        let times = self.uses.entry(id).or_default();
        let this = (id, *times);
        *times += 1;
        let complete = {
            let mut early = lock(&self.meeting.early);
            let terms = early.entry(this).or_insert_with(|| vec![None; self.meeting.lanes]);
            terms[self.number] = Some(gradient);
            if terms.iter().all(Option::is_some) { early.remove(&this) } else { None }
        };
        complete.into_iter().for_each(|terms| self.meeting.add_up(this, terms));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn sums_have_the_order_of_lanes_and_of_uses_whoever_comes_first() {
        let ids = [ParamId::new(), ParamId::new()];
        // Of each lane, what it hands over in turn: the first parameter twice, the second by the last lane alone.
        let terms = [vec![(0, 1e8), (0, 3.0)], vec![(0, -1e8), (0, 5.0)], vec![(0, 7.0), (1, 11.0), (0, 1e8)]];
        let expected = [((1e8f32 - 1e8) + 7.0) + ((3.0 + 5.0) + 1e8), 11.0];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
            let meeting = Meeting::of(terms.len());
            for lane in order {
                let mut gradients = ParameterGradients::of(meeting.lane(lane));
                for &(parameter, value) in &terms[lane] {
                    gradients.add_flat(ids[parameter], Tensor::from_floats([value], &Device::flex()));
                    gradients.end_layer();
                }
            }
            let sums = meeting.sums();
            assert!(lock(&meeting.early).is_empty());
            let value = |id| sums.get(&id).map(|sum| sum.clone().into_scalar::<f32>());
            assert_eq!(ids.map(value), expected.map(Some), "{order:?}");
        }
    }
}
