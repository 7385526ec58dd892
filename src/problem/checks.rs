use std::path::Path;

use crate::problem::{Interval, Noise, Origin, Problem, ProblemError};
use crate::train::{ImpossibleSetting, PairSource};
use crate::uq::diagnosis::METRICS;

/// What the values of a problem file are held to; errors name the line.
pub struct Checks<'a> {
    pub text: &'a str,
    pub path: &'a Path,
    /// The table laid over the rest, whose lines come first.
    pub overlay: Option<&'a str>,
}

/// More pairs or draws than this are a slip of the keyboard.
const MANY: usize = 1_000_000;
/// File systems allow 255 bytes, endings included.
const LONGEST_NAME: usize = 100;
const POSITIVE: &str = "give a positive number";

impl Checks<'_> {
    /// The first value that is not possible is the error.
    pub fn hold(&self, problem: &Problem) -> Result<(), ProblemError> {
        let (t, e, s) = (&problem.training, &problem.evaluation, &problem.simulation);
        self.that("name", &problem.name, !problem.name.is_empty(), "give the problem a name")?;
        let plain = !problem.name.contains(['/', '\\']) && !problem.name.starts_with('.');
        self.that("name", &problem.name, plain, "it names a folder: leave out slashes and a leading dot")?;
        let printable = !problem.name.contains(char::is_control);
        self.that("name", problem.name.escape_debug(), printable, "it names a folder: leave out control characters")?;
        let short = problem.name.len() <= LONGEST_NAME;
        self.that("name", &problem.name, short, "it names a folder: 100 bytes at most")?;
        let whole = problem.seed <= i64::MAX as u64;
        self.that("seed", problem.seed, whole, "TOML has whole numbers up to 9223372036854775807")?;
        let is_simulated = match problem.origin() {
            Ok(origin) => matches!(origin, Origin::Simulated { .. }),
            Err(error) => {
                return Err(ProblemError::Syntax { path: self.path.into(), message: error.to_string() });
            }
        };
        if let Some(Noise { sigma }) = problem.noise {
            let remedy = "noise needs a positive standard deviation";
            self.that("noise.sigma", sigma, sigma > 0.0 && (sigma as f32).is_normal(), remedy)?;
        }
        let stored = is_simulated || t.source == PairSource::Stored;
        let remedy = "pairs of your own are stored; leave it out";
        self.that("training.source", "\"on-the-fly\"", stored, remedy)?;
        let enough = !is_simulated || t.source == PairSource::OnTheFly || s.pairs >= t.batch;
        self.that("simulation.pairs", s.pairs, enough, "store at least one batch")?;
        self.that("simulation.shard", s.shard, s.shard > 0, POSITIVE)?;
        if let Err(ImpossibleSetting { key, value, remedy }) = t.validate() {
            self.that(&format!("training.{key}"), value, false, remedy)?;
        }
        self.that("evaluation.pairs", e.pairs, (2..=MANY).contains(&e.pairs), "give 2 to a million")?;
        self.that("evaluation.draws", e.draws, (2..=MANY).contains(&e.draws), "give 2 to a million")?;
        let shown = (1..=e.pairs).contains(&e.observations);
        self.that("evaluation.observations", e.observations, shown, "give 1 to the number of test pairs")?;
        let levels = !e.quantiles.is_empty() && e.quantiles.iter().all(|&q| is_share(q));
        let remedy = "give probabilities between 0 and 1";
        self.that("evaluation.quantiles", format!("{:?}", e.quantiles), levels, remedy)?;
        for (name, Interval { least, most }) in &e.accept {
            let key = format!("evaluation.accept.{name}");
            let known = METRICS.map(|(name, _)| name);
            self.that(&key, "…", known.contains(&name.as_str()), &format!("metrics are {}", known.join(", ")))?;
            let bounds = [least, most].map(|bound| bound.unwrap_or(0.0));
            let sound = bounds.iter().all(|bound| bound.is_finite());
            let ordered = least.is_none() || most.is_none() || bounds[0] <= bounds[1];
            self.that(&key, format!("{bounds:?}"), sound && ordered, "give numbers, the least first")?;
        }
        for (name, quantity) in [("x", &problem.x), ("y", &problem.y)] {
            for axis in &quantity.axes {
                let good = axis.spacing > 0.0 && axis.spacing.is_finite();
                self.that(&format!("{name}.axes"), format!("spacing {}", axis.spacing), good, POSITIVE)?;
            }
        }
        Ok(())
    }

    fn that(&self, key: &str, value: impl ToString, good: bool, remedy: &str) -> Result<(), ProblemError> {
        if good {
            return Ok(());
        }
        let (path, line) = (self.path.into(), self.line(key));
        Err(ProblemError::Value { path, line, key: key.into(), value: value.to_string(), remedy: remedy.into() })
    }

    /// Where a dotted key stands: in the overlay, else in its table, else where the table begins.
    fn line(&self, key: &str) -> usize {
        let (table, key) = key.rsplit_once('.').unwrap_or(("", key));
        let overlaid = self.overlay.map(|overlay| match table {
            "" => overlay.to_owned(),
            table => format!("{overlay}.{table}"),
        });
        let tables = overlaid.iter().map(String::as_str).chain([table]);
        tables
            .clone()
            .find_map(|table| line_in(self.text, table, key))
            .unwrap_or_else(|| line_where(self.text, |line| line.starts_with(&format!("[{table}"))))
    }
}

fn is_share(value: f64) -> bool {
    value > 0.0 && value < 1.0
}

/// The line of a key of a table, counted from 1.
fn line_in(text: &str, table: &str, key: &str) -> Option<usize> {
    let mut current = "";
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            current = header.split(']').next().unwrap_or_default().trim();
        } else if current == table
            && line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
        {
            return Some(number + 1);
        }
    }
    None
}

/// The first line of which something holds, counted from 1; 1 where it holds of none.
pub fn line_where(text: &str, holds: impl Fn(&str) -> bool) -> usize {
    text.lines().position(|line| holds(line.trim())).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_own_table_and_in_the_overlay_first() {
        let text = "name = 1\n[operator]\nsigma = 2\n[noise]\nsigma = 3\n[quick.noise]\nsigma = 4\n[training]\nlanes=1";
        let line = |overlay, key| Checks { text, path: Path::new("p"), overlay }.line(key);
        assert_eq!((line(None, "noise.sigma"), line(None, "operator.sigma"), line(None, "name")), (5, 3, 1));
        assert_eq!((line(Some("quick"), "noise.sigma"), line(Some("quick"), "operator.sigma")), (7, 3));
        assert_eq!((line(None, "training.steps"), line(None, "training.lanes"), line(None, "x.axes")), (8, 9, 1));
    }
}
