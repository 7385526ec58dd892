//! A model as a folder: `model.json` (everything but the weights), `model.safetensors` (the weights, by path),
//! `held_out.json` (what records like those of training are like; not in models of older versions), and `SHA256SUMS`. Loading
//! needs nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::io::folder;
use crate::model::field::host;
use crate::model::posterior::Description;
use crate::model::{Model, ModelError};

const DESCRIPTION: &str = "model.json";
const WEIGHTS: &str = "model.safetensors";
const HELD_OUT: &str = "held_out.json";
const FORMAT: u32 = 2;
/// The format before, in which some weights had other names, see [`current_name`].
const BEFORE: u32 = 1;
/// Among the weights: the cells of x that are known.
const FIXED: &str = "unknown.fixed";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Of this file; another number is another layout.
    format: u32,
    /// Of the program that wrote it.
    posteria: String,
    model: Description,
}

/// Named tensors of 32-bit floats in the safetensors format, sorted by name.
pub fn tensors_to_bytes(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Result<Vec<u8>, String> {
    struct Floats<'a>(&'a [usize], &'a [f32]);
    impl View for Floats<'_> {
        fn dtype(&self) -> Dtype {
            Dtype::F32
        }
        fn shape(&self) -> &[usize] {
            self.0
        }
        fn data(&self) -> Cow<'_, [u8]> {
            self.1.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into()
        }
        fn data_len(&self) -> usize {
            4 * self.1.len()
        }
    }
    let views: BTreeMap<&str, Floats> =
        tensors.iter().map(|(name, shape, values)| (name.as_str(), Floats(shape, values))).collect();
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}

/// The name of a weight today: version 0.1.0 had one layer that cut channels and went to the next scale.
fn current_name(name: &str) -> String {
    name.replace(".Split.rest.", ".Parts.first.layers.0.Deeper.rest.")
}

/// The shape of a tensor and its values.
pub type ShapedValues = (Vec<usize>, Vec<f32>);

/// The inverse of [`tensors_to_bytes`]: shape and values by name.
pub fn tensors_from_bytes(bytes: &[u8]) -> Result<BTreeMap<String, ShapedValues>, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| match view.dtype() {
            Dtype::F32 => {
                let name = current_name(&name);
                let (values, _) = view.data().as_chunks::<4>();
                let values = values.iter().map(|&b| f32::from_le_bytes(b)).collect();
                Ok((name, (view.shape().to_vec(), values)))
            }
            other => Err(format!("{name} holds {other:?}, not 32-bit floats")),
        })
        .collect()
}

impl Model {
    /// Writes the model as a folder, in place of what is there.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let wrong = |what: String| ModelError::File { path: path.into(), what };
        let header =
            Header { format: FORMAT, posteria: env!("CARGO_PKG_VERSION").into(), model: self.description.clone() };
        let header = serde_json::to_string_pretty(&header).map_err(|e| wrong(e.to_string()))?;
        let mut weights: Vec<(String, Vec<usize>, Vec<f32>)> = self
            .parameters()
            .into_iter()
            .map(|(parameter, value)| Ok((parameter.path, parameter.shape, host(value)?)))
            .collect::<Result<_, ModelError>>()?;
        if let Some(fixed) = self.unknown.fixed() {
            weights.push((FIXED.into(), fixed.shape().to_vec(), fixed.iter().copied().collect()));
        }
        let weights = tensors_to_bytes(&weights).map_err(wrong)?;
        let held_out = self.held_out().map(serde_json::to_vec).transpose().map_err(|e| wrong(e.to_string()))?;
        // What may be missing comes first: a list of digests that was cut short lacks what must be there.
        let mut files: Vec<(&str, &[u8])> = held_out.iter().map(|bytes| (HELD_OUT, bytes.as_slice())).collect();
        files.extend([(DESCRIPTION, header.as_bytes()), (WEIGHTS, &weights)]);
        Ok(folder::write(path, &files)?)
    }

    /// Reads a model that [`save`](Model::save) wrote.
    ///
    /// # Errors
    /// The folder is missing, damaged, or of another format.
    pub fn load(path: &Path, device: &Device) -> Result<Self, ModelError> {
        let wrong = |what: String| ModelError::File { path: path.into(), what };
        let files = folder::read(path)?;
        let file = |name: &str| files.get(name).ok_or_else(|| wrong(format!("it has no {name}")));
        let header: Header =
            serde_json::from_slice(file(DESCRIPTION)?).map_err(|e| wrong(format!("{DESCRIPTION}: {e}")))?;
        if ![BEFORE, FORMAT].contains(&header.format) {
            return Err(wrong(format!("its format is {}, this program reads {BEFORE} and {FORMAT}", header.format)));
        }
        let mut weights = tensors_from_bytes(file(WEIGHTS)?).map_err(wrong)?;
        let mut model = Model::from_description(header.model, 0, device)?;
        if let Some((shape, values)) = weights.remove(FIXED) {
            let fixed = ArrayD::from_shape_vec(shape, values).map_err(|e| wrong(format!("{FIXED}: {e}")))?;
            model = model.with_fixed(fixed)?;
        }
        if let Some(bytes) = files.get(HELD_OUT) {
            let held_out = serde_json::from_slice(bytes).map_err(|e| wrong(format!("{HELD_OUT}: {e}")))?;
            model.held_out = Some(Arc::new(held_out));
        }
        let mut problem = None;
        let model = model.map_parameters(&mut |parameter, value| match weights.remove(&parameter.path) {
            Some((shape, values)) if shape == parameter.shape => {
                let count = values.len();
                Tensor::from_data(TensorData::new(values, [count]), (device, DType::F32))
            }
            found => {
                let found = found.map(|(shape, _)| shape);
                problem = Some(format!("{} is {found:?} in {WEIGHTS}, not {:?}", parameter.path, parameter.shape));
                value
            }
        });
        match (problem, weights.into_keys().next()) {
            (Some(what), _) => Err(wrong(what)),
            (None, Some(name)) => Err(wrong(format!("{WEIGHTS} has {name}, which the model has not"))),
            (None, None) => Ok(model),
        }
    }
}
