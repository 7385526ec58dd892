use burn::tensor::DType;
use thiserror::Error;

/// Why a flow cannot take what it was given.
#[derive(Debug, Error, Clone, PartialEq)]
#[allow(missing_docs)] // the messages say it
pub enum FlowError {
    #[error(
        "{axis} {size} is not divisible by {divisor}: use fewer scales, padding ([unknown] padded in a problem file), or an image whose {axis} is a multiple of {divisor}"
    )]
    Indivisible { axis: &'static str, size: usize, divisor: usize },
    #[error("{layer} was built for {expected} channels and got {found}: the model and the data do not belong together")]
    Channels { layer: &'static str, expected: usize, found: usize },
    #[error(
        "a coupling needs at least 2 channels and got {found}: squeeze first (more than one pixel), or give x more channels"
    )]
    TooFewChannels { found: usize },
    #[error("the flow needs a condition at scale {scale} and got {found} of them: pass one field for every scale")]
    MissingCondition { scale: usize, found: usize },
    #[error("the flow takes {expected} conditions, one a scale, and got {found}")]
    Conditions { expected: usize, found: usize },
    #[error("the condition {found:?} does not fit x {x:?}: it needs the same batch and the same extents, or extent 1")]
    ConditionShape { x: [usize; 5], found: [usize; 5] },
    #[error("the flow was built for samples of shape {expected:?} (channel, depth, height, width) and got {found:?}")]
    SampleShape { expected: [usize; 4], found: [usize; 4] },
    #[error(
        "a part of the channels has shape {expected:?} and its layers make {found:?} of it: they must keep the shape"
    )]
    PartShape { expected: [usize; 5], found: [usize; 5] },
    #[error(
        "samples have shape {expected:?}, their latents {found:?}: layers and base must keep the shape of a sample"
    )]
    LatentShape { expected: [usize; 4], found: Vec<usize> },
    #[error("samples of shape {found:?} (channel, depth, height, width) have no entries: give at least one of each")]
    EmptySample { found: [usize; 4] },
    #[error("channels are cut behind the first {cut} of {found}: leave one channel or more on either side")]
    Cut { cut: usize, found: usize },
    #[error("the network of a coupling reads {inputs} channels and gives {outputs}, the coupling needs {expected:?}")]
    Conditioner { inputs: usize, outputs: usize, expected: [usize; 2] },
    #[error("a batch without samples: give at least one")]
    EmptyBatch,
    #[error(
        "the flow is in {expected:?} and was given {found:?}: cast the fields, or the flow with posteria::flow::cast"
    )]
    FloatType { expected: DType, found: DType },
    #[error("{key} = {value} is not possible: {remedy}")]
    Setting { key: &'static str, value: String, remedy: &'static str },
}
