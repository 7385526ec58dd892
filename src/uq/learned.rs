//! Has a posterior learned anything from its observations? Draws of the prior are calibrated too.

use super::chance;

/// How sure it must be, either way.
const SURE: f64 = 0.01;
/// Of a posterior that says something of the image, so many truths at least are closer to their own mean: as many as of
/// one unknown whose variance is halved.
const CLOSER: f64 = 0.7;

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

    /// What all pairs say.
    pub fn outcome(&self) -> Outcome {
        Outcome { closer: self.closer, compared: self.compared }
    }
}

/// How many truths are closer to the mean of their own posterior than to that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// So many are,
    pub closer: usize,
    /// of so many.
    pub compared: usize,
}

impl Outcome {
    /// Probability that as many are where nothing was learned.
    pub fn p_value(&self) -> f64 {
        chance::at_least(self.closer, self.compared, 0.5)
    }

    /// Whether something was learned; none where the pairs are too few to tell.
    pub fn has_learned(&self) -> Option<bool> {
        if self.p_value() < SURE {
            Some(true)
        } else if chance::at_most(self.closer, self.compared, CLOSER) < SURE {
            Some(false)
        } else {
            None
        }
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
        let own = outcome(&|i| (i as f64, i as f32 + 0.1));
        assert_eq!((own, own.has_learned()), (Outcome { closer: 20, compared: 20 }, Some(true)));
        assert!(own.p_value() < 1e-5, "{own:?}");
        let others = outcome(&|i| (((i * 7) % 5) as f64, ((i * 11) % 7) as f32));
        assert!(others.p_value() > 0.05 && others.has_learned() != Some(true), "{others:?}");
    }

    #[test]
    fn few_pairs_say_neither() {
        let said = |closer, compared| Outcome { closer, compared }.has_learned();
        assert_eq!([said(50, 99), said(80, 99), said(60, 99)], [Some(false), Some(true), None]);
        assert_eq!([said(7, 11), said(11, 11), said(0, 0)], [None, Some(true), None]);
    }
}
