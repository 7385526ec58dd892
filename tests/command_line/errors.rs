//! What bad input gets: a message that names file, key, value and remedy, and nothing lost.

use crate::{fail, posteria, problem, succeed, text};
use ndarray::{ArrayD, IxDyn};
use std::path::Path;

fn says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "no {part:?} in: {message}"));
}

#[test]
fn a_problem_file_is_held_to_its_keys_and_values() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let refuse = |from: &str, to: &str, parts: &[&str]| {
        let path = problem(dir.path(), &[(from, to)]);
        says(&fail(&["run", text(&path), "--out", text(&out)]), parts);
        assert!(!out.exists(), "{to}: a folder was made for a problem that cannot be");
    };
    refuse("\nsteps = 40", "\nstepps = 40", &["problem.toml", "line 35", "unknown field `stepps`", "`steps`"]);
    refuse("batch = 8", "batch = 0", &["problem.toml, line 36", "training.batch = 0", "a million"]);
    refuse("sigma = 0.1", "sigma = -0.1", &["problem.toml, line 14", "noise.sigma = -0.1"]);
    refuse("sigma = 1.0", "sigma = -1.0", &["sigma", "-1"]);
    refuse("shape = [8, 8]", "shape = [8, 0]", &["shape", "[8, 0]"]);
    refuse("shape = [8, 8]", "shape = [8, 9]", &["width 9", "divisible by 2"]);
    refuse("kind = \"circular-blur\"", "kind = \"blurr\"", &["blurr", "circular-blur"]);
    refuse("seed = 3", "seed = three", &["line 3"]);
    refuse("coverage_90 = { least = 2.0 }", "coverage_90 = 0.9", &["expected bounds such as { least"]);
    refuse("seed = 3", "seed = 3\ny = 5", &["line 4", "expected a table"]);
    refuse("seed = 3", "seed = 3\ny = ['pressure', 'Pa']", &["line 4", "`y` is a table"]);
    refuse("[noise]", "[[noise]]", &["line 13", "`noise` is a table"]);
    refuse("coverage_90 = { least = 2.0 }", "coverage_90 = [0.8, 0.9]", &["`coverage_90` is a table"]);
    refuse("kind = \"circular-blur\"\nsigma = 1.0", "", &["missing field `kind`"]);
    refuse("name = \"small\"", "name = \"sm\\nall\"", &["line 1", "name = sm\\nall", "control characters"]);
    refuse("name = \"small\"", &format!("name = \"{}\"", "s".repeat(101)), &["line 1", "100 bytes"]);
    refuse("scales = 1", "scales = 70", &["problem", "scales = 70"]);
    refuse("scales = 1", "scales = 5", &["problem", "height 8", "divisible by 32"]);
    refuse("seed = 3", "seed = 9999999999999999999", &["line 3"]);
    refuse("hidden = 8", "hidden = 100000", &["hidden = 100000", "8192"]);
    refuse("shape = [8, 8]", "shape = [100000, 100000]", &["shape", "[100000, 100000]", "too large"]);
    refuse("validation_pairs = 16", "validation_pairs = 9000000000000", &["training.validation_pairs", "a million"]);
    refuse("coverage_90 = { least = 2.0 }", "covrage_90 = { least = 2.0 }", &["covrage_90", "coverage_90", "line 50"]);
    refuse("latent_norm = { least = 0.1", "latent_norm = { least = 20.1", &["latent_norm", "the least first"]);
    refuse("[quick.training]\nsteps", "[quick.training]\nstep", &["[quick]", "step"]);
    let path = problem(dir.path(), &[]);
    says(&fail(&["run", text(&path), "--full", "--out", text(&out)]), &["problem.toml", "no [full] table", "--full"]);
    says(&fail(&["run", text(&dir.path().join("absent"))]), &["absent", "problem.toml"]);
}

#[test]
fn a_folder_of_another_problem_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    succeed(&["simulate", text(&problem(dir.path(), &[])), "--out", text(&out)]);
    let other = problem(dir.path(), &[("sigma = 0.1", "sigma = 0.2")]);
    says(&fail(&["run", text(&other), "--out", text(&out)]), &["another problem", "noise.sigma", "--out"]);
    says(&fail(&["run", text(&problem(dir.path(), &[])), "--out", "/dev/null/run"]), &["/dev/null/run", "cannot"]);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = problem(dir.path(), &[]);
    let mine = dir.path().join("mine");
    std::fs::create_dir_all(mine.join("figures")).unwrap();
    std::fs::write(mine.join("figures/thesis.pdf"), "years of work").unwrap();
    for out in [&mine, &path] {
        says(&fail(&["run", text(&path), "--out", text(out)]), &["holds files and is no run", "--out"]);
        says(&fail(&["run", text(&path), "--quick", "--out", text(out)]), &["holds files and is no run"]);
    }
    assert!(mine.join("figures/thesis.pdf").exists() && !mine.join("lock").exists());
    assert_eq!(std::fs::read_to_string(path.join("problem.toml")).unwrap(), crate::PROBLEM);

    // Inputs are never outputs, and outputs are plain files.
    let draws = dir.path().join("draws.npy");
    ndarray_npy::write_npy(&draws, &ArrayD::<f32>::zeros(IxDyn(&[4, 3]))).unwrap();
    let whole = std::fs::read(&draws).unwrap();
    let same = dir.path().join("mine/../draws.npy");
    says(&fail(&["stats", text(&draws), "-o", text(&same)]), &["draws.npy", "is read from"]);
    for place in ["/dev/null", text(&mine)] {
        says(&fail(&["stats", text(&draws), "-o", place]), &[place, "no plain file"]);
    }
    says(&fail(&["stats", text(&draws), "-o", text(&mine.join("absent/a.h5"))]), &["absent", "make it first"]);
    assert!(whole == std::fs::read(&draws).unwrap());
}

/// What is whole of a run is described; what is not is the error.
#[test]
fn a_run_with_a_damaged_part_is_still_described() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    succeed(&["run", text(&problem(dir.path(), &[])), "--out", text(&run)]);
    std::fs::write(run.join("model/model.safetensors"), "nothing").unwrap();
    let output = posteria().args(["inspect", text(&run)]).output().unwrap();
    let [said, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert_eq!(output.status.code(), Some(1), "{error}");
    says(&error, &["model", "error: "]);
    says(&said, &["problem small", "6 pairs", "posterior; seal: valid", "log of 4 entries"]);
}

#[test]
fn a_copy_of_the_problem_that_was_changed_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, run) = (problem(dir.path(), &[]), dir.path().join("run"));
    succeed(&["run", text(&path), "--out", text(&run)]);
    let copy = run.join("problem.toml");
    let changed = std::fs::read_to_string(&copy).unwrap().replacen("sigma = 0.1", "sigma = 0.5", 1);
    std::fs::write(&copy, &changed).unwrap();
    for command in ["sample", "diagnose"] {
        says(&fail(&[command, text(&run)]), &["noise.sigma", "changed after its model"]);
    }
    // The same change in the original: the folder agrees with it, its model does not.
    let path = problem(dir.path(), &[("sigma = 0.1", "sigma = 0.5")]);
    says(&fail(&["run", text(&path), "--out", text(&run)]), &["noise.sigma", "changed after its model"]);
}

#[test]
fn two_at_a_time_in_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (path, run) = (problem(dir.path(), &[]), dir.path().join("run"));
    let lock = posteria::problem::RunFolder::new(&run).lock().unwrap();
    says(&fail(&["run", text(&path), "--out", text(&run)]), &["another posteria", "--out"]);
    drop(lock);
    succeed(&["simulate", text(&path), "--out", text(&run)]);
}

#[test]
fn options_that_would_be_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    succeed(&["run", text(&problem(dir.path(), &[])), "--out", text(&run)]);
    says(&fail(&["sample", text(&run), "--draws", "9"]), &["posterior.h5", "-o"]);
    says(&fail(&["diagnose", text(&run), "--pairs", "3"]), &["diagnostics.json", "-o"]);
    says(&fail(&["plot", text(&run), "-o", text(dir.path())]), &["for files"]);
    let posterior = run.join("posterior.h5");
    says(&fail(&["diagnose", text(&posterior), "--draws", "3"]), &["for runs"]);
    let before = std::fs::read(run.join("diagnostics.json")).unwrap();
    let other = dir.path().join("other.json");
    succeed(&["diagnose", text(&run), "--pairs", "3", "--draws", "19", "-o", text(&other)]);
    assert!(other.exists() && before == std::fs::read(run.join("diagnostics.json")).unwrap());
}

#[test]
fn devices_that_are_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = problem(dir.path(), &[]);
    let refuse = |device: &str, parts: &[&str]| says(&fail(&["run", text(&path), "--device", device]), parts);
    refuse("tpu", &["tpu", "no such device"]);
    refuse("cuda:x", &["cuda:x", "no number"]);
    refuse("flex:3", &["flex:3"]);
    refuse("cuda:99", &["cuda:99"]);
}

#[test]
fn models_and_observations_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let (run, out) = (dir.path().join("run"), dir.path().join("out.h5"));
    succeed(&["run", text(&problem(dir.path(), &[])), "--out", text(&run)]);
    let file = |name: &str, shape: &[usize], bad: Option<f32>| {
        let path = dir.path().join(name);
        let mut values = ArrayD::<f32>::zeros(IxDyn(shape));
        if let (Some(bad), Some(last)) = (bad, values.iter_mut().last()) {
            *last = bad;
        }
        ndarray_npy::write_npy(&path, &values).unwrap();
        path
    };
    let refuse = |observations: &str, more: &[&str], parts: &[&str]| {
        let arguments = [&["sample", text(&run), observations, "-o", text(&out)], more].concat();
        says(&fail(&arguments), parts);
        assert!(
            !out.exists() && !dir.path().join(".out.h5.posteria.partial").exists(),
            "{observations}: something is left"
        );
    };
    refuse(text(&file("a.npy", &[3, 1, 8, 7], None)), &[], &["a.npy", "[3, 1, 8, 7]", "[1, 8, 8]"]);
    refuse(text(&file("b.npy", &[2, 1, 8, 8], Some(f32::NAN))), &[], &["b.npy", "NaN", "[1, 0, 7, 7]"]);
    let good = file("c.npy", &[2, 1, 8, 8], None);
    refuse(text(&good), &["--truth", text(&file("d.npy", &[3, 1, 8, 8], None))], &["true images", "[3, 1, 8, 8]"]);
    refuse(text(&good), &["--draws", "1"], &["draws", "two draws"]);
    refuse(text(&good), &["--batch", "0"], &["batch", "0"]);
    refuse(text(&good), &["--quantiles", "1.5"], &["1.5", "between 0 and 1"]);
    refuse("absent.h5", &[], &["absent.h5", "check the path"]);
    // What a run is made of is no place for results, and a file is called what it is.
    for part in ["model/model.safetensors", "posterior.h5", "training.jsonl"] {
        let part = run.join(part);
        let before = std::fs::read(&part).unwrap();
        says(&fail(&["sample", text(&run), text(&good), "-o", text(&part)]), &["belongs to the run", "elsewhere"]);
        assert!(before == std::fs::read(&part).unwrap());
    }
    let npy = dir.path().join("out.npy");
    says(&fail(&["sample", text(&run), text(&good), "-o", text(&npy)]), &["out.npy", "is called .h5 or .hdf5"]);
    assert!(!npy.exists());
    let posterior = run.join("posterior.h5");
    refuse(&format!("{}:/nothing", posterior.display()), &[], &["posterior.h5", "nothing", "mean"]);
    says(&fail(&["sample", text(dir.path())]), &["no trained model", "runs/deblur"]);
    says(&fail(&["diagnose", text(&run.join("model"))]), &["a model, not a run"]);
    says(&fail(&["stats", text(&good), "-o", text(&out), "--draw-axis", "7"]), &["draw-axis", "7"]);
    says(&fail(&["inspect", text(&dir.path().join("absent.h5"))]), &["absent.h5"]);
    says(&fail(&["plot", text(Path::new("/dev/null"))]), &["/dev/null"]);
}

#[test]
fn training_pairs_that_are_missing_or_too_few() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let stored = [("source = \"on-the-fly\"", "source = \"stored\"")];
    let path = problem(dir.path(), &stored);
    says(&fail(&["train", text(&path), "--out", text(&out)]), &["pairs/training", "posteria simulate"]);
    succeed(&["simulate", text(&path), "--out", text(&out)]);
    for shard in ["pairs-00000.h5", "pairs-00001.h5"] {
        std::fs::remove_file(out.join("pairs/training").join(shard)).unwrap();
    }
    std::fs::write(
        out.join("pairs/training/pairs-00002.h5"),
        std::fs::read(out.join("pairs/test/pairs-00000.h5")).unwrap(),
    )
    .unwrap();
    says(&fail(&["train", text(&path), "--out", text(&out)]), &["6 pairs", "needs 8"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_the_standard_output_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let array = dir.path().join("a.npy");
    ndarray_npy::write_npy(&array, &ndarray::Array1::<f32>::ones(9)).unwrap();
    for arguments in [&["inspect", text(&array)][..], &["--help"], &["--version"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output =
            std::process::Command::new(posteria().get_program()).args(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    }
    // Who closes a pipe has seen enough.
    let script = "\"$0\" inspect \"$1\" | true";
    let mut shell = std::process::Command::new("bash");
    shell.args(["-o", "pipefail", "-c", script]).arg(posteria().get_program()).arg(&array);
    let output = shell.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn of_many_runs_in_one_folder_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let (path, out) = (problem(dir.path(), &[]), dir.path().join("run"));
    let start = || {
        let mut command = std::process::Command::new(posteria().get_program());
        command.args(["simulate", text(&path), "--out", text(&out)]);
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    for _ in 0..5 {
        let _ = std::fs::remove_dir_all(&out);
        let all: Vec<_> = (0..8).map(|_| start()).collect();
        let mut done = 0;
        for child in all {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            done += usize::from(output.status.success());
            assert!(output.status.success() || said.contains("another posteria is working in"), "{said}");
        }
        assert!(done > 0);
    }
}
