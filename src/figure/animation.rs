//! Draws one after the other, as a GIF.

use super::canvas::Canvas;
use super::colour::Colours;
use super::encode::{self, Pixels, backend};
use super::fields::Field;
use super::maps::{Content, Figure, Panel};
use super::posterior::{Posterior, map};
use super::{FigureError, Palette};
use std::collections::HashMap;
use std::path::Path;

/// Hundredths of a second for which a frame is shown.
const DELAY: u16 = 50;
/// Of the 256 colours of a GIF those that show values; the others are greys, for texts and frames.
const VALUES: usize = 208;

/// Writes figures that share their layout as the frames of a GIF that runs for ever, half the size of their PNGs; whole or
/// not at all. Maps should be of one palette.
pub fn write_gif(frames: &[Figure], palette: Palette, path: &Path) -> Result<(), FigureError> {
    let canvases: Vec<Canvas> = frames.iter().map(Figure::canvas).collect::<Result<_, _>>()?;
    let Some(view) = canvases.first().map(encode::frame) else {
        return Err(FigureError::Empty { what: path.display().to_string(), remedy: "give at least one frame" });
    };
    let mut table = Table::new(palette);
    let mut shown: Vec<gif::Frame> = Vec::new();
    let (mut last, mut whole) = (Vec::new(), [1, 1]);
    for canvas in &canvases {
        let Pixels { rgb, size } = encode::pixels(canvas, view)?.coarser();
        let colours: Vec<u8> = rgb.as_chunks::<3>().0.iter().map(|colour| table.nearest(*colour)).collect();
        shown.push(changed(&last, &colours, size));
        (last, whole) = (colours, size);
    }
    let [width, height] = whole.map(short);
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, table.colours.as_flattened()).map_err(backend)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(backend)?;
    for frame in &shown {
        encoder.write_frame(frame).map_err(backend)?;
    }
    drop(encoder);
    Ok(crate::io::replace(path, &bytes)?)
}

/// The part of a picture that is not as it was before: what stands still is stored once.
fn changed(before: &[u8], now: &[u8], [width, height]: [usize; 2]) -> gif::Frame<'static> {
    let differs = |x: usize, y: usize| before.get(y * width + x) != now.get(y * width + x);
    let rows: Vec<usize> = (0..height).filter(|&y| (0..width).any(|x| differs(x, y))).collect();
    let columns: Vec<usize> = (0..width).filter(|&x| (0..height).any(|y| differs(x, y))).collect();
    // Where nothing differs, one pixel as it is.
    let span = |of: &[usize]| (of.first().copied().unwrap_or(0), of.last().copied().unwrap_or(0) + 1);
    let ((top, bottom), (left, right)) = (span(&rows), span(&columns));
    let buffer =
        now.chunks_exact(width.max(1)).take(bottom).skip(top).flat_map(|row| row[left..right].to_vec()).collect();
    let [left, top, width, height] = [left, top, right - left, bottom - top].map(short);
    gif::Frame { left, top, width, height, delay: DELAY, buffer, ..gif::Frame::default() }
}

/// Sides of a picture fit: larger ones were refused.
fn short(size: usize) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

impl Posterior {
    /// Truth and mean stand still, draws follow each other. False where there are too few draws to move.
    pub fn animate(&self, title: &str, path: &Path) -> Result<bool, FigureError> {
        if self.is_profile() || self.samples.len() < 2 {
            return Ok(false);
        }
        let is_volume = self.mean.values.ndim() == 3;
        let range = if is_volume { self.projected_range() } else { self.value_range() };
        let panel = |title: &str, field: &Field| {
            let panel = map(title, field, Palette::Value, range);
            match panel.content {
                Content::Map { values, palette, range } if is_volume => {
                    Panel { content: Content::Projection { values, palette, range }, ..panel }
                }
                _ => panel,
            }
        };
        let count = self.samples.len();
        let frame = |(i, sample): (usize, &Field)| {
            let still = self.truth.as_ref().map(|truth| panel("Truth", truth));
            let moving = [panel("Posterior mean", &self.mean), panel(&format!("Draw {} of {count}", i + 1), sample)];
            Figure { title: title.into(), rows: vec![still.into_iter().chain(moving).collect()] }
        };
        let frames: Vec<Figure> = self.samples.iter().enumerate().map(frame).collect();
        write_gif(&frames, Palette::Value, path)?;
        Ok(true)
    }
}

/// The colours of a GIF, and which of them is nearest to a given one.
struct Table {
    colours: Vec<[u8; 3]>,
    known: HashMap<[u8; 3], u8>,
}

impl Table {
    fn new(palette: Palette) -> Self {
        let values = Colours::new(palette, [0.0, VALUES as f64]);
        let greys = 256 - VALUES;
        let grey = |i: usize| [(255 * i / (greys - 1)) as u8; 3];
        let colours = (0..VALUES).map(|i| values.of(i as f32 + 0.5)).chain((0..greys).map(grey)).collect();
        Self { colours, known: HashMap::new() }
    }

    fn nearest(&mut self, colour: [u8; 3]) -> u8 {
        let distance =
            |other: &[u8; 3]| -> u32 { other.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
        let colours = &self.colours;
        *self.known.entry(colour).or_insert_with(|| {
            let nearest = (0..colours.len()).min_by_key(|&i| distance(&colours[i]));
            nearest.unwrap_or(0) as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Grid;
    use ndarray::ArrayD;

    #[test]
    fn frames_follow_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let frame = |value: f32| {
            let content = Content::Map {
                values: ArrayD::from_elem(vec![8, 8], value),
                palette: Palette::Value,
                range: [0.0, 1.0],
            };
            let panel = Panel { title: "Draw".into(), unit: "m/s".into(), grid: Grid::of_pixels(&[8, 8]), content };
            Figure { title: String::new(), rows: vec![vec![panel]] }
        };
        write_gif(&[frame(0.0), frame(0.5), frame(1.0)], Palette::Value, &path).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(std::fs::File::open(&path).unwrap()).unwrap();
        let size = [decoder.width(), decoder.height()].map(usize::from);
        let (mut centres, mut sizes) = (Vec::new(), Vec::new());
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            let [left, top, width] = [frame.left, frame.top, frame.width].map(usize::from);
            let at = ((size[1] / 2 - top) * width + size[0] / 3 - left) * 4;
            centres.push([frame.buffer[at], frame.buffer[at + 1], frame.buffer[at + 2]]);
            sizes.push([frame.width, frame.height].map(usize::from));
        }
        assert!(sizes[0] == size && sizes[1] == sizes[2] && sizes[1] < size, "{sizes:?}: the axes stand still");
        let expected = [0.0, 0.5, 1.0].map(|value| Colours::new(Palette::Value, [0.0, 1.0]).of(value));
        assert_eq!(centres.len(), 3);
        for (found, expected) in centres.iter().zip(expected) {
            assert!((0..3).all(|k| found[k].abs_diff(expected[k]) <= 4), "{found:?} {expected:?}");
        }
        assert!(write_gif(&[], Palette::Value, &path).is_err());
    }
}
