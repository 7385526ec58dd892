//! Units as they are written in files.

use std::collections::BTreeMap;

/// Words that files use for symbols.
const WORDS: [(&str, &str); 12] = [
    ("metre", "m"),
    ("metres", "m"),
    ("meter", "m"),
    ("meters", "m"),
    ("second", "s"),
    ("seconds", "s"),
    ("sec", "s"),
    ("volt", "V"),
    ("volts", "V"),
    ("pascal", "Pa"),
    ("pascals", "Pa"),
    ("kelvin", "K"),
];

/// Whether a text says a unit at all: neither nothing, nor one, nor pixels.
pub fn is_said(unit: &str) -> bool {
    !["", "1", "pixel", "pixels", "none", "dimensionless"].contains(&unit.trim())
}

/// Whether two texts are one unit, or one of them says none: "m/s", "m s-1" and "m·s^-1" are one.
pub fn agree(one: &str, other: &str) -> bool {
    if !is_said(one) || !is_said(other) || one.trim() == other.trim() {
        return true;
    }
    match (powers(one), powers(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The powers of a product of symbols; nothing where a text is something else.
fn powers(unit: &str) -> Option<BTreeMap<String, i32>> {
    let mut found = BTreeMap::new();
    let text = unit.replace("**", "^").replace(['·', '*'], " ").replace('/', " / ");
    let mut sign = 1;
    for word in text.split_whitespace() {
        if word == "/" {
            sign = -1;
            continue;
        }
        let end = word.find(|c: char| "^+-".contains(c) || c.is_ascii_digit()).unwrap_or(word.len());
        let (symbol, power) = word.split_at(end);
        if symbol.is_empty() && power == "1" {
            continue;
        }
        if symbol.is_empty() || symbol.contains(['(', ')']) {
            return None;
        }
        let power: i32 = if power.is_empty() { 1 } else { power.trim_start_matches('^').parse().ok()? };
        let symbol = WORDS.iter().find(|(name, _)| *name == symbol.to_lowercase()).map_or(symbol, |(_, s)| s);
        let all = found.entry(symbol.to_owned()).or_insert(0_i32);
        *all = all.checked_add(power.checked_mul(sign)?)?;
        // "a / b c" is a c / b.
        sign = 1;
    }
    found.retain(|_, power| *power != 0);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_writing_one_unit_agree_and_others_do_not() {
        for same in
            [["m/s", "m s-1"], ["m/s", "m·s^-1"], ["meters", "m"], ["kg/m^3", "kg m**-3"], ["", "V"], ["1/s", "s-1"]]
        {
            assert!(agree(same[0], same[1]), "{same:?}");
        }
        for other in [
            ["V", "mV"],
            ["m/s", "km/s"],
            ["m", "s"],
            ["m/s", "s/m"],
            ["(m/s)^2", "m/s"],
            ["Pa", "pa"],
            ["/ m-2147483648", "m"],
            ["m2147483647 m", "m"],
        ] {
            assert!(!agree(other[0], other[1]), "{other:?}");
        }
    }
}
