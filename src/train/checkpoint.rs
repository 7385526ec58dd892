//! The state of a run on disk: weights, their average, the best average, both moments of Adam, and the counters.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::io::folder;
use crate::model::{Fitted, Model, tensors_from_bytes, tensors_to_bytes};
use crate::train::TrainError;
use crate::train::log::Since;
use crate::train::optimiser::Moments;

const STATE: &str = "state.json";
const TENSORS: &str = "tensors.safetensors";
const GROUPS: [&str; 3] = ["weights", "average", "best"];

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
}

/// Everything a run needs to go on.
pub struct Checkpoint {
    pub progress: Progress,
    /// The model at this step, its moving average, and the average of the best validation.
    pub models: [Model; 3],
    pub moments: BTreeMap<String, Moments>,
}

impl Checkpoint {
    /// Writes the checkpoint in place of the one before.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let wrong = |what: String| TrainError::Checkpoint { path: path.into(), what };
        let mut tensors = Vec::new();
        let mut add = |group: &str, name: &str, value: Tensor<1>| {
            let values: Vec<f32> = value.into_data().try_to_vec().map_err(|e| wrong(format!("{e:?}")))?;
            tensors.push((format!("{group}/{name}"), vec![values.len()], values));
            Ok::<(), TrainError>(())
        };
        for (group, model) in GROUPS.iter().zip(&self.models) {
            for (parameter, value) in model.parameters() {
                add(group, &parameter.path, value)?;
            }
        }
        for (path, moments) in &self.moments {
            add("first", path, moments.first.clone())?;
            add("second", path, moments.second.clone())?;
        }
        let state = serde_json::to_vec_pretty(&self.progress).map_err(|e| wrong(e.to_string()))?;
        let tensors = tensors_to_bytes(&tensors).map_err(wrong)?;
        folder::write(path, &[(STATE, &state), (TENSORS, &tensors)])?;
        Ok(())
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
        let mut tensors = tensors_from_bytes(file(TENSORS)?).map_err(wrong)?;
        let mut take = |group: &str, name: &str, count: usize| match tensors.remove(&format!("{group}/{name}")) {
            Some((shape, values)) if shape == [count] => {
                Ok(Tensor::from_data(TensorData::new(values, [count]), device))
            }
            _ => Err(wrong(format!("{group} of {name} is missing or of another size: it belongs to another model"))),
        };
        let mut failed = None;
        let mut read = |group: &str| {
            model.clone().map_parameters(&mut |parameter, value| match take(group, &parameter.path, value.dims()[0]) {
                Ok(value) => value,
                Err(error) => {
                    failed.get_or_insert(error);
                    value
                }
            })
        };
        let models = GROUPS.map(&mut read);
        if let Some(error) = failed {
            return Err(error);
        }
        let mut moments = BTreeMap::new();
        if progress.step > 0 {
            for (parameter, value) in model.parameters() {
                let count = value.dims()[0];
                let first = take("first", &parameter.path, count)?;
                let second = take("second", &parameter.path, count)?;
                moments.insert(parameter.path, Moments { time: progress.step as usize, first, second });
            }
        }
        Ok(Self { progress, models, moments })
    }
}
