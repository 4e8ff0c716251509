//! Snapshots made directly from disks, by EBS's direct interface: no bucket, no import, no copy of the disk in between
//! ([the interface](https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html)).
//!
//! ```text
//!   disk engine ──► Feed ──► (16 blocks) ──► Sending ──► PutSnapshotBlock, up to 128 at once ──► record of what arrived
//! ```
//!
//! Over a [`Parent`], a block that is the same as the parent's is not sent, and one that is a hole now is sent as zeroes.
//! A block that is a hole throughout is not sent, and reads as zeroes. A written zero is sent: on an encrypted volume, a block that is
//! not there reads as what decrypting zeroes gives. Start reading at [`Upload`]; [`Resumable`] makes one that outlives its process.
mod feed;
mod known;
mod pace;
mod parent;
mod read;
mod record;
mod resume;
mod send;
mod snapshot;
mod trouble;

pub use feed::Feed;
pub use parent::Parent;
pub use record::Identity;
pub use resume::Resumable;
pub(in crate::publish) use resume::{image_of, is_open};
pub use send::Traffic;
pub(in crate::publish) use snapshot::described;
pub use snapshot::{SnapshotSpec, completed, volume_gib};

use crate::{
    aws::{Aws, AwsError, Kind, UPLOAD, resource},
    cx::{Cx, Undo, UndoHandle, UndoLog},
};
use feed::{Outlet, feed};
use known::Known;
use record::{Digests, Record};
use send::Sending;
use std::{path::Path, sync::Arc};

/// A snapshot that is being filled from a disk.
#[derive(Debug)]
pub struct Upload {
    aws: Aws,
    snapshot: String,
    /// Size of its volume.
    volume_gib: u64,
    /// What was sent to it.
    digests: Digests,
    /// What it begins with.
    parent: Arc<Digests>,
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
        Ok(Self { handle: Some(handle), ..Self::go_on(aws, snapshot, Digests::new(), &spec) })
    }

    /// The upload of `spec` whose snapshot is there, and to which `digests` were sent.
    fn go_on(aws: &Aws, snapshot: String, digests: Digests, spec: &SnapshotSpec) -> Self {
        Self {
            aws: aws.clone(),
            snapshot,
            volume_gib: volume_gib(spec.disk_bytes),
            digests,
            parent: spec.parent.as_ref().map(|parent| Arc::clone(parent.digests())).unwrap_or_default(),
            outlet: None,
            traffic: Traffic::default(),
            handle: None,
        }
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
        let (feed, outlet) = feed(self.digests.clone(), Arc::clone(&self.parent));
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

    /// Writes down on this host, in the `folder` of records, what the completed snapshot holds, so that an upload over it need not read it.
    pub fn remember(&self, cx: &Cx, folder: &Path) {
        let mut digests = Digests::clone(&self.parent);
        digests.extend(&self.digests);
        let known = Known { volume_gib: self.volume_gib, digests };
        parent::remember(cx, &self.aws, folder, &self.snapshot, &known);
    }

    /// What was sent so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// How many blocks were sent to the snapshot.
    pub fn blocks(&self) -> usize {
        self.digests.len()
    }
}
