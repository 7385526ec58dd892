//! Pictures in PNG, read as luminance.

use super::error::{IoError, Result};
use super::limits::{buffer, elements};
use ndarray::{ArrayD, IxDyn};
use png::{BitDepth, Decoder, DecodingError, Limits, Transformations};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Shares of red, green and blue in the luminance (ITU-R BT.709).
const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];
/// The decoder takes no more memory than this for one picture, some 23,000² grey pixels of 16 bits.
const LIMIT: usize = 1 << 30;

/// Reads a picture, `[row, column]`, and the type of its numbers.
///
/// Values are shares of the greatest one, from 0 to 1. Colours become the weighted sum of their stored values, for what
/// an image of this project holds is one physical quantity; transparency is left out.
pub fn read(path: &Path) -> Result<(ArrayD<f32>, String)> {
    let file = File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), Limits { bytes: LIMIT });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(|e| broken(path, e))?;
    let (width, height) = reader.info().size();
    let shape = [height as usize, width as usize];
    let (colour, depth) = reader.output_color_type();
    let (samples, wide) = (colour.samples(), depth == BitDepth::Sixteen);
    let mut values = buffer(elements(&shape), &path.display().to_string())?;
    let size = reader.output_buffer_size().filter(|&size| size <= LIMIT).ok_or_else(|| {
        IoError::content(path.display().to_string(), format!("{width} × {height} pixels are too many"), "cut it up")
    })?;
    let mut bytes = vec![0; size];
    reader.next_frame(&mut bytes).map_err(|e| broken(path, e))?;
    let sample = |bytes: &[u8], index: usize| match wide {
        true => f32::from(u16::from_be_bytes([bytes[2 * index], bytes[2 * index + 1]])) / f32::from(u16::MAX),
        false => f32::from(bytes[index]) / f32::from(u8::MAX),
    };
    let pixel = samples * if wide { 2 } else { 1 };
    for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(pixel)) {
        *value = match samples {
            1 | 2 => sample(bytes, 0),
            _ => (0..3).map(|channel| LUMINANCE[channel] * sample(bytes, channel)).sum(),
        };
    }
    let values = ArrayD::from_shape_vec(IxDyn(&shape), values)
        .map_err(|e| IoError::damaged(path, format!("{width} × {height} pixels: {e}")))?;
    Ok((values, if wide { ">u2" } else { "|u1" }.into()))
}

fn broken(path: &Path, error: DecodingError) -> IoError {
    match error {
        DecodingError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => IoError::system(path, "read", e),
        other => IoError::damaged(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::{ColorType, Encoder};

    fn write(colour: ColorType, depth: BitDepth, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let mut encoder = Encoder::new(File::create(&path).unwrap(), 2, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette(vec![0, 0, 0, 255, 255, 255]);
        }
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn every_kind_of_picture_is_luminance_from_zero_to_one() {
        for (colour, depth, bytes, expected) in [
            (ColorType::Grayscale, BitDepth::Eight, &[0, 51][..], [0.0, 0.2]),
            (ColorType::Grayscale, BitDepth::Sixteen, &[0xff, 0xff, 0x33, 0x33], [1.0, 0.2]),
            (ColorType::Grayscale, BitDepth::One, &[0b0100_0000], [0.0, 1.0]),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, &[255, 0, 51, 255], [1.0, 0.2]),
            (ColorType::Rgb, BitDepth::Eight, &[255, 0, 0, 51, 51, 51], [0.2126, 0.2]),
            (ColorType::Rgba, BitDepth::Eight, &[0, 255, 0, 9, 0, 0, 255, 0], [0.7152, 0.0722]),
            (ColorType::Indexed, BitDepth::Eight, &[1, 0], [1.0, 0.0]),
        ] {
            let (_folder, path) = write(colour, depth, bytes);
            let (values, _) = read(&path).unwrap();
            assert_eq!(values.shape(), [1, 2]);
            assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{colour:?} {values}");
        }
    }

    #[test]
    fn damaged_pictures_are_errors_that_name_them() {
        let (_folder, path) = write(ColorType::Grayscale, BitDepth::Eight, &[0, 51]);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() - 12 {
            std::fs::write(&path, &whole[..length]).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("a.png"), "{message}");
        }
    }
}
