//! How numbers are written wherever they are printed.

/// Five significant digits, in powers of ten where there would be many places: "0.24020", "1500.0", "9.7480e8", "1.2500e-12".
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    // Of the rounded number: 999999.7 is 1.0000e6.
    let scientific = format!("{value:.4e}");
    let exponent = scientific.rsplit_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or(0);
    if (-3..6).contains(&exponent) { format!("{value:.*}", (4 - exponent).max(0) as usize) } else { scientific }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_significant_whatever_the_size() {
        let values = [0.2402, 1500.0, 974800795.11, 1.25e-12, -0.001, 0.0, 123456.7, 999999.7, 9.9999999, f64::NAN];
        let expected =
            ["0.24020", "1500.0", "9.7480e8", "1.2500e-12", "-0.0010000", "0", "123457", "1.0000e6", "10.000", "NaN"];
        assert_eq!(values.map(number), expected);
    }
}
