//! How much of the machine's memory a training takes.

use crate::{posteria, text};
use std::path::Path;

const MIB: f64 = 1024.0 * 1024.0;

/// Trains `problems/photoacoustic` for a few steps, with so many steps of flow a scale and the least memory: the most memory
/// of the process, where it is told, and the size of the weights, in MiB.
fn trained(folder: &Path, flow_steps: usize) -> Option<(f64, f64)> {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/photoacoustic/problem.toml");
    let mut problem: toml::Table = std::fs::read_to_string(original).unwrap().parse().unwrap();
    problem["network"]["steps"] = toml::Value::Integer(flow_steps as i64);
    let training = problem["training"].as_table_mut().unwrap();
    for (key, value) in [("steps", 12), ("warm_up", 2), ("validate_every", 6), ("checkpoint_every", 6)] {
        training.insert(key.into(), toml::Value::Integer(value));
    }
    // So few steps of warming up stand no more.
    training.insert("learning_rate".into(), toml::Value::Float(1e-4));
    let path = folder.join(format!("{flow_steps}.toml"));
    std::fs::write(&path, toml::to_string(&problem).unwrap()).unwrap();
    let run = folder.join(format!("run-{flow_steps}"));
    let _ = std::fs::remove_dir_all(&run);
    let output = posteria().args(["train", text(&path), "--memory", "0", "--out", text(&run)]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    if !cfg!(target_os = "linux") {
        return None;
    }
    let (before, _) = said.split_once(" of memory at most").expect("the peak, which Linux tells");
    let peak: bytesize::ByteSize = before.rsplit("; ").next().unwrap().parse().unwrap();
    let weights = std::fs::metadata(run.join("model/model.safetensors")).unwrap().len();
    Some((peak.as_u64() as f64 / MIB, weights as f64 / MIB))
}

/// Nothing that grows with depth is kept beside the weights: a training holds them, their gradient, two moments and the
/// average; 16 MiB are left for all else, among it the weights of the best validation.
#[test]
fn four_times_the_depth_takes_five_times_its_weights() {
    let dir = tempfile::tempdir().unwrap();
    let (Some((shallow, few)), Some((deep, many))) = (trained(dir.path(), 4), trained(dir.path(), 16)) else {
        return eprintln!("this system does not tell how much memory a process takes: skipped");
    };
    println!("4 steps a scale: {shallow:.1} MiB, weights {few:.1}; 16: {deep:.1} MiB, weights {many:.1}");
    assert!(many > few && shallow > 0.0);
    // How far threads run ahead of each other moves a peak by some 15 MiB either way: the least of a few is judged.
    let allowed = shallow + 5.0 * (many - few) + 16.0;
    let again = (0..2).map_while(|_| trained(dir.path(), 16)).map(|(peak, _)| peak);
    let least = if deep <= allowed { deep } else { again.fold(deep, f64::min) };
    assert!(least <= allowed, "{shallow:.1} MiB, {least:.1} MiB");
}
