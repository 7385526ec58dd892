//! Exponential and hyperbolic tangent as polynomials, in arithmetic that the compiler turns into vectors.

use super::instruction_set::Simd;

/// 1.5 · 2²³: added to a small number it rounds it to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// eˣ within 2 ulp; beyond the range of f32 it stays at the ends of the range.
///
/// With n = round(x / ln 2) and r = x − n ln 2 (ln 2 in two parts), eˣ = 2ⁿ eʳ, and eʳ is the polynomial of degree 7
/// of the Cephes library (Moshier).
#[inline(always)]
pub fn exp<S: Simd>(x: f32) -> f32 {
    let x = x.clamp(-87.3, 88.3);
    let shifted = S::fused(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = S::fused(n, -0.693_359_4, x);
    let r = S::fused(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = S::fused(p, r, c);
    }
    let p = S::fused(p * r, r, r) + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    p * f32::from_bits(exponent << 23)
}

/// tanh x within 3 ulp: a polynomial near zero, 1 − 2 / (e^{2|x|} + 1) elsewhere.
#[inline(always)]
pub fn tanh<S: Simd>(x: f32) -> f32 {
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    for c in [2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8] {
        p = S::fused(p, z, c);
    }
    let small = S::fused(p * z, x, x);
    let large = (1.0 - 2.0 / (exp::<S>(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 { small } else { large }
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
}
