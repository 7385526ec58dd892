//! What bad input gets: a message that names file, key, value and remedy, and nothing lost.

use crate::{fail, problem, succeed, text};
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
    refuse("batch = 8", "batch = 0", &["problem.toml, line 36", "training.batch = 0", "positive"]);
    refuse("sigma = 0.1", "sigma = -0.1", &["problem.toml, line 14", "noise.sigma = -0.1"]);
    refuse("sigma = 1.0", "sigma = -1.0", &["sigma", "-1"]);
    refuse("shape = [8, 8]", "shape = [8, 0]", &["shape", "[8, 0]"]);
    refuse("shape = [8, 8]", "shape = [8, 9]", &["width 9", "divisible by 2"]);
    refuse("kind = \"circular-blur\"", "kind = \"blurr\"", &["blurr", "circular-blur"]);
    refuse("seed = 3", "seed = three", &["line 3"]);
    refuse("scales = 1", "scales = 70", &["problem", "scales = 70"]);
    refuse("scales = 1", "scales = 5", &["problem", "height 8", "divisible by 32"]);
    refuse("seed = 3", "seed = 9999999999999999999", &["line 3"]);
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
        assert!(!out.exists() && !dir.path().join("out.h5.partial").exists(), "{observations}: something is left");
    };
    refuse(text(&file("a.npy", &[3, 1, 8, 7], None)), &[], &["a.npy", "[3, 1, 8, 7]", "[1, 8, 8]"]);
    refuse(text(&file("b.npy", &[2, 1, 8, 8], Some(f32::NAN))), &[], &["b.npy", "NaN", "[0, 0, 7, 7]"]);
    let good = file("c.npy", &[2, 1, 8, 8], None);
    refuse(text(&good), &["--truth", text(&file("d.npy", &[3, 1, 8, 8], None))], &["true images", "[3, 1, 8, 8]"]);
    refuse(text(&good), &["--draws", "1"], &["draws", "two draws"]);
    refuse(text(&good), &["--batch", "0"], &["batch", "0"]);
    refuse(text(&good), &["--quantiles", "1.5"], &["1.5", "between 0 and 1"]);
    refuse("absent.h5", &[], &["absent.h5", "check the path"]);
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
