//! The ceiling of the machine: multiply-adds whose operands never leave the registers, on all threads of rayon.

use std::hint::black_box;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use super::InstructionSet;
use super::instruction_set::{Kernel, Simd};
use super::view::is_fast;

/// Enough for every thread to be busy to the end.
const TASKS_PER_THREAD: usize = 64;
/// Steps of each chain of multiply-adds.
const STEPS: usize = 4096;

/// Chains of multiply-adds of whole vectors; how many numbers they were done to.
struct Chains;

impl Kernel for Chains {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self) -> u64 {
        // As many independent chains as hide the latency of one and stay in sixteen registers; a vector of the plain set takes
        // two.
        if S::FUSED { chains::<S, 12>() } else { chains::<S, 6>() }
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>() -> u64 {
    let (a, b) = (S::splat(black_box(0.999)), S::splat(black_box(0.001)));
    let mut sums = [S::splat(black_box(0.5)); N];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = S::multiply_add(*sum, a, b);
        }
    }
    black_box(sums);
    (STEPS * N * S::LANES) as u64
}

/// Does a millisecond's worth or so of multiply-adds of f32 in registers, on all threads; how many they were.
pub fn spend_multiply_adds() -> u64 {
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let set = InstructionSet::best();
    (0..tasks).into_par_iter().map(|_| set.run(Chains)).sum()
}

/// The most multiply-adds of f32 in a second that the kernels of a device could do, measured for about so long; `None`
/// where the device has no kernels of ours.
pub fn peak_multiply_adds(device: &Device, patience: Duration) -> Option<f64> {
    if !is_fast(&Tensor::<1>::zeros([1], device)) {
        return None;
    }
    let (start, mut done) = (Instant::now(), spend_multiply_adds());
    while start.elapsed() < patience {
        done += spend_multiply_adds();
    }
    Some(done as f64 / start.elapsed().as_secs_f64())
}
