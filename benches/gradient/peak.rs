//! The ceiling of the machine: multiply-adds whose operands never leave the registers, on all threads of rayon.

use std::hint::black_box;

use rayon::prelude::*;

/// Enough for every thread to be busy to the end.
const TASKS_PER_THREAD: usize = 64;

/// Does a millisecond's worth or so of multiply-adds on all threads; how many they were.
pub fn multiply_adds() -> usize {
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    (0..tasks).into_par_iter().map(|_| chains()).sum()
}

/// Steps of each chain of multiply-adds.
const STEPS: usize = 4096;

/// Twelve independent chains of vectors in registers; multiply-adds done.
#[cfg(target_arch = "x86_64")]
fn chains() -> usize {
    use std::arch::x86_64::*;

    macro_rules! kernel {
        ($name:ident, $features:literal, $splat:ident, $fma:ident, $lanes:literal) => {
            #[target_feature(enable = $features)]
            fn $name() -> usize {
                let (a, b) = ($splat(black_box(0.999)), $splat(black_box(0.001)));
                let mut sums = [$splat(black_box(0.5)); 12];
                for _ in 0..STEPS {
                    for sum in &mut sums {
                        *sum = $fma(*sum, a, b);
                    }
                }
                black_box(sums);
                STEPS * 12 * $lanes
            }
        };
    }
    kernel!(avx512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, 16);
    kernel!(avx2, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, 8);

    // SAFETY: each is called where this machine has what it needs.
    match (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        (true, _) => unsafe { avx512() },
        (_, true) => unsafe { avx2() },
        _ => plain(),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn chains() -> usize {
    plain()
}

fn plain() -> usize {
    let (a, b) = (black_box(0.999f32), black_box(0.001f32));
    let mut sums = [black_box(0.5f32); 64];
    for _ in 0..STEPS {
        sums.iter_mut().for_each(|sum| *sum = *sum * a + b);
    }
    black_box(sums);
    STEPS * 64
}
