//! What is in a bundle: files with their addresses, and the chunks that they are made of.
use super::layout::{Fault, HEADER, MAX_CHUNK};
use crate::{
    plan::InputKind,
    value::{Digest, DigestAlgorithm},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use url::Url;

/// What a file of a bundle is, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Card {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its SHA-512, if somebody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<Digest>,
    /// Its length.
    pub bytes: u64,
    /// What it is.
    pub kind: InputKind,
    /// All addresses that gave it, in order.
    pub urls: Vec<Url>,
    /// What needs it, for people, in order.
    pub needed_by: Vec<String>,
}

impl Card {
    /// Adds what is known of the same bytes from elsewhere.
    pub(super) fn join(&mut self, other: Self) {
        self.kind = self.kind.min(other.kind);
        self.sha512 = self.sha512.take().or(other.sha512);
        self.urls.extend(other.urls);
        self.needed_by.extend(other.needed_by);
        self.settle();
    }

    /// The same things in the same order, whoever told them first.
    pub(super) fn settle(&mut self) {
        self.needed_by.sort();
        self.needed_by.dedup();
        self.urls.sort();
        self.urls.dedup();
    }

    /// Where it stands in a bundle: files of a kind together, and those near each other that have similar names.
    pub(super) fn order(&self) -> (InputKind, Option<Url>, Digest) {
        (self.kind, self.urls.first().cloned(), self.sha256.clone())
    }
}

/// An address as a bundle knows it: without what is said about who asks, and without a place inside the file.
pub(super) fn address(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    // Both fail only for addresses that cannot have a user, which is as good.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// A stretch of bytes that is stored once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(String, u32, u32)", try_from = "(String, u32, u32)")]
pub(super) struct Chunk {
    pub(super) sha256: [u8; 32],
    /// Its length.
    pub(super) bytes: u32,
    /// Its length in the file: less if it is packed, 0 if it lies in another bundle.
    pub(super) stored: u32,
}

impl From<Chunk> for (String, u32, u32) {
    fn from(chunk: Chunk) -> Self {
        (hex::encode(chunk.sha256), chunk.bytes, chunk.stored)
    }
}

impl TryFrom<(String, u32, u32)> for Chunk {
    type Error = Fault;

    fn try_from((sha256, bytes, stored): (String, u32, u32)) -> Result<Self, Fault> {
        let mut digest = [0; 32];
        hex::decode_to_slice(&sha256, &mut digest)
            .map_err(|_| Fault::new("a chunk has a digest that is none"))?;
        Ok(Self { sha256: digest, bytes, stored })
    }
}

/// One file: its card, and runs of chunks, each by its first and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) card: Card,
    pub(super) chunks: Vec<(u32, u32)>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Index {
    /// Bundles that have chunks which this one leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) since: Vec<Digest>,
    pub(super) files: Vec<Entry>,
    pub(super) chunks: Vec<Chunk>,
}

/// What follows from an index that is right.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Where each chunk is in the file.
    pub(super) offsets: Vec<u64>,
    /// The chunk with this digest, if it is in the file.
    pub(super) chunks: HashMap<[u8; 32], u32>,
    /// Which file an address gives.
    pub(super) urls: HashMap<String, u32>,
    /// Which file has a digest.
    pub(super) digests: HashMap<Digest, u32>,
}

impl Index {
    /// An index from bytes, and what follows from it; the index begins at `at`. Nothing in it is believed: what it says of other parts must fit them.
    pub(super) fn read(json: &[u8], at: u64) -> Result<(Self, Found), Fault> {
        let index: Self = serde_json::from_slice(json)
            .map_err(|error| Fault::new(format!("its index is wrong: {error}")))?;
        let found = index.check(at)?;
        Ok((index, found))
    }

    fn check(&self, at: u64) -> Result<Found, Fault> {
        let mut found = Found::default();
        let (mut offset, mut lengths, mut length) = (HEADER as u64, Vec::new(), 0_u64);
        if self.since.iter().any(|id| id.algorithm() != DigestAlgorithm::Sha256) {
            return Err(Fault::new("it builds on a bundle whose name is none"));
        }
        for (number, chunk) in self.chunks.iter().enumerate() {
            let wrong = |what: &str| Fault::new(format!("chunk {number} {what}"));
            if chunk.bytes == 0 || chunk.bytes > MAX_CHUNK || chunk.stored > chunk.bytes {
                return Err(wrong("has a length that cannot be"));
            }
            if chunk.stored == 0 && self.since.is_empty() {
                return Err(wrong("is in no file"));
            }
            found.offsets.push(offset);
            lengths.push(length);
            offset += u64::from(chunk.stored);
            length += u64::from(chunk.bytes);
            if chunk.stored > 0 {
                found.chunks.insert(chunk.sha256, number as u32);
            }
        }
        lengths.push(length);
        if offset != at {
            return Err(Fault::new("its chunks do not fill it"));
        }
        for (number, entry) in self.files.iter().enumerate() {
            let card = &entry.card;
            let wrong = |what: &str| Fault::new(format!("file {number} ({}) {what}", card.sha256));
            if card.sha256.algorithm() != DigestAlgorithm::Sha256
                || card.sha512.as_ref().is_some_and(|digest| digest.algorithm() != DigestAlgorithm::Sha512)
            {
                return Err(wrong("has a digest of another kind"));
            }
            let mut bytes = 0_u64;
            for (first, count) in &entry.chunks {
                let (first, after) = (*first as usize, (*first as usize).saturating_add(*count as usize));
                let (Some(before), Some(end)) = (lengths.get(first), lengths.get(after)) else {
                    return Err(wrong("has a chunk that is not there"));
                };
                bytes = bytes.checked_add(end - before).ok_or_else(|| wrong("has no length"))?;
                if *count == 0 {
                    return Err(wrong("has a run of no chunks"));
                }
            }
            if bytes != card.bytes {
                return Err(wrong("has another length than its chunks"));
            }
            for url in &card.urls {
                if found.urls.insert(address(url).into(), number as u32).is_some() {
                    return Err(wrong(&format!("has an address that another one has: {url}")));
                }
            }
            for digest in std::iter::once(&card.sha256).chain(&card.sha512) {
                found.digests.insert(digest.clone(), number as u32);
            }
        }
        Ok(found)
    }
}
