//! Arrays of numpy's own format, `.npy`, read box by box: any integer or floating-point type, either byte order, C or
//! Fortran layout.

use super::element::{Element, Float};
use super::error::{IoError, Result};
use super::limits::buffer;
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::npy::header::Header;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A header of numpy has some hundred bytes; one that claims more is damaged.
const HEADER_LIMIT: usize = 1 << 16;
/// Nested brackets in a header of plain numbers: the shape, and no more.
const BRACKETS: usize = 8;

/// An open npy file.
#[derive(Debug)]
pub struct Npy {
    path: PathBuf,
    file: Mutex<File>,
    data: u64,
    shape: Vec<usize>,
    fortran: bool,
    element: Element,
}

impl Npy {
    /// Reads the header and holds the size of the file against it.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| IoError::system(path, "open", e))?;
        let length = file.metadata().map_err(|e| IoError::system(path, "read", e))?.len();
        let mut reader = BufReader::new(&file);
        check_header_is_small(&mut reader).map_err(|what| IoError::damaged(path, what))?;
        let header =
            Header::from_reader(&mut reader).map_err(|e| IoError::damaged(path, format!("npy header: {e}")))?;
        let data = reader.stream_position().map_err(|e| IoError::system(path, "read", e))?;
        let descriptor = header.type_descriptor.as_string().map(String::as_str).unwrap_or("a structure");
        let element = Element::parse(descriptor).ok_or_else(|| {
            IoError::content(
                path.display().to_string(),
                format!("holds {descriptor:?}, not real numbers"),
                "save it with numpy as float32",
            )
        })?;
        let elements = header.shape.iter().try_fold(1u64, |n, &s| n.checked_mul(s as u64));
        let needed = elements.and_then(|n| n.checked_mul(element.size() as u64)).and_then(|n| n.checked_add(data));
        if needed.is_none_or(|needed| needed > length) {
            return Err(IoError::damaged(
                path,
                format!("shape {:?} does not fit into its {length} bytes", header.shape),
            ));
        }
        drop(reader);
        Ok(Self {
            path: path.into(),
            file: Mutex::new(file),
            data,
            fortran: header.layout.is_fortran() && header.shape.len() > 1,
            shape: header.shape,
            element,
        })
    }

    /// The shape in numpy's order.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type as numpy writes it.
    pub fn type_name(&self) -> String {
        self.element.to_string()
    }

    /// Reads a box, one range an axis, into `out` in standard layout.
    pub fn read_box<T: Float>(&self, ranges: &[Range<usize>], out: &mut [T]) -> Result<()> {
        if !self.fortran {
            return self.read_standard(&self.shape, ranges, out);
        }
        // A Fortran array is a standard one with its axes reversed.
        let reversed = |values: &[usize]| values.iter().rev().copied().collect::<Vec<_>>();
        let ranges: Vec<_> = ranges.iter().rev().cloned().collect();
        let sizes: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
        let mut block = buffer(out.len(), &self.path.display().to_string())?;
        self.read_standard(&reversed(&self.shape), &ranges, &mut block)?;
        let block = ArrayD::from_shape_vec(IxDyn(&sizes), block)
            .map_err(|e| IoError::content(self.path.display().to_string(), e.to_string(), "name another box"))?;
        out.iter_mut().zip(block.reversed_axes().iter()).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    /// Reads a box of an array in standard layout, run by contiguous run.
    fn read_standard<T: Float>(&self, shape: &[usize], ranges: &[Range<usize>], out: &mut [T]) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        // Axes behind `split` are whole, so a run of the axis at `split` is contiguous in the file.
        let whole = ranges.iter().zip(shape).rev().take_while(|(range, size)| range.len() == **size).count();
        let split = ranges.len().saturating_sub(whole + 1);
        let behind: usize = shape.iter().skip(split + 1).product();
        let run = ranges.get(split).map_or(1, ExactSizeIterator::len) * behind;
        let mut bytes = vec![0; run * self.element.size()];
        let mut index: Vec<usize> = ranges.iter().map(|range| range.start).collect();
        for run in out.chunks_mut(run) {
            let place = index.iter().zip(shape).fold(0, |place, (i, size)| place * size + i);
            self.fill(place, &mut bytes)?;
            for (value, bytes) in run.iter_mut().zip(bytes.chunks_exact(self.element.size())) {
                *value = self.element.decode(bytes);
            }
            for axis in (0..split).rev() {
                index[axis] += 1;
                if index[axis] < ranges[axis].end {
                    break;
                }
                index[axis] = ranges[axis].start;
            }
        }
        Ok(())
    }

    fn fill(&self, element: usize, bytes: &mut [u8]) -> Result<()> {
        // A thread that panicked while holding the lock left only a file position behind, which is set anew here.
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = self.data + (element * self.element.size()) as u64;
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(bytes))
            .map_err(|e| IoError::system(&self.path, "read", e))
    }
}

/// The parser of the header allocates what the length says and recurses into brackets: both are bounded here first.
fn check_header_is_small(reader: &mut BufReader<&File>) -> std::result::Result<(), String> {
    let mut start = Vec::new();
    reader.by_ref().take(HEADER_LIMIT as u64).read_to_end(&mut start).map_err(|e| e.to_string())?;
    reader.rewind().map_err(|e| e.to_string())?;
    if !start.starts_with(b"\x93NUMPY") || start.len() < 12 {
        return Err("is no npy file, or its beginning is damaged".into());
    }
    let length = match start[6] {
        1 => 10 + usize::from(u16::from_le_bytes([start[8], start[9]])),
        _ => (u32::from_le_bytes([start[8], start[9], start[10], start[11]]) as usize).saturating_add(12),
    };
    let header = start.get(..length).ok_or("npy header: longer than the file or than any of numpy")?;
    match header.iter().filter(|byte| b"([{".contains(byte)).count() {
        0..=BRACKETS => Ok(()),
        _ => Err("npy header: too many brackets".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray_npy::WriteNpyExt;

    #[test]
    fn boxes_of_either_layout() {
        let folder = tempfile::tempdir().unwrap();
        let array = ArrayD::from_shape_fn(IxDyn(&[3, 4, 5]), |i| (100 * i[0] + 10 * i[1] + i[2]) as f64);
        for (name, fortran) in [("c.npy", false), ("f.npy", true)] {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            if fortran {
                let mut other = ArrayD::zeros(ndarray::ShapeBuilder::f(IxDyn(&[3, 4, 5])));
                other.assign(&array);
                other.write_npy(file).unwrap();
            } else {
                array.write_npy(file).unwrap();
            }
            let npy = Npy::open(&path).unwrap();
            assert_eq!(npy.fortran, fortran);
            for ranges in
                [[0..3, 0..4, 0..5], [1..2, 0..4, 0..5], [0..3, 1..3, 2..4], [2..3, 3..4, 0..5], [0..3, 2..2, 0..5]]
            {
                let view = array.slice_each_axis(|axis| ranges[axis.axis.index()].clone().into());
                let mut out = vec![0.0; view.len()];
                npy.read_box(&ranges, &mut out).unwrap();
                let expected: Vec<f32> = view.iter().map(|&v| v as f32).collect();
                assert_eq!(out, expected, "{name} {ranges:?}");
            }
        }
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        ArrayD::<f32>::zeros(IxDyn(&[4, 4])).write_npy(File::create(&path).unwrap()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let message = Npy::open(&path).unwrap_err().to_string();
            assert!(message.contains("a.npy"), "{message}");
        }
        let mut deep = b"\x93NUMPY\x01\x00\x00\x80".to_vec();
        deep.extend(vec![b'('; 0x7fff]);
        deep.push(b'\n');
        std::fs::write(&path, deep).unwrap();
        assert!(Npy::open(&path).unwrap_err().to_string().contains("brackets"));
    }
}
