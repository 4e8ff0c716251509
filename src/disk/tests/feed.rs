//! Blocks for an upload: what they hold, which are left out, and that files come out of the same pass.
use super::*;
use sha2::{Digest, Sha256};
use std::sync::{Mutex, atomic::AtomicBool, atomic::Ordering};

#[derive(Debug, Default)]
struct Collected {
    begun: Mutex<Option<(u64, u64)>>,
    blocks: Mutex<Vec<DataBlock>>,
    /// Refuses blocks from this one on.
    full_at: Option<usize>,
}

impl BlockSink for Collected {
    fn begin(&self, disk_bytes: u64, blocks: u64) -> Result<(), DiskError> {
        assert!(self.begun.lock().unwrap().replace((disk_bytes, blocks)).is_none());
        Ok(())
    }

    fn block(&self, block: DataBlock) -> Result<(), DiskError> {
        let mut blocks = self.blocks.lock().unwrap();
        if self.full_at.is_some_and(|limit| blocks.len() >= limit) {
            return Err(DiskError::new(DiskErrorKind::Closed, "nobody takes blocks any more"));
        }
        blocks.push(block);
        Ok(())
    }
}

#[test]
fn blocks_hold_the_disk_and_only_holes_are_left_out() {
    let dir = folder();
    let source = opened(&mixed(&dir.path().join("disk.raw")));
    let feed = Collected::default();
    let out = dir.path().join("out.qcow2");
    let options = ConvertOptions { threads: 3, needles: &[], progress: &|_| {}, cancelled: &|| false };
    let targets = [target(OutputFormat::Qcow2, &out, None)];
    let done = convert_and_feed(&*source, &targets, &[&feed], &options).unwrap();
    assert_eq!(done.outputs.len(), 1);
    assert_eq!(content(&*opened(&out)), content(&*source), "the file of the same pass");

    let blocks = feed.blocks.into_inner().unwrap();
    assert_eq!(feed.begun.into_inner().unwrap(), Some((source.size(), blocks.len() as u64)));
    assert!(blocks.is_sorted_by_key(|block| block.index));
    let mut rebuilt = vec![0; (source.size() as usize).next_multiple_of(FEED_BLOCK)];
    for block in &blocks {
        assert_eq!(block.bytes.len(), FEED_BLOCK);
        assert_eq!(block.sha256, <[u8; 32]>::from(Sha256::digest(&block.bytes)));
        let at = block.index as usize * FEED_BLOCK;
        rebuilt[at..at + FEED_BLOCK].copy_from_slice(&block.bytes);
    }
    assert!(rebuilt[source.size() as usize..].iter().all(|byte| *byte == 0), "padded with zeroes");
    rebuilt.truncate(source.size() as usize);
    assert!(rebuilt == content(&*source));
    // Written zeroes are data: the MiB at 10 MiB is two blocks.
    let indices: Vec<u32> = blocks.iter().map(|block| block.index).collect();
    assert!(indices.contains(&20) && indices.contains(&21), "{indices:?}");
    let holes = holes(&*source);
    for index in 0..source.size().div_ceil(FEED_BLOCK as u64) {
        let (start, end) = (index * FEED_BLOCK as u64, ((index + 1) * FEED_BLOCK as u64).min(source.size()));
        let hole = holes.iter().any(|(from, to)| *from <= start && end <= *to);
        assert_eq!(indices.contains(&(index as u32)), !hole, "block {index}");
    }
}

#[test]
fn a_feed_that_refuses_ends_the_conversion_and_no_file_stays() {
    let dir = folder();
    let source = opened(&mixed(&dir.path().join("disk.raw")));
    let feed = Collected { full_at: Some(5), ..Collected::default() };
    let options = ConvertOptions { threads: 2, needles: &[], progress: &|_| {}, cancelled: &|| false };
    let targets = [target(OutputFormat::Raw, &dir.path().join("out.raw"), None)];
    let error = convert_and_feed(&*source, &targets, &[&feed], &options).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Closed);
    assert_eq!(names(dir.path()), ["disk.raw"]);
}

#[test]
fn the_digest_of_a_map_tells_other_holes_and_nothing_else() {
    let dir = folder();
    let of = |name: &str, size: u64, pieces: &[(u64, Vec<u8>)]| {
        map_digest(&*opened(&raw(&dir.path().join(name), size, pieces)), &|| false).unwrap()
    };
    let first = of("a", 8 * MIB, &[(MIB, noise(1, 4096))]);
    assert_eq!(first, of("b", 8 * MIB, &[(MIB, noise(2, 4096))]), "the content does not count");
    assert_ne!(first, of("c", 8 * MIB, &[(2 * MIB, noise(1, 4096))]));
    assert_ne!(first, of("d", 9 * MIB, &[(MIB, noise(1, 4096))]));
    let stop = AtomicBool::new(true);
    let source = opened(&dir.path().join("a"));
    let error = map_digest(&*source, &|| stop.load(Ordering::Relaxed)).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Cancelled);
}
