//! The standard figure of a posterior: truth, mean, uncertainty, error and draws of one observation.

use super::fields::{Dataset, Field};
use super::maps::{Content, Figure, Panel};
use super::{Drawn, FigureError, Palette, extent, profiles, symmetric_extent};
use crate::io::{Rows, Source};
use std::path::Path;

/// Draws shown.
const DRAWS: usize = 4;
/// Errors of more standard deviations look alike.
const DEVIATIONS: f64 = 4.0;

/// All that is known of one channel after one observation.
pub(super) struct Posterior {
    pub mean: Field,
    pub standard_deviation: Option<Field>,
    pub truth: Option<Field>,
    pub observation: Option<Field>,
    pub exact_mean: Option<Field>,
    pub exact_standard_deviation: Option<Field>,
    pub samples: Vec<Field>,
    /// Lowest and highest quantile, with their levels.
    pub interval: Option<[(f64, Field); 2]>,
}

/// Draws `PREFIX-0.png`, `PREFIX-1.png`, … into a folder, one figure an observation of a `posterior.h5`; where the
/// posterior has several channels, `PREFIX-0-channel-0.png` and so on.
///
/// `mean` must be there. `truth`, `observation`, `standard_deviation`, `quantiles`, `samples`, `exact_mean` and
/// `exact_standard_deviation` are shown where they are.
pub fn posterior_figures(path: &Path, folder: &Path, prefix: &str) -> Result<Vec<Drawn>, FigureError> {
    let source = Source::open(path)?;
    let mean = Dataset::open(&source, "mean", 1)?;
    let mut drawn = Vec::new();
    for observation in 0..mean.leading(0) {
        for channel in 0..mean.channels() {
            let posterior = Posterior::read(&source, &mean, observation, channel)?;
            let several = mean.channels() > 1;
            let name = if several {
                format!("{prefix}-{observation}-channel-{channel}.png")
            } else {
                format!("{prefix}-{observation}.png")
            };
            let which = if several { format!(", channel {channel}") } else { String::new() };
            let title = format!("Posterior of observation {observation}{which}");
            let (rows, caption) = match mean_is_profile(&posterior) {
                true => (profiles::panels(&posterior), profiles::caption(&posterior)),
                false => (posterior.panels(), posterior.caption()),
            };
            let path = folder.join(name);
            Figure { title: title.clone(), rows }.write_png(&path)?;
            drawn.push(Drawn { path, caption: format!("{title}: {caption}") });
        }
    }
    Ok(drawn)
}

/// Draws `PREFIX.png` from a file of maps such as statistics of draws: `mean` and `standard_deviation`, whichever is
/// there, `[observation?, channel?, axes…]`; the names of several observations and channels end in their numbers.
pub fn maps_figures(path: &Path, folder: &Path, prefix: &str) -> Result<Vec<Drawn>, FigureError> {
    const SHOWN: [(&str, &str, Palette); 2] =
        [("mean", "Mean", Palette::Value), ("standard_deviation", "Standard deviation", Palette::Deviation)];
    let source = Source::open(path)?;
    let mut datasets = Vec::new();
    for (name, title, palette) in SHOWN.into_iter().filter(|(name, ..)| source.has(name)) {
        let leading = usize::from(source.rows(name)?.axis("observation") == Some(0));
        datasets.push((Dataset::open(&source, name, leading)?, leading, title, palette));
    }
    let Some((first, leading, ..)) = datasets.first() else {
        // The error of the reader lists what is there instead.
        source.rows("mean")?;
        let remedy = "give a file that holds `mean` or `standard_deviation`";
        return Err(FigureError::Empty { what: path.display().to_string(), remedy });
    };
    let (observations, channels) = (first.leading(0), first.channels());
    let mut drawn = Vec::new();
    for observation in 0..observations {
        for channel in 0..channels {
            let mut row = Vec::new();
            for (dataset, leading, title, palette) in &datasets {
                let field = dataset.read(&[observation][..*leading], channel)?;
                row.push(map(title, &field, *palette, range_of(&field, *palette)));
            }
            let titles: Vec<String> = row.iter().map(|panel| panel.title.to_lowercase()).collect();
            let mut name = prefix.to_owned();
            let mut caption = titles.join(" and ");
            if *leading == 1 {
                name += &format!("-{observation}");
                caption += &format!(" of observation {observation}");
            }
            if channels > 1 {
                name += &format!("-channel-{channel}");
                caption += &format!(", channel {channel}");
            }
            let path = folder.join(name + ".png");
            let caption = capitalised(&caption);
            Figure { title: String::new(), rows: vec![row] }.write_png(&path)?;
            drawn.push(Drawn { path, caption: caption + "." });
        }
    }
    Ok(drawn)
}

fn mean_is_profile(posterior: &Posterior) -> bool {
    posterior.mean.values.ndim() == 1
}

impl Posterior {
    fn read(source: &Source, mean: &Dataset, index: usize, channel: usize) -> Result<Self, FigureError> {
        let mean = mean.read(&[index], channel)?;
        let optional = |name: &str| -> Result<Option<Field>, FigureError> {
            let Some(dataset) = Dataset::optional(source, name, 1)? else { return Ok(None) };
            Ok(Some(dataset.read(&[index], channel)?))
        };
        let like_mean = |name: &str| -> Result<Option<Field>, FigureError> {
            let field = optional(name)?;
            field.iter().try_for_each(|field| field.check_like(&mean, name))?;
            Ok(field)
        };
        let mut samples = Vec::new();
        if let Some(dataset) = Dataset::optional(source, "samples", 2)? {
            for draw in 0..dataset.leading(1).min(DRAWS) {
                let sample = dataset.read(&[index, draw], channel)?;
                sample.check_like(&mean, "samples")?;
                samples.push(sample);
            }
        }
        Ok(Self {
            standard_deviation: like_mean("standard_deviation")?,
            truth: like_mean("truth")?,
            observation: optional("observation")?,
            exact_mean: like_mean("exact_mean")?,
            exact_standard_deviation: like_mean("exact_standard_deviation")?,
            interval: interval(source, index, channel, &mean)?,
            samples,
            mean,
        })
    }

    /// The range of all that is compared with the truth. Of the draws it takes the central 98 %: a single wild one would
    /// hide everything else.
    pub fn value_range(&self) -> [f64; 2] {
        let fields = [Some(&self.mean), self.truth.as_ref(), self.exact_mean.as_ref()];
        let [low, high] = extent(fields.into_iter().flatten().flat_map(|field| &field.values));
        let mut drawn: Vec<f32> = self.samples.iter().flat_map(|s| &s.values).copied().collect();
        drawn.retain(|v| v.is_finite());
        drawn.sort_by(f32::total_cmp);
        let at = |share: f64| drawn.get((share * drawn.len() as f64) as usize).map(|&v| f64::from(v));
        [at(0.01).map_or(low, |v| v.min(low)), at(0.99).map_or(high, |v| v.max(high))]
    }

    /// From zero to the largest standard deviation.
    pub fn deviation_range(&self) -> [f64; 2] {
        let fields = [self.standard_deviation.as_ref(), self.exact_standard_deviation.as_ref()];
        [0.0, extent(fields.into_iter().flatten().flat_map(|field| &field.values))[1]]
    }

    /// Deviations stand below the means they belong to, the score of the error below the error.
    fn panels(&self) -> Vec<Vec<Panel>> {
        let (values, deviations) = (self.value_range(), self.deviation_range());
        let value = |title: &str, field: &Field| map(title, field, Palette::Value, values);
        let deviation = |title: &str, field: &Field| map(title, field, Palette::Deviation, deviations);
        let observation =
            self.observation.as_ref().map(|y| map("Observation", y, Palette::Value, range_of(y, Palette::Value)));
        let (mut means, mut below) = (Vec::new(), Vec::new());
        if let Some(truth) = &self.truth {
            means.push(value("Truth", truth));
            below.extend(observation.clone());
        }
        means.push(value("Posterior mean", &self.mean));
        below.extend(self.standard_deviation.as_ref().map(|s| deviation("Standard deviation", s)));
        if let Some(exact) = &self.exact_mean {
            means.push(value("Exact mean", exact));
        }
        below.extend(self.exact_standard_deviation.as_ref().map(|s| deviation("Exact standard deviation", s)));
        if let Some(truth) = &self.truth {
            let error = Field { values: &self.mean.values - &truth.values, ..self.mean.clone() };
            if let Some(deviation) = &self.standard_deviation {
                let score = Field { values: &error.values / &deviation.values, unit: String::new(), ..error.clone() };
                below.push(map("Error / standard deviation", &score, Palette::Signed, [-DEVIATIONS, DEVIATIONS]));
            }
            means.push(map("Error: mean − truth", &error, Palette::Signed, range_of(&error, Palette::Signed)));
        } else {
            means.extend(observation);
        }
        let draw = |(i, sample)| value(&format!("Draw {}", i + 1), sample);
        vec![means, below, self.samples.iter().enumerate().map(draw).collect()]
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
        if !self.samples.is_empty() {
            shown.push(format!("{} draws", self.samples.len()));
        }
        let slices = if self.mean.values.ndim() == 3 { " Volumes show their central slices." } else { "" };
        format!("{}. Truth, means and draws share one range of colours, deviations another.{slices}", shown.join(", "))
    }
}

/// The outermost quantiles of the file.
fn interval(
    source: &Source,
    index: usize,
    channel: usize,
    mean: &Field,
) -> Result<Option<[(f64, Field); 2]>, FigureError> {
    let Some(dataset) = Dataset::optional(source, "quantiles", 2)? else { return Ok(None) };
    let levels = if source.has("levels") { Rows::read(&source.rows("levels")?)? } else { return Ok(None) };
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

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
