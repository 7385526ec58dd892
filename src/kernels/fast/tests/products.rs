//! The matrix product behind every kernel, against a plain sum in double precision.

use proptest::prelude::*;

use super::super::product::{Finish, Rows, SLACK, Start, Steps};
use super::*;

/// Between the rows of the outputs, where nothing may be written.
const UNTOUCHED: f32 = 12345.0;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_are_the_sums_that_they_say(
        rows in 1usize..25, length in 0usize..150, base in 0usize..9,
        runs in prop::collection::vec((any::<bool>(), [0usize..40, 0..60], 0usize..7, 1usize..14), 0..6),
        start in 0usize..3, finish in 0usize..3, even in prop::option::weighted(0.2, (0usize..20, 0usize..5)),
    ) {
        // Steps at one distance in b, with jumps between them in both directions, some of them in b alone.
        let mut offsets: Vec<[usize; 2]> = Vec::new();
        for (goes_on, [jump, place], stride, length) in runs {
            let at = offsets.last().filter(|_| goes_on).map_or(jump, |[at, _]| at + 1);
            offsets.extend((0..length).map(|step| [at + step, place + step * stride]));
        }
        if let Some((length, stride)) = even {
            offsets = (0..length).map(|step| [step, step * stride]).collect();
        }
        let [reach_a, reach_b] = [0, 1].map(|side| offsets.iter().map(|pair| pair[side]).max().unwrap_or(0));
        let steps = match even {
            Some((length, stride)) => Steps::even(length, stride),
            None => Steps::new(offsets.iter().copied()),
        };
        // Rows of a overlap.
        let begins: Vec<usize> = (0..rows).map(|row| row * 7 % 40).collect();
        let numbers = |length: usize, index| values(&random::<1>([length], index)).into_iter().map(|v| v as f32);
        let a: Vec<f32> = numbers(40 + reach_a, 0).collect();
        let whole = if length < 4 * SLACK || start == 2 { length.next_multiple_of(SLACK) } else { length };
        let b: Vec<f32> = numbers(base + reach_b + whole, 1).collect();
        let bias: Vec<f32> = numbers(rows, 2).collect();
        let pitch = length + 5;
        let gates: Vec<f32> = numbers(rows * pitch + 4 * SLACK, 3).collect();
        let before: Vec<f32> = numbers(rows * pitch, 4).collect();
        for set in InstructionSet::available() {
            let mut outputs = before.clone();
            outputs.chunks_mut(pitch).for_each(|row| row[length..].fill(UNTOUCHED));
            Rows {
                a: &a,
                rows: &begins,
                steps: &steps,
                start: [Start::Zero, Start::Bias(&bias), Start::Outputs][start],
                b: &b,
                base,
                finish: [Finish::Nothing, Finish::Leak(0.1), Finish::Gate { values: &gates, pitch, factor: 0.1 }][finish],
                outputs: &mut outputs.chunks_mut(pitch).map(|row| &mut row[..length]).collect::<Vec<_>>(),
            }
            .run(set);
            for (row, outputs) in outputs.chunks(pitch).enumerate() {
                prop_assert!(outputs[length..].iter().all(|&value| value == UNTOUCHED), "{set:?}: beyond row {row}");
                for (p, &found) in outputs[..length].iter().enumerate() {
                    let begin = [0.0, bias[row], before[row * pitch + p]][start] as f64;
                    let terms = offsets.iter().map(|&[at, place]| a[begins[row] + at] as f64 * b[base + place + p] as f64);
                    let sum = begin + terms.sum::<f64>();
                    let closed = [false, sum < 0.0, gates[row * pitch + p] <= 0.0][finish];
                    let expected = if closed { 0.1 * sum } else { sum };
                    prop_assert!((found as f64 - expected).abs() < 1e-4, "{set:?}: {row}, {p}: {found} for {expected}");
                }
            }
        }
    }
}
