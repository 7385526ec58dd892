//! From shapes to files: PNG with 300 dpi, drawn at twice its size and averaged; SVG with texts as texts.

use super::FigureError;
use super::canvas::{Align, Bounds, Canvas, Point, Shape, Stroke, Style};
use super::style::INK;
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::BitMapElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, FontStyle, FontTransform, register_font};
use std::path::Path;
use std::sync::Once;

/// Pixels drawn per pixel of a PNG, each way: plotters places lines and letters on whole pixels.
const FINER: usize = 2;
/// White around everything.
const MARGIN: f64 = 28.0;
/// Larger pictures are refused: 512 MB while they are drawn.
const LARGEST: u64 = 40_000_000;
/// 300 dots per inch, in dots per metre.
const DOTS_PER_METRE: u32 = 11_811;
/// plotters draws the capitals of a centred text this share of its size too high on a bitmap, and right in SVG.
const BITMAP_LIFT: f64 = 0.21;

/// A picture: red, green and blue of each pixel, row by row.
pub struct Pixels {
    pub rgb: Vec<u8>,
    pub size: [usize; 2],
}

/// Draws what lies in a part of a canvas.
pub fn pixels(canvas: &Canvas, view: Bounds) -> Result<Pixels, FigureError> {
    let [width, height] = size(&view)?;
    let fine = [width * FINER, height * FINER];
    let mut rgb = vec![255u8; fine[0] * fine[1] * 3];
    {
        let size = (fine[0] as u32, fine[1] as u32);
        let area = BitMapBackend::with_buffer(&mut rgb, size).into_drawing_area();
        draw(canvas, &area, &Target { view, scale: FINER as f64, lift: BITMAP_LIFT, whole_paths: false })?;
        area.present().map_err(backend)?;
    }
    Ok(Pixels { rgb, size: fine }.coarser())
}

impl Pixels {
    /// Half as many each way, each the mean of [`FINER`]².
    pub fn coarser(&self) -> Pixels {
        let [width, height] = self.size.map(|size| size / FINER);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    let block = (0..FINER * FINER).map(|k| {
                        let (row, column) = (y * FINER + k / FINER, x * FINER + k % FINER);
                        u32::from(self.rgb[(row * self.size[0] + column) * 3 + channel])
                    });
                    rgb.push(((block.sum::<u32>() + 2) / (FINER * FINER) as u32) as u8);
                }
            }
        }
        Pixels { rgb, size: [width, height] }
    }
}

/// Writes a PNG, whole or not at all.
pub fn png(canvas: &Canvas, path: &Path) -> Result<(), FigureError> {
    let Pixels { rgb, size: [width, height] } = pixels(canvas, frame(canvas))?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: DOTS_PER_METRE,
        yppu: DOTS_PER_METRE,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(backend)?;
    writer.write_image_data(&rgb).map_err(backend)?;
    writer.finish().map_err(backend)?;
    Ok(crate::io::replace(path, &bytes)?)
}

/// Writes an SVG, whole or not at all.
pub fn svg(canvas: &Canvas, path: &Path) -> Result<(), FigureError> {
    let view = frame(canvas);
    let [width, height] = size(&view)?;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width as u32, height as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(backend)?;
        draw(canvas, &area, &Target { view, scale: 1.0, lift: 0.0, whole_paths: true })?;
        area.present().map_err(backend)?;
    }
    Ok(crate::io::replace(path, text.as_bytes())?)
}

/// The width of a text in pixels.
pub fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    register_fonts();
    let font = FontDesc::new(FontFamily::SansSerif, size, font_style(bold));
    // A font of this program's own is always there; an estimate is better than a panic all the same.
    font.box_size(text).map_or(0.6 * size * text.chars().count() as f64, |(width, _)| f64::from(width) + 1.0)
}

/// Gives plotters the fonts of the program: no font of the system is ever looked for.
fn register_fonts() {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        // A font that could not be read shows as an error of the first text drawn.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font("sans-serif", FontStyle::Bold, dejavu::sans::bold());
    });
}

fn font_style(bold: bool) -> FontStyle {
    if bold { FontStyle::Bold } else { FontStyle::Normal }
}

/// All of a canvas with white around it.
pub fn frame(canvas: &Canvas) -> Bounds {
    let bounds = canvas.bounds();
    Bounds {
        left: (bounds.left - MARGIN).floor(),
        top: (bounds.top - MARGIN).floor(),
        right: bounds.right + MARGIN,
        bottom: bounds.bottom + MARGIN,
    }
}

/// Pixels across and down.
fn size(view: &Bounds) -> Result<[usize; 2], FigureError> {
    let [width, height] = [(view.right - view.left).ceil() as u64, (view.bottom - view.top).ceil() as u64];
    if width.saturating_mul(height) > LARGEST {
        return Err(FigureError::TooLarge { width, height });
    }
    Ok([width as usize, height as usize])
}

/// How shapes become pixels of a backend.
struct Target {
    view: Bounds,
    scale: f64,
    /// See [`BITMAP_LIFT`].
    lift: f64,
    /// Whether a path of several points is drawn well; on a bitmap plotters tears sharp corners open.
    whole_paths: bool,
}

impl Target {
    fn at(&self, point: Point) -> (i32, i32) {
        let place = |value: f64, start: f64| ((value - start) * self.scale).round() as i32;
        (place(point[0], self.view.left), place(point[1], self.view.top))
    }
}

fn draw<DB: DrawingBackend>(
    canvas: &Canvas,
    area: &DrawingArea<DB, Shift>,
    target: &Target,
) -> Result<(), FigureError> {
    register_fonts();
    for shape in &canvas.shapes {
        match shape {
            Shape::Text { at, text, style } => draw_text(area, target, *at, text, style),
            Shape::Line { points, stroke } => draw_line(area, target, points, stroke),
            Shape::Area { points, colour } => {
                let points: Vec<_> = points.iter().map(|p| target.at(*p)).collect();
                area.draw(&Polygon::new(points, colour.filled()))
            }
            Shape::Dot { at, radius, colour } => {
                area.draw(&Circle::new(target.at(*at), (radius * target.scale).round() as i32, colour.filled()))
            }
            Shape::Raster { at, size, rgb } => {
                let scale = target.scale.round().max(1.0) as usize;
                let larger = (size[0] as u32 * scale as u32, size[1] as u32 * scale as u32);
                match BitMapElement::with_owned_buffer(target.at(*at), larger, enlarged(rgb, *size, scale)) {
                    Some(image) => area.draw(&image),
                    None => Ok(()),
                }
            }
        }
        .map_err(backend)?;
    }
    Ok(())
}

fn draw_line<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    target: &Target,
    points: &[Point],
    stroke: &Stroke,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let mut points: Vec<_> = points.iter().map(|p| target.at(*p)).collect();
    points.dedup();
    let width = (stroke.width * target.scale).round().max(1.0) as u32;
    let style = stroke.colour.stroke_width(width);
    if target.whole_paths {
        return area.draw(&PathElement::new(points, style));
    }
    for joint in points.get(1..points.len().saturating_sub(1)).unwrap_or_default() {
        area.draw(&Circle::new(*joint, width / 2, stroke.colour.filled()))?;
    }
    points.windows(2).try_for_each(|pair| area.draw(&PathElement::new(pair.to_vec(), style)))
}

fn draw_text<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    target: &Target,
    at: Point,
    text: &str,
    style: &Style,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let across = match style.align {
        Align::Left => HPos::Left,
        Align::Centre => HPos::Center,
        Align::Right => HPos::Right,
    };
    let lift = style.size * target.lift;
    let at = if style.upright { [at[0] + lift, at[1]] } else { [at[0], at[1] + lift] };
    let turn = if style.upright { FontTransform::Rotate270 } else { FontTransform::None };
    let font = FontDesc::new(FontFamily::SansSerif, style.size * target.scale, font_style(style.bold));
    let style = TextStyle::from(font.transform(turn)).color(&INK).pos(Pos::new(across, VPos::Center));
    area.draw(&Text::new(text, target.at(at), style))
}

/// Every pixel `scale` times across and down.
fn enlarged(rgb: &[u8], size: [usize; 2], scale: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len() * scale * scale);
    for row in rgb.chunks_exact((size[0] * 3).max(1)) {
        let wide: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(scale)).collect();
        (0..scale).for_each(|_| out.extend_from_slice(&wide));
    }
    out
}

pub fn backend(error: impl std::fmt::Display) -> FigureError {
    FigureError::Backend(error.to_string())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The pixels of a PNG, and its size across and down.
    pub fn decoded(path: &Path) -> (Vec<[u8; 3]>, [usize; 2]) {
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(reader.info().pixel_dims.unwrap().xppu, DOTS_PER_METRE);
        let pixels = bytes.as_chunks::<3>().0.to_vec();
        (pixels, [info.width as usize, info.height as usize])
    }

    #[test]
    fn rasters_keep_their_colours_and_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let mut canvas = Canvas::default();
        canvas.raster([5.0, 9.0], [2, 1], vec![255, 0, 0, 0, 0, 255]);
        canvas.dot([60.0, 9.0], 4.0, GREEN);
        png(&canvas, &path).unwrap();
        let (pixels, [width, height]) = decoded(&path);
        let at = |x: usize, y: usize| pixels[y * width + x];
        // The view starts MARGIN pixels left of the raster and above the dot, whose top is at 5.
        let (x, y) = (MARGIN as usize, 9 - 5 + MARGIN as usize);
        assert_eq!((at(x, y), at(x + 1, y), at(x + 2, y)), ([255, 0, 0], [0, 0, 255], [255; 3]));
        assert_eq!(at(x + 55, y), [0, 255, 0]);
        assert_eq!((width, height), (59 + 2 * MARGIN as usize, 8 + 2 * MARGIN as usize));
    }

    #[test]
    fn capitals_stand_in_the_middle_of_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        for upright in [false, true] {
            let mut canvas = Canvas::default();
            canvas.text("HHH", [0.0, 0.0], Style { upright, ..Style::new(60.0, Align::Centre) });
            let bounds = canvas.bounds();
            png(&canvas, &path).unwrap();
            let (pixels, [width, _]) = decoded(&path);
            let dark = || pixels.iter().enumerate().filter(|(_, p)| p[0] < 128).map(|(i, _)| [i % width, i / width]);
            let axis = usize::from(!upright);
            let [low, high] = [dark().map(|p| p[axis]).min().unwrap(), dark().map(|p| p[axis]).max().unwrap()];
            let origin = if upright { bounds.left } else { bounds.top } - MARGIN;
            let centre = (low + high) as f64 / 2.0 + origin.floor();
            assert!(centre.abs() < 2.0, "upright {upright}: {centre}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_and_texts_are_escaped() {
        let folder = tempfile::tempdir().unwrap();
        let mut canvas = Canvas::default();
        canvas.line(vec![[0.0, 0.0], [1e5, 1e5]], Stroke::new(BLACK, 2.0));
        let path = folder.path().join("a.png");
        assert!(matches!(png(&canvas, &path), Err(FigureError::TooLarge { .. })) && !path.exists());
        let mut canvas = Canvas::default();
        canvas.text("a < b", [0.0, 0.0], Style::new(30.0, Align::Left));
        let path = folder.path().join("a.svg");
        svg(&canvas, &path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("a &lt; b"));
    }
}
