use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::io::fingerprint::fingerprint;
use crate::io::{pairs, volume};
use crate::prior::PriorConfig;
use crate::problem::{Problem, ProblemError};

/// What is in the files that a problem names, as [`fingerprint`]s by key: a run is that of a problem and of these files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamedFiles(BTreeMap<String, String>);

impl NamedFiles {
    /// Of the files as they are now.
    ///
    /// # Errors
    /// Files that are not there, or cannot be read.
    pub fn of(problem: &Problem) -> Result<Self, ProblemError> {
        let mut named: Vec<(&str, Vec<PathBuf>)> = Vec::new();
        if let Some(files) = &problem.pairs {
            let paths = [
                ("pairs.training", Some(&files.training)),
                ("pairs.validation", files.validation.as_ref()),
                ("pairs.test", files.test.as_ref()),
            ];
            for (key, path) in paths {
                if let Some(path) = path {
                    named.push((key, pairs::files(path)?));
                }
            }
        }
        if let Some(PriorConfig::Files(config)) = &problem.prior {
            named.push(("prior.path", config.files()?));
        }
        if let Some(fixed) = &problem.unknown.fixed {
            named.push(("unknown.fixed", vec![volume::file_of(&fixed.to_string_lossy()).into()]));
        }
        let digest = |(key, files): (&str, Vec<PathBuf>)| Ok((key.to_owned(), fingerprint(&files)?));
        Ok(Self(named.into_iter().map(digest).collect::<Result<_, ProblemError>>()?))
    }

    /// Whether the problem names none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a text that reads as itself.
    pub fn to_json(&self) -> Result<String, ProblemError> {
        serde_json::to_string_pretty(&self.0)
            .map_err(|e| ProblemError::Syntax { path: PathBuf::new(), message: e.to_string() })
    }

    /// The keys whose files are not those of `before`.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(|(key, digest)| before.0.get(*key) != Some(digest)).map(|(key, _)| key.as_str())
    }
}
