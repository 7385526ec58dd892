//! The program as people meet it: every command, every error, every way to stop it.

mod beginning;
mod channels;
mod damage;
mod errors;
#[cfg(target_os = "linux")]
mod failing_writes;
mod interruption;
mod likeness;
mod memory;
mod own_pairs;
mod survey;
mod unknowns;
mod verdicts;
mod watching;
mod workflow;

use assert_cmd::Command;
use std::path::{Path, PathBuf};

/// A problem that trains in a second: 8×8 pixels, few steps.
const PROBLEM: &str = r#"name = "small"
title = "A small problem"
seed = 3

[prior]
kind = "periodic-gaussian-field"
shape = [8, 8]

[operator]
kind = "circular-blur"
sigma = 1.0

[noise]
sigma = 0.1

[x]
name = "velocity"
unit = "m/s"
axes = [{ name = "depth", spacing = 12.5, unit = "m" }, { name = "distance", spacing = 25.0, unit = "m" }]

[network]
scales = 1
steps = 2

[network.conditioner]
hidden = 8
border = "periodic"

[simulation]
pairs = 96
shard = 40

[training]
source = "on-the-fly"
steps = 40
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

[evaluation.accept]
latent_norm = { least = 0.1, most = 10.0 }
coverage_90 = { least = 2.0 }

[quick.training]
steps = 20
"#;

/// Writes a problem, with replacements, and returns its folder.
fn problem(folder: &Path, replacements: &[(&str, &str)]) -> PathBuf {
    let text = replacements.iter().fold(PROBLEM.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the problem");
        text.replacen(from, to, 1)
    });
    let path = folder.join("problem");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("problem.toml"), text).unwrap();
    path
}

fn posteria() -> Command {
    Command::cargo_bin("posteria").unwrap()
}

/// The program as a terminal starts it: signals do what they do by default, also where these tests run in the background of a
/// script, whose interrupts are ignored.
fn interruptible() -> std::process::Command {
    if cfg!(target_os = "linux") {
        let mut command = std::process::Command::new("env");
        command.arg("--default-signal=INT,TERM,HUP").arg(posteria().get_program());
        command
    } else {
        std::process::Command::new(posteria().get_program())
    }
}

/// Runs a command that must succeed; what it printed on the standard output.
fn succeed(arguments: &[&str]) -> String {
    let output = posteria().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail with exit code 1; its message, which must be one line of its own and no panic.
fn fail(arguments: &[&str]) -> String {
    let output = posteria().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
    assert!(error.contains("error: ") && !error.contains("panicked"), "{arguments:?}: {error}");
    error
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
