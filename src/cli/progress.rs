//! What a person sees of long work: a bar with the time left in a terminal, now and then a line in a log.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::interrupt::Listening;
use super::output;
use super::pulse::{self, BETWEEN};

/// Progress of one piece of work, which looks at [`asked`](super::interrupt::asked) whenever it tells how far it is.
pub struct Progress {
    name: &'static str,
    unit: &'static str,
    total: u64,
    /// Units of work that were done before, and when this began.
    before: u64,
    started: Instant,
    spoken: Instant,
    message: String,
    /// From the first of it on: before, nothing can be lost.
    listening: Option<Listening>,
    /// None where nobody sees a bar.
    bar: Option<(ProgressBar, pulse::Bar)>,
}

impl Progress {
    /// `total` units of work, `before` of them done already.
    pub fn new(name: &'static str, unit: &'static str, total: u64, before: u64) -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_position(before);
            // What matters most comes first: narrow terminals cut the end off.
            let template = format!("{name:<9} {{bar:16}} {{pos}}/{{len}} {unit}, {{eta}} left, {{msg}}");
            // A template that does not parse would be seen by the first person to run the program.
            bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.reset_eta();
            (bar, pulse::Bar::new())
        });
        Self { name, unit, total, before, started: now, spoken: now, message: String::new(), listening: None, bar }
    }

    /// `done` units are done.
    pub fn at(&mut self, done: u64) {
        self.listening.get_or_insert_with(Listening::new);
        match &self.bar {
            Some((bar, _)) => bar.set_position(done),
            None if self.spoken.elapsed() >= BETWEEN => {
                self.spoken = Instant::now();
                self.speak(done);
            }
            None => {}
        }
    }

    /// What stands beside the bar.
    pub fn say(&mut self, message: String) {
        if let Some((bar, _)) = &self.bar {
            bar.set_message(message.clone());
        }
        self.message = message;
    }

    /// A line that stays, above the bar.
    pub fn warn(&self, line: &str) {
        match &self.bar {
            Some((bar, _)) => bar.println(format!("warning   {line}")),
            None => output::note(&format!("warning   {line}")),
        }
    }

    /// Units of work a second.
    pub fn rate(&self, done: u64) -> f64 {
        done.saturating_sub(self.before) as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    /// Ends with one line that stays.
    pub fn finish(self, summary: &str) {
        if let Some((bar, _)) = &self.bar {
            bar.finish_and_clear();
        }
        let elapsed = self.started.elapsed().as_secs_f64();
        output::note(&format!("{:<9} {summary} ({})", self.name, duration(elapsed)));
    }

    fn speak(&self, done: u64) {
        let left = self.total.saturating_sub(done) as f64 / self.rate(done).max(1e-9);
        let Self { name, unit, total, message, .. } = self;
        output::note(&format!("{name:<9} {done}/{total} {unit}, {} left, {message}", duration(left)));
    }
}

/// A time in words.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}
