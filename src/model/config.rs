use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::flow::NetworkConfig;
use crate::model::Values;
use crate::summary::{ReducerConfig, SummaryConfig};

/// Everything that decides what a model is, besides the data it is fitted to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ModelConfig {
    /// The flow.
    pub network: NetworkConfig,
    /// What it is told of an observation.
    pub condition: ConditionConfig,
    /// How the unknown is presented to it.
    pub unknown: UnknownConfig,
}

/// What the flow is told of an observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ConditionConfig {
    /// Images that are put side by side as channels.
    pub sources: Vec<Source>,
    /// How the source "reduced" is made.
    pub reducer: ReducerConfig,
    /// What brings them to every scale of the flow.
    pub summary: SummaryConfig,
}

impl Default for ConditionConfig {
    fn default() -> Self {
        Self {
            sources: vec![Source::Observation],
            reducer: ReducerConfig::default(),
            summary: SummaryConfig::default(),
        }
    }
}

/// One image made of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The observation itself, where it has the extents of x.
    Observation,
    /// The adjoint of the operator applied to it.
    Adjoint,
    /// The observation brought to the extents of x by a learned [`Reducer`](crate::summary::Reducer).
    Reduced,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Observation => "\"observation\"",
            Source::Adjoint => "\"adjoint\"",
            Source::Reduced => "\"reduced\"",
        })
    }
}

/// How the unknown is presented to the flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct UnknownConfig {
    /// From file units to those of the flow.
    pub normalisation: Normalisation,
    /// What values x may have: one entry for all of its channels, or one for each; any where nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Values>,
    /// Pixels along each axis that the flow works on where the scales do not divide those of x; the rest is padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padded: Option<Vec<usize>>,
    /// A file with an array of the shape of x: the values of the cells that are known, NaN in those to be inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<PathBuf>,
}

/// The map from file units to those of the flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Mean zero and variance one for each channel, over the first pairs.
    #[default]
    Standardise,
    /// As it is.
    None,
}
