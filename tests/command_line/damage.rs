//! Truncated and bit-flipped files of every kind: an error that names the file or the right numbers, never a panic.

use crate::{problem, succeed, text};
use burn::tensor::Device;
use posteria::figure::posterior_figures;
use posteria::io::{Pairs, inspect, volume};
use posteria::model::Model;
use posteria::problem::{Experiment, Problem, Size};
use posteria::random::{Purpose, stream};
use rand::RngExt;
use std::path::Path;

const CASES: u64 = 500;

/// Truncates or flips a bit.
fn damage(whole: &[u8], case: u64) -> Vec<u8> {
    let mut rng = stream(12, Purpose::Diagnostic, case);
    let mut bytes = whole.to_vec();
    let at = rng.random_range(0..bytes.len());
    match case % 2 {
        0 => bytes.truncate(at),
        _ => bytes[at] ^= 1 << rng.random_range(0..8),
    }
    bytes
}

/// Damages a file in many ways, and puts it back.
fn each(file: &Path, mut check: impl FnMut(u64)) {
    let whole = std::fs::read(file).unwrap();
    for case in 0..CASES {
        std::fs::write(file, damage(&whole, case)).unwrap();
        check(case);
    }
    std::fs::write(file, whole).unwrap();
}

#[test]
fn damaged_pairs_posteriors_models_and_problems() {
    let dir = tempfile::tempdir().unwrap();
    let (path, run) = (problem(dir.path(), &[]), dir.path().join("run"));
    succeed(&["run", text(&path), "--out", text(&run)]);

    let shard = run.join("pairs/test/pairs-00000.h5");
    let right = Pairs::open(&shard).unwrap().read(&[0, 5]).unwrap();
    let mut errors = 0;
    each(&shard, |case| match Pairs::open(&shard).and_then(|pairs| pairs.read(&[0, 5])) {
        Ok(read) => assert!(read == right, "case {case}: wrong numbers"),
        Err(error) => {
            errors += 1;
            assert!(error.to_string().contains("pairs-00000.h5"), "{error}");
        }
    });
    assert!(errors > CASES / 2, "{errors}");

    let posterior = run.join("posterior.h5");
    let spec = format!("{}:/mean", posterior.display());
    let right = volume::read(&spec).unwrap();
    let figures = dir.path().join("figures");
    std::fs::create_dir(&figures).unwrap();
    let mut errors = 0;
    each(&posterior, |case| {
        match volume::read(&spec) {
            Ok(read) => assert!(read == right, "case {case}: wrong numbers"),
            Err(error) => {
                errors += 1;
                assert!(error.to_string().contains("posterior.h5"), "{error}");
                assert!(posterior_figures(&posterior, &figures, "p", 1, None).is_err(), "case {case}");
            }
        }
        if let Err(error) = inspect(&posterior) {
            assert!(error.to_string().contains("posterior.h5"), "{error}");
        }
    });
    assert!(errors > CASES / 2, "{errors}");

    for name in ["model.json", "model.safetensors", "SHA256SUMS"] {
        each(&run.join("model").join(name), |case| {
            let error = Model::load(&run.join("model"), &Device::flex()).expect_err("damage is an error").to_string();
            assert!(error.contains("model"), "case {case}: {error}");
        });
    }
    Model::load(&run.join("model"), &Device::flex()).expect("whole again");

    let file = path.join("problem.toml");
    let mut errors = 0;
    each(&file, |_| {
        if let Err(error) = Problem::read(&file, Size::Plain).and_then(Experiment::new) {
            errors += 1;
            assert!(!error.to_string().is_empty());
        }
    });
    assert!(errors > CASES / 4, "{errors}");
}

#[test]
fn a_changed_digit_is_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let (path, run) = (problem(dir.path(), &[]), dir.path().join("run"));
    succeed(&["run", text(&path), "--out", text(&run)]);
    for name in ["diagnostics.json", "calibration.json", "training.jsonl"] {
        let file = run.join(name);
        let whole = std::fs::read_to_string(&file).unwrap();
        let digit = whole.rfind(|c: char| c.is_ascii_digit()).unwrap();
        let other = if &whole[digit..=digit] == "7" { "8" } else { "7" };
        std::fs::write(&file, format!("{}{other}{}", &whole[..digit], &whole[digit + 1..])).unwrap();
        for command in [&["plot", text(&run)][..], &["inspect", text(&file)]] {
            let said = crate::fail(command);
            assert!(said.contains(name) && said.contains("differs from its digest"), "{said}");
        }
        std::fs::write(&file, whole).unwrap();
    }
    succeed(&["plot", text(&run)]);
}
