//! Numbers and texts at places that foreign bytes name: always a value or nothing, never a panic.

/// The byte at `at`.
pub(super) fn byte(raw: &[u8], at: usize) -> Option<u8> {
    raw.get(at).copied()
}

/// A number of two bytes, low byte first.
pub(super) fn le16(raw: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(raw.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// A number of four bytes, low byte first. ISO 9660 keeps most numbers twice; this half is the one that Linux reads.
pub(super) fn le32(raw: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(raw.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A text that is filled up with blanks.
pub(super) fn padded(raw: &[u8], at: usize, len: usize) -> Option<String> {
    let text = String::from_utf8_lossy(raw.get(at..at.checked_add(len)?)?).into_owned();
    Some(text.trim_end_matches([' ', '\0']).to_owned())
}

/// A name that can be shown and be a part of a path.
pub(super) fn harmless(name: &str) -> String {
    name.chars().map(|c| if c == '/' || c.is_control() { '\u{fffd}' } else { c }).collect()
}
