//! The fixed parts of a bundle: its first and its last bytes. docs/bundles.md describes the format.
use std::fmt;

/// A bundle begins with these bytes.
const MAGIC: &[u8; 16] = b"goldsmith bundle";
/// And ends with these.
const END: &[u8; 4] = b"BNDL";
/// The format that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;
/// Length of the first part: the magic, the version, four zeroes.
pub(super) const HEADER: usize = 24;
/// Length of the last part.
pub(super) const FOOTER: usize = 64;
/// No chunk of any bundle is longer: a reader never needs more memory for one.
pub(super) const MAX_CHUNK: u32 = 4 << 20;
/// No index is longer.
pub(super) const MAX_INDEX: u64 = 1 << 30;

/// Why bytes are no bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(String);

impl Fault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

pub(super) fn header() -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..16].copy_from_slice(MAGIC);
    bytes[16..20].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

pub(super) fn check_header(bytes: &[u8; HEADER]) -> Result<(), Fault> {
    if &bytes[..16] != MAGIC {
        return Err(Fault::new("it does not begin as a bundle does"));
    }
    check_version(number(&bytes[16..20]))
}

fn check_version(version: u64) -> Result<(), Fault> {
    match version {
        1 => Ok(()),
        0 => Err(Fault::new("it has no version")),
        newer => Err(Fault::new(format!(
            "it has version {newer} of the format, and this goldsmith reads up to {VERSION}: a newer one reads it"
        ))),
    }
}

/// Where the index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    /// Where it begins.
    pub(super) at: u64,
    /// Its length in the file.
    pub(super) stored: u64,
    /// Its length when it is unpacked: the same if it is not packed.
    pub(super) bytes: u64,
    /// SHA-256 of it as it is in the file, by which the bundle is known.
    pub(super) sha256: [u8; 32],
}

impl Footer {
    pub(super) fn write(&self) -> [u8; FOOTER] {
        let mut bytes = [0; FOOTER];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.stored.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.sha256);
        bytes[56..60].copy_from_slice(&VERSION.to_le_bytes());
        bytes[60..].copy_from_slice(END);
        bytes
    }

    /// Of a file of `length` bytes, whose last are these.
    pub(super) fn read(bytes: &[u8; FOOTER], length: u64) -> Result<Self, Fault> {
        if &bytes[60..] != END {
            return Err(Fault::new("it was cut off, or its end was overwritten"));
        }
        check_version(number(&bytes[56..60]))?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&bytes[24..56]);
        let footer = Self {
            at: number(&bytes[..8]),
            stored: number(&bytes[8..16]),
            bytes: number(&bytes[16..24]),
            sha256,
        };
        let end = footer.at.checked_add(footer.stored).and_then(|end| end.checked_add(FOOTER as u64));
        if footer.at < HEADER as u64 || end != Some(length) {
            return Err(Fault::new("its end names an index that is not there"));
        }
        if footer.bytes > MAX_INDEX || footer.stored > footer.bytes {
            return Err(Fault::new(format!("its index says to have {} bytes", footer.bytes)));
        }
        Ok(footer)
    }
}

/// A number of up to eight bytes, the least first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_parts_round_trip_and_others_are_refused() {
        assert_eq!(check_header(&header()), Ok(()));
        let mut newer = header();
        newer[16] = 2;
        assert!(check_header(&newer).unwrap_err().to_string().contains("version 2"), "{newer:?}");
        let footer = Footer { at: 24, stored: 10, bytes: 30, sha256: [7; 32] };
        let length = 24 + 10 + FOOTER as u64;
        assert_eq!(Footer::read(&footer.write(), length), Ok(footer.clone()));
        assert!(Footer::read(&footer.write(), length + 1).is_err());
        assert!(Footer::read(&[0; FOOTER], length).is_err());
        for wrong in [
            Footer { at: u64::MAX, ..footer.clone() },
            Footer { at: 0, stored: 34, ..footer.clone() },
            Footer { bytes: u64::MAX, ..footer.clone() },
            Footer { bytes: 9, ..footer },
        ] {
            assert!(Footer::read(&wrong.write(), length).is_err(), "{wrong:?}");
        }
    }
}
