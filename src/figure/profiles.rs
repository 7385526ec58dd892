//! The standard figure of a posterior over one axis: traces, vectors of parameters.

use super::extent;
use super::maps::{Content, Line, Panel};
use super::posterior::Posterior;

/// Posterior and observation, standard deviation and draws.
pub fn panels(posterior: &Posterior) -> Vec<Vec<Panel>> {
    let [mut low, mut high] = posterior.value_range();
    let mut lines = Vec::new();
    if let Some(exact) = &posterior.exact_mean {
        lines.push(Line { dashed: true, ..Line::new("exact mean", exact.values.clone(), 1) });
    }
    lines.push(Line::new("mean", posterior.mean.values.clone(), 0));
    let truth = posterior.truth.as_ref().map(|truth| Line::new("truth", truth.values.clone(), Line::BLACK));
    lines.extend(truth.clone());
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
    let profile = |title: &str, lines, band| Panel {
        title: title.into(),
        unit: posterior.mean.unit.clone(),
        grid: posterior.mean.grid.clone(),
        content: Content::Profile { lines, band, range: [low, high] },
    };
    let mut first = vec![profile("Posterior", lines, band)];
    first.extend(posterior.observation_panel());
    let mut second = Vec::new();
    if !posterior.samples.is_empty() {
        let draws = posterior.samples.iter().enumerate();
        let draws = draws.map(|(i, sample)| Line::new(&format!("draw {}", i + 1), sample.values.clone(), i + 1));
        second.push(profile("Draws", draws.chain(truth).collect(), None));
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
        let mut panel = profile("Standard deviation", Vec::new(), None);
        panel.content = Content::Profile { lines: deviations, band: None, range: posterior.deviation_range() };
        second.push(panel);
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
