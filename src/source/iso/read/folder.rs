//! What is in a folder: records become entries.
use super::{
    Entry, Extent, Kind,
    image::Image,
    record::{Encoding, Record},
    rock,
    volume::SECTOR,
};
use crate::source::iso::IsoError;

/// The longest folder that is read. The largest on real media, with ten thousand packages, has two MiB.
const MOST: u64 = 16 << 20;

/// One of the trees of an ISO: they have the same files under different names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree {
    pub(super) root: Extent,
    pub(super) encoding: Encoding,
    /// With Rock Ridge: how many bytes of each system use field are somebody else's.
    pub(super) rock: Option<usize>,
    /// Bytes in a block.
    pub(super) block: u64,
}

/// Everything in the folder at `extent`, in the order of the medium.
pub(super) fn list(image: &Image, tree: Tree, extent: Extent) -> Result<Vec<Entry>, IsoError> {
    let mut found: Vec<Entry> = Vec::new();
    let mut budget = rock::BUDGET;
    // The raw name of a file that goes on with the next record.
    let mut open: Option<Vec<u8>> = None;
    records(image, extent, &mut |record| {
        if record.is_dot() || record.is_associated() {
            return Ok(true);
        }
        let part = record.extent(tree.block);
        let goes_on = record.goes_on().then(|| record.name.to_vec());
        if let (Some(name), Some(file)) = (open.take(), found.last_mut())
            && name == record.name
        {
            file.size += part.len;
            file.extents.push(part);
            open = goes_on;
            return Ok(true);
        }
        let rock = match tree.rock.and_then(|skip| record.system.get(skip..)) {
            Some(system) => rock::read(image, system, tree.block, &mut budget)?,
            None => rock::Rock::default(),
        };
        if rock.moved {
            return Ok(true);
        }
        let (kind, part) = match (rock.child, rock.link) {
            (Some(child), _) => (Kind::Folder, own_extent(image, tree, child)?),
            (None, Some(target)) => (Kind::Link(target), part),
            (None, None) if record.is_folder() => (Kind::Folder, part),
            (None, None) => (Kind::File, part),
        };
        open = goes_on.filter(|_| kind == Kind::File);
        let size = if kind == Kind::File { part.len } else { 0 };
        found.push(Entry {
            name: rock.name.unwrap_or_else(|| record.name(tree.encoding)),
            kind,
            size,
            extents: vec![part],
            packed: rock.packed,
            interleaved: record.is_interleaved(),
        });
        Ok(true)
    })?;
    Ok(found)
}

/// Calls `each` for every record, until it says that it has seen enough.
pub(super) fn records(
    image: &Image,
    extent: Extent,
    each: &mut dyn FnMut(Record<'_>) -> Result<bool, IsoError>,
) -> Result<(), IsoError> {
    if extent.len > MOST {
        return Err(image.damaged(format!("the folder at byte {} has {} bytes", extent.at, extent.len)));
    }
    let mut buffer = vec![0; SECTOR];
    let mut done = 0;
    while done < extent.len {
        let len = (extent.len - done).min(SECTOR as u64) as usize;
        let Some(sector) = buffer.get_mut(..len) else { break };
        let at = extent.at.saturating_add(done);
        image.read(sector, at, "a folder")?;
        let mut rest = &*sector;
        // Records do not cross sectors; the rest of one is zeroes.
        while let Some(len) = rest.first().copied().filter(|len| *len > 0) {
            let record = rest.split_at_checked(usize::from(len)).and_then(|(raw, after)| {
                rest = after;
                Record::parse(raw)
            });
            let record = record
                .ok_or_else(|| image.damaged(format!("the folder at byte {at} has a broken record")))?;
            if !each(record)? {
                return Ok(());
            }
        }
        done += SECTOR as u64;
    }
    Ok(())
}

/// The first record of a folder is the folder itself: what it says of its own place and length, and its system use field.
pub(super) fn own_record<T>(
    image: &Image,
    at: u64,
    look: impl FnOnce(Record<'_>) -> Result<T, IsoError>,
) -> Result<Option<T>, IsoError> {
    let (mut look, mut seen) = (Some(look), None);
    records(image, Extent { at, len: SECTOR as u64 }, &mut |record| {
        if let (Some(look), true) = (look.take(), record.is_dot()) {
            seen = Some(look(record)?);
        }
        Ok(false)
    })?;
    Ok(seen)
}

/// Where a folder is whose first block is known only.
fn own_extent(image: &Image, tree: Tree, block: u32) -> Result<Extent, IsoError> {
    let at = u64::from(block) * tree.block;
    let own = own_record(image, at, |record| Ok(record.extent(tree.block)))?;
    own.ok_or_else(|| image.damaged(format!("a folder was moved to byte {at}, where there is none")))
}
