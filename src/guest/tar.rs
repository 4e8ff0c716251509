//! Writes headers of a tar archive, in the form that every tar reads: ustar with GNU's long names and large sizes.
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Everything in an archive is a multiple of this.
pub(super) const BLOCK: usize = 512;
/// An archive ends with so many zeroes.
pub(super) const END: usize = 2 * BLOCK;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A file of so many bytes, which follow.
    File(u64),
    /// A folder.
    Folder,
    /// A symbolic link to there.
    Link(&'a Path),
}

/// Who owns the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) user: u64,
    pub(super) group: u64,
}

/// The header of one entry; a file's content and [`padding`] follow it.
pub(super) fn header(path: &Path, kind: Kind<'_>, mode: u32, ids: Ids) -> Vec<u8> {
    let mut name = path.as_os_str().as_bytes().to_vec();
    if kind == Kind::Folder {
        name.push(b'/');
    }
    let (size, flag, link) = match kind {
        Kind::File(size) => (size, b'0', &b""[..]),
        Kind::Folder => (0, b'5', &b""[..]),
        Kind::Link(to) => (0, b'2', to.as_os_str().as_bytes()),
    };
    let mut all = Vec::with_capacity(BLOCK);
    // A name that just fits has no zero at its end, and not every reader minds.
    if link.len() >= 100 {
        long(&mut all, b'K', link);
    }
    if name.len() >= 100 {
        long(&mut all, b'L', &name);
    }
    all.extend(block(&name, link, flag, size, mode, ids));
    all
}

/// So many zeroes follow a file of `size` bytes.
pub(super) fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

/// A pseudo-file whose content is the next entry's name.
fn long(all: &mut Vec<u8>, flag: u8, text: &[u8]) {
    let size = text.len() as u64 + 1;
    all.extend(block(b"././@LongLink", b"", flag, size, 0o644, Ids { user: 0, group: 0 }));
    all.extend(text);
    all.push(0);
    all.resize(all.len() + padding(size), 0);
}

fn block(name: &[u8], link: &[u8], flag: u8, size: u64, mode: u32, ids: Ids) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let fit = |text: &[u8]| text.len().min(100);
    block[..fit(name)].copy_from_slice(&name[..fit(name)]);
    number(&mut block[100..108], u64::from(mode));
    number(&mut block[108..116], ids.user);
    number(&mut block[116..124], ids.group);
    number(&mut block[124..136], size);
    // Time stamps are those of unpacking.
    number(&mut block[136..148], 0);
    block[156] = flag;
    block[157..157 + fit(link)].copy_from_slice(&link[..fit(link)]);
    block[257..265].copy_from_slice(b"ustar  \0");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// Octal digits and a zero, or the binary form for what is too large for that.
fn number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let octal = format!("{value:0digits$o}");
    if octal.len() <= digits {
        field[..digits].copy_from_slice(octal.as_bytes());
    } else {
        let start = field.len().saturating_sub(8);
        let bytes = value.to_be_bytes();
        let skip = 8 - (field.len() - start);
        field[start..].copy_from_slice(&bytes[skip..]);
        field[0] |= 0x80;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_eleven_octal_digits_are_binary() {
        let mut field = [0; 12];
        number(&mut field, (1 << 33) - 1);
        assert_eq!(&field, b"77777777777\0");
        let mut field = [0; 12];
        number(&mut field, 1 << 33);
        assert_eq!(field, [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn padding_fills_the_last_block() {
        assert_eq!((padding(0), padding(1), padding(511), padding(512), padding(513)), (0, 511, 1, 0, 511));
    }
}
