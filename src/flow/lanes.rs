//! A batch cut into lanes, parts that are computed at once: the one mechanism of parallel gradients.
//!
//! Threads that share the work of a layer wait for the last of them at its end, and at the start of the next until they are
//! awake. A lane walks all layers by itself; what one leaves idle, another uses. The gradients of parameters meet layer by
//! layer, so that one set of them is held, and not one for each lane.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::ParamId;
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::flow::{Condition, Field, ParameterGradients, Plan};
use crate::kernels::{on_workers, runs_fast};

/// Numbers of a batch beyond which it has one lane unless a plan says otherwise: 32 MiB. Lanes hold copies of their parts and
/// are joined in another, and the work of a layer on so much is long beside what threads wait.
const LARGE: usize = 1 << 23;
/// Lanes of smaller batches.
const USUAL: usize = 2;

/// The samples of each lane. Nothing but the plan and the batch's shape, type and device decides: sums over samples have one
/// order, whatever the number of threads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lanes {
    ranges: Vec<Range<usize>>,
}

impl Lanes {
    /// Of a batch like x, by the plan; where it says nothing, two where the fast kernels work on x and it is not large.
    pub fn of(x: &Field, plan: Plan) -> Self {
        Self::new(x.dims(), runs_fast(x), plan)
    }

    /// The same of a batch of this shape, not yet on its device.
    pub fn new(shape: [usize; 5], runs_fast: bool, plan: Plan) -> Self {
        let (samples, numbers) = (shape[0], shape.iter().product::<usize>());
        let usual = if numbers <= LARGE && runs_fast { USUAL } else { 1 };
        let lanes = plan.lanes().unwrap_or(usual).clamp(1, samples.max(1));
        Self { ranges: (0..lanes).map(|lane| lane * samples / lanes..(lane + 1) * samples / lanes).collect() }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.ranges.len()
    }

    /// What `walk` makes of each lane's samples, in order. It is told the number of the lane.
    pub fn each<T: Send>(
        &self,
        x: Field,
        c: &Condition,
        walk: impl Fn(usize, Field, &Condition) -> T + Sync,
    ) -> Vec<T> {
        let [first, .., last] = &self.ranges[..] else {
            return vec![on_workers(x, |x| walk(0, x, c))];
        };
        let samples = last.end - first.start;
        // A scale without a condition holds a placeholder, which is not cut.
        let part = |field: &Field, range: &Range<usize>| match field.dims()[0] == samples {
            true => field.clone().narrow(0, range.start, range.len()),
            false => field.clone(),
        };
        let lane = |range| -> (Field, Vec<Field>) { (part(&x, range), c.iter().map(|c| part(c, range)).collect()) };
        let lanes: Vec<_> = self.ranges.iter().map(lane).enumerate().collect();
        drop(x);
        lanes.into_par_iter().with_max_len(1).map(|(lane, (x, c))| walk(lane, x, &c)).collect()
    }

    /// The same where `walk` takes its samples by itself, from wherever they are.
    pub fn each_range<T: Send>(&self, walk: impl Fn(usize, Range<usize>) -> T + Sync + Send) -> Vec<T> {
        self.ranges.par_iter().with_max_len(1).enumerate().map(|(lane, range)| walk(lane, range.clone())).collect()
    }
}

/// Sums of the gradients of all lanes. The lanes need not be at the same layer: beside the sums, memory holds the gradients of
/// those that are ahead.
#[derive(Debug)]
pub(crate) struct LaneSums {
    lanes: usize,
    /// Gradients that some lanes have delivered and others not yet, by lane. The key counts earlier deliveries, because layers
    /// may share a parameter.
    early: Mutex<HashMap<(ParamId, usize), BTreeMap<usize, Tensor<1>>>>,
    sums: Mutex<HashMap<ParamId, Tensor<1>>>,
}

impl LaneSums {
    /// Of so many lanes.
    pub fn new(lanes: usize) -> Arc<Self> {
        Arc::new(Self { lanes, early: Mutex::default(), sums: Mutex::default() })
    }

    /// Where lane number `lane` collects its gradients.
    pub fn lane(self: &Arc<Self>, lane: usize) -> ParameterGradients {
        match self.lanes {
            1 => ParameterGradients::new(),
            _ => ParameterGradients::of_lane(Lane { sums: self.clone(), lane, brought: HashMap::new() }),
        }
    }

    /// The sums, when all lanes have come to their ends.
    pub fn take(&self) -> ParameterGradients {
        let sums = std::mem::take(&mut *lock(&self.sums));
        let mut early: Vec<_> = std::mem::take(&mut *lock(&self.early)).into_iter().collect();
        early.sort_by_key(|((_, before), _)| *before);
        let early = early.into_iter().flat_map(|((id, _), of_lanes)| of_lanes.into_values().map(move |g| (id, g)));
        let mut all = ParameterGradients::new();
        sums.into_iter().chain(early).for_each(|(id, gradient)| all.add_flat(id, gradient));
        all
    }
}

/// What takes a lane's gradients to the sums.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    sums: Arc<LaneSums>,
    lane: usize,
    /// How often the gradient of a parameter was brought.
    brought: HashMap<ParamId, usize>,
}

impl Lane {
    /// The lane that comes last adds the gradients of all, in their order. A parameter's further gradients cannot meet before
    /// these are added, because that lane has not brought its own yet. No lock is held meanwhile: a thread may take up other
    /// work in between and come here with it.
    pub fn bring(&mut self, id: ParamId, gradient: Tensor<1>) {
        let brought = self.brought.entry(id).or_default();
        let this = (id, *brought);
        *brought += 1;
        let all = {
            let mut early = lock(&self.sums.early);
            let of_lanes = early.entry(this).or_default();
            of_lanes.insert(self.lane, gradient);
            if of_lanes.len() < self.sums.lanes {
                return;
            }
            early.remove(&this).unwrap_or_default()
        };
        let before = lock(&self.sums.sums).remove(&id);
        let Some(sum) = all.into_values().reduce(|sum, gradient| sum + gradient) else { return };
        let sum = before.map_or(sum.clone(), |before| before + sum);
        lock(&self.sums.sums).insert(id, sum);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};

    use super::*;

    #[test]
    fn small_batches_of_the_fast_kernels_have_two_lanes() {
        let field = |shape: [usize; 5]| Field::zeros(shape, &Device::flex());
        let of = |x: &Field| Lanes::of(x, Plan::least()).ranges;
        assert_eq!(of(&field([5, 2, 1, 3, 4])), [0..2, 2..5]);
        let one = |samples| std::iter::once(0..samples).collect::<Vec<_>>();
        assert_eq!(of(&field([1, 2, 1, 3, 4])), one(1));
        assert_eq!(of(&field([2, 2, 64, 256, 256])), one(2));
        assert_eq!(of(&field([5, 2, 1, 3, 4]).cast(DType::F64)), one(5));
        assert_eq!(of(&field([5, 2, 1, 3, 4]).autodiff()), one(5));
        let asked = |lanes| Lanes::of(&field([5, 2, 1, 3, 4]).cast(DType::F64), Plan::least().in_lanes(lanes)).ranges;
        assert_eq!((asked(3), asked(9).len(), asked(1)), (vec![0..1, 1..3, 3..5], 5, one(5)));
    }

    #[test]
    fn sums_have_the_order_of_uses_whoever_comes_first_and_miss_nothing() {
        let ids = [ParamId::new(), ParamId::new()];
        // Of each lane, what it brings in turn: the first parameter three times, the second in one lane alone.
        let terms = [
            vec![(0, 1e8), (0, 3.0), (0, -1e8)],
            vec![(0, 5.0), (1, 11.0), (0, 1.0), (0, 7.0)],
            vec![(0, 2.0), (0, 1e8), (0, 1.0)],
        ];
        let expected = [(((1e8f32 + 5.0) + 2.0) + ((3.0 + 1.0) + 1e8)) + ((-1e8 + 7.0) + 1.0), 11.0];
        // Which lane makes each step.
        let orders = [
            [0, 0, 0, 1, 1, 1, 1, 2, 2, 2],
            [2, 1, 1, 2, 1, 1, 2, 0, 0, 0],
            [0, 1, 2, 0, 1, 2, 1, 0, 2, 1],
            [1, 2, 0, 1, 0, 2, 1, 0, 1, 2],
        ];
        for order in orders {
            let sums = LaneSums::new(3);
            let mut lanes = [0, 1, 2].map(|lane| sums.lane(lane));
            let mut terms = terms.clone().map(Vec::into_iter);
            for lane in order {
                let (parameter, value): (usize, f32) = terms[lane].next().expect("a term for each step");
                lanes[lane].add_flat(ids[parameter], Tensor::from_floats([value], &Device::flex()));
                lanes[lane].end_layer();
            }
            let sums = sums.take();
            let value = |id| sums.get(&id).map(|sum| sum.clone().into_scalar::<f32>());
            assert_eq!(ids.map(value), expected.map(Some), "{order:?}");
        }
    }
}
