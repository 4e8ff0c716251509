//! As much of tar as an OVA needs: ustar headers (POSIX.1-1988), and what other writers put between them.
use super::super::DiskError;
use super::super::section::Section;

/// The unit of the archive, in bytes.
pub(crate) const BLOCK: u64 = 512;
/// What ends an archive.
pub(crate) const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];
/// Bytes of a name in the headers made here.
pub(crate) const MAX_NAME: usize = 100;
/// The largest length that eleven octal digits say: 8 GiB less one byte.
const MAX_OCTAL: u64 = 0o777_7777_7777;
/// 1980-01-01, as in the other files made here: the same input makes the same bytes, and tar finds a date of 1970
/// implausible.
const MODIFIED: u64 = 315_532_800;
/// An OVA has a handful.
const MAX_MEMBERS: usize = 4096;
/// Longer names than this are no names.
const MAX_EXTENSION: u64 = 64 << 10;

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where its bytes begin in the archive.
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// The header of a file. The format's lengths end at 8 GiB; a longer one is written as GNU tar does it, in binary,
/// which every reader in use understands.
pub(crate) fn header(name: &str, len: u64) -> Result<[u8; BLOCK as usize], DiskError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(DiskError::unsupported(format!(
            "the name `{name}` does not fit into a tar archive ({MAX_NAME} bytes)"
        )));
    }
    let mut bytes = [0; BLOCK as usize];
    let mut put = |at: usize, text: &[u8]| bytes[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if len <= MAX_OCTAL {
        put(124, format!("{len:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &len.to_be_bytes());
    }
    put(136, format!("{MODIFIED:011o}\0").as_bytes());
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(265, b"root");
    put(297, b"root");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    seal(&mut bytes);
    Ok(bytes)
}

/// Writes a header's sum into it, which is the last thing to do.
pub(crate) fn seal(header: &mut [u8; BLOCK as usize]) {
    let sum = checksum(header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// The sum of a header's bytes, with its own place taken as spaces.
fn checksum(header: &[u8; BLOCK as usize]) -> u64 {
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
    sum - own + 8 * u64::from(b' ')
}

/// The regular files of an archive, in order.
pub(crate) fn members(section: &Section) -> Result<Vec<Member>, DiskError> {
    let mut found = Vec::new();
    let mut at = 0;
    // What extended headers say about the file that follows them.
    let (mut long_name, mut long_len) = (None, None);
    while section.holds(at, BLOCK) {
        let mut head = [0; BLOCK as usize];
        section.read(&mut head, at, "a header of the archive")?;
        if head.iter().all(|byte| *byte == 0) {
            break;
        }
        if number(&head[148..156]) != Some(checksum(&head)) {
            return Err(section.corrupt("the archive has a header with a wrong checksum", at));
        }
        let said = number(&head[124..136]).ok_or_else(|| section.corrupt("a length makes no sense", at))?;
        let kind = head[156];
        let regular = matches!(kind, b'0' | b'\0' | b'7');
        let len = if regular { long_len.take().unwrap_or(said) } else { said };
        let start = at + BLOCK;
        if !section.holds(start, len) {
            return Err(section.corrupt("the archive ends within a file", at));
        }
        match kind {
            _ if regular => {
                if found.len() == MAX_MEMBERS {
                    return Err(section.unsupported("the archive holds too many files for an OVA"));
                }
                let name = long_name.take().unwrap_or_else(|| short_name(&head));
                let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
                found.push(Member { name, start, len });
            }
            b'L' | b'x' => {
                if len > MAX_EXTENSION {
                    return Err(section.corrupt("an extended header of the archive is too long", at));
                }
                let mut text = vec![0; len as usize];
                section.read(&mut text, start, "an extended header of the archive")?;
                if kind == b'L' {
                    long_name = Some(until_zero(&text));
                } else {
                    let records =
                        pax(&text).ok_or_else(|| section.corrupt("an extended header makes no sense", at))?;
                    for (key, value) in records {
                        match key.as_str() {
                            "path" => long_name = Some(value),
                            "size" => long_len = value.parse().ok(),
                            _ => {}
                        }
                    }
                }
            }
            // Folders, links, and headers for all files: nothing that a disk could be in.
            b'1'..=b'6' | b'g' | b'K' => (long_name, long_len) = (None, None),
            other => {
                return Err(section
                    .unsupported(format!("the archive has an entry of type `{}`", char::from(other)))
                    .at(at));
            }
        }
        // Held by the file, hence far below what overflows.
        at = start + len.next_multiple_of(BLOCK);
    }
    Ok(found)
}

/// Octal digits, or binary behind a set first bit.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        let high =
            high.iter().enumerate().all(|(index, byte)| byte & (if index == 0 { 0x7f } else { 0xff }) == 0);
        return high.then(|| low.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(|c| c == ' ' || c == '\0');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn short_name(head: &[u8; BLOCK as usize]) -> String {
    let name = until_zero(&head[..100]);
    // GNU's own format uses the place of the prefix for other things.
    let prefix = if &head[257..263] == b"ustar\0" { until_zero(&head[345..500]) } else { String::new() };
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

fn until_zero(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// Records of the form `length key=value` and a line end.
fn pax(mut text: &[u8]) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let space = text.iter().position(|byte| *byte == b' ')?;
        let len: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
        if len <= space + 1 || len > text.len() {
            return None;
        }
        let record = String::from_utf8_lossy(&text[space + 1..len]).into_owned();
        let (key, value) = record.strip_suffix('\n')?.split_once('=')?;
        found.push((key.to_owned(), value.to_owned()));
        text = &text[len..];
    }
    Some(found)
}
