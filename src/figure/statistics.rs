//! Figures of statistics of draws, from any file of maps.

use super::fields::Dataset;
use super::maps::Figure;
use super::posterior::{map, range_of};
use super::{Drawn, FigureError, Palette};
use crate::io::Source;
use std::path::Path;

/// Draws `PREFIX.png` from a file of maps such as statistics of draws: `mean` and `standard_deviation`, whichever is
/// there, `[record?, channel?, axes…]`; the names of several records and channels end in their numbers.
pub fn maps_figures(path: &Path, folder: &Path, prefix: &str) -> Result<Vec<Drawn>, FigureError> {
    const SHOWN: [(&str, &str, Palette); 2] =
        [("mean", "Mean", Palette::Value), ("standard_deviation", "Standard deviation", Palette::Deviation)];
    let source = Source::open(path)?;
    let mut datasets = Vec::new();
    for (name, title, palette) in SHOWN.into_iter().filter(|(name, ..)| source.has(name)) {
        let rows = source.rows(name)?;
        // Version 0.1.0 called the axis of records "observation".
        let leading = usize::from(["record", "observation"].iter().any(|label| rows.axis(label) == Some(0)));
        datasets.push((Dataset::open(&source, name, leading)?, leading, title, palette));
    }
    let Some((first, leading, ..)) = datasets.first() else {
        // The error of the reader lists what is there instead.
        source.rows("mean")?;
        let remedy = "give a file that holds `mean` or `standard_deviation`";
        return Err(FigureError::Empty { what: path.display().to_string(), remedy });
    };
    let (observations, channels) = (first.leading(0), first.channels());
    let mut drawn = Vec::new();
    for observation in 0..observations {
        for channel in 0..channels {
            let mut row = Vec::new();
            for (dataset, leading, title, palette) in &datasets {
                let field = dataset.read(&[observation][..*leading], channel)?;
                row.push(map(title, &field, *palette, range_of(&field, *palette)));
            }
            let titles: Vec<String> = row.iter().map(|panel| panel.title.to_lowercase()).collect();
            let mut name = prefix.to_owned();
            let mut caption = titles.join(" and ");
            if *leading == 1 {
                name += &format!("-{observation}");
                caption += &format!(" of observation {observation}");
            }
            if channels > 1 {
                name += &format!("-channel-{channel}");
                caption += &format!(", {}", first.name_of(channel));
            }
            let path = folder.join(name + ".png");
            let caption = capitalised(&caption);
            Figure { title: String::new(), rows: vec![row] }.write_png(&path)?;
            drawn.push(Drawn { path, caption: caption + "." });
        }
    }
    Ok(drawn)
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::posterior::tests::{names, written};
    use crate::io::Kind;

    #[test]
    fn maps_need_no_observation() {
        let folder = tempfile::tempdir().unwrap();
        for (labels, shape) in
            [(&["channel"][..], &[1, 8, 6][..]), (&["row"], &[8, 6]), (&["record", "channel"], &[1, 1, 4, 8, 6])]
        {
            let path =
                written(folder.path(), Kind::Maps, &[("mean", labels, shape), ("standard_deviation", labels, shape)]);
            let drawn = maps_figures(&path, folder.path(), "maps").unwrap();
            assert_eq!(drawn.len(), 1);
            assert!(drawn[0].caption.starts_with("Mean and standard deviation"), "{drawn:?}");
        }
        let path = written(folder.path(), Kind::Maps, &[("standard_deviation", &["channel"], &[2, 8, 6])]);
        let drawn = maps_figures(&path, folder.path(), "maps").unwrap();
        assert_eq!(names(&drawn), ["maps-channel-0.png", "maps-channel-1.png"]);
    }

    #[test]
    fn a_file_without_maps_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), Kind::Maps, &[("variance", &["channel"], &[1, 8, 6])]);
        let message = maps_figures(&path, folder.path(), "p").unwrap_err().to_string();
        assert!(
            message.contains("results.h5") && message.contains("\"mean\"") && message.contains("variance"),
            "{message}"
        );
    }
}
