//! Snapshots made directly from disks, by EBS's direct interface: no bucket, no import, no copy of the disk in between
//! ([the interface](https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html)).
//!
//! ```text
//!   disk engine ──► Feed ──► (16 blocks) ──► Sending ──► PutSnapshotBlock, up to 128 at once ──► record of what arrived
//! ```
//!
//! A block that is a hole throughout is not sent, and reads as zeroes. A written zero is sent: on an encrypted volume, a block that is
//! not there reads as what decrypting zeroes gives. Start reading at [`Upload`]; [`Resumable`] makes one that outlives its process.
mod feed;
mod pace;
mod record;
mod resume;
mod send;
mod snapshot;
mod trouble;

pub use feed::Feed;
pub use record::Identity;
pub use resume::Resumable;
pub(in crate::publish) use resume::{image_of, is_open};
pub use send::Traffic;
pub use snapshot::{SnapshotSpec, completed, volume_gib};

use crate::{
    aws::{Aws, AwsError, Kind, UPLOAD, resource},
    cx::{Cx, Undo, UndoHandle, UndoLog},
};
use feed::{Outlet, feed};
use record::{Digests, Record};
use send::Sending;

/// A snapshot that is being filled from a disk.
#[derive(Debug)]
pub struct Upload {
    aws: Aws,
    snapshot: String,
    digests: Digests,
    outlet: Option<Outlet>,
    traffic: Traffic,
    handle: Option<UndoHandle>,
}

impl Upload {
    /// Starts a snapshot that is removed with everything else that `undo` names; `id` tells this upload from all others.
    pub async fn start(aws: &Aws, undo: &UndoLog, id: &str, spec: SnapshotSpec) -> Result<Self, AwsError> {
        // Until the answer is heard, the snapshot can be found by its tag only.
        let handle = undo.plan(Undo::Resource(resource(aws, Kind::Upload, id)))?;
        let spec = SnapshotSpec { tags: spec.tags.with(UPLOAD, id), ..spec };
        let snapshot = snapshot::start(aws, &spec).await?;
        undo.resolve(handle, Undo::Resource(resource(aws, Kind::Snapshot, &snapshot)))?;
        Ok(Self { handle: Some(handle), ..Self::go_on(aws, snapshot, Digests::new()) })
    }

    fn go_on(aws: &Aws, snapshot: String, digests: Digests) -> Self {
        Self { aws: aws.clone(), snapshot, digests, outlet: None, traffic: Traffic::default(), handle: None }
    }

    /// The id of the snapshot.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// The undo entry of the snapshot, for who keeps it as a result.
    pub fn undo(&self) -> Option<UndoHandle> {
        self.handle
    }

    /// Where the disk engine puts the blocks. [`Upload::send`] ends when it is dropped.
    pub fn feed(&mut self) -> Feed {
        let (feed, outlet) = feed(self.digests.clone());
        self.outlet = Some(outlet);
        feed
    }

    /// Sends what comes from the feed, until that is dropped. At most `most` blocks are on their way at once.
    pub async fn send(&mut self, cx: &Cx, most: Option<usize>) -> Result<(), AwsError> {
        self.send_recorded(cx, None, most).await
    }

    async fn send_recorded(
        &mut self,
        cx: &Cx,
        record: Option<&mut Record>,
        most: Option<usize>,
    ) -> Result<(), AwsError> {
        let Some(outlet) = self.outlet.take() else { return Ok(()) };
        let digests = std::mem::take(&mut self.digests);
        let sending = Sending::new(cx, &self.aws, &self.snapshot, digests, record, most)?;
        (self.digests, self.traffic) = sending.run(outlet).await?;
        Ok(())
    }

    /// Says that all blocks are there; the snapshot can be used once [`completed`] says so.
    pub async fn complete(&self, cx: &Cx) -> Result<(), AwsError> {
        snapshot::complete(cx, &self.aws, &self.snapshot, &self.digests, false).await
    }

    /// What was sent so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// How many blocks the snapshot has.
    pub fn blocks(&self) -> usize {
        self.digests.len()
    }
}
