//! Every cell of an image by itself, over all pairs: one pixel that is wrong drowns in the mean of all.

use super::chance::{mean_of_scores, scores};

/// Sums over pairs, a few numbers a cell.
pub struct EveryCell {
    scores: [Vec<f64>; 2],
    pairs: usize,
    /// Of the two scores of the ranks.
    sums: [Vec<f64>; 2],
    /// The first truth; sums of the others less it, and of their squares.
    first: Vec<f32>,
    truths: [Vec<f64>; 2],
}

/// The cell whose ranks are the least likely.
pub struct Worst {
    /// Its number among the cells that are judged.
    pub cell: usize,
    /// Probability that chance leaves any cell so far off, in either score.
    pub p_value: f64,
    /// Its mean scores.
    pub means: [f64; 2],
}

impl EveryCell {
    /// Before the first pair, of ranks among so many draws.
    pub fn new(draws: u32) -> Self {
        let empty = || [Vec::new(), Vec::new()];
        Self { scores: scores(draws), pairs: 0, sums: empty(), first: Vec::new(), truths: empty() }
    }

    /// One more pair: rank and truth of each cell, in the same order as before.
    pub fn add<'a>(&mut self, ranks: impl IntoIterator<Item = &'a u32>, truth: impl Iterator<Item = f32>) {
        let truth: Vec<f32> = truth.collect();
        if self.pairs == 0 {
            let zeros = || [vec![0.0; truth.len()], vec![0.0; truth.len()]];
            (self.sums, self.truths, self.first) = (zeros(), zeros(), truth.clone());
        }
        self.pairs += 1;
        for (cell, &rank) in ranks.into_iter().enumerate() {
            for (sums, scores) in self.sums.iter_mut().zip(&self.scores) {
                if let (Some(sum), Some(score)) = (sums.get_mut(cell), scores.get(rank as usize)) {
                    *sum += score;
                }
            }
        }
        let [sums, squares] = &mut self.truths;
        for (((sum, square), first), truth) in sums.iter_mut().zip(squares).zip(&self.first).zip(&truth) {
            let value = f64::from(*truth) - f64::from(*first);
            *sum += value;
            *square += value * value;
        }
    }

    /// The cell that is the farthest off. With n cells and two scores of each, the probability is that of one times 2 n.
    pub fn worst(&self) -> Option<Worst> {
        let pairs = self.pairs.max(1) as f64;
        let of = |score: usize| {
            let extreme = |better: fn(f64, f64) -> bool| {
                let mut cells = self.sums[score].iter().copied().enumerate();
                let first = cells.next()?;
                Some(cells.fold(first, |best, cell| if better(cell.1, best.1) { cell } else { best }))
            };
            [extreme(|a, b| a < b), extreme(|a, b| a > b)]
                .into_iter()
                .flatten()
                .map(move |(cell, sum)| (cell, score, sum))
        };
        let cells = 2.0 * self.sums[0].len() as f64;
        of(0)
            .chain(of(1))
            .map(|(cell, score, sum)| {
                let p_value = (cells * mean_of_scores(sum / pairs, &self.scores[score], self.pairs)).min(1.0);
                let means = self.sums.each_ref().map(|sums| sums.get(cell).copied().unwrap_or(0.0) / pairs);
                Worst { cell, p_value, means }
            })
            .min_by(|a, b| a.p_value.total_cmp(&b.p_value))
    }

    /// Mean over cells of the variance of the truths between pairs.
    pub fn variance_of_truths(&self) -> f64 {
        let pairs = self.pairs as f64;
        let [sums, squares] = &self.truths;
        let of_cell = |(sum, square): (&f64, &f64)| (square - sum * sum / pairs) / (pairs - 1.0);
        sums.iter().zip(squares).map(of_cell).sum::<f64>() / sums.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn the_worst_cell_is_named_and_truths_vary_as_they_do() {
        let mut cells = EveryCell::new(10);
        for pair in 0..33u32 {
            cells
                .add(&[pair % 11, if pair < 30 { 9 } else { 0 }, pair % 11], [1e6 + pair as f32, 0.0, 0.0].into_iter());
        }
        let worst = cells.worst().unwrap();
        assert_eq!(worst.cell, 1);
        assert!(worst.p_value < 1e-4 && worst.means[0] > 0.2, "{} {:?}", worst.p_value, worst.means);
        // 0 … 32: (33² − 1)/12 · 33/32, of one cell in three.
        assert_abs_diff_eq!(cells.variance_of_truths(), 1088.0 / 12.0 * 33.0 / 32.0 / 3.0, epsilon = 1e-9);
    }
}
