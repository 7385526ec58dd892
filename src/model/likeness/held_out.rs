//! Records held out of training, and others beside them.

use ndarray::{Array1, Array2, ArrayD, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::misfit::Misfit;
use super::traits::{Shown, Trait, traits};
use super::typical::{Strangest, Typical};
use super::variation::Unlike;
use crate::model::{Model, ModelError};
use crate::random::{Purpose, stream};

/// χ²/m of a record is the mean over so many draws, the first: as many for each record that is compared.
pub const FIRST_DRAWS: usize = 4;

/// Share of ordinary records that are told to be unlike, by chance, of any number of records: half of them by the
/// distance, half by the misfit, a quarter on either side. Where there is no misfit, the distance has all.
///
/// A record is unlike where the share of held-out records as far off as it, itself counted among them, is at most that. For
/// records from one distribution this is so whatever the distribution is, up to what the choice of n held-out records does
/// to it: a deviation of √(share/n), 0.4 % for 600 of them (Vovk 2012, doi:10.1007/s10994-013-5355-6).
const BY_CHANCE: f64 = 0.01;
/// Over the root of their number: by how much farther off than extrapolated a record must lie where held-out ones are few.
/// Of sets of 40 of normal or heavier-tailed records, one in fifty then tells more than 2 % of ordinary ones; without
/// it, one in four does.
const CAUTION: f64 = 2.0;
/// Of fewer held-out records nothing is made.
const LEAST: usize = 8;
/// Records looked at together, by all threads; fewer of those with many numbers.
const AT_ONCE: usize = 16;
/// Numbers of records and images that are looked at together: their details are taken in 64 bits, some copies at a time.
const NUMBERS_AT_ONCE: usize = 1 << 22;
/// Latent draws of held-out records are others than those of any observation that is sampled.
const FIRST_LATENT: u64 = 1 << 48;

/// What the records that a model was not trained on are like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// χ²/m of the first draws of each, ascending; empty where operator or noise are unknown.
    misfits: Vec<f64>,
    /// What the model is shown of them.
    condition: Typical,
}

/// On which side of almost all held-out records a number lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Among them.
    Among,
    /// Below.
    Below,
    /// Above.
    Above,
}

/// A number of a record beside those of the held-out records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The number.
    pub value: f64,
    /// Share of the held-out records whose number is smaller.
    pub place: f64,
    /// Where that is too seldom to be chance.
    pub side: Side,
}

/// How a record is beside those of training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Likeness {
    /// How the values of each channel are unlike those that the model was fitted to.
    pub channels: Vec<Option<Unlike>>,
    /// Distance of what the model is shown of it; none where the model keeps no held-out records.
    pub distance: Option<Standing>,
    /// What it differs most in.
    pub strangest: Option<(Shown, Trait, Strangest)>,
    /// χ²/m of its first draws.
    pub misfit: Option<f64>,
    /// The same beside that of held-out records.
    pub misfit_standing: Option<Standing>,
}

impl Likeness {
    /// Whether anything is unlike those of training.
    pub fn is_unlike(&self) -> bool {
        let is_off = |standing: &Option<Standing>| standing.is_some_and(|found| found.side != Side::Among);
        self.channels.iter().any(Option::is_some) || is_off(&self.distance) || is_off(&self.misfit_standing)
    }
}

impl HeldOut {
    /// The share of ordinary records that are told to be unlike, by chance.
    pub const BY_CHANCE: f64 = BY_CHANCE;

    /// How many there are.
    pub fn count(&self) -> usize {
        self.condition.distances().len()
    }

    fn standing_of_distance(&self, value: f64) -> Standing {
        let level = if self.misfits.is_empty() { BY_CHANCE } else { BY_CHANCE / 2.0 };
        standing(self.condition.distances(), value, [0.0, level])
    }

    fn standing_of_misfit(&self, value: f64) -> Option<Standing> {
        let levels = [BY_CHANCE / 4.0; 2];
        (!self.misfits.is_empty()).then(|| standing(&self.misfits, value, levels))
    }
}

/// Where `value` stands among others, ascending; `levels` are the shares too far below and above them.
fn standing(others: &[f64], value: f64, levels: [f64; 2]) -> Standing {
    let smaller = others.partition_point(|&other| other < value);
    let greater = others.len() - others.partition_point(|&other| other <= value);
    let negative: Vec<f64> = others.iter().rev().map(|other| -ln(*other)).collect();
    let positive: Vec<f64> = others.iter().map(|other| ln(*other)).collect();
    let side = if is_beyond(&positive, ln(value), levels[1]) {
        Side::Above
    } else if is_beyond(&negative, -ln(value), levels[0]) {
        Side::Below
    } else {
        Side::Among
    };
    let equal = others.len() - smaller - greater;
    let place = (smaller as f64 + 0.5 * equal as f64) / others.len().max(1) as f64;
    Standing { value, place, side }
}

fn ln(value: f64) -> f64 {
    value.max(f64::MIN_POSITIVE).ln()
}

/// Whether at most a share `level` of others, ascending, lies as far up as `value`, which is counted among them. Where they
/// are too few to tell, the outermost is moved out as far as a normal distribution goes on from its median, and
/// [`CAUTION`] farther, because the outermost of a few is uncertain itself.
fn is_beyond(others: &[f64], value: f64, level: f64) -> bool {
    let count = others.len() as f64 + 1.0;
    if level <= 0.0 {
        return false;
    }
    let as_far = others.len() - others.partition_point(|&other| other < value);
    if level * count >= 1.0 {
        return as_far as f64 + 1.0 <= level * count;
    }
    let (Some(&last), Some(&median)) = (others.last(), others.get(others.len() / 2)) else { return false };
    let quantile = |share: f64| Normal::standard().inverse_cdf(1.0 - share);
    // Numbers that are all the same, but for rounding, say nothing of how far others may lie.
    let width = (last - median).max(1e-3);
    value > median + width * quantile(level) / quantile(1.0 / count) * (1.0 + CAUTION / count.sqrt())
}

impl Model {
    /// The model knowing what records `[1, channel, axes…]` held out of training are like. It keeps nothing of fewer than
    /// eight. `progress` is told how many were looked at; nothing is returned when it says false.
    ///
    /// # Errors
    /// Those of reading the records, and of the model.
    pub fn beside<E: From<ModelError>>(
        self,
        records: &mut dyn Iterator<Item = Result<ArrayD<f32>, E>>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Self>, E> {
        let misfit = self.misfit()?;
        let (mut count, mut all, mut misfits) = (0, Vec::new(), Vec::new());
        let mut records = records.fuse();
        let numbers = self.x_shape().iter().product::<usize>() + self.y_shape().iter().product::<usize>();
        let at_once = (NUMBERS_AT_ONCE / numbers.max(1)).clamp(1, AT_ONCE);
        loop {
            let some = records.by_ref().take(at_once).collect::<Result<Vec<_>, E>>()?;
            if some.is_empty() {
                break;
            }
            let look = |(k, y): (usize, &ArrayD<f32>)| {
                let traits: Vec<f64> = self.shown(y)?.into_iter().map(|(_, _, value)| value).collect();
                let misfit = misfit.as_ref().map(|misfit| self.first_misfit(misfit, y, count + k)).transpose()?;
                Ok((traits, misfit))
            };
            let looked = some.par_iter().enumerate().map(look).collect::<Result<Vec<_>, ModelError>>()?;
            for (traits, misfit) in looked {
                all.extend(traits);
                misfits.extend(misfit);
            }
            count += some.len();
            if !progress(count) {
                return Ok(None);
            }
        }
        if count < LEAST {
            return Ok(Some(self));
        }
        misfits.sort_by(f64::total_cmp);
        let table = Array2::from_shape_vec((count, all.len() / count), all).ok();
        let held_out = table.as_ref().and_then(Typical::of).map(|condition| HeldOut { misfits, condition });
        Ok(Some(Self { held_out: held_out.map(Into::into), ..self }))
    }

    /// What records held out of training are like; none in a model that is not trained to the end, or was by a version that
    /// kept none.
    pub fn held_out(&self) -> Option<&HeldOut> {
        self.held_out.as_deref()
    }

    /// How a record `[1, channel, axes…]` is beside those of training, before anything is drawn.
    ///
    /// # Errors
    /// Another shape.
    pub fn likeness(&self, y: &ArrayD<f32>) -> Result<Likeness, ModelError> {
        let mut likeness = Likeness { channels: self.unlike(y)?, ..Likeness::default() };
        if let Some(held_out) = self.held_out() {
            let shown = self.shown(y)?;
            let values: Array1<f64> = shown.iter().map(|(_, _, value)| *value).collect();
            if let Some((distance, strangest)) = held_out.condition.distance(values.view()) {
                likeness.distance = Some(held_out.standing_of_distance(distance));
                let one = shown.get(strangest.number);
                likeness.strangest = one.map(|(what, one, _)| (*what, *one, strangest));
            }
        }
        Ok(likeness)
    }

    /// The same with the misfit χ²/m of the first [`FIRST_DRAWS`] draws of the record. The mean of fewer spreads more than
    /// those of held-out records do, and is not compared with them.
    pub fn with_misfit(&self, likeness: Likeness, misfit: f64, draws: usize) -> Likeness {
        let held_out = self.held_out().filter(|_| draws >= FIRST_DRAWS);
        let misfit_standing = held_out.and_then(|held_out| held_out.standing_of_misfit(misfit));
        Likeness { misfit: Some(misfit), misfit_standing, ..likeness }
    }

    /// The traits of what the model is shown of a record.
    fn shown(&self, y: &ArrayD<f32>) -> Result<Vec<(Shown, Trait, f64)>, ModelError> {
        self.check("y", y, self.y_shape())?;
        let of = |what: Shown, sample: &ArrayD<f32>| {
            traits(sample.index_axis(Axis(0), 0)).into_iter().map(move |(one, value)| (what, one, value))
        };
        let mut shown: Vec<_> = of(Shown::Record, y).collect();
        if self.operator.built().is_some() {
            shown.extend(of(Shown::Adjoint, &self.adjoint(y)?));
        }
        Ok(shown)
    }

    /// χ²/m of the first draws of held-out record `index`.
    fn first_misfit(&self, misfit: &Misfit, y: &ArrayD<f32>, index: usize) -> Result<f64, ModelError> {
        let mut rng = stream(self.provenance().seed, Purpose::Latent, FIRST_LATENT + index as u64);
        match self.sample(y, FIRST_DRAWS, &mut rng) {
            Ok(draws) => misfit.mean(draws.view(), y),
            // Draws that run over are as far off as can be.
            Err(ModelError::NotFinite { .. }) => Ok(f64::from(f32::MAX)),
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<f64> {
        (0..count).map(|i| (Normal::standard().inverse_cdf((i as f64 + 0.5) / count as f64)).exp()).collect()
    }

    #[test]
    fn a_number_is_unlike_where_its_share_of_the_others_is_too_small() {
        let others = numbers(999);
        let found = |value: f64| standing(&others, value, [0.003, 0.01]);
        assert_eq!(found(1.0), Standing { value: 1.0, place: 0.5, side: Side::Among });
        // With itself, nine above are ten of 1,000, ten are eleven.
        assert_eq!(found(others[989] * 1.0001).side, Side::Above);
        assert_eq!(found(others[988] * 1.0001).side, Side::Among);
        assert_eq!(found(others[2] * 0.9999).side, Side::Below);
        assert_eq!(found(others[3] * 0.9999).side, Side::Among);
        assert_eq!(standing(&others, 0.0, [0.0, 0.01]).side, Side::Among);
        assert_eq!(standing(&others, 0.0, [0.003; 2]), Standing { value: 0.0, place: 0.0, side: Side::Below });
        assert_eq!(found(f64::from(f32::MAX)).place, 1.0);
    }

    #[test]
    fn where_others_are_few_a_normal_distribution_goes_on() {
        let others = numbers(20);
        let found = |deviations: f64| standing(&others, deviations.exp(), [0.005; 2]).side;
        assert_eq!(
            [found(4.2), found(-4.2), found(4.5), found(-4.5)],
            [Side::Among, Side::Among, Side::Above, Side::Below]
        );
        assert_eq!(standing(&[], 1.0, [0.005; 2]).side, Side::Among);
        let same = vec![2.0; 20];
        assert_eq!(standing(&same, 2.0, [0.005; 2]).side, Side::Among);
        assert_eq!(standing(&same, 2.1, [0.005; 2]).side, Side::Above);
    }
}
