//! How often a flow can halve an image, and on how many pixels it works.

/// Scales of a network, at most: each halves the image.
const SCALES: usize = 3;
/// The smallest image that is still halved.
const SMALLEST: usize = 8;
/// By so much of itself an axis may be padded for more than one scale.
const PADDING: f64 = 0.1;

/// The scales of a flow, and the pixels along each axis that it works on where they are not those of x.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub scales: usize,
    pub padded: Option<Vec<usize>>,
}

impl Sizes {
    /// As many scales as make sense for an image of these extents: without padding where two divide its sides.
    pub fn of(extents: &[usize]) -> Self {
        let long = || extents.iter().copied().filter(|&size| size > 1);
        if long().next().is_none() {
            return Self { scales: 1, padded: None };
        }
        let is_large = |&scales: &usize| long().all(|size| size >> (scales - 1) >= SMALLEST);
        let divides = |scales: usize| long().all(|size| size.is_multiple_of(1 << scales));
        let candidates = || (1..=SCALES).rev().filter(is_large);
        if let Some(scales) = candidates().find(|&scales| divides(scales)).or(divides(1).then_some(1)) {
            return Self { scales, padded: None };
        }
        let pad = |scales: usize| -> Vec<usize> {
            extents.iter().map(|&size| if size > 1 { size.next_multiple_of(1 << scales) } else { size }).collect()
        };
        let is_little = |scales: &usize| {
            extents.iter().zip(pad(*scales)).all(|(&size, padded)| (padded - size) as f64 <= PADDING * size as f64)
        };
        let scales = candidates().find(is_little).unwrap_or(1);
        Self { scales, padded: Some(pad(scales)) }
    }

    /// The table `[unknown]`: padding where it is needed, and what else it could say.
    pub fn unknown_table(&self) -> String {
        let padding = match &self.padded {
            Some(padded) => format!(
                "[unknown] # what x may be\npadded = {padded:?} # pixels that the flow works on: as x, up to sides that it can halve"
            ),
            None => "# [unknown] # what x may be".into(),
        };
        format!("{padding}\n{}", include_str!("unknown.toml").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_halved_while_they_can_be_and_padded_where_they_cannot() {
        let padded = |sizes: &[usize]| Some(sizes.to_vec());
        for (extents, scales, expected) in [
            (&[64, 64][..], 3, None),
            (&[8, 8], 1, None),
            (&[4, 4], 1, None),
            (&[16, 16], 2, None),
            (&[36, 64], 2, None),
            (&[], 1, None),
            (&[1, 1], 1, None),
            (&[1, 64], 3, None),
            (&[7], 1, padded(&[8])),
            (&[33, 33], 2, padded(&[36, 36])),
            (&[65, 65], 2, padded(&[68, 68])),
            (&[101, 64], 3, padded(&[104, 64])),
            (&[1, 65], 2, padded(&[1, 68])),
            (&[3, 64], 1, padded(&[4, 64])),
        ] {
            assert_eq!(Sizes::of(extents), Sizes { scales, padded: expected }, "{extents:?}");
        }
    }
}
