//! What a file or folder is, in words: pairs, results, a model, diagnostics, any HDF5, npy or NIfTI file.

use super::error::{IoError, Result};
use super::hdf;
use super::pairs::Pairs;
use super::quantity::Quantity;
use super::source::Source;
use super::sums;
use super::volume::Rows;
use ndarray::ArrayD;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::io::Read;
use std::path::Path;

/// Characters of a number that is printed as it is.
const SHORT: usize = 12;

/// Datasets of more elements are not read for their range.
const SMALL: usize = 1 << 22;
/// A header of safetensors or a JSON file beyond this is none of ours.
const TEXT_LIMIT: u64 = 100 << 20;

/// Describes what is at `path`. Files of ours are held against their seals on the way.
pub fn inspect(path: &Path) -> Result<String> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    for (kind, header, weights) in
        [("model", "model.json", "model.safetensors"), ("checkpoint", "state.json", "weights.safetensors")]
    {
        if [header, weights].iter().any(|name| path.join(name).is_file()) {
            return weighted(path, kind, header, weights);
        }
    }
    if path.is_dir() || !path.exists() && path.to_string_lossy().contains('*') {
        return pairs(path);
    }
    match extension.as_str() {
        "npy" => array(path, "npy"),
        "nii" => array(path, "NIfTI"),
        "gz" if path.to_string_lossy().to_ascii_lowercase().ends_with(".nii.gz") => array(path, "NIfTI"),
        "json" => json(path),
        "jsonl" => json_lines(path),
        "png" => png(path),
        "svg" | "html" | "gif" => text(path, &extension),
        "safetensors" => Ok(format!("{}\n{}", path.display(), tensors(path)?)),
        _ => hdf5(path),
    }
}

fn pairs(path: &Path) -> Result<String> {
    let pairs = Pairs::open(path)?;
    let info = pairs.info();
    let mut out = format!("{}: {} pairs in {} files\n", path.display(), pairs.len(), pairs.files().count());
    for (name, shape, quantity) in [("x", pairs.x_shape(), &info.x), ("y", pairs.y_shape(), &info.y)] {
        line(&mut out, format!("{name} {shape:?} {}", describe(quantity)));
    }
    line(&mut out, format!("noise of y: {}", info.noise.name()));
    let provenance = &info.provenance;
    line(&mut out, origin(&provenance.version, provenance.seed, &provenance.problem));
    Ok(out)
}

fn describe(quantity: &Quantity) -> String {
    let mut text = quantity.name.clone();
    if !quantity.unit.is_empty() {
        text += &format!(" ({})", quantity.unit);
    }
    for axis in &quantity.grid.axes {
        text += &format!("; {}: {} × {} {}", axis.name, axis.size, axis.spacing, axis.unit);
        if axis.origin != 0.0 {
            text += &format!(" from {}", axis.origin);
        }
    }
    text
}

fn origin(version: &str, seed: u64, problem: &str) -> String {
    let version = if version.is_empty() { "of unknown version" } else { version };
    format!("written by posteria {version}, seed {seed}, problem file of {} lines", problem.lines().count())
}

fn hdf5(path: &Path) -> Result<String> {
    let source = Source::open(path)?;
    let kind = source.kind().unwrap_or("HDF5, written by another program");
    let seal = if source.sealed() { "valid" } else { "none" };
    let mut out = format!("{}: {kind}; seal: {seal}\n", path.display());
    if source.sealed() {
        let text = |name| source.text(name).unwrap_or_default();
        line(&mut out, origin(&text("version"), source.integer("seed").unwrap_or_default(), &text("problem")));
    }
    let names = source.datasets();
    if names.is_empty() {
        line(&mut out, "no datasets");
    }
    for name in names {
        dataset(&mut out, &source, &name)?;
    }
    for (name, target) in source.broken_links() {
        line(&mut out, format!("{name}: {target}"));
    }
    Ok(out)
}

fn dataset(out: &mut String, source: &Source, name: &str) -> Result<()> {
    let data = source.dataset(name)?;
    let mut text = format!("{name} {:?} {}", data.shape(), hdf::type_name(&data));
    if let Some(chunk) = data.chunk() {
        text += &format!(", chunks {chunk:?}");
    }
    for filter in data.filters() {
        text += &format!(", {}", format!("{filter:?}").to_lowercase());
    }
    line(out, text);
    let axes = source.rows(name).map(|rows| rows.axis_labels()).unwrap_or_default();
    if axes.iter().any(|axis| !axis.is_empty()) {
        line(out, format!("  axes: {}", axes.join(", ")));
    }
    for attribute in data.attr_names().unwrap_or_default() {
        // The links between datasets and their scales are said by the names of the axes.
        if ["DIMENSION_LIST", "DIMENSION_LABELS", "REFERENCE_LIST"].contains(&attribute.as_str()) {
            continue;
        }
        let value = match hdf::texts(&data, &attribute) {
            Some(texts) => texts.join(", "),
            None => match hdf::numbers::<f64>(&data, &attribute) {
                Some(numbers) => format!("{numbers:?}"),
                None => continue,
            },
        };
        if !value.is_empty() {
            line(out, format!("  {attribute}: {}", value.lines().next().unwrap_or_default()));
        }
    }
    // One dataset that holds nothing that could be read says so, and the others are still described.
    if hdf::is_numeric(&data)
        && let Err(e) = source.rows(name).and_then(|rows| range(out, &rows))
    {
        line(out, format!("  {e}"));
    }
    Ok(())
}

fn array(path: &Path, format: &str) -> Result<String> {
    let rows = Rows::open(&path.display().to_string())?;
    let mut out = format!("{}: {format} {:?} {}\n", path.display(), rows.shape(), rows.type_name());
    range(&mut out, &rows)?;
    Ok(out)
}

/// Least, mean and greatest value, where reading everything is quick.
fn range(out: &mut String, rows: &Rows) -> Result<()> {
    let elements = rows.shape().iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    if elements.is_none_or(|n| n == 0 || n > SMALL) {
        return Ok(());
    }
    // Numbers of 32 bits are shown with their own digits.
    let text = if rows.is_wide() {
        let whole: Vec<_> = rows.shape().iter().map(|&size| 0..size).collect();
        range_of(&rows.read_box_double(&whole)?)
    } else {
        range_of(&rows.read()?)
    };
    line(out, if rows.knows_missing() { text.replace("NaN or", "missing, NaN or") } else { text });
    Ok(())
}

fn range_of<T: Copy + PartialOrd + Display + Into<f64>>(values: &ArrayD<T>) -> String {
    let finite = || values.iter().copied().filter(|&value| value.into().is_finite());
    let number = finite().count();
    let least = finite().reduce(|l, v| if v < l { v } else { l });
    let most = finite().reduce(|h, v| if v > h { v } else { h });
    let mean = finite().map(Into::into).sum::<f64>() / number as f64;
    let mut text = match (least, most) {
        (Some(low), Some(high)) => {
            format!("  from {} to {}, mean {}", short(low), short(high), super::number(mean))
        }
        _ => "  no finite value".into(),
    };
    if number < values.len() {
        text += &format!("; {} of {} values are NaN or infinite", values.len() - number, values.len());
    }
    text
}

/// As it is where that is short, else by its first digits.
fn short<T: Display + Into<f64>>(value: T) -> String {
    let text = value.to_string();
    if text.len() <= SHORT { text } else { super::number(value.into()) }
}

/// A model or a checkpoint: a header and weights, which are held against their digests where there are any.
fn weighted(folder: &Path, kind: &str, header: &str, weights: &str) -> Result<String> {
    let digests = if super::folder::exists(folder) {
        super::folder::read(folder)?;
        "valid"
    } else {
        "none"
    };
    let mut out = format!("{}: {kind}; digests: {digests}\n", folder.display());
    let header = folder.join(header);
    if header.is_file() {
        for (key, value) in fields(&header)? {
            let text = value.to_string();
            let short: String = text.chars().take(100).collect();
            line(&mut out, format!("{key}: {short}{}", if short.len() < text.len() { "…" } else { "" }));
        }
    }
    let weights = folder.join(weights);
    if weights.is_file() {
        line(&mut out, tensors(&weights)?);
    }
    Ok(out)
}

/// The number of entries of a log, and the last of them.
fn json_lines(path: &Path) -> Result<String> {
    sums::verify(path)?;
    let bytes = start(path, TEXT_LIMIT)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut out = format!("{}: log of {} entries\n", path.display(), text.lines().count());
    // A last line without its end was cut off by a crash, and is made anew when the run goes on.
    if let Some(last) = text.rfind('\n').and_then(|end| text[..end].lines().last()) {
        let last: Value = serde_json::from_str(last).map_err(|e| IoError::damaged(path, format!("JSON: {e}")))?;
        line(&mut out, format!("last: {last}"));
    }
    Ok(out)
}

fn png(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let reader = png::Decoder::new(std::io::BufReader::new(file));
    let reader = reader.read_info().map_err(|e| IoError::damaged(path, format!("PNG: {e}")))?;
    let info = reader.info();
    Ok(format!("{}: PNG figure of {} × {} pixels\n", path.display(), info.width, info.height))
}

fn text(path: &Path, kind: &str) -> Result<String> {
    let bytes = start(path, TEXT_LIMIT)?;
    Ok(format!("{}: {} of {} kB\n", path.display(), kind.to_uppercase(), bytes.len() / 1000))
}

fn json(path: &Path) -> Result<String> {
    sums::verify(path)?;
    let fields = fields(path)?;
    let mut out = format!("{}: JSON\n", path.display());
    for (key, value) in &fields {
        match (key.as_str(), value.as_object()) {
            ("metrics", Some(metrics)) => {
                metrics.iter().for_each(|(name, metric)| line(&mut out, verdict(name, metric)))
            }
            _ => line(&mut out, key),
        }
    }
    Ok(out)
}

/// One metric of `diagnostics.json`.
fn verdict(name: &str, metric: &Value) -> String {
    let text = |key: &str| match &metric[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let passed = match metric["pass"].as_bool() {
        Some(true) => "pass",
        Some(false) => "FAIL",
        None => "no verdict",
    };
    format!("{name} = {} {} (accepted {}): {passed}", text("value"), text("unit"), text("accept"))
}

fn fields(path: &Path) -> Result<serde_json::Map<String, Value>> {
    let bytes = start(path, TEXT_LIMIT)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| IoError::damaged(path, format!("JSON: {e}")))?;
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(IoError::content(path.display().to_string(), "holds no JSON object", "name another file")),
    }
}

/// Number of tensors and parameters of a safetensors file, from its header.
fn tensors(path: &Path) -> Result<String> {
    let first = start(path, 8)?;
    let damaged = |what: String| IoError::damaged(path, format!("safetensors: {what}"));
    let length: [u8; 8] = first.try_into().map_err(|_| damaged("shorter than its header".into()))?;
    let header = start(path, u64::from_le_bytes(length).saturating_add(8).min(TEXT_LIMIT))?;
    let header: HashMap<String, Value> =
        serde_json::from_slice(header.get(8..).unwrap_or_default()).map_err(|e| damaged(e.to_string()))?;
    let shapes = header.iter().filter(|(name, _)| *name != "__metadata__").filter_map(|(_, t)| t["shape"].as_array());
    let sizes = shapes.map(|shape| shape.iter().filter_map(Value::as_u64).fold(1, u64::saturating_mul));
    let (number, parameters) = sizes.fold((0, 0u64), |(n, p), size| (n + 1, p.saturating_add(size)));
    Ok(format!("{number} tensors, {parameters} parameters"))
}

/// The first `limit` bytes of a file, or all of a shorter one.
fn start(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|e| IoError::system(path, "read", e))?;
    Ok(bytes)
}

fn line(out: &mut String, text: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Kind, Layout, Provenance, ResultWriter};
    use ndarray::IxDyn;
    use ndarray_npy::WriteNpyExt;

    fn has(text: &str, parts: &[&str]) {
        parts.iter().for_each(|part| assert!(text.contains(part), "no {part:?} in:\n{text}"));
    }

    #[test]
    fn results_show_shape_storage_units_seal_and_range() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("posterior.h5");
        let provenance = Provenance { problem: "a\nb\n".into(), seed: 9, version: "1.2.3".into() };
        let mut writer = ResultWriter::create(&path, Kind::Posterior, &provenance).unwrap();
        let quantity = Quantity { unit: "m/s".into(), ..Quantity::default() };
        let layout = Layout { labels: &["record", "parameter"], quantity, ..Layout::default() };
        writer.dataset("mean", &[3], &layout).unwrap();
        writer.append("mean", ArrayD::from_shape_fn(IxDyn(&[2, 3]), |i| (i[0] + i[1]) as f32).view()).unwrap();
        writer.finish().unwrap();
        let text = inspect(&path).unwrap();
        has(&text, &["posterior; seal: valid", "posteria 1.2.3, seed 9, problem file of 2 lines", "mean [2, 3] <f4"]);
        has(&text, &["units: m/s", "deflate(4)", "fletcher32", "from 0 to 3, mean 1.5", "record, parameter"]);
    }

    #[test]
    fn npy_and_values_that_are_not_finite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let values = ndarray::array![1.0f64, f64::NAN, -3.0];
        values.write_npy(std::fs::File::create(&path).unwrap()).unwrap();
        has(&inspect(&path).unwrap(), &["npy [3] <f8", "from -3 to 1, mean -1", "1 of 3 values are NaN"]);
    }

    #[test]
    fn models_and_diagnostics() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("model.json");
        std::fs::write(&config, r#"{"version": "0.1", "flow": {"depth": 3}}"#).unwrap();
        let bytes = [0u8; 24];
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 3], &bytes).unwrap();
        let file = safetensors::serialize([("w", view)], None).unwrap();
        std::fs::write(folder.path().join("model.safetensors"), file).unwrap();
        has(&inspect(folder.path()).unwrap(), &["model", "flow: {\"depth\":3}", "1 tensors, 6 parameters"]);
        let diagnostics = folder.path().join("diagnostics.json");
        let text = r#"{"metrics": {"rmse": {"value": 0.5, "unit": "m/s", "accept": [null, 1.0], "pass": true}}}"#;
        std::fs::write(&diagnostics, text).unwrap();
        has(&inspect(&diagnostics).unwrap(), &["rmse = 0.5 m/s (accepted [null,1.0]): pass"]);
        std::fs::write(&diagnostics, "{\"metrics\": ").unwrap();
        has(&inspect(&diagnostics).unwrap_err().to_string(), &["diagnostics.json", "damaged"]);
    }
}
