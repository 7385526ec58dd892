//! A figure before it is a file: shapes at places, measured and moved until everything has room.

use super::encode;
use plotters::style::RGBColor;

/// A place in pixels, from the left and from the top.
pub type Point = [f64; 2];

/// Which part of a text stands at its place, across.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Align {
    Left,
    Centre,
    Right,
}

/// How a text is set. Down the page its place is the middle of its capitals.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Height of a line, pixels.
    pub size: f64,
    pub bold: bool,
    pub align: Align,
    /// Reads from bottom to top.
    pub upright: bool,
}

impl Style {
    pub fn new(size: f64, align: Align) -> Self {
        Self { size, bold: false, align, upright: false }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    pub colour: RGBColor,
    pub width: f64,
    pub dashed: bool,
}

impl Stroke {
    pub fn new(colour: RGBColor, width: f64) -> Self {
        Self { colour, width, dashed: false }
    }

    pub fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }
}

#[derive(Clone, Debug)]
pub enum Shape {
    Text {
        at: Point,
        text: String,
        style: Style,
    },
    Line {
        points: Vec<Point>,
        stroke: Stroke,
    },
    Area {
        points: Vec<Point>,
        colour: RGBColor,
    },
    Dot {
        at: Point,
        radius: f64,
        colour: RGBColor,
    },
    /// Rows of pixels, three bytes each; `size` is across and down.
    Raster {
        at: Point,
        size: [usize; 2],
        rgb: Vec<u8>,
    },
}

/// Shapes in the order in which they are drawn.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    pub shapes: Vec<Shape>,
}

/// What a canvas covers, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Canvas {
    pub fn text(&mut self, text: impl Into<String>, at: Point, style: Style) {
        self.shapes.push(Shape::Text { at, text: text.into(), style });
    }

    pub fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        if stroke.dashed {
            let dashes = dashes(&points, 4.0 * stroke.width, 2.5 * stroke.width);
            self.shapes.extend(dashes.into_iter().map(|points| Shape::Line { points, stroke }));
        } else {
            self.shapes.push(Shape::Line { points, stroke });
        }
    }

    pub fn area(&mut self, points: Vec<Point>, colour: RGBColor) {
        self.shapes.push(Shape::Area { points, colour });
    }

    pub fn dot(&mut self, at: Point, radius: f64, colour: RGBColor) {
        self.shapes.push(Shape::Dot { at, radius, colour });
    }

    pub fn raster(&mut self, at: Point, size: [usize; 2], rgb: Vec<u8>) {
        self.shapes.push(Shape::Raster { at, size, rgb });
    }

    /// Puts another canvas on this one, its origin at `offset`; whole pixels, so that rasters stay sharp.
    pub fn place(&mut self, other: Canvas, offset: Point) {
        let offset = offset.map(f64::round);
        let moved = |at: Point| [at[0] + offset[0], at[1] + offset[1]];
        self.shapes.extend(other.shapes.into_iter().map(|mut shape| {
            match &mut shape {
                Shape::Text { at, .. } | Shape::Dot { at, .. } | Shape::Raster { at, .. } => *at = moved(*at),
                Shape::Line { points, .. } | Shape::Area { points, .. } => {
                    points.iter_mut().for_each(|p| *p = moved(*p));
                }
            }
            shape
        }));
    }

    /// What the shapes cover; nothing at the origin where there are none.
    pub fn bounds(&self) -> Bounds {
        let mut boxes = self.shapes.iter().filter_map(covered);
        let Some(first) = boxes.next() else {
            return Bounds { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 };
        };
        boxes.fold(first, |a, b| Bounds {
            left: a.left.min(b.left),
            top: a.top.min(b.top),
            right: a.right.max(b.right),
            bottom: a.bottom.max(b.bottom),
        })
    }
}

fn covered(shape: &Shape) -> Option<Bounds> {
    match shape {
        Shape::Text { at, text, style } => {
            let width = encode::text_width(text, style.size, style.bold);
            let before = match style.align {
                Align::Left => 0.0,
                Align::Centre => width / 2.0,
                Align::Right => width,
            };
            let half = style.size / 2.0;
            Some(match style.upright {
                false => Bounds {
                    left: at[0] - before,
                    top: at[1] - half,
                    right: at[0] - before + width,
                    bottom: at[1] + half,
                },
                true => Bounds {
                    left: at[0] - half,
                    top: at[1] + before - width,
                    right: at[0] + half,
                    bottom: at[1] + before,
                },
            })
        }
        Shape::Line { points, stroke } => around(points, stroke.width / 2.0),
        Shape::Area { points, .. } => around(points, 0.0),
        Shape::Dot { at, radius, .. } => around(&[*at], *radius),
        Shape::Raster { at, size, .. } => {
            let end = [at[0] + size[0] as f64, at[1] + size[1] as f64];
            around(&[*at, end], 0.0)
        }
    }
}

fn around(points: &[Point], margin: f64) -> Option<Bounds> {
    let first = points.first()?;
    let start = Bounds { left: first[0], top: first[1], right: first[0], bottom: first[1] };
    let all = points.iter().fold(start, |b, p| Bounds {
        left: b.left.min(p[0]),
        top: b.top.min(p[1]),
        right: b.right.max(p[0]),
        bottom: b.bottom.max(p[1]),
    });
    Some(Bounds {
        left: all.left - margin,
        top: all.top - margin,
        right: all.right + margin,
        bottom: all.bottom + margin,
    })
}

/// Cuts a line into dashes; the pattern runs on around corners.
fn dashes(points: &[Point], dash: f64, gap: f64) -> Vec<Vec<Point>> {
    let mut dashes: Vec<Vec<Point>> = Vec::new();
    let (mut drawn, mut left) = (true, dash);
    for pair in points.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        let length = (to[0] - from[0]).hypot(to[1] - from[1]);
        let at = |done: f64| {
            let share = done / length;
            [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share]
        };
        let mut done = 0.0;
        while done < length {
            let step = left.min(length - done);
            if drawn {
                match dashes.last_mut().filter(|_| left < dash) {
                    Some(open) => open.push(at(done + step)),
                    None => dashes.push(vec![at(done), at(done + step)]),
                }
            }
            (done, left) = (done + step, left - step);
            if left <= 0.0 {
                drawn = !drawn;
                left = if drawn { dash } else { gap };
            }
        }
    }
    dashes
}

/// Cuts a text that is wider than `width` pixels short, with an ellipsis.
pub fn shortened(text: &str, size: f64, bold: bool, width: f64) -> String {
    if encode::text_width(text, size, bold) <= width {
        return text.into();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let short = format!("{}…", kept.iter().collect::<String>().trim_end());
        if encode::text_width(&short, size, bold) <= width {
            return short;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_texts_and_moves() {
        let mut inner = Canvas::default();
        inner.text("depth (m)", [0.0, 0.0], Style { upright: true, ..Style::new(30.0, Align::Centre) });
        let bounds = inner.bounds();
        assert!((bounds.right - bounds.left - 30.0).abs() < 1e-9 && bounds.bottom - bounds.top > 90.0, "{bounds:?}");
        assert!((bounds.bottom + bounds.top).abs() < 1e-9);
        let mut outer = Canvas::default();
        assert_eq!(outer.bounds().right, 0.0);
        outer.place(inner, [100.4, 7.0]);
        assert_eq!(outer.bounds().left, bounds.left + 100.0);
    }

    #[test]
    fn dashes_run_around_corners() {
        let found = dashes(&[[0.0, 0.0], [8.0, 0.0], [8.0, 8.0]], 6.0, 1.0);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], [[7.0, 0.0], [8.0, 0.0], [8.0, 5.0]]);
        assert!(dashes(&[[1.0, 1.0], [1.0, 1.0]], 6.0, 1.0).is_empty());
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shortened("mean", 30.0, false, 400.0), "mean");
        let short = shortened("a title that goes on and on", 30.0, false, 200.0);
        assert!(short.starts_with("a title") && short.ends_with('…'), "{short}");
        assert_eq!(shortened("mean", 30.0, false, 1.0), "");
    }
}
