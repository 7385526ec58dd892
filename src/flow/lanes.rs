//! A batch walked in two lanes at once.
//!
//! Threads that share the work of a layer wait for the last of them at its end, and at the start of the next until they are
//! awake. A lane is a half of the batch and walks all layers by itself; what one leaves idle, the other uses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::ParamId;
use burn::tensor::Tensor;

use crate::flow::{Condition, Field, ParameterGradients};
use crate::kernels::{on_workers, runs_fast};

/// Numbers of a batch beyond which it has one lane: 32 MiB. Lanes hold copies of their halves and are joined in another,
/// and the work of a layer on so much is long beside what threads wait.
const LARGE: usize = 1 << 23;

/// How a batch is walked. Nothing but its shape, type and device decides: sums over samples have one order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lanes {
    One,
    /// Samples of each.
    Two([usize; 2]),
}

impl Lanes {
    /// Two, where the fast kernels work on x and it is not large.
    pub fn of(x: &Field) -> Self {
        let (batch, numbers) = (x.dims()[0], x.dims().iter().product::<usize>());
        match batch > 1 && numbers <= LARGE && runs_fast(x) {
            true => Self::Two([batch.div_ceil(2), batch / 2]),
            false => Self::One,
        }
    }

    /// What `walk` makes of each lane's samples, in order.
    pub fn each<T: Send>(self, x: Field, c: &Condition, walk: impl Fn(Field, &Condition) -> T + Sync) -> Vec<T> {
        let Self::Two([first, second]) = self else {
            return vec![on_workers(x, |x| walk(x, c))];
        };
        let part = |field: &Field, start: usize, count: usize| match field.dims()[0] == first + second {
            true => field.clone().narrow(0, start, count),
            // What stands for the condition of a scale that has none.
            false => field.clone(),
        };
        let lane = |start, count| -> (Field, Vec<Field>) {
            (part(&x, start, count), c.iter().map(|c| part(c, start, count)).collect())
        };
        let ((x0, c0), (x1, c1)) = (lane(0, first), lane(first, second));
        drop(x);
        let (y0, y1) = rayon::join(|| walk(x0, &c0), || walk(x1, &c1));
        vec![y0, y1]
    }
}

/// Sums of two lanes' gradients. The lanes walk the same layers at paces of their own: what is held beside the sums is what
/// one is ahead.
#[derive(Debug, Default)]
pub(super) struct LaneSums {
    /// What one lane has brought and the other has not, by how often it had brought the parameter's before: layers may share
    /// a parameter.
    early: Mutex<HashMap<(ParamId, usize), Tensor<1>>>,
    sums: Mutex<HashMap<ParamId, Tensor<1>>>,
}

impl LaneSums {
    /// The sums, when both lanes have come to their ends.
    pub fn take(&self) -> ParameterGradients {
        let sums = std::mem::take(&mut *lock(&self.sums));
        let mut early: Vec<_> = std::mem::take(&mut *lock(&self.early)).into_iter().collect();
        early.sort_by_key(|((_, before), _)| *before);
        let early = early.into_iter().map(|((id, _), gradient)| (id, gradient));
        let mut all = ParameterGradients::new();
        sums.into_iter().chain(early).for_each(|(id, gradient)| all.add_flat(id, gradient));
        all
    }
}

/// What takes a lane's gradients to the sums.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    sums: Arc<LaneSums>,
    /// How often the gradient of a parameter was brought.
    brought: HashMap<ParamId, usize>,
}

impl Lane {
    pub fn of(sums: &Arc<LaneSums>) -> Self {
        Self { sums: sums.clone(), brought: HashMap::new() }
    }

    /// Two numbers have one sum in either order, and a parameter's further gradients cannot meet before these are added:
    /// whoever comes second is still here. No lock is held meanwhile, for a thread may take up other work in between and come
    /// here with it.
    pub fn bring(&mut self, id: ParamId, gradient: Tensor<1>) {
        let brought = self.brought.entry(id).or_default();
        let this = (id, *brought);
        *brought += 1;
        let other = {
            let mut early = lock(&self.sums.early);
            match early.remove(&this) {
                Some(other) => other,
                None => {
                    early.insert(this, gradient);
                    return;
                }
            }
        };
        let sum = other + gradient;
        let before = lock(&self.sums.sums).remove(&id);
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
        assert_eq!(Lanes::of(&field([5, 2, 1, 3, 4])), Lanes::Two([3, 2]));
        assert_eq!(Lanes::of(&field([1, 2, 1, 3, 4])), Lanes::One);
        assert_eq!(Lanes::of(&field([2, 2, 64, 256, 256])), Lanes::One);
        assert_eq!(Lanes::of(&field([5, 2, 1, 3, 4]).cast(DType::F64)), Lanes::One);
        assert_eq!(Lanes::of(&field([5, 2, 1, 3, 4]).autodiff()), Lanes::One);
    }

    #[test]
    fn sums_have_the_order_of_uses_whoever_comes_first_and_miss_nothing() {
        let ids = [ParamId::new(), ParamId::new()];
        // Of each lane, what it brings in turn: the first parameter three times, the second in one lane alone.
        let terms = [vec![(0, 1e8), (0, 3.0), (0, -1e8)], vec![(0, 5.0), (1, 11.0), (0, 1.0), (0, 7.0)]];
        let expected = [((1e8f32 + 5.0) + (3.0 + 1.0)) + (-1e8 + 7.0), 11.0];
        // Which lane makes each step.
        for order in [[0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0, 1]] {
            let sums = Arc::<LaneSums>::default();
            let mut lanes = [(); 2].map(|()| ParameterGradients::of_lane(&sums));
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
