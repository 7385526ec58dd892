//! A look at the pairs of a problem before anything is trained on them.

use std::ops::Range;
use std::time::{Duration, Instant};

use ndarray::{ArrayD, Axis};

use crate::problem::{Experiment, ProblemError, Set};

/// Pairs that are read or simulated at once.
const AT_ONCE: u64 = 16;
/// Values this many standard deviations from the mean squeeze all others into a corner of the normalised range.
const OUTLIER: f64 = 30.0;
/// A mean this many standard deviations from zero leaves few of the seven digits of f32.
const OFFSET: f64 = 1e4;
/// More channels than this are rather an image whose channel axis was forgotten.
const CHANNELS: usize = 8;

/// The values of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, over pixels and pairs.
    pub standard_deviation: f64,
    count: f64,
}

impl Values {
    fn none() -> Self {
        Self { least: f64::INFINITY, greatest: f64::NEG_INFINITY, mean: 0.0, standard_deviation: 0.0, count: 0.0 }
    }

    /// These and those together (Chan, Golub and LeVeque 1983).
    fn join(&mut self, more: impl Iterator<Item = f64> + Clone) {
        let count = more.clone().count() as f64;
        let mean = more.clone().sum::<f64>() / count;
        let squares = more.clone().map(|v| (v - mean).powi(2)).sum::<f64>();
        let all = self.count + count;
        let between = (mean - self.mean).powi(2) * self.count * count / all;
        let variance = (self.standard_deviation.powi(2) * self.count + squares + between) / all;
        self.mean += (mean - self.mean) * count / all;
        (self.standard_deviation, self.count) = (variance.sqrt(), all);
        (self.least, self.greatest) =
            more.fold((self.least, self.greatest), |(least, greatest), v| (least.min(v), greatest.max(v)));
    }
}

/// What was found in some pairs of a problem.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Training pairs that were looked at.
    pub pairs: u64,
    /// Pairs held out in its own files that were read.
    pub held_out: u64,
    /// Seconds that it took to get one: to simulate or to read it.
    pub seconds_a_pair: f64,
    /// The values of x, channel by channel.
    pub x: Vec<Values>,
    /// The values of y with its noise, channel by channel.
    pub y: Vec<Values>,
    /// Mean square of the clean y about its mean over that of the noise, in decibels; where the noise is known.
    pub signal_to_noise: Option<f64>,
    /// What may be a mistake: what it is and what to do.
    pub warnings: Vec<String>,
}

/// Looks at the training pairs of an experiment for about as long as `patience`: at all, or at some all over them; and for about
/// as long at each of the sets that its own files hold out.
///
/// # Errors
/// Pairs that cannot be had, values that are not finite: the error names the place.
pub fn survey(experiment: &Experiment, most: u64, patience: Duration) -> Result<Survey, ProblemError> {
    let count = experiment.count(Set::Training).map_or(most, |count| count as u64);
    let channels = |shape: &[usize]| vec![Values::none(); shape.first().copied().unwrap_or(1)];
    let (mut x_values, mut y_values) = (channels(experiment.x_shape()), channels(experiment.y_shape()));
    let mut clean_values = y_values.clone();
    let (mut seen, mut is_repeated) = (0, false);
    let start = Instant::now();
    for range in batches(count, patience) {
        let (x, mut y) = experiment.clean_pairs(Set::Training, range.clone())?;
        add(&mut clean_values, &y);
        experiment.add_noise(Set::Training, range.start, &mut y);
        add(&mut x_values, &x);
        add(&mut y_values, &y);
        is_repeated |= x.len_of(Axis(0)) > 1 && x.index_axis(Axis(0), 0) == x.index_axis(Axis(0), 1);
        seen += range.end - range.start;
    }
    let mut found = Survey {
        pairs: seen,
        held_out: 0,
        seconds_a_pair: start.elapsed().as_secs_f64() / seen.max(1) as f64,
        signal_to_noise: signal_to_noise(experiment, &clean_values),
        warnings: Vec::new(),
        x: x_values,
        y: y_values,
    };
    for set in [Set::Validation, Set::Test] {
        found.held_out += read(experiment, set, patience)?;
    }
    found.warnings = warnings(experiment, &found, is_repeated);
    Ok(found)
}

/// Reads pairs of a set that its own files hold out; how many. What cannot be read is found before the training, not after
/// it.
fn read(experiment: &Experiment, set: Set, patience: Duration) -> Result<u64, ProblemError> {
    let mut read = 0;
    for range in batches(experiment.count(set).unwrap_or(0) as u64, patience) {
        read += range.end - range.start;
        experiment.clean_pairs(set, range)?;
    }
    Ok(read)
}

/// Batches of so many pairs, all over them, until patience ends; one at least.
fn batches(count: u64, patience: Duration) -> impl Iterator<Item = Range<u64>> {
    let (batches, start) = (count.div_ceil(AT_ONCE), Instant::now());
    (0..batches).take_while(move |&k| k == 0 || start.elapsed() < patience).map(move |k| {
        // Every stride goes through all batches once; this one jumps about, so that a part of them is a fair part.
        let batch = k * coprime_stride(batches) % batches;
        batch * AT_ONCE..((batch + 1) * AT_ONCE).min(count)
    })
}

/// A number near 0.618 n without a common divisor with n: its multiples modulo n are spread evenly.
fn coprime_stride(n: u64) -> u64 {
    let divisor = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let golden = (0.618 * n as f64) as u64;
    (golden.max(1)..=n).find(|&stride| divisor(stride, n) == 1).unwrap_or(1)
}

fn add(values: &mut [Values], pairs: &ArrayD<f32>) {
    for (channel, values) in values.iter_mut().enumerate() {
        let these = pairs.index_axis(Axis(1), channel);
        if !these.is_empty() {
            values.join(these.iter().map(|&v| f64::from(v)));
        }
    }
}

fn signal_to_noise(experiment: &Experiment, clean: &[Values]) -> Option<f64> {
    let noise = experiment.problem().noise.as_ref().filter(|_| experiment.is_clean(Set::Training))?;
    let variance = clean.iter().map(|v| v.standard_deviation.powi(2)).sum::<f64>() / clean.len() as f64;
    Some(10.0 * (variance / noise.sigma.powi(2)).log10())
}

fn warnings(experiment: &Experiment, found: &Survey, is_repeated: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, shape, channels) in [("x", experiment.x_shape(), &found.x), ("y", experiment.y_shape(), &found.y)] {
        for (channel, values) in channels.iter().enumerate() {
            let which = if channels.len() > 1 { format!("channel {channel} of {name}") } else { name.to_owned() };
            let Values { least, greatest, mean, standard_deviation: deviation, .. } = *values;
            let reach = (greatest - mean).max(mean - least);
            if least == greatest {
                warnings.push(format!("{which} is {least} everywhere: it teaches nothing; leave it out"));
            } else if reach > OUTLIER * deviation {
                warnings.push(format!(
                    "{which} has values {:.0} standard deviations from its mean: check its unit, or infer its logarithm",
                    reach / deviation
                ));
            } else if mean.abs() > OFFSET * deviation {
                warnings.push(format!(
                    "{which} is {mean:.6} ± {deviation:.1e}: of seven digits few are left; subtract a constant before storing it"
                ));
            }
        }
        if let [channels, width] = *shape
            && channels > CHANNELS
            && experiment.has_own_pairs()
        {
            warnings.push(format!(
                "{name} is read as {channels} channels of {width} values: images are stored with an axis for the channel, \
                 [sample, 1, {channels}, {width}]"
            ));
        }
    }
    if is_repeated {
        warnings.push("neighbouring pairs have the same x: draw each of them anew".into());
    }
    let training = &experiment.problem().training;
    if let Some(count) = experiment.count(Set::Training) {
        let visits = training.steps as f64 * training.batch as f64 / count as f64;
        if experiment.is_clean(Set::Training) && experiment.problem().noise.is_none() {
            warnings.push(
                "y says that it has no noise, and the problem has no [noise] table: the model will take y as exact"
                    .into(),
            );
        }
        if visits > 100.0 {
            warnings.push(format!(
                "each of {count} pairs is seen {visits:.0} times: the model will learn them by heart; store more, or train for \
                 fewer steps"
            ));
        }
    }
    if found.signal_to_noise.is_some_and(|ratio| ratio < 0.0) {
        warnings.push("there is more noise than signal in y: check noise.sigma, it is in the unit of y".into());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, Size};
    use std::path::Path;

    #[test]
    fn joined_values_are_those_of_all() {
        let all: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100) * 1e3 + 1e6).collect();
        let mut values = Values::none();
        for part in [&all[..3], &all[3..50], &all[50..]] {
            values.join(part.iter().copied());
        }
        let mean = all.iter().sum::<f64>() / 100.0;
        let deviation = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 100.0).sqrt();
        assert_eq!((values.least, values.greatest), (1e6, 1.099e6));
        assert!((values.mean - mean).abs() < 1e-6 && (values.standard_deviation - deviation).abs() < 1e-6);
    }

    #[test]
    fn strides_visit_everything() {
        for n in 1..200 {
            let mut seen: Vec<u64> = (0..n).map(|k| k * coprime_stride(n) % n).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..n), "{n}");
        }
    }

    /// A prior of variance one behind the identity, and noise of a tenth of its amplitude: 20 dB.
    #[test]
    fn simulated_pairs_are_what_the_problem_says() {
        let text = "name = 'p'\n[prior]\nkind = 'periodic-gaussian-field'\nshape = [16, 16]\n[operator]\nkind = 'identity'\n[noise]\nsigma = 0.1";
        let problem = Problem::parse(text, Path::new("p.toml"), Size::Plain).unwrap();
        let found = survey(&Experiment::new(problem).unwrap(), 256, Duration::from_secs(60)).unwrap();
        assert_eq!((found.pairs, found.x.len(), found.warnings.len()), (256, 1, 0), "{found:?}");
        assert!((found.x[0].standard_deviation - 1.0).abs() < 0.1, "{found:?}");
        assert!((found.signal_to_noise.unwrap() - 20.0).abs() < 1.0, "{found:?}");
    }
}
