//! Has a posterior learned anything from its observations? Draws of the prior are calibrated too.

use super::chance;

/// Is the truth of a pair closer to the mean of its own posterior than to that of another? Without anything learned from y,
/// both are as likely.
#[derive(Default)]
pub struct Learned {
    previous: Vec<f64>,
    closer: usize,
    compared: usize,
}

impl Learned {
    /// One more pair: the mean of its posterior and its truth, cell by cell.
    pub fn add(&mut self, mean: Vec<f64>, truth: impl Iterator<Item = f32>) {
        if self.previous.len() == mean.len() {
            let [own, other] = truth.zip(mean.iter().zip(&self.previous)).fold([0.0; 2], |sums, (truth, means)| {
                let square = |mean: &f64| (f64::from(truth) - mean).powi(2);
                [sums[0] + square(means.0), sums[1] + square(means.1)]
            });
            self.compared += 1;
            self.closer += usize::from(own < other);
        }
        self.previous = mean;
    }

    /// How many of how many truths are closer to their own mean, and the probability that chance alone makes as many.
    pub fn outcome(&self) -> (usize, usize, f64) {
        let own: Vec<f64> = (0..self.compared).map(|i| f64::from(u8::from(i < self.closer))).collect();
        let both_sides = if own.is_empty() { 1.0 } else { chance::shares(&own, 0.5, 1.0) };
        let p_value = if 2 * self.closer > self.compared { 0.5 * both_sides } else { 1.0 - 0.5 * both_sides };
        (self.closer, self.compared, p_value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truths_near_their_own_means_are_told_from_others() {
        let outcome = |of_pair: &dyn Fn(usize) -> (f64, f32)| {
            let mut learned = Learned::default();
            for (mean, truth) in (0..21).map(of_pair) {
                learned.add(vec![mean], [truth].into_iter());
            }
            learned.outcome()
        };
        let (closer, compared, p_value) = outcome(&|i| (i as f64, i as f32 + 0.1));
        assert_eq!((closer, compared), (20, 20));
        assert!(p_value < 1e-5, "{p_value}");
        let (.., p_value) = outcome(&|i| (((i * 7) % 5) as f64, ((i * 11) % 7) as f32));
        assert!(p_value > 0.05, "{p_value}");
    }
}
