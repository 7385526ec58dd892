//! The state of a run on disk: weights, their average, the best average, both moments of Adam, the counters and the log.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::io::folder::{self, Unfinished};
use crate::model::{Fitted, Model, host, tensors_from_bytes, tensors_to_bytes};
use crate::train::TrainError;
use crate::train::log::{self, Entry, Since};
use crate::train::optimiser::Moments;

const STATE: &str = "state.json";
const LOG: &str = "training.jsonl";
const MODELS: [&str; 3] = ["weights", "average", "best"];
const FIRST: &str = "first_moment";
const SECOND: &str = "second_moment";

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Lowest validation loss so far; none before the first validation.
    pub best: Option<f64>,
    /// Validations since then.
    pub since_best: u64,
    /// What the next entry of the log averages.
    pub since_entry: Since,
    /// What the model took from its first pairs.
    pub fitted: Fitted,
    /// Bytes that a gradient may keep, by which numbers are rounded; unknown of checkpoints of before.
    #[serde(default)]
    pub memory: Option<u64>,
}

/// Everything a run needs to go on.
pub struct Checkpoint {
    pub progress: Progress,
    /// The model at this step, its moving average, and the average of the best validation.
    pub models: [Model; 3],
    pub moments: BTreeMap<String, Moments>,
    /// The log up to this step; unknown of checkpoints of before.
    pub log: Option<Vec<Entry>>,
}

impl Checkpoint {
    /// Writes the checkpoint in place of the one before. One group of tensors at a time is copied to the host.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let wrong = |what: String| TrainError::Checkpoint { path: path.into(), what };
        let mut folder = Unfinished::begin(path)?;
        let state = serde_json::to_vec_pretty(&self.progress).map_err(|e| wrong(e.to_string()))?;
        folder.add(STATE, &state)?;
        if let Some(entries) = &self.log {
            folder.add(LOG, log::text(entries).as_bytes())?;
        }
        for (group, model) in MODELS.iter().zip(&self.models) {
            let weights = model.parameters().into_iter().map(|(parameter, value)| (parameter.path, value));
            folder.add(&file_of(group), &group_to_bytes(weights).map_err(wrong)?)?;
        }
        let first = self.moments.iter().map(|(path, moments)| (path.clone(), moments.first.clone()));
        folder.add(&file_of(FIRST), &group_to_bytes(first).map_err(wrong)?)?;
        let second = self.moments.iter().map(|(path, moments)| (path.clone(), moments.second.clone()));
        folder.add(&file_of(SECOND), &group_to_bytes(second).map_err(wrong)?)?;
        Ok(folder.finish()?)
    }

    /// Reads a checkpoint into models like `model`, which has everything but the weights.
    ///
    /// # Errors
    /// The checkpoint is damaged or belongs to another model.
    pub fn load(path: &Path, model: &Model, device: &Device) -> Result<Self, TrainError> {
        let wrong = |what: String| TrainError::Checkpoint { path: path.into(), what };
        let files = folder::read(path)?;
        let file = |name: &str| files.get(name).ok_or_else(|| wrong(format!("it has no {name}")));
        let progress: Progress = serde_json::from_slice(file(STATE)?).map_err(|e| wrong(e.to_string()))?;
        let log = files.get(LOG).map(|bytes| log::parse(bytes).map_err(&wrong)).transpose()?;
        let mut groups = BTreeMap::new();
        for group in MODELS.into_iter().chain([FIRST, SECOND]) {
            groups.insert(group, tensors_from_bytes(file(&file_of(group))?).map_err(wrong)?);
        }
        let mut take = |group, name: &str, count| match groups.get_mut(group).and_then(|tensors| tensors.remove(name)) {
            Some((shape, values)) if shape == [count] => {
                Ok(Tensor::from_data(TensorData::new(values, [count]), device))
            }
            _ => Err(wrong(format!("{group} of {name} is missing or of another size: it belongs to another model"))),
        };
        let mut failed = None;
        let mut read = |group| {
            model.clone().map_parameters(&mut |parameter, value| match take(group, &parameter.path, value.dims()[0]) {
                Ok(value) => value,
                Err(error) => {
                    failed.get_or_insert(error);
                    value
                }
            })
        };
        let models = MODELS.map(&mut read);
        if let Some(error) = failed {
            return Err(error);
        }
        let mut moments = BTreeMap::new();
        if progress.step > 0 {
            for (parameter, value) in model.parameters() {
                let count = value.dims()[0];
                let first = take(FIRST, &parameter.path, count)?;
                let second = take(SECOND, &parameter.path, count)?;
                moments.insert(parameter.path, Moments { time: progress.step as usize, first, second });
            }
        }
        Ok(Self { progress, models, moments, log })
    }
}

/// The file of a group of tensors.
fn file_of(group: &str) -> String {
    format!("{group}.safetensors")
}

fn group_to_bytes(tensors: impl Iterator<Item = (String, Tensor<1>)>) -> Result<Vec<u8>, String> {
    let flat = |(name, value)| match host(value) {
        Ok(values) => Ok((name, vec![values.len()], values)),
        Err(error) => Err(error.to_string()),
    };
    tensors_to_bytes(&tensors.map(flat).collect::<Result<Vec<_>, _>>()?)
}
