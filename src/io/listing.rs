//! Which files a path stands for: a file, a folder, or a pattern with `*` in the file name.

use super::error::{IoError, Result};
use std::path::{Path, PathBuf};

/// The files behind `path`, in the order of their names. In a folder: all with one of the `endings`, in either case.
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
    found.sort();
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
