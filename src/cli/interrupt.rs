//! Ctrl-C, and the request of the system to end. Work that listens is asked to stop where nothing is lost, and a second
//! time ended; while nobody listens the program ends at once.

use super::{output, scratch};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENING: AtomicUsize = AtomicUsize::new(0);

/// From now on. Where the system refuses, Ctrl-C ends the program at once, as ever.
pub fn handle() {
    let _ = ctrlc::set_handler(|| {
        if LISTENING.load(Ordering::Relaxed) == 0 || ASKED.swap(true, Ordering::Relaxed) {
            scratch::remove();
            std::process::exit(i32::from(super::INTERRUPTED));
        }
        output::note("\nstopping where nothing is lost; press Ctrl-C again to stop at once");
    });
}

/// Work that looks at [`asked`] while it lasts.
pub struct Listening(());

impl Listening {
    /// Begins to.
    pub fn new() -> Self {
        LISTENING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the work should stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
