//! Ctrl-C: the first one asks the work to stop where nothing is lost, the second one ends the program.

use super::output;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens from now on. Where the system refuses, Ctrl-C ends the program at once, as ever.
pub fn listen() {
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(super::INTERRUPTED));
        }
        output::note("\nstopping where nothing is lost; press Ctrl-C again to stop at once");
    });
}

/// Whether the work should stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
