//! A trained model, by the folder of its run or its own.

use std::path::{Path, PathBuf};

use anyhow::bail;
use burn::tensor::Device;
use posteria::io::{Pairs, folder};
use posteria::model::Model;
use posteria::problem::{Problem, RunFolder, Set, Size};

/// The pairs of a run that nothing was trained on.
pub fn test_pairs(run: &RunFolder) -> anyhow::Result<Pairs> {
    let pairs = run.pairs(Set::Test);
    if !pairs.exists() {
        bail!("no test pairs in {}: give `posteria simulate` first", pairs.display());
    }
    Ok(Pairs::open(pairs)?)
}

/// A model, and the run it belongs to where the folder of one was named.
pub struct Trained {
    pub model: Model,
    pub run: Option<RunFolder>,
}

impl Trained {
    pub fn open(path: &Path, device: &Device) -> anyhow::Result<Self> {
        let run = RunFolder::new(path);
        if folder::exists(&run.model()) {
            let model = Model::load(&run.model(), device)?;
            run.check(&model)?;
            return Ok(Self { model, run: Some(run) });
        }
        if path.join("model.json").is_file() {
            return Ok(Self { model: Model::load(path, device)?, run: None });
        }
        if folder::exists(&run.checkpoint()) {
            bail!("{} is not trained to the end: give the command that trained it again", path.display());
        }
        if !path.exists() {
            bail!("{}: no such file or folder; check the path", path.display());
        }
        bail!("{}: no trained model; name the folder of a run, such as runs/deblur, or a model", path.display())
    }

    /// The problem that the model was trained for, where it is known.
    pub fn problem(&self) -> anyhow::Result<Option<Problem>> {
        let text = &self.model.provenance().problem;
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some(match &self.run {
            // A run may be judged otherwise than when it was trained.
            Some(run) => run.read_problem()?,
            None => Problem::parse(text, &PathBuf::from("the problem of the model"), Size::Plain)?,
        }))
    }
}
