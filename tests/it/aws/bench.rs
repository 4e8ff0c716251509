//! What tests of uploads share: disks, a context, a look into snapshots.
use super::moto::isolate;
use goldsmith::{
    aws::Aws,
    cx::{BuildId, Cx, Events, Header, Journal, Record, Sink, Stop, UndoLog},
    disk::{self, DiskRead, OpenOptions},
    plan::{AmiPlan, BootMode},
    publish::ami::{DiskSource, FromDisk, Published, Stopped},
    value::Arch,
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const BLOCK: usize = 512 << 10;

/// Bytes that are the same for the same seed (xorshift).
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Everything that listened.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<Record>>);

impl Sink for Heard {
    fn take(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

impl Heard {
    /// All events as JSON, one a line.
    pub(crate) fn text(&self) -> String {
        let records = self.0.lock().unwrap();
        records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
    }
}

/// A folder with disks, and the state of a goldsmith.
pub(crate) struct Bench {
    root: tempfile::TempDir,
    pub(crate) heard: Arc<Heard>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("state/uploads")).unwrap();
        Self { root, heard: Arc::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A sparse raw file.
    pub(crate) fn raw(&self, name: &str, size: u64, pieces: &[(u64, Vec<u8>)]) -> PathBuf {
        let path = self.path(name);
        let file = fs::File::create(&path).unwrap();
        file.set_len(size).unwrap();
        for (offset, bytes) in pieces {
            file.write_all_at(bytes, *offset).unwrap();
        }
        path
    }

    /// A disk with noise, written zeroes, holes and a short last block. 19 blocks have data.
    pub(crate) fn mixed(&self, name: &str) -> PathBuf {
        self.raw(
            name,
            40 * MIB + 70 * 1024,
            &[
                (0, noise(1, 300 * 1024)),
                (3 * MIB, noise(2, 4 * MIB as usize)),
                (10 * MIB, vec![0; MIB as usize]),
                (20 * MIB + 100 * 1024, noise(3, 64 * 1024)),
                (30 * MIB, noise(4, 3 * MIB as usize)),
                (40 * MIB, noise(5, 70 * 1024)),
            ],
        )
    }

    /// So many blocks of data, each with a hole after it.
    pub(crate) fn blocks(&self, name: &str, count: u64) -> PathBuf {
        let pieces: Vec<(u64, Vec<u8>)> =
            (0..count).map(|index| (index * MIB, noise(index + 1, 4096))).collect();
        self.raw(name, count * MIB, &pieces)
    }

    pub(crate) fn cx(&self, stop: &Stop) -> Cx {
        let id = BuildId::random();
        let root = self.path(id.as_str());
        let (work, logs) = (root.join("work"), root.join("logs"));
        fs::create_dir_all(&work).unwrap();
        fs::create_dir_all(&logs).unwrap();
        let header = Header {
            build: id.clone(),
            name: "test".into(),
            definition: "test".into(),
            created: jiff::Timestamp::UNIX_EPOCH,
            pid: std::process::id(),
        };
        let undo = UndoLog::new(Journal::create(&root.join("journal"), &header).unwrap());
        let sink: Arc<dyn Sink> = self.heard.clone();
        let events = Events::new(id.clone(), "test", vec![sink]);
        Cx::new(id, work, logs, events, stop.clone(), undo)
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.path("state/uploads")
    }

    /// Names of the records of uploads that are open.
    pub(crate) fn open_uploads(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.uploads())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            // What finished ones hold stays.
            .filter(|name| name != "digests")
            .collect();
        names.sort();
        names
    }

    /// Publishes a disk by the library.
    pub(crate) async fn publish(
        &self,
        aws: &Aws,
        stop: &Stop,
        disk: &Path,
        ami: &AmiPlan,
    ) -> Result<Published, Stopped> {
        self.publish_by(aws, stop, disk, ami, None).await
    }

    /// The same, with at most so many blocks on their way.
    pub(crate) async fn publish_by(
        &self,
        aws: &Aws,
        stop: &Stop,
        disk: &Path,
        ami: &AmiPlan,
        connections: Option<usize>,
    ) -> Result<Published, Stopped> {
        let source = DiskSource { path: disk.to_owned(), disk: opened(disk) };
        let folder = self.uploads();
        let job = FromDisk { ami, folder: &folder, threads: 2, connections };
        job.publish(&self.cx(stop), aws, &source).await
    }

    /// The real binary, with this bench's folders.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
        isolate(command.args(arguments).current_dir(self.root.path()))
            .env("HOME", self.root.path())
            .env("GOLDSMITH_STATE_DIR", self.path("state"))
            .env("GOLDSMITH_CACHE_DIR", self.path("cache"));
        command
    }
}

pub(crate) fn ami(name: &str) -> AmiPlan {
    AmiPlan::new(name, Arch::X86_64, BootMode::Uefi)
}

pub(crate) fn opened(path: &Path) -> Arc<dyn DiskRead> {
    disk::open(path, None, &OpenOptions::default()).unwrap().into()
}

/// The blocks of a snapshot by their index, as the service gives them back.
pub(crate) async fn blocks_of(aws: &Aws, snapshot: &str) -> BTreeMap<u64, Vec<u8>> {
    let ebs = aws.ebs();
    let list = ebs.list_snapshot_blocks().snapshot_id(snapshot).send().await.unwrap();
    let mut found = BTreeMap::new();
    for block in list.blocks() {
        let answer = ebs
            .get_snapshot_block()
            .snapshot_id(snapshot)
            .block_index(block.block_index().unwrap())
            .block_token(block.block_token().unwrap())
            .send()
            .await
            .unwrap();
        let bytes = answer.block_data.collect().await.unwrap().to_vec();
        found.insert(block.block_index().unwrap() as u64, bytes);
    }
    found
}

/// Asserts that a snapshot reads as the disk does, and that what is missing in it is a hole of the disk, and the other way round.
pub(crate) async fn assert_same(aws: &Aws, snapshot: &str, disk: &Path) {
    let blocks = blocks_of(aws, snapshot).await;
    let disk = opened(disk);
    for index in 0..disk.size().div_ceil(BLOCK as u64) {
        let start = index * BLOCK as u64;
        let len = (disk.size() - start).min(BLOCK as u64) as usize;
        let mut wanted = vec![0; BLOCK];
        disk.read_at(&mut wanted[..len], start).unwrap();
        let mut at = start;
        let mut hole = true;
        while at < start + len as u64 {
            let extent = disk.extent_at(at).unwrap();
            hole &= extent.kind == disk::ExtentKind::Hole;
            at += extent.len;
        }
        match blocks.get(&index) {
            Some(bytes) => {
                assert!(!hole, "block {index} is a hole, and was sent");
                assert!(*bytes == wanted, "block {index} differs");
            }
            None => assert!(hole, "block {index} has data, and was not sent"),
        }
    }
}

/// Ids of the snapshots that uploads made, and that are there.
pub(crate) async fn snapshots(aws: &Aws, name: &str) -> Vec<String> {
    let answer = aws.ec2().describe_snapshots().owner_ids("self").send().await.unwrap();
    answer
        .snapshots()
        .iter()
        .filter(|found| {
            found.tags().iter().any(|tag| tag.key() == Some("goldsmith:image") && tag.value() == Some(name))
        })
        .map(|found| found.snapshot_id().unwrap().to_owned())
        .collect()
}

/// Ids of AMIs by their name.
pub(crate) async fn images(aws: &Aws, name: &str) -> Vec<String> {
    let answer = aws.ec2().describe_images().owners("self").send().await.unwrap();
    answer
        .images()
        .iter()
        .filter(|image| image.name() == Some(name))
        .map(|image| image.image_id().unwrap().to_owned())
        .collect()
}
