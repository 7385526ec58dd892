//! How likely chance makes a number as far off as the one found, if the posterior is exact: p-values, and the decision over
//! several of them.

use std::f64::consts::SQRT_2;

use crate::io::number;
use statrs::distribution::{Binomial, DiscreteCDF};
use statrs::function::erf::erfc;

/// Two-sided, of a standard normal number.
pub fn normal(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

/// That so many of `all` tosses of a coin, or more, are heads.
pub fn at_least(heads: usize, all: usize, of_heads: f64) -> f64 {
    let coin = Binomial::new(of_heads, all as u64);
    match heads.checked_sub(1) {
        Some(fewer) => coin.map_or(f64::NAN, |coin| coin.sf(fewer as u64)),
        None => 1.0,
    }
}

/// That so many of `all` tosses of a coin, or fewer, are heads.
pub fn at_most(heads: usize, all: usize, of_heads: f64) -> f64 {
    Binomial::new(of_heads, all as u64).map_or(f64::NAN, |coin| coin.cdf(heads as u64))
}

/// Two-sided, of a sum of squares of `count` standard normal numbers, by the cube root of Wilson and Hilferty (1931).
/// A ratio to its expectation within `tolerance` of one is no deviation: so far operators and flows are computed.
pub fn sum_of_squares(sum: f64, count: f64, tolerance: f64) -> f64 {
    let off = sum / count - 1.0;
    let ratio = 1.0 + off.signum() * (off.abs() - tolerance).max(0.0);
    let spread = 2.0 / (9.0 * count);
    normal((ratio.cbrt() - (1.0 - spread)) / spread.sqrt())
}

/// Of ranks 0 … M, one a pair, being uniform. Two tests count as two.
///
/// Neyman's smooth test (1937) with two polynomials, one for ranks that lie to one side, one for ranks that gather at the
/// ends or in the middle: their sums over L pairs, with the exact variance of M + 1 values, are squared and added, χ² with two
/// degrees of freedom. And the number of truths beyond all draws, on either side: binomial, with 1/(M + 1) for each pair.
pub fn uniform_ranks(ranks: &[u32], draws: u32) -> f64 {
    (2.0 * beyond(ranks, draws).0.min(smooth(ranks, draws))).min(1.0)
}

/// How likely as many truths lie beyond all draws on one side, and how many do: of the side that is the less likely.
fn beyond(ranks: &[u32], draws: u32) -> (f64, usize) {
    let of_end = |end: u32| {
        let beyond = ranks.iter().filter(|&&rank| rank == end).count();
        (2.0 * at_least(beyond, ranks.len(), 1.0 / (f64::from(draws) + 1.0)), beyond)
    };
    let [low, high] = [0, draws].map(of_end);
    if low.0 < high.0 { low } else { high }
}

fn smooth(ranks: &[u32], draws: u32) -> f64 {
    let [first, second] = scores(draws);
    let count = ranks.len() as f64;
    let square = |scores: &[f64]| {
        let sum: f64 = ranks.iter().map(|&rank| scores.get(rank as usize).copied().unwrap_or(f64::NAN)).sum();
        let variance = scores.iter().map(|s| s * s).sum::<f64>() / scores.len() as f64;
        if variance > 0.0 { sum * sum / (count * variance) } else { 0.0 }
    };
    (-0.5 * (square(&first) + square(&second))).exp()
}

/// So many truths beyond all draws are told first.
const UNLIKELY: f64 = 0.01;

/// How ranks 0 … M are not uniform, in words.
pub fn said_of_ranks(ranks: &[u32], draws: u32) -> String {
    let (p_value, outside) = beyond(ranks, draws);
    if p_value < smooth(ranks, draws) && p_value < UNLIKELY {
        let expected = number(ranks.len() as f64 / (f64::from(draws) + 1.0));
        return format!("{outside} truths lie beyond all draws on one side ({expected} of an exact posterior)");
    }
    let means = scores(draws).map(|scores| {
        ranks.iter().filter_map(|&rank| scores.get(rank as usize)).sum::<f64>() / ranks.len().max(1) as f64
    });
    said_of_means(means, draws)
}

/// What the means of the two [`scores`] of ranks 0 … M say, in words: the side that the ranks lie on, or how far they spread
/// about their own mean, whichever is the farther from that of uniform ranks.
pub fn said_of_means([side, ends]: [f64; 2], draws: u32) -> String {
    let [uniform, of_squares] =
        scores(draws).map(|scores| scores.iter().map(|s| s * s).sum::<f64>() / scores.len() as f64);
    let spread = (ends + uniform - side * side).max(0.0);
    let deviations = [side / uniform.sqrt(), (spread - uniform) / of_squares.sqrt().max(f64::MIN_POSITIVE)];
    // Ranks that lie to one side spread less as well: what is said first of these is the side.
    if 2.0 * deviations[0].abs() >= deviations[1].abs() {
        return format!("mean rank of the truth {} of 1 (0.5 of an exact posterior)", number(0.5 + side));
    }
    let where_to =
        if spread > uniform { "at the ends: draws are too much alike" } else { "in the middle: draws differ too much" };
    format!("ranks of the truth gather {where_to} ({} of the variance of uniform ranks)", number(spread / uniform))
}

/// For each rank 0 … M its distance c from the middle, between −½ and ½, and c² less its mean: both of mean zero over
/// uniform ranks.
pub fn scores(draws: u32) -> [Vec<f64>; 2] {
    let values = f64::from(draws) + 1.0;
    let centred: Vec<f64> = (0..=draws).map(|rank| (f64::from(rank) + 0.5) / values - 0.5).collect();
    let mean_square = centred.iter().map(|c| c * c).sum::<f64>() / values;
    let squares = centred.iter().map(|c| c * c - mean_square).collect();
    [centred, squares]
}

/// Two-sided bound of the mean of `count` independent numbers, each one of `scores` with equal probability, whose mean is zero:
/// P(mean ≥ a) ≤ min over t of exp(count (log E exp(t s) − t a)) (Chernoff 1952). It holds for any count, however far
/// out, where a normal law does not.
pub fn mean_of_scores(mean: f64, scores: &[f64], count: usize) -> f64 {
    if !mean.is_finite() {
        return f64::NAN;
    }
    let largest = scores.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    let (distance, sign) = (mean.abs() / largest, mean.signum() / largest);
    let exponent = |t: f64| {
        let sum: f64 = scores.iter().map(|s| (t * (s * sign - distance)).exp()).sum();
        (sum / scores.len() as f64).ln()
    };
    // The exponent is convex in t: its minimum is closed in by thirds.
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..60 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if exponent(left) < exponent(right) { high = right } else { low = left }
    }
    (2.0 * (count as f64 * exponent(0.5 * (low + high)).min(0.0)).exp()).min(1.0)
}

/// Which of several hypotheses are rejected so that any false rejection has at most the probability `level` (Holm 1979):
/// the smallest p-value is held to level / K, the next to level / (K − 1), until one is not rejected.
pub fn rejected(p_values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut rejected = vec![false; p_values.len()];
    for (done, &index) in order.iter().enumerate() {
        if p_values[index] > level / (p_values.len() - done) as f64 {
            break;
        }
        rejected[index] = true;
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn p_values_are_those_of_their_laws() {
        assert_abs_diff_eq!(normal(-1.959964), 0.05, epsilon = 1e-6);
        // χ² with 100 degrees of freedom exceeds 124.342 with 5 %.
        assert_abs_diff_eq!(sum_of_squares(124.342, 100.0, 0.0), 0.1, epsilon = 1e-3);
        assert!(sum_of_squares(1.009e6, 1e6, 0.01) > 0.9);
        // Every rank once is as uniform as can be; ten at one end are not.
        assert_abs_diff_eq!(uniform_ranks(&(0..=20).collect::<Vec<_>>(), 20), 1.0, epsilon = 1e-12);
        assert!(uniform_ranks(&[20; 10], 20) < 1e-10);
        // Eleven of a hundred truths lie above all draws, the others as they should.
        let some: Vec<u32> = (0..89).map(|k| k * 101 / 89).chain([100; 11]).collect();
        assert!(smooth(&some, 100) > 1e-3 && uniform_ranks(&some, 100) < 1e-6);
        // Seven heads of ten or more: 176 of 1,024.
        assert_abs_diff_eq!(at_least(7, 10, 0.5), 0.171875, epsilon = 1e-12);
        assert_abs_diff_eq!(at_most(1, 3, 0.7), 0.3_f64.powi(3) + 3.0 * 0.7 * 0.3_f64.powi(2), epsilon = 1e-12);
        assert_eq!((at_least(0, 10, 0.5), at_least(0, 0, 0.5), at_most(0, 0, 0.7)), (1.0, 1.0, 1.0));
        // The bound of a mean is above the probability, and near it on a logarithmic scale: ten coins, all heads.
        let bound = mean_of_scores(1.0, &[-1.0, 1.0], 10);
        assert!((0.5_f64.powi(9)..1.2 * 0.5_f64.powi(9)).contains(&bound), "{bound}");
        assert_eq!(mean_of_scores(0.0, &[-1.0, 1.0], 10), 1.0);
    }

    #[test]
    fn words_name_what_is_off() {
        let all: Vec<u32> = (0..=20).collect();
        assert!(said_of_ranks(&all, 20).contains("mean rank of the truth 0.50000"), "{}", said_of_ranks(&all, 20));
        assert!(said_of_ranks(&[15; 9], 20).contains("mean rank of the truth 0.73810"));
        // All at one end are on one side.
        assert!(said_of_ranks(&[20; 9], 20).contains("mean rank of the truth 0.97619"));
        let some: Vec<u32> = (0..89).map(|k| k * 101 / 89).chain([100; 11]).collect();
        assert!(said_of_ranks(&some, 100).contains("11 truths lie beyond all draws"), "{}", said_of_ranks(&some, 100));
        assert!(said_of_ranks(&[0, 20, 0, 20], 20).contains("at the ends"));
        assert!(said_of_ranks(&[10; 9], 20).contains("in the middle"));
    }

    #[test]
    fn several_tests_count_as_several() {
        assert_eq!(rejected(&[0.02, 0.004, 0.5, 0.011], 0.02), [false, true, false, false]);
        assert_eq!(rejected(&[0.02, 0.004, 0.5, 0.006], 0.02), [false, true, false, true]);
        assert_eq!(rejected(&[0.019], 0.02), [true]);
    }
}
