use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::io::{self, IoError};
use crate::model::Model;
use crate::posterior::exact::ExactPosterior;
use crate::problem::{NamedFiles, Problem, ProblemError, Set, Size};

/// The folder of a run, `runs/NAME`: where everything that is made of one problem lies.
///
/// ```text
/// problem.toml   the problem as it is run    posterior.h5       posteriors of the first test observations
/// pairs/         simulated pairs             diagnostics.json   metrics and verdicts
/// checkpoint/    while training              calibration.json   the curves behind them
/// model/         the trained model           figures/, report.html
/// training.jsonl the training log            shuffled/          the same on shuffled observations
/// files.json     digests of the files that the problem names
/// survey.json    what was found in the pairs before the first step
/// SHA256SUMS     digests of the log, the metrics and the curves
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RunFolder {
    root: PathBuf,
}

/// The first line of the copy of a problem in the folder of its run; it tells a run from anybody's folder.
const COPY: &str = "# The problem of this run, as it was read. Change the original, not this copy.\n";
pub(super) const LOCK: &str = "lock";
const PROBLEM: &str = "problem.toml";
const FILES: &str = "files.json";
const DIAGNOSTICS: &str = "diagnostics.json";
const CALIBRATION: &str = "calibration.json";
const SHUFFLED: &str = "shuffled";
/// The key that says which pairs are left out.
const SKIP: &str = "pairs.skip";

fn copy_of(problem: &Problem) -> Result<String, ProblemError> {
    Ok(format!("{COPY}{}", problem.to_toml()?))
}

/// What a claim of a folder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A new folder.
    New,
    /// The run of this very problem.
    Same,
    /// The run of this problem, judged otherwise: its model stands, what was made of it is discarded. Or nothing was made yet,
    /// and other pairs are left out.
    OtherEvaluation,
}

impl RunFolder {
    /// The folder at `root`, whatever is there.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `problem.toml`: a copy of the problem as it is run.
    pub fn problem(&self) -> PathBuf {
        self.root.join(PROBLEM)
    }

    /// `files.json`: what was in the files that the problem names when the run was begun.
    pub fn files(&self) -> PathBuf {
        self.root.join(FILES)
    }

    /// `pairs/SET`: the stored pairs of a set.
    pub fn pairs(&self, set: Set) -> PathBuf {
        self.root.join("pairs").join(set.name())
    }

    /// `model`: the trained model.
    pub fn model(&self) -> PathBuf {
        self.root.join("model")
    }

    /// `checkpoint`: the state of a training that has not ended.
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// Writes `diagnostics.json` and `calibration.json`, with their digests.
    pub fn write_judgement(&self, diagnostics: &[u8], calibration: &[u8]) -> Result<(), IoError> {
        io::sums::write(&self.root, &[(CALIBRATION, calibration), (DIAGNOSTICS, diagnostics)])
    }

    /// `shuffled`: a run of its own within this one, of the same model on shuffled observations.
    pub fn shuffled(&self) -> RunFolder {
        Self::new(self.root.join(SHUFFLED))
    }

    /// The run that a file lies in.
    pub fn around(file: &Path) -> Option<RunFolder> {
        let is_run = |run: &RunFolder| std::fs::read_to_string(run.problem()).is_ok_and(|text| text.starts_with(COPY));
        file.ancestors().skip(1).map(Self::new).find(is_run)
    }

    /// What training cannot fall below where the posterior is known, in nats per dimension: without observations of its own
    /// a model can know no more than the prior.
    pub fn floor(&self, exact: &dyn ExactPosterior) -> f64 {
        let is_within = || self.root.parent().is_some_and(|run| Self::new(run).problem().exists());
        match self.root.file_name().is_some_and(|name| name == SHUFFLED) && is_within() {
            true => exact.prior_entropy_per_dim(),
            false => exact.entropy_per_dim(),
        }
    }

    /// `training.jsonl`: losses while training.
    pub fn training_log(&self) -> PathBuf {
        self.root.join("training.jsonl")
    }

    /// `posterior.h5`: posteriors of the first test observations.
    pub fn posterior(&self) -> PathBuf {
        self.root.join("posterior.h5")
    }

    /// `diagnostics.json`: metrics and verdicts.
    pub fn diagnostics(&self) -> PathBuf {
        self.root.join(DIAGNOSTICS)
    }

    /// `calibration.json`: the curves behind them.
    pub fn calibration(&self) -> PathBuf {
        self.root.join(CALIBRATION)
    }

    /// `survey.json`: what was found in the pairs before the first step.
    pub fn survey(&self) -> PathBuf {
        self.root.join("survey.json")
    }

    /// `figures`: what people look at.
    pub fn figures(&self) -> PathBuf {
        self.root.join("figures")
    }

    /// `report.html`: all of it on one page.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// Whether training has ended.
    pub fn is_trained(&self) -> bool {
        io::folder::exists(&self.model()) && !io::folder::exists(&self.checkpoint())
    }

    /// Makes the folder that of `problem`, or finds that it is.
    ///
    /// # Errors
    /// It is the folder of another problem, or of this one with other files behind it: the message names the keys that
    /// differ.
    pub fn claim(&self, problem: &Problem) -> Result<Claim, ProblemError> {
        let path = self.problem();
        if !self.is_ours()? {
            return Err(ProblemError::Foreign { folder: self.root.clone() });
        }
        let files = NamedFiles::of(problem)?;
        if !path.exists() {
            std::fs::create_dir_all(&self.root).map_err(|source| system(&self.root, "create the folder", source))?;
            // First: a run whose problem is there has its digests.
            if !files.is_empty() {
                io::replace(&self.files(), files.to_json()?.as_bytes())?;
            }
            io::replace(&path, copy_of(problem)?.as_bytes())?;
            return Ok(Claim::New);
        }
        let before = self.read_problem()?;
        let keys = differing_keys(&before, problem)?;
        if !keys.iter().all(|key| is_judgement(problem, key) || (key == SKIP && !self.has_begun())) {
            return Err(ProblemError::OtherRun { folder: self.root.clone(), keys: keys.join(", ") });
        }
        let known = if self.files().exists() { io::read_json(&self.files())? } else { NamedFiles::default() };
        let changed = files.changed_since(&known).collect::<Vec<_>>().join(", ");
        if !changed.is_empty() {
            return Err(ProblemError::OtherFiles { folder: self.root.clone(), keys: changed });
        }
        if keys.is_empty() {
            return Ok(Claim::Same);
        }
        // First: a crash in between leaves less than there could be, never what belongs to another evaluation.
        self.discard_results()?;
        if keys.iter().any(|key| key == SKIP) {
            remove(&self.survey(), std::fs::remove_file(self.survey()))?;
        }
        io::replace(&path, copy_of(problem)?.as_bytes())?;
        Ok(Claim::OtherEvaluation)
    }

    /// Whether anything was made of pairs.
    fn has_begun(&self) -> bool {
        let pairs = [Set::Training, Set::Test].map(|set| self.pairs(set));
        let made = [self.model(), self.checkpoint(), self.training_log()];
        pairs.iter().chain(&made).any(|path| path.exists())
    }

    /// Takes the files that a problem names, as they are now, for those of the run: they were mended.
    pub fn accept_files(&self, problem: &Problem) -> Result<(), ProblemError> {
        Ok(io::replace(&self.files(), NamedFiles::of(problem)?.to_json()?.as_bytes())?)
    }

    /// Whether the folder is a run, or nothing yet. What somebody else put there is not to be touched.
    pub(super) fn is_ours(&self) -> Result<bool, ProblemError> {
        match std::fs::read_to_string(self.problem()) {
            Ok(text) => Ok(text.starts_with(COPY)),
            Err(_) if self.problem().exists() => Ok(false),
            Err(_) => match std::fs::read_dir(&self.root) {
                Ok(entries) => Ok(entries.flatten().all(|entry| comes_before_the_problem(&entry.file_name()))),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
                Err(source) => Err(system(&self.root, "list", source)),
            },
        }
    }

    /// Removes what a process that was killed left unfinished in this folder. Only for who holds the lock.
    pub(super) fn tidy(&self) -> Result<(), ProblemError> {
        let pairs = [Set::Training, Set::Test].map(|set| self.pairs(set));
        for run in [self, &self.shuffled()] {
            for folder in [run.root(), &run.figures()].into_iter().chain(pairs.iter().map(PathBuf::as_path)) {
                io::partial::tidy(folder)?;
            }
            for folder in [run.model(), run.checkpoint()] {
                io::folder::tidy(&folder)?;
            }
        }
        Ok(())
    }

    /// The problem that is run here.
    pub fn read_problem(&self) -> Result<Problem, ProblemError> {
        Problem::read(&self.problem(), Size::Plain)
    }

    /// Holds the problem of this folder against the one its model was trained for.
    ///
    /// # Errors
    /// Somebody changed the copy: the message names the keys.
    pub fn check(&self, model: &Model) -> Result<(), ProblemError> {
        let trained = Problem::parse(&model.provenance().problem, &self.model(), Size::Plain)?;
        let keys: Vec<String> = differing_keys(&trained, &self.read_problem()?)?;
        match keys.iter().filter(|key| !is_judgement(&trained, key)).map(String::as_str).collect::<Vec<_>>().join(", ")
        {
            keys if keys.is_empty() => Ok(()),
            keys => Err(ProblemError::OtherModel { folder: self.root.clone(), keys }),
        }
    }

    /// Removes the report: it is about to be untrue.
    pub fn discard_report(&self) -> Result<(), ProblemError> {
        remove(&self.report(), std::fs::remove_file(self.report()))
    }

    /// Removes how a model was judged: there is more to say.
    pub fn discard_diagnostics(&self) -> Result<(), ProblemError> {
        for path in [self.diagnostics(), self.calibration(), self.report()] {
            remove(&path, std::fs::remove_file(&path))?;
        }
        Ok(io::sums::forget(&self.root, &[CALIBRATION, DIAGNOSTICS])?)
    }

    /// Removes what was made of a model: it is about to be another, or to be judged otherwise.
    pub fn discard_results(&self) -> Result<(), ProblemError> {
        remove(&self.posterior(), std::fs::remove_file(self.posterior()))?;
        self.discard_diagnostics()?;
        remove(&self.figures(), std::fs::remove_dir_all(self.figures()))
    }
}

/// Whether an entry of the folder of a run may be there before its problem is, finished or not.
fn comes_before_the_problem(name: &OsStr) -> bool {
    let is_one_of = |name: &str| [LOCK, FILES, PROBLEM].contains(&name);
    name.to_str().is_some_and(|name| is_one_of(name.strip_suffix(".partial").unwrap_or(name)))
        || io::partial::finished_name(name).is_some_and(is_one_of)
}

/// Whether a key says how a model is judged and shown, not what it is. Where test pairs are held out of the training files,
/// their number decides what is trained on.
fn is_judgement(problem: &Problem, key: &str) -> bool {
    let held_out = problem.pairs.as_ref().is_some_and(|files| files.test.is_none());
    key == "title" || key.starts_with("evaluation.") && !(held_out && key == "evaluation.pairs")
}

fn remove(path: &Path, done: std::io::Result<()>) -> Result<(), ProblemError> {
    match done {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(system(path, "remove", source)),
        _ => Ok(()),
    }
}

pub(super) fn system(path: &Path, action: &'static str, source: std::io::Error) -> ProblemError {
    IoError::system(path, action, source).into()
}

/// The keys, dotted, whose values differ between two problems.
fn differing_keys(a: &Problem, b: &Problem) -> Result<Vec<String>, ProblemError> {
    let table = |problem: &Problem| {
        let text = problem.to_toml()?;
        text.parse::<Table>().map_err(|e| ProblemError::Syntax { path: PathBuf::new(), message: e.to_string() })
    };
    let mut keys = Vec::new();
    collect_differing("", &table(a)?, &table(b)?, &mut keys);
    Ok(keys)
}

fn collect_differing(prefix: &str, a: &Table, b: &Table, keys: &mut Vec<String>) {
    let only_in_b = b.keys().filter(|key| !a.contains_key(*key));
    for key in a.keys().chain(only_in_b) {
        match (a.get(key), b.get(key)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => {
                collect_differing(&format!("{prefix}{key}."), a, b, keys);
            }
            (a, b) if a != b => keys.push(format!("{prefix}{key}")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(edit: &[(&str, &str)]) -> Problem {
        let text = edit.iter().fold(include_str!("../../problems/deblur/problem.toml").to_owned(), |text, (a, b)| {
            assert!(text.contains(a), "{a}");
            text.replacen(a, b, 1)
        });
        Problem::parse(&text, Path::new("problem.toml"), Size::Plain).unwrap()
    }

    #[test]
    fn a_folder_belongs_to_one_problem() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::new(dir.path().join("runs/deblur"));
        let first = problem(&[]);
        assert_eq!(run.claim(&first).unwrap(), Claim::New);
        assert_eq!(run.claim(&first).unwrap(), Claim::Same);
        assert_eq!(run.read_problem().unwrap(), first);
        let judged = problem(&[("draws = 256", "draws = 128")]);
        assert_eq!(run.claim(&judged).unwrap(), Claim::OtherEvaluation);
        assert_eq!(run.claim(&judged).unwrap(), Claim::Same);
        let other = problem(&[("sigma = 0.05", "sigma = 0.06"), ("\nbatch = 16", "\nbatch = 8")]);
        let error = run.claim(&other).unwrap_err().to_string();
        assert!(
            error.contains("noise.sigma") && error.contains("training.batch") && error.contains("--out"),
            "{error}"
        );
        assert_eq!(run.read_problem().unwrap(), judged);
    }

    #[test]
    fn test_pairs_that_are_held_out_decide_what_is_trained_on() {
        let own = |files: &str, pairs: usize| {
            let text = format!("name = 'own'\n[pairs]\n{files}\n[evaluation]\npairs = {pairs}");
            Problem::parse(&text, Path::new("p.toml"), Size::Plain).unwrap()
        };
        let files = tempfile::tempdir().unwrap();
        let [training, test] = ["a.h5", "b.h5"].map(|name| files.path().join(name).display().to_string());
        [&training, &test].into_iter().for_each(|path| std::fs::write(path, "pairs").unwrap());
        let training = format!("training = '{training}'");
        for (files, refused) in [(training.clone(), true), (format!("{training}\ntest = '{test}'"), false)] {
            let dir = tempfile::tempdir().unwrap();
            let run = RunFolder::new(dir.path());
            run.claim(&own(&files, 20)).unwrap();
            assert_eq!(run.claim(&own(&files, 30)).is_err(), refused);
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::new(dir.path());
        std::fs::create_dir(run.figures()).unwrap();
        assert!(matches!(run.claim(&problem(&[])), Err(ProblemError::Foreign { .. })));
        std::fs::remove_dir(run.figures()).unwrap();
        std::fs::write(run.problem(), include_str!("../../problems/deblur/problem.toml")).unwrap();
        assert!(matches!(run.claim(&problem(&[])), Err(ProblemError::Foreign { .. })), "a user's own problem");
        std::fs::remove_file(run.problem()).unwrap();
        let lock = run.lock().unwrap();
        assert!(matches!(run.lock(), Err(ProblemError::Busy { .. })));
        assert_eq!(run.claim(&problem(&[])).unwrap(), Claim::New);
        drop(lock);
        run.lock().unwrap();
    }

    #[test]
    fn what_a_kill_leaves_makes_a_folder_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::new(dir.path());
        for name in ["lock", "files.json", ".files.json.posteria.partial", ".problem.toml.posteria.partial"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::write(dir.path().join("problem.toml.partial"), "of an older version").unwrap();
        let lock = run.lock().unwrap();
        assert_eq!(run.claim(&problem(&[])).unwrap(), Claim::New);
        let left = || {
            std::fs::read_dir(dir.path())
                .unwrap()
                .flatten()
                .filter(|e| e.path().extension() == Some(OsStr::new("partial")))
                .count()
        };
        assert_eq!(left(), 0);
        std::fs::write(dir.path().join("posterior.h5.partial"), "").unwrap();
        drop(lock);
        run.lock().unwrap();
        assert_eq!(left(), 0);
    }

    #[test]
    fn results_are_discarded_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::new(dir.path());
        run.discard_results().unwrap();
        std::fs::create_dir(run.figures()).unwrap();
        for path in [run.posterior(), run.training_log(), run.figures().join("a.png")] {
            std::fs::write(path, "x").unwrap();
        }
        run.discard_results().unwrap();
        assert!(!run.posterior().exists() && !run.figures().exists() && run.training_log().exists());
    }
}
