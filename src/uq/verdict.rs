//! Numbers with what is accepted of them: the content of `diagnostics.json`.

use super::judgement::Judgement;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One number and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The number; none (`null`) where it is NaN or infinite.
    pub value: Option<f64>,
    /// Its unit, "1" for a ratio.
    pub unit: String,
    /// Lowest and highest value accepted; `null` where there is no bound.
    pub accept: [Option<f64>; 2],
    /// Whether the value is accepted; none (`null`) where nothing is asked of it. A value that is not a number never is.
    pub pass: Option<bool>,
}

impl Metric {
    /// Judges `value` by the bounds, which belong to the accepted range themselves.
    pub fn judge(value: f64, unit: impl Into<String>, accept: [Option<f64>; 2]) -> Metric {
        let [low, high] = accept;
        let inside = low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high);
        let number = value.is_finite().then_some(value);
        let pass = match number {
            Some(_) => (accept != [None; 2]).then_some(inside),
            None => Some(false),
        };
        Metric { value: number, unit: unit.into(), accept, pass }
    }

    /// Whether anything was demanded of it, a number at least. Version 0.1.0 let pass of what nothing was demanded.
    pub fn is_judged(&self) -> bool {
        self.accept != [None; 2] || self.pass == Some(false)
    }
}

/// All numbers of one diagnosis, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnostics {
    /// Name → number and verdict, in alphabetical order.
    pub metrics: BTreeMap<String, Metric>,
    /// What follows from the number of pairs and draws alone, beside what a problem accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
}

impl Diagnostics {
    /// Judges a value and keeps it under `name`, in the place of an earlier one.
    pub fn judge(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: impl Into<String>,
        accept: [Option<f64>; 2],
    ) -> &mut Self {
        self.metrics.insert(name.into(), Metric::judge(value, unit, accept));
        self
    }

    /// Whether no number is refused.
    pub fn pass(&self) -> bool {
        self.metrics.values().all(|metric| metric.pass != Some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_documented_and_read_back() -> Result<(), serde_json::Error> {
        let mut diagnostics = Diagnostics::default();
        diagnostics.judge("latent_norm", 1.01, "1", [Some(0.98), Some(1.02)]).judge(
            "coverage_90",
            f64::NAN,
            "1",
            [Some(0.88), None],
        );
        let text = serde_json::to_string(&diagnostics)?;
        let expected = r#"{"metrics":{"coverage_90":{"value":null,"unit":"1","accept":[0.88,null],"pass":false},"latent_norm":{"value":1.01,"unit":"1","accept":[0.98,1.02],"pass":true}}}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Diagnostics>(&text)?, diagnostics);
        assert!(!diagnostics.pass());
        Ok(())
    }

    #[test]
    fn bounds_belong_to_the_range_and_what_is_no_number_fails() {
        let passes = |value, accept| Metric::judge(value, "1", accept).pass;
        assert_eq!((passes(2.0, [None, None]), passes(2.0, [Some(2.0), Some(2.0)])), (None, Some(true)));
        assert_eq!((passes(2.0, [Some(2.1), None]), passes(2.0, [None, Some(1.9)])), (Some(false), Some(false)));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let metric = Metric::judge(value, "1", [None, None]);
            assert!(metric.pass == Some(false) && metric.value.is_none());
        }
    }
}
