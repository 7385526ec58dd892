use ndarray::{ArrayD, ArrayViewD};

/// The least and the greatest value of each cell over pairs.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    range: Option<[ArrayD<f32>; 2]>,
    pairs: u64,
}

impl Cells {
    /// One pair more, `[channel, axes…]`.
    pub fn add(&mut self, image: ArrayViewD<f32>) {
        self.pairs += 1;
        let [least, greatest] = self.range.get_or_insert_with(|| [image.to_owned(), image.to_owned()]);
        least.zip_mut_with(&image, |least, &v| *least = least.min(v));
        greatest.zip_mut_with(&image, |greatest, &v| *greatest = greatest.max(v));
    }

    /// Where the cells are that had one value in all pairs, of two pairs or more.
    pub fn constant(&self) -> Vec<Vec<usize>> {
        let Some([least, greatest]) = self.range.as_ref().filter(|_| self.pairs > 1) else { return Vec::new() };
        let same = least.indexed_iter().zip(greatest).filter(|((_, least), greatest)| least == greatest);
        same.map(|((place, _), _)| ndarray::Dimension::slice(&place).to_vec()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn cells_that_never_vary_are_found() {
        let mut cells = Cells::default();
        cells.add(array![[1.0, 2.0], [3.0, 4.0]].into_dyn().view());
        assert!(cells.constant().is_empty(), "one pair says nothing");
        cells.add(array![[1.0, 2.5], [3.0, 4.5]].into_dyn().view());
        assert_eq!(cells.constant(), [[0, 0], [1, 0]]);
    }
}
