//! Results that are written whole, without being cleared first: clearing moves as many bytes as writing.

use core::mem::MaybeUninit;

/// Places for so many numbers.
pub struct Unwritten {
    values: Vec<f32>,
    length: usize,
}

impl Unwritten {
    pub fn new(length: usize) -> Self {
        let mut values = Vec::with_capacity(length);
        // What is forgotten shows in the tests.
        if cfg!(debug_assertions) {
            values.spare_capacity_mut().fill(MaybeUninit::new(f32::NAN));
        }
        Self { values, length }
    }

    pub fn get(&mut self) -> &mut [MaybeUninit<f32>] {
        &mut self.values.spare_capacity_mut()[..self.length]
    }

    /// # Safety
    /// Every number of [`get`](Self::get) was written.
    pub unsafe fn into_written(mut self) -> Vec<f32> {
        // SAFETY: the vector has room for them, and by the caller they have values.
        unsafe { self.values.set_len(self.length) };
        self.values
    }
}
