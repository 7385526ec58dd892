//! Data that a file points to and that is not there: broken links, virtual datasets whose sources are gone, numbers kept in
//! a file beside. libhdf5 reads some of them as zeros and others as if nothing had been there.

use super::error::{IoError, Result};
use super::hdf::{self, Target};
use hdf5::plist::dataset_create::Layout;
use hdf5::{Dataset, File, Group, IndexType, IterationOrder, LinkType};
use std::path::{Path, PathBuf};

/// Links that are looked at in one group.
const LOOKED_AT: usize = 1000;

/// The links of a group that lead nowhere: their names, and what they lead to in words.
pub fn broken_links(group: &Group) -> Vec<(String, String)> {
    let mut links = Vec::new();
    // An unreadable group has no links that could be told.
    let _ = group.find_link(IndexType::Name, IterationOrder::Native, |name, info| {
        if info.link_type != LinkType::Hard {
            links.push(name.to_owned());
        }
        Ok((links.len() >= LOOKED_AT).then_some(()))
    });
    links.retain(|name| group.loc_type_by_name(name).is_err());
    let told = |name: String| {
        let target = match hdf::link_target(group, &name)? {
            Target::Inside(path) => format!("a link to {path}, which is not there"),
            Target::Outside { file, path } => {
                let found = beside(Path::new(&group.filename()), &file).is_some();
                let lost = if found { "which has none" } else { "which is not there" };
                format!("a link to {path} of {file}, {lost}")
            }
        };
        Some((name, target))
    };
    links.into_iter().filter_map(told).collect()
}

/// What the broken link on the way to a dataset leads to, where there is one.
pub fn broken_link_to(file: &File, dataset: &str) -> Option<(String, String)> {
    let mut group: Group = file.group("/").ok()?;
    let mut walked = String::new();
    for part in dataset.split('/').filter(|part| !part.is_empty()) {
        walked += part;
        if let Some((_, target)) = broken_links(&group).into_iter().find(|(name, _)| name == part) {
            return Some((walked, target));
        }
        group = group.group(part).ok()?;
        walked.push('/');
    }
    None
}

/// An error where the numbers of a dataset are to come from files that are not there, or lie outside the file.
pub fn sources_or_error(path: &Path, place: &str, data: &Dataset) -> Result<()> {
    let plist = data.create_plist().map_err(|e| IoError::reading(path, &e))?;
    let external = plist.get_external().map_err(|e| IoError::reading(path, &e))?;
    if let Some(first) = external.first() {
        let what = format!("keeps its numbers outside the file, in {:?}", first.name);
        return Err(IoError::content(place, what, "bring them into it, with h5repack or h5py, and give that file"));
    }
    if plist.layout() != Layout::Virtual {
        return Ok(());
    }
    let named = hdf::virtual_sources(data).map_err(|e| IoError::reading(path, &e))?;
    let mut sources: Vec<_> = named.iter().map(|(file, dataset)| (block_zero(file), block_zero(dataset))).collect();
    sources.sort();
    sources.dedup();
    let own = data.file().map_err(|e| IoError::reading(path, &e))?;
    let lost: Vec<String> = sources
        .iter()
        .filter_map(|(file, dataset)| {
            let opened = match file.as_str() {
                "." => Some(own.clone()),
                other => match beside(path, other) {
                    None => return Some(other.to_owned()),
                    Some(found) => File::open(found).ok(),
                },
            };
            let is_there = opened.is_some_and(|opened| opened.dataset(dataset).is_ok());
            (!is_there).then(|| format!("{dataset} of {file}"))
        })
        .collect();
    match lost.as_slice() {
        [] => Ok(()),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} others are", rest.len()) };
            let (is, it) = if rest.is_empty() { (" is", "it") } else { ("", "them") };
            Err(IoError::content(
                place,
                format!("is a virtual dataset, and of its sources {first}{more}{is} not there"),
                format!("put {it} back beside the file, or make it of what is there"),
            ))
        }
    }
}

/// The first name that a pattern of sources stands for: `%b` counts from 0.
fn block_zero(name: &str) -> String {
    name.replace("%%", "\0").replace("%b", "0").replace('\0', "%")
}

/// Where libhdf5 finds a file that another one names: beside it, or where it says.
fn beside(path: &Path, name: &str) -> Option<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = Path::new(name);
    let last = name.file_name().map(|last| folder.join(last));
    [Some(folder.join(name)), Some(name.to_path_buf()), last].into_iter().flatten().find(|place| place.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Rows, Source};
    use hdf5::Hyperslab;

    #[test]
    fn sources_that_are_gone_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let [path, part] = ["virtual.h5", "part.h5"].map(|name| folder.path().join(name));
        let file = File::create(&part).unwrap();
        file.new_dataset_builder().with_data(&[1.0f32, 2.0]).create("x").unwrap();
        file.close().unwrap();
        let file = File::create(&path).unwrap();
        let whole = Hyperslab::try_new(..).unwrap();
        let made =
            file.new_dataset::<f32>().shape(2).virtual_map("part.h5", "x", 2, whole.clone(), 2, whole).create("x");
        made.unwrap();
        file.link_external("gone.h5", "/x", "away").unwrap();
        file.link_soft("/nowhere", "soft").unwrap();
        file.close().unwrap();
        let spec = format!("{}:/x", path.display());
        assert_eq!(Rows::open(&spec).unwrap().read().unwrap(), ndarray::array![1.0, 2.0].into_dyn());
        let error = |name: &str| Source::open(&path).unwrap().rows(name).unwrap_err().to_string();
        assert!(error("away").contains("away is a link to /x of gone.h5, which is not there"), "{}", error("away"));
        assert!(error("soft").contains("soft is a link to /nowhere, which is not there"), "{}", error("soft"));
        std::fs::remove_file(&part).unwrap();
        let message = Rows::open(&spec).unwrap_err().to_string();
        assert!(message.contains("virtual.h5:/x") && message.contains("part.h5 is not there"), "{message}");
    }

    #[test]
    fn numbers_outside_the_file_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let file = File::create(&path).unwrap();
        file.new_dataset::<f32>().external("numbers.bin", 0, 8).shape(2).create("x").unwrap();
        file.close().unwrap();
        let message = Rows::open(&format!("{}:/x", path.display())).unwrap_err().to_string();
        assert!(message.contains("numbers.bin"), "{message}");
    }
}
