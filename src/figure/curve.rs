//! Curves of training, calibration and growth, as PNG and SVG from one drawing.

use super::FigureError;
use super::canvas::{Align, Canvas, Stroke, Style};
use super::colour::drawable;
use super::encode;
use super::frame::{Scale, Side};
use super::plot::{Mark, Plot, Series};
use super::style::{BLUE_BAND, CHANCE, CURVE, GAP, REFERENCE, TITLE, series_colour};
use crate::uq::coverage::Coverage;
use crate::uq::ecdf::Bands;
use crate::uq::error_by_uncertainty::Bin;
use std::path::{Path, PathBuf};

/// The frame of a curve over steps.
pub(super) const WIDE: [f64; 2] = [1040.0, 600.0];
/// The frame of a curve against a diagonal.
const SQUARE: [f64; 2] = [680.0, 680.0];
/// A curve that was drawn and can be written.
#[derive(Clone, Debug)]
pub struct Curve {
    pub(super) canvas: Canvas,
}

impl Curve {
    fn new(title: &str, plot: &Plot) -> Self {
        let mut canvas = Canvas::default();
        plot.draw(&mut canvas);
        if !title.is_empty() {
            let at = [plot.size[0] / 2.0, canvas.bounds().top - GAP - TITLE / 2.0];
            canvas.text(title, at, Style { bold: true, ..Style::new(TITLE, Align::Centre) });
        }
        Self { canvas }
    }

    /// Writes a PNG of 300 dpi, whole or not at all.
    pub fn write_png(&self, path: &Path) -> Result<(), FigureError> {
        encode::png(&self.canvas, path)
    }

    /// Writes an SVG whose texts are texts, whole or not at all.
    pub fn write_svg(&self, path: &Path) -> Result<(), FigureError> {
        encode::svg(&self.canvas, path)
    }

    /// Writes `NAME.png` and `NAME.svg` into a folder; returns their paths in this order.
    pub fn write(&self, folder: &Path, name: &str) -> Result<[PathBuf; 2], FigureError> {
        let [png, svg] = ["png", "svg"].map(|extension| folder.join(format!("{name}.{extension}")));
        self.write_png(&png)?;
        self.write_svg(&svg)?;
        Ok([png, svg])
    }
}

/// Observed against expected coverage of central credible intervals, with the band of chance around what was observed.
pub fn coverage_curve(points: &[Coverage]) -> Result<Curve, FigureError> {
    if points.is_empty() {
        return Err(empty("coverage curve", "ask for the coverage at some levels"));
    }
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.expected.total_cmp(&b.expected));
    let band = points.iter().map(|p| [p.expected, p.band[0], p.band[1]]).collect();
    let observed: Vec<[f64; 2]> = points.iter().map(|p| [p.expected, p.observed]).collect();
    let colour = series_colour(0);
    let series = vec![
        Series { name: "95 % band".into(), mark: Mark::Band { points: band, colour: BLUE_BAND } },
        diagonal([0.0, 1.0], "calibrated"),
        line("observed", observed.clone(), Stroke::new(colour, CURVE)),
        Series { name: String::new(), mark: Mark::Dots { points: observed, radius: 1.8 * CURVE, colour } },
    ];
    let plot = Plot {
        size: SQUARE,
        horizontal: Side::new([0.0, 1.0], "expected coverage", ""),
        vertical: Side::new([1.0, 0.0], "observed coverage", ""),
        series,
    };
    Ok(Curve::new("", &plot))
}

/// Empirical distribution of ranks minus the diagonal, for named test quantities, with the band that uniform ranks leave
/// nowhere with the stated probability (Säilynoja et al. 2022).
pub fn ecdf_difference(title: &str, quantities: &[(String, Vec<u32>)], bands: &Bands) -> Result<Curve, FigureError> {
    if quantities.is_empty() || bands.points.is_empty() {
        return Err(empty("rank curve", "give the ranks of at least one test quantity"));
    }
    let limits = bands.points.iter().zip(&bands.limits);
    let band: Vec<[f64; 3]> = limits.map(|(&z, limit)| [z, limit[0] - z, limit[1] - z]).collect();
    let mut largest = band.iter().map(|[_, low, high]| low.abs().max(high.abs())).fold(0.0, f64::max);
    let name = "simultaneous band".into();
    let mut series = vec![
        Series { name, mark: Mark::Band { points: band, colour: CHANCE } },
        line("", vec![[0.0, 0.0], [1.0, 0.0]], Stroke::new(REFERENCE, CURVE).dashed()),
    ];
    for (index, (name, ranks)) in quantities.iter().enumerate() {
        let ecdf = bands.ecdf(ranks)?;
        let points: Vec<[f64; 2]> = bands.points.iter().zip(ecdf).map(|(&z, share)| [z, share - z]).collect();
        largest = points.iter().map(|p| p[1].abs()).fold(largest, f64::max);
        series.push(line(name, points, Stroke::new(series_colour(index), CURVE)));
    }
    let [low, high] = padded(drawable([-largest, largest]));
    let plot = Plot {
        size: WIDE,
        horizontal: Side::new([0.0, 1.0], "rank of the truth / number of draws", ""),
        vertical: Side::new([high, low], "ECDF − uniform", ""),
        series,
    };
    Ok(Curve::new(title, &plot))
}

/// Root mean square of the errors against that of the stated standard deviations, bin by bin; `unit` is that of both.
pub fn error_by_uncertainty(bins: &[Bin], unit: &str) -> Result<Curve, FigureError> {
    let full = bins.iter().filter(|bin| bin.count > 0 && bin.uncertainty.is_finite() && bin.error.is_finite());
    let points: Vec<[f64; 2]> = full.map(|bin| [bin.uncertainty, bin.error]).collect();
    if points.is_empty() {
        return Err(empty("error by uncertainty", "give at least one bin that holds pixels"));
    }
    let largest = points.iter().flatten().copied().fold(0.0, f64::max);
    let top = drawable([0.0, 1.06 * largest])[1];
    let colour = series_colour(0);
    let series = vec![
        diagonal([0.0, top], "calibrated"),
        line("bins of pixels", points.clone(), Stroke::new(colour, CURVE)),
        Series { name: String::new(), mark: Mark::Dots { points, radius: 1.8 * CURVE, colour } },
    ];
    let plot = Plot {
        size: SQUARE,
        horizontal: Side::new([0.0, top], "standard deviation, rms", unit),
        vertical: Side::new([top, 0.0], "error of the mean, rms", unit),
        series,
    };
    Ok(Curve::new("", &plot))
}

/// How positive quantities grow with another: equal ratios are equally long on both axes, so that a power law is a straight
/// line. The axes are (name, unit); points that are no positive numbers are left out.
pub fn growth_curve(
    horizontal: (&str, &str),
    vertical: (&str, &str),
    quantities: &[(String, Vec<[f64; 2]>)],
) -> Result<Curve, FigureError> {
    let positive = |p: &&[f64; 2]| p.iter().all(|&v| v > 0.0 && v.is_finite());
    let shown = || quantities.iter().flat_map(|(_, points)| points).filter(positive);
    if shown().next().is_none() {
        return Err(empty("growth curve", "give at least one point of positive numbers"));
    }
    let side = |k: usize, (name, unit): (&str, &str)| {
        let [low, high] = shown().fold([f64::INFINITY, 0.0], |[l, h]: [f64; 2], p| [l.min(p[k]), h.max(p[k])]);
        let margin = (high / low).powf(0.04).max(1.2);
        Side { scale: Scale::Doubling, ..Side::new([low / margin, high * margin], name, unit) }
    };
    let mut series = Vec::new();
    for (index, (name, points)) in quantities.iter().enumerate() {
        let (colour, points) = (series_colour(index), points.iter().filter(positive).copied().collect::<Vec<_>>());
        series.push(line(name, points.clone(), Stroke::new(colour, CURVE)));
        series.push(Series { name: String::new(), mark: Mark::Dots { points, radius: 1.8 * CURVE, colour } });
    }
    let mut vertical = side(1, vertical);
    vertical.ends.reverse();
    Ok(Curve::new("", &Plot { size: WIDE, horizontal: side(0, horizontal), vertical, series }))
}

pub(super) fn line(name: &str, points: Vec<[f64; 2]>, stroke: Stroke) -> Series {
    Series { name: name.into(), mark: Mark::Line { points, stroke } }
}

fn diagonal([from, to]: [f64; 2], name: &str) -> Series {
    line(name, vec![[from, from], [to, to]], Stroke::new(REFERENCE, CURVE).dashed())
}

pub(super) fn padded([low, high]: [f64; 2]) -> [f64; 2] {
    let margin = 0.05 * (high - low);
    [low - margin, high + margin]
}

pub(super) fn empty(what: &str, remedy: &'static str) -> FigureError {
    FigureError::Empty { what: what.into(), remedy }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    pub fn svg(curve: &Curve) -> String {
        let folder = tempfile::tempdir().unwrap();
        let [png, svg] = curve.write(folder.path(), "curve").unwrap();
        assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
        std::fs::read_to_string(&svg).unwrap()
    }

    pub fn contains(text: &str, labels: &[&str]) {
        labels.iter().for_each(|label| assert!(text.contains(label), "{label}"));
    }

    #[test]
    fn curves_of_nothing_are_refused() {
        assert!(coverage_curve(&[]).is_err() && error_by_uncertainty(&[Bin::default()], "m").is_err());
    }

    #[test]
    fn growth_is_drawn_where_it_is_positive() {
        let points = vec![[64.0, 20.0], [128.0, 80.0], [256.0, f64::NAN], [512.0, 0.0]];
        let quantities = [("ours".into(), points), ("other".into(), vec![])];
        let text = svg(&growth_curve(("image size", "pixels"), ("memory", "MiB"), &quantities).unwrap());
        contains(&text, &["ours", "other", "image size (pixels)", "memory (MiB)", "\n64\n", "\n32\n"]);
        svg(&growth_curve(("", ""), ("", ""), &[("one".into(), vec![[1.0, 1.0]])]).unwrap());
        assert!(growth_curve(("", ""), ("", ""), &[("none".into(), vec![[1.0, -1.0]])]).is_err());
    }

    #[test]
    fn calibration_curves_name_what_they_show() {
        let point =
            |expected: f64| Coverage { expected, observed: 0.9 * expected, band: [expected - 0.2, expected + 0.2] };
        contains(
            &svg(&coverage_curve(&[point(0.9), point(0.1)]).unwrap()),
            &["expected coverage", "observed coverage", "calibrated", "95 % band", "0.8"],
        );
        let bin = |s: f64| Bin { count: 5, uncertainty: s, error: 1.1 * s, mean_uncertainty: s, mean_error: s };
        contains(
            &svg(&error_by_uncertainty(&[bin(1e-6), bin(2e-6), Bin::default()], "m").unwrap()),
            &["standard deviation, rms (×10⁻⁶ m)", "error of the mean, rms", "calibrated"],
        );
        let bands = Bands::new(40, 15, 0.95, &mut stream(1, Purpose::Diagnostic, 0)).unwrap();
        let ranks: Vec<u32> = (0..40).map(|i| i % 16).collect();
        let curve = ecdf_difference("Ranks", &[("mean & more".into(), ranks)], &bands).unwrap();
        contains(&svg(&curve), &["Ranks", "mean &amp; more", "simultaneous band", "ECDF − uniform"]);
        assert!(ecdf_difference("", &[("mean".into(), vec![1])], &bands).is_err());
        assert!(ecdf_difference("", &[], &bands).is_err());
    }
}
