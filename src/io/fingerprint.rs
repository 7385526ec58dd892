//! Whether files are those they were.

use super::error::{IoError, Result};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes that are read in one piece.
const BLOCK: u64 = 64 << 10;
/// Pieces of one file, at most.
const BLOCKS: u64 = 64;

/// A digest of these files: their names without the folder, their lengths, and what is in them.
///
/// Of a file of up to 4 MiB every byte counts. Of a larger one 64 blocks of 64 KiB do, evenly spread from its beginning
/// to its end, where the seal of one of ours stands: a file of any size takes some milliseconds. One that was written anew
/// differs in them; a change of a few bytes between two blocks goes unseen, and so does where and when a file was written,
/// so that a copy on another disk is the same.
///
/// # Errors
/// A file that cannot be read.
pub fn fingerprint(files: &[PathBuf]) -> Result<String> {
    let digests = files.par_iter().map(|file| of_one(file)).collect::<Result<Vec<_>>>()?;
    let mut all = Sha256::new();
    digests.iter().for_each(|digest| all.update(digest));
    Ok(hexadecimal(all))
}

/// A digest as `sha256sum` prints it.
pub fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_one(path: &Path) -> Result<[u8; 32]> {
    let fail = |e| IoError::system(path, "read", e);
    let mut file = File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let length = file.metadata().map_err(fail)?.len();
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut hash = Sha256::new();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(length.to_le_bytes());
    for start in starts(length) {
        file.seek(SeekFrom::Start(start)).map_err(fail)?;
        std::io::copy(&mut (&mut file).take(BLOCK), &mut hash).map_err(fail)?;
    }
    Ok(hash.finalize().into())
}

/// Where the blocks of a file begin: side by side where they cover it, else the first at its beginning, the last at its end.
fn starts(length: u64) -> impl Iterator<Item = u64> {
    let blocks = length.div_ceil(BLOCK).min(BLOCKS);
    let room = length.saturating_sub(BLOCK);
    let is_covered = length <= BLOCK * BLOCKS;
    (0..blocks)
        .map(move |k| if is_covered { k * BLOCK } else { (room as u128 * k as u128 / (BLOCKS - 1) as u128) as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path) -> String {
        fingerprint(&[path.into()]).unwrap()
    }

    #[test]
    fn every_byte_of_a_small_file_counts_and_its_name_and_length_do() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        for length in [1, 100, BLOCK as usize - 1, BLOCK as usize, 3 * BLOCK as usize + 7] {
            let whole: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &whole).unwrap();
            let first = of(&path);
            for at in [0, length / 3, length / 2, length - 1] {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                std::fs::write(&path, bytes).unwrap();
                assert_ne!(of(&path), first, "byte {at} of {length}");
            }
            std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
            assert_ne!(of(&path), first, "one byte more than {length}");
            std::fs::write(&path, &whole).unwrap();
            assert_eq!(of(&path), first, "the same again");
            std::fs::write(&other, &whole).unwrap();
            assert_ne!(of(&other), first, "another name");
        }
        assert_ne!(fingerprint(&[path.clone(), other.clone()]).unwrap(), fingerprint(&[other, path]).unwrap());
    }

    #[test]
    fn a_large_file_is_read_in_parts_from_its_first_byte_to_its_last() {
        for length in [BLOCK * BLOCKS + 1, 10 * BLOCK * BLOCKS, 1 << 44] {
            let starts: Vec<u64> = starts(length).collect();
            assert_eq!((starts.len() as u64, starts[0]), (BLOCKS, 0));
            assert_eq!(starts[starts.len() - 1] + BLOCK, length);
            assert!(starts.windows(2).all(|pair| pair[0] < pair[1]));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let length = 1 << 32; // as a hole, which takes no room
        File::create(&path).unwrap().set_len(length).unwrap();
        let first = of(&path);
        let mut file = File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(length - 1)).unwrap();
        std::io::Write::write_all(&mut file, &[1]).unwrap();
        assert_ne!(of(&path), first);
    }
}
