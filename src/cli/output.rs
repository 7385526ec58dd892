//! Results go to the standard output, everything else to the standard error. Nobody listening is no error.

use std::io::Write;

/// Text for the next program.
pub fn print(text: &str) {
    // A reader that has seen enough, such as `head`, closes the pipe.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A line for the person at the terminal.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
