//! What multi-scale networks have in common: squeeze, flow steps, the coarser scales on half of the channels, and back.

use std::iter::Peekable;

use crate::flow::{
    Conditioner, ConditionerShape, ConvolutionalConfig, Deeper, FlowError, Layer, Parts, Reversed, Roles, Sequence,
    Squeeze, Squeezer, Transform,
};

/// The resolutions of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scales {
    /// How many.
    pub count: usize,
    /// Flow steps at each.
    pub steps: usize,
    /// How resolution is traded for channels between two of them.
    pub squeezer: Squeezer,
}

/// One resolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Of x, squeezed.
    pub channels: usize,
    /// Of one sample, squeezed.
    pub pixels: usize,
    /// Channels of its condition.
    pub condition: usize,
    /// Which of depth, height and width have an extent.
    pub axes: [bool; 3],
}

/// Beyond this, a slip of the keyboard asks for more memory than there is.
const MOST_STEPS: usize = 10_000;

impl Scales {
    /// Every reason why there are no such resolutions of samples of this shape.
    pub fn validate(self, [channels, d, h, w]: [usize; 4]) -> Result<(), FlowError> {
        if [channels, d, h, w].contains(&0) {
            return Err(FlowError::EmptySample { found: [channels, d, h, w] });
        }
        let wrong = |key, value: usize, remedy| Err(FlowError::Setting { key, value: value.to_string(), remedy });
        if self.count == 0 {
            return wrong("scales", 0, "a network has at least one scale");
        }
        if self.steps == 0 || self.steps > MOST_STEPS {
            return wrong("steps", self.steps, "a scale has 1 to 10000 flow steps");
        }
        let Some(divisor) = u32::try_from(self.count).ok().and_then(|scales| 1usize.checked_shl(scales)) else {
            return wrong("scales", self.count, "no image can be halved so often: use fewer");
        };
        for (axis, size) in [("depth", d), ("height", h), ("width", w)] {
            if size > 1 && !size.is_multiple_of(divisor) {
                return Err(FlowError::Indivisible { axis, size, divisor });
            }
        }
        Ok(())
    }

    /// What the flow steps at each resolution work on, finest first, of samples of shape `[channel, depth, height, width]`
    /// and conditions with these channels.
    pub fn each(self, [channels, d, h, w]: [usize; 4], condition: &[usize]) -> impl Iterator<Item = Scale> {
        let axes = [d > 1, h > 1, w > 1];
        let factor = Squeeze::new(self.squeezer, axes).factor();
        let (mut channels, mut pixels) = (channels, d * h * w);
        (0..self.count).map(move |scale| {
            (channels, pixels) = (channels * factor, pixels / factor);
            let found = Scale { channels, pixels, condition: condition.get(scale).copied().unwrap_or(0), axes };
            // The coarser scales are those of half of the channels.
            channels = channels.div_ceil(2);
            found
        })
    }

    /// The shapes of conditions with these channels, finest first.
    ///
    /// # Errors
    /// Neither none nor one for each scale.
    pub fn conditions(self, [_, d, h, w]: [usize; 4], channels: &[usize]) -> Result<Vec<[usize; 4]>, FlowError> {
        if !channels.is_empty() && channels.len() != self.count {
            return Err(FlowError::Conditions { expected: self.count, found: channels.len() });
        }
        let at = |size: usize, scale: usize| if size > 1 { size >> (scale + 1) } else { 1 };
        let of = |(scale, &channels): (usize, &usize)| [channels, at(d, scale), at(h, scale), at(w, scale)];
        Ok(channels.iter().enumerate().map(of).collect())
    }

    /// Multiply-adds of the networks of all couplings, whose halves are transformed in this way.
    pub fn multiply_adds(
        self,
        shape: [usize; 4],
        condition: &[usize],
        transform: Transform,
        conditioner: &ConvolutionalConfig,
    ) -> u64 {
        let of_scale = |scale: Scale| {
            let roles = Roles::halves(scale.channels);
            let shape = ConditionerShape::of_coupling(&roles, scale.condition, transform, scale.axes);
            (self.steps * scale.pixels) as u64 * conditioner.multiply_adds(shape)
        };
        self.each(shape, condition).map(of_scale).sum()
    }

    /// The layers of the whole network; `steps` gives the flow steps of a scale.
    pub fn layers<N: Conditioner>(
        self,
        shape: [usize; 4],
        condition: &[usize],
        steps: &mut dyn FnMut(Scale) -> Vec<Layer<N>>,
    ) -> Sequence<N> {
        self.scale_and_coarser(&mut self.each(shape, condition).peekable(), steps)
    }

    fn scale_and_coarser<N: Conditioner>(
        self,
        scales: &mut Peekable<impl Iterator<Item = Scale>>,
        steps: &mut dyn FnMut(Scale) -> Vec<Layer<N>>,
    ) -> Sequence<N> {
        let Some(scale) = scales.next() else { return Sequence::new(Vec::new()) };
        let squeeze = Squeeze::new(self.squeezer, scale.axes);
        let mut layers = vec![Layer::Squeeze(squeeze.clone())];
        layers.extend(steps(scale));
        if scales.peek().is_some() {
            let coarser = Sequence::new(vec![Layer::Deeper(Deeper::new(self.scale_and_coarser(scales, steps)))]);
            layers.push(Layer::Parts(Parts::new(scale.channels.div_ceil(2), Some(coarser), None)));
        }
        layers.push(Layer::Reversed(Reversed::new(Sequence::new(vec![Layer::Squeeze(squeeze)]))));
        Sequence::new(layers)
    }
}
