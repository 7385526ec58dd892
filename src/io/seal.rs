//! The seal of our HDF5 files: a SHA-256 digest of everything behind the 512-byte user block, kept in that block.
//!
//! ```text
//! POSTERIA SEAL 1
//! sha256 <64 hexadecimal digits>
//! length <bytes behind the user block>
//! ```
//!
//! followed by zeros. HDF5 leaves the user block alone, so h5py and the like read sealed files as any other. A truncation
//! or a flipped bit anywhere that matters is an error when the file is opened, not a wrong number later.

use super::error::{IoError, Result};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes of the user block.
pub const BLOCK: usize = 512;
const MAGIC: &str = "POSTERIA SEAL 1\n";
const HDF5_SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
const STREAM: usize = 1 << 20;

/// What the first bytes of an HDF5 file say about its seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Ours; the digest was recomputed and agrees.
    Valid,
    /// No seal: written by another program.
    Absent,
}

/// Puts the seal on a closed HDF5 file that was created with a user block of [`BLOCK`] bytes, and syncs it to disk.
pub fn apply(path: &Path) -> Result<()> {
    let fail = |e| IoError::system(path, "seal", e);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(fail)?;
    file.seek(SeekFrom::Start(BLOCK as u64)).map_err(fail)?;
    let (digest, length) = digest(&mut file).map_err(fail)?;
    let mut block = format!("{MAGIC}sha256 {digest}\nlength {length}\n").into_bytes();
    block.resize(BLOCK, 0);
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    file.write_all(&block).map_err(fail)?;
    file.sync_all().map_err(fail)
}

/// Reads a file once, streamed, and holds it against its seal.
///
/// A file that does not begin with the magic is `Absent` here; whether it should have had a seal is for the caller to say,
/// who sees its attributes ([`missing`]).
pub fn verify(path: &Path) -> Result<Seal> {
    let fail = |e| IoError::system(path, "read", e);
    let mut file = File::open(path).map_err(|e| IoError::system(path, "open", e))?;
    let mut block = [0; BLOCK];
    let got = fill(&mut file, &mut block).map_err(fail)?;
    if !block[..got].starts_with(MAGIC.as_bytes()) {
        return Ok(Seal::Absent);
    }
    let (expected, length) =
        parse(&block[..got]).ok_or_else(|| IoError::damaged(path, "its seal cannot be read (user block)"))?;
    let actual = file.metadata().map_err(fail)?.len().saturating_sub(BLOCK as u64);
    if actual != length {
        return Err(IoError::damaged(
            path,
            format!("it has {actual} bytes behind its seal, it was written with {length}"),
        ));
    }
    let (digest, _) = digest(&mut file).map_err(fail)?;
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

fn parse(block: &[u8]) -> Option<(String, u64)> {
    let text = block.split(|&b| b == 0).next()?;
    let mut lines = std::str::from_utf8(text).ok()?.strip_prefix(MAGIC)?.lines();
    let digest = lines.next()?.strip_prefix("sha256 ")?;
    let length = lines.next()?.strip_prefix("length ")?.parse().ok()?;
    (digest.len() == 64 && lines.next().is_none()).then(|| (digest.to_owned(), length))
}

/// Digest and number of the bytes from the file's position to its end.
fn digest(file: &mut File) -> std::io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; STREAM];
    let mut length = 0;
    loop {
        let got = fill(file, &mut buffer)?;
        if got == 0 {
            let text = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((text, length));
        }
        hash.update(&buffer[..got]);
        length += got as u64;
    }
}

/// Reads until the buffer is full or the file ends; returns the bytes read.
fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
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
        file.write_all(&[0; BLOCK]).unwrap();
        file.write_all(bytes).unwrap();
        apply(file.path()).unwrap();
        file
    }

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        let file = sealed(b"abc");
        let block = std::fs::read(file.path()).unwrap();
        let text = "sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nlength 3\n";
        assert!(block.starts_with(format!("{MAGIC}{text}").as_bytes()));
        assert_eq!(verify(file.path()).unwrap(), Seal::Valid);
    }

    #[test]
    fn every_flipped_bit_of_text_and_content_is_seen() {
        let content: Vec<u8> = (0..100).collect();
        let file = sealed(&content);
        let whole = std::fs::read(file.path()).unwrap();
        let text = whole.iter().position(|&b| b == 0).unwrap();
        for at in (0..text).chain(BLOCK..whole.len()) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(file.path(), &bytes).unwrap();
            let seal = verify(file.path());
            assert_ne!(seal.ok(), Some(Seal::Valid), "byte {at}");
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
