//! Writing a bundle, from front to back.
use super::{
    Bundles, Card,
    cut::Cutter,
    index::{Chunk, Entry, Index},
    layout::{self, Footer},
};
use crate::value::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read, Write},
};

/// A file that goes into a bundle.
pub struct Source<'a> {
    /// What it is. Its bytes are compared with the digests in it.
    pub card: Card,
    /// Opens it.
    pub open: Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send + 'a>,
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("card", &self.card).finish_non_exhaustive()
    }
}

/// How a bundle is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'a> {
    /// How hard chunks are packed: a level of zstd, or 0 for not at all.
    pub level: i32,
    /// What is in these is left out.
    pub since: Option<&'a Bundles>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The bundle's id.
    pub id: Digest,
    /// Bundles that have what is left out.
    pub since: Vec<Digest>,
    /// Its length.
    pub bytes: u64,
}

/// Writes `sources` to `out`; the same ones give the same bytes, in whatever order they come. `passed` is told how many bytes of the files were read,
/// and may end it.
pub fn write(
    out: impl Write,
    sources: Vec<Source<'_>>,
    manner: Manner<'_>,
    passed: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<Written> {
    let mut sources: Vec<Source<'_>> = joined(sources);
    sources.sort_by_cached_key(|source| source.card.order());
    let mut writer = Writer::begin(out, manner)?;
    for source in sources {
        writer.add(source, passed)?;
    }
    writer.end()
}

/// Each file once, however often it comes.
fn joined(sources: Vec<Source<'_>>) -> Vec<Source<'_>> {
    let mut by_digest: HashMap<Digest, usize> = HashMap::new();
    let mut once: Vec<Source<'_>> = Vec::new();
    for mut source in sources {
        if let Some(at) = by_digest.get(&source.card.sha256) {
            once[*at].card.join(source.card);
        } else {
            source.card.settle();
            by_digest.insert(source.card.sha256.clone(), once.len());
            once.push(source);
        }
    }
    once
}

struct Writer<'a, W> {
    out: W,
    at: u64,
    passed: u64,
    index: Index,
    known: HashMap<[u8; 32], u32>,
    manner: Manner<'a>,
    /// Bundles of which something is left out.
    used: BTreeSet<Digest>,
    packer: Option<zstd::bulk::Compressor<'static>>,
}

impl<'a, W: Write> Writer<'a, W> {
    fn begin(mut out: W, manner: Manner<'a>) -> io::Result<Self> {
        out.write_all(&layout::header())?;
        let packer = (manner.level != 0).then(|| zstd::bulk::Compressor::new(manner.level)).transpose()?;
        Ok(Self {
            out,
            at: layout::HEADER as u64,
            passed: 0,
            index: Index::default(),
            known: HashMap::new(),
            manner,
            used: BTreeSet::new(),
            packer,
        })
    }

    fn add(&mut self, source: Source<'_>, passed: &mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<()> {
        let card = source.card;
        let mut cutter = Cutter::new((source.open)()?);
        let (mut hasher, mut length) = (Sha256::new(), 0_u64);
        let mut runs: Vec<(u32, u32)> = Vec::new();
        while let Some(bytes) = cutter.next()? {
            hasher.update(bytes);
            length += bytes.len() as u64;
            self.passed += bytes.len() as u64;
            let number = self.put(bytes)?;
            match runs.last_mut() {
                Some((first, count)) if *first + *count == number => *count += 1,
                _ => runs.push((number, 1)),
            }
            passed(self.passed)?;
        }
        if length != card.bytes || hex::encode(hasher.finalize()) != card.sha256.hex() {
            let name = card.urls.first().map_or_else(|| card.sha256.to_string(), ToString::to_string);
            let why = format!("the bytes of `{name}` changed while they were read");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        self.index.files.push(Entry { card, chunks: runs });
        Ok(())
    }

    /// The number of the chunk with these bytes; it is stored if nobody has it.
    fn put(&mut self, bytes: &[u8]) -> io::Result<u32> {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        if let Some(number) = self.known.get(&sha256) {
            return Ok(*number);
        }
        let mut chunk = Chunk { sha256, bytes: bytes.len() as u32, stored: 0 };
        if let Some(holder) = self.manner.since.and_then(|since| since.who_has(&sha256)) {
            self.used.insert(holder.clone());
        } else {
            let packed = self.packed(bytes)?;
            let stored = packed.as_deref().unwrap_or(bytes);
            self.out.write_all(stored)?;
            self.at += stored.len() as u64;
            chunk.stored = stored.len() as u32;
        }
        let number = u32::try_from(self.index.chunks.len()).map_err(|_| {
            io::Error::new(io::ErrorKind::FileTooLarge, "a bundle has no room for more chunks")
        })?;
        self.index.chunks.push(chunk);
        self.known.insert(sha256, number);
        Ok(number)
    }

    /// The same bytes shorter, if that is worth the work of unpacking them.
    fn packed(&mut self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(packer) = &mut self.packer else { return Ok(None) };
        let packed = packer.compress(bytes)?;
        Ok((packed.len() < bytes.len() - bytes.len() / 32).then_some(packed))
    }

    fn end(mut self) -> io::Result<Written> {
        // A bundle of which nothing is left out is not needed.
        self.index.since = std::mem::take(&mut self.used).into_iter().collect();
        let json = serde_json::to_vec(&self.index)?;
        if json.len() as u64 > layout::MAX_INDEX {
            let why = "the list of its chunks is longer than a bundle can have: make several";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        let packed = self.packed(&json)?;
        let stored = packed.as_deref().unwrap_or(&json);
        let sha256: [u8; 32] = Sha256::digest(stored).into();
        let footer = Footer { at: self.at, stored: stored.len() as u64, bytes: json.len() as u64, sha256 };
        self.out.write_all(stored)?;
        self.out.write_all(&footer.write())?;
        self.out.flush()?;
        let id = Digest::from_bytes(DigestAlgorithm::Sha256, &sha256)
            .ok_or_else(|| io::Error::other("SHA-256 has another length"))?;
        let bytes = self.at + footer.stored + layout::FOOTER as u64;
        Ok(Written { id, since: self.index.since, bytes })
    }
}
