//! A rectangle with two axes: values to pixels, ticks, names.

use super::axis::Ticks;
use super::canvas::{Align, Canvas, Point, Stroke, Style};
use super::encode::text_width;
use super::style::{FRAME, GAP, LABEL, MESH, RULE, TICK, TICK_LENGTH};
use crate::io;

/// How values lie along a side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Equal differences are equally long.
    Linear,
    /// Equal ratios are equally long, marked at powers of two; values are positive.
    Doubling,
    /// The same, marked at powers of ten.
    Tenfold,
}

/// One side of a frame: which values it spans, and what they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The value at the left or top end, and at the right or bottom end.
    pub ends: [f64; 2],
    pub name: String,
    pub unit: String,
    /// Only whole numbers have a meaning.
    pub whole: bool,
    pub scale: Scale,
}

impl Side {
    pub fn new(ends: [f64; 2], name: &str, unit: &str) -> Self {
        Self { ends, name: name.into(), unit: unit.into(), whole: false, scale: Scale::Linear }
    }

    /// The side of an image: the coordinates of the centres of the first and last pixel lie half a pixel inside.
    pub fn of_axis(axis: &io::Axis) -> Self {
        let spacing = spacing(axis);
        let whole = axis.unit.is_empty() || axis.unit == "pixel";
        let unit = if whole { "" } else { &axis.unit };
        let ends = [-0.5, axis.size as f64 - 0.5].map(|place| origin(axis) + place * spacing);
        Self { whole: whole && spacing.abs() == 1.0 && origin(axis) == 0.0, ..Self::new(ends, &axis.name, unit) }
    }

    /// Where a value lies, 0 at the first end, 1 at the second.
    fn share(&self, value: f64) -> f64 {
        let [value, from, to] = [value, self.ends[0], self.ends[1]].map(|v| match self.scale {
            Scale::Linear => v,
            Scale::Doubling | Scale::Tenfold => v.log2(),
        });
        (value - from) / (to - from)
    }

    fn ticks(&self, most: usize) -> Ticks {
        match self.scale {
            Scale::Linear => Ticks::new(self.ends[0], self.ends[1], most, self.whole),
            Scale::Doubling => Ticks::doublings(self.ends[0], self.ends[1], most),
            Scale::Tenfold => Ticks::tenfold(self.ends[0], self.ends[1], most),
        }
    }
}

/// The distance of the pixels of an axis, as it is drawn: one where the file says nothing usable.
pub fn spacing(axis: &io::Axis) -> f64 {
    if axis.spacing.is_finite() && axis.spacing != 0.0 { axis.spacing } else { 1.0 }
}

/// The coordinate of the first pixel, zero where the file says what is none.
fn origin(axis: &io::Axis) -> f64 {
    if axis.origin.is_finite() { axis.origin } else { 0.0 }
}

/// The coordinate of a pixel.
pub fn coordinate(axis: &io::Axis, pixel: usize) -> f64 {
    origin(axis) + pixel as f64 * spacing(axis)
}

/// The rectangle, in pixels.
#[derive(Clone, Debug)]
pub struct Frame {
    pub corner: Point,
    pub size: [f64; 2],
    pub horizontal: Side,
    pub vertical: Side,
}

impl Frame {
    /// The place of a pair of values.
    pub fn at(&self, x: f64, y: f64) -> Point {
        [
            self.corner[0] + self.size[0] * self.horizontal.share(x),
            self.corner[1] + self.size[1] * self.vertical.share(y),
        ]
    }

    /// Faint lines at the ticks.
    pub fn mesh(&self, canvas: &mut Canvas) {
        let stroke = Stroke::new(MESH, RULE);
        let [left, top] = self.corner;
        for (value, _) in self.horizontal_ticks().marks {
            let x = self.at(value, self.vertical.ends[0])[0];
            canvas.line(vec![[x, top], [x, top + self.size[1]]], stroke);
        }
        for (value, _) in self.vertical_ticks().marks {
            let y = self.at(self.horizontal.ends[0], value)[1];
            canvas.line(vec![[left, y], [left + self.size[0], y]], stroke);
        }
    }

    /// The rectangle itself, around what is inside.
    pub fn border(&self, canvas: &mut Canvas) {
        let half = RULE / 2.0;
        let [left, top] = self.corner.map(|c| c - half);
        let (right, bottom) = (left + self.size[0] + RULE, top + self.size[1] + RULE);
        let corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
        // Four lines that overlap at the corners: a path would leave a notch where it closes.
        for i in 0..4 {
            let (a, b) = (corners[i], corners[(i + 1) % 4]);
            let (dx, dy) = (half * (b[0] - a[0]).signum(), half * (b[1] - a[1]).signum());
            let (dx, dy) = if a[1] == b[1] { (dx, 0.0) } else { (0.0, dy) };
            canvas.line(vec![[a[0] - dx, a[1] - dy], [b[0] + dx, b[1] + dy]], Stroke::new(FRAME, RULE));
        }
    }

    /// Ticks and names below.
    pub fn horizontal_axis(&self, canvas: &mut Canvas) {
        let ticks = self.horizontal_ticks();
        let base = self.corner[1] + self.size[1] + RULE;
        let middle = base + TICK_LENGTH + GAP / 2.0 + TICK / 2.0;
        for (value, text) in &ticks.marks {
            let x = self.at(*value, self.vertical.ends[0])[0];
            canvas.line(vec![[x, base - RULE], [x, base + TICK_LENGTH]], Stroke::new(FRAME, RULE));
            canvas.text(text, [x, middle], Style::new(TICK, Align::Centre));
        }
        let name = ticks.name(&self.horizontal.name, &self.horizontal.unit);
        if !name.is_empty() {
            let at = [self.corner[0] + self.size[0] / 2.0, middle + TICK / 2.0 + GAP / 2.0 + LABEL / 2.0];
            canvas.text(name, at, Style::new(LABEL, Align::Centre));
        }
    }

    /// Ticks and names on the left.
    pub fn vertical_axis(&self, canvas: &mut Canvas) {
        let ticks = self.vertical_ticks();
        let base = self.corner[0] - RULE;
        self.vertical_marks(canvas, &ticks, base, -1.0, Align::Right);
        let name = ticks.name(&self.vertical.name, &self.vertical.unit);
        let x = base - TICK_LENGTH - GAP / 2.0 - widest(&ticks) - GAP - LABEL / 2.0;
        self.upright(canvas, name, x);
    }

    /// Ticks and unit on the right: the scale of a colour bar.
    pub fn right_axis(&self, canvas: &mut Canvas) {
        let ticks = self.vertical_ticks();
        let base = self.corner[0] + self.size[0] + RULE;
        self.vertical_marks(canvas, &ticks, base, 1.0, Align::Left);
        let x = base + TICK_LENGTH + GAP / 2.0 + widest(&ticks) + GAP + LABEL / 2.0;
        self.upright(canvas, ticks.unit(&self.vertical.unit), x);
    }

    fn vertical_marks(&self, canvas: &mut Canvas, ticks: &Ticks, base: f64, outward: f64, align: Align) {
        for (value, text) in &ticks.marks {
            let y = self.at(self.horizontal.ends[0], *value)[1];
            let end = base + outward * TICK_LENGTH;
            canvas.line(vec![[base - outward * RULE, y], [end, y]], Stroke::new(FRAME, RULE));
            canvas.text(text, [end + outward * GAP / 2.0, y], Style::new(TICK, align));
        }
    }

    fn upright(&self, canvas: &mut Canvas, text: String, x: f64) {
        if !text.is_empty() {
            let at = [x, self.corner[1] + self.size[1] / 2.0];
            canvas.text(text, at, Style { upright: true, ..Style::new(LABEL, Align::Centre) });
        }
    }

    /// As many as stand beside each other with room between them.
    fn horizontal_ticks(&self) -> Ticks {
        let fits = |ticks: &Ticks| {
            let room: f64 = self.size[0] * self.tick_distance(ticks, &self.horizontal);
            ticks.marks.len() < 2 || widest(ticks) + 1.5 * GAP <= room
        };
        let mut finest_first = (1..=6).rev().map(|most| self.horizontal.ticks(most));
        finest_first.find(fits).unwrap_or(Ticks { marks: Vec::new(), exponent: 0 })
    }

    fn vertical_ticks(&self) -> Ticks {
        let most = (self.size[1] / (1.6 * TICK)).floor().clamp(1.0, 6.0);
        self.vertical.ticks(most as usize)
    }

    /// The distance of neighbouring ticks as a share of the side.
    fn tick_distance(&self, ticks: &Ticks, side: &Side) -> f64 {
        match ticks.marks.as_slice() {
            [(first, _), (second, _), ..] => (side.share(*second) - side.share(*first)).abs(),
            _ => 1.0,
        }
    }
}

fn widest(ticks: &Ticks) -> f64 {
    ticks.marks.iter().map(|(_, text)| text_width(text, TICK, false)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::canvas::Shape;

    fn frame(size: [f64; 2], ends: [f64; 2]) -> Frame {
        let side = |name| Side::new(ends, name, "m");
        Frame { corner: [0.0, 0.0], size, horizontal: side("distance"), vertical: side("depth") }
    }

    /// Where texts of tick labels begin and end along one axis must not overlap, whatever the size and the numbers.
    #[test]
    fn labels_never_overlap() {
        for size in [30.0, 60.0, 105.0, 420.0, 1000.0] {
            for ends in [[0.0, 6400.0], [-1e-6, 1e-6], [1500.0, 1500.01], [0.0, 99999.0], [5.0, -5.0], [0.1, 0.7]] {
                let frame = frame([size, size], ends);
                for horizontal in [true, false] {
                    let mut canvas = Canvas::default();
                    if horizontal {
                        frame.horizontal_axis(&mut canvas)
                    } else {
                        frame.vertical_axis(&mut canvas)
                    }
                    let ticks = canvas
                        .shapes
                        .into_iter()
                        .filter(|s| matches!(s, Shape::Text { style, .. } if style.size == TICK));
                    let mut spans: Vec<[f64; 2]> = ticks
                        .map(|shape| {
                            let bounds = Canvas { shapes: vec![shape] }.bounds();
                            if horizontal { [bounds.left, bounds.right] } else { [bounds.top, bounds.bottom] }
                        })
                        .collect();
                    spans.sort_by(|a, b| a[0].total_cmp(&b[0]));
                    assert!(spans.windows(2).all(|w| w[0][1] < w[1][0]), "{size} {ends:?}: {spans:?}");
                }
            }
        }
    }

    #[test]
    fn doublings_are_equally_long() {
        let side = Side { scale: Scale::Doubling, ..Side::new([4.0, 64.0], "depth", "") };
        assert_eq!([4.0, 8.0, 16.0, 64.0].map(|value| side.share(value)), [0.0, 0.25, 0.5, 1.0]);
        assert!(!side.share(0.0).is_finite());
    }

    #[test]
    fn pixel_centres_have_the_coordinates() {
        let side = Side::of_axis(&io::Axis::new("depth", 4, 12.5, "m"));
        assert_eq!((side.share(0.0), side.share(37.5)), (0.125, 0.875));
        let side = Side::of_axis(&io::Axis::new("row", 4, f64::NAN, ""));
        assert_eq!((side.ends, side.whole), ([-0.5, 3.5], true));
    }
}
