//! What chance explains of a diagnosis and what not: verdicts whose bounds follow from the number of pairs and draws alone.

use std::collections::BTreeMap;

use super::chance;
use super::learned::Outcome;
use serde::{Deserialize, Serialize};

/// Probability that any test rejects an exact posterior, all tests together. What is approximate in some of them stays
/// well inside the one run in twenty that may be rejected.
pub const LEVEL: f64 = 0.02;
/// Pairs below which no test is decided.
pub const FEWEST_PAIRS: usize = 10;
/// The test of the noise: where it fails, the records are not what the problem says, whatever the posterior is.
pub const NOISE: &str = "noise";

/// One test of a diagnosis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Probability that chance leaves an exact posterior so far off; none where it could not be computed.
    pub p_value: Option<f64>,
    /// Whether chance explains what was found, all tests together; none where there is too little to tell.
    pub holds: Option<bool>,
    /// What was found, in words.
    pub says: String,
}

/// All tests of a diagnosis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Pairs of truth and observation.
    pub pairs: usize,
    /// Draws for each.
    pub draws: u32,
    /// Probability that any test of an exact posterior fails.
    pub level: f64,
    /// By name.
    pub tests: BTreeMap<String, Test>,
    /// Whether anything was learned from y: here the p-value is that of a posterior that learned nothing.
    pub learned: Option<Test>,
    /// What to try, in words.
    #[serde(default)]
    pub advice: Vec<String>,
}

/// What a test found, before all of them are decided together.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// "coverage", …
    pub name: &'static str,
    /// NaN where it could not be computed.
    pub p_value: f64,
    /// What was found, in words.
    pub says: String,
}

impl Judgement {
    /// Decides all tests together, each held to its share of [`LEVEL`].
    pub fn of(findings: Vec<Finding>, pairs: usize, draws: u32) -> Self {
        let enough = pairs >= FEWEST_PAIRS;
        let p_values: Vec<f64> = findings.iter().map(|f| if f.p_value.is_nan() { 0.0 } else { f.p_value }).collect();
        let rejected = chance::rejected(&p_values, LEVEL);
        let test = |(Finding { name, p_value, says }, rejected): (Finding, bool)| {
            let test = Test {
                p_value: p_value.is_finite().then_some(p_value),
                holds: enough.then_some(!rejected),
                says: if enough { says } else { format!("{says}; too few pairs to tell, {FEWEST_PAIRS} at least") },
            };
            (name.to_owned(), test)
        };
        let tests = findings.into_iter().zip(rejected).map(test).collect();
        Self { pairs, draws, level: LEVEL, tests, learned: None, advice: Vec::new() }
    }

    /// With what says whether anything was learned.
    pub fn with_learned(mut self, outcome: Outcome, contraction: f64) -> Self {
        let Outcome { closer, compared } = outcome;
        let share = format!(
            "{closer} of {compared} truths are closer to the mean of their own posterior than to that of another observation's; \
             the posterior has {} of the variance of the truths",
            crate::io::number(1.0 - contraction)
        );
        let holds = outcome.has_learned();
        let says = match holds {
            None => format!("{share}; too few pairs to tell whether anything was learned from y"),
            Some(true) => share,
            Some(false) => format!("nothing that was learned from y can be seen: {share}"),
        };
        self.learned = Some(Test { p_value: Some(outcome.p_value()), holds, says });
        self
    }

    /// Tests that chance does not explain.
    pub fn failed(&self) -> impl Iterator<Item = (&String, &Test)> {
        self.tests.iter().filter(|(_, test)| test.holds == Some(false))
    }

    /// Those of the posterior among them.
    fn rejecting(&self) -> impl Iterator<Item = (&String, &Test)> {
        self.failed().filter(|(name, _)| *name != NOISE)
    }

    /// Whether it is told that nothing was learned from y.
    pub fn learned_nothing(&self) -> bool {
        self.learned.as_ref().is_some_and(|test| test.holds == Some(false))
    }

    /// Whether there is anything to mend.
    pub fn wants_advice(&self) -> bool {
        self.rejecting().next().is_some() || self.learned_nothing()
    }

    /// In a few plain sentences: what is calibrated, what is not, whether anything was learned, and what to try.
    pub fn headline(&self) -> Vec<String> {
        let with = |holds: Option<bool>| {
            let names = self.tests.iter().filter(move |(_, test)| test.holds == holds).map(|(name, _)| name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let rejecting: Vec<&str> = self.rejecting().map(|(name, _)| name.as_str()).collect();
        let (held, open) = (with(Some(true)), with(None));
        let seen = format!("{} pairs of {} draws", self.pairs, self.draws);
        let mut lines = Vec::new();
        if !rejecting.is_empty() {
            let of_posterior = self.tests.keys().filter(|name| *name != NOISE).count();
            lines.push(format!(
                "not calibrated: {} of {of_posterior} tests reject the posterior ({})",
                rejecting.len(),
                rejecting.join(", ")
            ));
        } else if held.is_empty() {
            lines.push(format!("calibration unknown: {seen} are too few to tell"));
        } else {
            lines.push(format!("calibrated as far as {seen} tell: no fault seen in {held}"));
        }
        lines.extend(self.failed().map(|(name, test)| format!("{name}: {}", test.says)));
        if !rejecting.is_empty() && !held.is_empty() {
            lines.push(format!("no fault seen in {held}"));
        }
        if !open.is_empty() && (!rejecting.is_empty() || !held.is_empty()) {
            lines.push(format!("too little to tell: {open}"));
        }
        lines.extend(self.learned.iter().filter(|test| test.holds == Some(false)).map(|test| test.says.clone()));
        lines.extend(self.advice.iter().map(|advice| format!("try: {advice}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &'static str, p_value: f64) -> Finding {
        Finding { name, p_value, says: format!("what {name} says") }
    }

    #[test]
    fn the_headline_never_says_more_than_all_tests() {
        let good = Judgement::of(vec![finding("coverage", 0.3), finding("spread", 0.02)], 100, 100);
        assert_eq!(good.failed().count(), 0);
        assert_eq!(
            good.headline(),
            ["calibrated as far as 100 pairs of 100 draws tell: no fault seen in coverage, spread"]
        );
        let one_bad = Judgement::of(
            vec![finding("coverage", 0.3), finding("spread", 1e-4), finding("latents", f64::NAN)],
            100,
            100,
        );
        assert_eq!(one_bad.tests["latents"].p_value, None);
        assert!(one_bad.wants_advice());
        let expected = [
            "not calibrated: 2 of 3 tests reject the posterior (latents, spread)",
            "latents: what latents says",
            "spread: what spread says",
            "no fault seen in coverage",
        ];
        assert_eq!(one_bad.headline(), expected);
        let few = Judgement::of(vec![finding("coverage", 1e-9)], 9, 100);
        assert_eq!(few.failed().count(), 0);
        assert_eq!(few.headline(), ["calibration unknown: 9 pairs of 100 draws are too few to tell"]);
    }

    /// Steps, pairs and networks mend no noise.
    #[test]
    fn noise_that_is_not_as_stated_is_no_fault_of_the_posterior() {
        let noisy = Judgement::of(vec![finding("coverage", 0.3), finding(NOISE, 1e-9)], 100, 100);
        assert!(!noisy.wants_advice());
        let expected =
            ["calibrated as far as 100 pairs of 100 draws tell: no fault seen in coverage", "noise: what noise says"];
        assert_eq!(noisy.headline(), expected);
    }

    #[test]
    fn a_posterior_that_learned_nothing_is_told() {
        let good = || Judgement::of(vec![finding("coverage", 0.3)], 100, 100);
        let nothing = good().with_learned(Outcome { closer: 49, compared: 99 }, 0.01);
        assert!(nothing.learned_nothing());
        assert!(
            nothing.headline()[1].contains("nothing that was learned from y can be seen"),
            "{:?}",
            nothing.headline()
        );
        let something = good().with_learned(Outcome { closer: 98, compared: 99 }, 0.8);
        assert!(!something.learned_nothing() && something.headline().len() == 1);
    }

    #[test]
    fn it_is_written_and_read_back() -> Result<(), serde_json::Error> {
        let judgement = Judgement::of(vec![finding("coverage", 0.3)], 100, 64)
            .with_learned(Outcome { closer: 9, compared: 10 }, 0.2);
        let text = serde_json::to_string(&judgement)?;
        assert_eq!(serde_json::from_str::<Judgement>(&text)?, judgement);
        Ok(())
    }
}
