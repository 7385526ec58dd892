//! Files as the world hands them over: truncated, with flipped bits, written and read by h5py.

use ndarray::{ArrayD, Axis as Dimension, IxDyn, s};
use posteria::io::Quantity;
use posteria::io::{
    Axis, Channel, Grid, IoError, Kind, Layout, NoiseTag, Pairs, PairsInfo, PairsWriter, Precision, Provenance,
    ResultWriter, Rows, inspect, volume,
};
use posteria::posterior::dataset::reduce_dataset;
use posteria::random::{Purpose, stream};
use rand::RngExt;
use std::path::Path;
use std::process::Command;

/// Bytes of the seal at the end of a file.
const SEAL: usize = 116;

fn counting(shape: &[usize]) -> ArrayD<f32> {
    let size = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..size).map(|i| i as f32).collect()).unwrap()
}

fn grid() -> Grid {
    Grid::new(vec![Axis::new("depth", 3, 12.5, "m"), Axis::new("distance", 4, 25.0, "m")])
}

fn write_shard(folder: &Path) -> std::path::PathBuf {
    let info = PairsInfo {
        x: Quantity { name: "velocity".into(), unit: "m/s".into(), channels: vec![], grid: grid() },
        noise: NoiseTag::None,
        provenance: Provenance { problem: "seed = 5\n# π\n".into(), seed: (1 << 63) + 5, version: "0.1.0".into() },
        ..PairsInfo::default()
    };
    let writer = PairsWriter::create(folder, info).unwrap();
    writer.write_shard(0, counting(&[4, 1, 3, 4]).view(), counting(&[4, 12]).view()).unwrap();
    writer.shard_path(0)
}

fn read_all(path: &Path) -> Result<(ArrayD<f32>, ArrayD<f32>), IoError> {
    Pairs::open(path).and_then(|pairs| pairs.read(&(0..pairs.len()).collect::<Vec<_>>()))
}

/// Truncates, flips a bit, or overwrites a stretch; every fifth time in the seal.
fn damage(bytes: &mut Vec<u8>, case: u64) {
    let mut rng = stream(11, Purpose::Diagnostic, case);
    let at = if case.is_multiple_of(5) {
        rng.random_range(bytes.len() - SEAL..bytes.len())
    } else {
        rng.random_range(0..bytes.len())
    };
    match case % 3 {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << rng.random_range(0..8),
        _ => {
            let end = (at + rng.random_range(1..64)).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte ^= rng.random_range(1..=255u8));
        }
    }
}

#[test]
fn five_hundred_damaged_sealed_files_give_errors_or_the_right_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_shard(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let right = read_all(&path).unwrap();
    for case in 0..500 {
        let mut bytes = whole.clone();
        damage(&mut bytes, case);
        std::fs::write(&path, &bytes).unwrap();
        match read_all(&path) {
            Ok(_) => panic!("case {case}: damage was not seen"),
            Err(e) => assert!(e.to_string().contains("pairs-00000.h5"), "case {case}: {e}"),
        }
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(read_all(&path).unwrap() == right);
}

#[test]
fn damaged_foreign_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.h5");
    let file = hdf5::File::create(&path).unwrap();
    let values = counting(&[8, 1, 16, 16]);
    file.new_dataset_builder().with_data(&values).chunk([1, 1, 16, 16]).shuffle().deflate(4).create("x").unwrap();
    let y = file.new_dataset_builder().with_data(&values).create("y").unwrap();
    let text: hdf5::types::VarLenUnicode = "none".parse().unwrap();
    for name in ["noise", "units", "DIMENSION_LABELS", "CLASS"] {
        y.new_attr::<hdf5::types::VarLenUnicode>().shape(()).create(name).unwrap().write_scalar(&text).unwrap();
    }
    drop(y);
    file.close().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut errors = 0;
    for case in 0..400 {
        let mut bytes = whole.clone();
        damage(&mut bytes, case);
        std::fs::write(&path, &bytes).unwrap();
        let described = inspect(&path);
        match read_all(&path) {
            Ok((x, y)) => assert_eq!(x.len_of(Dimension(0)), y.len_of(Dimension(0))),
            Err(e) => {
                assert!(e.to_string().contains("foreign.h5"), "case {case}: {e}");
                errors += 1;
            }
        }
        if let Err(e) = described {
            assert!(e.to_string().contains("foreign.h5"), "case {case}: {e}");
        }
    }
    assert!(errors > 150, "only {errors} of 400 damaged files gave an error");
}

#[test]
fn a_sealed_file_rewritten_without_its_seal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_shard(folder.path());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - SEAL]).unwrap();
    let message = read_all(&path).unwrap_err().to_string();
    assert!(message.contains("no seal") && message.contains("attribute `posteria`"), "{message}");
    // The attribute by which netCDF's programs tell their files.
    let file = hdf5::File::open_rw(&path).unwrap();
    file.new_attr::<i32>().shape(()).create("_NCProperties").unwrap().write_scalar(&1).unwrap();
    file.close().unwrap();
    assert!(read_all(&path).is_ok());
}

/// Files of version 0.1.0: the seal in front, labels beside scales, the axis of records called as the dataset.
#[test]
fn files_of_the_first_version_are_read_with_the_same_numbers() {
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/0.1.0").join(name);
    let pairs = Pairs::open(file("pairs.h5")).unwrap();
    assert_eq!((pairs.len(), pairs.x_shape(), pairs.info().provenance.seed), (6, &[1, 8, 8][..], 3));
    let axes = [Axis::new("depth", 8, 12.5, "m"), Axis::new("distance", 8, 25.0, "m")];
    assert_eq!((pairs.info().x.unit.as_str(), &pairs.info().x.grid.axes[..]), ("m/s", &axes[..]));
    let (x, _) = pairs.read(&[0]).unwrap();
    let posterior = |name: &str| Rows::open(&format!("{}:/{name}", file("posterior.h5").display())).unwrap();
    assert_eq!(posterior("truth").rows(0..1).unwrap(), x);
    assert_eq!(posterior("samples").axis_labels(), ["observation", "draw", "channel", "depth", "distance"]);
    assert_eq!(posterior("mean").grid(2).axes, axes);
    let sum: f64 = posterior("mean").read().unwrap().iter().map(|&v| f64::from(v)).sum();
    assert!((sum + 33.716_259_839_944_54).abs() < 1e-4, "{sum}");
    assert!(inspect(&file("posterior.h5")).unwrap().contains("seal: valid"));
}

/// Whether python3 has these modules; where it has not, the test says that it is skipped.
fn python_with(modules: &str) -> bool {
    let found = Command::new("python3").args(["-c", &format!("import {modules}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: python3 with {modules} is not installed");
    }
    found
}

fn python(script: &str, arguments: &[&Path]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new("python3").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn h5py_reads_what_we_write() {
    if !python_with("h5py, numpy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shard = write_shard(folder.path());
    let posterior = folder.path().join("posterior.h5");
    let mut writer = ResultWriter::create(&posterior, Kind::Posterior, &Provenance::default()).unwrap();
    writer.coordinates("level", &[0.05, 0.5, 0.95], "1");
    let quantity = Quantity { name: "velocity".into(), unit: "m/s".into(), channels: vec![], grid: grid() };
    let layout = |labels| Layout { labels, quantity: quantity.clone(), ..Layout::default() };
    writer.dataset("mean", &[1, 3, 4], &layout(&["record", "channel"])).unwrap();
    writer.dataset("quantiles", &[3, 1, 3, 4], &layout(&["record", "level", "channel"])).unwrap();
    for i in 0..2 {
        let mean = counting(&[2, 1, 3, 4]);
        writer.append("mean", mean.slice(s![i..i + 1, .., .., ..]).into_dyn()).unwrap();
    }
    writer.append("quantiles", counting(&[2, 3, 1, 3, 4]).view()).unwrap();
    writer.finish().unwrap();
    python("reads.py", &[&shard, &posterior]);
}

/// By its default engine, h5netcdf and netCDF4: names, coordinates and units of every axis; the draws through ArviZ.
#[test]
fn xarray_opens_what_we_write() {
    if !python_with("xarray, netCDF4, h5netcdf, arviz") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shard = write_shard(folder.path());
    let posterior = folder.path().join("posterior.h5");
    let mut writer = ResultWriter::create(&posterior, Kind::Posterior, &Provenance::default()).unwrap();
    writer.coordinates("level", &[0.05, 0.95], "1");
    let quantity = Quantity { name: "velocity".into(), unit: "m/s".into(), channels: vec![], grid: grid() };
    let layout = |labels| Layout { labels, quantity: quantity.clone(), ..Layout::default() };
    let double = Layout { precision: Precision::Double, ..layout(&["record", "channel"]) };
    writer.dataset("mean", &[1, 3, 4], &layout(&["record", "channel"])).unwrap();
    writer.dataset("variance", &[1, 3, 4], &double).unwrap();
    writer.dataset("quantiles", &[2, 1, 3, 4], &layout(&["record", "level", "channel"])).unwrap();
    writer.dataset("samples", &[100, 1, 3, 4], &layout(&["record", "draw", "channel"])).unwrap();
    let channels = ["left", "right"].map(|name| Channel { name: name.into(), unit: "V".into() }).into();
    let times = Grid::new(vec![Axis::new("time", 5, 1e-3, "s")]);
    let quantity = Quantity { name: "voltage".into(), unit: String::new(), channels, grid: times };
    let observed = Layout { labels: &["record", "channel"], quantity, ..Layout::default() };
    writer.dataset("observation", &[2, 5], &observed).unwrap();
    writer.append("mean", counting(&[2, 1, 3, 4]).view()).unwrap();
    let tiny = counting(&[2, 1, 3, 4]).mapv(|v| f64::from(v) * 1e-60);
    writer.append("variance", tiny.view()).unwrap();
    writer.append("quantiles", counting(&[2, 2, 1, 3, 4]).view()).unwrap();
    writer.append("samples", counting(&[2, 100, 1, 3, 4]).view()).unwrap();
    writer.append("observation", counting(&[2, 2, 5]).view()).unwrap();
    writer.finish().unwrap();
    python("netcdf.py", &[&shard, &posterior]);
}

#[test]
fn what_xarray_packs_is_unpacked_with_axes_and_units() {
    if !python_with("numpy, xarray, netCDF4, h5netcdf") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    python("packs.py", &[folder.path()]);
    let expected = counting(&[4, 5, 3, 2]).mapv(|v| 1500.0 + f64::from(v) / 100.0);
    for engine in ["netcdf4", "h5netcdf"] {
        let open = |kind: &str| {
            let path = folder.path().join(format!("{kind}-{engine}.nc"));
            Rows::open(&format!("{}:/v", path.display())).unwrap()
        };
        for rows in [open("plain"), open("packed")] {
            let values = rows.read_box_double(&[0..4, 0..5, 0..3, 0..2]).unwrap();
            assert!(values.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-9), "{engine}");
            assert_eq!(rows.axis_labels(), ["chain", "draw", "z", "y"]);
            let axes = [Axis::new("z", 3, 0.5, "m").starting_at(-1.0), Axis::new("y", 2, 0.2, "")];
            assert_eq!(rows.grid(2).axes, axes);
            assert_eq!(rows.text("units").unwrap(), "m/s");
            let maps = folder.path().join("maps.h5");
            let counts = reduce_dataset(&rows, None, &[0.5], &maps, 1 << 20, &mut |_| true).unwrap();
            assert_eq!(counts.map(|counts| (counts.draws, counts.not_finite)), Some((20, 0)));
            assert_eq!(Rows::open(&format!("{}:/mean", maps.display())).unwrap().grid(0).axes, axes);
        }
        let maps = folder.path().join("none.h5");
        let message = reduce_dataset(&open("holed"), None, &[], &maps, 1 << 20, &mut |_| true).unwrap_err().to_string();
        assert!(message.contains("[3, 2, 1, 0] is missing") && !maps.exists(), "{message}");
    }
}

#[test]
fn what_h5py_writes_is_read_as_pairs() {
    if !python_with("h5py, numpy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    python("writes.py", &[folder.path()]);
    let (x, y) = (counting(&[6, 1, 3, 4]), counting(&[6, 5]) * 2.0);
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().unwrap() == "npy" {
            assert_eq!(volume::read(&path.display().to_string()).unwrap(), x, "{}", path.display());
            continue;
        }
        let (read_x, read_y) = read_all(&path).unwrap();
        assert!(read_x == x && read_y == y, "{}", path.display());
        let text = inspect(&path).unwrap();
        assert!(text.contains("seal: none") && text.contains("x [6, 1, 3, 4]"), "{text}");
        files += 1;
    }
    assert_eq!(files, 16);
    assert_eq!(Pairs::open(folder.path().join("*64.h5")).unwrap().len(), 18);
    let described = Pairs::open(folder.path().join("described.h5")).unwrap();
    assert!(described.clean());
    let x = &described.info().x;
    assert_eq!((x.name.as_str(), x.unit.as_str()), ("velocity", "m/s"));
    assert_eq!(x.grid.axes, [Axis::new("depth", 3, 10.0, "m"), Axis::new("column", 4, 20.0, "m")]);
    assert_eq!(described.info().y.unit, "");
    assert_eq!(described.info().provenance, Provenance::default());
}
