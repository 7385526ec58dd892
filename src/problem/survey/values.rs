use serde::{Deserialize, Serialize};

/// The values of one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, over pixels and pairs.
    pub standard_deviation: f64,
    /// Whether all of them are whole numbers.
    pub are_whole: bool,
    count: f64,
}

impl Values {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    pub(super) fn none() -> Self {
        Self { least: 0.0, greatest: 0.0, mean: 0.0, standard_deviation: 0.0, are_whole: true, count: 0.0 }
    }

    /// These and those together (Chan, Golub and LeVeque 1983).
    pub(super) fn join(&mut self, more: impl Iterator<Item = f64> + Clone) {
        let count = more.clone().count() as f64;
        let mean = more.clone().sum::<f64>() / count;
        let squares = more.clone().map(|v| (v - mean).powi(2)).sum::<f64>();
        let all = self.count + count;
        let between = (mean - self.mean).powi(2) * self.count * count / all;
        let variance = (self.standard_deviation.powi(2) * self.count + squares + between) / all;
        // Of none the least is no number, which a file cannot keep.
        let range = if self.count > 0.0 { (self.least, self.greatest) } else { (f64::INFINITY, f64::NEG_INFINITY) };
        self.mean += (mean - self.mean) * count / all;
        (self.standard_deviation, self.count) = (variance.sqrt(), all);
        self.are_whole &= more.clone().all(|v| v.fract() == 0.0);
        (self.least, self.greatest) = more.fold(range, |(least, greatest), v| (least.min(v), greatest.max(v)));
    }
}

/// What one channel is in each pair: by these, pairs are compared with each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairwise {
    /// The mean of its values.
    pub means: Vec<f64>,
    /// The root mean square of what they differ from it.
    pub deviations: Vec<f64>,
}

impl Pairwise {
    /// One pair more.
    pub fn add(&mut self, values: impl Iterator<Item = f64> + Clone) {
        let count = values.clone().count().max(1) as f64;
        let mean = values.clone().sum::<f64>() / count;
        self.means.push(mean);
        self.deviations.push((values.map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt());
    }

    /// How far the values of the middle one of all pairs lie from the middle of all: a size that few outliers do not rule.
    pub fn typical_size(&self) -> f64 {
        let middle = median(&self.means);
        let sizes: Vec<f64> = self
            .means
            .iter()
            .zip(&self.deviations)
            .map(|(mean, deviation)| (mean - middle).hypot(*deviation))
            .collect();
        median(&sizes)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// By how many of its standard deviations the rank sum of `some` among `some` and `others` lies from what it is where both
/// come from one distribution (Mann and Whitney 1947). Zero where one of them is empty.
pub(super) fn rank_difference(some: &[f64], others: &[f64]) -> f64 {
    let (n, m) = (some.len() as f64, others.len() as f64);
    let mut all: Vec<(f64, bool)> = some.iter().map(|&v| (v, true)).chain(others.iter().map(|&v| (v, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut first) = (0.0, 0);
    while first < all.len() {
        let end = first + all[first..].iter().take_while(|(v, _)| *v == all[first].0).count();
        // Equal values share the mean of their ranks.
        let rank = (first + end + 1) as f64 / 2.0;
        sum += rank * all[first..end].iter().filter(|(_, is_of_some)| *is_of_some).count() as f64;
        first = end;
    }
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    if deviation > 0.0 { (sum - n * (n + m + 1.0) / 2.0) / deviation } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_values_are_those_of_all() {
        let all: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100) * 1e3 + 1e6).collect();
        let mut values = Values::none();
        for part in [&all[..3], &all[3..50], &all[50..]] {
            values.join(part.iter().copied());
        }
        let mean = all.iter().sum::<f64>() / 100.0;
        let deviation = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 100.0).sqrt();
        assert_eq!((values.least, values.greatest, values.are_whole), (1e6, 1.099e6, true));
        assert!((values.mean - mean).abs() < 1e-6 && (values.standard_deviation - deviation).abs() < 1e-6);
        values.join([0.5].into_iter());
        assert!(!values.are_whole);
        let none = Values::none();
        assert_eq!(serde_json::from_str::<Values>(&serde_json::to_string(&none).unwrap()).unwrap(), none);
    }

    #[test]
    fn few_outliers_do_not_rule_the_typical_size() {
        let mut pairs = Pairwise::default();
        for k in 0..20 {
            let gain = if k == 7 { 1e8 } else { 1.0 };
            pairs.add([3.0 - gain, 3.0 + gain].into_iter());
        }
        assert!((pairs.typical_size() - 1.0).abs() < 1e-9, "{}", pairs.typical_size());
    }

    #[test]
    fn ranks_tell_the_end_of_a_sweep_from_a_part_of_a_sample() {
        let sweep: Vec<f64> = (0..96).map(f64::from).collect();
        assert!(rank_difference(&sweep[88..], &sweep[..88]) > 4.0);
        let (some, others): (Vec<f64>, Vec<f64>) = sweep.iter().partition(|v| *v % 12.0 == 5.0);
        assert!(rank_difference(&some, &others).abs() < 1.0);
        assert_eq!((rank_difference(&[1.0; 5], &[1.0; 9]), rank_difference(&[], &[1.0])), (0.0, 0.0));
    }
}
