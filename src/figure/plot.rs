//! Curves, bands and dots in a frame with a legend above it.

use super::canvas::{Align, Canvas, Point, Stroke, Style};
use super::encode::text_width;
use super::frame::{Frame, Side};
use super::style::{GAP, LABEL};
use plotters::style::RGBColor;

/// Length of the sample of a line in the legend.
const SWATCH: f64 = 36.0;
/// Between neighbouring names of the legend.
const BETWEEN: f64 = 26.0;
/// Height of a row of the legend, with the space below it.
pub const LEGEND_ROW: f64 = LABEL + GAP / 2.0;

/// What is drawn of a series.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A line through points (x, y); a point that is no number interrupts it.
    Line { points: Vec<Point>, stroke: Stroke },
    /// A dot at each point.
    Dots { points: Vec<Point>, radius: f64, colour: RGBColor },
    /// The area between two curves: x, low, high.
    Band { points: Vec<[f64; 3]>, colour: RGBColor },
    /// An upright line at each x from low to high.
    Bars { points: Vec<[f64; 3]>, stroke: Stroke },
}

/// A mark and its name in the legend, "" for none.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub mark: Mark,
}

/// A frame with marks, drawn in their order.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Of the frame, in pixels.
    pub size: [f64; 2],
    pub horizontal: Side,
    /// The upper end first.
    pub vertical: Side,
    pub series: Vec<Series>,
}

impl Plot {
    /// Draws the frame with its corner at the origin, the legend above.
    pub fn draw(&self, canvas: &mut Canvas) {
        let frame = Frame {
            corner: [0.0, 0.0],
            size: self.size,
            horizontal: self.horizontal.clone(),
            vertical: self.vertical.clone(),
        };
        let (bands, rest): (Vec<_>, Vec<_>) =
            self.series.iter().map(|s| &s.mark).partition(|mark| matches!(mark, Mark::Band { .. }));
        bands.iter().for_each(|mark| self.mark(canvas, &frame, mark));
        frame.mesh(canvas);
        rest.iter().for_each(|mark| self.mark(canvas, &frame, mark));
        frame.border(canvas);
        frame.horizontal_axis(canvas);
        frame.vertical_axis(canvas);
        self.legend(canvas);
    }

    fn mark(&self, canvas: &mut Canvas, frame: &Frame, mark: &Mark) {
        let inside = |points: &[Point]| -> Vec<Vec<Point>> {
            let placed: Vec<Point> = points.iter().map(|p| frame.at(p[0], p[1])).collect();
            clipped(&placed, self.size)
        };
        match mark {
            Mark::Line { points, stroke } => inside(points).into_iter().for_each(|part| canvas.line(part, *stroke)),
            Mark::Dots { points, radius, colour } => {
                let placed = points.iter().map(|p| frame.at(p[0], p[1]));
                let shown = placed.filter(|p| (0..2).all(|k| (0.0..=self.size[k]).contains(&p[k])));
                shown.for_each(|p| canvas.dot(p, *radius, *colour));
            }
            Mark::Band { points, colour } => {
                for part in points.split(|p| p.iter().any(|v| !v.is_finite())).filter(|part| part.len() > 1) {
                    let limited = |x: f64, y: f64| {
                        let [x, y] = frame.at(x, y);
                        [x.clamp(0.0, self.size[0]), y.clamp(0.0, self.size[1])]
                    };
                    let upper = part.iter().map(|&[x, _, high]| limited(x, high));
                    let lower = part.iter().rev().map(|&[x, low, _]| limited(x, low));
                    canvas.area(upper.chain(lower).collect(), *colour);
                }
            }
            Mark::Bars { points, stroke } => {
                for &[x, low, high] in points {
                    inside(&[[x, low], [x, high]]).into_iter().for_each(|part| canvas.line(part, *stroke));
                }
            }
        }
    }

    /// The names in rows as wide as the frame, the last row just above it.
    fn legend(&self, canvas: &mut Canvas) {
        let mut rows: Vec<Vec<(&Series, f64)>> = vec![Vec::new()];
        let mut used = 0.0;
        for series in self.series.iter().filter(|series| !series.name.is_empty()) {
            let width = SWATCH + GAP + text_width(&series.name, LABEL, false) + BETWEEN;
            if used > 0.0 && used + width - BETWEEN > self.size[0] {
                rows.push(Vec::new());
                used = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((series, used));
            }
            used += width;
        }
        for (i, row) in rows.iter().rev().enumerate() {
            let y = -GAP - LABEL / 2.0 - i as f64 * LEGEND_ROW;
            for (series, x) in row {
                swatch(canvas, &series.mark, *x, y);
                canvas.text(&series.name, [x + SWATCH + GAP, y], Style::new(LABEL, Align::Left));
            }
        }
    }
}

/// A sample of a mark for the legend.
fn swatch(canvas: &mut Canvas, mark: &Mark, x: f64, y: f64) {
    match mark {
        Mark::Line { stroke, .. } => canvas.line(vec![[x, y], [x + SWATCH, y]], *stroke),
        // No higher than the text beside it.
        Mark::Dots { radius, colour, .. } => canvas.dot([x + SWATCH / 2.0, y], radius.min(0.4 * LABEL), *colour),
        Mark::Band { colour, .. } => block(canvas, [x + SWATCH / 2.0, y], SWATCH, *colour),
        Mark::Bars { stroke, .. } => block(canvas, [x + SWATCH / 2.0, y], stroke.width, stroke.colour),
    }
}

fn block(canvas: &mut Canvas, [x, y]: Point, width: f64, colour: RGBColor) {
    let (left, right, half) = (x - width / 2.0, x + width / 2.0, LABEL / 3.0);
    canvas.area(vec![[left, y - half], [right, y - half], [right, y + half], [left, y + half]], colour);
}

/// The parts of a line inside the frame; a line ends where it leaves, and at points that are no numbers.
fn clipped(points: &[Point], size: [f64; 2]) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let Some([from, to]) = clipped_segment(pair[0], pair[1], size) else { continue };
        match parts.last_mut().filter(|part| part.last() == Some(&from)) {
            Some(part) => part.push(to),
            None => parts.push(vec![from, to]),
        }
    }
    parts
}

/// Liang and Barsky's clipping: the shares of the segment at which it enters and leaves each pair of parallel sides.
fn clipped_segment(from: Point, to: Point, size: [f64; 2]) -> Option<[Point; 2]> {
    if from.iter().chain(&to).any(|v| !v.is_finite()) {
        return None;
    }
    let way = [to[0] - from[0], to[1] - from[1]];
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for axis in 0..2 {
        if way[axis] == 0.0 {
            if !(0.0..=size[axis]).contains(&from[axis]) {
                return None;
            }
            continue;
        }
        let (a, b) = ((0.0 - from[axis]) / way[axis], (size[axis] - from[axis]) / way[axis]);
        enter = enter.max(a.min(b));
        leave = leave.min(a.max(b));
    }
    if enter > leave {
        return None;
    }
    let at = |share: f64| [from[0] + share * way[0], from[1] + share * way[1]];
    Some([if enter > 0.0 { at(enter) } else { from }, if leave < 1.0 { at(leave) } else { to }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_the_frame_and_at_holes() {
        let size = [10.0, 10.0];
        let parts = clipped(&[[-5.0, 5.0], [5.0, 5.0], [5.0, 20.0], [8.0, 20.0], [8.0, 2.0]], size);
        assert_eq!(parts, [vec![[0.0, 5.0], [5.0, 5.0], [5.0, 10.0]], vec![[8.0, 10.0], [8.0, 2.0]]]);
        let holes = clipped(&[[0.0, 1.0], [1.0, 1.0], [2.0, f64::NAN], [3.0, 1.0], [4.0, f64::INFINITY]], size);
        assert_eq!(holes, [[[0.0, 1.0], [1.0, 1.0]]]);
        assert!(clipped(&[[-1.0, 0.5], [0.5, -1.0]], size).is_empty());
    }
}
