//! What a gradient may keep in memory instead of computing it again.

use std::any::Any;
use std::sync::Arc;

use crate::kernels::Buffers;

/// How much memory a gradient may use beyond the least that it needs, in bytes.
///
/// At the least, every coupling evaluates its network again when it is pulled back. Given more, the values inside as
/// many networks as fit are kept from the forward pass; only the time changes, and rounding.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use posteria::flow::{GlowConfig, Plan};
/// use posteria::random::{Purpose, stream};
///
/// let (device, config) = (Device::flex(), GlowConfig { scales: 1, steps: 2, ..GlowConfig::default() });
/// let glow = config.glow([1, 1, 8, 8], &mut stream(1, Purpose::Weights, 0), &device)?;
/// let x = Tensor::<5>::ones([4, 1, 1, 8, 8], &device);
/// let gradient = |plan| glow.likelihood_gradient(x.clone(), &[], false, plan);
/// let (least, kept) = (gradient(Plan::least())?, gradient(Plan::within(64 << 20))?);
/// assert!((least.x - kept.x).abs().max().into_scalar::<f64>() < 1e-4);
/// # Ok::<(), posteria::flow::FlowError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    bytes: usize,
    /// What the values inside one network may take anyway while it is evaluated, where it is cut into tiles.
    tile: usize,
    /// Lanes of a batch; none where its shape decides.
    lanes: Option<usize>,
}

/// Tiles are never smaller than this, in bytes.
const LEAST_TILE: usize = 16 << 20;

impl Plan {
    /// As little as possible.
    pub fn least() -> Self {
        Self::within(0)
    }

    /// Up to so many bytes for values that would be computed again.
    pub fn within(bytes: usize) -> Self {
        Self { bytes, tile: LEAST_TILE, lanes: None }
    }

    /// Up to so many bytes, and tiles of a few rows where they are spent.
    #[cfg(test)]
    pub(super) fn tiny_tiles(bytes: usize) -> Self {
        Self { bytes, tile: 1, lanes: None }
    }

    /// The batch is computed in so many parts at once, or as many as it has samples. The parts share the bytes. Sums over samples
    /// are rounded otherwise for another number of them, and alike for any number of threads.
    pub fn in_lanes(self, lanes: usize) -> Self {
        Self { lanes: Some(lanes), ..self }
    }

    /// How many were asked for.
    pub(super) fn lanes(self) -> Option<usize> {
        self.lanes
    }

    /// The plan of each of so many lanes.
    pub(crate) fn of_lane(self, among: usize) -> Self {
        Self { bytes: self.bytes / among.max(1), lanes: Some(1), ..self }
    }

    /// How many bytes.
    pub fn bytes(self) -> usize {
        self.bytes
    }
}

impl Default for Plan {
    /// The least.
    fn default() -> Self {
        Self::least()
    }
}

/// Values inside layers, pushed by a map and popped by its gradient, which walks the layers in the other direction.
pub struct Tapes {
    plan: Plan,
    left: usize,
    /// One entry a coupling; nothing is recorded where nobody will pull.
    kept: Option<Vec<Option<Box<dyn Any + Send>>>>,
    /// Of passing values, handed on from layer to layer.
    pub(super) buffers: Arc<Buffers>,
}

impl Tapes {
    /// Of a map whose gradient is not asked for, or may compute everything again.
    pub fn none() -> Self {
        Self { plan: Plan::least(), left: 0, kept: None, buffers: Arc::default() }
    }

    /// Of a map whose gradient follows.
    pub fn new(plan: Plan) -> Self {
        Self::with(plan, Arc::default())
    }

    /// The same, where buffers are shared with others that walk at the same time.
    pub(crate) fn with(plan: Plan, buffers: Arc<Buffers>) -> Self {
        Self { plan, left: plan.bytes, kept: Some(Vec::new()), buffers }
    }

    /// Bytes that the values inside one network may take while it is evaluated.
    pub fn tile_bytes(&self) -> usize {
        self.left.max(self.plan.tile)
    }

    /// Whether so many bytes may be kept; they are set aside then.
    pub fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.kept.is_some() && bytes <= self.left;
        if fits {
            self.left -= bytes;
        }
        fits
    }

    /// Notes what a layer keeps of a map, or that it keeps nothing. A layer that pushes once a map pops once a gradient.
    pub fn push<T: Send + 'static>(&mut self, tape: Option<T>) {
        if let Some(kept) = &mut self.kept {
            kept.push(tape.map(|tape| Box::new(tape) as Box<dyn Any + Send>));
        }
    }

    /// What the layer that is pulled has kept.
    pub fn pop<T: 'static>(&mut self) -> Option<T> {
        let kept = self.kept.as_mut()?.pop()??.downcast().ok();
        debug_assert!(kept.is_some(), "a tape is popped by a layer that did not push it");
        kept.map(|tape| *tape)
    }
}
