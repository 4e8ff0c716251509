//! Files that were collected before, under the addresses they came from: what an offline build is given instead of the network.
use crate::value::Digest;
use std::{fmt, io::Read};
use url::Url;

/// A collection of files with their addresses. Bundles are such; several may be asked in turn.
pub trait Stock: fmt::Debug + Send + Sync {
    /// For people: the collection's file.
    fn name(&self) -> String;
    /// The file that `url` gave when it was collected. Queries count, fragments do not.
    fn find(&self, url: &Url) -> Option<Held>;
    /// A file with this digest, wherever it is from.
    fn find_digest(&self, digest: &Digest) -> Option<Held>;
    /// Its bytes from the front, checked while they are read: an error at the end if they are not what `held` says.
    fn open(&self, held: &Held) -> std::io::Result<Box<dyn Read + Send>>;
}

/// One file of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}
