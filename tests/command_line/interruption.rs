//! A run that is stopped, politely or not, loses nothing and ends in the same numbers.

use crate::{interruptible, posteria, problem, succeed, text};
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
    let mut child =
        interruptible().args(["train", text(&path), "--out", text(&stopped)]).stderr(Stdio::piped()).spawn().unwrap();
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
    // The checkpoint keeps the log as well: lines that are lost meanwhile come back.
    std::fs::write(&log, "").unwrap();
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
    let mut child =
        interruptible().args(["train", text(&path), "--out", text(&out)]).stderr(Stdio::piped()).spawn().unwrap();
    // The log is begun with the first step; before, the first interrupt would end the program.
    let start = Instant::now();
    while !out.join("training.jsonl").exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(300));
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

/// Sends a signal and waits for the end; how it ended, and after how long.
#[cfg(unix)]
fn ended_by(signal: &str, mut child: std::process::Child) -> (Option<i32>, Duration) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let elapsed = start.elapsed();
    let _ = child.kill();
    (child.wait().unwrap().code(), elapsed)
}

/// Where nothing can be lost the first signal ends the program, and its scratch with it.
#[cfg(unix)]
#[test]
fn a_check_ends_at_once_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // One step of this takes many seconds.
    let slow = [("batch = 8", "batch = 2048"), ("shape = [8, 8]", "shape = [64, 64]"), ("hidden = 8", "hidden = 64")];
    let (path, scratch) = (problem(dir.path(), &slow), dir.path().join("scratch"));
    for signal in ["-INT", "-TERM"] {
        std::fs::create_dir(&scratch).unwrap();
        let child = interruptible()
            .args(["check", text(&path), "-o", text(&dir.path().join("picture.png"))])
            .env("TMPDIR", &scratch)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let is_empty = || std::fs::read_dir(&scratch).unwrap().next().is_none();
        while is_empty() && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!is_empty(), "the check never began to measure");
        std::thread::sleep(Duration::from_millis(300));
        let (code, elapsed) = ended_by(signal, child);
        assert!(code == Some(130) && elapsed < Duration::from_secs(5), "{signal}: {code:?} after {elapsed:?}");
        assert!(is_empty(), "{signal}: the scratch is left");
        std::fs::remove_dir(&scratch).unwrap();
    }
}

/// A pipe that nobody writes to, where a file should be.
#[cfg(unix)]
#[test]
fn a_command_that_waits_for_a_file_can_be_ended() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.npy");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (command, signal) in [("inspect", "-INT"), ("plot", "-TERM")] {
        let child =
            interruptible().args([command, text(&pipe)]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let (code, elapsed) = ended_by(signal, child);
        assert!(code == Some(130) && elapsed < Duration::from_secs(5), "{command}: {code:?} after {elapsed:?}");
    }
}

/// `new` asks in a terminal; there Ctrl-C is a byte that the terminal makes a signal of.
#[cfg(target_os = "linux")]
#[test]
fn a_question_is_answered_by_an_interrupt() {
    use std::io::{Read, Write};
    let dir = tempfile::tempdir().unwrap();
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no `script` (util-linux) to make a terminal");
        return;
    }
    let command = format!("exec env --default-signal=INT {} new", posteria().get_program().to_str().unwrap());
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut seen, mut byte) = (String::new(), [0]);
    while !seen.ends_with("]: ") && screen.read(&mut byte).unwrap() == 1 {
        seen.push(char::from(byte[0]));
    }
    assert!(seen.contains("folder of the problem"), "{seen}");
    keyboard.write_all(b"\x03").unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let elapsed = start.elapsed();
    let _ = child.kill();
    assert_eq!((child.wait().unwrap().code(), elapsed < Duration::from_secs(5)), (Some(130), true), "{elapsed:?}");
}

/// What is given up at once leaves no unfinished file.
#[cfg(unix)]
#[test]
fn statistics_that_are_stopped_leave_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (draws, maps) = (dir.path().join("draws.npy"), dir.path().join("maps.h5"));
    let file = std::fs::File::create(&draws).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (400, 1000, 1000), }";
    let header = [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{header:<117}\n").as_bytes()].concat();
    std::io::Write::write_all(&mut &file, &header).unwrap();
    file.set_len(header.len() as u64 + 4 * 400 * 1000 * 1000).unwrap();
    let child =
        interruptible().args(["stats", text(&draws), "-o", text(&maps)]).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let unfinished = dir.path().join(".maps.h5.posteria.partial");
    while !unfinished.exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(unfinished.exists());
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(130) && said.contains("stopped"), "{:?} {said}", output.status);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the draws are left");
}

/// As `nohup` starts a program.
#[cfg(unix)]
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.npy");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let start = |ignored: &str| {
        let script = format!("trap '' {ignored}; exec \"$@\"");
        let program = posteria().get_program().to_owned();
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]).arg(program).args(["inspect", text(&pipe)]);
        let child = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        child
    };
    for (ignored, signal) in [("HUP", "-HUP"), ("INT", "-INT"), ("TERM", "-TERM")] {
        let mut child = start(ignored);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "{signal} ended it");
        // The others end it as ever.
        let other = if ignored == "TERM" { "-HUP" } else { "-TERM" };
        let (code, _) = ended_by(other, child);
        assert_eq!(code, Some(130), "{other}");
    }
}
