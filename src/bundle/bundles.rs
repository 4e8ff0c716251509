//! Bundles that are used together: what one leaves out is in another.
use super::{
    BundleError, BundleErrorKind, Card,
    index::{Entry, address},
    opened::Opened,
};
use crate::{
    fetch::{Held, Stock},
    value::Digest,
};
use sha2::{Digest as _, Sha256, Sha512};
use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};
use url::Url;

/// Open bundles. Where two of them have a file of the same address, the one that builds on the other is meant, else the one that was named first.
#[derive(Debug, Clone)]
pub struct Bundles {
    /// In the order in which they are asked.
    opened: Arc<[Opened]>,
}

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct About {
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of its index, by which others know it.
    pub id: Digest,
    /// Length of the file.
    pub bytes: u64,
    /// Bundles that it builds on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub since: Vec<Digest>,
    /// How many files it has.
    pub files: usize,
    /// How long they are together.
    pub total: u64,
    /// How long the chunks are that are in the file, unpacked: every one once.
    pub unique: u64,
    /// How long they are in the file.
    pub stored: u64,
}

/// Names a file: of which bundle, and which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    bundle: usize,
    file: u32,
}

impl Bundles {
    /// Opens them. What one of them leaves out must be in the others.
    pub fn open(paths: &[PathBuf]) -> Result<Self, BundleError> {
        let mut opened: Vec<Opened> = Vec::new();
        for path in paths {
            let bundle = Opened::open(path)?;
            // The same one twice is of no use.
            if opened.iter().all(|other| other.id != bundle.id) {
                opened.push(bundle);
            }
        }
        for bundle in &opened {
            let gone = bundle.index.since.iter().find(|id| opened.iter().all(|other| other.id != **id));
            if let Some(id) = gone {
                return Err(missing(bundle, id));
            }
        }
        let bundles = Self { opened: newest_first(opened).into() };
        bundles.complete()?;
        Ok(bundles)
    }

    /// Every chunk that is left out is in another bundle.
    fn complete(&self) -> Result<(), BundleError> {
        for bundle in self.opened.iter() {
            let absent = bundle.index.chunks.iter().find(|chunk| {
                chunk.stored == 0
                    && self.opened.iter().all(|other| !other.found.chunks.contains_key(&chunk.sha256))
            });
            if let Some(chunk) = absent {
                let attempt = format!("use the bundle `{}`", bundle.name());
                let why = format!("no bundle has the chunk {} that it leaves out", hex::encode(chunk.sha256));
                return Err(BundleError::new(BundleErrorKind::Damaged, attempt).because(why));
            }
        }
        Ok(())
    }

    /// What they say of themselves, in the order in which they are asked.
    pub fn about(&self) -> Vec<About> {
        let about = |bundle: &Opened| {
            let here = || bundle.index.chunks.iter().filter(|chunk| chunk.stored > 0);
            About {
                path: bundle.path.clone(),
                id: bundle.id.clone(),
                bytes: bundle.length,
                since: bundle.index.since.clone(),
                files: bundle.index.files.len(),
                total: bundle.index.files.iter().map(|entry| entry.card.bytes).sum(),
                unique: here().map(|chunk| u64::from(chunk.bytes)).sum(),
                stored: here().map(|chunk| u64::from(chunk.stored)).sum(),
            }
        };
        self.opened.iter().map(about).collect()
    }

    /// All files, each once, in the order of the bundles. An address that an older one has with other bytes is not in it.
    pub fn cards(&self) -> Vec<Card> {
        self.cards_of(|_| true)
    }

    /// The files of those bundles that no other one here builds on.
    pub fn newest(&self) -> Vec<Card> {
        self.cards_of(|bundle| self.opened.iter().all(|other| !other.index.since.contains(&bundle.id)))
    }

    fn cards_of(&self, meant: impl Fn(&Opened) -> bool) -> Vec<Card> {
        let mut cards: Vec<Card> = Vec::new();
        let mut by_digest = std::collections::HashMap::new();
        let mut addresses = BTreeSet::new();
        for entry in self.opened.iter().filter(|bundle| meant(bundle)).flat_map(|bundle| &bundle.index.files)
        {
            let mut card = entry.card.clone();
            card.urls.retain(|url| addresses.insert(address(url)));
            match by_digest.get(&card.sha256) {
                Some(at) => {
                    let known: &mut Card = &mut cards[*at];
                    known.join(card);
                }
                // Whose addresses all mean something newer is asked for by nobody.
                None if card.urls.is_empty() && !entry.card.urls.is_empty() => {}
                None => {
                    by_digest.insert(card.sha256.clone(), cards.len());
                    cards.push(card);
                }
            }
        }
        cards
    }

    /// Which bundle has a chunk itself.
    pub(super) fn who_has(&self, sha256: &[u8; 32]) -> Option<&Digest> {
        self.opened.iter().find(|bundle| bundle.found.chunks.contains_key(sha256)).map(|bundle| &bundle.id)
    }

    /// The file at an address.
    pub fn card(&self, url: &Url) -> Option<&Card> {
        Some(&self.entry(self.at(url)?)?.card)
    }

    fn at(&self, url: &Url) -> Option<Place> {
        let url: String = address(url).into();
        self.place(|bundle| bundle.found.urls.get(&url))
    }

    fn place(&self, find: impl Fn(&Opened) -> Option<&u32>) -> Option<Place> {
        let mut all = self.opened.iter().enumerate();
        all.find_map(|(number, bundle)| Some(Place { bundle: number, file: *find(bundle)? }))
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        self.opened.get(place.bundle)?.index.files.get(place.file as usize)
    }

    /// The bytes of the file with this digest, from the one numbered `from` on. Who reads the whole of it is told at the end if they are not the file's.
    pub fn read(&self, sha256: &Digest, from: u64) -> io::Result<Pieces> {
        let place = self.place(|bundle| bundle.found.digests.get(sha256));
        let entry = place.and_then(|place| Some((place.bundle, self.entry(place)?)));
        let Some((bundle, entry)) = entry else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no bundle has a file with {sha256}"),
            ));
        };
        let mut pieces = Pieces::new(self, bundle, entry);
        if from > 0 {
            pieces.hashers = None;
            pieces.skip(from)?;
        }
        Ok(pieces)
    }

    /// The bytes of a file as this very bundle has it.
    pub(super) fn read_of(&self, bundle: &Opened, entry: &Entry) -> io::Result<Pieces> {
        let number = self.opened.iter().position(|other| other.id == bundle.id);
        let number =
            number.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the bundle is not open"))?;
        Ok(Pieces::new(self, number, entry))
    }

    /// A chunk of the bundle numbered `bundle`, wherever it lies.
    fn chunk(&self, bundle: usize, number: u32) -> io::Result<Vec<u8>> {
        let none = || io::Error::new(io::ErrorKind::InvalidData, format!("chunk {number} is in no bundle"));
        let here = &self.opened.get(bundle).ok_or_else(none)?;
        let chunk = here.index.chunks.get(number as usize).ok_or_else(none)?;
        if chunk.stored > 0 {
            return here.chunk(number);
        }
        let mut holders = self.opened.iter();
        let (other, number) = holders
            .find_map(|other| Some((other, *other.found.chunks.get(&chunk.sha256)?)))
            .ok_or_else(none)?;
        let bytes = other.chunk(number)?;
        if bytes.len() == chunk.bytes as usize { Ok(bytes) } else { Err(none()) }
    }

    /// The open bundles and how many chunks each has in its file, for who looks at all of them.
    pub(super) fn all(&self) -> &[Opened] {
        &self.opened
    }
}

impl Stock for Bundles {
    fn name(&self) -> String {
        self.opened.iter().map(Opened::name).collect::<Vec<_>>().join(", ")
    }

    fn find(&self, url: &Url) -> Option<Held> {
        let card = self.card(url)?;
        Some(Held { digest: card.sha256.clone(), bytes: card.bytes })
    }

    fn find_digest(&self, digest: &Digest) -> Option<Held> {
        let card = &self.entry(self.place(|bundle| bundle.found.digests.get(digest))?)?.card;
        Some(Held { digest: card.sha256.clone(), bytes: card.bytes })
    }

    fn open(&self, held: &Held) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.read(&held.digest, 0)?))
    }
}

/// Those first that build on others.
fn newest_first(mut left: Vec<Opened>) -> Vec<Opened> {
    let mut sorted = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = left.iter().position(|one| left.iter().all(|other| !other.index.since.contains(&one.id)));
        // A circle cannot be made, since an id covers what it builds on.
        sorted.push(left.remove(free.unwrap_or(0)));
    }
    sorted
}

/// What is said when a bundle is not there that another one builds on; if it lies beside it, that is told.
fn missing(bundle: &Opened, id: &Digest) -> BundleError {
    let error = BundleError::new(BundleErrorKind::Missing, format!("use the bundle `{}`", bundle.name()))
        .because(format!("it has only what changed since the bundle {id}, which was not given"));
    let folder = bundle.path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    beside.sort();
    match beside.iter().find(|path| Opened::id_of(path).as_ref() == Some(id)) {
        Some(path) => error.hint(format!("it is `{}`: give that one, too", path.display())),
        None => error.hint("give both; `goldsmith bundle list FILE` shows which bundle a file is"),
    }
}

/// The bytes of one file.
#[derive(Debug)]
pub struct Pieces {
    bundles: Bundles,
    bundle: usize,
    runs: Vec<(u32, u32)>,
    /// The run, and the chunk in it, that comes next.
    run: usize,
    within: u32,
    current: Vec<u8>,
    at: usize,
    expected: Card,
    hashers: Option<(Sha256, Option<Sha512>)>,
}

impl Pieces {
    fn new(bundles: &Bundles, bundle: usize, entry: &Entry) -> Self {
        Self {
            bundles: bundles.clone(),
            bundle,
            runs: entry.chunks.clone(),
            run: 0,
            within: 0,
            current: Vec::new(),
            at: 0,
            expected: entry.card.clone(),
            hashers: Some((Sha256::new(), entry.card.sha512.is_some().then(Sha512::new))),
        }
    }

    fn next_number(&mut self) -> Option<u32> {
        loop {
            let (first, count) = *self.runs.get(self.run)?;
            if self.within < count {
                self.within += 1;
                return Some(first + self.within - 1);
            }
            (self.run, self.within) = (self.run + 1, 0);
        }
    }

    /// Goes on behind so many bytes; whole chunks are passed over unread.
    fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while bytes > 0 {
            let Some(number) = self.next_number() else { return Ok(()) };
            let length = self.bundles.opened[self.bundle].index.chunks[number as usize].bytes;
            if u64::from(length) <= bytes {
                bytes -= u64::from(length);
            } else {
                self.current = self.bundles.chunk(self.bundle, number)?;
                self.at = bytes as usize;
                bytes = 0;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some((sha256, sha512)) = self.hashers.take() else { return Ok(()) };
        let card = &self.expected;
        let right = hex::encode(sha256.finalize()) == card.sha256.hex()
            && sha512.is_none_or(|hasher| {
                Some(hex::encode(hasher.finalize()))
                    == card.sha512.as_ref().map(|digest| digest.hex().to_owned())
            });
        if right {
            return Ok(());
        }
        let name = card.urls.first().map_or_else(|| card.sha256.to_string(), ToString::to_string);
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the bytes of `{name}` are not what the index says"),
        ))
    }
}

impl Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() {
            let Some(number) = self.next_number() else {
                self.finish()?;
                return Ok(0);
            };
            self.current = self.bundles.chunk(self.bundle, number)?;
            self.at = 0;
            if let Some((sha256, sha512)) = &mut self.hashers {
                sha256.update(&self.current);
                if let Some(sha512) = sha512 {
                    sha512.update(&self.current);
                }
            }
        }
        let n = to.len().min(self.current.len() - self.at);
        to[..n].copy_from_slice(&self.current[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
