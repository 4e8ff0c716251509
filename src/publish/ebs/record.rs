//! The record of an upload: what it is of, and which blocks the service confirmed. Append-only JSON lines, so that a crash at any
//! moment leaves a record that is right.
use crate::{
    aws::{AwsError, AwsErrorKind},
    cx::BuildId,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Confirmed blocks wait so long at most until they are on the disk of this host. What is lost with them is sent once more.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// SHA-256 of the blocks that arrived, by their index.
pub(super) type Digests = BTreeMap<u32, [u8; 32]>;

/// What an upload is of, and where it goes. An upload goes on only when all of it is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// The user's file.
    pub source: PathBuf,
    /// Its files with size and time of change in nanoseconds since 1970.
    pub files: Vec<(PathBuf, u64, i64)>,
    /// Digest of its size and holes.
    pub map: String,
    /// Where the snapshot is made: region, and the address of another server.
    pub place: (String, Option<String>),
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// With which key.
    pub kms_key: Option<String>,
    /// The snapshot that it is the difference to.
    pub parent: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// The first line.
    Upload { id: BuildId, identity: Identity },
    /// The snapshot is there.
    Snapshot(String),
    /// A block arrived.
    Block(u32, String),
    /// All blocks arrived, and completion was asked for.
    Completing,
    /// The service refused the completion: blocks are missing or wrong.
    Refused,
    /// The service said that it is complete.
    Completed,
}

/// How far an upload is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: Option<BuildId>,
    pub(super) identity: Option<Identity>,
    pub(super) snapshot: Option<String>,
    pub(super) digests: Digests,
    pub(super) completing: bool,
    pub(super) completed: bool,
}

/// An open record.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    file: File,
    synced: Instant,
}

fn failed(action: &str, path: &Path, error: io::Error) -> AwsError {
    AwsError::new(AwsErrorKind::Other, format!("{action} the record of the upload, `{}`", path.display()))
        .because(error)
        .hint("GOLDSMITH_STATE_DIR names another folder for such records")
}

impl Record {
    /// Starts a record.
    pub(super) fn create(path: &Path, id: &BuildId, identity: &Identity) -> Result<Self, AwsError> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(path)
            .map_err(|error| failed("create", path, error))?;
        let mut record = Self { path: path.to_owned(), file, synced: Instant::now() };
        record.write(&Line::Upload { id: id.clone(), identity: identity.clone() })?;
        record.sync()?;
        Ok(record)
    }

    /// Reads a record and opens it to go on with. A last line that was cut by a crash is removed.
    pub(super) fn open(path: &Path) -> Result<(Self, Found), AwsError> {
        let io = |error| failed("read", path, error);
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(io)?;
        let mut reader = BufReader::new(&file);
        let (mut found, mut text, mut whole) = (Found::default(), Vec::new(), 0u64);
        loop {
            text.clear();
            let len = reader.read_until(b'\n', &mut text).map_err(io)?;
            if len == 0 || text.last() != Some(&b'\n') {
                break;
            }
            let Ok(line) = serde_json::from_slice(&text) else { break };
            found.take(line);
            whole += len as u64;
        }
        file.set_len(whole).map_err(io)?;
        Ok((Self { path: path.to_owned(), file, synced: Instant::now() }, found))
    }

    fn write(&mut self, line: &Line) -> Result<(), AwsError> {
        let mut bytes =
            serde_json::to_vec(line).map_err(|error| failed("write", &self.path, error.into()))?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(|error| failed("write", &self.path, error))
    }

    fn sync(&mut self) -> Result<(), AwsError> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(|error| failed("write", &self.path, error))
    }

    pub(super) fn snapshot(&mut self, id: &str) -> Result<(), AwsError> {
        self.write(&Line::Snapshot(id.to_owned()))?;
        self.sync()
    }

    /// A block arrived. A crash of this process loses nothing of it; one of the host at most the last seconds.
    pub(super) fn block(&mut self, index: u32, sha256: &[u8; 32]) -> Result<(), AwsError> {
        self.write(&Line::Block(index, BASE64_STANDARD.encode(sha256)))?;
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    pub(super) fn completing(&mut self) -> Result<(), AwsError> {
        self.write(&Line::Completing)?;
        self.sync()
    }

    /// The next run looks at all blocks again.
    pub(super) fn refused(&mut self) -> Result<(), AwsError> {
        self.write(&Line::Refused)?;
        self.sync()
    }

    pub(super) fn completed(&mut self) -> Result<(), AwsError> {
        self.write(&Line::Completed)?;
        self.sync()
    }
}

impl Found {
    fn take(&mut self, line: Line) {
        match line {
            Line::Upload { id, identity } => (self.id, self.identity) = (Some(id), Some(identity)),
            Line::Snapshot(id) => self.snapshot = Some(id),
            Line::Block(index, digest) => {
                let bytes = BASE64_STANDARD.decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
                if let Some(bytes) = bytes {
                    self.digests.insert(index, bytes);
                }
            }
            Line::Completing => self.completing = true,
            Line::Refused => self.completing = false,
            Line::Completed => self.completed = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            source: "/disk".into(),
            files: vec![("/disk".into(), 7, 1_700_000_000_123_456_789)],
            map: "00".into(),
            place: ("eu-west-1".into(), None),
            encrypted: true,
            kms_key: None,
            parent: None,
        }
    }

    #[test]
    fn every_prefix_of_a_record_is_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let id = BuildId::random();
        let mut record = Record::create(&path, &id, &identity()).unwrap();
        record.snapshot("snap-1").unwrap();
        for index in [3, 1, 2] {
            record.block(index, &[index as u8; 32]).unwrap();
        }
        record.completing().unwrap();
        record.completed().unwrap();
        drop(record);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut record, found) = Record::open(&path).unwrap();
            let lines = String::from_utf8_lossy(&whole[..cut]).matches('\n').count();
            assert_eq!(found.digests.len(), lines.saturating_sub(2).min(3), "{cut}");
            assert_eq!((found.completing, found.completed), (lines > 5, lines > 6), "{cut}");
            record.block(9, &[9; 32]).unwrap();
            drop(record);
            let (_, found) = Record::open(&path).unwrap();
            assert_eq!(found.digests.get(&9), Some(&[9; 32]), "it goes on after a cut line, at {cut}");
        }
        std::fs::write(&path, &whole).unwrap();
        let (_, found) = Record::open(&path).unwrap();
        assert_eq!(found.id, Some(id));
        assert_eq!(found.identity, Some(identity()));
        assert_eq!(found.snapshot.as_deref(), Some("snap-1"));
        assert_eq!(found.digests, BTreeMap::from([(1, [1; 32]), (2, [2; 32]), (3, [3; 32])]));
    }
}
