//! Observations that are unlike those of training are told, and how each is beside them is written.

use crate::{posteria, problem, succeed, text};
use ndarray::{ArrayD, Axis};
use posteria::io::{Pairs, Source, volume};
use std::path::{Path, PathBuf};

/// A trained run of 16×16 pixels, and a few of its test observations.
fn trained(folder: &Path) -> (PathBuf, ArrayD<f32>) {
    let run = folder.join("run");
    let path = problem(folder, &[("shape = [8, 8]", "shape = [16, 16]"), ("steps = 40", "steps = 60")]);
    succeed(&["train", text(&path), "--out", text(&run)]);
    succeed(&["simulate", text(&path), "--out", text(&run)]);
    let (_, y) = Pairs::open(run.join("pairs/test")).unwrap().read(&[0, 1, 2, 3]).unwrap();
    (run, y)
}

/// What `sample` says of observations, and where it wrote them.
fn sampled(run: &Path, y: &ArrayD<f32>) -> (String, PathBuf) {
    let [npy, out] = ["y.npy", "mine.h5"].map(|name| run.with_file_name(name));
    ndarray_npy::write_npy(&npy, y).unwrap();
    let arguments = ["sample", text(run), text(&npy), "-o", text(&out), "--draws", "12", "--batch", "3"];
    let output = posteria().args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (said, out)
}

fn read(path: &Path, dataset: &str) -> Vec<f32> {
    volume::read(&format!("{}:/{dataset}", path.display())).unwrap().into_iter().collect()
}

#[test]
fn an_unlike_record_is_told_and_an_ordinary_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (run, y) = trained(dir.path());
    let (said, out) = sampled(&run, &y);
    assert!(!said.contains("warning") && !said.contains("held out"), "{said}");
    let source = Source::open(&out).unwrap();
    for name in ["misfit_chi2", "misfit_place", "condition_distance", "condition_place"] {
        let rows = source.rows(name).unwrap();
        assert_eq!((rows.shape(), rows.text("units").as_deref()), (&[4][..], Some("1")), "{name}");
        assert_eq!(rows.text("held_out_records").as_deref(), Some("200"), "{name}");
        assert!(rows.text("long_name").is_some_and(|name| name.len() > 20), "{name}");
    }
    assert!(read(&out, "condition_place").iter().chain(&read(&out, "misfit_place")).all(|p| (0.0..=1.0).contains(p)));

    // Of four, the second and the last are disturbed.
    let disturbed = |f: &dyn Fn(usize, f32) -> f32| {
        let mut y = y.clone();
        for i in [1, 3] {
            y.index_axis_mut(Axis(0), i).indexed_iter_mut().for_each(|(at, v)| *v = f(at[2], *v));
        }
        y
    };
    let silent = disturbed(&|column, v| if column % 3 == 1 { 0.0 } else { v });
    let (said, out) = sampled(&run, &silent);
    assert!(said.contains("warning   2 of 4 observations are unlike those of training (1, 3); number 1 has"), "{said}");
    assert!(said.contains("check whether each column was recorded"), "{said}");
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    let place = read(&out, "condition_place");
    assert!(place[1] == 1.0 && place[3] == 1.0 && place[0] < 1.0 && place[2] < 1.0, "{place:?}");
    let noisy = disturbed(&|column, v| v + if column % 2 == 0 { 0.3 } else { -0.3 });
    let (said, _) = sampled(&run, &noisy);
    assert!(
        said.contains("(1, 3); number 1 has the finest details along column") && said.contains("check noise"),
        "{said}"
    );
}

/// The misfit that is written is that of the first draws, which are kept here.
#[test]
fn the_misfit_in_the_file_is_that_of_the_first_draws() {
    let dir = tempfile::tempdir().unwrap();
    let (run, y) = trained(dir.path());
    let (_, out) = sampled(&run, &y);
    let draws = volume::read(&format!("{}:/samples", out.display())).unwrap();
    let model = posteria::model::Model::load(&run.join("model"), &burn::tensor::Device::flex()).unwrap();
    let operator = model.operator().unwrap().build::<f32>(&[1, 16, 16]).unwrap();
    for (i, found) in read(&out, "misfit_chi2").into_iter().enumerate() {
        let one = |all: &ArrayD<f32>| all.index_axis(Axis(0), i).to_owned();
        let (draws, y) = (one(&draws), one(&y).insert_axis(Axis(0)));
        let first = draws.slice_axis(Axis(0), (..4).into());
        let all = model.noise().unwrap().chi_square(operator.as_ref(), first, y.view()).unwrap();
        let expected = all.iter().sum::<f64>() / 4.0;
        assert!((f64::from(found) / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    }
}

/// A mean of two draws spreads more than those of four that held-out records have.
#[test]
fn the_misfit_of_fewer_draws_is_compared_with_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _) = trained(dir.path());
    let out = dir.path().join("two.h5");
    succeed(&["sample", text(&run), "-o", text(&out), "--draws", "2"]);
    let source = Source::open(&out).unwrap();
    assert!(source.has("misfit_chi2") && source.has("condition_place") && !source.has("misfit_place"));
}

/// Models of before have no such file, and no line of it in the list of digests.
#[test]
fn a_model_without_held_out_records_is_read_and_says_that_it_cannot_compare() {
    let dir = tempfile::tempdir().unwrap();
    let (run, y) = trained(dir.path());
    std::fs::remove_file(run.join("model/held_out.json")).unwrap();
    let sums = std::fs::read_to_string(run.join("model/SHA256SUMS")).unwrap();
    let others: Vec<&str> = sums.lines().filter(|line| !line.ends_with("held_out.json")).collect();
    std::fs::write(run.join("model/SHA256SUMS"), others.join("\n") + "\n").unwrap();
    let (said, out) = sampled(&run, &y);
    assert!(said.contains("sample    the model keeps no records held out") && !said.contains("warning"), "{said}");
    let source = Source::open(&out).unwrap();
    assert!(source.has("misfit_chi2") && !source.has("misfit_place") && !source.has("condition_place"));
    let (said, _) = sampled(&run, &y.mapv(|v| 1e3 * v));
    assert!(said.contains("warning   4 of 4 observations are unlike") && said.contains("check their unit"), "{said}");
}
