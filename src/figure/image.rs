//! Images, slices and projections of volumes, with axes and a colour bar.

use super::axis::number;
use super::canvas::{Align, Canvas, Point, Style};
use super::colour::{Colours, Palette, drawable};
use super::encode::text_width;
use super::frame::{Frame, Side, coordinate, spacing};
use super::style::{GAP, LABEL, TICK};
use crate::io;
use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use plotters::style::RGBColor;

/// The longer side of an image.
const IMAGE: f64 = 420.0;
/// The longest axis of a volume.
const SLICE: f64 = 280.0;
/// Width of the colour bar, and its distance from the image.
const BAR: [f64; 2] = [22.0, 26.0];
/// A colour bar has room for a few ticks beside any image.
const BAR_HEIGHT: f64 = 160.0;
/// Where a point of the colour bar begins and ends, from the end of the bar: no farther than half a tick label reaches, so that
/// panels with and without points are of one size.
const POINT: [f64; 2] = [3.0, TICK / 2.0];
/// Room for the label above a slice.
const SLICE_LABEL: f64 = TICK + GAP;
/// A side is drawn at least this long, even if its pixels are then no squares: two ticks must have room.
const SHORTEST: f64 = 90.0;

/// How an image is coloured.
#[derive(Clone, Copy, Debug)]
pub struct Colouring<'a> {
    pub palette: Palette,
    pub range: [f64; 2],
    pub unit: &'a str,
}

/// An image `[row, column]`, the first row at the top, whose corner is the origin. Returns its size.
pub fn image(canvas: &mut Canvas, values: ArrayView2<f32>, axes: [&io::Axis; 2], colouring: Colouring) -> [f64; 2] {
    let lengths = lengths(&axes, IMAGE);
    let size = [lengths[1], lengths[0]];
    let view = View { values, axes, corner: [0.0, 0.0], size };
    let frame = view.draw(canvas, &colouring);
    frame.horizontal_axis(canvas);
    frame.vertical_axis(canvas);
    colour_bar(canvas, size, &colouring, beyond(values.iter(), colouring.range));
    size
}

/// How a volume becomes images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// The central slice across each axis.
    Slices,
    /// The greatest value along each axis.
    Projections,
}

impl Through {
    /// The image across an axis, and what it is.
    fn image(self, values: ArrayView3<f32>, axis: usize, of: &io::Axis) -> (Array2<f32>, String) {
        match self {
            Through::Slices => {
                let centre = values.shape()[axis] / 2;
                let at = number(coordinate(of, centre));
                let label = format!("{} = {at} {}", of.name, Side::of_axis(of).unit);
                (values.index_axis_move(Axis(axis), centre).to_owned(), label.trim_end().to_owned())
            }
            Through::Projections => {
                (values.fold_axis(Axis(axis), f32::NAN, |a, b| a.max(*b)), format!("along {}", of.name))
            }
        }
    }
}

/// A volume `[plane, row, column]` as three images, laid out so that neighbours share an axis: row against column, beside it
/// row against plane, below it plane against column. The corner is the origin. Returns the size.
pub fn volume(
    canvas: &mut Canvas,
    values: ArrayView3<f32>,
    axes: [&io::Axis; 3],
    through: Through,
    colouring: Colouring,
) -> [f64; 2] {
    let [plane, row, column] = axes;
    let lengths = lengths(&axes, SLICE);
    let images = [0, 1, 2].map(|axis| through.image(values, axis, axes[axis]));
    let label = |axis: usize| &images[axis].1;
    // A label is wider than the slice of a thin volume: then the slices move apart.
    let room = (text_width(label(0), TICK, false) - lengths[2]).max(0.0) / 2.0;
    let room = room + (text_width(label(2), TICK, false) - lengths[0]).max(0.0) / 2.0;
    let right = lengths[2] + room + 3.0 * GAP;
    let upright = |axis: usize| (name_length(axes[axis]) - lengths[axis]).max(0.0) / 2.0;
    let below = SLICE_LABEL + lengths[1] + (SLICE_LABEL + GAP).max(upright(1) + upright(0) + GAP);
    let image = |axis: usize| images[axis].0.view();
    let front =
        View { values: image(0), axes: [row, column], corner: [0.0, SLICE_LABEL], size: [lengths[2], lengths[1]] };
    let side = View {
        values: image(2).reversed_axes(),
        axes: [row, plane],
        corner: [right, SLICE_LABEL],
        size: [lengths[0], lengths[1]],
    };
    let top = View { values: image(1), axes: [plane, column], corner: [0.0, below], size: [lengths[2], lengths[0]] };
    for (view, axis) in [(front, 0), (side, 2), (top, 1)] {
        let frame = view.draw(canvas, &colouring);
        let at = [view.corner[0] + view.size[0] / 2.0, view.corner[1] - SLICE_LABEL / 2.0];
        canvas.text(label(axis), at, Style::new(TICK, Align::Centre));
        if axis != 2 {
            frame.vertical_axis(canvas);
        }
        if axis != 0 {
            frame.horizontal_axis(canvas);
        }
    }
    let size = [canvas.bounds().right.ceil(), below + lengths[0]];
    let shown = images.iter().flat_map(|(image, _)| image);
    colour_bar(canvas, size, &colouring, beyond(shown, colouring.range));
    size
}

/// The length of the name of an axis.
fn name_length(axis: &io::Axis) -> f64 {
    let side = Side::of_axis(axis);
    text_width(&format!("{} ({})", side.name, side.unit), LABEL, false)
}

/// How long the axes are drawn: to scale where they have one unit, equally long where they do not. Small images are
/// enlarged by a whole number, so that all their pixels are of one size.
fn lengths(axes: &[&io::Axis], longest: f64) -> Vec<f64> {
    let alike = axes.iter().all(|axis| axis.unit == axes[0].unit);
    let extent = |axis: &&io::Axis| if alike { axis.size as f64 * spacing(axis).abs() } else { 1.0 };
    let largest = axes.iter().map(extent).fold(f64::MIN_POSITIVE, f64::max);
    let pixels = axes.iter().max_by(|a, b| extent(a).total_cmp(&extent(b))).map_or(1, |axis| axis.size.max(1));
    let factor = (longest / pixels as f64).floor();
    let longest = if alike && factor > 1.0 { factor * pixels as f64 } else { longest };
    axes.iter()
        .map(|axis| (longest * (extent(axis) / largest)).round().clamp(SHORTEST, longest.max(SHORTEST)))
        .collect()
}

struct View<'a> {
    values: ArrayView2<'a, f32>,
    axes: [&'a io::Axis; 2],
    corner: Point,
    size: [f64; 2],
}

impl View<'_> {
    fn draw(&self, canvas: &mut Canvas, colouring: &Colouring) -> Frame {
        let colours = Colours::new(colouring.palette, drawable(colouring.range));
        let size = self.size.map(|s| s as usize);
        let [vertical, horizontal] = self.axes.map(Side::of_axis);
        let frame = Frame { corner: self.corner, size: self.size, horizontal, vertical };
        // The border first: it may not cover a part of the outermost pixels.
        frame.border(canvas);
        canvas.raster(self.corner, size, raster(self.values, size, &colours));
        frame
    }
}

/// Each pixel shows the value it lies on, none between two.
fn raster(values: ArrayView2<f32>, [width, height]: [usize; 2], colours: &Colours) -> Vec<u8> {
    let (rows, columns) = values.dim();
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            rgb.extend(colours.of(values[[y * rows / height, x * columns / width]]));
        }
    }
    rgb
}

/// Whether there are values below a range, and above it: they have the colours of its ends.
fn beyond<'a>(values: impl Iterator<Item = &'a f32> + Clone, range: [f64; 2]) -> [bool; 2] {
    let [low, high] = drawable(range);
    let mut above = values.clone();
    let mut below = values;
    [below.any(|&v| f64::from(v) < low), above.any(|&v| f64::from(v) > high)]
}

/// To the right of what has `size`, as high as it where that is high enough; with a point at an end beyond which there are values.
fn colour_bar(canvas: &mut Canvas, size: [f64; 2], colouring: &Colouring, beyond: [bool; 2]) {
    let [width, distance] = BAR;
    let [low, high] = drawable(colouring.range);
    let colours = Colours::new(colouring.palette, [low, high]);
    let (across, down) = (width as usize, size[1].max(BAR_HEIGHT) as usize);
    let value = |y: usize| high - (high - low) * (y as f64 + 0.5) / down as f64;
    let rgb = (0..down).flat_map(|y| colours.of(value(y) as f32).repeat(across)).collect();
    let corner = [size[0] + distance, 0.0];
    let frame = Frame {
        corner,
        size: [width, down as f64],
        horizontal: Side::new([0.0, 1.0], "", ""),
        vertical: Side::new([high, low], "", colouring.unit),
    };
    frame.border(canvas);
    canvas.raster(corner, [across, down], rgb);
    let bottom = down as f64;
    for (is_beyond, end, edge, outwards) in [(beyond[0], low, bottom, 1.0), (beyond[1], high, 0.0, -1.0)] {
        if is_beyond {
            let [near, far] = POINT.map(|distance| edge + outwards * distance);
            let corners = [[corner[0], near], [corner[0] + width, near], [corner[0] + width / 2.0, far]];
            let [red, green, blue] = colours.of(end as f32);
            canvas.area(corners.to_vec(), RGBColor(red, green, blue));
        }
    }
    frame.right_axis(canvas);
}

/// The largest width a panel's title may have.
pub fn title_width(size: [f64; 2]) -> f64 {
    (size[0] + BAR[0] + BAR[1] + 3.0 * LABEL).max(IMAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::canvas::Shape;
    use io::Axis as Of;

    #[test]
    fn axes_of_one_unit_are_drawn_to_scale() {
        let axes = [Of::new("depth", 512, 12.5, "m"), Of::new("distance", 300, 25.0, "m")];
        assert_eq!(lengths(&[&axes[0], &axes[1]], 420.0), [358.0, 420.0]);
        let axes = [Of::new("row", 32, 1.0, "pixel"), Of::new("column", 16, 1.0, "pixel")];
        assert_eq!(lengths(&[&axes[0], &axes[1]], 420.0), [416.0, 208.0]);
        let axes = [Of::new("time", 2000, 0.002, "s"), Of::new("receiver", 30, 25.0, "m")];
        assert_eq!(lengths(&[&axes[0], &axes[1]], 420.0), [420.0, 420.0]);
        let axes = [Of::new("row", 1, 0.0, ""), Of::new("column", 4000, -1.0, "")];
        assert_eq!(lengths(&[&axes[0], &axes[1]], 420.0), [90.0, 420.0]);
    }

    #[test]
    fn the_colour_bar_points_to_values_beyond_it() {
        let values = ndarray::array![[-0.5f32, 1.0], [f32::NAN, 2.0]];
        let mut bounds = None;
        for (range, expected) in [
            ([-0.5, 2.0], [false; 2]),
            ([0.0, 2.0], [true, false]),
            ([-1.0, 1.9], [false, true]),
            ([0.0, 1.0], [true; 2]),
        ] {
            assert_eq!(beyond(values.iter(), range), expected, "{range:?}");
            let mut canvas = Canvas::default();
            let axes = [Of::new("row", 2, 1.0, ""), Of::new("column", 2, 1.0, "")];
            let colouring = Colouring { palette: Palette::Value, range, unit: "" };
            image(&mut canvas, values.view(), [&axes[0], &axes[1]], colouring);
            let points = canvas.shapes.iter().filter(|shape| matches!(shape, Shape::Area { .. })).count();
            assert_eq!(points, expected.iter().filter(|&&is| is).count());
            let corner = &canvas.bounds();
            assert_eq!([corner.top, corner.bottom], *bounds.get_or_insert([corner.top, corner.bottom]));
        }
    }

    #[test]
    fn a_flat_image_has_a_colour_bar_that_can_be_read() {
        let (values, mut canvas) = (Array2::zeros((1, 300)), Canvas::default());
        let axes = [Of::new("row", 1, 1.0, ""), Of::new("column", 300, 1.0, "")];
        let colouring = Colouring { palette: Palette::Value, range: [0.0, 1.0], unit: "" };
        image(&mut canvas, values.view(), [&axes[0], &axes[1]], colouring);
        let heights = canvas.shapes.iter().filter_map(|shape| match shape {
            Shape::Raster { size, .. } => Some(size[1]),
            _ => None,
        });
        assert_eq!(heights.collect::<Vec<_>>(), [SHORTEST as usize, BAR_HEIGHT as usize]);
    }

    #[test]
    fn pixels_show_the_value_they_lie_on() {
        let colours = Colours::new(Palette::Value, [0.0, 5.0]);
        let values = ndarray::array![[0.0f32, 1.0, 2.0], [3.0, f32::NAN, 5.0]];
        let rgb = raster(values.view(), [6, 4], &colours);
        let at = |x: usize, y: usize| rgb[(y * 6 + x) * 3..][..3].to_vec();
        assert_eq!(at(5, 0), colours.of(2.0));
        assert_eq!(at(1, 3), colours.of(3.0));
        assert_eq!(at(2, 2), [0xb8; 3]);
    }
}
