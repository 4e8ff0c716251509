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

/// A block of zeroes.
static ZEROES: [u8; FEED_BLOCK] = [0; FEED_BLOCK];

/// Figures that both sides look at.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Blocks with data in them, once that is known.
    total: AtomicU64,
    /// Blocks that need not be sent: they arrived in an earlier run.
    known: AtomicU64,
    /// Blocks that need not be sent: the parent has them.
    unchanged: AtomicU64,
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

    pub(super) fn unchanged(&self) -> u64 {
        self.unchanged.load(Ordering::Relaxed)
    }
}

/// Where the disk engine puts the blocks of one upload.
#[derive(Debug)]
pub struct Feed {
    blocks: mpsc::Sender<DataBlock>,
    /// What arrived in an earlier run.
    earlier: Digests,
    /// What the snapshot begins with. What arrived lies over it.
    parent: Arc<Digests>,
    /// Which of both the disk has still.
    seen: Mutex<Vec<u32>>,
    figures: Arc<Figures>,
}

/// The other end of a [`Feed`].
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) blocks: mpsc::Receiver<DataBlock>,
    pub(super) figures: Arc<Figures>,
}

/// A feed for an upload over the blocks of `parent`, of which `earlier` arrived already, and its other end.
pub(super) fn feed(earlier: Digests, parent: Arc<Digests>) -> (Feed, Outlet) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let figures = Arc::<Figures>::default();
    let outlet = Outlet { blocks: receiver, figures: Arc::clone(&figures) };
    (Feed { blocks: sender, earlier, parent, seen: Mutex::default(), figures }, outlet)
}

impl Feed {
    fn send(&self, block: DataBlock) -> Result<(), DiskError> {
        // The other end goes when the upload fails or is interrupted, and says why itself.
        self.blocks
            .blocking_send(block)
            .map_err(|_| DiskError::new(DiskErrorKind::Closed, "the upload of the disk ended early"))
    }

    /// Remembers that the disk has this block. Blocks come in rising order.
    fn see(&self, index: u32) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(index);
    }

    /// Blocks that the snapshot has and the disk has not, unless they are zeroes.
    fn gone(&self, zeroes: &[u8; 32]) -> Vec<u32> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let below = self.parent.iter().filter(|(index, _)| !self.earlier.contains_key(index));
        let there = self.earlier.iter().chain(below);
        let mut gone: Vec<u32> = there
            .filter(|(index, digest)| seen.binary_search(index).is_err() && *digest != zeroes)
            .map(|(index, _)| *index)
            .collect();
        gone.sort_unstable();
        gone
    }
}

impl BlockSink for Feed {
    fn begin(&self, _disk_bytes: u64, blocks: u64) -> Result<(), DiskError> {
        self.figures.total.store(blocks, Ordering::Relaxed);
        Ok(())
    }

    fn block(&self, block: DataBlock) -> Result<(), DiskError> {
        // What arrived earlier counts, whatever the parent has there: it lies above.
        let (there, figure) = match self.earlier.get(&block.index) {
            Some(earlier) => (Some(earlier), &self.figures.known),
            None => (self.parent.get(&block.index), &self.figures.unchanged),
        };
        if let Some(there) = there {
            self.see(block.index);
            if *there == block.sha256 {
                figure.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
        self.send(block)
    }

    /// What the parent has and this disk has not is made zeroes, since a block cannot be taken back. So is what an earlier run sent and
    /// is no data any more; unless somebody changed the disk without leaving a trace, there is none of it.
    fn end(&self) -> Result<(), DiskError> {
        let bytes = bytes::Bytes::from_static(&ZEROES);
        let sha256 = <sha2::Sha256 as sha2::Digest>::digest(&bytes).into();
        let gone = self.gone(&sha256);
        self.figures.total.fetch_add(gone.len() as u64, Ordering::Relaxed);
        for index in gone {
            self.send(DataBlock { index, bytes: bytes.clone(), sha256 })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sha2::{Digest, Sha256};

    fn digest(fill: u8) -> [u8; 32] {
        Sha256::digest(vec![fill; FEED_BLOCK]).into()
    }

    fn block(index: u32, fill: u8) -> DataBlock {
        DataBlock { index, bytes: Bytes::from(vec![fill; FEED_BLOCK]), sha256: digest(fill) }
    }

    /// What is sent of a disk with these blocks: index, and the byte that the block is full of. With known and unchanged.
    fn sent(earlier: &[(u32, u8)], parent: &[(u32, u8)], disk: &[(u32, u8)]) -> (Vec<(u32, u8)>, u64, u64) {
        let digests =
            |blocks: &[(u32, u8)]| blocks.iter().map(|(index, fill)| (*index, digest(*fill))).collect();
        let (feed, mut outlet) = feed(digests(earlier), Arc::new(digests(parent)));
        feed.begin(0, disk.len() as u64).unwrap();
        for (index, fill) in disk {
            feed.block(block(*index, *fill)).unwrap();
        }
        feed.end().unwrap();
        drop(feed);
        let mut sent = Vec::new();
        while let Ok(block) = outlet.blocks.try_recv() {
            assert_eq!(block.sha256, digest(block.bytes[0]));
            sent.push((block.index, block.bytes[0]));
        }
        (sent, outlet.figures.known(), outlet.figures.unchanged())
    }

    #[test]
    fn only_what_differs_from_the_parent_is_sent_and_holes_become_zeroes() {
        let parent = [(0, 1), (1, 2), (2, 0), (3, 3), (9, 4)];
        assert_eq!(
            sent(&[], &parent, &[(0, 1), (1, 7), (5, 0)]),
            (vec![(1, 7), (5, 0), (3, 0), (9, 0)], 0, 1)
        );
        assert_eq!(sent(&[], &parent, &parent), (vec![], 0, 5));
        assert_eq!(sent(&[], &[], &[(4, 0), (5, 1)]), (vec![(4, 0), (5, 1)], 0, 0));
    }

    #[test]
    fn what_arrived_earlier_lies_over_the_parent() {
        let (parent, earlier) = ([(0, 1), (1, 2), (2, 3), (3, 4)], [(1, 7), (2, 8), (3, 0)]);
        // 0 is the parent's, 1 arrived, 2 became what the parent has: it is sent again all the same. 3 arrived as zeroes.
        assert_eq!(sent(&earlier, &parent, &[(0, 1), (1, 7), (2, 3)]), (vec![(2, 3)], 1, 1));
        // A hole over an earlier block over the parent's is sent once.
        assert_eq!(sent(&earlier, &parent, &[(0, 1), (1, 7)]), (vec![(2, 0)], 1, 1));
    }
}
