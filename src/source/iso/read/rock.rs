//! Rock Ridge: names, links and moved folders as POSIX knows them, in the system use field of a record.
use super::{
    field::{byte, harmless, le32},
    image::Image,
    volume::SECTOR,
};
use crate::source::iso::IsoError;

/// More continuations than this are on no medium.
const MOST_AREAS: usize = 16;
/// Nor are longer ones.
const MOST_BYTES: usize = 32 << 10;
/// Longest name or link target that is kept.
const MOST_TEXT: usize = 4096;

/// What a record says beyond ISO 9660.
#[derive(Debug, Default)]
pub(super) struct Rock {
    pub(super) name: Option<String>,
    pub(super) link: Option<String>,
    /// The block where the folder really is; the record stands for it at its place in the tree.
    pub(super) child: Option<u32>,
    /// This record stands where the folder was moved to, which is not its place in the tree.
    pub(super) moved: bool,
    /// The content is compressed (zisofs).
    pub(super) packed: bool,
    /// The record has fields of Rock Ridge, or names it.
    pub(super) recognised: bool,
}

/// How many bytes every system use field has before what is meant here; `None` if the sharing protocol is not used. `system`
/// is the field of the first record of the root folder.
pub(super) fn skip(system: &[u8]) -> Option<usize> {
    // CD-ROM XA puts 14 bytes of its own first.
    [0, 14].into_iter().find_map(|at| {
        let field = system.get(at..at + 7)?;
        (field.starts_with(b"SP\x07") && field.get(4..6) == Some(&[0xbe, 0xef]))
            .then(|| byte(field, 6).map(usize::from))
            .flatten()
    })
}

/// Reads the field and what continues it elsewhere. `budget` bounds the bytes that all records of a folder may continue in.
pub(super) fn read(image: &Image, system: &[u8], block: u64, budget: &mut usize) -> Result<Rock, IsoError> {
    let mut rock = Rock::default();
    let (mut name, mut link) = (Vec::new(), Link::default());
    let mut area = system.to_vec();
    for _ in 0..MOST_AREAS {
        let Some((at, len)) = fields(&area, &mut rock, &mut name, &mut link, block) else { break };
        if len > MOST_BYTES || len > *budget {
            return Err(image.damaged(format!("a record continues with {len} bytes at byte {at}")));
        }
        *budget -= len;
        area = vec![0; len];
        image.read(&mut area, at, "the continuation of a record")?;
    }
    if !name.is_empty() {
        rock.name = Some(harmless(&String::from_utf8_lossy(&name)));
    }
    rock.link = link.text();
    Ok(rock)
}

/// Goes through the fields of one area; returns where the next one is.
fn fields(
    area: &[u8],
    rock: &mut Rock,
    name: &mut Vec<u8>,
    link: &mut Link,
    block: u64,
) -> Option<(u64, usize)> {
    let mut next = None;
    let mut rest = area;
    while let Some(len) = byte(rest, 2).map(usize::from) {
        // What is no field any more is the padding of the record.
        let Some((field, after)) = rest.split_at_checked(len).filter(|_| len >= 4) else { break };
        let data = field.get(4..).unwrap_or_default();
        match field.get(..2) {
            Some(b"CE") => {
                next = le32(data, 0).zip(le32(data, 8)).zip(le32(data, 16)).map(|((first, offset), len)| {
                    (u64::from(first) * block + u64::from(offset), len as usize)
                });
            }
            Some(b"NM") => {
                rock.recognised = true;
                // Flags 2 and 4 stand for `.` and `..`, which are known from the record.
                if byte(data, 0).is_some_and(|flags| flags & 6 == 0) && name.len() < MOST_TEXT {
                    name.extend_from_slice(data.get(1..).unwrap_or_default());
                }
            }
            Some(b"SL") => link.extend(data.get(1..).unwrap_or_default()),
            Some(b"CL") => rock.child = le32(data, 0),
            Some(b"RE") => rock.moved = true,
            Some(b"ZF") => rock.packed = true,
            Some(b"PX" | b"RR") => rock.recognised = true,
            Some(b"ER") => {
                let id = data.get(4..).unwrap_or_default();
                rock.recognised |= [&b"RRIP"[..], b"IEEE"].iter().any(|known| id.starts_with(known));
            }
            Some(b"ST") => break,
            _ => {}
        }
        rest = after;
    }
    next
}

/// The target of a symbolic link, which is kept in components.
#[derive(Debug, Default)]
struct Link {
    bytes: Vec<u8>,
    seen: bool,
    /// The last component goes on.
    open: bool,
}

impl Link {
    fn extend(&mut self, mut components: &[u8]) {
        self.seen = true;
        while let (Some(flags), Some(len)) = (byte(components, 0), byte(components, 1)) {
            let Some((component, after)) = components.split_at_checked(2 + usize::from(len)) else { return };
            if self.bytes.len() > MOST_TEXT {
                return;
            }
            if !self.open && !self.bytes.is_empty() && !self.bytes.ends_with(b"/") {
                self.bytes.push(b'/');
            }
            match flags & 0x0e {
                2 => self.bytes.push(b'.'),
                4 => self.bytes.extend_from_slice(b".."),
                8 => self.bytes.push(b'/'),
                _ => self.bytes.extend_from_slice(component.get(2..).unwrap_or_default()),
            }
            self.open = flags & 1 != 0;
            components = after;
        }
    }

    fn text(self) -> Option<String> {
        self.seen.then(|| String::from_utf8_lossy(&self.bytes).into_owned())
    }
}

/// How many bytes the records of one folder may continue in.
pub(super) const BUDGET: usize = 32 << 20;

const _: () = assert!(MOST_BYTES >= SECTOR, "a continuation of one sector is the usual one");
