//! No command computes long without a line: where the work itself says nothing, the time that it took so far is said.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::output;
use super::progress::duration;

/// The longest time between two lines, but for the second between two looks at the clock.
pub const BETWEEN: Duration = Duration::from_secs(8);

/// When the last line was said.
static SAID: Mutex<Option<Instant>> = Mutex::new(None);
/// Bars in a terminal, which move.
static BARS: AtomicUsize = AtomicUsize::new(0);

/// A line was said just now.
pub fn said() {
    if let Ok(mut said) = SAID.lock() {
        *said = Some(Instant::now());
    }
}

/// Until the program ends. Where the system starts no thread, silence stays silence.
pub fn begin() {
    let started = Instant::now();
    said();
    let _ = std::thread::Builder::new().spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let quiet = SAID.lock().ok().and_then(|said| *said).map_or(Duration::ZERO, |said| said.elapsed());
            if BARS.load(Ordering::Relaxed) == 0
                && let Some(line) = line(quiet, started.elapsed())
            {
                output::note(&line);
            }
        }
    });
}

fn line(quiet: Duration, elapsed: Duration) -> Option<String> {
    (quiet >= BETWEEN).then(|| format!("working   for {} so far", duration(elapsed.as_secs_f64())))
}

/// A bar that is seen while this lives.
pub struct Bar(());

impl Bar {
    /// From now on.
    pub fn new() -> Self {
        BARS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        BARS.fetch_sub(1, Ordering::Relaxed);
        said();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_silence_is_broken() {
        let minute = Duration::from_secs(60);
        assert_eq!(line(Duration::from_secs(7), minute), None);
        assert_eq!(line(BETWEEN, minute).as_deref(), Some("working   for 1 min 0 s so far"));
        assert!(BETWEEN + Duration::from_secs(1) < Duration::from_secs(10), "ten seconds are too long");
    }
}
