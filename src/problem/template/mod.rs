//! Problem files to begin with: commented texts in which a few answers are filled in.

mod own;
mod photoacoustic;
mod simulated;
mod sizes;

pub use own::OwnTemplate;
pub use photoacoustic::{PhotoacousticTemplate, SensorsTemplate};
pub use simulated::{OperatorTemplate, SimulatedTemplate};

use toml::Value;

fn filled(template: &str, answers: &[(&str, String)]) -> String {
    answers.iter().fold(template.to_owned(), |text, (place, answer)| text.replace(place, answer))
}

/// As TOML writes a text.
fn quoted(text: &str) -> String {
    Value::String(text.into()).to_string()
}

/// The table `[condition]` with one source and why it is that, and what else it could say.
fn condition_table(source: &str, why: &str) -> String {
    format!("[condition]\nsources = [\"{source}\"] # {why}\n{}", include_str!("condition.toml").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Experiment, Origin, Problem, Size};
    use std::path::Path;

    /// The problem of a text, at both sizes.
    fn read(text: &str) -> [Problem; 2] {
        [Size::Plain, Size::Quick].map(|size| Problem::parse(text, Path::new("problem.toml"), size).expect(text))
    }

    /// The text with every line that is a commented key or table brought to life.
    fn with_comments(text: &str, keys: &[&str]) -> String {
        let line =
            |line: &str| match line.strip_prefix("# ").filter(|rest| keys.iter().any(|key| rest.starts_with(key))) {
                Some(rest) => rest.to_owned(),
                None => line.to_owned(),
            };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn simulated_problems_can_be_built_at_both_sizes() {
        for (operator, shape, scales) in [
            (OperatorTemplate::CircularBlur, vec![32, 48], 3),
            (OperatorTemplate::CircularBlur, vec![16, 16, 16], 2),
            (OperatorTemplate::CircularBlur, vec![33, 33], 2),
            (OperatorTemplate::Identity, vec![7, 9, 8], 1),
            (OperatorTemplate::Identity, vec![100], 2),
        ] {
            let template = SimulatedTemplate { shape, operator, noise: 0.05 };
            for problem in read(&template.text("a \"quoted\" name")) {
                assert_eq!((problem.name.as_str(), problem.network.scales()), ("a \"quoted\" name", scales));
                assert_eq!(problem.noise.as_ref().map(|noise| noise.sigma), Some(0.05));
                Experiment::new(problem).unwrap();
            }
        }
    }

    #[test]
    fn photoacoustic_problems_can_be_built_at_both_sizes() {
        for sensors in [SensorsTemplate::Line, SensorsTemplate::Circle] {
            for shape in [vec![32, 32], vec![20, 33], vec![16, 12, 16]] {
                let template = PhotoacousticTemplate { shape: shape.clone(), sensors, noise: 0.02 };
                for problem in read(&template.text("vessels")) {
                    let experiment = Experiment::new(problem).unwrap();
                    assert_eq!(experiment.x_shape()[1..], shape);
                    // The record lasts until the farthest corner is heard: its last samples are not silent for all.
                    let [_, times, sensors] = experiment.y_shape() else { panic!("traces") };
                    assert!(*times > *shape.iter().max().unwrap() && *sensors >= 16, "{times} {sensors}");
                }
            }
        }
    }

    #[test]
    fn own_pairs_are_held_out_and_named() {
        for (count, noise) in [(10_000, None), (30, Some(1e-9))] {
            let pairs = "it's \\ mine.h5".to_owned();
            let shape = vec![1, 64, 64];
            let template = OwnTemplate { pairs: pairs.clone(), x_shape: shape.clone(), y_shape: shape, count, noise };
            for problem in read(&template.text("own")) {
                let (batch, held_out) = (problem.training.batch, problem.training.validation_pairs);
                assert!(batch + held_out + problem.evaluation.pairs <= count);
                let Origin::Own { files, noise: added, .. } = problem.origin().unwrap() else { panic!("own pairs") };
                assert!(files.training.ends_with(&pairs) && files.training.is_absolute(), "{files:?}");
                assert_eq!(added.map(|noise| noise.sigma), noise);
            }
        }
    }

    /// What is commented out can be brought to life as it stands.
    #[test]
    fn comments_are_tables_too() {
        let template =
            SimulatedTemplate { shape: vec![64, 64], operator: OperatorTemplate::Identity, noise: 0.05 }.text("all");
        let shape = vec![1, 64, 64];
        let own = OwnTemplate { pairs: "a.h5".into(), x_shape: shape.clone(), y_shape: shape, count: 999, noise: None };
        for text in [template, own.text("all"), include_str!("../../../problems/own_data/problem.toml").into()] {
            let keys = [
                "[condition",
                "kind",
                "features",
                "blocks",
                "channels = 1",
                "kernel",
                "[unknown]",
                "values",
                "padded",
                "fixed",
            ];
            let all = with_comments(&text, &keys);
            for part in ["\n[condition.summary]", "\n[condition.reducer]", "\n[unknown]", "\nfixed"] {
                assert!(all.contains(part), "no {part:?} in {all}");
            }
            for problem in read(&all) {
                assert_eq!((problem.unknown.values.len(), problem.unknown.padded), (1, Some(vec![72, 72])));
                assert!(problem.unknown.fixed.is_some() && problem.condition.summary != Default::default());
            }
        }
    }
}
