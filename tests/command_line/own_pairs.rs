//! Pairs that somebody else's simulator wrote: no prior, no operator.

use crate::{fail, posteria, succeed, text};
use ndarray::{ArrayD, IxDyn};
use posteria::io::{NoiseTag, Pairs, PairsInfo, PairsWriter, volume};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROBLEM: &str = r#"name = "mine"
seed = 3

[pairs]
training = "pairs.h5"

[network]
scales = 1
steps = 2

[network.conditioner]
hidden = 8

[training]
steps = 20
batch = 8
warm_up = 5
validation_pairs = 16
validate_every = 10
checkpoint_every = 10

[evaluation]
pairs = 6
draws = 24
observations = 2
kept_draws = 5
"#;

pub fn problem(folder: &Path, replacements: &[(&str, &str)]) -> PathBuf {
    let text = replacements.iter().fold(PROBLEM.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the problem");
        text.replacen(from, to, 1)
    });
    let path = folder.join("problem.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Numbers that are different in every place.
pub fn numbers(shape: &[usize]) -> ArrayD<f32> {
    let size: usize = shape.iter().product();
    let value = |i: usize| ((i * 7919 + i / 64) % 1009) as f32 / 500.0 - 1.0;
    ArrayD::from_shape_vec(IxDyn(shape), (0..size).map(value).collect()).unwrap()
}

/// A file with what `fill` puts in it. A program that another test starts meanwhile inherits the lock of a file that is
/// open here, for as long as it runs; a copy has none.
fn written(path: &Path, fill: impl FnOnce(&hdf5::File)) {
    let draft = path.with_extension("draft");
    let file = hdf5::File::create(&draft).unwrap();
    fill(&file);
    file.close().unwrap();
    let _ = std::fs::remove_file(path);
    std::fs::copy(&draft, path).unwrap();
    std::fs::remove_file(&draft).unwrap();
}

/// Files without seal, labels or attributes, as anybody writes them.
pub fn bare(path: &Path, datasets: &[(&str, ArrayD<f32>)]) {
    written(path, |file| {
        for (name, values) in datasets {
            file.new_dataset_builder().with_data(values).create(*name).unwrap();
        }
    });
}

/// The lines of the documentation that write pairs. Says so where there is no Python with h5py.
fn written_by_python(folder: &Path) -> bool {
    let readme = include_str!("../../problems/own_data/README.md");
    let lines = readme.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(lines.lines().filter(|line| !line.is_empty()).count() <= 20);
    let python = || Command::new("python3");
    if !python().args(["-c", "import h5py, numpy"]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 with h5py and numpy is not installed");
        return false;
    }
    let lines = lines.replace("samples, size = 2000, 16", "samples, size = 120, 16");
    let output = python().args(["-c", &lines]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[test]
fn twenty_lines_of_python_train_sample_and_plot() {
    let dir = tempfile::tempdir().unwrap();
    if !written_by_python(dir.path()) {
        return;
    }
    let run = dir.path().join("run");
    let path = problem(dir.path(), &[]);
    succeed(&["train", text(&path), "--out", text(&run)]);
    // From here on the run stands alone.
    std::fs::remove_file(dir.path().join("pairs.h5")).unwrap();
    succeed(&["sample", text(&run)]);
    let printed = succeed(&["diagnose", text(&run)]);
    assert!(printed.contains("coverage_90") && !printed.contains("kl_gap_nats"), "{printed}");
    succeed(&["plot", text(&run)]);
    let rows = posteria::io::Rows::open(&format!("{}:/mean", run.join("posterior.h5").display())).unwrap();
    assert_eq!(rows.shape(), [2, 1, 16, 16]);
    assert_eq!(rows.axis_labels(), ["record", "channel", "depth", "distance"]);
    assert_eq!((rows.text("units").unwrap(), rows.numbers("spacing").unwrap()), ("m/s".into(), vec![10.0, 10.0]));
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("velocity (16 × 16)") && report.contains("signal (16 × 16)"));
    let inspected = succeed(&["inspect", text(&run)]);
    assert!(inspected.contains("6 pairs") && inspected.contains("pairs.h5"), "{inspected}");
}

/// A file that is still being written is not called damaged: whoever deletes it then loses it.
#[test]
fn a_file_that_is_open_elsewhere_is_not_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pairs.h5");
    bare(&path, &[("x", numbers(&[8, 1, 4, 4])), ("y", numbers(&[8, 1, 4, 4]))]);
    let file = std::fs::File::open(&path).unwrap();
    file.lock().unwrap();
    let error = fail(&["inspect", text(&path)]);
    assert!(error.contains("another program") && !error.contains("damaged"), "{error}");
    file.unlock().unwrap();
    succeed(&["inspect", text(&path)]);
}

#[test]
fn the_last_pairs_are_held_out_or_files_of_their_own_are() {
    let dir = tempfile::tempdir().unwrap();
    let (x, y) = (numbers(&[50, 1, 8, 8]), numbers(&[50, 2, 8, 8]).mapv(|v| 3.0 * v));
    bare(&dir.path().join("pairs.h5"), &[("x", x.clone()), ("y", y.clone())]);
    let other = numbers(&[9, 1, 8, 8]).mapv(|v| -v);
    bare(&dir.path().join("test.h5"), &[("x", other.clone()), ("y", numbers(&[9, 2, 8, 8]))]);
    let held_out = |name: &str, path: &Path| {
        let run = dir.path().join(name);
        succeed(&["run", text(path), "--out", text(&run)]);
        Pairs::open(run.join("pairs/test")).unwrap().read(&(0..6).collect::<Vec<_>>()).unwrap()
    };
    let last = |all: &ArrayD<f32>| all.slice_axis(ndarray::Axis(0), (44..50).into()).to_owned();
    assert_eq!(held_out("last", &problem(dir.path(), &[])), (last(&x), last(&y)));
    let own = "training = \"pairs.h5\"\ntest = \"test.h5\"";
    let own = problem(dir.path(), &[("training = \"pairs.h5\"", own)]);
    assert_eq!(held_out("own", &own).0, other.slice_axis(ndarray::Axis(0), (0..6).into()));
    // 50 pairs are 6 for the test, 16 for validation, 28 to train on: three whole batches, and a fourth is too many.
    problem(dir.path(), &[("batch = 8", "batch = 28")]);
    succeed(&["train", text(&own), "--out", text(&dir.path().join("just"))]);
    problem(dir.path(), &[("batch = 8", "batch = 29")]);
    let message = fail(&["train", text(&own), "--out", text(&dir.path().join("more"))]);
    for part in ["50 pairs", "6 held out", "evaluation.pairs", "16 for validation", "batch of 29"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn noise_is_added_where_y_says_that_it_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let (x, y) = (numbers(&[64, 1, 8, 8]), numbers(&[64, 1, 8, 8]));
    let noisy = [("\n[network]", "\n[noise]\nsigma = 0.5\n\n[network]")];
    let test = |path: &Path| {
        let run = dir.path().join("run");
        let _ = std::fs::remove_dir_all(&run);
        succeed(&["simulate", text(path), "--out", text(&run)]);
        Pairs::open(run.join("pairs/test")).unwrap().read(&[0, 1, 2, 3, 4, 5]).unwrap().1
    };
    let clean = y.slice_axis(ndarray::Axis(0), (58..64).into()).to_owned();
    let file = dir.path().join("pairs.h5");
    bare(&file, &[("x", x.clone()), ("y", y.clone())]);
    assert_eq!(test(&problem(dir.path(), &[])), clean);
    let message = fail(&["train", text(&problem(dir.path(), &noisy)), "--out", text(&dir.path().join("no"))]);
    assert!(message.contains("pairs.h5") && message.contains("y.attrs[\"noise\"]"), "{message}");
    std::fs::remove_file(&file).unwrap();
    let info = PairsInfo { noise: NoiseTag::None, ..PairsInfo::default() };
    PairsWriter::create(dir.path(), info).unwrap().write_shard(0, x.view(), y.view()).unwrap();
    let folder = [("\"pairs.h5\"", "\"pairs-*.h5\"")];
    assert_eq!(test(&problem(dir.path(), &folder)), clean, "no [noise]: used as it is");
    let path = problem(dir.path(), &[noisy[0], folder[0]]);
    let with = test(&path);
    let variance = with.iter().zip(&clean).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / clean.len() as f32;
    assert!((0.2..0.3).contains(&variance), "{variance}");
    assert_eq!(test(&path), with, "each pair has its noise");
    succeed(&["train", text(&path), "--out", text(&dir.path().join("trained"))]);
}

/// A path is not what lies behind it: a run goes on with the files it was begun with, or not at all.
#[test]
fn files_that_were_changed_since_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pairs.h5");
    let write = |factor: f32| {
        let pairs = numbers(&[60, 1, 8, 8]);
        bare(&file, &[("x", pairs.clone()), ("y", pairs.mapv(|v| factor * v))]);
    };
    let known = dir.path().join("known.h5");
    let mut fixed = ArrayD::from_elem(IxDyn(&[1, 8, 8]), f32::NAN);
    bare(&known, &[("fixed", fixed.clone())]);
    let path = problem(dir.path(), &[("\n[network]", "\n[unknown]\nfixed = \"known.h5:/fixed\"\n\n[network]")]);
    let run = dir.path().join("run");
    let arguments = |command| [command, text(&path), "--out", text(&run)];
    write(1.0);
    succeed(&arguments("train"));
    let copy = std::fs::read(&file).unwrap();
    write(1.5);
    for command in ["train", "simulate", "run"] {
        let message = fail(&arguments(command));
        for part in [text(&run), "other files", "pairs.training", "put it back", "--out"] {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        assert!(!message.contains("unknown.fixed"), "{message}");
    }
    // The model is what it was; put back, by whatever program and at whatever time, the file is the same.
    succeed(&["diagnose", text(&run)]);
    std::fs::write(&file, copy).unwrap();
    succeed(&arguments("run"));
    fixed[[0, 3, 3]] = 0.5;
    bare(&known, &[("fixed", fixed)]);
    let message = fail(&arguments("run"));
    assert!(message.contains("unknown.fixed") && !message.contains("pairs.training"), "{message}");
}

/// (what training files say of their noise, whether noise is added, what test files say) and whether they go together.
#[test]
fn a_set_has_noise_as_the_training_pairs_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, tag: Option<&str>| {
        let path = dir.path().join(name);
        written(&path, |file| {
            file.new_dataset_builder().with_data(&numbers(&[40, 1, 8, 8])).create("x").unwrap();
            let y = file.new_dataset_builder().with_data(&numbers(&[40, 1, 8, 8])).create("y").unwrap();
            if let Some(tag) = tag {
                let text: hdf5::types::VarLenUnicode = tag.parse().unwrap();
                y.new_attr::<hdf5::types::VarLenUnicode>().create("noise").unwrap().write_scalar(&text).unwrap();
            }
        });
        path
    };
    for (training, added, other, fits) in [
        (None, false, None, true),
        (None, false, Some("included"), true),
        (None, false, Some("none"), false),
        (Some("included"), false, Some("none"), false),
        (Some("none"), false, Some("none"), true),
        (Some("none"), false, Some("included"), false),
        (Some("none"), true, Some("none"), true),
        (Some("none"), true, Some("included"), true),
        (Some("none"), true, None, false),
    ] {
        for set in ["test", "validation"] {
            let paths = [write("pairs.h5", training), write("other.h5", other)];
            let named = format!("\"pairs.h5\"\n{set} = \"other.h5\"");
            let noise = if added { "\n[noise]\nsigma = 0.5\n\n[network]" } else { "\n[network]" };
            let path = problem(dir.path(), &[("\"pairs.h5\"", &named), ("\n[network]", noise)]);
            let problem = posteria::problem::Problem::read(&path, posteria::problem::Size::Plain).unwrap();
            match (posteria::problem::Experiment::new(problem), fits) {
                (Ok(_), true) => {}
                (Err(error), false) => {
                    let error = error.to_string();
                    let parts = paths.iter().map(|path| text(path)).chain(["noise"]);
                    parts.for_each(|part| assert!(error.contains(part), "no {part:?} in {error}"));
                }
                (found, _) => panic!("{training:?} {added} {set} {other:?}: {:?}", found.err().map(|e| e.to_string())),
            }
        }
    }
}

/// A record whose unit or step is not that of training is refused, and so are pairs, tests and a problem file
/// that disagree.
#[test]
fn units_and_axes_are_those_of_training() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, count: usize, unit: &str, step: f64| {
        let path = dir.path().join(name);
        written(&path, |file| {
            file.new_dataset_builder().with_data(&numbers(&[count, 1, 8, 8])).create("x").unwrap();
            let y = file.new_dataset_builder().with_data(&numbers(&[count, 1, 8, 8])).create("y").unwrap();
            let text: hdf5::types::VarLenUnicode = unit.parse().unwrap();
            y.new_attr::<hdf5::types::VarLenUnicode>().create("units").unwrap().write_scalar(&text).unwrap();
            y.new_attr_builder().with_data(&[step, 1.0]).create("spacing").unwrap();
        });
        path
    };
    write("pairs.h5", 40, "V", 1e-3);
    let run = dir.path().join("run");
    let problem_of = |replacements: &[(&str, &str)]| problem(dir.path(), replacements);
    succeed(&["train", text(&problem_of(&[])), "--out", text(&run)]);
    let out = dir.path().join("posterior.h5");
    let sample = |file: &Path| ["sample", text(&run), text(file), "-o", text(&out)].map(str::to_owned);
    let same = write("same.h5", 1, "V", 1e-3);
    succeed(&sample(&same).each_ref().map(String::as_str));
    for (unit, step, parts) in [("mV", 1e-3, ["unit is mV", "it is V"]), ("V", 2e-3, ["is 0.002", "it is 0.001"])] {
        let other = write("other.h5", 1, unit, step);
        let message = fail(&sample(&other).each_ref().map(String::as_str));
        parts.iter().for_each(|part| assert!(message.contains(part), "no {part:?} in {message}"));
    }
    let test = write("test.h5", 9, "mV", 1e-3);
    let message = fail(&[
        "train",
        text(&problem_of(&[("\"pairs.h5\"", "\"pairs.h5\"\ntest = \"test.h5\"")])),
        "--out",
        text(&out),
    ]);
    for part in [text(&test), "the unit is mV, in the training pairs it is V"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let message = fail(&[
        "train",
        text(&problem_of(&[("\n[network]", "\n[y]\nunit = \"Pa\"\n\n[network]")])),
        "--out",
        text(&out),
    ]);
    assert!(message.contains("the unit is V, in [y] of the problem file it is Pa"), "{message}");
    let turned = dir.path().join("turned.h5");
    bare(&turned, &[("y", numbers(&[8, 8, 1, 5]))]);
    let message = fail(&sample(&turned).each_ref().map(String::as_str));
    assert!(message.contains("MATLAB and Julia") && message.contains("[5, 1, 8, 8]"), "{message}");
}

#[test]
fn what_is_missing_or_wrong_in_such_files_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pairs.h5");
    let run = dir.path().join("run");
    let refuse = |datasets: &[(&str, ArrayD<f32>)], replacements: &[(&str, &str)], parts: &[&str]| {
        bare(&file, datasets);
        let message = fail(&["train", text(&problem(dir.path(), replacements)), "--out", text(&run)]);
        parts.iter().for_each(|part| assert!(message.contains(part), "no {part:?} in {message}"));
        let _ = std::fs::remove_dir_all(&run);
    };
    let images = |n: usize| numbers(&[n, 1, 8, 8]);
    refuse(&[("x", images(50))], &[], &["no dataset \"y\"", "holds x", "store what is observed", "[sample, channel"]);
    refuse(&[("z", images(50)), ("y", images(50))], &[], &["no dataset \"x\"", "what is inferred"]);
    refuse(&[("x", images(50)), ("y", images(49))], &[], &["x has 50 samples, y has 49"]);
    refuse(&[("x", numbers(&[50])), ("y", images(50))], &[], &["/x", "no axis beside the samples"]);
    refuse(&[("x", numbers(&[50, 1, 2, 2, 2, 2])), ("y", images(50))], &[], &["spatial axes", "0 to 3"]);
    refuse(&[("x", images(50)), ("y", numbers(&[50, 1, 8, 6]))], &[], &["[1, 8, 6]", "extents"]);
    let mut holed = images(50);
    holed[[49, 0, 2, 1]] = f32::NAN;
    refuse(
        &[("x", images(50)), ("y", holed)],
        &[],
        &["in 1 of the pairs (1 to test with)", "pairs.h5, pair 49", "skip ="],
    );
    refuse(
        &[("x", images(50)), ("y", images(50))],
        &[("\"pairs.h5\"", "\"absent.h5\"")],
        &["absent.h5", "check the path"],
    );
    bare(&dir.path().join("test.h5"), &[("x", images(5)), ("y", images(5))]);
    let test = [("\"pairs.h5\"", "\"pairs.h5\"\ntest = \"test.h5\"")];
    refuse(&[("x", images(50)), ("y", images(50))], &test, &["test.h5", "holds 5 pairs", "evaluation.pairs = 5"]);
    bare(&dir.path().join("test.h5"), &[("x", numbers(&[9, 1, 4, 4])), ("y", images(9))]);
    refuse(&[("x", images(50)), ("y", images(50))], &test, &["test.h5", "one x has shape [1, 4, 4]", "[1, 8, 8]"]);
    let operator = [("\n[network]", "\n[operator]\nkind = \"identity\"\n\n[network]")];
    refuse(&[("x", images(50)), ("y", numbers(&[50, 3, 8, 8]))], &operator, &["[operator]", "[3, 8, 8]", "[1, 8, 8]"]);
    // Three spacings for two axes, one, and a negative one.
    for spacing in [&[1.0, 2.0, 3.0][..], &[1.0, -2.0], &[1.0]] {
        written(&file, |odd| {
            let x = odd.new_dataset_builder().with_data(&images(50)).create("x").unwrap();
            x.new_attr_builder().with_data(spacing).create("spacing").unwrap();
            odd.new_dataset_builder().with_data(&images(50)).create("y").unwrap();
        });
        let message = fail(&["train", text(&problem(dir.path(), &[])), "--out", text(&run)]);
        assert!(message.contains("/x: has spacing") && message.contains("and 2 axes behind"), "{message}");
    }
    // Words where numbers belong.
    written(&file, |words| {
        words.new_dataset_builder().with_data(&images(50)).create("x").unwrap();
        let word = hdf5::types::FixedAscii::<4>::from_ascii("word").unwrap();
        words.new_dataset_builder().with_data(&[word; 50]).create("y").unwrap();
    });
    let message = fail(&["train", text(&problem(dir.path(), &[])), "--out", text(&run)]);
    assert!(message.contains("/y: holds text, not real numbers"), "{message}");
}

/// An operator beside the user's pairs gives its adjoint.
#[test]
fn an_operator_may_be_given_beside_the_pairs() {
    let dir = tempfile::tempdir().unwrap();
    bare(&dir.path().join("pairs.h5"), &[("x", numbers(&[60, 1, 8, 8])), ("y", numbers(&[60, 1, 8, 8]))]);
    let more =
        "\n[operator]\nkind = \"circular-blur\"\nsigma = 1.0\n\n[condition]\nsources = [\"adjoint\"]\n\n[network]";
    let path = problem(dir.path(), &[("\n[network]", more)]);
    let run = dir.path().join("run");
    let output = posteria().args(["run", text(&path), "--out", text(&run)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(volume::read(&format!("{}:/mean", run.join("posterior.h5").display())).unwrap().shape(), [2, 1, 8, 8]);
}
