use std::collections::HashSet;

use ndarray::ArrayViewD;
use sha2::{Digest, Sha256};

/// Enough of a digest that no two images share it by chance.
type Image = [u8; 16];

/// Which images of a set were seen before.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    seen: HashSet<Image>,
    /// Those of one value everywhere.
    flat: HashSet<Image>,
    /// Images that were there already.
    pub repeated: u64,
    /// All of them.
    pub count: u64,
}

impl Copies {
    /// One image more. Of images that are one value everywhere many may be alike: they are no copies.
    pub fn add(&mut self, image: ArrayViewD<f32>) -> Image {
        let digest = digest(image.view());
        self.count += 1;
        let is_known = !self.seen.insert(digest);
        let is_flat = image.len() > 1 && image.iter().all(|value| Some(value) == image.first());
        self.flat.extend(is_flat.then_some(digest));
        self.repeated += u64::from(is_known && !is_flat);
        digest
    }

    /// Whether an image is among them.
    pub fn has(&self, image: &Image) -> bool {
        self.seen.contains(image) && !self.flat.contains(image)
    }

    /// Whether all are the same, of two or more.
    pub fn are_one(&self) -> bool {
        self.count > 1 && self.seen.len() == 1
    }
}

pub(super) fn digest(image: ArrayViewD<f32>) -> Image {
    let mut hash = Sha256::new();
    for value in image {
        hash.update(value.to_le_bytes());
    }
    let whole: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|k| whole[k])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    #[test]
    fn repeated_images_are_counted() {
        let mut copies = Copies::default();
        let images = [[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]].map(|values| arr1(&values).into_dyn());
        let found: Vec<Image> = images.iter().map(|image| copies.add(image.view())).collect();
        assert_eq!((copies.repeated, copies.count, found[0] == found[2], found[0] == found[1]), (1, 3, true, false));
        assert!(copies.has(&found[1]) && !copies.has(&[0; 16]) && !copies.are_one());
        let flat = arr1(&[3.0, 3.0]).into_dyn();
        let digest = [(); 2].map(|()| copies.add(flat.view()))[1];
        assert_eq!((copies.repeated, copies.count, copies.has(&digest)), (1, 5, false));
    }
}
