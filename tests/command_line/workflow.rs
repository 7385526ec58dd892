//! From one problem file to everything a run leaves, and the commands on their own.

use crate::{fail, posteria, problem, succeed, text};
use ndarray::{ArrayD, Axis, IxDyn, s};
use posteria::io::volume;
use std::collections::BTreeMap;
use std::path::Path;

fn read(path: &Path, dataset: &str) -> ArrayD<f32> {
    volume::read(&format!("{}:/{dataset}", path.display())).unwrap()
}

fn bytes_of_all_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

#[test]
fn a_run_leaves_everything_and_a_second_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (problem, run) = (problem(dir.path(), &[]), dir.path().join("run"));
    let first = succeed(&["run", text(&problem), "--out", text(&run)]);
    for part in ["kl_gap_nats", "latent_norm", "pass", "coverage_90", "FAIL"] {
        assert!(first.contains(part), "no {part} in {first}");
    }
    let posterior = run.join("posterior.h5");
    assert_eq!(read(&posterior, "mean").shape(), [2, 1, 8, 8]);
    assert_eq!(read(&posterior, "samples").shape(), [2, 5, 1, 8, 8]);
    assert_eq!(read(&posterior, "quantiles").shape(), [2, 3, 1, 8, 8]);
    assert_eq!(read(&posterior, "log_density").shape(), [2]);
    let square = read(&posterior, "standard_deviation").mapv(|s| s * s);
    let variance = read(&posterior, "variance");
    assert!(square.iter().zip(&variance).all(|(a, b)| (a - b).abs() < 1e-5 * b && *b > 0.0));
    let exact = read(&posterior, "exact_standard_deviation");
    assert!(exact.iter().all(|&s| s > 0.0 && s < 1.0));
    let rows = posteria::io::Rows::open(&format!("{}:/mean", posterior.display())).unwrap();
    assert_eq!(rows.axis_labels(), ["record", "channel", "depth", "distance"]);
    assert_eq!((rows.text("units").unwrap(), rows.numbers("spacing").unwrap()), ("m/s".into(), vec![12.5, 25.0]));
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("A small problem") && report.contains("kl_gap_nats") && !report.contains("http://"));

    let before = bytes_of_all_files(&run);
    let second = succeed(&["run", text(&problem), "--out", text(&run)]);
    assert_eq!(first, second);
    assert!(before == bytes_of_all_files(&run), "a finished run was changed");

    let inspected = succeed(&["inspect", text(&run)]);
    for part in
        ["exact posterior: known", "6 pairs", "model; digests: valid", "posterior; seal: valid", "log of 4 entries"]
    {
        assert!(inspected.contains(part), "no {part} in {inspected}");
    }
}

/// Where there is an operator and no exact posterior, the best classical image stands in the file and the figure of a run, and
/// the method that is best on the test pairs in its calibration and report. It is an image of x, in its unit.
#[test]
fn a_posterior_stands_beside_the_best_classical_image() {
    let dir = tempfile::tempdir().unwrap();
    let ellipses = ("kind = \"periodic-gaussian-field\"", "kind = \"ellipses\"\nnumber = [1, 3]\nsize = [0.2, 0.5]");
    let (problem, run) = (problem(dir.path(), &[ellipses, ("sigma = 0.1", "sigma = 0.02")]), dir.path().join("run"));
    succeed(&["run", text(&problem), "--out", text(&run)]);
    let posterior = run.join("posterior.h5");
    let (classical, truth) = (read(&posterior, "classical"), read(&posterior, "truth"));
    let rows = posteria::io::Rows::open(&format!("{}:/classical", posterior.display())).unwrap();
    let method = rows.text("method").unwrap();
    assert_eq!((classical.shape(), rows.text("units").as_deref()), (&[2, 1, 8, 8][..], Some("m/s")));
    let square = |a: &ArrayD<f32>| a.iter().map(|v| v * v).sum::<f32>();
    let centred = &truth - truth.mean().unwrap();
    assert!(square(&(&classical - &truth)) < 0.5 * square(&centred), "{method}: {classical} {truth}");
    let calibration: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("calibration.json")).unwrap()).unwrap();
    let methods = calibration["classical"].as_array().unwrap();
    assert_eq!(methods.len(), 3, "least squares, stopped three times: {methods:?}");
    assert!(methods.iter().any(|m| m["method"] == method.as_str()), "{method} {methods:?}");
    assert!(methods.windows(2).all(|pair| pair[0]["rmse"].as_f64() <= pair[1]["rmse"].as_f64()), "{methods:?}");
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains(&format!("the classical image ({method})")));
    assert!(report.contains(&format!("best first: {}", methods[0]["method"].as_str().unwrap())));
    // Observations of the user's have none: their file costs no more than its draws.
    let (mine, out) = (dir.path().join("y.npy"), dir.path().join("mine.h5"));
    ndarray_npy::write_npy(&mine, &read(&posterior, "observation")).unwrap();
    succeed(&["sample", text(&run), text(&mine), "-o", text(&out), "--draws", "4"]);
    assert!(!posteria::io::Source::open(&out).unwrap().has("classical"));
}

/// y is x in little noise: what is learned from it is more than what is known without it. The model stays what it was.
#[test]
fn what_an_observation_is_worth_is_measured_against_shuffled_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (problem, run) = (problem(dir.path(), &[("steps = 40", "steps = 150")]), dir.path().join("run"));
    let before = succeed(&["run", text(&problem), "--out", text(&run)]);
    assert!(!before.contains("nll_gain_over_shuffled"), "{before}");
    let weights = std::fs::read(run.join("model/model.safetensors")).unwrap();
    succeed(&["train", text(&problem), "--shuffled", "--out", text(&run)]);
    assert!(weights == std::fs::read(run.join("model/model.safetensors")).unwrap());
    assert!(weights != std::fs::read(run.join("shuffled/model/model.safetensors")).unwrap());
    // It is a run of its own, to be watched and drawn.
    let shuffled = run.join("shuffled");
    let watched = posteria().args(["watch", text(&shuffled)]).output().unwrap();
    assert!(watched.status.success() && String::from_utf8_lossy(&watched.stdout).contains("step 150/150"));
    succeed(&["plot", text(&shuffled)]);
    let inspected = succeed(&["inspect", text(&run)]);
    assert_eq!(inspected.matches("log of 15 entries").count(), 2, "{inspected}");
    let after = succeed(&["run", text(&problem), "--out", text(&run)]);
    assert!(run.join("figures/training-shuffled.svg").exists());
    let line = after.lines().find(|line| line.starts_with("nll_gain_over_shuffled")).expect(&after);
    let gain: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(gain > 0.1, "{line}");
}

/// Of one pair there is no other whose observation it could get.
#[test]
fn a_single_pair_cannot_be_shuffled() {
    let dir = tempfile::tempdir().unwrap();
    for (key, from, to) in
        [("batch", "batch = 8", "batch = 1"), ("validation_pairs", "validation_pairs = 16", "validation_pairs = 1")]
    {
        let path = problem(dir.path(), &[(from, to), ("steps = 40", "steps = 40\nlanes = 1")]);
        let error = fail(&["train", text(&path), "--shuffled", "--out", text(&dir.path().join(key))]);
        assert!(error.contains(&format!("training.{key} = 1")) && error.contains("another pair"), "{error}");
    }
}

#[test]
fn another_evaluation_keeps_the_model_and_makes_the_rest_anew() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let path = problem(dir.path(), &[]);
    succeed(&["run", text(&path), "--out", text(&run)]);
    let weights = std::fs::read(run.join("model/model.safetensors")).unwrap();
    problem(dir.path(), &[("draws = 24", "draws = 30"), ("pairs = 6", "pairs = 8")]);
    succeed(&["run", text(&path), "--out", text(&run)]);
    assert!(weights == std::fs::read(run.join("model/model.safetensors")).unwrap());
    let inspected = succeed(&["inspect", text(&run)]);
    assert!(inspected.contains("8 pairs"), "{inspected}");
}

#[test]
fn the_steps_one_by_one_are_the_run_and_its_numbers_follow_from_the_seed() {
    let dir = tempfile::tempdir().unwrap();
    let path = problem(dir.path(), &[("source = \"on-the-fly\"", "source = \"stored\"")]);
    let [whole, steps, other] = ["whole", "steps", "other"].map(|name| dir.path().join(name));
    succeed(&["run", text(&path), "--quick", "--out", text(&whole)]);
    for command in ["simulate", "train"] {
        succeed(&[command, text(&path), "--quick", "--out", text(&steps)]);
    }
    succeed(&["sample", text(&steps)]);
    succeed(&["diagnose", text(&steps)]);
    succeed(&["plot", text(&steps)]);
    let relative = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        let all = bytes_of_all_files(folder).into_iter();
        all.map(|(path, bytes)| (path.replacen(text(folder), "", 1), bytes)).collect()
    };
    let (a, b) = (relative(&whole), relative(&steps));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(b[name] == *bytes, "{name} differs");
    }
    assert!(a.contains_key("/pairs/training/pairs-00002.h5"), "96 pairs in shards of 40");
    succeed(&["run", text(&path), "--quick", "--out", text(&other), "--seed", "4"]);
    assert!(relative(&other)["/model/model.safetensors"] != a["/model/model.safetensors"]);
}

#[test]
fn observations_of_a_user_are_answered_whatever_their_form() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    succeed(&["train", text(&problem(dir.path(), &[])), "--out", text(&run)]);
    succeed(&["simulate", text(&dir.path().join("problem")), "--out", text(&run)]);
    let (x, y) = posteria::io::Pairs::open(run.join("pairs/test")).unwrap().read(&[0, 1, 2]).unwrap();
    let npy = dir.path().join("y.npy");
    let array = |values: &ArrayD<f32>| ndarray_npy::write_npy(&npy, values).unwrap();
    let out = dir.path().join("mine.h5");
    let sample = |more: &[&str]| {
        let arguments = [&["sample", text(&run), text(&npy), "-o", text(&out), "--draws", "20"], more].concat();
        succeed(&arguments);
        read(&out, "mean")
    };
    array(&y);
    let all = sample(&[]);
    assert_eq!(all.shape(), [3, 1, 8, 8]);
    // Without the channel axis, one alone, one without any leading axis: the numbers of the first observation.
    let first = all.slice_axis(Axis(0), (0..1).into()).to_owned();
    for one in [y.slice_axis(Axis(0), (0..1).into()).to_owned(), y.index_axis(Axis(0), 0).to_owned()] {
        array(&one);
        assert_eq!(sample(&[]), first);
        array(&one.into_shape_with_order(IxDyn(&[8, 8])).unwrap());
        assert_eq!(sample(&[]), first);
    }
    array(&y);
    let close = |a: &ArrayD<f32>| a.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(close(&sample(&["--batch", "7"])), "the size of a batch changes nothing but rounding");
    assert!(!close(&sample(&["--seed", "9"])));
    sample(&["--keep", "20", "--quantiles", "0.5"]);
    let samples = read(&out, "samples");
    assert_eq!((samples.shape(), read(&out, "quantiles").shape()), (&[3, 20, 1, 8, 8][..], &[3, 1, 1, 8, 8][..]));
    let mean = samples.mean_axis(Axis(1)).unwrap();
    assert!(close(&mean), "the mean is that of the draws");

    // In another unit: answered, but not without a word.
    let said = |scale: f32, shift: f32| {
        array(&y.mapv(|v| v * scale + shift));
        let output =
            posteria().args(["sample", text(&run), text(&npy), "-o", text(&out), "--draws", "4"]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let plain = said(1.0, 0.0);
    assert!(!plain.contains("warning") && plain.contains("draws/s"), "{plain}");
    for (scale, shift) in [(100.0, 0.0), (1e-4, 0.0), (1.0, 100.0)] {
        let said = said(scale, shift);
        assert!(
            said.contains("warning   3 of 3 observations are unlike") && said.contains("check their unit"),
            "{said}"
        );
    }
    array(&y);
    sample(&["--keep", "20"]);

    // Statistics of the draws by the command that takes anybody's.
    let maps = dir.path().join("maps.h5");
    succeed(&["stats", &format!("{}:/samples", out.display()), "-o", text(&maps), "--memory", "1"]);
    assert!(close(&read(&maps, "mean")));
    let rows = posteria::io::Rows::open(&format!("{}:/mean", maps.display())).unwrap();
    assert_eq!(rows.axis_labels(), ["record", "channel", "depth", "distance"]);
    succeed(&["plot", text(&maps), "-o", text(&dir.path().join("figures"))]);

    // Densities of given images, and the judgement of draws in a file.
    let truth = dir.path().join("x.npy");
    ndarray_npy::write_npy(&truth, &x).unwrap();
    sample(&["--truth", text(&truth), "--keep", "20"]);
    let model = posteria::model::Model::load(&run.join("model"), &burn::tensor::Device::flex()).unwrap();
    let expected = model.log_prob(&x, &y).unwrap();
    for (found, expected) in read(&out, "log_density").iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-2, "{found} {expected}");
    }
    let judged = dir.path().join("judged.json");
    let printed = succeed(&["diagnose", text(&out), "-o", text(&judged)]);
    assert!(printed.contains("coverage_90") && std::fs::read_to_string(&judged).unwrap().contains("rmse_mean"));
    assert!(samples.slice(s![0, .., 0, 0, 0]).iter().any(|&v| v != samples[[0, 0, 0, 0, 0]]));
}

/// Needs Python with h5py; says so where there is none.
#[test]
fn h5py_opens_every_file_that_a_run_and_stats_write() {
    let python = || std::process::Command::new("python3");
    if !python().args(["-c", "import h5py, numpy"]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 with h5py and numpy is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (run, maps) = (dir.path().join("run"), dir.path().join("maps.h5"));
    let path = problem(dir.path(), &[("source = \"on-the-fly\"", "source = \"stored\"")]);
    succeed(&["run", text(&path), "--out", text(&run)]);
    succeed(&["stats", &format!("{}:/samples", run.join("posterior.h5").display()), "-o", text(&maps)]);
    let all = bytes_of_all_files(dir.path());
    let files: Vec<&String> = all.keys().filter(|path| path.ends_with(".h5")).collect();
    assert_eq!(files.len(), 3 + 1 + 1 + 1, "shards of training, of test, the posterior, the maps: {files:?}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/opens.py");
    let output = python().arg(script).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `posteria inspect RUN | head -1`, and a full or closed standard error, end no run.
#[cfg(target_os = "linux")]
#[test]
fn nobody_listening_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let (path, run) = (problem(dir.path(), &[]), dir.path().join("run"));
    let program = posteria().get_program().to_str().unwrap().to_owned();
    let shell = |script: String| {
        let output = std::process::Command::new("bash").args(["-o", "pipefail", "-c", &script]).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    };
    shell(format!("{program} run {} --out {} 2>/dev/full >/dev/null", text(&path), text(&run)));
    shell(format!("{program} inspect {0} {0} {0} {0} | head -1", text(&run)));
    assert!(run.join("report.html").exists());
}

#[test]
fn help_speaks_of_every_command_and_wrong_use_is_code_two() {
    let help = succeed(&["--help"]);
    for command in
        ["new", "check", "run", "simulate", "train", "watch", "sample", "diagnose", "plot", "inspect", "stats"]
    {
        assert!(help.contains(command), "{help}");
        assert!(succeed(&[command, "--help"]).contains("Usage: posteria"), "{command}");
    }
    for wrong in [&["run"][..], &["walk"], &["run", "p", "--quick", "--full"], &["stats", "a.h5"]] {
        assert_eq!(posteria().args(wrong).output().unwrap().status.code(), Some(2), "{wrong:?}");
    }
}
