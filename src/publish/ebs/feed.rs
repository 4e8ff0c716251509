//! From the disk engine, which is synchronous, to the upload, which is not.
use super::record::Digests;
use crate::disk::{BlockSink, DataBlock, DiskError, DiskErrorKind, FEED_BLOCK};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// Blocks that wait for a place on the line. A few, so that the engine goes on while they are taken.
const WAITING: usize = 16;

/// Figures that both sides look at.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Blocks with data in them, once that is known.
    total: AtomicU64,
    /// Blocks that need not be sent: they arrived in an earlier run.
    known: AtomicU64,
}

impl Figures {
    pub(super) fn total_bytes(&self) -> Option<u64> {
        match self.total.load(Ordering::Relaxed) {
            0 => None,
            blocks => Some(blocks * FEED_BLOCK as u64),
        }
    }

    pub(super) fn known(&self) -> u64 {
        self.known.load(Ordering::Relaxed)
    }
}

/// Where the disk engine puts the blocks of one upload.
#[derive(Debug)]
pub struct Feed {
    blocks: mpsc::Sender<DataBlock>,
    /// What arrived in an earlier run.
    earlier: Digests,
    /// Which of those the disk has still.
    seen: Mutex<Vec<u32>>,
    figures: Arc<Figures>,
}

/// The other end of a [`Feed`].
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) blocks: mpsc::Receiver<DataBlock>,
    pub(super) figures: Arc<Figures>,
}

/// A feed for an upload of which `earlier` arrived already, and its other end.
pub(super) fn feed(earlier: Digests) -> (Feed, Outlet) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let figures = Arc::<Figures>::default();
    let outlet = Outlet { blocks: receiver, figures: Arc::clone(&figures) };
    (Feed { blocks: sender, earlier, seen: Mutex::default(), figures }, outlet)
}

impl Feed {
    fn send(&self, block: DataBlock) -> Result<(), DiskError> {
        // The other end goes when the upload fails or is interrupted, and says why itself.
        self.blocks
            .blocking_send(block)
            .map_err(|_| DiskError::new(DiskErrorKind::Closed, "the upload of the disk ended early"))
    }

    /// Called when the disk was read to its end. What an earlier run sent and what is no data any more is made zeroes, since a block
    /// cannot be taken back. Unless somebody changed the disk without leaving a trace, there is none.
    pub fn finish(self) -> Result<(), DiskError> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let gone: Vec<u32> =
            self.earlier.keys().filter(|index| seen.binary_search(index).is_err()).copied().collect();
        for index in gone {
            let bytes = bytes::Bytes::from(vec![0; FEED_BLOCK]);
            let sha256 = <sha2::Sha256 as sha2::Digest>::digest(&bytes).into();
            if self.earlier.get(&index) != Some(&sha256) {
                self.send(DataBlock { index, bytes, sha256 })?;
            }
        }
        Ok(())
    }
}

impl BlockSink for Feed {
    fn begin(&self, _disk_bytes: u64, blocks: u64) -> Result<(), DiskError> {
        self.figures.total.store(blocks, Ordering::Relaxed);
        Ok(())
    }

    fn block(&self, block: DataBlock) -> Result<(), DiskError> {
        if let Some(earlier) = self.earlier.get(&block.index) {
            // In rising order, as the blocks come.
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(block.index);
            if *earlier == block.sha256 {
                self.figures.known.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
        self.send(block)
    }
}
