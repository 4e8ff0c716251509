//! One record of a folder.
use super::{
    Extent,
    field::{byte, harmless, le32},
};

/// What the fixed part of a record says, and where the rest is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    block: u32,
    /// Blocks of extended attributes before the content.
    attributes: u8,
    bytes: u32,
    flags: u8,
    /// Units and gaps of interleaved files.
    interleaved: bool,
    pub(super) name: &'a [u8],
    /// The system use field, in which Rock Ridge lives.
    pub(super) system: &'a [u8],
}

/// How names are written in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Capital letters, `;1` at the end.
    Plain,
    /// UCS-2, high byte first.
    Joliet,
}

impl<'a> Record<'a> {
    /// `raw` is the record and nothing else.
    pub(super) fn parse(raw: &'a [u8]) -> Option<Self> {
        let name_len = usize::from(byte(raw, 32)?);
        let name = raw.get(33..33 + name_len)?;
        // One byte fills up names of even length.
        let system = raw.get(33 + name_len + usize::from(name_len.is_multiple_of(2))..).unwrap_or_default();
        Some(Self {
            block: le32(raw, 2)?,
            attributes: byte(raw, 1)?,
            bytes: le32(raw, 10)?,
            flags: byte(raw, 25)?,
            interleaved: byte(raw, 26)? != 0 || byte(raw, 27)? != 0,
            name,
            system,
        })
    }

    pub(super) fn is_folder(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Whether the file goes on with the next record.
    pub(super) fn goes_on(&self) -> bool {
        self.flags & 0x80 != 0
    }

    pub(super) fn is_interleaved(&self) -> bool {
        self.interleaved
    }

    /// The folder itself, or the one above it.
    pub(super) fn is_dot(&self) -> bool {
        matches!(self.name, [0 | 1])
    }

    /// An associated file (a resource fork) has the name of the file that it belongs to.
    pub(super) fn is_associated(&self) -> bool {
        self.flags & 4 != 0
    }

    pub(super) fn extent(&self, block: u64) -> Extent {
        let first = u64::from(self.block) + u64::from(self.attributes);
        Extent { at: first * block, len: u64::from(self.bytes) }
    }

    /// The name without version and without the dot of a name that has no extension.
    pub(super) fn name(&self, encoding: Encoding) -> String {
        let text = match encoding {
            Encoding::Plain => String::from_utf8_lossy(self.name).into_owned(),
            Encoding::Joliet => {
                let units = self.name.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
                char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
        };
        let bare = match text.rsplit_once(';') {
            Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &text,
        };
        let bare = match encoding {
            Encoding::Plain => bare.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(bare),
            Encoding::Joliet => bare,
        };
        harmless(bare)
    }
}
