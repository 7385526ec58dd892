//! Results that are written whole, without being cleared first: clearing moves as many bytes as writing.

use core::mem::MaybeUninit;

/// Places for so many numbers.
pub struct Unwritten {
    values: Vec<f32>,
    length: usize,
}

impl Unwritten {
    pub fn new(length: usize) -> Self {
        Self { values: Vec::with_capacity(length), length }
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
