//! Volumes of NIfTI-1, `.nii` and `.nii.gz`: the format of neuroimaging (Cox et al. 2004; the header is described at
//! nifti.nimh.nih.gov).
//!
//! The header has 348 bytes: `dim` at 40, `datatype` at 70, `vox_offset` at 108, `scl_slope` and `scl_inter` at 112 and
//! 116, `magic` at 344. Either byte order; which one shows in the first number, 348 itself. Values are
//! slope · stored + inter unless the slope is zero.

use super::element::Element;
use super::error::{IoError, Result};
use super::limits::{buffer, elements};
use flate2::bufread::MultiGzDecoder;
use ndarray::{ArrayD, IxDyn};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

const HEADER: usize = 348;
/// Bytes read at once, whole numbers of any type.
const PIECE: usize = 1 << 16;

/// Reads a volume, `[volume, plane, row, column]` without leading axes of one entry, and the type of its numbers.
pub fn read(path: &Path) -> Result<(ArrayD<f32>, String)> {
    let file = File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let mut file = BufReader::new(file);
    let start = file.fill_buf().map_err(|e| IoError::system(path, "read", e))?;
    if start.starts_with(&[0x1f, 0x8b]) { volume(path, MultiGzDecoder::new(file)) } else { volume(path, file) }
}

fn volume(path: &Path, mut from: impl Read) -> Result<(ArrayD<f32>, String)> {
    let mut bytes = [0; HEADER];
    fill(path, &mut from, &mut bytes)?;
    let header = Header::parse(path, &bytes)?;
    // Between header and values stand extensions, which nobody reads.
    let gap = header.offset - HEADER as u64;
    let skipped = std::io::copy(&mut from.by_ref().take(gap), &mut std::io::sink());
    if skipped.map_err(|e| broken(path, e))? < gap {
        return Err(IoError::damaged(path, "ends before its values begin"));
    }
    let mut values = buffer(elements(&header.shape), &path.display().to_string())?;
    let size = header.element.size();
    let mut bytes = vec![0; PIECE];
    for piece in values.chunks_mut(PIECE / size) {
        let bytes = &mut bytes[..piece.len() * size];
        fill(path, &mut from, bytes)?;
        for (value, bytes) in piece.iter_mut().zip(bytes.chunks_exact(size)) {
            *value = header.scaled(header.element.decode(bytes));
        }
    }
    let values = ArrayD::from_shape_vec(IxDyn(&header.shape), values)
        .map_err(|e| IoError::damaged(path, format!("shape {:?}: {e}", header.shape)))?;
    Ok((values, header.element.to_string()))
}

fn fill(path: &Path, from: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    from.read_exact(bytes).map_err(|e| broken(path, e))
}

/// A file that ends early or does not decompress is damaged; anything else is the disk.
fn broken(path: &Path, error: std::io::Error) -> IoError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => IoError::damaged(path, "ends before its last value"),
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => {
            IoError::damaged(path, format!("does not decompress: {error}"))
        }
        _ => IoError::system(path, "read", error),
    }
}

struct Header {
    /// Slowest axis first.
    shape: Vec<usize>,
    element: Element,
    offset: u64,
    slope: f32,
    inter: f32,
}

impl Header {
    fn parse(path: &Path, bytes: &[u8; HEADER]) -> Result<Self> {
        let content = |what: String, remedy: &str| IoError::content(path.display().to_string(), what, remedy);
        let two = |at: usize| [bytes[at], bytes[at + 1]];
        let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let big_endian = match (u32::from_le_bytes(four(0)), u32::from_be_bytes(four(0))) {
            (348, _) => false,
            (_, 348) => true,
            (540, _) | (_, 540) => return Err(content("is NIfTI-2".into(), "save it as NIfTI-1")),
            _ => return Err(IoError::damaged(path, "is no NIfTI file, or its beginning is damaged")),
        };
        match &bytes[344..348] {
            b"n+1\0" => {}
            b"ni1\0" => {
                return Err(content(
                    "keeps its values in a second file".into(),
                    "save it as one file, .nii or .nii.gz",
                ));
            }
            _ => return Err(content("is an Analyze file or damaged".into(), "save it as NIfTI-1")),
        }
        let short = |at: usize| if big_endian { i16::from_be_bytes(two(at)) } else { i16::from_le_bytes(two(at)) };
        let float = |at: usize| if big_endian { f32::from_be_bytes(four(at)) } else { f32::from_le_bytes(four(at)) };
        let letters = match short(70) {
            2 => "u1",
            4 => "i2",
            8 => "i4",
            16 => "f4",
            64 => "f8",
            256 => "i1",
            512 => "u2",
            768 => "u4",
            1024 => "i8",
            1280 => "u8",
            other => {
                return Err(content(
                    format!("holds numbers of NIfTI type {other}, which are not real"),
                    "save it as float32 or an integer type",
                ));
            }
        };
        let order = if big_endian { '>' } else { '<' };
        let element = Element::parse(&format!("{order}{letters}"))
            .ok_or_else(|| IoError::damaged(path, format!("numbers of type {letters}")))?;
        let rank = usize::try_from(short(40)).ok().filter(|rank| (1..=7).contains(rank));
        let rank = rank.ok_or_else(|| IoError::damaged(path, format!("claims {} axes", short(40))))?;
        let sizes = (1..=rank).rev().map(|axis| usize::try_from(short(40 + 2 * axis)).ok().filter(|&size| size > 0));
        let shape: Vec<usize> =
            sizes.collect::<Option<_>>().ok_or_else(|| IoError::damaged(path, "has an axis without entries"))?;
        let single = shape.iter().take_while(|&&size| size == 1).count().min(rank - 1);
        let offset = float(108);
        if !(offset >= HEADER as f32 && offset < 1e9) {
            return Err(IoError::damaged(path, format!("its values begin at byte {offset}")));
        }
        let (slope, inter) = (float(112), float(116));
        if !(slope.is_finite() && (inter.is_finite() || slope == 0.0)) {
            return Err(IoError::damaged(path, format!("its values are scaled by {slope} and shifted by {inter}")));
        }
        Ok(Header { shape: shape[single..].to_vec(), element, offset: offset as u64, slope, inter })
    }

    fn scaled(&self, stored: f64) -> f32 {
        if self.slope == 0.0 {
            return stored as f32;
        }
        (f64::from(self.slope) * stored + f64::from(self.inter)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// A volume of 2 planes, 3 rows, 4 columns with the values 0, 1, 2, …, as i16.
    fn example(big_endian: bool, slope: f32, inter: f32) -> Vec<u8> {
        let mut header = vec![0; 352];
        let short = |v: i16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let float = |v: f32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let size = if big_endian { 348u32.to_be_bytes() } else { 348u32.to_le_bytes() };
        header[..4].copy_from_slice(&size);
        for (axis, size) in [4, 4, 3, 2, 1].into_iter().enumerate() {
            header[40 + 2 * axis..][..2].copy_from_slice(&short(size));
        }
        header[70..72].copy_from_slice(&short(4));
        header[108..112].copy_from_slice(&float(352.0));
        header[112..116].copy_from_slice(&float(slope));
        header[116..120].copy_from_slice(&float(inter));
        header[344..348].copy_from_slice(b"n+1\0");
        (0..24).for_each(|v| header.extend(short(v)));
        header
    }

    fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn either_byte_order_scaled_and_compressed() {
        for (big_endian, slope, inter) in [(false, 0.0, 7.0), (true, 0.0, 0.0), (false, 0.5, -3.0), (true, 2.0, 1.0)] {
            let bytes = example(big_endian, slope, inter);
            let mut gz = GzEncoder::new(Vec::new(), Compression::default());
            gz.write_all(&bytes).unwrap();
            for (name, bytes) in [("a.nii", bytes), ("a.nii.gz", gz.finish().unwrap())] {
                let (_folder, path) = write(name, &bytes);
                let (values, kind) = read(&path).unwrap();
                assert_eq!((values.shape(), &kind[1..]), (&[2, 3, 4][..], "i2"));
                let expected = |v: f32| if slope == 0.0 { v } else { slope * v + inter };
                assert!(values.iter().enumerate().all(|(i, &v)| v == expected(i as f32)));
            }
        }
    }

    #[test]
    fn damaged_and_foreign_files_are_errors_that_name_them() {
        let whole = example(false, 0.0, 0.0);
        for length in [0, 3, 200, 347, 350, 352, whole.len() - 1] {
            let (_folder, path) = write("a.nii", &whole[..length]);
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("a.nii") && message.contains("damaged"), "{length}: {message}");
        }
        for (at, bytes, part) in [
            (0, &[0x1c, 2, 0, 0][..], "NIfTI-2"),
            (344, b"ni1\0", "second file"),
            (70, &[32, 0], "NIfTI type 32"),
            (40, &[9, 0], "9 axes"),
            (42, &[0, 0], "axis without entries"),
            (108, &[0; 4], "begin at byte 0"),
            (112, &f32::NAN.to_le_bytes(), "scaled by NaN"),
            (42, &[0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f], "free memory"),
        ] {
            let mut bytes_of = whole.clone();
            bytes_of[at..at + bytes.len()].copy_from_slice(bytes);
            let (_folder, path) = write("a.nii", &bytes_of);
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("a.nii") && message.contains(part), "{message}");
        }
    }
}
