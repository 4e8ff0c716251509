//! A collection in memory, for tests.
use super::{Held, Stock};
use crate::value::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, Read},
};
use url::Url;

/// Files by their addresses.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    /// Its bytes are not what it says.
    pub(crate) broken: bool,
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(bytes)).unwrap()
}

impl Shelf {
    pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(url, bytes)| ((*url).to_owned(), bytes.to_vec())).collect();
        Self { files, broken: false }
    }

    fn held(bytes: &[u8]) -> Held {
        Held { digest: digest_of(bytes), bytes: bytes.len() as u64 }
    }
}

impl Stock for Shelf {
    fn name(&self) -> String {
        "shelf".to_owned()
    }

    fn find(&self, url: &Url) -> Option<Held> {
        let mut url = url.clone();
        url.set_fragment(None);
        self.files.get(url.as_str()).map(|bytes| Self::held(bytes))
    }

    fn find_digest(&self, digest: &Digest) -> Option<Held> {
        self.files.values().find(|bytes| digest_of(bytes) == *digest).map(|bytes| Self::held(bytes))
    }

    fn open(&self, held: &Held) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.files.values().find(|bytes| digest_of(bytes) == held.digest);
        let bytes = bytes.cloned().ok_or(io::ErrorKind::NotFound)?;
        if self.broken {
            let broken = io::Error::new(io::ErrorKind::InvalidData, "a piece of it is damaged");
            return Ok(Box::new(
                io::Cursor::new(bytes[..bytes.len() / 2].to_vec()).chain(Failing(Some(broken))),
            ));
        }
        Ok(Box::new(io::Cursor::new(bytes)))
    }
}

/// Fails where the end would be.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
