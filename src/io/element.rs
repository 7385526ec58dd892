//! Numbers as they stand in files of other programs: any integer or floating-point type, either byte order.

use std::fmt;

/// The types that values are handed out in.
pub trait Float: hdf5::H5Type + Copy + Default + Into<f64> {
    /// Rounded.
    fn of(value: f64) -> Self;
    /// A whole number, rounded once.
    fn of_signed(value: i64) -> Self;
    /// A whole number, rounded once.
    fn of_unsigned(value: u64) -> Self;
}

impl Float for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn of_signed(value: i64) -> Self {
        value as f32
    }

    fn of_unsigned(value: u64) -> Self {
        value as f32
    }
}

impl Float for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn of_signed(value: i64) -> Self {
        value as f64
    }

    fn of_unsigned(value: u64) -> Self {
        value as f64
    }
}

/// How one number stands in a file.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    kind: Number,
    /// Bytes: 1, 2, 4 or 8.
    size: usize,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Signed,
    Unsigned,
    Float,
}

impl Element {
    /// From numpy's `<f4`, `>i8`, `|u1`.
    pub fn parse(descriptor: &str) -> Option<Self> {
        let mut letters = descriptor.chars();
        let big_endian = match letters.next()? {
            '<' | '|' => false,
            '>' => true,
            _ => return None,
        };
        let kind = match letters.next()? {
            'f' => Number::Float,
            'i' => Number::Signed,
            'u' => Number::Unsigned,
            _ => return None,
        };
        let size = letters.as_str().parse().ok()?;
        let known: &[usize] = if kind == Number::Float { &[2, 4, 8] } else { &[1, 2, 4, 8] };
        known.contains(&size).then_some(Self { kind, size, big_endian })
    }

    /// Bytes of one number.
    pub fn size(self) -> usize {
        self.size
    }

    /// The number in as many bytes as [`Element::size`] says, rounded to the type asked for.
    pub fn decode<T: Float>(self, bytes: &[u8]) -> T {
        let mut little = [0; 8];
        little[..self.size].copy_from_slice(bytes);
        if self.big_endian {
            little[..self.size].reverse();
        }
        let bits = u64::from_le_bytes(little);
        match (self.kind, self.size) {
            (Number::Float, 2) => T::of(half(bits as u16).into()),
            (Number::Float, 4) => T::of(f32::from_bits(bits as u32).into()),
            (Number::Float, _) => T::of(f64::from_bits(bits)),
            (Number::Unsigned, _) => T::of_unsigned(bits),
            (Number::Signed, size) => {
                let unused = 64 - 8 * size as u32;
                T::of_signed(((bits << unused) as i64) >> unused)
            }
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            Number::Signed => 'i',
            Number::Unsigned => 'u',
            Number::Float => 'f',
        };
        let order = match self {
            Element { size: 1, .. } => '|',
            Element { big_endian: true, .. } => '>',
            _ => '<',
        };
        write!(f, "{order}{letter}{}", self.size)
    }
}

/// IEEE 754 half precision: 1 bit sign, 5 bits exponent (bias 15), 10 bits fraction.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from((bits >> 10) & 31);
    let fraction = f32::from(bits & 1023);
    match (exponent, fraction) {
        (0, fraction) => sign * fraction * 2f32.powi(-24),
        (31, 0.0) => sign * f32::INFINITY,
        (31, _) => f32::NAN,
        (exponent, fraction) => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 5.960_464_5e-8), (0x3555, 0.333_251_95)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn every_type_and_order() {
        let decode = |descriptor: &str, bytes: &[u8]| -> f32 { Element::parse(descriptor).unwrap().decode(bytes) };
        assert_eq!(decode("<f4", &1.5f32.to_le_bytes()), 1.5);
        assert_eq!(decode(">f4", &1.5f32.to_be_bytes()), 1.5);
        assert_eq!(decode(">f8", &(-0.1f64).to_be_bytes()), -0.1);
        assert_eq!(decode("<i2", &(-7i16).to_le_bytes()), -7.0);
        assert_eq!(decode(">i8", &(-70i64).to_be_bytes()), -70.0);
        assert_eq!(decode("|u1", &[200]), 200.0);
        assert_eq!(decode("|i1", &[200]), -56.0);
        for not_real in ["<c8", "|O", "<U4", "|b1", "<f16", "=f4", "", "<f"] {
            assert!(Element::parse(not_real).is_none(), "{not_real}");
        }
    }
}
