//! The standard figure of a posterior: truth, mean, uncertainty, error and draws of one observation.

use super::fields::{Dataset, Field};
use super::maps::{Content, Figure, Panel};
use super::physics::Physics;
use super::{Drawn, FigureError, Palette, extent, lines, profiles, symmetric_extent};
use crate::io::Source;
use crate::operator::LinearOperator;
use std::path::Path;

/// Draws whose curves are shown, and that decide the range of colours.
pub(super) const DRAWS: usize = 4;
/// Images in the row of the draws, at least and at most: as many as there are above.
const SHOWN: [usize; 2] = [3, 5];
/// Draws shown one after the other.
const FRAMES: usize = 24;
/// Errors of more standard deviations look alike.
const DEVIATIONS: f64 = 4.0;

/// All that is known of one channel after one observation.
pub(super) struct Posterior {
    pub mean: Field,
    pub standard_deviation: Option<Field>,
    pub truth: Option<Field>,
    /// With its title: an observation may have more channels than are shown.
    pub observation: Option<(String, Field)>,
    pub exact_mean: Option<Field>,
    pub exact_standard_deviation: Option<Field>,
    /// The best image without a network, and the name of its method.
    pub classical: Option<(String, Field)>,
    /// The adjoint of the operator applied to the observation.
    pub adjoint: Option<Field>,
    pub samples: Vec<Field>,
    /// Lowest and highest quantile, with their levels.
    pub interval: Option<[(f64, Field); 2]>,
}

/// Draws figures into a folder for each of the first `observations` of a `posterior.h5`:
///
/// - `PREFIX-0.png`, `PREFIX-1.png`, …: maps, or curves where there is one axis;
/// - `PREFIX-0-profiles.png`: along lines through the image, with the interval of the outermost quantiles;
/// - `PREFIX-0-projections.png`: maximum projections of volumes;
/// - `PREFIX-0-draws.gif`: the draws one after the other;
/// - `PREFIX-0-data.png`: traces of the observation against those that the operator predicts of the draws.
///
/// Where the posterior has several channels, `PREFIX-0-channel-0.png` and so on. `mean` must be there. `truth`,
/// `observation`, `standard_deviation`, `quantiles`, `samples`, `exact_mean`, `exact_standard_deviation` and `classical` (the
/// best image without a network) are shown where they are; the adjoint image where the operator is given.
pub fn posterior_figures(
    path: &Path,
    folder: &Path,
    prefix: &str,
    observations: usize,
    operator: Option<&dyn LinearOperator<f32>>,
) -> Result<Vec<Drawn>, FigureError> {
    let source = Source::open(path)?;
    let mean = Dataset::open(&source, "mean", 1)?;
    let mut drawn = Vec::new();
    for observation in 0..mean.leading(0).min(observations) {
        let physics = operator.map(|operator| Physics::read(&source, operator, observation)).transpose()?;
        for channel in 0..mean.channels() {
            let mut posterior = Posterior::read(&source, &mean, observation, channel)?;
            posterior.adjoint = physics.as_ref().and_then(|physics| physics.adjoint(&posterior.mean, channel));
            let several = mean.channels() > 1;
            let name = if several {
                format!("{prefix}-{observation}-channel-{channel}")
            } else {
                format!("{prefix}-{observation}")
            };
            let which = if several { format!(", {}", mean.name_of(channel)) } else { String::new() };
            let title = format!("Posterior of observation {observation}{which}");
            let mut add = |suffix: &str, title: String, rows: Vec<Vec<Panel>>, caption: String| {
                if rows.iter().all(Vec::is_empty) {
                    return Ok(());
                }
                let path = folder.join(format!("{name}{suffix}.png"));
                Figure { title: title.clone(), rows }.write_png(&path)?;
                drawn.push(Drawn { path, caption: format!("{title}: {caption}") });
                Ok::<_, FigureError>(())
            };
            let (rows, caption) = match posterior.is_profile() {
                true => (profiles::panels(&posterior), profiles::caption(&posterior)),
                false => (posterior.panels(), posterior.caption()),
            };
            add("", title.clone(), rows, caption)?;
            let projected = "the greatest value along each axis; draws, means and truth share one range of colours.";
            add("-projections", format!("{title}, projected"), posterior.projections(), projected.into())?;
            let (rows, caption) = lines::panels(&posterior);
            add("-profiles", format!("{title}, along lines"), rows, caption)?;
            if let Some(physics) = physics.as_ref().filter(|_| channel == 0) {
                let (rows, caption) = physics.panels()?;
                add("-data", format!("Observation {observation}, observed and predicted"), rows, caption)?;
            }
            let path = folder.join(format!("{name}-draws.gif"));
            if posterior.animate(&title, &path)? {
                let caption = format!("{title}: {} draws one after the other.", posterior.samples.len());
                drawn.push(Drawn { path, caption });
            }
        }
    }
    Ok(drawn)
}

impl Posterior {
    fn read(source: &Source, mean: &Dataset, index: usize, channel: usize) -> Result<Self, FigureError> {
        let mean = mean.read(&[index], channel)?;
        let like_mean = |name: &str| -> Result<Option<Field>, FigureError> {
            let Some(dataset) = Dataset::optional(source, name, 1)? else { return Ok(None) };
            let field = dataset.read(&[index], channel)?;
            field.check_like(&mean, name)?;
            Ok(Some(field))
        };
        let classical = like_mean("classical")?;
        let method = Dataset::optional(source, "classical", 1)?.and_then(|dataset| dataset.text("method"));
        let mut samples = Vec::new();
        if let Some(dataset) = Dataset::optional(source, "samples", 2)? {
            for draw in 0..dataset.leading(1).min(FRAMES) {
                let sample = dataset.read(&[index, draw], channel)?;
                sample.check_like(&mean, "samples")?;
                samples.push(sample);
            }
        }
        Ok(Self {
            standard_deviation: like_mean("standard_deviation")?,
            truth: like_mean("truth")?,
            observation: observation(source, index, channel)?,
            exact_mean: like_mean("exact_mean")?,
            exact_standard_deviation: like_mean("exact_standard_deviation")?,
            classical: classical.map(|field| (method.unwrap_or_default(), field)),
            adjoint: None,
            interval: interval(source, index, channel, &mean)?,
            samples,
            mean,
        })
    }

    pub fn is_profile(&self) -> bool {
        self.mean.values.ndim() == 1
    }

    /// The range of all that is compared with the truth. Of the draws it takes the central 98 %: a single wild one would
    /// hide everything else.
    pub fn value_range(&self) -> [f64; 2] {
        let fields = [Some(&self.mean), self.truth.as_ref(), self.exact_mean.as_ref()];
        let [low, high] = extent(fields.into_iter().flatten().flat_map(|field| &field.values));
        let mut drawn: Vec<f32> = self.samples.iter().take(DRAWS).flat_map(|s| &s.values).copied().collect();
        drawn.retain(|v| v.is_finite());
        drawn.sort_by(f32::total_cmp);
        let at = |share: f64| drawn.get((share * drawn.len() as f64) as usize).map(|&v| f64::from(v));
        [at(0.01).map_or(low, |v| v.min(low)), at(0.99).map_or(high, |v| v.max(high))]
    }

    /// From zero to the largest standard deviation.
    pub fn deviation_range(&self) -> [f64; 2] {
        let fields = [self.standard_deviation.as_ref(), self.exact_standard_deviation.as_ref()];
        let largest = extent(fields.into_iter().flatten().flat_map(|field| &field.values))[1];
        // Where nothing varies the range still begins at zero.
        [0.0, if largest > 0.0 { largest } else { 1.0 }]
    }

    /// Deviations stand below the means they belong to, the score of the error below the error.
    fn panels(&self) -> Vec<Vec<Panel>> {
        let (values, deviations) = (self.value_range(), self.deviation_range());
        let value = |title: &str, field: &Field| map(title, field, Palette::Value, values);
        let deviation = |title: &str, field: &Field| map(title, field, Palette::Deviation, deviations);
        let observation = self.observation_panel();
        let (mut means, mut below) = (Vec::new(), Vec::new());
        if let Some(truth) = &self.truth {
            means.push(value("Truth", truth));
            below.extend(observation.clone());
        }
        means.push(value("Posterior mean", &self.mean));
        below.extend(self.standard_deviation.as_ref().map(|s| deviation("Standard deviation", s)));
        means.extend(self.exact_mean.as_ref().map(|exact| value("Exact mean", exact)));
        below.extend(self.exact_standard_deviation.as_ref().map(|s| deviation("Exact standard deviation", s)));
        if let Some(truth) = &self.truth {
            let error = Field { values: &self.mean.values - &truth.values, ..self.mean.clone() };
            if let Some(deviation) = &self.standard_deviation {
                let score = Field { values: &error.values / &deviation.values, unit: String::new(), ..error.clone() };
                below.push(map("Error / standard deviation", &score, Palette::Signed, [-DEVIATIONS, DEVIATIONS]));
            }
            means.push(map("Error: mean − truth", &error, Palette::Signed, range_of(&error, Palette::Signed)));
        } else if self.exact_mean.is_none() {
            // Without anything to compare with, one row holds it all.
            means.append(&mut below);
            means.splice(0..0, observation);
        } else {
            means.extend(observation);
        }
        // The exact mean is the best classical image there is. Two images without a network are a column, one begins a row.
        let of_its_own = |field: &Field| map("Adjoint image", field, Palette::Value, range_of(field, Palette::Value));
        let alone = self.exact_mean.is_none();
        let adjoint = self.adjoint.as_ref().filter(|_| alone).map(of_its_own);
        let classical = self.classical.as_ref().filter(|_| alone).map(|(_, field)| value("Classical image", field));
        let mut last = Vec::new();
        match (classical, adjoint) {
            (Some(classical), Some(adjoint)) if self.truth.is_some() && !below.is_empty() => {
                means.insert(1, classical);
                below.insert(1, adjoint);
            }
            (classical, adjoint) => last.extend(classical.into_iter().chain(adjoint)),
        }
        let columns = means.len().max(below.len()).clamp(SHOWN[0], SHOWN[1]);
        let room = columns.saturating_sub(last.len());
        let draw = |(i, sample)| value(&format!("Draw {}", i + 1), sample);
        last.extend(self.samples.iter().enumerate().take(room).map(draw));
        vec![means, below, last]
    }

    pub fn observation_panel(&self) -> Option<Panel> {
        let (title, field) = self.observation.as_ref()?;
        Some(map(title, field, Palette::Value, range_of(field, Palette::Value)))
    }

    fn caption(&self) -> String {
        let mut shown = Vec::new();
        if self.truth.is_some() {
            shown.push("truth".to_owned());
        }
        if self.observation.is_some() {
            shown.push("observation".into());
        }
        shown.push("posterior mean".into());
        if self.standard_deviation.is_some() {
            shown.push("posterior standard deviation".into());
        }
        if self.exact_mean.is_some() || self.exact_standard_deviation.is_some() {
            shown.push("the exact posterior".into());
        }
        if self.truth.is_some() {
            shown.push("the error of the mean, in units and in standard deviations (red: mean above truth)".into());
        }
        if self.exact_mean.is_none() && self.adjoint.is_some() {
            shown.push("the adjoint image, with colours of its own".into());
        }
        if let (None, Some((method, _))) = (&self.exact_mean, &self.classical) {
            let method = if method.is_empty() { String::new() } else { format!(" ({method})") };
            shown.push(format!("the classical image{method}"));
        }
        if !self.samples.is_empty() {
            shown.push("draws".into());
        }
        let slices = if self.mean.values.ndim() == 3 { " Volumes show their central slices." } else { "" };
        format!(
            "{}. Truth, means and draws share one range of colours, deviations another; a colour bar has a point \
             where values lie beyond it.{slices}",
            shown.join(", ")
        )
    }
}

fn observation(source: &Source, index: usize, channel: usize) -> Result<Option<(String, Field)>, FigureError> {
    let Some(dataset) = Dataset::optional(source, "observation", 1)? else { return Ok(None) };
    let title = match dataset.channels() {
        1 => "Observation".into(),
        count => format!("Observation, {} (of {count})", dataset.name_of(channel.min(count - 1))),
    };
    Ok(Some((title, dataset.read(&[index], channel)?)))
}

/// The outermost quantiles of the file.
fn interval(
    source: &Source,
    index: usize,
    channel: usize,
    mean: &Field,
) -> Result<Option<[(f64, Field); 2]>, FigureError> {
    let Some(dataset) = Dataset::optional(source, "quantiles", 2)? else { return Ok(None) };
    // Version 0.1.0 called them "levels".
    let Some(name) = ["level", "levels"].into_iter().find(|name| source.has(name)) else { return Ok(None) };
    let levels = source.rows(name)?.read()?;
    let levels: Vec<f64> = levels.iter().map(|&level| f64::from(level)).collect();
    if levels.len() != dataset.leading(1) || levels.len() < 2 {
        return Ok(None);
    }
    let by_level = |a: &usize, b: &usize| levels[*a].total_cmp(&levels[*b]);
    let limit = |position: Option<usize>| -> Result<(f64, Field), FigureError> {
        let position = position.unwrap_or(0);
        let field = dataset.read(&[index, position], channel)?;
        field.check_like(mean, "quantiles")?;
        Ok((levels[position], field))
    };
    Ok(Some([limit((0..levels.len()).min_by(by_level))?, limit((0..levels.len()).max_by(by_level))?]))
}

/// A panel of one field.
pub(super) fn map(title: &str, field: &Field, palette: Palette, range: [f64; 2]) -> Panel {
    let content = Content::Map { values: field.values.clone(), palette, range };
    Panel { title: title.into(), unit: field.unit.clone(), grid: field.grid.clone(), content }
}

/// The range of a panel that is compared with no other.
pub(super) fn range_of(field: &Field, palette: Palette) -> [f64; 2] {
    match palette {
        Palette::Value => extent(&field.values),
        Palette::Deviation => [0.0, extent(&field.values)[1]],
        Palette::Signed => symmetric_extent(&field.values),
    }
}

#[cfg(test)]
pub(super) mod tests;
