//! `[quick]` and `[full]`: the same problem at other sizes, as partial tables laid over the rest.

use toml::{Table, Value};

/// At which size a problem is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// Three minutes, for continuous integration and a first look.
    Quick,
    /// What the promised figures are measured with.
    #[default]
    Plain,
    /// Sized for a GPU.
    Full,
}

impl Size {
    /// The table laid over the problem.
    pub fn table(self) -> Option<&'static str> {
        match self {
            Size::Quick => Some("quick"),
            Size::Plain => None,
            Size::Full => Some("full"),
        }
    }
}

/// Takes the overlays out of a problem and lays the chosen one over the rest.
pub fn resolve(mut problem: Table, size: Size) -> Table {
    let quick = problem.remove("quick");
    let full = problem.remove("full");
    let chosen = match size {
        Size::Quick => quick,
        Size::Plain => None,
        Size::Full => full,
    };
    if let Some(Value::Table(over)) = chosen {
        lay(&mut problem, over);
    }
    problem
}

/// Tables are merged key by key, everything else is replaced. A table with another `kind` is replaced whole: its other
/// keys belonged to the old kind.
fn lay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above))
                if above.get("kind").is_none_or(|kind| below.get("kind") == Some(kind)) =>
            {
                lay(below, above);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_replaces_what_it_names() {
        let text = "seed = 1\n[training]\nsteps = 10\nbatch = 4\n[quick.training]\nsteps = 2\n[full]\nseed = 2";
        let at = |size| resolve(text.parse().unwrap(), size);
        assert_eq!(at(Size::Plain), "seed = 1\n[training]\nsteps = 10\nbatch = 4".parse().unwrap());
        assert_eq!(at(Size::Quick), "seed = 1\n[training]\nsteps = 2\nbatch = 4".parse().unwrap());
        assert_eq!(at(Size::Full), "seed = 2\n[training]\nsteps = 10\nbatch = 4".parse().unwrap());
    }
}
