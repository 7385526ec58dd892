use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::ArrayD;

use crate::io::agreement::disagreement;
use crate::io::{Pairs, Quantity};
use crate::problem::pair_origin::{PairOrigin, Portion, are_finite, at_once};
use crate::problem::{Noise, PairFiles, Problem, ProblemError, Set, Skip};

/// Pairs that a simulator of the user's own wrote.
///
/// A set without files of its own is the end of the training files: the test pairs last, the validation pairs before
/// them, and what is left is trained on.
pub struct OwnPairs {
    training: Portion,
    validation: Portion,
    test: Portion,
    x_shape: Vec<usize>,
    y_shape: Vec<usize>,
    said: [Quantity; 2],
}

impl OwnPairs {
    /// Opens the files of a problem.
    ///
    /// # Errors
    /// Files that cannot be read, disagree with each other, or hold too few pairs.
    pub fn open(files: &PairFiles, problem: &Problem) -> Result<Self, ProblemError> {
        let pairs = Arc::new(Pairs::open(&files.training)?);
        if problem.noise.is_some() && !pairs.clean() {
            return Err(ProblemError::OwnPairs {
                path: files.training.clone(),
                what: "there is a [noise] table, and y does not say that it has no noise yet".into(),
                remedy: "write that, y.attrs[\"noise\"] = \"none\" in h5py, or leave out [noise]".into(),
            });
        }
        let info = pairs.info();
        for (name, said, shape, here) in
            [("x", &problem.x, pairs.x_shape(), &info.x), ("y", &problem.y, pairs.y_shape(), &info.y)]
        {
            if let Some(what) =
                disagreement(here, &said.quantity(shape, here), &format!("[{name}] of the problem file"))
            {
                let remedy = format!("correct one of them, or leave it out of [{name}]");
                return Err(ProblemError::OwnPairs {
                    path: files.training.clone(),
                    what: format!("{name}: {what}"),
                    remedy,
                });
            }
        }
        let used = used(&pairs, files.skip)?;
        let count_of =
            |pairs: &Pairs, used: &Option<Arc<[usize]>>| used.as_ref().map_or(pairs.len(), |used| used.len());
        let all = count_of(&pairs, &used);
        let mut end = all;
        let mut held_out = |set: Set, path: &Option<PathBuf>, count: usize, key: &str| match path {
            Some(path) => {
                let others = elsewhere(set, path, &pairs)?;
                hold_noise((path, &others), (&files.training, &pairs), problem.noise.as_ref())?;
                let used = self::used(&others, files.skip)?;
                let found = count_of(&others, &used);
                if found < count {
                    let skipped = of_skipped(others.len() - found);
                    let what = format!("holds {found} pairs that can be used{skipped}, {key} asks for {count}");
                    let remedy = format!("write more, or set {key} = {found}");
                    return Err(ProblemError::OwnPairs { path: path.clone(), what, remedy });
                }
                Ok::<_, ProblemError>(Portion::new(Arc::new(others), used, 0..count))
            }
            None => {
                let start = end.saturating_sub(count);
                Ok(Portion::new(pairs.clone(), used.clone(), start..std::mem::replace(&mut end, start)))
            }
        };
        let (tested, validated) = (problem.evaluation.pairs, problem.training.validation_pairs);
        let test = held_out(Set::Test, &files.test, tested, "evaluation.pairs")?;
        let validation = held_out(Set::Validation, &files.validation, validated, "training.validation_pairs")?;
        let batch = problem.training.batch;
        if end < batch {
            let of_these = |path: &Option<PathBuf>, count| if path.is_some() { 0 } else { count };
            let last = pairs.x_shape().last().copied().unwrap_or(0);
            let left_out = pairs.len() - all;
            let reversed = if left_out == 0 && last > all && pairs.y_shape().last() == Some(&last) {
                format!(
                    "; where the {last} entries of the last axis are the pairs, as MATLAB and Julia write them, reverse the axes: \
                     (…axes, channel, sample) there"
                )
            } else {
                String::new()
            };
            return Err(ProblemError::OwnPairs {
                path: files.training.clone(),
                what: format!(
                    "holds {} pairs{}; {} held out for the test (evaluation.pairs) and {} for validation \
                     (training.validation_pairs) leave too few for a batch of {batch}",
                    all,
                    of_skipped(left_out),
                    of_these(&files.test, tested),
                    of_these(&files.validation, validated),
                ),
                remedy: format!("write more pairs, hold out fewer, or use a smaller batch{reversed}"),
            });
        }
        let (x_shape, y_shape) = (pairs.x_shape().to_vec(), pairs.y_shape().to_vec());
        let said = [pairs.info().x.clone(), pairs.info().y.clone()];
        Ok(Self { training: Portion::new(pairs, used, 0..end), validation, test, x_shape, y_shape, said })
    }

    fn portion(&self, set: Set) -> &Portion {
        match set {
            Set::Training => &self.training,
            Set::Validation => &self.validation,
            Set::Test => &self.test,
        }
    }
}

/// What is said of pairs that are left out.
fn of_skipped(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" ({count} are left out, as skip says: not finite)") }
}

/// The numbers of the pairs that are used, where some may be left out: all of them are read.
fn used(pairs: &Pairs, skip: Option<Skip>) -> Result<Option<Arc<[usize]>>, ProblemError> {
    let Some(Skip::NotFinite) = skip else { return Ok(None) };
    let mut used = Vec::new();
    let at_once = at_once(pairs);
    for first in (0..pairs.len()).step_by(at_once) {
        let numbers: Vec<usize> = (first..(first + at_once).min(pairs.len())).collect();
        let (x, y) = pairs.read_as_is(&numbers)?;
        let usable = numbers.iter().zip(are_finite(&x, &y)).filter(|(_, is_finite)| *is_finite);
        used.extend(usable.map(|(number, _)| *number));
    }
    Ok(Some(used.into()))
}

/// Files that are a set of their own.
fn elsewhere(set: Set, path: &Path, training: &Pairs) -> Result<Pairs, ProblemError> {
    let wrong = |what: String, remedy: String| Err(ProblemError::OwnPairs { path: path.into(), what, remedy });
    let pairs = Pairs::open(path)?;
    let shapes = [("x", pairs.x_shape(), training.x_shape()), ("y", pairs.y_shape(), training.y_shape())];
    if let Some((name, here, there)) = shapes.into_iter().find(|(_, here, there)| here != there) {
        let what = format!("one {name} has shape {here:?}, in the training pairs {there:?}");
        return wrong(what, format!("write {} pairs of the same shape", set.name()));
    }
    let said = [("x", &pairs.info().x, &training.info().x), ("y", &pairs.info().y, &training.info().y)];
    for (name, here, there) in said {
        if let Some(what) = disagreement(here, there, "the training pairs") {
            let remedy = "convert one of them, or correct what it says of itself".into();
            return wrong(format!("{name}: {what}"), remedy);
        }
    }
    Ok(pairs)
}

/// An error unless the y of a set has noise as that of the training pairs has it: a model is judged on what it is trained on.
/// Clean training pairs that are given noise go with a set that says that it has its own.
fn hold_noise(
    (path, pairs): (&Path, &Pairs),
    (training_path, training): (&Path, &Pairs),
    added: Option<&Noise>,
) -> Result<(), ProblemError> {
    let (path, there) = (path.to_path_buf(), training_path.display());
    match (training.clean(), pairs.clean()) {
        (false, true) => Err(ProblemError::OwnPairs {
            path,
            what: format!("its y says that it has no noise, that of {there} does not"),
            remedy: "store both with noise, or mark both as noise = \"none\" and give the problem a [noise] table"
                .into(),
        }),
        (true, false) if added.is_none() || !pairs.states_noise() => Err(ProblemError::OwnPairs {
            path,
            what: format!("the y of {there} says that it has no noise, its own does not"),
            remedy:
                "write y.attrs[\"noise\"] = \"none\" where it has none either; where it has noise of its own, write \
                     \"included\" and give the problem a [noise] table for the training pairs"
                    .into(),
        }),
        _ => Ok(()),
    }
}

impl PairOrigin for OwnPairs {
    fn x_shape(&self) -> &[usize] {
        &self.x_shape
    }

    fn y_shape(&self) -> &[usize] {
        &self.y_shape
    }

    fn read(&self, set: Set, range: Range<u64>) -> Result<(ArrayD<f32>, ArrayD<f32>), ProblemError> {
        let indices: Vec<usize> = range.map(|i| i as usize).collect();
        self.portion(set).read(&indices)
    }

    fn is_clean(&self, set: Set) -> bool {
        self.portion(set).is_clean()
    }

    fn stored(&self, set: Set) -> Option<&Portion> {
        Some(self.portion(set))
    }

    fn said(&self) -> [Quantity; 2] {
        self.said.clone()
    }
}
