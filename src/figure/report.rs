//! One HTML file that opens without a network: verdicts, figures, and where everything comes from.

use super::axis::number;
use super::{Drawn, FigureError};
use crate::io::{IoError, Provenance};
use crate::uq::diagnosis::METRICS;
use crate::uq::judgement::Judgement;
use crate::uq::verdict::{Diagnostics, Metric};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeMap;
use std::path::Path;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5c636b; --paper: #fff; --card: #f5f6f7; --rule: #d9dde1;
  --good: #136f3a; --good-paper: #e0f3e7; --bad: #a3261b; --bad-paper: #fbe6e3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #a0a7ae; --paper: #16181b; --card: #202327;
  --rule: #363b41; --good: #7fd6a1; --good-paper: #14351f; --bad: #f2a79f; --bad-paper: #451a16; } }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
.lead { font-size: 1.1rem; color: var(--soft); max-width: 48rem; margin: 0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: baseline; padding: .5rem .9rem .5rem 0; border-bottom: 1px solid var(--rule); }
th { font-size: .85rem; font-weight: 600; color: var(--soft); }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.meaning { color: var(--soft); }
code, pre { font: .9em/1.5 ui-monospace, 'DejaVu Sans Mono', monospace; }
.badge { padding: .1rem .6rem; border-radius: 1rem; font-size: .85rem; font-weight: 600; white-space: nowrap; }
.pass { color: var(--good); background: var(--good-paper); }
.fail { color: var(--bad); background: var(--bad-paper); }
figure { margin: 1.5rem 0 2.25rem; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #fff; border-radius: .4rem; }
img.curve { width: 40rem; }
figcaption { color: var(--soft); font-size: .95rem; margin: .6rem auto 0; max-width: 56rem; }
pre { overflow-x: auto; padding: 1rem; background: var(--card); border-radius: .4rem; }
summary { cursor: pointer; }
";

/// The page of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was inferred: the heading.
    pub title: String,
    /// One or two sentences below it.
    pub lead: String,
    /// Numbers and verdicts.
    pub diagnostics: Diagnostics,
    /// What there is to say of a number besides its meaning, by its name.
    pub remarks: BTreeMap<String, String>,
    /// Heading and figures of each section, in this order; PNG or SVG.
    pub sections: Vec<(String, Vec<Drawn>)>,
    /// Problem file, seed and version.
    pub provenance: Provenance,
}

impl Report {
    /// Writes the page with all its figures inside, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), FigureError> {
        Ok(crate::io::replace(path, self.html()?.as_bytes())?)
    }

    /// The page.
    pub fn html(&self) -> Result<String, FigureError> {
        let mut sections = Vec::new();
        for (heading, figures) in &self.sections {
            let figures: Vec<Markup> = figures.iter().map(figure).collect::<Result<_, _>>()?;
            sections.push(html! { h2 { (heading) } @for figure in &figures { (figure) } });
        }
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.title) }
                    p.lead { (self.lead) }
                    (verdicts(&self.diagnostics, &self.remarks))
                    @for section in &sections { (section) }
                    (provenance(&self.provenance))
                }
            }
        };
        Ok(page.into_string())
    }
}

fn verdicts(diagnostics: &Diagnostics, remarks: &BTreeMap<String, String>) -> Markup {
    let judged: Vec<&Metric> = diagnostics.metrics.values().filter(|metric| metric.is_judged()).collect();
    let passed = judged.iter().filter(|metric| metric.pass == Some(true)).count();
    let said = diagnostics.judgement.as_ref().map(Judgement::headline).unwrap_or_default();
    html! {
        @if let Some((headline, more)) = said.split_first() {
            h2 { "Verdict: " (headline) }
            @if !more.is_empty() { ul { @for line in more { li { (line) } } } }
        }
        @if !diagnostics.metrics.is_empty() {
            h2 { "What the problem asks: " (passed) " of " (judged.len()) " numbers are as it accepts them" }
            div.table { table {
                thead { tr { th { "Number" } th { "Meaning" } th { "Value" } th { "Accepted" } th { "Verdict" } } }
                tbody {
                    @for (name, metric) in &diagnostics.metrics {
                        tr {
                            td { code { (name) } }
                            td.meaning { (meaning(name)) @if let Some(remark) = remarks.get(name) { " " (remark) } }
                            td.number { (value(metric)) }
                            td.number { (accepted(metric)) }
                            td { @if metric.is_judged() { (badge(metric.pass == Some(true))) } }
                        }
                    }
                }
            } }
        }
    }
}

fn meaning(name: &str) -> &'static str {
    METRICS.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning)
}

fn value(metric: &Metric) -> String {
    let unit = if metric.unit == "1" { "" } else { &metric.unit };
    match metric.value {
        Some(value) => format!("{} {unit}", number(value)).trim_end().into(),
        None => "not a number".into(),
    }
}

fn accepted(metric: &Metric) -> String {
    match metric.accept {
        [Some(low), Some(high)] => format!("{} … {}", number(low), number(high)),
        [Some(low), None] => format!("≥ {}", number(low)),
        [None, Some(high)] => format!("≤ {}", number(high)),
        [None, None] => "any".into(),
    }
}

fn badge(pass: bool) -> Markup {
    if pass {
        html! { span.badge.pass { "✓ pass" } }
    } else {
        html! { span.badge.fail { "✗ fail" } }
    }
}

fn figure(drawn: &Drawn) -> Result<Markup, FigureError> {
    let bytes = std::fs::read(&drawn.path).map_err(|e| IoError::system(&drawn.path, "read the figure", e))?;
    let is = |kind: &str| drawn.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(kind));
    let vector = is("svg");
    let kind = if vector {
        "svg+xml"
    } else if is("gif") {
        "gif"
    } else {
        "png"
    };
    let source = format!("data:image/{kind};base64,{}", STANDARD.encode(bytes));
    Ok(html! {
        figure {
            img.curve[vector] src=(source) alt=(drawn.caption);
            figcaption { (drawn.caption) }
        }
    })
}

fn provenance(provenance: &Provenance) -> Markup {
    html! {
        h2 { "Where this comes from" }
        p { "Posteria " (provenance.version) ", seed " (provenance.seed) "." }
        @if !provenance.problem.is_empty() {
            details {
                summary { "Problem file" }
                pre { (provenance.problem) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(folder: &Path) -> Report {
        let path = folder.join("a.png");
        std::fs::write(&path, b"pixels").unwrap();
        let mut diagnostics = Diagnostics::default();
        for (name, _) in METRICS {
            diagnostics.judge(name, 0.98765, "nats", [Some(0.5), None]);
        }
        diagnostics.judge("unjudged", 3.0, "1", [None, None]);
        diagnostics.judge("own_number", f64::NAN, "1", [None, Some(1e-7)]);
        Report {
            title: "Deblurring <32 × 32>".into(),
            lead: "A posterior.".into(),
            diagnostics,
            remarks: BTreeMap::from([("rmse_best_classical".into(), "Here: a <line>.".into())]),
            sections: vec![("Maps".into(), vec![Drawn { path, caption: "Truth & mean.".into() }])],
            provenance: Provenance { problem: "seed = 7 # <x>".into(), seed: 7, version: "0.1.0".into() },
        }
    }

    #[test]
    fn everything_is_inside_and_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        let report = report(folder.path());
        report.write(&path).unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        for (name, meaning) in METRICS {
            assert!(page.contains(name) && page.contains(meaning), "{name}");
        }
        let expected = ["own_number", "not a number", "≤ 1.00 × 10⁻⁷", "0.9877 nats", "≥ 0.5", "✗ fail", "✓ pass"];
        let escaped = [
            "Deblurring &lt;32 × 32&gt;",
            "Here: a &lt;line&gt;.",
            "Truth &amp; mean.",
            "seed = 7 # &lt;x&gt;",
            "Posteria 0.1.0, seed 7",
        ];
        for text in expected.into_iter().chain(escaped) {
            assert!(page.contains(text), "{text}");
        }
        assert!(page.contains(&format!("data:image/png;base64,{}", STANDARD.encode(b"pixels"))));
        for outside in ["http:", "https:", "url(", "<script", "<link", "@import", "src=\"/"] {
            assert!(!page.contains(outside), "{outside}");
        }
        let counts = format!("{} of {} numbers", METRICS.len(), METRICS.len() + 1);
        assert!(page.contains(&counts), "what nobody judges is not counted");
    }

    #[test]
    fn a_figure_that_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let report = report(folder.path());
        std::fs::remove_file(folder.path().join("a.png")).unwrap();
        let message = report.html().unwrap_err().to_string();
        assert!(message.contains("a.png") && message.contains("check the path"), "{message}");
    }
}
