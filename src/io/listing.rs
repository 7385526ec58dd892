//! Which files a path stands for: a file, a folder, or a pattern with `*` in the file name.

use super::error::{IoError, Result};
use std::path::{Path, PathBuf};

/// The files behind `path`, in the order of their names, in which numbers count as numbers: `pairs_9` before `pairs_10`. In a folder: all with one of the `endings`, in either case.
pub fn files(path: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.into()]);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (folder, pattern) = match path.is_dir() {
        true => (path, None),
        false if name.contains('*') => (path.parent().unwrap_or(Path::new("")), Some(name)),
        false => {
            return Err(IoError::system(path, "open", std::io::ErrorKind::NotFound.into()));
        }
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let fail = |e| IoError::system(folder, "list", e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wanted = match &pattern {
            Some(pattern) => matches(pattern, &name) && !name.ends_with(".partial"),
            None => endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending)),
        };
        if wanted && file.is_file() {
            found.push(file);
        }
    }
    found.sort_by_cached_key(|path| natural(&path.to_string_lossy()));
    match found.is_empty() {
        false => Ok(found),
        true => Err(IoError::content(
            path.display().to_string(),
            match &pattern {
                Some(_) => "matches no file".into(),
                None => format!("holds no {} file", endings.join(" or ")),
            },
            "name a file, a folder of such files, or a pattern with * in the file name",
        )),
    }
}

/// A part of a name: a number without its leading zeros, by its length and digits, or what stands between numbers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(usize, String),
    Text(String),
}

/// What names are sorted by; names that differ in leading zeros alone, by themselves.
fn natural(name: &str) -> (Vec<Part>, String) {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        parts.push(match is_number {
            true => {
                let digits = part.trim_start_matches('0');
                Part::Number(digits.len(), digits.into())
            }
            false => Part::Text(part.into()),
        });
        rest = behind;
    }
    (parts, name.into())
}

/// Whether a name has the form of a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["b1", "a10", "a9", "a", "a09", "a9b10", "a9b9", "10", "9"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["9", "10", "a", "a09", "a9", "a9b9", "a9b10", "a10", "b1"]);
    }

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name, matched) in [
            ("*.h5", "a.h5", true),
            ("*.h5", ".h5", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("plain", "plain", true),
            ("plain", "plain2", false),
            ("pairs-*", "pair-1", false),
        ] {
            assert_eq!(matches(pattern, name), matched, "{pattern} {name}");
        }
    }
}
