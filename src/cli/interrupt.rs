//! Ctrl-C, and the request of the system to end. Work that listens is asked to stop where nothing is lost, and a second
//! time ended; while nobody listens the program ends at once.

use super::{output, scratch};
use posteria::io::partial;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENING: AtomicUsize = AtomicUsize::new(0);

/// From now on. Where the system refuses, Ctrl-C ends the program at once, as ever.
pub fn handle() {
    let ignored = ignored::those();
    let _ = ctrlc::set_handler(|| {
        let is_listened_to = LISTENING.load(Ordering::Relaxed) > 0;
        if !is_listened_to || ASKED.swap(true, Ordering::Relaxed) {
            output::note("\nstopped");
            partial::abandon();
            scratch::remove();
            std::process::exit(i32::from(super::INTERRUPTED));
        }
        output::note("\nstopping where nothing is lost; press Ctrl-C again to stop at once");
    });
    ignored::again(&ignored);
}

/// Signals that whoever started the program wants it to ignore: `nohup` that of a closed terminal.
#[cfg(unix)]
mod ignored {
    use libc::{SIG_ERR, SIG_IGN, SIGHUP, SIGINT, SIGTERM, c_int, sigaction, signal};

    /// Those that are ignored now.
    pub fn those() -> Vec<c_int> {
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|number| is_ignored(*number)).collect()
    }

    fn is_ignored(number: c_int) -> bool {
        // SAFETY: `sigaction` is a plain struct for which zeros are a value; given no new action, the call only fills it in.
        unsafe {
            let mut now: sigaction = std::mem::zeroed();
            sigaction(number, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == SIG_IGN
        }
    }

    /// Ignores them once more.
    pub fn again(numbers: &[c_int]) {
        for &number in numbers {
            // SAFETY: the numbers are those of signals that may be ignored, and no handler is given.
            let before = unsafe { signal(number, SIG_IGN) };
            debug_assert_ne!(before, SIG_ERR);
        }
    }
}

/// Elsewhere nothing of the kind is known.
#[cfg(not(unix))]
mod ignored {
    pub fn those() {}
    pub fn again(_: &()) {}
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
