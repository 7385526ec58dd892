//! Pairs of one's own are looked at before the first step.

use crate::own_pairs::{bare, numbers, problem};
use crate::{fail, posteria, succeed, text};
use ndarray::{ArrayD, Axis};
use posteria::io::fingerprint::fingerprint;

fn check(folder: &std::path::Path, replacements: &[(&str, &str)], x: ArrayD<f32>, y: ArrayD<f32>) -> String {
    bare(&folder.join("pairs.h5"), &[("x", x), ("y", y)]);
    succeed(&["check", text(&problem(folder, replacements)), "-o", text(&folder.join("pairs.png"))])
}

#[test]
fn what_may_be_a_mistake_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let images = || numbers(&[90, 1, 8, 8]);
    let said = |x: ArrayD<f32>, y: ArrayD<f32>| check(dir.path(), &[], x, y);
    assert!(!said(images(), images()).contains("warning"), "of sound pairs");
    let mut sweep = images();
    sweep.outer_iter_mut().enumerate().for_each(|(k, mut image)| image += k as f32 / 10.0);
    let found = said(sweep, images());
    assert!(found.contains("the pairs held out are unlike those to train on: the mean of their x"), "{found}");
    let mut masked = images();
    masked.index_axis_mut(Axis(2), 3).fill(0.0);
    let found = said(masked, images());
    assert!(
        found.contains("8 cells of x have one value in all pairs, or nearly ([0, 3, 0], [0, 3, 1], [0, 3, 2], …)"),
        "{found}"
    );
    let found = said(images().mapv(|v| (3.0 * v).floor()), images());
    assert!(found.contains("x holds whole numbers alone"), "{found}");
    let mut copied = images();
    let first = copied.index_axis(Axis(0), 0).to_owned();
    copied.index_axis_mut(Axis(0), 89).assign(&first);
    let found = said(copied, images());
    assert!(found.contains("1 of the pairs held out have the x of a pair to train on"), "{found}");
    let found = said(images(), ArrayD::from_elem(vec![90, 1, 8, 8], 0.0).mapv(|v: f32| v));
    assert!(found.contains("y is the same in all pairs") && found.contains("y is 0 everywhere"), "{found}");
    let mut loud = images();
    loud.outer_iter_mut().step_by(20).for_each(|mut image| image *= 1e8);
    let found = said(images(), loud);
    assert!(found.contains("y varies") && found.contains("few pairs rule the scaling"), "{found}");
}

/// What failed is named before anything is trained; mended, the same run goes on, unless other pairs changed as well.
#[test]
fn pairs_that_are_not_finite_are_named_mended_or_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (file, run) = (dir.path().join("pairs.h5"), dir.path().join("run"));
    let (x, mut y) = (numbers(&[60, 1, 8, 8]), numbers(&[60, 1, 8, 8]));
    let sound = y.clone();
    y[[7, 0, 1, 1]] = f32::NAN;
    y[[20, 0, 1, 1]] = f32::INFINITY;
    bare(&file, &[("x", x.clone()), ("y", y.clone())]);
    let path = problem(dir.path(), &[]);
    let message = fail(&["run", text(&path), "--out", text(&run)]);
    assert!(message.contains("in 2 of the pairs (2 to train on)") && message.contains("pair 7; "), "{message}");
    assert!(!run.join("pairs").exists() && !run.join("model").exists(), "nothing is made of such pairs");
    // The same again: what was found is kept.
    assert!(fail(&["run", text(&path), "--out", text(&run)]).contains("in 2 of the pairs"));
    // Left out, the same run goes on, as the message says.
    let leaving_out = [("\"pairs.h5\"", "\"pairs.h5\"\nskip = \"not-finite\"")];
    let begun = dir.path().join("begun");
    fail(&["run", text(&path), "--out", text(&begun)]);
    succeed(&["run", text(&problem(dir.path(), &leaving_out)), "--out", text(&begun)]);
    let path = problem(dir.path(), &[]);
    let message = fail(&["run", text(&path), "--out", text(&begun)]);
    assert!(message.contains("the run of another problem (pairs.skip differ)"), "a trained run stays so: {message}");

    let mut other = sound.clone();
    other[[30, 0, 0, 0]] += 1.0;
    bare(&file, &[("x", x.clone()), ("y", other)]);
    assert!(fail(&["run", text(&path), "--out", text(&run)]).contains("was begun with other files"));
    bare(&file, &[("x", x.clone()), ("y", sound)]);
    let output = posteria().args(["run", text(&path), "--out", text(&run)]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("were mended"), "{said}");

    bare(&file, &[("x", x), ("y", y)]);
    let skipping = problem(dir.path(), &leaving_out);
    let said = succeed(&["check", text(&skipping), "-o", text(&dir.path().join("pairs.png"))]);
    assert!(said.contains("36 of 36 to train on") && said.contains("2 pairs are left out"), "{said}");
    succeed(&["run", text(&skipping), "--out", text(&dir.path().join("other"))]);
}

/// Of a large file the digest sees some blocks alone: what is mended between them is found by looking again.
#[test]
fn a_large_file_is_mended_wherever_its_pairs_are_not_finite() {
    let dir = tempfile::tempdir().unwrap();
    let (file, run) = (dir.path().join("pairs.h5"), dir.path().join("run"));
    let (x, sound) = (numbers(&[24_000, 1, 8, 8]), numbers(&[24_000, 1, 8, 8]));
    let digest = || fingerprint(std::slice::from_ref(&file)).unwrap();
    bare(&file, &[("x", x.clone()), ("y", sound.clone())]);
    let of_sound = digest();
    let unseen = (100..400).map(|k| 25 * k).find(|&pair| {
        let mut y = sound.clone();
        y[[pair, 0, 1, 1]] = f32::NAN;
        bare(&file, &[("x", x.clone()), ("y", y)]);
        digest() == of_sound
    });
    assert!(unseen.is_some(), "every change is seen");
    let path = problem(dir.path(), &[]);
    assert!(fail(&["run", text(&path), "--out", text(&run)]).contains("in 1 of the pairs (1 to train on)"));
    bare(&file, &[("x", x), ("y", sound)]);
    succeed(&["run", text(&path), "--out", text(&run)]);
}
