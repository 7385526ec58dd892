//! The first steps with a problem: a file to begin with, and a look at it before anything is trained.

use crate::own_pairs::{bare, numbers};
use crate::{fail, posteria, problem, succeed, text};
use std::path::Path;

/// What `check` says, the picture in `folder`.
fn check(problem: &Path, folder: &Path) -> String {
    let picture = folder.join("picture.png");
    let _ = std::fs::remove_file(&picture);
    let said = succeed(&["check", text(problem), "-o", text(&picture)]);
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
    said
}

fn says(said: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(said.contains(part), "no {part:?} in {said}"));
}

#[test]
fn a_simulated_problem_is_checked_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = problem(dir.path(), &[("source = \"on-the-fly\"", "source = \"stored\"")]);
    let said = check(&path, dir.path());
    says(
        &said,
        &[
            "x [1, 8, 8]",
            "512 simulated",
            "dB",
            "time  ",
            "102 stored pairs",
            "for 40 steps",
            "to judge them",
            "disk  ",
            "quick can be built",
        ],
    );
    if cfg!(target_os = "linux") {
        says(&said, &["memory  ", "MiB at most while training"]);
    }
    says(&said, &["nothing to object to"]);
    assert!(std::fs::read_dir(dir.path()).unwrap().flatten().count() == 2, "problem and picture");
    let wrong = problem(dir.path(), &[("batch = 8", "batch = 0")]);
    says(&fail(&["check", text(&wrong)]), &["training.batch = 0"]);
    // What can be read at another size may not be built there.
    let odd = "[full.prior]\nshape = [8, 9]\n[quick.training]";
    let wrong = problem(dir.path(), &[("[quick.training]", odd)]);
    let picture = dir.path().join("picture.png");
    says(&fail(&["check", text(&wrong), "-o", text(&picture)]), &["\"full\"", "width 9", "divisible by 2"]);
    // Without -o the picture lies where the command was given, and nothing else.
    let path = problem(dir.path(), &[]);
    let output = posteria().args(["check", text(&path), "--quick"]).current_dir(dir.path()).output().unwrap();
    assert!(output.status.success());
    assert!(dir.path().join("small-quick-pairs.png").exists() && !dir.path().join("runs").exists());
}

#[test]
fn suspicious_pairs_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = crate::own_pairs::problem(dir.path(), &[("\nsteps = 20", "\nsteps = 2000")]);
    let mut x = numbers(&[60, 2, 8, 8]);
    x.index_axis_mut(ndarray::Axis(1), 1).fill(7.0);
    let mut y = numbers(&[60, 2, 8, 8]);
    y.index_axis_mut(ndarray::Axis(1), 1).mapv_inplace(|v| 1e6 * v);
    bare(&dir.path().join("pairs.h5"), &[("x", x), ("y", y.clone())]);
    let said = check(&path, dir.path());
    says(&said, &["38 of 38", "channel 1 of x is 7 everywhere", "learn them by heart"]);
    // Each channel is brought to a size of its own: units may differ.
    assert!(!said.contains("of y"), "{said}");
    let mut x = numbers(&[60, 1, 8, 8]);
    x[[3, 0, 0, 0]] = 1e5;
    let first = x.index_axis(ndarray::Axis(0), 0).to_owned();
    x.index_axis_mut(ndarray::Axis(0), 1).assign(&first);
    bare(&dir.path().join("pairs.h5"), &[("x", x), ("y", y.mapv(|v| v * 1e-6 + 1e3))]);
    says(&check(&path, dir.path()), &["x varies 2.0e3 over all pairs", "few pairs rule the scaling", "the same x"]);
    // Images without an axis for the channel.
    bare(&dir.path().join("pairs.h5"), &[("x", numbers(&[60, 16, 16])), ("y", numbers(&[60, 16, 16]))]);
    says(&fail(&["check", text(&path)]), &["x [16, 16] is read as 16 channels of [16]", "[x] channels ="]);
    let mut y = numbers(&[60, 1, 8, 8]);
    y[[20, 0, 3, 4]] = f32::NAN;
    bare(&dir.path().join("pairs.h5"), &[("x", numbers(&[60, 1, 8, 8])), ("y", y)]);
    says(
        &fail(&["check", text(&path)]),
        &["in 1 of the pairs (1 to train on)", "pairs.h5, pair 20", "skip = \"not-finite\""],
    );
    // In a pair that is held out, which training never sees.
    let mut y = numbers(&[60, 1, 8, 8]);
    y[[59, 0, 3, 4]] = f32::INFINITY;
    bare(&dir.path().join("pairs.h5"), &[("x", numbers(&[60, 1, 8, 8])), ("y", y)]);
    says(&fail(&["check", text(&path)]), &["in 1 of the pairs (1 to test with)", "pairs.h5, pair 59"]);
}

#[test]
fn a_new_problem_is_one_that_check_has_nothing_against() {
    let dir = tempfile::tempdir().unwrap();
    let mine = dir.path().join("mine");
    let options = ["--template", "operator", "--shape", "16,16", "--operator", "identity", "--noise", "0.1"];
    let said = succeed(&[&["new", text(&mine)], &options[..]].concat());
    assert_eq!(said.trim(), mine.join("problem.toml").display().to_string());
    says(&check(&mine, dir.path()), &["problem   mine: x [1, 16, 16]", "nothing to object to"]);
    // What is there is left alone.
    std::fs::write(mine.join("problem.toml"), "years of work").unwrap();
    says(&fail(&[&["new", text(&mine)], &options[..]].concat()), &["is there already"]);
    assert_eq!(std::fs::read_to_string(mine.join("problem.toml")).unwrap(), "years of work");

    let own = dir.path().join("own");
    std::fs::create_dir(&own).unwrap();
    bare(&own.join("a.h5"), &[("x", numbers(&[900, 1, 16, 16])), ("y", numbers(&[900, 1, 16, 16]))]);
    succeed(&["new", text(&own), "--template", "own", "--pairs", text(&own.join("a.h5"))]);
    assert!(std::fs::read_to_string(own.join("problem.toml")).unwrap().contains("training = \"a.h5\""));
    says(&check(&own, dir.path()), &["720 of 720", "90 for validation and 90 for the test", "checked"]);

    let vessels = dir.path().join("vessels");
    let sensors = ["--template", "photoacoustic", "--shape", "16,16", "--sensors", "circle", "--noise", "0.02"];
    succeed(&[&["new", text(&vessels)], &sensors[..]].concat());
    says(&check(&vessels, dir.path()), &["problem   vessels: x [1, 16, 16], y [1, ", "nothing to object to"]);

    // Nobody is there to be asked.
    let refuse = |arguments: &[&str], parts: &[&str]| says(&fail(&[&["new"], arguments].concat()), parts);
    let other = dir.path().join("other");
    refuse(&[], &["give FOLDER"]);
    refuse(&[text(&other)], &["--template"]);
    refuse(&[text(&other), "--template", "own"], &["--pairs"]);
    refuse(&[text(&other), "--template", "own", "--pairs", text(&dir.path().join("absent.h5"))], &["absent.h5"]);
    refuse(
        &[text(&other), "--template", "own", "--pairs", text(&own.join("a.h5")), "--noise", "0.1"],
        &["noise\"] = \"none\""],
    );
    refuse(&[text(&other), "--template", "operator", "--shape", "8,8", "--operator", "identity"], &["--noise"]);
    refuse(&[&[text(&other)], &options[..], &["--pairs", "a.h5"]].concat(), &["--pairs is for"]);
    for noise in ["--noise=-1", "--noise=nan", "--noise=1e300"] {
        let impossible = ["--template", "operator", "--shape", "8,8", "--operator", "identity", noise];
        refuse(&[&[text(&other)], &impossible[..]].concat(), &["--noise", "a positive number"]);
    }
    refuse(&[&[text(&other)], &options[..], &["--sensors", "line"]].concat(), &["--sensors is for"]);
    let four = ["--template", "operator", "--shape", "8,8,8,8", "--operator", "identity", "--noise", "0.1"];
    refuse(&[&[text(&other)], &four[..]].concat(), &["shape", "[8, 8, 8, 8]"]);
    assert!(!other.exists());
}

/// Whatever shapes the pairs have, what `new` writes for them is a problem that can be trained.
#[test]
fn a_new_problem_fits_the_shapes_of_its_pairs() {
    for (x, y, source, padded) in [
        (&[1, 16, 16][..], &[3, 16, 16][..], "observation", None),
        (&[1, 16, 16], &[1, 40, 12], "reduced", None),
        (&[2, 16, 16], &[12], "reduced", None),
        (&[1, 17, 15], &[1, 17, 15], "observation", Some("[18, 16]")),
        (&[1, 33, 33], &[1, 50, 7], "reduced", Some("[36, 36]")),
        (&[1, 8, 9, 8], &[1, 8, 9, 8], "observation", Some("[8, 10, 8]")),
        (&[1, 40], &[2, 100], "reduced", None),
        (&[5], &[3, 64], "reduced", None),
        (&[2], &[7], "observation", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let samples = |shape: &[usize]| numbers(&[&[60], shape].concat());
        bare(&dir.path().join("pairs.h5"), &[("x", samples(x)), ("y", samples(y))]);
        let folder = dir.path().join("new");
        succeed(&["new", text(&folder), "--template", "own", "--pairs", text(&dir.path().join("pairs.h5"))]);
        let written = std::fs::read_to_string(folder.join("problem.toml")).unwrap();
        assert!(written.contains(&format!("\nsources = [\"{source}\"]")), "{x:?} {y:?}: {written}");
        let padding = written.lines().find_map(|line| line.strip_prefix("padded = "));
        assert_eq!(padding.map(|line| line.split(" #").next().unwrap()), padded, "{x:?}");
        says(&check(&folder, dir.path()), &[&format!("x {x:?}, y {y:?}"), "checked"]);
    }
}
