//! Volume descriptors: what the ISO is called, how long it is, and where its trees begin.
use super::{
    Extent,
    field::{byte, le16, le32, padded},
    image::Image,
    record::Record,
};
use crate::source::iso::IsoError;
use serde::Serialize;

/// The unit of descriptors and folders.
pub(super) const SECTOR: usize = 2048;
/// Where descriptors begin; what is before belongs to boot loaders.
const FIRST: u64 = 16;
/// Where the first of them says what it is.
pub(super) const MAGIC: u64 = FIRST * SECTOR as u64 + 1;
/// More descriptors than this are on no medium.
const MOST: u64 = 64;
/// In the boot record that points to the boot catalog.
const EL_TORITO: &[u8] = b"EL TORITO SPECIFICATION";

/// What a medium says of its making. Whoever made it may have said nothing, or nonsense.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Origin {
    /// Who published it.
    pub publisher: Option<String>,
    /// Who prepared its data.
    pub preparer: Option<String>,
    /// What it is, or the program that wrote it.
    pub application: Option<String>,
    /// When it was made: `2024-11-09T11:10:33+00:00`.
    pub created: Option<String>,
}

/// What the descriptors say.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) label: String,
    pub(super) origin: Origin,
    pub(super) size: u64,
    pub(super) uuid: Option<String>,
    pub(super) block: u64,
    pub(super) root: Extent,
    pub(super) joliet: Option<Extent>,
    /// Sector of the boot catalog.
    pub(super) catalog: Option<u32>,
}

impl Volume {
    pub(super) fn read(image: &Image) -> Result<Self, IsoError> {
        let mut volume: Option<Self> = None;
        let (mut joliet, mut catalog) = (None, None);
        let mut sector = vec![0; SECTOR];
        for number in FIRST..FIRST + MOST {
            let at = number * SECTOR as u64;
            if number == FIRST && image.len() < at + SECTOR as u64 {
                return Err(image.not_iso(other(image)?));
            }
            image.read(&mut sector, at, "a volume descriptor")?;
            if sector.get(1..6) != Some(b"CD001") {
                if number == FIRST {
                    return Err(image.not_iso(other(image)?));
                }
                break;
            }
            match byte(&sector, 0) {
                Some(0) if sector.get(7..7 + EL_TORITO.len()) == Some(EL_TORITO) => {
                    catalog = le32(&sector, 71);
                }
                Some(1) if volume.is_none() => {
                    let primary = primary(&sector).ok_or_else(|| {
                        image.damaged(format!("the primary volume descriptor (byte {at}) makes no sense"))
                    })?;
                    // Before anything else is looked at: whatever is missing would be reported as damage.
                    if primary.size > image.len() {
                        return Err(image.truncated(primary.size));
                    }
                    volume = Some(primary);
                }
                // UCS-2 levels 1 to 3.
                Some(2)
                    if matches!(sector.get(88..91), Some(b"%/@" | b"%/C" | b"%/E")) && joliet.is_none() =>
                {
                    joliet = le16(&sector, 128).and_then(|block| root(&sector, u64::from(block)));
                }
                Some(255) => break,
                _ => {}
            }
        }
        let volume = volume.ok_or_else(|| image.damaged("it has no primary volume descriptor"))?;
        Ok(Self { joliet, catalog, ..volume })
    }
}

fn primary(sector: &[u8]) -> Option<Volume> {
    let block = u64::from(le16(sector, 128)?);
    if ![512, 1024, 2048].contains(&block) {
        return None;
    }
    Some(Volume {
        label: padded(sector, 40, 32)?,
        origin: Origin {
            publisher: said(sector, 318),
            preparer: said(sector, 446),
            application: said(sector, 574),
            created: time(sector, 813),
        },
        size: u64::from(le32(sector, 80)?) * block,
        // As blkid and GRUB do: the time of the last change, or else of the creation.
        uuid: uuid(sector, 830).or_else(|| uuid(sector, 813)),
        block,
        root: root(sector, block)?,
        joliet: None,
        catalog: None,
    })
}

fn root(sector: &[u8], block: u64) -> Option<Extent> {
    Some(Record::parse(sector.get(156..190)?)?.extent(block))
}

/// A time as it is used for a UUID: `2024-02-16-23-52-30-00`.
fn uuid(sector: &[u8], at: usize) -> Option<String> {
    let digits = sector.get(at..at + 16)?;
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|digit| *digit == b'0') {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    let pairs = (4..16).step_by(2).filter_map(|at| text.get(at..at + 2));
    Some(std::iter::once(text.get(..4)?).chain(pairs).collect::<Vec<_>>().join("-"))
}

/// What somebody said of the medium at `at`; not where it is a name of a file that would say it.
fn said(sector: &[u8], at: usize) -> Option<String> {
    let text = padded(sector, at, 128)?;
    let text = text.trim_start();
    (!text.is_empty() && !text.starts_with('_')).then(|| text.to_owned())
}

/// A time: sixteen digits, and how many quarters of an hour its clock is before that of Greenwich.
fn time(sector: &[u8], at: usize) -> Option<String> {
    let digits = sector.get(at..at + 14)?;
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|digit| *digit == b'0') {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    let part = |from: usize, to: usize| text.get(from..to);
    let quarters = i32::from(byte(sector, at + 16)?.cast_signed());
    let sign = if quarters < 0 { '-' } else { '+' };
    let (hours, minutes) = (quarters.abs() / 4, quarters.abs() % 4 * 15);
    Some(format!(
        "{}-{}-{}T{}:{}:{}{sign}{hours:02}:{minutes:02}",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

/// What a file without ISO 9660 descriptors seems to be.
fn other(image: &Image) -> Result<String, IsoError> {
    let mut head = vec![0; image.len().min(512) as usize];
    image.read(&mut head, 0, "the beginning")?;
    let text = String::from_utf8_lossy(&head).trim_start().to_ascii_lowercase();
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        return Ok("it is a web page; look at the address it came from".to_owned());
    }
    let mut sector = vec![0; SECTOR];
    for number in FIRST..FIRST + 4 {
        let at = number * SECTOR as u64;
        if image.len() >= at + SECTOR as u64 {
            image.read(&mut sector, at, "a volume descriptor")?;
            if matches!(sector.get(1..6), Some(b"BEA01" | b"NSR02" | b"NSR03")) {
                return Ok("it is a UDF volume without an ISO 9660 tree".to_owned());
            }
        }
    }
    let begins = |magic: &[u8]| head.starts_with(magic);
    Ok(match () {
        () if image.len() == 0 => "it is empty",
        () if begins(b"\x1f\x8b") => "it is packed with gzip; unpack it first",
        () if begins(b"\xfd7zXZ\0") => "it is packed with xz; unpack it first",
        () if begins(b"PK\x03\x04") => "it is a zip archive; unpack it first",
        () if begins(b"QFI\xfb") => "it is a qcow2 image; use it as a disk source",
        () => "it has no ISO 9660 volume descriptor (byte 32768)",
    }
    .to_owned())
}
