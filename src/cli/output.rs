//! Results go to the standard output, everything else to the standard error. Nobody listening is no error, a full disk is.

use std::fs::Metadata;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::OnceLock;

use anyhow::bail;
use posteria::problem::RunFolder;

use super::pulse;

/// Why the standard output could not be written, the first time.
static FAILED: OnceLock<std::io::Error> = OnceLock::new();

/// Text for the next program. Whether it could be written is asked once, at the end ([`written`]).
pub fn print(text: &str) {
    let mut out = std::io::stdout();
    take(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    pulse::said();
}

/// Notes that the standard output could not be written.
pub fn take(done: std::io::Result<()>) {
    match done {
        // A reader that has seen enough, such as `head`, closes the pipe.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => _ = FAILED.set(error),
        _ => {}
    }
}

/// Whether all that was printed reached the standard output, or nobody listened.
pub fn written() -> anyhow::Result<()> {
    match FAILED.get() {
        Some(error) => bail!("the standard output cannot be written: {error}; what was printed is not complete"),
        None => Ok(()),
    }
}

/// A line for the person at the terminal.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
    pulse::said();
}

/// What HDF5 files are called.
pub const HDF5: &[&str] = &["h5", "hdf5"];

/// Holds the name of a file to be written against its kind and the inputs, before any work is done. It must have one of the
/// endings; what is there already may be replaced only where it is a plain file, none of the inputs, and no part of a
/// run. Inputs may name a dataset, `file.h5:/x`.
pub fn check(path: &Path, endings: &[&str], inputs: &[&str]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("{}: there is no folder {}; make it first", path.display(), folder.display());
    }
    if let Ok(found) = std::fs::symlink_metadata(path) {
        may_be_replaced(path, &found, inputs)?;
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    if !ending.is_some_and(|ending| endings.contains(&ending.as_str())) {
        bail!("{}: what is written there is called .{}; name it so", path.display(), endings.join(" or ."));
    }
    Ok(())
}

fn may_be_replaced(path: &Path, found: &Metadata, inputs: &[&str]) -> anyhow::Result<()> {
    if !found.is_file() {
        bail!("{} is there and is no plain file; name another file", path.display());
    }
    let here = path.canonicalize()?;
    let is_same = |input: &Path| input.canonicalize().is_ok_and(|input| input == here);
    for input in inputs {
        let file = input.rsplit_once(':').map_or(*input, |(file, _)| file);
        if is_same(Path::new(input)) || is_same(Path::new(file)) {
            bail!("{} is read from and cannot be written to; name another file", path.display());
        }
    }
    if let Some(run) = RunFolder::around(&here) {
        bail!("{} belongs to the run {}; name a file elsewhere", path.display(), run.root().display());
    }
    Ok(())
}
