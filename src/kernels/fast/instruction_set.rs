//! Vectors of f32 in three instruction sets, and the choice among them at run time.

/// What a kernel may be compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of the target has.
    Plain,
}

/// Vectors of one instruction set.
pub trait Simd: Copy {
    type Vector: Copy;
    /// Entries of a vector.
    const LANES: usize;
    /// Whether there are 32 registers rather than 16: larger blocks stay in them.
    const MANY_REGISTERS: bool;
    /// Whether a·b + c is one instruction.
    const FUSED: bool;

    fn splat(value: f32) -> Self::Vector;
    /// The first entries of a slice.
    fn load(values: &[f32]) -> Self::Vector;
    /// Into the first entries of a slice.
    fn store(vector: Self::Vector, values: &mut [f32]);
    /// The entries from `offset` on.
    ///
    /// # Safety
    /// `offset + LANES` is at most the length.
    unsafe fn load_unchecked(values: &[f32], offset: usize) -> Self::Vector;
    /// a·b + c.
    fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The greater of each pair.
    fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Entries of `vector` where those of `gate` are positive, elsewhere multiplied by `factor`.
    fn gated(gate: Self::Vector, vector: Self::Vector, factor: Self::Vector) -> Self::Vector;
    /// The sum of all entries.
    fn sum(vector: Self::Vector) -> f32;
    /// A square of as many rows and columns as there are lanes: `into[c * to + r] = row(r)[c]`.
    fn transpose(row: impl Fn(usize) -> Self::Vector, into: &mut [f32], to: usize);

    /// a·b + c of numbers, in one rounding where that is one instruction.
    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        if Self::FUSED { a.mul_add(b, c) } else { a * b + c }
    }
}

/// Work written once for all instruction sets. `run` must be `#[inline(always)]`, and so must all it calls in loops:
/// then they are compiled once for each set.
pub trait Kernel {
    type Output;
    fn run<S: Simd>(self) -> Self::Output;
}

impl InstructionSet {
    /// The best one of this machine.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if is_x86_feature_detected!("avx512f") && wide {
                return InstructionSet::Avx512;
            }
            if wide {
                return InstructionSet::Avx2;
            }
        }
        InstructionSet::Plain
    }

    /// All of this machine, the best first.
    #[cfg(test)]
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let all = [InstructionSet::Avx512, InstructionSet::Avx2, InstructionSet::Plain];
        #[cfg(not(target_arch = "x86_64"))]
        let all = [InstructionSet::Plain];
        let best = all.iter().position(|&set| set == Self::best()).unwrap_or(0);
        all[best..].to_vec()
    }

    /// Runs a kernel with these instructions. Inlined, so that no kernel is copied on its way.
    #[inline(always)]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            // SAFETY: the set is made by `best` or `available` alone, which found the features on this machine.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { x86::avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { x86::avx2(kernel) },
            InstructionSet::Plain => kernel.run::<Plain>(),
        }
    }
}

/// Eight numbers that the compiler may vectorise as it can.
#[derive(Clone, Copy)]
pub struct Plain;

impl Simd for Plain {
    type Vector = [f32; 8];
    const LANES: usize = 8;
    const MANY_REGISTERS: bool = false;
    const FUSED: bool = false;

    #[inline(always)]
    fn splat(value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    fn load(values: &[f32]) -> [f32; 8] {
        core::array::from_fn(|i| values[i])
    }

    #[inline(always)]
    fn store(vector: [f32; 8], values: &mut [f32]) {
        values[..8].copy_from_slice(&vector);
    }

    #[inline(always)]
    unsafe fn load_unchecked(values: &[f32], offset: usize) -> [f32; 8] {
        Self::load(&values[offset..])
    }

    #[inline(always)]
    fn multiply_add(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        core::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn max(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        core::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn gated(gate: [f32; 8], vector: [f32; 8], factor: [f32; 8]) -> [f32; 8] {
        core::array::from_fn(|i| if gate[i] > 0.0 { vector[i] } else { vector[i] * factor[i] })
    }

    #[inline(always)]
    fn sum(v: [f32; 8]) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }

    #[inline(always)]
    fn transpose(row: impl Fn(usize) -> [f32; 8], into: &mut [f32], to: usize) {
        let rows: [[f32; 8]; 8] = core::array::from_fn(row);
        for (c, column) in into.chunks_mut(to).take(8).enumerate() {
            column[..8].iter_mut().zip(&rows).for_each(|(value, row)| *value = row[c]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{Kernel, Simd};

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx512>()
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    #[derive(Clone, Copy)]
    pub struct Avx512;

    #[derive(Clone, Copy)]
    pub struct Avx2;

    /// The operations of one set, from its intrinsics.
    macro_rules! simd {
        ($set:ident, $vector:ty, $lanes:literal, $many:literal, $splat:ident, $load:ident, $store:ident, $fma:ident,
         $max:ident, $gated:ident, $sum:expr, $transpose:ident) => {
            // SAFETY (of all blocks here): a type of this module reaches a kernel only through the function above
            // that enables its instructions; loads and stores stay inside a slice of checked length.
            impl Simd for $set {
                type Vector = $vector;
                const LANES: usize = $lanes;
                const MANY_REGISTERS: bool = $many;
                const FUSED: bool = true;

                #[inline(always)]
                fn splat(value: f32) -> $vector {
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                fn load(values: &[f32]) -> $vector {
                    let values = &values[..$lanes];
                    unsafe { $load(values.as_ptr()) }
                }

                #[inline(always)]
                fn store(vector: $vector, values: &mut [f32]) {
                    let values = &mut values[..$lanes];
                    unsafe { $store(values.as_mut_ptr(), vector) }
                }

                #[inline(always)]
                unsafe fn load_unchecked(values: &[f32], offset: usize) -> $vector {
                    debug_assert!(offset + $lanes <= values.len());
                    unsafe { $load(values.as_ptr().add(offset)) }
                }

                #[inline(always)]
                fn multiply_add(a: $vector, b: $vector, c: $vector) -> $vector {
                    unsafe { $fma(a, b, c) }
                }

                #[inline(always)]
                fn max(a: $vector, b: $vector) -> $vector {
                    unsafe { $max(a, b) }
                }

                #[inline(always)]
                fn gated(gate: $vector, vector: $vector, factor: $vector) -> $vector {
                    unsafe { $gated(gate, vector, factor) }
                }

                #[inline(always)]
                fn sum(vector: $vector) -> f32 {
                    unsafe { $sum(vector) }
                }

                #[inline(always)]
                fn transpose(row: impl Fn(usize) -> $vector, into: &mut [f32], to: usize) {
                    let columns = unsafe { $transpose(core::array::from_fn(row)) };
                    for (c, column) in columns.into_iter().enumerate() {
                        Self::store(column, &mut into[c * to..]);
                    }
                }
            }
        };
    }

    simd!(
        Avx512,
        __m512,
        16,
        true,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps,
        gated16,
        _mm512_reduce_add_ps,
        transpose16
    );
    simd!(
        Avx2,
        __m256,
        8,
        false,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        gated8,
        |v| {
            let half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(quarter, _mm_shuffle_ps::<1>(quarter, quarter)))
        },
        transpose8
    );

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn gated16(gate: __m512, vector: __m512, factor: __m512) -> __m512 {
        let closed = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(gate, _mm512_setzero_ps());
        _mm512_mask_mul_ps(vector, closed, vector, factor)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn gated8(gate: __m256, vector: __m256, factor: __m256) -> __m256 {
        let open = _mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps());
        _mm256_blendv_ps(_mm256_mul_ps(vector, factor), vector, open)
    }

    /// Pairs of rows, then pairs of pairs are interleaved within each 128 bits; lane L of `quads[4g + c]` then holds
    /// column 4L + c of rows 4g to 4g + 3, and whole lanes are exchanged.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose16(r: [__m512; 16]) -> [__m512; 16] {
        let mut quads = r;
        for g in (0..16).step_by(4) {
            let (a, b) = (_mm512_unpacklo_ps(r[g], r[g + 1]), _mm512_unpackhi_ps(r[g], r[g + 1]));
            let (c, d) = (_mm512_unpacklo_ps(r[g + 2], r[g + 3]), _mm512_unpackhi_ps(r[g + 2], r[g + 3]));
            let [a, b, c, d] = [a, b, c, d].map(|v| _mm512_castps_pd(v));
            let pairs = [
                _mm512_unpacklo_pd(a, c),
                _mm512_unpackhi_pd(a, c),
                _mm512_unpacklo_pd(b, d),
                _mm512_unpackhi_pd(b, d),
            ];
            quads[g..g + 4].copy_from_slice(&pairs.map(|v| _mm512_castpd_ps(v)));
        }
        let mut columns = r;
        for c in 0..4 {
            let even = |a, b| _mm512_shuffle_f32x4::<0x88>(a, b);
            let odd = |a, b| _mm512_shuffle_f32x4::<0xdd>(a, b);
            let (upper, lower) = ((quads[c], quads[4 + c]), (quads[8 + c], quads[12 + c]));
            let (a, b) = (even(upper.0, upper.1), even(lower.0, lower.1));
            (columns[c], columns[8 + c]) = (even(a, b), odd(a, b));
            let (a, b) = (odd(upper.0, upper.1), odd(lower.0, lower.1));
            (columns[4 + c], columns[12 + c]) = (even(a, b), odd(a, b));
        }
        columns
    }

    /// As [`transpose16`], with two lanes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose8(r: [__m256; 8]) -> [__m256; 8] {
        let mut quads = r;
        for g in [0, 4] {
            let (a, b) = (_mm256_unpacklo_ps(r[g], r[g + 1]), _mm256_unpackhi_ps(r[g], r[g + 1]));
            let (c, d) = (_mm256_unpacklo_ps(r[g + 2], r[g + 3]), _mm256_unpackhi_ps(r[g + 2], r[g + 3]));
            let [a, b, c, d] = [a, b, c, d].map(|v| _mm256_castps_pd(v));
            let pairs = [
                _mm256_unpacklo_pd(a, c),
                _mm256_unpackhi_pd(a, c),
                _mm256_unpacklo_pd(b, d),
                _mm256_unpackhi_pd(b, d),
            ];
            quads[g..g + 4].copy_from_slice(&pairs.map(|v| _mm256_castpd_ps(v)));
        }
        let mut columns = r;
        for c in 0..4 {
            columns[c] = _mm256_permute2f128_ps::<0x20>(quads[c], quads[4 + c]);
            columns[4 + c] = _mm256_permute2f128_ps::<0x31>(quads[c], quads[4 + c]);
        }
        columns
    }
}
