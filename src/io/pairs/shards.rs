//! Which files hold the shards of a collection of pairs.

use crate::io::error::Result;
use crate::io::listing::files;
use std::path::{Path, PathBuf};

/// Name of shard `index` in its folder.
pub fn shard_name(index: usize) -> String {
    format!("pairs-{index:05}.h5")
}

/// The files behind `path`, in the order of their names. In a folder: all that end in `.h5` or `.hdf5`.
pub fn shards(path: &Path) -> Result<Vec<PathBuf>> {
    files(path, &[".h5", ".hdf5"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_are_sorted_and_leave_out_partial_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.h5", "a.h5", "c.h5.partial", "d.txt", "e.hdf5"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |path: &Path| -> Vec<String> {
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            shards(path).unwrap().iter().map(name).collect()
        };
        assert_eq!(names(folder.path()), ["a.h5", "b.h5", "e.hdf5"]);
        assert_eq!(names(&folder.path().join("*.h5*")), ["a.h5", "b.h5"]);
        assert_eq!(names(&folder.path().join("a.h5")), ["a.h5"]);
        let none = shards(&folder.path().join("z*")).unwrap_err().to_string();
        assert!(none.contains("matches no file"), "{none}");
        let missing = shards(&folder.path().join("z.h5")).unwrap_err().to_string();
        assert!(missing.contains("z.h5") && missing.contains("check the path"), "{missing}");
    }
}
