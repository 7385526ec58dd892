use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::io::{Axis, Channel, Grid, Provenance, Quantity};
use crate::model::ModelConfig;
use crate::operator::{Noise, OperatorConfig};
use crate::prior::PriorConfig;
use crate::problem::ProblemError;
use crate::problem::checks::{Checks, line_where};
use crate::problem::overlay::{Size, resolve};
use crate::train::Training;

/// A problem: what is inferred from what, and how a model of it is trained and judged. Every key of `problem.toml`.
///
/// ```
/// use std::path::Path;
/// use posteria::problem::{Problem, Size};
///
/// let text = r#"
/// name = "denoise"
/// prior = { kind = "periodic-gaussian-field", shape = [16, 16] }
/// operator = { kind = "identity" }
/// noise = { sigma = 0.1 }
/// "#;
/// let read = |text: &str| Problem::parse(text, Path::new("problem.toml"), Size::Plain);
/// assert_eq!(read(text)?.training.batch, 16, "what is not said has a default");
/// let error = read(&text.replace("sigma", "sgima")).unwrap_err().to_string();
/// assert!(error.contains("line 5") && error.contains("unknown field `sgima`"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Problem {
    /// A short name, that of its run folder too.
    pub name: String,
    /// One line, for titles.
    #[serde(default)]
    pub title: String,
    /// Of all random numbers.
    #[serde(default)]
    pub seed: u64,
    /// Where x comes from, where pairs are simulated here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorConfig>,
    /// What y is of x; pairs of one's own need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorConfig>,
    /// What is added to y.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// Pairs of one's own, in place of a prior.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairFiles>,
    /// How x is presented to the flow.
    #[serde(default)]
    pub unknown: crate::model::UnknownConfig,
    /// What the flow is told of y.
    #[serde(default)]
    pub condition: crate::model::ConditionConfig,
    /// The flow.
    #[serde(default)]
    pub network: crate::flow::NetworkConfig,
    /// What x is.
    #[serde(default)]
    pub x: QuantityConfig,
    /// What y is.
    #[serde(default)]
    pub y: QuantityConfig,
    /// Pairs that are stored.
    #[serde(default)]
    pub simulation: Simulation,
    /// How the model is trained.
    #[serde(default)]
    pub training: Training,
    /// How it is judged.
    #[serde(default)]
    pub evaluation: Evaluation,
}

/// Name, unit and axes of x or of y.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct QuantityConfig {
    /// What it is: "velocity".
    pub name: String,
    /// SI unit, "" where it has none.
    pub unit: String,
    /// Name and unit of each channel, or of each parameter of a vector, where they are not the same.
    pub channels: Vec<Channel>,
    /// Slowest first; none: pixels.
    pub axes: Vec<AxisConfig>,
}

/// One spatial axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct AxisConfig {
    /// What it is: "depth", "time".
    pub name: String,
    /// Distance of neighbours, in the unit.
    pub spacing: f64,
    /// SI unit of the spacing.
    pub unit: String,
}

impl QuantityConfig {
    /// What samples of this shape, `[channel, axes…]`, are: what is said here, else what their file or simulator says, else
    /// pixels.
    pub fn quantity(&self, shape: &[usize], file: &Quantity) -> Quantity {
        let extents = shape.get(1..).unwrap_or_default();
        let said = |here: &String, there: &String| if here.is_empty() { there.clone() } else { here.clone() };
        let grid = match self.axes.as_slice() {
            [] if file.grid.sizes() == extents => file.grid.clone(),
            [] => Grid::of_pixels(extents),
            axes => {
                // Where an axis begins is said by files alone.
                let origins = file.grid.axes.iter().map(|axis| axis.origin).chain(std::iter::repeat(0.0));
                let axis = |((axis, &size), origin): ((&AxisConfig, &usize), f64)| {
                    Axis::new(&axis.name, size, axis.spacing, &axis.unit).starting_at(origin)
                };
                Grid::new(axes.iter().zip(extents).zip(origins).map(axis).collect())
            }
        };
        let channels = if self.channels.is_empty() { &file.channels } else { &self.channels }.clone();
        Quantity { name: said(&self.name, &file.name), unit: said(&self.unit, &file.unit), channels, grid }
    }
}

/// Pairs that a simulator of the user's own wrote: files with the datasets `x` and `y`, see [`crate::io::pairs`].
///
/// Paths name a file, a folder of files or a pattern with `*`; in a problem file they are relative to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct PairFiles {
    /// What the model is trained on, but for its last pairs where those are held out.
    pub training: PathBuf,
    /// What decides which weights are kept; else the last pairs of the training files in front of the test pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<PathBuf>,
    /// What judges; else the last pairs of the training files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Pairs that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<Skip>,
}

/// Which pairs are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Those with a value that is NaN or infinite, such as simulations that failed.
    NotFinite,
}

impl PairFiles {
    /// Makes relative paths absolute: they start from `folder`, that of the problem file.
    fn resolve(&mut self, folder: &Path) {
        for path in [Some(&mut self.training), self.validation.as_mut(), self.test.as_mut()].into_iter().flatten() {
            let joined = folder.join(&*path);
            *path = std::path::absolute(&joined).unwrap_or(joined);
        }
    }
}

/// Pairs that are written to disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Simulation {
    /// Training pairs, where they are stored.
    pub pairs: usize,
    /// Pairs of one file.
    pub shard: usize,
}

impl Default for Simulation {
    fn default() -> Self {
        Self { pairs: 8192, shard: 1024 }
    }
}

/// How a model is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Evaluation {
    /// Test pairs.
    pub pairs: usize,
    /// Draws for each of them.
    pub draws: usize,
    /// The first of them, kept with maps and figures.
    pub observations: usize,
    /// Draws kept for each of those.
    pub kept_draws: usize,
    /// Probabilities of the quantile maps.
    pub quantiles: Vec<f64>,
    /// What each metric should be.
    pub accept: BTreeMap<String, Interval>,
}

/// An interval that a metric should lie in; a missing end is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "bounds such as { least = 0.86, most = 0.94 }")]
pub struct Interval {
    /// The least value accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    /// The greatest value accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            pairs: 200,
            draws: 256,
            observations: 4,
            kept_draws: 16,
            quantiles: vec![0.05, 0.5, 0.95],
            accept: BTreeMap::new(),
        }
    }
}

impl Problem {
    /// Reads `problem.toml`, or that of a folder, at the given size.
    ///
    /// # Errors
    /// A missing file; a wrong or unknown key, with line, column and what is known instead; a value that is not possible.
    pub fn read(path: &Path, size: Size) -> Result<Self, ProblemError> {
        let path = if path.is_dir() { path.join("problem.toml") } else { path.to_path_buf() };
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::InvalidData => {
                ProblemError::Syntax { path: path.clone(), message: "is no text in UTF-8; save it as such".into() }
            }
            _ => ProblemError::Missing { path: path.clone(), source },
        })?;
        Self::parse(&text, &path, size)
    }

    /// The problem of a text; `path` is for messages, and files that the problem names are sought from its folder.
    pub fn parse(text: &str, path: &Path, size: Size) -> Result<Self, ProblemError> {
        let syntax = |message: String| ProblemError::Syntax { path: path.into(), message };
        let table: Table = toml::from_str(text).map_err(|e| syntax(e.to_string()))?;
        // Without overlays the text itself is read, which keeps line and column in the messages.
        let plain = without_overlays(text);
        if let Some(name) =
            plain.parse::<Table>().ok().and_then(|t| ["quick", "full"].into_iter().find(|k| t.contains_key(*k)))
        {
            return Err(syntax(format!(
                "write [{name}] as tables of their own: [{name}.training], say, and below it steps = 100"
            )));
        }
        if let Some(key) = no_table(&table) {
            let line = line_where(text, |line| line.trim_start_matches('[').starts_with(key));
            return Err(syntax(format!("line {line}: `{key}` is a table: write [{key}], and its keys below")));
        }
        let base: Problem = toml::from_str(&plain).map_err(|e| syntax(e.to_string()))?;
        if let Some(name) = size.table().filter(|name| !table.contains_key(*name)) {
            return Err(ProblemError::NoOverlay { path: path.into(), table: name });
        }
        let mut chosen = base.clone();
        let mut all = vec![(Size::Plain, base)];
        for other in [Size::Quick, Size::Full] {
            if let Some(name) = other.table()
                && table.contains_key(name)
            {
                let laid: Problem = resolve(table.clone(), other).try_into().map_err(|e: toml::de::Error| {
                    let line = line_where(text, |line| line.starts_with(&format!("[{name}")));
                    syntax(format!("in [{name}], line {line} and below: {}", e.message()))
                })?;
                if other == size {
                    chosen = laid.clone();
                }
                all.push((other, laid));
            }
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Some(prior) = &mut chosen.prior {
            prior.resolve(folder);
        }
        if let Some(pairs) = &mut chosen.pairs {
            pairs.resolve(folder);
        }
        if let Some(fixed) = &mut chosen.unknown.fixed {
            let place = folder.join(&fixed);
            *fixed = std::path::absolute(&place).unwrap_or(place);
        }
        // A mistake at another size is found now, not on the day when it is run; that of this size comes first.
        all.sort_by_key(|(other, _)| *other != size);
        all.iter().try_for_each(|(size, problem)| Checks { text, path, overlay: size.table() }.hold(problem))?;
        Ok(chosen)
    }

    /// The problem as a text that reads as itself.
    pub fn to_toml(&self) -> Result<String, ProblemError> {
        toml::to_string(self).map_err(|e| ProblemError::Syntax { path: PathBuf::new(), message: e.to_string() })
    }

    /// The part of the problem that decides its pairs, as a text: they stay what they are when the rest changes.
    pub fn of_pairs(&self) -> Result<String, ProblemError> {
        let wrong = |message: String| ProblemError::Syntax { path: PathBuf::new(), message };
        let mut table: Table = self.to_toml()?.parse().map_err(|e: toml::de::Error| wrong(e.to_string()))?;
        let decisive = ["name", "seed", "prior", "operator", "noise", "pairs", "x", "y"];
        table.retain(|key, _| decisive.contains(&key));
        toml::to_string(&table).map_err(|e| wrong(e.to_string()))
    }

    /// Problem, seed and version, for files.
    pub fn provenance(&self) -> Result<Provenance, ProblemError> {
        Ok(Provenance { problem: self.to_toml()?, seed: self.seed, version: env!("CARGO_PKG_VERSION").into() })
    }

    /// What decides a model.
    pub fn model_config(&self) -> ModelConfig {
        ModelConfig { network: self.network.clone(), condition: self.condition.clone(), unknown: self.unknown.clone() }
    }
}

/// A key that should be a table and is an array, which would be read as the table's values in the order of a struct.
fn no_table(table: &Table) -> Option<&str> {
    let wrong = table.iter().find(|(_, value)| value.is_array());
    let accepted =
        table.get("evaluation").and_then(|e| e.get("accept")).and_then(|a| a.as_table()).into_iter().flatten();
    let wrong = wrong.or(accepted.into_iter().find(|(_, value)| value.is_array()));
    wrong.map(|(key, _)| key.as_str())
}

/// The text with the lines of `[quick…]` and `[full…]` blanked, so that what is left keeps its line numbers.
fn without_overlays(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().map(|line| {
        if let Some(header) = line.trim_start().strip_prefix('[') {
            let name = header.trim_start_matches('[').trim_start();
            inside = ["quick", "full"].iter().any(|overlay| {
                name.strip_prefix(overlay).is_some_and(|rest| rest.trim_start().starts_with([']', '.']))
            });
        }
        if inside { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBLUR: &str = include_str!("../../problems/deblur/problem.toml");

    fn error(text: &str) -> String {
        match Problem::parse(text, Path::new("p.toml"), Size::Plain) {
            Err(e) => e.to_string(),
            Ok(_) => panic!("it should be refused: {text}"),
        }
    }

    #[test]
    fn the_problem_reads_as_itself() {
        for size in [Size::Quick, Size::Plain, Size::Full] {
            let problem = Problem::parse(DEBLUR, Path::new("p.toml"), size).unwrap();
            let again = Problem::parse(&problem.to_toml().unwrap(), Path::new("p.toml"), Size::Plain).unwrap();
            assert_eq!(problem, again);
        }
    }

    #[test]
    fn errors_name_line_key_and_remedy() {
        let line = DEBLUR.lines().position(|l| l.starts_with("learning_rate")).unwrap() + 1;
        let text = error(&DEBLUR.replacen("\nlearning_rate", "\nlerning_rate", 1));
        assert!(text.contains(&format!("line {line}")) && text.contains("unknown field `lerning_rate`"), "{text}");
        assert!(text.contains("learning_rate"), "the known keys are listed: {text}");
        let text = error(&DEBLUR.replacen("sigma = 0.05", "sigma = -1.0", 1));
        assert!(text.contains("sigma = -1") && text.contains("positive") && text.contains("p.toml, line"), "{text}");
        let text = error(&DEBLUR.replacen("[quick.training]", "[quick.training]\nstepps = 3", 1));
        assert!(text.contains("[quick]") && text.contains("stepps"), "{text}");
        // Every size is held, whichever is read.
        let quick = DEBLUR.replacen("[quick.training]", "[quick.training]\nbatch = 0", 1);
        let line = quick.lines().position(|line| line == "batch = 0").unwrap() + 1;
        for size in [Size::Plain, Size::Quick, Size::Full] {
            let text = Problem::parse(&quick, Path::new("p.toml"), size).unwrap_err().to_string();
            assert!(text.contains("training.batch = 0") && text.contains(&format!("line {line}")), "{size:?}: {text}");
        }
        let text = error("name = 'x'\nseed = oops");
        assert!(text.contains("line 2"), "{text}");
    }
}
