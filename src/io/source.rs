//! Opening an HDF5 file for reading: its seal, its datasets, its attributes.

use super::error::{IoError, Result};
use super::seal::{self, Seal};
use super::volume::Rows;
use super::{hdf, lost};
use hdf5::{File, Group, LocationType};
use std::path::{Path, PathBuf};

/// Groups nested deeper are not searched: a damaged or odd file may contain itself.
const DEPTH: usize = 8;
/// More datasets are not listed.
const LISTED: usize = 1000;

/// An HDF5 file open for reading: one of ours, whose seal was verified, or another program's.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    kind: Option<String>,
    seal: Seal,
}

impl Source {
    /// Opens a file. One of ours is read through once and held against its seal.
    pub fn open(path: &Path) -> Result<Self> {
        let seal = seal::verify(path)?;
        Self::open_verified(path, seal)
    }

    /// Opens a file whose seal has been looked at before.
    pub(super) fn open_verified(path: &Path, seal: Seal) -> Result<Self> {
        if !seal::is_hdf5(path)? {
            return Err(IoError::content(
                path.display().to_string(),
                "is no HDF5 file, or its beginning is damaged",
                "give an HDF5 or .npy file, or restore this one",
            ));
        }
        let file = File::open(path).map_err(|e| IoError::reading(path, &e))?;
        // What xarray and its like save again keeps our attributes, and says that it is theirs.
        let is_ours = file.attr("posteria").is_ok() && file.attr("_NCProperties").is_err();
        if seal == Seal::Absent && is_ours {
            return Err(seal::missing(path));
        }
        let kind = hdf::text(&file, "posteria");
        Ok(Self { path: path.into(), file, kind, seal })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What one of our files says it is: "pairs", "posterior", "maps"; nothing for another program's file.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Whether its content was held against a seal.
    pub fn sealed(&self) -> bool {
        self.seal == Seal::Valid
    }

    /// A text among the attributes of the root.
    pub fn text(&self, name: &str) -> Option<String> {
        hdf::text(&self.file, name)
    }

    /// A whole number among the attributes of the root.
    pub fn integer(&self, name: &str) -> Option<u64> {
        hdf::numbers(&self.file, name)?.first().copied()
    }

    /// The paths of all datasets but the dimension scales, such as `x` or `group/x`.
    pub fn datasets(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.file, "", DEPTH, &mut found);
        found.retain(|name| {
            self.file.dataset(name).is_ok_and(|data| hdf::text(&data, "CLASS").as_deref() != Some("DIMENSION_SCALE"))
        });
        found
    }

    /// The links in the root that lead nowhere: their names, and what they are in words.
    pub fn broken_links(&self) -> Vec<(String, String)> {
        lost::broken_links(&self.file)
    }

    /// Whether there is a dataset of this name.
    pub fn has(&self, dataset: &str) -> bool {
        self.file.link_exists(dataset) && self.file.dataset(dataset).is_ok()
    }

    /// A dataset of numbers, read as f32 as far as it is asked for.
    pub fn rows(&self, dataset: &str) -> Result<Rows> {
        Rows::of_dataset(&self.path, dataset, self.dataset(dataset)?)
    }

    pub(super) fn dataset(&self, name: &str) -> Result<hdf5::Dataset> {
        self.file.dataset(name).map_err(|e| {
            let present = self.datasets();
            if present.iter().any(|known| known == name) {
                return IoError::reading(&self.path, &e);
            }
            match lost::broken_link_to(&self.file, name) {
                Some((link, target)) => IoError::content(
                    self.path.display().to_string(),
                    format!("{link} is {target}"),
                    "put what it leads to back, or name another dataset",
                ),
                None => IoError::NoDataset { path: self.path.clone(), dataset: name.into(), present },
            }
        })
    }
}

/// Collects the paths of the datasets below a group; what cannot be read is passed over.
fn walk(group: &Group, prefix: &str, depth: usize, found: &mut Vec<String>) {
    for name in group.member_names().unwrap_or_default() {
        if found.len() >= LISTED {
            return;
        }
        match group.loc_type_by_name(&name) {
            Ok(LocationType::Dataset) => found.push(format!("{prefix}{name}")),
            Ok(LocationType::Group) if depth > 0 => {
                if let Ok(inner) = group.group(&name) {
                    walk(&inner, &format!("{prefix}{name}/"), depth - 1, found);
                }
            }
            _ => {}
        }
    }
}
