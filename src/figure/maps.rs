//! Panels of maps, profiles and slices of volumes in rows, with one title: a figure drawn as PNG.

use super::canvas::{Align, Bounds, Canvas, Style, shortened};
use super::colour::{Palette, drawable};
use super::frame::Side;
use super::image::{self, Colouring, Through};
use super::plot::{LEGEND_ROW, Mark, Plot, Series};
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
const PROFILE: [f64; 2] = [760.0, 400.0];
/// Profiles of so few points get a dot at each, those of so many thinner lines.
const FEW: usize = 40;
const MANY: usize = 200;

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
    /// A volume as its three maximum projections: the greatest value along each axis.
    Projection {
        /// The values, in the panel's unit; three axes.
        values: ArrayD<f32>,
        /// Their colours.
        palette: Palette,
        /// The values at the ends of the colour bar.
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

    pub(super) fn canvas(&self) -> Result<Canvas, FigureError> {
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
        // Titles of a row are level, whether there is a legend, or half a tick label at the upper end, or neither.
        let above_profile = (PROFILE, PROFILE[0], LEGEND_ROW + GAP / 2.0);
        let (size, width, level) = match &self.content {
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
                        image::volume(&mut canvas, values, [plane, row, column], Through::Slices, colouring)
                    }
                    _ => {
                        self.profile(&mut canvas, &[Line::new("", values.clone(), 0)], None, *range)?;
                        PROFILE
                    }
                };
                if values.ndim() == 1 { above_profile } else { (size, image::title_width(size), TICK / 2.0) }
            }
            Content::Projection { values, palette, range } => {
                self.check(values)?;
                let [plane, row, column] = self.grid.axes.as_slice() else { return Err(self.shape(values)) };
                let colouring = Colouring { palette: *palette, range: *range, unit: &self.unit };
                let values = values.view().into_dimensionality::<Ix3>().map_err(|_| self.shape(values))?;
                let axes = [plane, row, column];
                let size = image::volume(&mut canvas, values, axes, Through::Projections, colouring);
                (size, image::title_width(size), TICK / 2.0)
            }
            Content::Profile { lines, band, range } => {
                self.profile(&mut canvas, lines, band.as_ref(), *range)?;
                above_profile
            }
        };
        if !self.title.is_empty() {
            let above = canvas.bounds().top.min(-level) - GAP - TITLE / 2.0;
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
        let place = |i: usize| super::frame::coordinate(axis, i);
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
            let stroke = Stroke::new(colour, if axis.size > MANY { CURVE / 2.0 } else { CURVE });
            let stroke = if line.dashed { stroke.dashed() } else { stroke };
            let dots = !joined || axis.size == 1;
            if joined && axis.size > 1 {
                series.push(Series { name: line.name.clone(), mark: Mark::Line { points: points.clone(), stroke } });
            }
            if dots || axis.size <= FEW {
                let name = if dots { line.name.clone() } else { String::new() };
                // What is dashed as a line lies behind as a dot: it is larger, to be seen.
                let radius = if dots && line.dashed { 2.6 * CURVE } else { 1.7 * CURVE };
                series.push(Series { name, mark: Mark::Dots { points, radius, colour } });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::encode::tests::decoded;
    use crate::figure::{extent, symmetric_extent};
    use crate::io;
    use ndarray::IxDyn;

    /// The darkest colour of viridis, and the brightest: zero and one in the panels below.
    const DARK: [u8; 3] = [68, 1, 84];
    const BRIGHT: [u8; 3] = [253, 231, 37];

    fn panel(values: ArrayD<f32>, grid: Grid) -> Panel {
        let content = Content::Map { values, palette: Palette::Value, range: [0.0, 1.0] };
        Panel { title: "Truth".into(), unit: "m/s".into(), grid, content }
    }

    fn drawn(panel: Panel) -> Result<(Vec<[u8; 3]>, [usize; 2]), FigureError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        Figure { title: "Maps".into(), rows: vec![vec![panel]] }.write_png(&path)?;
        Ok(decoded(&path))
    }

    /// The first column and row that hold the colour: the corner of a dark image, as the colour bar is to its right.
    fn corner(pixels: &[[u8; 3]], width: usize, colour: [u8; 3]) -> [usize; 2] {
        let found = || pixels.iter().enumerate().filter(|(_, p)| **p == colour).map(|(i, _)| i);
        [found().map(|i| i % width).min().unwrap(), found().map(|i| i / width).min().unwrap()]
    }

    fn with(shape: &[usize], places: &[(&[usize], f32)]) -> (ArrayD<f32>, Grid) {
        let mut values = ArrayD::zeros(IxDyn(shape));
        places.iter().for_each(|(place, value)| values[IxDyn(place)] = *value);
        (values, Grid::of_pixels(shape))
    }

    #[test]
    fn every_pixel_has_its_colour_at_its_place() {
        let (values, grid) = with(&[32, 32], &[(&[5, 20], 1.0), (&[9, 2], f32::NAN)]);
        let (pixels, [width, _]) = drawn(panel(values, grid)).unwrap();
        let [left, top] = corner(&pixels, width, DARK);
        for row in 0..32 {
            for column in 0..32 {
                let expected = match (row, column) {
                    (5, 20) => BRIGHT,
                    (9, 2) => [0xb8; 3],
                    _ => DARK,
                };
                for (x, y) in [(0, 0), (12, 12)] {
                    let place = (top + row * 13 + y) * width + left + column * 13 + x;
                    assert_eq!(pixels[place], expected, "row {row}, column {column}");
                }
            }
        }
    }

    #[test]
    fn axes_keep_their_proportions() {
        let axes = vec![io::Axis::new("depth", 512, 12.5, "m"), io::Axis::new("distance", 300, 25.0, "m")];
        let (pixels, [width, _]) = drawn(panel(ArrayD::zeros(vec![512, 300]), Grid::new(axes))).unwrap();
        let [left, top] = corner(&pixels, width, DARK);
        let across = (left..).take_while(|x| pixels[top * width + x] == DARK).count();
        let down = (top..).take_while(|y| pixels[y * width + left] == DARK).count();
        assert_eq!((across, down), (420, 358));
    }

    #[test]
    fn volumes_show_their_central_slices() {
        let (values, grid) = with(&[4, 6, 10], &[(&[2, 1, 3], 1.0), (&[1, 3, 7], 1.0), (&[3, 0, 5], 1.0)]);
        let (pixels, [width, _]) = drawn(panel(values, grid)).unwrap();
        let [left, top] = corner(&pixels, width, DARK);
        // Ten columns in 280 pixels: a pixel is 28 across, down and deep.
        let bright = |x: usize, y: usize| pixels[y * width + x] == BRIGHT;
        assert!(bright(left + 3 * 28 + 14, top + 28 + 14), "plane 2, row 1, column 3");
        let side = (left + 280..width).find(|x| pixels[(top + 3 * 28) * width + x] == DARK).unwrap();
        assert!(bright(side + 3 * 28 + 14, top + 14), "column 5, row 0, plane 3");
        let height = pixels.len() / width;
        let below = (top + 6 * 28..height).find(|y| pixels[y * width + left] == DARK).unwrap();
        assert!(bright(left + 7 * 28 + 14, below + 28 + 14), "row 3, plane 1, column 7");
    }

    #[test]
    fn projections_show_the_greatest_value_along_each_axis() {
        let (values, grid) = with(&[4, 6, 10], &[(&[2, 1, 3], 1.0), (&[0, 5, 9], f32::NAN)]);
        let content = Content::Projection { values, palette: Palette::Value, range: [0.0, 1.0] };
        let (pixels, [width, _]) = drawn(Panel { content, ..panel(ArrayD::zeros(vec![4, 6, 10]), grid) }).unwrap();
        let [left, top] = corner(&pixels, width, DARK);
        let at = |x: usize, y: usize| pixels[y * width + x];
        assert_eq!(at(left + 3 * 28 + 14, top + 28 + 14), BRIGHT, "row 1, column 3");
        assert_eq!(at(left + 9 * 28 + 14, top + 5 * 28 + 14), DARK, "a hole does not hide what lies behind it");
        let flat = Panel {
            content: Content::Projection {
                values: ArrayD::zeros(vec![4, 6]),
                palette: Palette::Value,
                range: [0.0, 1.0],
            },
            ..panel(ArrayD::zeros(vec![4, 6]), Grid::of_pixels(&[4, 6]))
        };
        assert!(drawn(flat).is_err());
    }

    #[test]
    fn odd_values_are_drawn_and_odd_shapes_refused() {
        for shape in [vec![1], vec![1, 1], vec![1, 1, 1], vec![700, 2], vec![12]] {
            for value in [f32::NAN, f32::INFINITY, 0.0, 1500.0, -3e38, 1e-40] {
                let values = ArrayD::from_elem(shape.clone(), value);
                let mut panel = panel(values.clone(), Grid::of_pixels(&shape));
                for range in [extent(&values), symmetric_extent(&values), [f64::NAN, f64::INFINITY]] {
                    panel.content = Content::Map { values: values.clone(), palette: Palette::Signed, range };
                    panel.canvas().unwrap();
                }
                for spacing in [0.0, -2.5, f64::NAN, 1e308, 1e-320] {
                    panel.grid.axes.iter_mut().for_each(|axis| axis.spacing = spacing);
                    panel.canvas().unwrap();
                }
                drawn(panel).unwrap();
            }
        }
        for shape in [vec![], vec![0, 3], vec![2, 2, 2, 2]] {
            let message = drawn(panel(ArrayD::zeros(shape.clone()), Grid::of_pixels(&shape))).unwrap_err().to_string();
            assert!(message.contains("Truth") && message.contains("one to three axes"), "{message}");
        }
        assert!(drawn(panel(ArrayD::zeros(vec![2, 3]), Grid::of_pixels(&[3, 2]))).is_err());
        let message = Figure::default().write_png(Path::new("a.png")).unwrap_err().to_string();
        assert!(message.contains("at least one panel"), "{message}");
    }
}
