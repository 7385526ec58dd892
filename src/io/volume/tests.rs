use super::*;
use crate::io::{Grid, finite_or_error};
use hdf5::types::FixedAscii;

fn values() -> ArrayD<f32> {
    ArrayD::from_shape_fn(IxDyn(&[6, 2, 3, 4]), |i| (i[0] * 1000 + i[1] * 100 + i[2] * 10 + i[3]) as f32)
}

/// The same values in every storage and type that other programs use.
fn foreign() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.h5");
    let file = hdf5::File::create(&path).unwrap();
    let values = values();
    let chunk = [2, 1, 3, 4];
    file.new_dataset_builder().with_data(&values).create("contiguous").unwrap();
    file.new_dataset_builder().with_data(&values).chunk(chunk).create("chunked").unwrap();
    file.new_dataset_builder().with_data(&values).chunk(chunk).shuffle().deflate(6).create("deep/gzip").unwrap();
    file.new_dataset_builder().with_data(&values.mapv(f64::from)).create("f64").unwrap();
    file.new_dataset_builder().with_data(&values.mapv(|v| v as i16)).create("i16").unwrap();
    file.new_dataset_builder().with_data(&values.mapv(|v| v as u64)).create("u64").unwrap();
    (folder, path)
}

#[test]
fn every_type_and_storage_reads_alike() {
    let (_folder, path) = foreign();
    for name in ["contiguous", "/chunked", "deep/gzip", "f64", "i16", "u64"] {
        let spec = format!("{}:{name}", path.display());
        assert_eq!(read(&spec).unwrap(), values(), "{name}");
        let rows = Rows::open(&spec).unwrap();
        assert_eq!(rows.gather(&[5, 0, 1, 1]).unwrap(), values().select(ndarray::Axis(0), &[5, 0, 1, 1]));
        assert_eq!(rows.axis_labels(), ["", "", "", ""]);
        assert_eq!(rows.grid(2), Grid::of_pixels(&[3, 4]));
    }
}

/// As netCDF writes them: the scale's own name is that of the axis; of two axes of one name one has its dataset's in front.
#[test]
fn axes_are_called_as_their_scales() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("netcdf.h5");
    let file = hdf5::File::create(&path).unwrap();
    let data = file.new_dataset_builder().with_data(&values()).create("y").unwrap();
    for (axis, (name, size)) in [("draw", 6), ("y_row", 2), ("group/time", 3)].into_iter().enumerate() {
        let scale = file.new_dataset::<f64>().shape(size).create(name).unwrap();
        hdf::make_scale(&scale, "another name").unwrap();
        hdf::put_text(&scale, "long_name", if name == "y_row" { "row" } else { "Time of day" }).unwrap();
        hdf::attach_scale(&data, axis, &scale).unwrap();
    }
    drop((data, file));
    let rows = Rows::open(&format!("{}:/y", path.display())).unwrap();
    assert_eq!(rows.axis_labels(), ["draw", "row", "time", ""]);
    assert_eq!(rows.axis("draw"), Some(0));
}

#[test]
fn slabs_of_every_axis_make_up_the_whole() {
    let (_folder, path) = foreign();
    for name in ["contiguous", "chunked"] {
        let rows = Rows::open(&format!("{}:/{name}", path.display())).unwrap();
        for axis in 0..4 {
            for memory in [0, 400, 1 << 20] {
                let slabs: Vec<_> = rows.slabs(axis, memory).map(|slab| slab.unwrap()).collect();
                let one = values().len() / values().shape()[axis] * 4;
                assert!(slabs.iter().all(|(range, slab)| slab.len() * 4 <= memory || range.len() == 1));
                assert_eq!(slabs.len() == 1, memory / one >= values().shape()[axis]);
                let views: Vec<_> = slabs.iter().map(|(_, slab)| slab.view()).collect();
                assert_eq!(ndarray::concatenate(ndarray::Axis(axis), &views).unwrap(), values());
            }
        }
    }
}

#[test]
fn errors_name_the_file_and_what_is_there() {
    let (folder, path) = foreign();
    let message = |spec: &str| read(spec).unwrap_err().to_string();
    let place = path.display().to_string();
    let absent = message(&format!("{place}:/absent"));
    assert!(absent.contains("absent") && absent.contains("deep/gzip") && absent.contains(&place), "{absent}");
    let several = message(&place);
    assert!(several.contains("name one, as"), "{several}");
    let missing = message("/nowhere/a.h5:/x");
    assert!(missing.contains("/nowhere/a.h5") && missing.contains("check the path"), "{missing}");
    assert!(message(&folder.path().display().to_string()).contains("cannot"));
    let text = folder.path().join("text.h5");
    std::fs::write(&text, "no hdf5").unwrap();
    assert!(message(&text.display().to_string()).contains("no HDF5"));
    let rows = Rows::open(&format!("{place}:/chunked")).unwrap();
    assert!(rows.rows(4..7).unwrap_err().to_string().contains("has shape"));
    assert!(rows.slab(4, 0..1).is_err());
    assert!(rows.gather(&[6]).is_err());
    assert!(rows.gather(&[usize::MAX]).is_err());
}

#[test]
fn text_and_complex_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).unwrap();
    let text = vec![FixedAscii::<4>::from_ascii("ab").unwrap(); 3];
    file.new_dataset_builder().with_data(&text).create("text").unwrap();
    file.new_dataset_builder().with_data(&[true, false]).create("flags").unwrap();
    file.new_dataset::<f32>().shape(hdf5::Extents::Null).create("empty").unwrap();
    file.close().unwrap();
    for name in ["text", "flags"] {
        let message = read(&format!("{}:/{name}", path.display())).unwrap_err().to_string();
        assert!(message.contains("not real numbers"), "{message}");
    }
    let message = read(&format!("{}:/empty", path.display())).unwrap_err().to_string();
    assert!(message.contains("is an empty dataset"), "{message}");
}

#[test]
fn a_shape_larger_than_memory_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).unwrap();
    let chunk = [1, 1 << 10];
    file.new_dataset::<f32>().chunk(chunk).shape([1 << 40, 1 << 20]).create("x").unwrap();
    file.close().unwrap();
    let spec = path.display().to_string();
    assert!(read(&spec).unwrap_err().to_string().contains("free memory"));
    let rows = Rows::open(&spec).unwrap();
    assert_eq!(rows.rows(1 << 39..(1 << 39) + 2).unwrap().shape(), [2, 1 << 20]);
}

#[test]
fn formats_that_are_held_are_read_in_part_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("A.PNG");
    let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 3, 2);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[0, 51, 102, 153, 204, 255]).unwrap();
    let rows = Rows::open(&path.display().to_string()).unwrap();
    assert_eq!((rows.shape(), rows.type_name().as_str()), (&[2, 3][..], "|u1"));
    assert_eq!(rows.read_box(&[1..2, 1..3]).unwrap(), ndarray::array![[0.8, 1.0]].into_dyn());
    assert!(rows.read_box(&[1..3, 0..1]).is_err() && rows.read_box(&[0..1, 0..3, 0..1]).is_err());
    std::fs::write(folder.path().join("a.nii.gz"), b"nothing").unwrap();
    let message = Rows::open(&folder.path().join("a.nii.gz").display().to_string()).unwrap_err().to_string();
    assert!(message.contains("a.nii.gz") && message.contains("damaged"), "{message}");
}

#[test]
fn the_first_bad_value_is_named() {
    let mut values = values();
    finite_or_error(values.view(), "a").unwrap();
    values[[2, 1, 0, 3]] = f32::NAN;
    values[[3, 0, 0, 0]] = f32::INFINITY;
    let message = finite_or_error(values.view(), "file.h5:/x").unwrap_err().to_string();
    assert!(message.contains("NaN at index [2, 1, 0, 3]") && message.starts_with("file.h5:/x"), "{message}");
    let (_folder, path) = foreign();
    let rows = Rows::open(&format!("{}:/f64", path.display())).unwrap();
    let part = values.slice(ndarray::s![1..4, .., .., ..]);
    let message = rows.finite_or_error(1, part.as_slice().unwrap()).unwrap_err().to_string();
    assert!(message.contains("f64: value NaN at index [2, 1, 0, 3]"), "{message}");
    rows.finite_or_error(0, &[0.0; 24]).unwrap();
}

#[test]
fn specifications_are_split_at_the_last_colon() {
    assert_eq!(split("a.h5:/x/y"), ("a.h5", Some("/x/y")));
    assert_eq!(split("a.h5:x"), ("a.h5", Some("x")));
    assert_eq!(split("a.h5"), ("a.h5", None));
    assert_eq!(split("a.h5:/"), ("a.h5:/", None));
}
