//! Errors found, by kind, and what is allowed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::laws::norm;

/// What is compared; errors are relative, see [`Judge::compare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of an operation that must be true f32.
    Exact,
    /// Of a map and its inverse, of log-determinants, and of a map followed by its inverse.
    Map,
    /// A gradient, or what a matrix product made.
    Product,
    /// Round trip and cosine of the gradient at 240 flow steps.
    Deep,
    /// After some steps of training, which magnify rounding.
    Trained,
}

impl Kind {
    fn tolerance(self, rounds_products: bool) -> f64 {
        match (self, rounds_products) {
            (Kind::Exact, _) => 2e-6,
            (Kind::Map, _) => 1e-5,
            (Kind::Deep, _) => 1e-4,
            (Kind::Product, false) => 1e-4,
            (Kind::Product, true) => 3e-3,
            (Kind::Trained, _) => 1e-2,
        }
    }
}

pub struct Judge {
    rounds_products: bool,
    /// Whether numbers mean anything.
    numbers: bool,
    worst: BTreeMap<Kind, (f64, String)>,
    failures: Vec<String>,
    count: usize,
}

impl Judge {
    pub fn new(rounds_products: bool) -> Self {
        Self { rounds_products, numbers: true, worst: BTreeMap::new(), failures: Vec::new(), count: 0 }
    }

    /// One that judges only whether there are numbers at all.
    pub fn of_launches() -> Self {
        Self { numbers: false, ..Self::new(false) }
    }

    /// Whether numbers are judged.
    pub fn reads_numbers(&self) -> bool {
        self.numbers
    }

    /// ‖found − expected‖ / ‖expected‖, a small `expected` counting as of norm `least`.
    pub fn compare(&mut self, kind: Kind, what: &str, found: &[f64], expected: &[f64], least: f64) {
        self.count += 1;
        if found.len() != expected.len() {
            return self.fail(format!("{what}: {} numbers instead of {}", found.len(), expected.len()));
        }
        if !self.numbers {
            return;
        }
        let difference: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        let error = norm(&difference) / norm(expected).max(least);
        let tolerance = kind.tolerance(self.rounds_products);
        if error.is_nan() || error > tolerance {
            self.fail(format!("{what}: {kind:?} {error:.1e} is more than {tolerance:.0e}"));
        }
        let worst = self.worst.entry(kind).or_insert((0.0, String::new()));
        if error >= worst.0 {
            *worst = (error, what.into());
        }
    }

    pub fn fail(&mut self, failure: String) {
        self.failures.push(failure);
    }

    /// What panics is a failure of its own, and the rest is still checked.
    pub fn attempt(&mut self, what: &str, check: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(self))) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            self.fail(format!("{what}: {}", text.chars().take(400).collect::<String>()));
        }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.failures.iter().map(String::as_str)
    }

    /// The worst of each kind.
    pub fn summary(&self) -> String {
        let worst = self.worst.iter().map(|(kind, (error, what))| {
            format!("\n    {kind:?} at most {error:.1e} of {:.0e} ({what})", kind.tolerance(self.rounds_products))
        });
        format!("{} comparisons, {} failures{}", self.count, self.failures.len(), worst.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(judge: impl FnOnce(&mut Judge)) -> usize {
        let mut fresh = Judge::new(false);
        judge(&mut fresh);
        fresh.failures.len()
    }

    /// What TF32 leaves of a number, numbers that are none or missing, and panics all count.
    #[test]
    fn errors_are_seen() {
        let expected = [1.0, -2.0, 3.0];
        let compare = |kind, found: &[f64]| failures(|judge| judge.compare(kind, "numbers", found, &expected, 1.0));
        assert_eq!(compare(Kind::Exact, &[1.0, -2.0, 3.0 + 1e-6]), 0);
        for found in [&[1.0, -2.0, 3.0 + 1e-3][..], &[1.0, f64::NAN, 3.0], &[1.0, -2.0], &[0.0; 3]] {
            for kind in [Kind::Exact, Kind::Map, Kind::Product] {
                assert_eq!(compare(kind, found), 1, "{kind:?} {found:?}");
            }
        }
        assert_eq!(failures(|judge| judge.attempt("a panic", |_| panic!("no such operation"))), 1);
    }
}
