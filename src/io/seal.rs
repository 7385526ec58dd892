//! The seal of our HDF5 files: a SHA-256 digest of the whole file, behind its end.
//!
//! ```text
//! POSTERIA SEAL 2
//! sha256 <64 hexadecimal digits>
//! length <bytes in front of the seal, 20 digits>
//! ```
//!
//! HDF5 knows where its content ends and leaves alone what is behind, so h5py, xarray and the like read sealed files as any
//! other. A truncation or a flipped bit anywhere is an error when the file is opened, not a wrong number later. Version 0.1.0
//! kept the seal of what follows in a user block of 512 bytes in front; such files are still read.

use super::error::{IoError, Result};
use super::fingerprint::hexadecimal;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

const MAGIC: &str = "POSTERIA SEAL 2\n";
/// Bytes of a seal.
const SEAL: usize = MAGIC.len() + "sha256 \n".len() + 64 + "length \n".len() + 20;
/// Of files of version 0.1.0, in front of them.
const OLD_MAGIC: &str = "POSTERIA SEAL 1\n";
/// The user block that held it; the HDF5 signature may follow one of this size.
const BLOCK: usize = 512;
const HDF5_SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
const STREAM: usize = 1 << 20;

/// What an HDF5 file says of itself, at its end or in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Ours; the digest was recomputed and agrees.
    Valid,
    /// No seal: written by another program.
    Absent,
}

/// Puts the seal on a closed HDF5 file, and syncs it to disk.
pub fn apply(path: &Path) -> Result<()> {
    let fail = |e| IoError::system(path, "seal", e);
    let mut file = OpenOptions::new().read(true).append(true).open(path).map_err(fail)?;
    let (digest, length) = digest(&mut file, u64::MAX).map_err(fail)?;
    file.write_all(format!("{MAGIC}sha256 {digest}\nlength {length:020}\n").as_bytes()).map_err(fail)?;
    file.sync_all().map_err(fail)
}

/// Reads a file once, streamed, and holds it against its seal.
///
/// A file that has no seal at its end, nor in front, is `Absent` here; whether it should have had one is for the caller to
/// say, who sees its attributes ([`missing`]).
pub fn verify(path: &Path) -> Result<Seal> {
    let fail = |e| IoError::system(path, "read", e);
    let mut file = File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let whole = file.metadata().map_err(fail)?.len();
    let text = |file: &mut File, from: u64, bytes: usize| {
        let mut text = vec![0; bytes];
        file.seek(SeekFrom::Start(from)).map_err(fail)?;
        let got = fill(file, &mut text).map_err(fail)?;
        text.truncate(got);
        Ok(text)
    };
    let seal = text(&mut file, whole.saturating_sub(SEAL as u64), SEAL)?;
    let front = text(&mut file, 0, BLOCK)?;
    let (magic, seal, start, length) = if seal.starts_with(MAGIC.as_bytes()) {
        // A file shorter than a seal is one that was cut off: what it holds of it cannot be parsed below.
        (MAGIC, seal, 0, whole.saturating_sub(SEAL as u64))
    } else if front.starts_with(OLD_MAGIC.as_bytes()) {
        (OLD_MAGIC, front, BLOCK as u64, whole.saturating_sub(BLOCK as u64))
    } else {
        return Ok(Seal::Absent);
    };
    let (expected, sealed) = parse(magic, &seal).ok_or_else(|| IoError::damaged(path, "its seal cannot be read"))?;
    if length != sealed {
        return Err(IoError::damaged(
            path,
            format!("it has {length} bytes beside its seal, it was written with {sealed}"),
        ));
    }
    file.seek(SeekFrom::Start(start)).map_err(fail)?;
    let (digest, _) = digest(&mut file, length).map_err(fail)?;
    if digest != expected {
        return Err(IoError::damaged(
            path,
            "its content differs from its seal: damaged, or changed by another program after posteria wrote it",
        ));
    }
    Ok(Seal::Valid)
}

/// The error for a file that says it is ours and has no seal.
pub fn missing(path: &Path) -> IoError {
    IoError::Damaged {
        path: path.into(),
        what: "it carries the attribute `posteria` and has no seal: damaged, or rewritten by another program".into(),
        remedy: "make it again; to read a rewritten file as it is, delete the attribute `posteria` of its root".into(),
    }
}

/// Whether the HDF5 signature stands at one of the places where the format allows it: 0, 512, 1024, 2048, …
pub fn is_hdf5(path: &Path) -> Result<bool> {
    let fail = |e| IoError::system(path, "read", e);
    let mut file = File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let length = file.metadata().map_err(fail)?.len();
    let mut at = 0;
    while at < length {
        let mut bytes = [0; 8];
        file.seek(SeekFrom::Start(at)).map_err(fail)?;
        if fill(&mut file, &mut bytes).map_err(fail)? == 8 && bytes == HDF5_SIGNATURE {
            return Ok(true);
        }
        at = (at * 2).max(BLOCK as u64);
    }
    Ok(false)
}

fn parse(magic: &str, seal: &[u8]) -> Option<(String, u64)> {
    let text = seal.split(|&b| b == 0).next()?;
    let mut lines = std::str::from_utf8(text).ok()?.strip_prefix(magic)?.lines();
    let digest = lines.next()?.strip_prefix("sha256 ")?;
    let length = lines.next()?.strip_prefix("length ")?.parse().ok()?;
    (digest.len() == 64 && text.ends_with(b"\n") && lines.next().is_none()).then(|| (digest.to_owned(), length))
}

/// Digest and number of the bytes from the file's position on, at most `most`.
fn digest(file: &mut File, most: u64) -> std::io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; STREAM];
    let mut part = file.take(most);
    let mut length = 0;
    loop {
        let got = fill(&mut part, &mut buffer)?;
        if got == 0 {
            return Ok((hexadecimal(hash), length));
        }
        hash.update(&buffer[..got]);
        length += got as u64;
    }
}

/// Reads until the buffer is full or the file ends; returns the bytes read.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        apply(file.path()).unwrap();
        file
    }

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        let file = sealed(b"abc");
        let seal = format!("abc{MAGIC}sha256 {DIGEST}\nlength 00000000000000000003\n");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), seal);
        assert_eq!((verify(file.path()).unwrap(), seal.len()), (Seal::Valid, 3 + SEAL));
    }

    #[test]
    fn a_seal_in_front_is_still_known() {
        let mut block = format!("{OLD_MAGIC}sha256 {DIGEST}\nlength 3\n").into_bytes();
        block.resize(BLOCK, 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, found) in [(b"abc", Some(Seal::Valid)), (b"abd", None)] {
            std::fs::write(file.path(), [&block[..], content].concat()).unwrap();
            assert_eq!(verify(file.path()).ok(), found);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_seen() {
        let content: Vec<u8> = (0..100).collect();
        let file = sealed(&content);
        let whole = std::fs::read(file.path()).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            for damaged in [&bytes[..], &whole[..at], &whole[at.max(content.len())..]] {
                std::fs::write(file.path(), damaged).unwrap();
                assert_ne!(verify(file.path()).ok(), Some(Seal::Valid), "byte {at}");
            }
        }
    }

    #[test]
    fn the_signature_may_follow_a_user_block() {
        for (offset, found) in [(0, true), (512, true), (1024, true), (700, false)] {
            let mut bytes = vec![7; offset];
            bytes.extend(HDF5_SIGNATURE);
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            assert_eq!(is_hdf5(file.path()).unwrap(), found, "{offset}");
        }
    }
}
