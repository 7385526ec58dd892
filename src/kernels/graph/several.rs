//! A map of several tensors to several, as one piece of the graph.
//!
//! A node of Burn's has one output and a number of parents that is known when the program is compiled. A map of several
//! is a chain of such nodes, joined by *tokens*, tensors of one number that only carry the order of events:
//!
//! ```text
//! input 1 ─┐   input 2 ─┐         input n ─┐                     ┌─ output 1
//!  token ──┴── token ───┴── … ── token ────┴── token (the map) ──┼─ …
//!                                                                └─ output m
//! ```
//!
//! Backwards, each output leaves its gradient in a shared place, the map turns them into those of the inputs, and
//! each input takes its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::DispatchTensor;
use burn::tensor::{DType, Device, Tensor};

use super::node::{Parents, Pulled};

/// The gradients of the inputs, where there are any, from those of the outputs, where the loss depends on them.
type Pull = Box<dyn FnOnce(Pulled) -> Pulled + Send>;

/// What the nodes of one map share.
struct Shared {
    of_outputs: Mutex<Pulled>,
    of_inputs: Mutex<Pulled>,
    pull: Mutex<Option<Pull>>,
}

/// `outputs`, computed from `inputs` outside the graph, as a part of it: `pull` makes their gradients into those of the
/// inputs, once. They come back as they are where autodiff tracks no input.
pub fn join(
    inputs: Vec<DispatchTensor>,
    outputs: Vec<DispatchTensor>,
    pull: impl FnOnce(Pulled) -> Pulled + Send + 'static,
    (device, dtype): (&Device, DType),
) -> Vec<DispatchTensor> {
    let shared = Arc::new(Shared {
        of_outputs: Mutex::new(vec![None; outputs.len()]),
        of_inputs: Mutex::new(Vec::new()),
        pull: Mutex::new(Some(Box::new(pull))),
    });
    let device = device.clone();
    let fresh = move || Tensor::<1>::zeros([1], (&device, dtype)).into_dispatch();
    let mut token = fresh();
    for (index, input) in inputs.into_iter().enumerate() {
        let Some(parents) = Parents::of([token.clone(), input]) else { continue };
        let shared = shared.clone();
        token = parents.node(fresh(), move |onward, _| {
            let gradient = lock(&shared.of_inputs).get_mut(index).and_then(Option::take);
            vec![Some(onward), gradient]
        });
    }
    let Some(parents) = Parents::of([token]) else { return outputs };
    let map = shared.clone();
    let token = parents.node(fresh(), move |onward, _| {
        let of_outputs = std::mem::take(&mut *lock(&map.of_outputs));
        let pull = lock(&map.pull).take();
        if let Some(pull) = pull {
            // No lock is held: the map may differentiate graphs of its own.
            let of_inputs = pull(of_outputs);
            *lock(&map.of_inputs) = of_inputs;
        }
        vec![Some(onward)]
    });
    let emit = |(index, output): (usize, DispatchTensor)| {
        let Some(parents) = Parents::of([token.clone()]) else { return output };
        let (shared, fresh) = (shared.clone(), fresh.clone());
        parents.node(output, move |gradient, _| {
            if let Some(place) = lock(&shared.of_outputs).get_mut(index) {
                *place = Some(gradient);
            }
            vec![Some(fresh())]
        })
    };
    outputs.into_iter().enumerate().map(emit).collect()
}

/// What is behind a lock; a panic elsewhere has left nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
