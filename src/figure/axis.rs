//! Ticks at round numbers, and how numbers are written.

/// Where an axis is marked and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticks {
    /// Values and their labels, as multiples of 10^exponent.
    pub marks: Vec<(f64, String)>,
    /// The power of ten that the labels leave out.
    pub exponent: i32,
}

impl Ticks {
    /// Multiples of 1, 2 or 5 times a power of ten between two values, in either order: as fine as `most` ticks allow.
    /// `whole` numbers count pixels.
    pub fn new(from: f64, to: f64, most: usize, whole: bool) -> Ticks {
        let (low, high) = (from.min(to), from.max(to));
        let width = high - low;
        if !(width.is_finite() && width > 0.0) {
            return Ticks { marks: Vec::new(), exponent: 0 };
        }
        let step = round_step(width / most.max(1) as f64);
        let step = if whole { step.max(1.0) } else { step };
        let largest = low.abs().max(high.abs());
        let exponent = if (1e-3..1e5).contains(&largest) { 0 } else { largest.log10().floor() as i32 };
        let unit = 10f64.powi(exponent);
        let decimals = (-(step / unit).log10().floor()).clamp(0.0, 12.0) as usize;
        let (first, last) = ((low / step - 1e-6).ceil(), (high / step + 1e-6).floor());
        let count = (last - first).clamp(-1.0, 100.0) as i64 + 1;
        let mark = |i: i64| {
            let value = (first + i as f64) * step;
            (value, minus(&format!("{:.decimals$}", value / unit)))
        };
        Ticks { marks: (0..count).map(mark).collect(), exponent }
    }

    /// Powers of two between two positive values, in either order: every one, or every second, … as `most` ticks allow.
    pub fn doublings(from: f64, to: f64, most: usize) -> Ticks {
        let [from, to] = [from.log2(), to.log2()];
        if !(from.is_finite() && to.is_finite()) {
            return Ticks { marks: Vec::new(), exponent: 0 };
        }
        let (low, high) = (from.min(to), from.max(to));
        let (first, last) = ((low - 1e-6).ceil() as i32, (high + 1e-6).floor() as i32);
        let step = ((last - first) / most.max(1) as i32 + 1).max(1);
        let multiples = (first..=last).filter(|power| power % step == 0);
        let mark = |power| (2f64.powi(power), number(2f64.powi(power)));
        Ticks { marks: multiples.map(mark).collect(), exponent: 0 }
    }

    /// Powers of ten between two positive values, in either order: every one, or every second, … as `most` ticks allow;
    /// between values that are closer than that also twice and five times them.
    pub fn tenfold(from: f64, to: f64, most: usize) -> Ticks {
        let [from, to] = [from.log10(), to.log10()];
        if !(from.is_finite() && to.is_finite()) {
            return Ticks { marks: Vec::new(), exponent: 0 };
        }
        let (low, high) = (from.min(to) - 1e-9, from.max(to) + 1e-9);
        let (first, last) = (low.floor() as i32, high.ceil() as i32);
        let inside = |value: f64| (low..=high).contains(&value.log10());
        let of = |factors: &[f64], step: i32| -> Vec<f64> {
            let powers = (first..=last).filter(|power| power.rem_euclid(step) == 0);
            let values = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
            values.filter(|&value| inside(value)).collect()
        };
        let fine = [of(&[1.0, 2.0, 5.0], 1), of(&[1.0, 3.0], 1)].into_iter().find(|values| values.len() <= most.max(1));
        let coarse = || (1..).map(|step| of(&[1.0], step)).find(|values| values.len() <= most.max(1));
        let values = fine.or_else(coarse).unwrap_or_default();
        let mark = |value: f64| {
            let power = (value.log10() + 1e-9).floor() as i32;
            let text = match ((value / 10f64.powi(power)).round() as u32, (-2..=3).contains(&power)) {
                (_, true) => number(value),
                (1, _) => format!("10{}", superscript(power)),
                (factor, _) => format!("{factor}×10{}", superscript(power)),
            };
            (value, text)
        };
        Ticks { marks: values.into_iter().map(mark).collect(), exponent: 0 }
    }

    /// A name with its unit and the power of ten of the labels: "depth (×10⁻³ m)".
    pub fn name(&self, name: &str, unit: &str) -> String {
        let unit = self.unit(unit);
        match (name.is_empty(), unit.is_empty()) {
            (_, true) => name.into(),
            (true, false) => unit,
            (false, false) => format!("{name} ({unit})"),
        }
    }

    /// The unit with the power of ten of the labels: "×10⁻³ m".
    pub fn unit(&self, unit: &str) -> String {
        if self.exponent == 0 {
            return unit.into();
        }
        format!("×10{} {unit}", superscript(self.exponent)).trim_end().into()
    }
}

/// The smallest 1, 2 or 5 times a power of ten that is not below `least`, which is positive.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor()).max(f64::MIN_POSITIVE);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= least * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

/// A number with a few significant digits: "12.5", "3.42 × 10⁻⁷", "–".
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-4..6).contains(&exponent) {
        let mantissa = minus(&format!("{:.2}", value / 10f64.powi(exponent)));
        return format!("{mantissa} × 10{}", superscript(exponent));
    }
    let text = format!("{value:.*}", (3 - exponent).max(0) as usize);
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    minus(short)
}

/// The typographic minus sign; no minus before zero.
fn minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.into(),
        Some(rest) => format!("−{rest}"),
        None => text.into(),
    }
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).and_then(|d| DIGITS.get(d as usize).copied()).unwrap_or('⁻');
    exponent.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: f64, to: f64, most: usize) -> String {
        let ticks = Ticks::new(from, to, most, false);
        let texts: Vec<String> = ticks.marks.into_iter().map(|(_, text)| text).collect();
        format!("{} {}", texts.join(" "), ticks.exponent)
    }

    #[test]
    fn ticks_are_round_numbers_of_any_size() {
        assert_eq!(labels(1500.0, 4500.0, 4), "2000 3000 4000 0");
        assert_eq!(labels(6400.0, 0.0, 5), "0 2000 4000 6000 0");
        assert_eq!(labels(-2.5e-6, 1e-6, 5), "−2 −1 0 1 -6");
        assert_eq!(labels(0.0, 0.012, 4), "0.000 0.005 0.010 0");
        assert_eq!(labels(1500.0, 1500.0, 4), " 0");
        assert_eq!(labels(f64::NAN, 1.0, 4), " 0");
        assert!(Ticks::new(-0.5, 2.5, 9, true).marks.iter().all(|(v, _)| v.fract() == 0.0));
        for exponent in -300..300 {
            let size = 10f64.powi(exponent);
            let ticks = Ticks::new(-size, 0.7 * size, 5, false);
            assert!((2..=6).contains(&ticks.marks.len()), "{size}: {ticks:?}");
        }
    }

    #[test]
    fn doublings_are_powers_of_two() {
        let texts = |from, to, most| -> Vec<String> {
            Ticks::doublings(from, to, most).marks.into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts(64.0, 1024.0, 6), ["64", "128", "256", "512", "1024"]);
        assert_eq!(texts(5000.0, 0.4, 4), ["1", "16", "256", "4096"]);
        assert!(texts(0.0, 8.0, 4).is_empty() && texts(f64::NAN, 8.0, 4).is_empty());
    }

    #[test]
    fn powers_of_ten_are_ticks_and_what_lies_between_them_where_there_is_room() {
        let texts = |from, to, most| -> Vec<String> {
            Ticks::tenfold(from, to, most).marks.into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts(1e-8, 3e-3, 6), ["10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"]);
        assert_eq!(texts(20.0, 0.3, 6), ["0.5", "1", "2", "5", "10", "20"]);
        assert_eq!(texts(3e-7, 1.2e-6, 6), ["5×10⁻⁷", "10⁻⁶"]);
        assert_eq!(texts(1e-12, 1.0, 4), ["10⁻¹²", "10⁻⁸", "10⁻⁴", "1"]);
        assert_eq!(texts(1.1, 1.9, 6), Vec::<String>::new());
        assert!(texts(0.0, 8.0, 4).is_empty() && texts(f64::NAN, 8.0, 4).is_empty());
    }

    #[test]
    fn numbers_read_well() {
        let texts = [12.5, -0.25, 0.0, 3.42e-7, 1234567.0, 0.98765, f64::NAN, 99999.0, 1.2e-4, 9e-5].map(number);
        assert_eq!(
            texts,
            ["12.5", "−0.25", "0", "3.42 × 10⁻⁷", "1.23 × 10⁶", "0.9877", "–", "99999", "0.00012", "9.00 × 10⁻⁵"]
        );
        assert_eq!(Ticks::new(0.0, 1e-6, 4, false).name("depth", "m"), "depth (×10⁻⁶ m)");
        assert_eq!(Ticks::new(0.0, 1.0, 4, false).name("parameter", ""), "parameter");
    }
}
