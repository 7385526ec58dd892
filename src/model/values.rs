use serde::{Deserialize, Serialize};

/// The values that a channel of x may have, and the map v = g(x) that takes them to all numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", expecting = "a table with the key `kind`", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Values {
    /// Any: v = x.
    Real {},
    /// Above a bound, as velocities and absorptions are: v = log(x − above), log g′ = −v.
    Positive {
        /// In the unit of x.
        #[serde(default)]
        above: f64,
    },
    /// Between two bounds, as porosities are: v = log((x − least)/(most − x)),
    /// log g′ = log(1 + eᵛ) + log(1 + e⁻ᵛ) − log(most − least).
    Bounded {
        /// In the unit of x.
        least: f64,
        /// In the unit of x.
        most: f64,
    },
}

impl Values {
    /// Whether there are such values in single precision.
    pub fn is_possible(self) -> bool {
        let is_held = |bound: f64| (bound as f32).is_finite();
        match self {
            Values::Real {} => true,
            Values::Positive { above } => is_held(above),
            Values::Bounded { least, most } => {
                is_held(least) && is_held(most) && f64::from((least as f32).next_up().next_up()) < most
            }
        }
    }

    /// v of x, where x is such a value.
    pub fn enter(self, x: f64) -> Option<f64> {
        let v = match self {
            Values::Real {} => x,
            Values::Positive { above } => (x - above).ln(),
            Values::Bounded { least, most } => ((x - least) / (most - x)).ln(),
        };
        v.is_finite().then_some(v)
    }

    /// x of v. Never a bound itself, to which single precision might round it.
    pub fn leave(self, v: f64) -> f32 {
        match self {
            Values::Real {} => v as f32,
            Values::Positive { above } => inside(above + v.exp(), above, f64::INFINITY),
            Values::Bounded { least, most } => inside(least + (most - least) / (1.0 + (-v).exp()), least, most),
        }
    }

    /// log g′(x) at the x of v.
    pub fn log_slope(self, v: f64) -> f64 {
        match self {
            Values::Real {} => 0.0,
            Values::Positive { .. } => -v,
            Values::Bounded { least, most } => v.abs() + 2.0 * (-v.abs()).exp().ln_1p() - (most - least).ln(),
        }
    }
}

/// The number of single precision nearest to x that lies strictly between the bounds.
fn inside(x: f64, least: f64, most: f64) -> f32 {
    let mut rounded = x as f32;
    while f64::from(rounded) <= least {
        rounded = rounded.next_up();
    }
    while f64::from(rounded) >= most && rounded > f32::MIN {
        rounded = rounded.next_down();
    }
    rounded
}

impl std::fmt::Display for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Values::Real {} => f.write_str("finite"),
            Values::Positive { above } => write!(f, "above {above}"),
            Values::Bounded { least, most } => write!(f, "between {least} and {most}"),
        }
    }
}
