//! Exponential and hyperbolic tangent as polynomials, in arithmetic that the compiler turns into vectors.

use super::instruction_set::Simd;

/// 1.5 · 2²³: added to a small number it rounds it to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// n and eʳ − 1 for x = n ln 2 + r with |r| ≤ ½ ln 2; n stands in the lowest bits of a word, added to those of
/// [`ROUND`]. Beyond the range of f32, x stays at the ends of the range.
///
/// ln 2 is in two parts. (eʳ − 1 − r) / r² is the polynomial of degree 4 that makes the largest relative error of eʳ
/// smallest (Remez): 3·10⁻⁹.
#[inline(always)]
fn reduced<S: Simd>(x: f32) -> (u32, f32) {
    let x = x.clamp(-87.3, 88.3);
    let shifted = S::fused(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = S::fused(n, -0.693_359_4, x);
    let r = S::fused(n, 2.121_944_4e-4, r);
    let mut q = 1.381_459_9e-3;
    for c in [8.368_717e-3, 4.166_839e-2, 0.166_665_2, 0.499_999_94] {
        q = S::fused(q, r, c);
    }
    (shifted.to_bits(), S::fused(q * r, r, r))
}

/// 2ⁿ, the bits of [`ROUND`] being shifted out.
#[inline(always)]
fn power(n: u32) -> f32 {
    f32::from_bits(1f32.to_bits().wrapping_add(n << 23))
}

/// eˣ within 2 ulp; beyond the range of f32 it stays at the ends of the range.
#[inline(always)]
pub fn exp<S: Simd>(x: f32) -> f32 {
    let (n, e) = reduced::<S>(x);
    let power = power(n);
    S::fused(power, e, power)
}

/// tanh x within 3 ulp: with e = e²ˣ − 1, which keeps its digits near zero, it is e / (e + 2).
#[inline(always)]
pub fn tanh<S: Simd>(x: f32) -> f32 {
    let (n, e) = reduced::<S>(x + x);
    let power = power(n);
    let e = S::fused(power, e, power - 1.0);
    e / (e + 2.0)
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid<S: Simd>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<S>(-x))
}

/// The sum of a slice, in four vectors of partial sums.
#[inline(always)]
pub fn sum<S: Simd>(values: &[f32]) -> f32 {
    let one = S::splat(1.0);
    let mut sums = [S::splat(0.0); 4];
    let mut blocks = values.chunks_exact(4 * S::LANES);
    for block in &mut blocks {
        for (sum, vector) in sums.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *sum = S::multiply_add(one, S::load(vector), *sum);
        }
    }
    let rest: f32 = blocks.remainder().iter().sum();
    let [a, b, c, d] = sums.map(S::sum);
    ((a + b) + (c + d)) + rest
}

#[cfg(test)]
mod tests {
    use super::super::instruction_set::{InstructionSet, Kernel};
    use super::*;

    struct Worst;

    /// The largest error in ulp of exp, tanh and sigmoid over a fine grid.
    impl Kernel for Worst {
        type Output = [f64; 3];

        #[inline(always)]
        fn run<S: Simd>(self) -> [f64; 3] {
            let ulp = |found: f32, exact: f64| {
                let size = (exact as f32).abs().max(f32::MIN_POSITIVE);
                (found as f64 - exact).abs() / (size.next_up() - size) as f64
            };
            let mut worst = [0f64; 3];
            for i in -870_000..=870_000 {
                let x = i as f32 * 1e-4;
                let exact = x as f64;
                let errors = [
                    ulp(exp::<S>(x), exact.exp()),
                    ulp(tanh::<S>(x * 0.125), (exact * 0.125).tanh()),
                    ulp(sigmoid::<S>(x), 1.0 / (1.0 + (-exact).exp())),
                ];
                worst = std::array::from_fn(|k| worst[k].max(errors[k]));
            }
            worst
        }
    }

    #[test]
    fn functions_are_accurate_to_a_few_units_in_the_last_place() {
        for set in InstructionSet::available() {
            let [exp, tanh, sigmoid] = set.run(Worst);
            assert!(exp < 2.0 && tanh < 3.0 && sigmoid < 3.0, "{set:?}: {exp} {tanh} {sigmoid}");
        }
    }

    struct Of(f32);

    impl Kernel for Of {
        type Output = [f32; 3];

        #[inline(always)]
        fn run<S: Simd>(self) -> [f32; 3] {
            [exp::<S>(self.0), tanh::<S>(self.0), sigmoid::<S>(self.0)]
        }
    }

    #[test]
    fn limits_are_reached_and_no_nan_is_lost() {
        for set in InstructionSet::available() {
            let [exp, tanh, sigmoid] = set.run(Of(f32::INFINITY));
            assert!(exp > 2e38 && tanh == 1.0 && sigmoid == 1.0);
            let [exp, tanh, sigmoid] = set.run(Of(f32::NEG_INFINITY));
            assert!(exp < 2e-38 && tanh == -1.0 && sigmoid < 2e-38);
            // The lowest bits of a NaN may be anything.
            for bits in [0x7fc0_0000, 0x7fc0_0001, 0xffc0_01ff] {
                assert!(set.run(Of(f32::from_bits(bits))).iter().all(|value| value.is_nan()));
            }
        }
    }
}
