//! Panels of maps, profiles and slices of volumes in rows, with one title: a figure drawn as PNG.

use super::canvas::{Align, Bounds, Canvas, Style, shortened};
use super::colour::{Palette, drawable};
use super::frame::Side;
use super::image::{self, Colouring};
use super::plot::{Mark, Plot, Series};
use super::style::{BLUE_BAND, CURVE, GAP, HEADING, SERIES, TICK, TITLE, series_colour};
use super::{FigureError, encode};
use crate::figure::canvas::Stroke;
use crate::io::Grid;
use ndarray::{ArrayD, ArrayView1, Ix2, Ix3};
use plotters::style::RGBColor;
use std::path::Path;

/// Between neighbouring panels, across and down.
const BETWEEN: [f64; 2] = [44.0, 40.0];
/// The frame of a profile.
const PROFILE: [f64; 2] = [560.0, 340.0];
/// Profiles of so few points get a dot at each.
const FEW: usize = 40;

/// One panel of a figure.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// Unit of the values, "" for none.
    pub unit: String,
    /// The spatial axes of the values, one to three; axes without a unit count pixels.
    pub grid: Grid,
    /// The values.
    pub content: Content,
}

/// What a panel shows.
#[derive(Clone, Debug)]
pub enum Content {
    /// One image or volume, in the shape of the grid. A volume shows its three central slices, a single axis becomes a
    /// profile.
    Map {
        /// The values, in the panel's unit; NaN is grey.
        values: ArrayD<f32>,
        /// Their colours.
        palette: Palette,
        /// The values at the ends of the colour bar; give panels that are compared the same.
        range: [f64; 2],
    },
    /// Curves over the one axis of the grid. Along an axis called "parameter" dots are not joined.
    Profile {
        /// The curves, the last on top.
        lines: Vec<Line>,
        /// A name and two curves with a shaded area between them.
        band: Option<(String, [ArrayD<f32>; 2])>,
        /// The values at the bottom and at the top.
        range: [f64; 2],
    },
}

/// One curve of a profile.
#[derive(Clone, Debug)]
pub struct Line {
    /// In the legend; "" for none.
    pub name: String,
    /// One value a point of the grid.
    pub values: ArrayD<f32>,
    /// Its colour: a number of the series that all figures share.
    pub colour: usize,
    /// Drawn dashed.
    pub dashed: bool,
}

impl Line {
    /// The colour of what is true.
    pub const BLACK: usize = SERIES.len() - 1;

    /// A solid curve.
    pub fn new(name: &str, values: ArrayD<f32>, colour: usize) -> Self {
        Self { name: name.into(), values, colour, dashed: false }
    }
}

/// Rows of panels under one title.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// Above all panels; "" for none.
    pub title: String,
    /// The panels, row by row; rows may differ in length.
    pub rows: Vec<Vec<Panel>>,
}

impl Figure {
    /// Draws the figure as a PNG of 300 dpi, whole or not at all.
    pub fn write_png(&self, path: &Path) -> Result<(), FigureError> {
        encode::png(&self.canvas()?, path)
    }

    fn canvas(&self) -> Result<Canvas, FigureError> {
        let mut rows = Vec::new();
        for row in self.rows.iter().filter(|row| !row.is_empty()) {
            let canvases: Vec<Canvas> = row.iter().map(Panel::canvas).collect::<Result<_, _>>()?;
            rows.push(canvases.into_iter().map(|canvas| (canvas.bounds(), canvas)).collect::<Vec<_>>());
        }
        if rows.is_empty() {
            let remedy = "give at least one panel";
            return Err(FigureError::Empty { what: format!("figure {:?}", self.title), remedy });
        }
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut whole = Canvas::default();
        let mut lefts = Vec::new();
        let mut x = 0.0;
        for column in 0..columns {
            let bounds = || rows.iter().filter_map(|row| row.get(column)).map(|(bounds, _)| bounds);
            x += largest(bounds(), |b| -b.left);
            lefts.push(x);
            x += largest(bounds(), |b| b.right) + BETWEEN[0];
        }
        let (left, right) = (0.0, x - BETWEEN[0]);
        let mut y = 0.0;
        if !self.title.is_empty() {
            let style = Style { bold: true, ..Style::new(HEADING, Align::Left) };
            whole.text(shortened(&self.title, HEADING, true, right - left), [left, HEADING / 2.0], style);
            y = HEADING + 2.0 * GAP;
        }
        for row in rows {
            let bounds = || row.iter().map(|(bounds, _)| bounds);
            let bottom = largest(bounds(), |b| b.bottom);
            y += largest(bounds(), |b| -b.top);
            for ((_, canvas), x) in row.into_iter().zip(&lefts) {
                whole.place(canvas, [*x, y]);
            }
            y += bottom + BETWEEN[1];
        }
        Ok(whole)
    }
}

fn largest<'a>(bounds: impl Iterator<Item = &'a Bounds>, side: impl Fn(&Bounds) -> f64) -> f64 {
    bounds.map(side).fold(0.0, f64::max)
}

impl Panel {
    /// The panel with the corner of its image or frame at the origin.
    fn canvas(&self) -> Result<Canvas, FigureError> {
        let mut canvas = Canvas::default();
        let (size, width) = match &self.content {
            Content::Map { values, palette, range } => {
                self.check(values)?;
                let colouring = Colouring { palette: *palette, range: *range, unit: &self.unit };
                let size = match (values.ndim(), self.grid.axes.as_slice()) {
                    (2, [row, column]) => {
                        let values = values.view().into_dimensionality::<Ix2>().map_err(|_| self.shape(values))?;
                        image::image(&mut canvas, values, [row, column], colouring)
                    }
                    (3, [plane, row, column]) => {
                        let values = values.view().into_dimensionality::<Ix3>().map_err(|_| self.shape(values))?;
                        image::slices(&mut canvas, values, [plane, row, column], colouring)
                    }
                    _ => {
                        self.profile(&mut canvas, &[Line::new("", values.clone(), 0)], None, *range)?;
                        PROFILE
                    }
                };
                (size, if values.ndim() == 1 { PROFILE[0] } else { image::title_width(size) })
            }
            Content::Profile { lines, band, range } => {
                self.profile(&mut canvas, lines, band.as_ref(), *range)?;
                (PROFILE, PROFILE[0])
            }
        };
        if !self.title.is_empty() {
            // A tick label at the upper end of an axis stands half above it; titles of a row are level with and without.
            let above = canvas.bounds().top.min(-TICK / 2.0) - GAP - TITLE / 2.0;
            let title = shortened(&self.title, TITLE, false, width);
            canvas.text(title, [size[0] / 2.0, above], Style::new(TITLE, Align::Centre));
        }
        Ok(canvas)
    }

    /// Curves over the one axis of the grid.
    fn profile(
        &self,
        canvas: &mut Canvas,
        lines: &[Line],
        band: Option<&(String, [ArrayD<f32>; 2])>,
        range: [f64; 2],
    ) -> Result<(), FigureError> {
        let curves = lines.iter().map(|line| &line.values).chain(band.iter().flat_map(|(_, limits)| limits));
        for values in curves {
            self.check(values)?;
        }
        let [axis] = self.grid.axes.as_slice() else {
            return Err(self.shape(&ArrayD::zeros(self.grid.sizes())));
        };
        let joined = axis.name != "parameter";
        let [low, high] = drawable(range);
        let margin = 0.05 * (high - low);
        let side = Side::of_axis(axis);
        let place = |i: usize| i as f64 * super::frame::spacing(axis);
        let mut series = Vec::new();
        if let Some((name, [lower, upper])) = band {
            let points = lower.iter().zip(upper).enumerate();
            let points = points.map(|(i, (&l, &u))| [place(i), f64::from(l), f64::from(u)]).collect();
            let mark = match joined {
                true => Mark::Band { points, colour: BLUE_BAND },
                false => Mark::Bars { points, stroke: Stroke::new(BLUE_BAND, 4.0 * CURVE) },
            };
            series.push(Series { name: name.clone(), mark });
        }
        for line in lines {
            let points = points(line.values.view().into_dimensionality().map_err(|_| self.shape(&line.values))?, place);
            let colour: RGBColor = series_colour(line.colour);
            let stroke = Stroke::new(colour, CURVE);
            let stroke = if line.dashed { stroke.dashed() } else { stroke };
            let dots = !joined || axis.size == 1;
            if joined && axis.size > 1 {
                series.push(Series { name: line.name.clone(), mark: Mark::Line { points: points.clone(), stroke } });
            }
            if dots || axis.size <= FEW {
                let name = if dots { line.name.clone() } else { String::new() };
                series.push(Series { name, mark: Mark::Dots { points, radius: 1.6 * CURVE, colour } });
            }
        }
        let vertical = Side::new([high + margin, low - margin], "", &self.unit);
        Plot { size: PROFILE, horizontal: side, vertical, series }.draw(canvas);
        Ok(())
    }

    fn check(&self, values: &ArrayD<f32>) -> Result<(), FigureError> {
        let fits = values.shape() == self.grid.sizes() && (1..=3).contains(&values.ndim());
        if fits && !values.is_empty() { Ok(()) } else { Err(self.shape(values)) }
    }

    fn shape(&self, values: &ArrayD<f32>) -> FigureError {
        FigureError::Shape {
            place: format!("panel {:?}", self.title),
            found: values.shape().to_vec(),
            expected: format!("one to three axes, none of them empty, as in its grid {:?}", self.grid.sizes()),
        }
    }
}

fn points(values: ArrayView1<f32>, place: impl Fn(usize) -> f64) -> Vec<[f64; 2]> {
    values.iter().enumerate().map(|(i, &v)| [place(i), f64::from(v)]).collect()
}
