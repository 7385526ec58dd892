//! Between x in the units of its file and u as the flow sees it.

use ndarray::{ArrayD, Axis, IxDyn};
use rand_distr::{Distribution, StandardNormal};

use crate::model::fillers::{Fillers, normal_surprise};
use crate::model::{Affine, ModelError, Normalisation, UnknownConfig, Values};

/// An x and its u: the values of each channel are taken to all numbers, standardised, and laid into the grid of the flow.
///
///   v = g(x),   u = (v − shift)/scale,   log|∂u/∂x| = Σ_free log|g′(x)| − log scale.
///
/// g is that of [`Values`]. Cells of the flow that are none of x's unknowns, because they pad the grid or their value is
/// fixed, are filled with standard normal numbers e ([`Fillers`]), so that the flow has a density there too and learns that
/// they say nothing: the density of x is that of (x, e) over that of e,
///
///   log q(x) = log q_flow(u) + log|∂u/∂x| − log N(e; 0, I).
///
/// ∫ q_flow(u) de is estimated by one e, the weight q_flow(u) / N(e; 0, I) being right on average: it is exact where the flow
/// has learned that e is standard normal whatever x is.
#[derive(Clone, Debug)]
pub struct Unknown {
    values: Vec<Values>,
    affine: Affine,
    /// Channel and axes of x.
    shape: Vec<usize>,
    /// The same as the flow sees them.
    padded: Vec<usize>,
    /// Of the shape of x: the values of cells that are known, NaN where they are not.
    fixed: Option<ArrayD<f32>>,
    /// Where each entry of x lies in u.
    places: Vec<usize>,
    /// Entries of u that are none of x's unknowns.
    fillers: Vec<usize>,
}

/// A volume of 1024³ is within.
const MOST_NUMBERS: usize = 1 << 31;

/// How far, relative to its size, a fixed cell of x may be from its value.
const ROUNDING: f32 = 1e-4;

impl Unknown {
    /// Of an x of this shape, not standardised yet.
    ///
    /// # Errors
    /// Settings that do not fit its channels and axes.
    pub fn new(config: &UnknownConfig, affine: Affine, shape: &[usize]) -> Result<Self, ModelError> {
        let wrong = |key, value: String, remedy| Err(ModelError::Unknown { key, value, remedy });
        let channels = shape.first().copied().unwrap_or(1);
        let values = match config.values.as_slice() {
            [] => vec![Values::Real {}; channels],
            [one] => vec![*one; channels],
            several if several.len() == channels => several.to_vec(),
            several => {
                let remedy = "give one entry for all channels of x, or one for each";
                return wrong("values", format!("{} entries", several.len()), remedy);
            }
        };
        if let Some(bad) = values.iter().find(|values| !values.is_possible()) {
            let remedy = "give bounds that 32-bit floats hold, the least first and well apart";
            return wrong("values", format!("{bad:?}"), remedy);
        }
        let extents = shape.get(1..).unwrap_or_default();
        let padded = config.padded.clone().unwrap_or_else(|| extents.to_vec());
        if padded.len() != extents.len() || padded.iter().zip(extents).any(|(padded, size)| padded < size) {
            let remedy = "give pixels for each axis of x, as many as it has or more";
            return wrong("padded", format!("{padded:?}"), remedy);
        }
        let padded: Vec<usize> = std::iter::once(channels).chain(padded).collect();
        if padded.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).is_none_or(|n| n > MOST_NUMBERS) {
            return wrong("padded", format!("{:?}", &padded[1..]), "it is too large for any memory; use fewer pixels");
        }
        let unknown = Self {
            values,
            affine,
            shape: shape.to_vec(),
            padded,
            fixed: None,
            places: Vec::new(),
            fillers: Vec::new(),
        };
        Ok(unknown.placed())
    }

    /// The same with cells that are known: `fixed` has the shape of x, their values, and NaN elsewhere.
    ///
    /// # Errors
    /// Another shape, or nothing left that is unknown.
    pub fn with_fixed(self, fixed: ArrayD<f32>) -> Result<Self, ModelError> {
        if fixed.shape() != self.shape {
            let found = fixed.shape().to_vec();
            return Err(ModelError::Shape { what: "the array of fixed cells", expected: self.shape, found });
        }
        if fixed.iter().all(|v| !v.is_nan()) {
            let remedy = "leave NaN in the cells that are to be inferred";
            return Err(ModelError::Unknown { key: "fixed", value: "an array without NaN".into(), remedy });
        }
        Ok(Self { fixed: Some(fixed.as_standard_layout().into_owned()), ..self }.placed())
    }

    /// With its index tables.
    fn placed(mut self) -> Self {
        let strides = |shape: &[usize]| -> Vec<usize> {
            (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
        };
        let (from, to) = (strides(&self.shape), strides(&self.padded));
        let count: usize = self.shape.iter().product();
        let place =
            |k: usize| -> usize { (0..from.len()).map(|axis| k / from[axis] % self.shape[axis] * to[axis]).sum() };
        self.places = (0..count).map(place).collect();
        let mut is_filler = vec![true; self.padded.iter().product()];
        for (k, &place) in self.places.iter().enumerate() {
            is_filler[place] = self.fixed_value(k).is_some();
        }
        self.fillers = (0..is_filler.len()).filter(|&place| is_filler[place]).collect();
        self
    }

    /// The value of entry k of x where it is known.
    fn fixed_value(&self, k: usize) -> Option<f32> {
        let value = self.fixed.as_ref()?.as_slice()?.get(k)?;
        (!value.is_nan()).then_some(*value)
    }

    /// The known cells, NaN where x is unknown.
    pub fn fixed(&self) -> Option<&ArrayD<f32>> {
        self.fixed.as_ref()
    }

    /// Channel and axes of u.
    pub fn padded(&self) -> &[usize] {
        &self.padded
    }

    /// Shift and scale of each channel of v.
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// Whether there are cells that are none of x's unknowns.
    pub fn has_fillers(&self) -> bool {
        !self.fillers.is_empty()
    }

    /// Unknown numbers in one x.
    pub fn dimension(&self) -> usize {
        self.padded.iter().product::<usize>() - self.fillers.len()
    }

    fn channel(&self, k: usize) -> usize {
        k / self.shape.get(1..).unwrap_or_default().iter().product::<usize>().max(1)
    }

    /// The same, standardised by these x where the normalisation says so.
    pub fn fit(mut self, normalisation: Normalisation, x: &ArrayD<f32>) -> Result<Self, ModelError> {
        if normalisation == Normalisation::None {
            return Ok(self);
        }
        let mut by_channel = vec![Vec::new(); self.values.len()];
        for (sample, x) in x.axis_iter(Axis(0)).enumerate() {
            for (k, &value) in x.iter().enumerate() {
                if self.fixed_value(k).is_none() {
                    by_channel[self.channel(k)].push(self.value(sample, k, value)?);
                }
            }
        }
        let (mut shift, mut scale) = (Vec::new(), Vec::new());
        for values in by_channel {
            let count = values.len();
            let column = ArrayD::from_shape_vec(IxDyn(&[1, 1, count]), values);
            let fitted = Affine::standardising(&column.map_err(|e| ModelError::Device(e.to_string()))?);
            shift.extend(fitted.shift);
            scale.extend(fitted.scale);
        }
        self.affine = Affine { shift, scale };
        Ok(self)
    }

    /// v of an entry of x.
    fn value(&self, sample: usize, k: usize, x: f32) -> Result<f64, ModelError> {
        let values = self.values[self.channel(k)];
        values.enter(f64::from(x)).ok_or_else(|| ModelError::Values { sample, index: self.index(k), value: x, values })
    }

    fn index(&self, k: usize) -> Vec<usize> {
        let inner = |axis: usize| self.shape[axis + 1..].iter().product::<usize>();
        (0..self.shape.len()).map(|axis| k / inner(axis) % self.shape[axis]).collect()
    }

    /// u `[batch, padded…]` of a batch of x, and what log q(u) lacks to log q(x), one number a sample.
    ///
    /// # Errors
    /// A value that x cannot have, by its index.
    pub fn enter(&self, x: &ArrayD<f32>, fillers: Fillers) -> Result<(ArrayD<f32>, Vec<f64>), ModelError> {
        let batch = x.len_of(Axis(0));
        let (size, whole) = (self.places.len(), self.padded.iter().product::<usize>());
        let mut u = vec![0f32; batch * whole];
        let mut log_dets = Vec::with_capacity(batch);
        let x = x.as_standard_layout();
        let entries = x.as_slice().unwrap_or_default();
        for (sample, (x, u)) in entries.chunks(size.max(1)).zip(u.chunks_mut(whole.max(1))).enumerate() {
            let mut log_det = 0.0;
            for (k, (&x, &place)) in x.iter().zip(&self.places).enumerate() {
                match self.fixed_value(k) {
                    Some(value) if (x - value).abs() <= ROUNDING * value.abs().max(1e-30) => {}
                    Some(value) => {
                        return Err(ModelError::Fixed { sample, index: self.index(k), value: x, expected: value });
                    }
                    None => {
                        let (channel, v) = (self.channel(k), self.value(sample, k, x)?);
                        let (shift, scale) = (self.affine.shift[channel], self.affine.scale[channel]);
                        u[place] = ((v - shift) / scale) as f32;
                        log_det += self.values[channel].log_slope(v) - scale.ln();
                    }
                }
            }
            if self.has_fillers() {
                let mut rng = fillers.stream(sample, x);
                for &place in &self.fillers {
                    u[place] = StandardNormal.sample(&mut rng);
                    log_det += normal_surprise(u[place]);
                }
            }
            log_dets.push(log_det);
        }
        Ok((batch_of(&self.padded, u)?, log_dets))
    }

    /// x of a batch of u, and what log q(u) lacks to log q(x) with the fillers of u.
    pub fn leave(&self, u: &ArrayD<f32>) -> Result<(ArrayD<f32>, Vec<f64>), ModelError> {
        let whole = self.padded.iter().product::<usize>();
        let mut x = Vec::with_capacity(u.len_of(Axis(0)) * self.places.len());
        let mut log_dets = Vec::with_capacity(u.len_of(Axis(0)));
        let u = u.as_standard_layout();
        for u in u.as_slice().unwrap_or_default().chunks(whole.max(1)) {
            let mut log_det = 0.0;
            for (k, &place) in self.places.iter().enumerate() {
                x.push(match self.fixed_value(k) {
                    Some(value) => value,
                    None => {
                        let channel = self.channel(k);
                        let (shift, scale) = (self.affine.shift[channel], self.affine.scale[channel]);
                        let v = f64::from(u[place]) * scale + shift;
                        log_det += self.values[channel].log_slope(v) - scale.ln();
                        self.values[channel].leave(v)
                    }
                });
            }
            log_det += self.fillers.iter().map(|&place| normal_surprise(u[place])).sum::<f64>();
            log_dets.push(log_det);
        }
        Ok((batch_of(&self.shape, x)?, log_dets))
    }

    /// Images `[batch, channel, axes…]` with the extents of x, continued by their last values to those of the flow.
    pub fn widen(&self, images: ArrayD<f32>) -> ArrayD<f32> {
        let extents = &self.padded[1..];
        (0..extents.len()).fold(images, |images, axis| {
            let (axis, size) = (Axis(axis + 2), extents[axis]);
            match images.len_of(axis) {
                found if found == size => images,
                found => images.select(axis, &(0..size).map(|i| i.min(found - 1)).collect::<Vec<usize>>()),
            }
        })
    }
}

fn batch_of(shape: &[usize], values: Vec<f32>) -> Result<ArrayD<f32>, ModelError> {
    let samples = values.len() / shape.iter().product::<usize>().max(1);
    let full: Vec<usize> = std::iter::once(samples).chain(shape.iter().copied()).collect();
    ArrayD::from_shape_vec(IxDyn(&full), values).map_err(|e| ModelError::Device(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(values: &[Values], padded: Option<Vec<usize>>, shape: &[usize]) -> Unknown {
        let config = UnknownConfig { values: values.to_vec(), padded, ..UnknownConfig::default() };
        Unknown::new(&config, Affine::identity(shape[0]), shape).unwrap()
    }

    fn images(shape: &[usize], f: impl Fn(usize) -> f32) -> ArrayD<f32> {
        let mut k = 0;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            k += 1;
            f(k)
        })
    }

    const ALL: [Values; 3] =
        [Values::Real {}, Values::Positive { above: 1.0 }, Values::Bounded { least: -2.0, most: 5.0 }];

    /// log|∂u/∂x| is the sum of the logarithms of the difference quotients, entry by entry; the way back is the way.
    #[test]
    fn the_log_determinant_is_that_of_the_map() {
        let x = images(&[2, 3, 2, 3], |k| 1.5 + (k as f32 * 0.7).sin().abs());
        let map = unknown(&ALL, None, &[3, 2, 3]).fit(Normalisation::Standardise, &x).unwrap();
        let (u, log_det) = map.enter(&x, Fillers::OfImage).unwrap();
        let (back, of_leave) = map.leave(&u).unwrap();
        assert!(x.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-5));
        let h = 1e-3;
        let [plus, minus] = [h, -h].map(|h| map.enter(&x.mapv(|v| v + h), Fillers::OfImage).unwrap().0);
        for sample in 0..2 {
            let part = |a: &ArrayD<f32>| a.index_axis(Axis(0), sample).mapv(f64::from);
            let quotients = (part(&plus) - part(&minus)) / f64::from(2.0 * h);
            let expected: f64 = quotients.iter().map(|q| q.ln()).sum();
            assert!((log_det[sample] - expected).abs() < 2e-2, "{} {expected}", log_det[sample]);
            assert!((log_det[sample] - of_leave[sample]).abs() < 1e-4);
        }
        for channel in u.axis_iter(Axis(1)) {
            let mean = channel.mean().unwrap();
            assert!(mean.abs() < 1e-5 && (channel.mapv(|v| v * v).mean().unwrap() - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn cells_that_are_no_unknowns_are_noise_to_the_flow_and_themselves_in_x() {
        let fixed = images(&[1, 2, 3], |k| if k <= 3 { 7.0 } else { f32::NAN });
        let map = unknown(&[], Some(vec![4, 4]), &[1, 2, 3]).with_fixed(fixed).unwrap();
        assert_eq!((map.dimension(), map.padded()), (3, &[1, 4, 4][..]));
        let x = images(&[2, 1, 2, 3], |k| if (k - 1) % 6 < 3 { 7.0 } else { k as f32 });
        let (u, log_det) = map.enter(&x, Fillers::OfImage).unwrap();
        assert_eq!((u[[0, 0, 1, 0]], u[[0, 0, 1, 2]]), (4.0, 6.0));
        let fillers: Vec<f32> = u.iter().copied().filter(|v| v.fract() != 0.0).collect();
        assert_eq!(fillers.len(), 26);
        let (back, of_leave) = map.leave(&u).unwrap();
        assert_eq!(back, x);
        for (a, b) in log_det.iter().zip(&of_leave) {
            assert!((a - b).abs() < 1e-9 && *a > 0.0);
        }
        assert_eq!(map.enter(&x, Fillers::OfImage).unwrap().0, u, "a function of x");
        let error = map.enter(&x.mapv(|v| v + 1.0), Fillers::OfImage).unwrap_err().to_string();
        assert!(error.contains("[0, 0, 0]") && error.contains('7'), "{error}");
        let wide = map.widen(images(&[1, 2, 2, 3], |k| k as f32));
        assert_eq!((wide.shape(), wide[[0, 1, 3, 3]]), (&[1, 2, 4, 4][..], 12.0));
    }

    #[test]
    fn what_x_cannot_be_is_said() {
        let map = unknown(&ALL[1..2], None, &[1, 2, 2]);
        let error = map.enter(&images(&[1, 1, 2, 2], |k| 3.0 - k as f32), Fillers::OfImage).unwrap_err().to_string();
        assert!(error.contains("x[0] at [0, 0, 1]") && error.contains("above 1"), "{error}");
        for config in [
            UnknownConfig { values: ALL.to_vec(), ..UnknownConfig::default() },
            UnknownConfig { padded: Some(vec![1, 2]), ..UnknownConfig::default() },
            UnknownConfig { padded: Some(vec![usize::MAX, 2]), ..UnknownConfig::default() },
            UnknownConfig { values: vec![Values::Bounded { least: 1.0, most: 1.0 }], ..UnknownConfig::default() },
            UnknownConfig { values: vec![Values::Bounded { least: 0.0, most: 1e-50 }], ..UnknownConfig::default() },
            UnknownConfig { values: vec![Values::Positive { above: 1e39 }], ..UnknownConfig::default() },
        ] {
            assert!(Unknown::new(&config, Affine::identity(1), &[1, 2, 2]).is_err());
        }
    }

    #[test]
    fn draws_stay_inside_their_bounds() {
        let map = unknown(&ALL[1..], None, &[2, 1]);
        let u = ArrayD::from_shape_vec(IxDyn(&[2, 2, 1]), vec![-200.0, -200.0, 5.0, 200.0]).unwrap();
        let (x, _) = map.leave(&u).unwrap();
        assert!(x[[0, 0, 0]] > 1.0 && x[[0, 1, 0]] > -2.0 && x[[1, 1, 0]] < 5.0, "{x}");
        map.enter(&x, Fillers::OfImage).unwrap();
    }

    /// Each visit of an x has fillers of its own, however visits are cut into batches; what is unknown of x stays.
    #[test]
    fn every_visit_has_other_fillers() {
        let map = unknown(&[], Some(vec![4, 4]), &[1, 2, 3]);
        let x = images(&[3, 1, 2, 3], |k| (1 + k % 6) as f32);
        let enter = |x: &ArrayD<f32>, seed, first| map.enter(x, Fillers::OfVisit { seed, first }).unwrap();
        let part = |range: std::ops::Range<usize>| x.slice_axis(Axis(0), range.into()).to_owned();
        let (whole, log_det) = enter(&x, 1, 6);
        let ((first, of_first), (last, of_last)) = (enter(&part(0..2), 1, 6), enter(&part(2..3), 1, 8));
        assert_eq!(ndarray::concatenate(Axis(0), &[first.view(), last.view()]).unwrap(), whole);
        assert_eq!([of_first, of_last].concat(), log_det);
        let fillers = |u: &ArrayD<f32>| u.iter().map(|v| v.to_bits()).collect::<std::collections::BTreeSet<_>>();
        // Six unknowns, the same in each x, and ten fillers of each that nothing else has.
        assert_eq!(fillers(&whole).len(), 6 + 3 * 10);
        for (seed, first) in [(1, 9), (2, 6)] {
            assert_eq!(fillers(&whole).intersection(&fillers(&enter(&x, seed, first).0)).count(), 6);
        }
    }
}
