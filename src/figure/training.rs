//! How a training goes: losses, gradient norm, learning rate and the error of recomputation, as one figure and as text for
//! a terminal.

use super::FigureError;
use super::canvas::{Canvas, Stroke};
use super::colour::drawable;
use super::curve::{Curve, empty, line, padded};
use super::frame::{Scale, Side};
use super::plot::{Mark, Plot, Series};
use super::style::{CURVE, REFERENCE, series_colour};
use crate::train::Entry;

/// The frames of the panels below the losses, and the height of that of the losses.
const SMALL: [f64; 2] = [430.0, 320.0];
const HIGH: f64 = 600.0;
/// Between neighbouring panels, across and down.
const BETWEEN: [f64; 2] = [48.0, 56.0];
/// The share of the training that may lie outside the frame: it starts orders of magnitude above where it ends.
const WARM_UP: f64 = 0.05;

/// Training and validation loss, nats per dimension, against the step; below them the norm of the gradient, the learning
/// rate and the relative error of recomputation. `floor` is the loss of the exact posterior.
pub fn training_curve(entries: &[Entry], floor: Option<f64>) -> Result<Curve, FigureError> {
    let Some(last) = entries.iter().map(|entry| entry.step).max() else {
        return Err(empty("training curve", "train first: the log has no entries"));
    };
    let steps = || Side { whole: true, ..Side::new([0.0, last.max(1) as f64], "step", "") };
    let mut canvas = Canvas::default();
    let (mut x, mut width, mut above) = (0.0, 0.0, 0.0f64);
    let of = |value: fn(&Entry) -> f64| points(entries, value);
    let below = [
        ("gradient norm", of(|e| e.gradient_norm), Scale::Tenfold),
        ("learning rate", of(|e| e.learning_rate), Scale::Linear),
        ("error of recomputation", of(|e| e.reconstruction_error), Scale::Tenfold),
    ];
    for (name, points, scale) in below {
        let Some(ends) = ends(&points, scale) else { continue };
        let vertical = Side { scale, ..Side::new(ends, name, "") };
        let mut panel = Canvas::default();
        Plot { size: SMALL, horizontal: steps(), vertical, series: series("", points, 0) }.draw(&mut panel);
        let bounds = panel.bounds();
        // The frame of the first panel begins where that of the losses does.
        x += if width > 0.0 { BETWEEN[0] - bounds.left } else { 0.0 };
        above = above.max(-bounds.top);
        canvas.place(panel, [x, 0.0]);
        x += SMALL[0];
        width = x;
    }
    let mut losses = Canvas::default();
    let size = [if width > 0.0 { width.max(HIGH) } else { 1.7 * HIGH }, HIGH];
    loss_plot(entries, floor, size, steps()).draw(&mut losses);
    let bottom = losses.bounds().bottom;
    canvas.place(losses, [0.0, -(bottom + BETWEEN[1] + above)]);
    Ok(Curve { canvas })
}

fn loss_plot(entries: &[Entry], floor: Option<f64>, size: [f64; 2], horizontal: Side) -> Plot {
    let last = horizontal.ends[1];
    let (training, validation) = (points(entries, |e| e.nll), points(entries, |e| e.validation));
    let range = loss_range(training.iter().chain(&validation), last, floor);
    let mut all = Vec::new();
    if let Some(floor) = floor.filter(|floor| floor.is_finite()) {
        let points = vec![[0.0, floor], [last, floor]];
        all.push(line("exact posterior", points, Stroke::new(REFERENCE, CURVE).dashed()));
    }
    for (index, (name, points)) in [("training", training), ("validation", validation)].into_iter().enumerate() {
        all.extend(series(name, points, index));
    }
    let vertical = Side::new([range[1], range[0]], "negative log-likelihood", "nats per dimension");
    Plot { size, horizontal, vertical, series: all }
}

fn points(entries: &[Entry], value: fn(&Entry) -> f64) -> Vec<[f64; 2]> {
    entries.iter().map(|entry| [entry.step as f64, value(entry)]).collect()
}

/// A line, a dot where there is one point, nothing where no value is a number.
fn series(name: &str, points: Vec<[f64; 2]>, index: usize) -> Vec<Series> {
    let colour = series_colour(index);
    match points.iter().filter(|p| p[1].is_finite()).count() {
        0 => Vec::new(),
        _ if points.len() == 1 => {
            vec![Series { name: name.into(), mark: Mark::Dots { points, radius: 2.0 * CURVE, colour } }]
        }
        _ => vec![line(name, points, Stroke::new(colour, CURVE))],
    }
}

/// The values at the top and at the bottom of a panel; none where there is nothing to draw.
fn ends(points: &[[f64; 2]], scale: Scale) -> Option<[f64; 2]> {
    let drawn = points.iter().map(|p| p[1]).filter(|v| v.is_finite() && *v > 0.0);
    let [low, high] = drawn.fold([f64::INFINITY, 0.0], |[l, h]: [f64; 2], v| [l.min(v), h.max(v)]);
    match scale {
        _ if high == 0.0 => None,
        Scale::Linear => Some([1.05 * high, 0.0]),
        _ => {
            let margin = (high / low).powf(0.06).max(1.5);
            Some([high * margin, low / margin])
        }
    }
}

/// The range of all losses behind the warm-up, with a margin.
fn loss_range<'a>(points: impl Iterator<Item = &'a [f64; 2]> + Clone, last: f64, floor: Option<f64>) -> [f64; 2] {
    let finite = points.filter(|p| p[1].is_finite());
    let settled = || finite.clone().filter(|p| p[0] > WARM_UP * last).map(|p| p[1]);
    let losses: Vec<f64> =
        if settled().next().is_some() { settled().collect() } else { finite.map(|p| p[1]).collect() };
    let all = losses.into_iter().chain(floor.filter(|floor| floor.is_finite()));
    padded(drawable(all.fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], v| [l.min(v), h.max(v)])))
}

/// The colours of a terminal for training, validation and the exact posterior: blue, yellow, grey.
const TERMINAL: [&str; 3] = ["\x1b[34m", "\x1b[33m", "\x1b[90m"];
/// Room for the labels on the left.
const MARGIN: usize = 9;

/// The losses as lines of braille dots for a terminal of so many columns, `rows` rows high; `steps` are planned.
pub fn training_text(entries: &[Entry], floor: Option<f64>, steps: u64, columns: usize, rows: usize) -> Vec<String> {
    let (width, rows) = (columns.saturating_sub(MARGIN + 1).max(8), rows.max(2));
    let (training, validation) = (points(entries, |e| e.nll), points(entries, |e| e.validation));
    let last = entries.iter().map(|entry| entry.step).max().unwrap_or(0).max(1);
    let [low, high] = loss_range(training.iter().chain(&validation), last as f64, floor);
    let mut cells = vec![(0u32, 0); width * rows];
    let steps = steps.max(last) as f64;
    let floor = floor.filter(|floor| floor.is_finite()).map(|floor| vec![[0.0, floor], [steps, floor]]);
    for (colour, points) in [(2, floor.unwrap_or_default()), (0, training), (1, validation)] {
        // A cell has two dots across and four down.
        let place = |p: &[f64; 2]| {
            let x = p[0] / steps * (2 * width - 1) as f64;
            let y = (high - p[1]) / (high - low) * (4 * rows - 1) as f64;
            [x, y]
        };
        let placed: Vec<[f64; 2]> = points.iter().filter(|p| p[1].is_finite()).map(place).collect();
        let single = if placed.len() == 1 { placed.repeat(2) } else { placed };
        for pair in single.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            let count = (to[0] - from[0]).abs().max((to[1] - from[1]).abs().min(4.0 * rows as f64)).ceil().max(1.0);
            for k in 0..=count as usize {
                let share = k as f64 / count;
                let [x, y] = [0, 1].map(|axis| (from[axis] + (to[axis] - from[axis]) * share).round());
                if (0.0..(2 * width) as f64).contains(&x) && (0.0..(4 * rows) as f64).contains(&y) {
                    let (x, y) = (x as usize, y as usize);
                    let dot = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]][y % 4][x % 2];
                    let cell = &mut cells[y / 4 * width + x / 2];
                    *cell = (cell.0 | dot, colour);
                }
            }
        }
    }
    let label = |row: usize| match row {
        0 => format!("{high:>MARGIN$.4}"),
        row if row + 1 == rows => format!("{low:>MARGIN$.4}"),
        _ => " ".repeat(MARGIN),
    };
    let drawn = |cells: &[(u32, usize)]| -> String {
        let cell = |&(dots, colour): &(u32, usize)| match char::from_u32(0x2800 + dots) {
            Some(braille) if dots > 0 => format!("{}{braille}\x1b[0m", TERMINAL[colour]),
            _ => " ".into(),
        };
        cells.iter().map(cell).collect()
    };
    cells.chunks(width).enumerate().map(|(row, cells)| format!("{} {}", label(row), drawn(cells))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::curve::tests::{contains, svg};

    fn entries(losses: &[f64]) -> Vec<Entry> {
        let entry = |(i, &nll): (usize, &f64)| Entry {
            step: 10 * (i as u64 + 1),
            nll,
            validation: nll + 0.1,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
            reconstruction_error: 0.0,
        };
        losses.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn the_start_of_training_does_not_hide_its_end() {
        let mut losses = vec![1e6, 1e3, f64::NAN];
        losses.extend((0..97).map(|i| 1.0 - 0.005 * f64::from(i)));
        let points: Vec<[f64; 2]> = losses.iter().zip(1..).map(|(&loss, i)| [f64::from(i) * 10.0, loss]).collect();
        let [low, high] = loss_range(points.iter(), 1000.0, Some(0.4));
        assert!(low < 0.4 && high > 0.98 && high < 1.1, "{low} {high}");
        let text = svg(&training_curve(&entries(&losses), Some(0.4)).unwrap());
        contains(&text, &["exact posterior", "training", "validation", "negative log-likelihood (nats per dimension)"]);
    }

    #[test]
    fn odd_logs_are_drawn_and_empty_ones_refused() {
        for losses in [&[f64::NAN, f64::NAN][..], &[3.0], &[2.0, 2.0], &[f64::INFINITY, -1e300]] {
            for floor in [None, Some(f64::NAN), Some(1.0)] {
                svg(&training_curve(&entries(losses), floor).unwrap());
            }
        }
        let message = training_curve(&[], None).unwrap_err().to_string();
        assert!(message.contains("train first"), "{message}");
    }

    #[test]
    fn panels_without_numbers_are_left_out() {
        let text = svg(&training_curve(&entries(&[2.0, 1.0]), None).unwrap());
        contains(&text, &["gradient norm", "learning rate"]);
        assert!(!text.contains("error of recomputation"), "all of them are zero");
        let with = |e: Entry| Entry { reconstruction_error: 1e-6, ..e };
        let entries: Vec<Entry> = entries(&[2.0, 1.0]).into_iter().map(with).collect();
        contains(&svg(&training_curve(&entries, None).unwrap()), &["error of recomputation", "10⁻⁶"]);
    }

    /// A loss that falls evenly goes from the upper left to the lower right corner.
    #[test]
    fn losses_are_drawn_as_text() {
        let losses: Vec<f64> = (0..101).map(|i| 10.0 - 0.1 * f64::from(i)).collect();
        let mut entries = entries(&losses);
        entries.iter_mut().for_each(|entry| entry.validation = f64::NAN);
        let lines = training_text(&entries, None, 1010, 50, 10);
        assert_eq!(lines.len(), 10);
        let place = |line: &String| {
            let bare = line.replace(TERMINAL[0], "").replace("\x1b[0m", "");
            bare.chars().position(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
        };
        let places: Vec<usize> = lines.iter().filter_map(place).collect();
        assert!(places.len() >= 9 && places.windows(2).all(|pair| pair[0] < pair[1]), "{lines:#?}");
        assert!(lines[9].trim_start().starts_with('-') || lines[9].trim_start().starts_with('0'), "{}", lines[9]);
        for (losses, columns, rows) in [(&[][..], 80, 10), (&[f64::NAN], 0, 0), (&[f64::INFINITY, -1e300], 3, 1)] {
            training_text(&self::entries(losses), Some(f64::NAN), 0, columns, rows);
        }
    }
}
