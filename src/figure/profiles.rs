//! The standard figure of a posterior over one axis: traces, vectors of parameters.

use super::extent;
use super::maps::{Content, Line, Panel};
use super::posterior::{DRAWS, Posterior};
use ndarray::ArrayD;

/// Truth, mean and interval over one axis.
pub fn curves(title: &str, posterior: &Posterior) -> Panel {
    let [mut low, mut high] = posterior.value_range();
    let mut lines = Vec::new();
    if let Some(exact) = &posterior.exact_mean {
        lines.push(Line { dashed: true, ..Line::new("exact mean", exact.values.clone(), 1) });
    }
    lines.push(Line::new("mean", posterior.mean.values.clone(), 0));
    let truth = posterior.truth.as_ref().map(|truth| Line::new("truth", truth.values.clone(), Line::BLACK));
    lines.extend(truth);
    let band = posterior.interval.as_ref().map(|[(from, lower), (to, upper)]| {
        let name = format!("{} % interval", ((to - from) * 1000.0).round() / 10.0);
        (name, [lower.values.clone(), upper.values.clone()])
    });
    let band = band.or_else(|| {
        let deviation = &posterior.standard_deviation.as_ref()?.values;
        let mean = &posterior.mean.values;
        Some(("± 2 standard deviations".into(), [mean - &(deviation * 2.0), mean + &(deviation * 2.0)]))
    });
    if let Some((_, limits)) = &band {
        let [least, greatest] = extent(limits.iter().flatten());
        (low, high) = (low.min(least), high.max(greatest));
    }
    profile(title, posterior, lines, band, [low, high])
}

fn profile(
    title: &str,
    posterior: &Posterior,
    lines: Vec<Line>,
    band: Option<(String, [ArrayD<f32>; 2])>,
    range: [f64; 2],
) -> Panel {
    Panel {
        title: title.into(),
        unit: posterior.mean.unit.clone(),
        grid: posterior.mean.grid.clone(),
        content: Content::Profile { lines, band, range },
    }
}

/// Posterior and observation, standard deviation and draws.
pub fn panels(posterior: &Posterior) -> Vec<Vec<Panel>> {
    let mut first = vec![curves("Posterior", posterior)];
    first.extend(posterior.observation_panel());
    let mut second = Vec::new();
    if !posterior.samples.is_empty() {
        let draws = posterior.samples.iter().take(DRAWS).enumerate();
        let draws = draws.map(|(i, sample)| Line::new(&format!("draw {}", i + 1), sample.values.clone(), i + 1));
        let truth = posterior.truth.as_ref().map(|truth| Line::new("truth", truth.values.clone(), Line::BLACK));
        second.push(profile("Draws", posterior, draws.chain(truth).collect(), None, posterior.value_range()));
    }
    let deviations = [("exact", &posterior.exact_standard_deviation), ("posterior", &posterior.standard_deviation)];
    let deviations: Vec<Line> = deviations
        .into_iter()
        .zip([1, 0])
        .filter_map(|((name, field), colour)| {
            let line = Line::new(name, field.as_ref()?.values.clone(), colour);
            Some(Line { dashed: colour == 1, ..line })
        })
        .collect();
    if !deviations.is_empty() {
        second.push(profile("Standard deviation", posterior, deviations, None, posterior.deviation_range()));
    }
    vec![first, second]
}

/// What the panels show.
pub fn caption(posterior: &Posterior) -> String {
    let mut shown = vec!["mean and interval"];
    if posterior.truth.is_some() {
        shown.push("truth");
    }
    if posterior.exact_mean.is_some() || posterior.exact_standard_deviation.is_some() {
        shown.push("the exact posterior");
    }
    if posterior.observation.is_some() {
        shown.push("observation");
    }
    if !posterior.samples.is_empty() {
        shown.push("draws");
    }
    format!("{}.", shown.join(", "))
}
