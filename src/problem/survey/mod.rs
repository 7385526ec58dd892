//! A look at the pairs of a problem before anything is trained on them: pairs of the user's own are all read, simulated ones
//! as far as patience goes. What makes a training impossible is an error that names all of it at once; what may be a mistake
//! is a warning. A run keeps what was found.

mod cells;
mod copies;
mod kept;
mod values;
mod warnings;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use ndarray::{ArrayD, ArrayViewD, Axis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::io::fingerprint::hexadecimal;
use crate::problem::pair_origin::are_finite;
use crate::problem::{Experiment, ProblemError, Set};
use cells::Cells;
use copies::Copies;
use values::Pairwise;

pub use values::Values;

/// Simulated pairs between two looks at the clock.
const SIMULATED_AT_ONCE: u64 = 16;
/// Channels of x and of y, or parameters of a vector, in which pairs are compared with each other.
const COMPARED: usize = 32;
/// Pairs of a set that are compared with others, at most: evenly from all of them.
const COMPARED_PAIRS: usize = 1 << 16;
/// Places of pairs that are not finite that an error names.
const NAMED: usize = 5;

/// What was found in the pairs of a problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// Training pairs that were looked at.
    pub pairs: u64,
    /// Pairs held out in its own files that were read.
    pub held_out: u64,
    /// Seconds that it took to get one: to simulate or to read it. What a run keeps is the same whatever the machine.
    #[serde(skip)]
    pub seconds_a_pair: f64,
    /// The values of x, channel by channel.
    pub x: Vec<Values>,
    /// The values of y with its noise, channel by channel.
    pub y: Vec<Values>,
    /// Mean square of the clean y about its mean over that of the noise, in decibels; where the noise is known.
    pub signal_to_noise: Option<f64>,
    /// The numbers of the pairs with values that are not finite, by the name of their set.
    pub not_finite: BTreeMap<String, Vec<u64>>,
    /// Where the first of them are.
    pub places: Vec<String>,
    /// A digest of all other pairs, in their order.
    pub digest: String,
    /// What may be a mistake: what it is and what to do.
    pub warnings: Vec<String>,
}

impl Survey {
    /// An error where some pairs are not finite.
    pub fn usable(&self) -> Result<(), ProblemError> {
        let count: usize = self.not_finite.values().map(Vec::len).sum();
        if count == 0 {
            return Ok(());
        }
        let sets: Vec<String> =
            self.not_finite.iter().map(|(set, pairs)| format!("{} to {}", pairs.len(), aim(set))).collect();
        let more = if count > self.places.len() { ", …" } else { "" };
        Err(ProblemError::NotFinite {
            count,
            sets: sets.join(", "),
            places: format!("{}{more}", self.places.join("; ")),
        })
    }
}

/// What the pairs of a set are for.
fn aim(set: &str) -> &str {
    match set {
        "training" => "train on",
        "validation" => "validate with",
        _ => "test with",
    }
}

/// All that is kept while pairs are read.
struct Reading {
    x: Vec<Values>,
    y: Vec<Values>,
    clean: Vec<Values>,
    /// Of x, of all pairs, and of y, of those to train on.
    cells: [Cells; 2],
    /// Of the training pairs.
    images: Copies,
    records: Copies,
    /// Of x and of y, channel by channel: of the training pairs, and of those held out in the order of their sets.
    training: [Vec<Pairwise>; 2],
    held_out: [Vec<Pairwise>; 2],
    /// Held-out pairs whose x is among those of training.
    copied: u64,
    not_finite: BTreeMap<String, Vec<u64>>,
    places: Vec<String>,
    hash: Sha256,
    counts: [u64; 2],
}

impl Reading {
    fn new(experiment: &Experiment) -> Self {
        let channels = |shape: &[usize]| shape.first().copied().unwrap_or(1);
        let (x, y) = (channels(experiment.x_shape()), channels(experiment.y_shape()));
        let none = |channels| vec![Values::none(); channels];
        Self {
            x: none(x),
            y: none(y),
            clean: none(y),
            cells: Default::default(),
            images: Copies::default(),
            records: Copies::default(),
            training: [x, y].map(|channels| vec![Pairwise::default(); channels.min(COMPARED)]),
            held_out: [x, y].map(|channels| vec![Pairwise::default(); channels.min(COMPARED)]),
            copied: 0,
            not_finite: BTreeMap::new(),
            places: Vec::new(),
            hash: Sha256::new(),
            counts: [0; 2],
        }
    }

    /// Pairs of a set, the first of them number `first`, y as it is stored. Those in `left_out`, and those that are not finite,
    /// count as such alone.
    fn add(&mut self, experiment: &Experiment, set: Set, first: u64, x: ArrayD<f32>, y: ArrayD<f32>, left_out: &[u64]) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (k, is_finite) in are_finite(&x, &y).enumerate() {
            let number = first + k as u64;
            if left_out.binary_search(&number).is_ok() {
                continue;
            }
            if is_finite { good.push(k) } else { bad.push(number) }
        }
        for number in bad {
            self.not_finite.entry(set.name().into()).or_default().push(number);
            if let Some((file, row)) = experiment
                .own_pairs(set)
                .filter(|_| self.places.len() < NAMED)
                .and_then(|own| own.file_of(number as usize))
            {
                self.places.push(format!("{}, pair {row}", file.display()));
            }
        }
        if set == Set::Training {
            let mut noisy = y.clone();
            experiment.add_noise(set, first, &mut noisy);
            add(&mut self.y, &noisy.select(Axis(0), &good));
        }
        let [x, y] = [x, y].map(|all| all.select(Axis(0), &good));
        let stride = experiment.count(set).unwrap_or(0).div_ceil(COMPARED_PAIRS).max(1);
        for ((image, record), k) in x.outer_iter().zip(y.outer_iter()).zip(&good) {
            let is_compared = (first as usize + k).is_multiple_of(stride);
            self.add_pair(set, image, record, is_compared);
        }
        if set == Set::Training {
            add(&mut self.x, &x);
            add(&mut self.clean, &y);
        }
        self.counts[usize::from(set != Set::Training)] += good.len() as u64;
    }

    fn add_pair(&mut self, set: Set, image: ArrayViewD<f32>, record: ArrayViewD<f32>, is_compared: bool) {
        let kept = if set == Set::Training { &mut self.training } else { &mut self.held_out };
        for (kept, values) in kept.iter_mut().zip([image.view(), record.view()]).filter(|_| is_compared) {
            for (pairwise, channel) in kept.iter_mut().zip(values.outer_iter()) {
                pairwise.add(channel.iter().map(|&v| f64::from(v)));
            }
        }
        self.cells[0].add(image.view());
        if set == Set::Training {
            self.cells[1].add(record.view());
        }
        let digests = match set {
            Set::Training => [self.images.add(image), self.records.add(record)],
            _ => {
                let digests = [copies::digest(image), copies::digest(record)];
                self.copied += u64::from(self.images.has(&digests[0]));
                digests
            }
        };
        digests.iter().for_each(|digest| self.hash.update(digest));
    }

    fn digest(&self) -> String {
        hexadecimal(self.hash.clone())
    }

    fn finish(self, experiment: &Experiment, seconds: f64) -> Survey {
        let mut found = Survey {
            pairs: self.counts[0],
            held_out: self.counts[1],
            seconds_a_pair: seconds / self.counts.iter().sum::<u64>().max(1) as f64,
            signal_to_noise: signal_to_noise(experiment, &self.clean),
            digest: self.digest(),
            warnings: Vec::new(),
            x: self.x.clone(),
            y: self.y.clone(),
            not_finite: self.not_finite.clone(),
            places: self.places.clone(),
        };
        found.warnings = warnings::warnings(experiment, &found, &self);
        found
    }
}

/// Looks at the pairs of an experiment: of the user's own at all of every set, whatever their values are; of simulated ones at
/// `most` training pairs, or fewer where `patience` ends.
///
/// `progress` is told how many pairs were looked at, and of how many; nothing is returned when it returns false.
///
/// # Errors
/// Pairs that cannot be had. Whether they can be trained on, [`Survey::usable`] says.
pub fn survey(
    experiment: &Experiment,
    most: u64,
    patience: Duration,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Survey>, ProblemError> {
    let start = Instant::now();
    let mut reading = Reading::new(experiment);
    if experiment.has_own_pairs() {
        if !read_own(experiment, &mut reading, &BTreeMap::new(), progress)? {
            return Ok(None);
        }
    } else {
        for range in ranges(most, SIMULATED_AT_ONCE).take_while(|range| range.start == 0 || start.elapsed() < patience)
        {
            if !progress(range.start, most) {
                return Ok(None);
            }
            let (x, y) = experiment.clean_pairs(Set::Training, range.clone())?;
            reading.add(experiment, Set::Training, range.start, x, y, &[]);
        }
    }
    Ok(Some(reading.finish(experiment, start.elapsed().as_secs_f64())))
}

/// Reads all pairs of all sets of the user's own; those that are `left_out`, by the names of their sets, are passed over.
fn read_own(
    experiment: &Experiment,
    reading: &mut Reading,
    left_out: &BTreeMap<String, Vec<u64>>,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<bool, ProblemError> {
    let sets = [Set::Training, Set::Validation, Set::Test];
    let own = || sets.iter().filter_map(|&set| Some((set, experiment.own_pairs(set)?)));
    let all: u64 = own().map(|(_, pairs)| pairs.len() as u64).sum();
    let mut done = 0;
    for (set, pairs) in own() {
        let left_out = left_out.get(set.name()).map(Vec::as_slice).unwrap_or_default();
        for range in ranges(pairs.len() as u64, pairs.at_once() as u64) {
            let numbers: Vec<usize> = (range.start as usize..range.end as usize).collect();
            let (x, y) = pairs.read_as_is(&numbers)?;
            reading.add(experiment, set, range.start, x, y, left_out);
            done += numbers.len() as u64;
            if !progress(done, all) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// So many pairs, some at a time.
fn ranges(count: u64, at_once: u64) -> impl Iterator<Item = Range<u64>> {
    (0..count.div_ceil(at_once)).map(move |k| k * at_once..((k + 1) * at_once).min(count))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, Size};
    use std::path::Path;

    /// A prior of variance one behind the identity, and noise of a tenth of its amplitude: 20 dB.
    #[test]
    fn simulated_pairs_are_what_the_problem_says() {
        let text = "name = 'p'\n[prior]\nkind = 'periodic-gaussian-field'\nshape = [16, 16]\n[operator]\nkind = 'identity'\n[noise]\nsigma = 0.1";
        let problem = Problem::parse(text, Path::new("p.toml"), Size::Plain).unwrap();
        let experiment = Experiment::new(problem).unwrap();
        let found = survey(&experiment, 256, Duration::from_secs(60), &mut |_, _| true).unwrap().unwrap();
        assert_eq!((found.pairs, found.x.len(), found.warnings.len()), (256, 1, 0), "{found:?}");
        assert!((found.x[0].standard_deviation - 1.0).abs() < 0.1, "{found:?}");
        assert!((found.signal_to_noise.unwrap() - 20.0).abs() < 1.0, "{found:?}");
    }
}
