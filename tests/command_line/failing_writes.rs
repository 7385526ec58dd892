//! A disk that fails: no command calls a file written that is not. A program that is killed: the next one ends in the same bytes
//! and leaves nothing behind.
//!
//! One call that changes a file is made to fail, or kills the program, each in turn: `tests/failing_writes.c`.

use crate::{posteria, problem, succeed, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// As few files and steps as show every writer.
const TINY: [(&str, &str); 8] = [
    ("pairs = 96\nshard = 40", "pairs = 24\nshard = 12"),
    ("source = \"on-the-fly\"\nsteps = 40", "source = \"stored\"\nsteps = 4"),
    ("validate_every = 10", "validate_every = 2"),
    ("checkpoint_every = 10", "checkpoint_every = 2"),
    ("draws = 24", "draws = 8"),
    ("observations = 2", "observations = 1"),
    ("hidden = 8", "hidden = 4"),
    ("[evaluation.accept]\nlatent_norm = { least = 0.1, most = 10.0 }\ncoverage_90 = { least = 2.0 }\n", ""),
];

/// The library that fails, compiled; none where there is no compiler.
fn library(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("failing_writes.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/failing_writes.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-o", text(&library), source, "-ldl"]);
    compile.status().ok().filter(std::process::ExitStatus::success).map(|_| library)
}

/// A command, and the folder that it writes into.
struct Writer<'a> {
    library: &'a Path,
    arguments: Vec<&'a str>,
    folder: &'a Path,
}

impl Writer<'_> {
    /// Runs it, with call number `at` failing or killing it; none for 0.
    fn run(&self, at: usize, how: &str, count: Option<&Path>) -> Output {
        let mut command = Command::new(posteria().get_program());
        // One thread makes the same calls in the same order every time.
        command.args(&self.arguments).env("RAYON_NUM_THREADS", "1").env("LD_PRELOAD", self.library);
        command.env("FAIL_UNDER", self.folder).env("FAIL_AT", at.to_string()).env("FAIL_HOW", how);
        command.envs(count.map(|count| ("FAIL_COUNT", count)));
        command.output().unwrap()
    }

    /// The calls of an undisturbed run.
    fn calls(&self, scratch: &Path) -> Vec<String> {
        let count = scratch.join("count");
        let _ = std::fs::remove_file(&count);
        let output = self.run(0, "fail", Some(&count));
        assert!(output.status.success(), "{:?}: {}", self.arguments, String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(count).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Every file under a folder and its content; of the lock only that nobody minds it.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => {
                found.extend(tree(&path));
                found.insert(path, Vec::new());
            }
            path if entry.file_name() == "lock" => drop(path),
            path => _ = found.insert(path.clone(), std::fs::read(path).unwrap()),
        }
    }
    found
}

fn differing(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    a.keys().chain(b.keys()).filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

/// Puts a copy of a folder in the place of another, or an empty one.
fn place(from: Option<&Path>, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    match from {
        Some(from) => assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success()),
        None => std::fs::create_dir(to).unwrap(),
    }
}

/// Before and after every command of a run.
fn stages(folder: &Path, problem: &Path) -> [PathBuf; 4] {
    let stages = ["simulated", "trained", "sampled", "judged"].map(|name| folder.join(name));
    let commands = [
        vec!["simulate", text(problem), "--out"],
        vec!["train", text(problem), "--out"],
        vec!["sample"],
        vec!["diagnose"],
    ];
    for (index, command) in commands.into_iter().enumerate() {
        place(index.checked_sub(1).map(|before| &*stages[before]), &stages[index]);
        succeed(&[command, vec![text(&stages[index])]].concat());
    }
    stages
}

#[test]
fn no_failed_write_is_silent() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = dir.path();
    let Some(library) = library(scratch) else {
        println!("skipped: there is no C compiler");
        return;
    };
    let (path, out) = (problem(scratch, &TINY), scratch.join("out"));
    let [simulated, trained, sampled, judged] = stages(scratch, &path);
    let pairs = trained.join("pairs/test/pairs-00000.h5");
    let draws = sampled.join("posterior.h5");
    let (y, samples) = (format!("{}:/y", text(&pairs)), format!("{}:/samples", text(&draws)));
    let (maps, posterior) = (out.join("maps.h5"), out.join("posterior.h5"));
    let of_one = ["plot", text(&draws), "-o", text(&out), "--observations", "1"];
    for (from, arguments) in [
        (None, vec!["simulate", text(&path), "--out", text(&out)]),
        (Some(&*simulated), vec!["train", text(&path), "--out", text(&out)]),
        (None, vec!["sample", text(&trained), &y, "-o", text(&posterior)]),
        (None, vec!["stats", &samples, "--draw-axis", "1", "-o", text(&maps)]),
        (Some(&*sampled), vec!["diagnose", text(&out)]),
        (None, of_one.to_vec()),
        (Some(&*judged), vec!["plot", text(&out)]),
    ] {
        let writer = Writer { library: &library, arguments, folder: &out };
        place(from, &out);
        let calls = writer.calls(scratch);
        let right = tree(&out);
        // The report comes last; the figures before it are written as those of a file.
        let is_report = writer.arguments == ["plot", text(&out)];
        let skipped = if is_report { calls.len().saturating_sub(12) } else { 0 };
        for (index, call) in calls.iter().enumerate().skip(skipped) {
            place(from, &out);
            let output = writer.run(index + 1, "fail", None);
            let (found, said) = (tree(&out), String::from_utf8_lossy(&output.stderr));
            let differing = differing(&found, &right);
            assert!(!output.status.success() || differing.is_empty(), "{call}: not told, and {differing:?} differ");
            assert!(!said.contains("panicked"), "{call}: {said}");
            // What cannot be removed is there still.
            let is_left = found.keys().any(|name| text(name).contains("partial"));
            assert!(!is_left || call.contains("unlink") || call.contains("rmdir"), "{call}: {:?}", found.keys());
        }
        println!("{:?}: {} calls", writer.arguments, calls.len());
    }
}

/// Kills while figures are drawn are left out but for the last: they are files as any other, and take long to draw.
#[test]
fn killed_at_any_call_a_run_ends_in_the_same_bytes_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = dir.path();
    let Some(library) = library(scratch) else {
        println!("skipped: there is no C compiler");
        return;
    };
    let (path, out) = (problem(scratch, &TINY), scratch.join("out"));
    let [simulated, trained, sampled, _] = stages(scratch, &path);
    for (from, arguments) in [
        (None, vec!["simulate", text(&path), "--out", text(&out)]),
        (Some(&*simulated), vec!["train", text(&path), "--out", text(&out)]),
        (Some(&*trained), vec!["sample", text(&out)]),
        (Some(&*sampled), vec!["diagnose", text(&out)]),
    ] {
        let writer = Writer { library: &library, arguments, folder: &out };
        place(from, &out);
        let calls = writer.calls(scratch);
        let right = tree(&out);
        for (index, call) in calls.iter().enumerate() {
            place(from, &out);
            assert_eq!(writer.run(index + 1, "kill", None).status.code(), None, "{call}: not killed");
            succeed(&writer.arguments);
            let differing = differing(&tree(&out), &right);
            assert!(differing.is_empty(), "{call}: {differing:?} differ");
        }
        println!("{:?}: {} kills", writer.arguments, calls.len());
    }
}
