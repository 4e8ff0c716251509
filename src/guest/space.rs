//! Which file systems of the guest are full: asked when something failed, since not every program says so.
use super::{Command, Guest, GuestError, capture};
use crate::{cx::Cx, value::Size};
use std::{collections::BTreeMap, fmt, time::Duration};

/// Sizes, then inodes (not every df knows them), then what is mounted how. Mounts that do not answer are left out.
const LOOK: &str = "df -P -k 2>/dev/null || true; echo; df -P -i 2>/dev/null || true; echo; cat /proc/mounts";
/// With less room than this, nothing more fits.
const NOTHING: Size = Size::mib(1);
/// Never written to, or not by files.
const OTHERS: [&str; 4] = ["squashfs", "iso9660", "devtmpfs", "efivarfs"];

/// A file system of the guest that files can be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Where it is mounted.
    pub at: String,
    /// Its device, or what stands for one.
    pub device: String,
    /// Its type.
    pub kind: String,
    /// Its size.
    pub size: Size,
    /// What is left for files.
    pub free: Size,
    /// Whether it has room for names of files.
    pub has_inodes: bool,
}

impl FileSystem {
    /// Whether nothing more fits.
    pub fn is_full(&self) -> bool {
        self.free < NOTHING || !self.has_inodes
    }

    /// Whether it is memory.
    pub fn is_memory(&self) -> bool {
        matches!(self.kind.as_str(), "tmpfs" | "ramfs")
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({} on {}, {}", self.at, self.kind, self.device, self.size)?;
        if self.has_inodes { f.write_str(")") } else { f.write_str(", no inodes left)") }
    }
}

impl Guest {
    /// The file systems that files can be written to, as they are now.
    pub async fn file_systems(&self, cx: &Cx) -> Result<Vec<FileSystem>, GuestError> {
        const QUESTION: &str = "look at the file systems";
        let command = Command::script(QUESTION, LOOK).timeout(Duration::from_secs(15));
        Ok(parse(&capture(self, cx, &command).await?.ok(QUESTION)?))
    }
}

/// Reads the answer of [`LOOK`].
fn parse(answer: &str) -> Vec<FileSystem> {
    let mut parts = answer.split("\n\n");
    let (sizes, inodes) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mounts = parts.next().unwrap_or_default();
    // The last mount at a place is the one on top.
    let mounted: BTreeMap<String, (&str, &str)> = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((unescape(words.next()?), (words.next()?, words.next()?)))
        })
        .collect();
    let no_inodes: Vec<&str> =
        inodes.lines().filter_map(row).filter(|row| row.all > 0 && row.free == 0).map(|row| row.at).collect();
    let writable = |row: &Row<'_>| {
        let (kind, options) = *mounted.get(row.at)?;
        let ours = options.split(',').any(|option| option == "rw") && !OTHERS.contains(&kind);
        (ours && row.all > 0).then(|| FileSystem {
            at: row.at.to_owned(),
            device: row.device.to_owned(),
            kind: kind.to_owned(),
            size: Size::bytes(row.all.saturating_mul(1024)),
            free: Size::bytes(row.free.saturating_mul(1024)),
            has_inodes: !no_inodes.contains(&row.at),
        })
    };
    sizes.lines().filter_map(row).filter_map(|row| writable(&row)).collect()
}

/// A line of `df -P`.
struct Row<'a> {
    device: &'a str,
    all: u64,
    free: u64,
    at: &'a str,
}

/// `device all used free share place`; only the place may have blanks.
fn row(line: &str) -> Option<Row<'_>> {
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_start();
        let (word, more) = rest.split_once(' ')?;
        rest = more;
        Some(word)
    };
    let (device, all, _used, free, _share) = (word()?, word()?, word()?, word()?, word()?);
    Some(Row { device, all: all.parse().ok()?, free: free.parse().ok()?, at: rest.trim_start() })
}

/// A path of /proc/mounts, where blanks and the like are three octal digits.
fn unescape(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = code.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\');
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[3..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n\
        udev                214432       0    214432       0% /dev\n\
        /dev/vda3          5076656 5060272         0     100% /\n\
        tmpfs                48000     512     47488       2% /run\n\
        /dev/sda1            48000   48000         0     100% /mnt/a disc\n\
        /dev/vda2            61224    5922     55302      10% /boot/my efi\n\
        \n\
        Filesystem     Inodes IUsed IFree IUse% Mounted on\n\
        /dev/vda3      325120 32510 292610   10% /\n\
        tmpfs           60000 60000     0   100% /run\n\
        /dev/vda2           0     0     0      - /boot/my efi\n\
        \n\
        udev /dev devtmpfs rw,nosuid 0 0\n\
        /dev/vda3 / ext4 rw,relatime 0 0\n\
        tmpfs /run tmpfs rw 0 0\n\
        /dev/sda1 /mnt/a\\040disc ext4 ro 0 0\n\
        /dev/vda2 /boot/my\\040efi vfat rw 0 0";

    #[test]
    fn what_is_full_is_told_from_what_is_not() {
        let found = parse(ANSWER);
        let names: Vec<(&str, bool)> = found.iter().map(|one| (one.at.as_str(), one.is_full())).collect();
        assert_eq!(names, [("/", true), ("/run", true), ("/boot/my efi", false)]);
        assert_eq!(found[0].to_string(), "`/` (ext4 on /dev/vda3, 4.8 GiB)");
        assert_eq!(found[1].to_string(), "`/run` (tmpfs on tmpfs, 46.9 MiB, no inodes left)");
        assert!(found[1].is_memory());
    }

    #[test]
    fn the_script_describes_the_system_it_runs_on() {
        let out = std::process::Command::new("sh").args(["-euc", LOOK]).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let found = parse(&String::from_utf8(out.stdout).unwrap());
        let root = found.iter().find(|one| one.at == "/").unwrap();
        assert!(root.size > NOTHING && root.free <= root.size, "{root:?}");
    }

    proptest! {
        #[test]
        fn any_answer_is_read(text in "[ -~\\n]{0,200}", tail in "(\\\\[0-9]{0,4}|[ /a-z0-9%\\n]){0,60}") {
            let _ = parse(&format!("{text}\n\n{tail}\n\n{text}{tail}"));
            let _ = parse(&format!("x 1 2 3 4% {tail}\n\nx 1 1 0 - {tail}\n\nx {tail} ext4 rw 0 0"));
        }

        #[test]
        fn a_place_is_found_again_whatever_its_name(name in "/[a-z \\\\]{0,12}[a-z]") {
            let escaped: String = name
                .bytes()
                .map(|byte| match byte {
                    b' ' | b'\\' => format!("\\{byte:03o}"),
                    byte => char::from(byte).to_string(),
                })
                .collect();
            prop_assert_eq!(unescape(&escaped), name);
        }
    }
}
