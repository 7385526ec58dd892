use std::path::Path;

use ndarray::{ArrayD, Axis, concatenate};

use crate::io::{NoiseTag, PairsWriter};
use crate::problem::simulator::unequal_draws;
use crate::problem::{Experiment, ProblemError, Set};

/// Pairs that are simulated at once, between two looks at the observer.
const AT_ONCE: usize = 64;

/// Writes pairs of a set into `folder`, in whole shards; sound shards that are there already are kept. Pairs of the
/// user's own are copied: a run can be judged without the files it was trained on.
///
/// Training pairs are stored without noise, which is drawn afresh at every use; pairs of the other sets carry theirs.
/// `progress` is told how many pairs are there; the work stops, between two shards' parts, when it returns false.
/// Returns whether all pairs are there.
///
/// ```
/// use posteria::io::Pairs;
/// use posteria::problem::{Experiment, Problem, Set, Size, simulate};
///
/// # let text = "name = 'small'\n[prior]\nkind = 'periodic-gaussian-field'\nshape = [16, 16]\n\
/// #     [operator]\nkind = 'circular-blur'\nsigma = 1.5\n[noise]\nsigma = 0.1";
/// let experiment = Experiment::new(Problem::parse(text, "problem.toml".as_ref(), Size::Plain)?)?;
/// let folder = tempfile::tempdir()?;
/// let is_done = simulate(&experiment, Set::Test, 5, folder.path(), &mut |_| true)?;
/// let pairs = Pairs::open(folder.path())?;
/// assert!(is_done && pairs.len() == 5);
/// assert_eq!(pairs.read(&[4])?, experiment.noisy_pairs(Set::Test, 4..5)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn simulate(
    experiment: &Experiment,
    set: Set,
    pairs: usize,
    folder: &Path,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<bool, ProblemError> {
    let noise = if set == Set::Training { NoiseTag::None } else { NoiseTag::Included };
    let writer = PairsWriter::create(folder, experiment.pairs_info(noise)?)?;
    let shard = experiment.problem().simulation.shard;
    for (index, first) in (0..pairs).step_by(shard).enumerate() {
        let end = (first + shard).min(pairs);
        if !writer.has_shard(index, end - first) {
            let (mut xs, mut ys) = (Vec::new(), Vec::new());
            for start in (first..end).step_by(AT_ONCE) {
                let range = start as u64..(start + AT_ONCE).min(end) as u64;
                let (x, y) = match noise {
                    NoiseTag::None => experiment.clean_pairs(set, range.clone())?,
                    NoiseTag::Included => experiment.noisy_pairs(set, range.clone())?,
                };
                xs.push(x);
                ys.push(y);
                if !progress(range.end as usize) {
                    return Ok(false);
                }
            }
            writer.write_shard(index, joined(&xs)?.view(), joined(&ys)?.view())?;
        }
        if !progress(end) {
            return Ok(end == pairs);
        }
    }
    writer.finish()?;
    Ok(true)
}

fn joined(parts: &[ArrayD<f32>]) -> Result<ArrayD<f32>, ProblemError> {
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(0), &views).map_err(|_| unequal_draws())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Pairs;
    use crate::problem::{Problem, Size};

    fn experiment() -> Experiment {
        let text = include_str!("../../problems/denoise/problem.toml").replace("shard = 2048", "shard = 100");
        Experiment::new(Problem::parse(&text, Path::new("p.toml"), Size::Plain).unwrap()).unwrap()
    }

    #[test]
    fn interrupted_and_resumed_is_the_same_as_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (once, twice) = (dir.path().join("once"), dir.path().join("twice"));
        let experiment = experiment();
        let mut seen = Vec::new();
        let all = |n| {
            seen.push(n);
            true
        };
        assert!(simulate(&experiment, Set::Training, 250, &once, &mut { all }).unwrap());
        assert_eq!(seen, [64, 100, 100, 164, 200, 200, 250, 250]);
        assert!(!simulate(&experiment, Set::Training, 250, &twice, &mut |n| n < 150).unwrap());
        assert_eq!(std::fs::read_dir(&twice).unwrap().count(), 1, "one whole shard");
        assert!(simulate(&experiment, Set::Training, 250, &twice, &mut |_| true).unwrap());
        for name in ["pairs-00000.h5", "pairs-00001.h5", "pairs-00002.h5"] {
            assert!(std::fs::read(once.join(name)).unwrap() == std::fs::read(twice.join(name)).unwrap(), "{name}");
        }
    }

    #[test]
    fn training_pairs_are_clean_and_test_pairs_carry_their_noise() {
        let dir = tempfile::tempdir().unwrap();
        let experiment = experiment();
        for (set, clean) in [(Set::Training, true), (Set::Test, false)] {
            let folder = dir.path().join(set.name());
            simulate(&experiment, set, 8, &folder, &mut |_| true).unwrap();
            let pairs = Pairs::open(&folder).unwrap();
            assert_eq!(pairs.clean(), clean);
            let (x, y) = pairs.read(&[3]).unwrap();
            assert_eq!(x == y, clean, "the operator is the identity");
        }
    }
}
