//! Memory as the system counts it, in MiB. Only Linux says; elsewhere there is none.

use std::fs;

/// What this process holds now.
pub fn now() -> Option<f64> {
    field("/proc/self/status", "VmRSS:")
}

/// The most it has held since [`forget_peak`].
pub fn peak() -> Option<f64> {
    field("/proc/self/status", "VmHWM:")
}

/// Lets [`peak`] start again from what is held now; whether the system allows it.
pub fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// What the machine could still give to a process.
pub fn available() -> Option<f64> {
    field("/proc/meminfo", "MemAvailable:")
}

unsafe extern "C" {
    /// Of mimalloc, the global allocator of this program.
    fn mi_collect(force: bool);
}

/// Gives back to the system what the allocator keeps of freed memory, which would hide as much of what comes next.
pub fn give_back() {
    // SAFETY: it may be called at any time by any thread.
    unsafe { mi_collect(true) }
}

fn field(file: &str, name: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib / 1024.0)
}
