use super::*;
use crate::random::{Purpose, stream};
use ndarray::{IxDyn, array};
use ndarray_npy::write_npy;
use std::collections::BTreeSet;

fn config(path: &Path, shape: &[usize]) -> FilesConfig {
    FilesConfig {
        path: path.into(),
        shape: shape.to_vec(),
        dataset: None,
        range: None,
        flips: false,
        transposes: false,
        dither: Some(1e-4),
    }
}

fn numbered(shape: &[usize], first: usize) -> ArrayD<f32> {
    let mut next = first as f32;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || (next, next += 1.0).0)
}

fn draw(prior: &Files, part: Part, index: u64) -> Vec<i64> {
    prior.sample_part(part, &mut stream(1, Purpose::Prior, index)).iter().map(|v| v.round() as i64).collect()
}

#[test]
fn parts_are_cut_everywhere_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_npy(&path, &numbered(&[3, 4], 0)).unwrap();
    let prior = Files::new(&config(&path, &[2, 3])).unwrap();
    assert_eq!(prior.shape(), [1, 2, 3]);
    let seen: BTreeSet<_> = (0..60).map(|index| draw(&prior, Part::Training, index)).collect();
    let expected = [0, 1, 4, 5].map(|c| vec![c, c + 1, c + 2, c + 4, c + 5, c + 6]);
    assert_eq!(seen, BTreeSet::from(expected));
}

/// Of a NIfTI series [time, plane, row, column] planes and times count images where these have two axes.
#[test]
fn planes_and_times_of_a_nifti_series_are_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series.nii");
    let mut bytes = vec![0u8; 352];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    for (axis, size) in [4i16, 3, 2, 5, 6].into_iter().enumerate() {
        bytes[40 + 2 * axis..][..2].copy_from_slice(&size.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&4i16.to_le_bytes());
    bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    (0..180i16).for_each(|v| bytes.extend(v.to_le_bytes()));
    std::fs::write(&path, bytes).unwrap();
    let planes = Files::new(&config(&path, &[2, 3])).unwrap();
    assert_eq!((planes.shape(), planes.images.len()), (vec![1, 2, 3], 30));
    assert_eq!(planes.images[29].iter().map(|&v| v as i64).collect::<Vec<_>>(), (174..180).collect::<Vec<_>>());
    assert_eq!(Files::new(&config(&path, &[5, 2, 3])).unwrap().shape(), [1, 5, 2, 3]);
}

/// A change of these numbers changes every data set ever cut out of files.
#[test]
fn a_stream_gives_the_same_part_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_npy(&path, &numbered(&[20, 30, 30], 0)).unwrap();
    let prior = Files::new(&FilesConfig { flips: true, transposes: true, ..config(&path, &[2, 2]) }).unwrap();
    assert_eq!(draw(&prior, Part::Training, 4711), [4325, 4355, 4324, 4354]);
    assert_eq!(draw(&prior, Part::Test, 4711), [16925, 16955, 16924, 16954]);
}

#[test]
fn flips_and_transposes_give_all_the_symmetries_of_a_square() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_npy(&path, &array![[0.0f32, 1.0], [2.0, 3.0]]).unwrap();
    let prior = Files::new(&FilesConfig { flips: true, transposes: true, ..config(&path, &[2, 2]) }).unwrap();
    let seen: BTreeSet<_> = (0..200).map(|index| draw(&prior, Part::Test, index)).collect();
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn the_dither_has_its_size_and_a_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_npy(&path, &numbered(&[100, 100], 0)).unwrap();
    for (dither, expected) in [(Some(0.2), 0.2), (None, 9999.0 / 256.0)] {
        let prior = Files::new(&FilesConfig { dither, ..config(&path, &[100, 100]) }).unwrap();
        let x = prior.sample(&mut stream(1, Purpose::Prior, 0)).mapv(f64::from);
        let noise = x.iter().enumerate().map(|(i, x)| (x - i as f64).powi(2)).sum::<f64>() / 1e4;
        assert!((noise.sqrt() / expected - 1.0).abs() < 0.03, "{noise}");
    }
}

#[test]
fn one_hot_pixel_does_not_decide_the_dither() {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..10 {
        let mut values = numbered(&[8, 8], 0).mapv(|v| v / 63.0);
        if file == 0 {
            values[[3, 4]] = 1e4;
        }
        write_npy(folder.path().join(format!("{file}.npy")), &values).unwrap();
    }
    let prior = Files::new(&FilesConfig { dither: None, ..config(folder.path(), &[8, 8]) }).unwrap();
    assert!((prior.white_noise() * 256.0 - 1.0).abs() < 1e-4, "{}", prior.white_noise());
}

#[test]
fn values_are_mapped_to_a_range_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, values) in [("a.npy", array![[10.0f32, 30.0]]), ("b.npy", array![[-1.0, 0.0]])] {
        write_npy(folder.path().join(name), &values).unwrap();
    }
    let prior = Files::new(&FilesConfig { range: Some([5.0, 9.0]), ..config(folder.path(), &[1, 2]) }).unwrap();
    assert!((0..9).all(|index| draw(&prior, Part::Training, index) == [5, 9]));
}

#[test]
fn sets_share_no_file_and_use_all_of_them() {
    for counts in [vec![1; 3], vec![1; 10], vec![2; 29], vec![1; 40], vec![7], vec![100], vec![3, 4]] {
        let parts = parts(&counts);
        let all: usize = counts.iter().sum();
        let sets: Vec<BTreeSet<usize>> = parts.iter().map(|part| part.iter().copied().collect()).collect();
        assert!(sets.iter().all(|set| !set.is_empty()), "{counts:?}");
        assert!(sets[2].is_disjoint(&sets[0]) && sets[2].is_disjoint(&sets[1]), "{counts:?}: {parts:?}");
        assert_eq!(sets.iter().flatten().collect::<BTreeSet<_>>().len(), all);
        let files = counts.len();
        if files != 2 {
            assert!(sets[0].is_disjoint(&sets[1]), "{counts:?}: {parts:?}");
            let groups = if files > 1 { files } else { all };
            assert_eq!(sets[2].len(), (groups / 10).max(1) * all / groups);
        }
    }
    assert_eq!(parts(&[1]), [vec![0], vec![0], vec![0]]);
    assert_eq!(parts(&[20])[2], [18, 19], "the last images of a single file");
}

#[test]
fn stacks_channels_and_planes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_npy(&path, &numbered(&[5, 2, 3, 3], 0)).unwrap();
    for (shape, whole) in [(vec![3, 3], vec![2, 3, 3]), (vec![2, 3, 3], vec![1, 2, 3, 3])] {
        let prior = Files::new(&config(&path, &shape)).unwrap();
        assert_eq!((prior.shape(), prior.images.len()), (whole, 5));
        assert_eq!(draw(&prior, Part::Test, 0), (72..90).collect::<Vec<_>>());
    }
}

#[test]
fn datasets_are_named_and_folders_may_mix_formats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).unwrap();
    for (name, first) in [("a", 10), ("b", 20)] {
        let values = numbered(&[1, 2], first).into_dimensionality::<ndarray::Ix2>().unwrap();
        file.new_dataset_builder().with_data(&values).create(name).unwrap();
    }
    file.close().unwrap();
    let named = FilesConfig { dataset: Some("b".into()), ..config(folder.path(), &[1, 2]) };
    assert_eq!(draw(&Files::new(&named).unwrap(), Part::Test, 0), [20, 21]);
    let error = Files::new(&config(&path, &[1, 2])).map(drop).unwrap_err().to_string();
    assert!(error.contains("a.h5") && error.contains("a, b"), "{error}");
    let absent = FilesConfig { dataset: Some("c".into()), ..named.clone() };
    assert!(Files::new(&absent).map(drop).unwrap_err().to_string().contains("no dataset \"c\""));
    let mut png = png::Encoder::new(std::fs::File::create(folder.path().join("b.PNG")).unwrap(), 2, 1);
    png.set_color(png::ColorType::Grayscale);
    png.write_header().unwrap().write_image_data(&[0, 255]).unwrap();
    let mixed = Files::new(&named).unwrap();
    assert_eq!((draw(&mixed, Part::Test, 0), draw(&mixed, Part::Training, 0)), (vec![20, 21], vec![0, 1]));
}

#[test]
fn errors_name_the_file_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, values: &ArrayD<f32>| {
        write_npy(folder.path().join(name), values).unwrap();
        folder.path().join(name)
    };
    let good = put("a.npy", &numbered(&[2, 1, 4, 4], 0));
    let refuse = |config: FilesConfig, parts: &[&str]| match Files::new(&config) {
        Ok(_) => panic!("{config:?} should be refused"),
        Err(error) => {
            let error = error.to_string();
            parts.iter().for_each(|part| assert!(error.contains(part), "no {part:?} in {error}"));
        }
    };
    refuse(config(&folder.path().join("none"), &[2, 2]), &["none", "check the path"]);
    let empty = tempfile::tempdir().unwrap();
    refuse(config(empty.path(), &[2, 2]), &["holds no", ".nii.gz", "pattern"]);
    refuse(config(&good, &[5, 2]), &["a.npy", "[4, 4] pixels", "[5, 2]", "smaller shape"]);
    refuse(FilesConfig { transposes: true, ..config(&good, &[2, 5]) }, &["a.npy", "transposes"]);
    refuse(config(&good, &[4]), &["a.npy", "[2, 1, 4, 4]", "1 to 3 axes"]);
    refuse(config(&good, &[0, 2]), &["shape", "none zero"]);
    refuse(FilesConfig { range: Some([1.0, 1.0]), ..config(&good, &[2, 2]) }, &["range", "least first"]);
    refuse(FilesConfig { dither: Some(0.0), ..config(&good, &[2, 2]) }, &["dither", "density"]);
    let constant = put("constant.npy", &ArrayD::zeros(IxDyn(&[4, 4])));
    refuse(FilesConfig { dither: None, ..config(&constant, &[2, 2]) }, &["dither", "equal"]);
    refuse(FilesConfig { range: Some([0.0, 1.0]), ..config(&constant, &[2, 2]) }, &["constant.npy", "range"]);
    let mut bad = numbered(&[4, 4], 0);
    bad[[2, 1]] = f32::NAN;
    refuse(config(&put("nan.npy", &bad), &[2, 2]), &["nan.npy", "NaN", "[2, 1]"]);
    std::fs::remove_file(folder.path().join("nan.npy")).unwrap();
    put("b.npy", &numbered(&[2, 3, 4, 4], 0));
    refuse(config(folder.path(), &[2, 2]), &["b.npy", "3 channels", "a.npy has 1"]);
    std::fs::write(folder.path().join("c.png"), b"no picture").unwrap();
    refuse(config(&folder.path().join("*.png"), &[2, 2]), &["c.png", "damaged"]);
}
