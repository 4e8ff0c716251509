//! The digests of an archive's files: one line for each, `SHA256(name)= digits`.
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::super::DiskError;
use super::super::section::Section;

/// What is hashed between two questions whether to stop.
const STEP: u64 = 1 << 20;

/// A digest that a manifest states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) name: String,
    algorithm: Algorithm,
    hex: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    /// What OVF 1.x asks for, and what older tools write.
    Sha1,
    Sha256,
    Sha512,
}

/// The manifest for files and their SHA-256 digests. No blank before the bracket: importers compare it literally.
pub(super) fn manifest(files: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, hex) in files {
        text.push_str(&format!("SHA256({name})= {hex}\n"));
    }
    text
}

/// Understands a manifest; blanks may be anywhere but in the digest.
pub(super) fn parse(text: &str) -> Option<Vec<Stated>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(stated).collect()
}

fn stated(line: &str) -> Option<Stated> {
    let (algorithm, rest) = line.split_once('(')?;
    let (algorithm, digits) = match algorithm.trim().to_ascii_uppercase().as_str() {
        "SHA1" => (Algorithm::Sha1, 40),
        "SHA256" => (Algorithm::Sha256, 64),
        "SHA512" => (Algorithm::Sha512, 128),
        _ => return None,
    };
    let (name, hex) = rest.rsplit_once(')')?;
    let hex = hex.trim_start().strip_prefix('=')?.trim().to_ascii_lowercase();
    let sound = hex.len() == digits && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| Stated { name: name.to_owned(), algorithm, hex })
}

/// Compares bytes with a digest as they come.
#[derive(Debug)]
pub(super) struct Checker {
    hasher: Hasher,
    hex: String,
}

#[derive(Debug)]
enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Checker {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Whether all that came has the digest.
    pub(super) fn agrees(self) -> bool {
        let hex = match self.hasher {
            Hasher::Sha1(hasher) => hex::encode(hasher.finalize()),
            Hasher::Sha256(hasher) => hex::encode(hasher.finalize()),
            Hasher::Sha512(hasher) => hex::encode(hasher.finalize()),
        };
        hex == self.hex
    }
}

impl Stated {
    /// The digits, if it is a SHA-256.
    pub(super) fn sha256(&self) -> Option<&str> {
        (self.algorithm == Algorithm::Sha256).then_some(self.hex.as_str())
    }

    /// What compares a file with this as it is read.
    pub(super) fn checker(&self) -> Checker {
        let hasher = match self.algorithm {
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
        };
        Checker { hasher, hex: self.hex.clone() }
    }

    /// Whether the file in `section` has this digest. `done` is told how many more bytes were hashed.
    pub(super) fn matches(
        &self,
        section: &Section,
        done: &mut dyn FnMut(u64),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<bool, DiskError> {
        let hex = match self.algorithm {
            Algorithm::Sha1 => hash::<Sha1>(section, done, cancelled)?,
            Algorithm::Sha256 => hash::<Sha256>(section, done, cancelled)?,
            Algorithm::Sha512 => hash::<Sha512>(section, done, cancelled)?,
        };
        Ok(hex == self.hex)
    }
}

fn hash<D: Digest>(
    section: &Section,
    done: &mut dyn FnMut(u64),
    cancelled: &dyn Fn() -> bool,
) -> Result<String, DiskError> {
    let mut digest = D::new();
    let mut buffer = vec![0; STEP.min(section.len()) as usize];
    let mut at = 0;
    while at < section.len() {
        if cancelled() {
            return Err(DiskError::cancelled());
        }
        let len = STEP.min(section.len() - at);
        let bytes = &mut buffer[..len as usize];
        section.read(bytes, at, "a file of the archive")?;
        digest.update(&*bytes);
        done(len);
        at += len;
    }
    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_of_all_makers_are_understood() {
        let (one, two) = ("a".repeat(40), "B".repeat(64));
        let found = parse(&format!("SHA1(a (1).ovf)= {one}\r\n\nSHA256 (b.vmdk) ={two}\n")).unwrap();
        assert_eq!(
            found,
            [
                Stated { name: "a (1).ovf".to_owned(), algorithm: Algorithm::Sha1, hex: one },
                Stated {
                    name: "b.vmdk".to_owned(),
                    algorithm: Algorithm::Sha256,
                    hex: two.to_ascii_lowercase()
                }
            ]
        );
        for odd in ["MD5(a)= 00", "SHA1(a)= 00", "SHA256 a", &format!("SHA1(a)= {}", "x".repeat(40))] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        assert_eq!(parse(&manifest(&[("a", &"0".repeat(64))])).unwrap().len(), 1);
    }
}
