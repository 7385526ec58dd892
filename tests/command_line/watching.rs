//! A training seen from another terminal.

use crate::{fail, posteria, problem, succeed, text};
use std::process::{Command, Stdio};

#[test]
fn a_watch_prints_every_entry_and_ends_with_the_training() {
    let dir = tempfile::tempdir().unwrap();
    let (path, run) = (problem(dir.path(), &[("\nsteps = 40", "\nsteps = 400")]), dir.path().join("run"));
    assert!(fail(&["watch", text(&run)]).contains("run"));
    succeed(&["simulate", text(&path), "--out", text(&run)]);
    // Before the training begins it waits.
    let watch = Command::new(posteria().get_program())
        .args(["watch", text(&run)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    succeed(&["train", text(&path), "--out", text(&run)]);
    let output = watch.wait_with_output().unwrap();
    let (said, noted) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && noted.contains("waiting") && noted.contains("is trained"), "{noted}");
    let steps: Vec<&str> = said.lines().map(|line| line.split(':').next().unwrap()).collect();
    let expected: Vec<String> = (1..=40).map(|k| format!("step {}/400", 10 * k)).collect();
    assert_eq!(steps, expected);
    for part in ["validation", "gradient norm", "learning rate", "error of recomputation"] {
        assert!(said.contains(part), "{said}");
    }
    // A run whose training was stopped has nobody to wait for.
    std::fs::rename(run.join("model"), run.join("checkpoint")).unwrap();
    let output = posteria().args(["watch", text(&run)]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody is training"));
}
