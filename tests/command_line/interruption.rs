//! A run that is stopped, politely or not, loses nothing and ends in the same numbers.

use crate::{posteria, problem, succeed, text};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough to be hit in the middle.
const LONG: [(&str, &str); 3] =
    [("\nsteps = 40", "\nsteps = 1000"), ("validate_every = 10", "validate_every = 50"), ("hidden = 8", "hidden = 16")];

#[test]
fn killed_three_times_training_ends_in_the_same_weights() {
    for source in ["on-the-fly", "stored"] {
        let dir = tempfile::tempdir().unwrap();
        let replaced = format!("source = \"{source}\"");
        let path = problem(dir.path(), &[&LONG[..], &[("source = \"on-the-fly\"", replaced.as_str())]].concat());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kill_and_resume.sh");
        let program = posteria().get_program().to_owned();
        let output = Command::new(script).arg(program).args([&path, dir.path()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("byte for byte"), "{source}: {said}");
        println!("{source}: {said}");
    }
}

#[test]
fn the_weights_do_not_depend_on_the_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let path = problem(dir.path(), &[]);
    let weights = ["1", "2", "5"].map(|threads| {
        let out = dir.path().join(threads);
        let mut command = posteria();
        command.env("RAYON_NUM_THREADS", threads).args(["train", text(&path), "--out", text(&out)]);
        assert!(command.output().unwrap().status.success());
        std::fs::read(out.join("model/model.safetensors")).unwrap()
    });
    assert!(weights.iter().all(|other| *other == weights[0]));
}

#[cfg(unix)]
#[test]
fn one_interrupt_ends_the_step_and_keeps_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = problem(dir.path(), &LONG);
    let [whole, stopped] = ["whole", "stopped"].map(|name| dir.path().join(name));
    succeed(&["train", text(&path), "--out", text(&whole)]);
    let mut child = Command::new(posteria().get_program())
        .args(["train", text(&path), "--out", text(&stopped)])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let log = stopped.join("training.jsonl");
    while std::fs::metadata(&log).map_or(0, |log| log.len()) == 0 && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(stopped.join("checkpoint").is_dir() && !stopped.join("model").exists());
    let inspected = succeed(&["inspect", text(&stopped.join("checkpoint"))]);
    assert!(inspected.contains("checkpoint; digests: valid"), "{inspected}");
    succeed(&["train", text(&path), "--out", text(&stopped)]);
    for file in ["model/model.safetensors", "training.jsonl"] {
        let read = |run: &std::path::Path| std::fs::read(run.join(file)).unwrap();
        assert!(read(&whole) == read(&stopped), "{file}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_ends_the_program_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // One step of this takes many seconds.
    let slow = [("batch = 8", "batch = 2048"), ("shape = [8, 8]", "shape = [64, 64]"), ("hidden = 8", "hidden = 64")];
    let (path, out) = (problem(dir.path(), &slow), dir.path().join("run"));
    let mut child = Command::new(posteria().get_program())
        .args(["train", text(&path), "--out", text(&out)])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let interrupt = || {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(300));
    };
    interrupt();
    interrupt();
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("press Ctrl-C again") && !said.contains("what was finished is kept"), "{said}");
    assert!(!out.join("checkpoint").exists());
}
