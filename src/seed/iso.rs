//! Small ISO 9660 volumes with reproducible bytes: one folder of files, for guests that get their seed as a CD-ROM.
//!
//! Every file has a name of Rock Ridge, which Linux reads, one of Joliet, which Windows reads, and a plain one that fits old
//! rules. (ECMA-119; Joliet; RRIP 1.09 with SUSP.)
use super::{SeedError, write_private};
use std::{io, path::Path};

const SECTOR: usize = 2048;
/// Joliet's limit.
const LONGEST_NAME: usize = 64;
const LONGEST_LABEL: usize = 32;
/// A folder of a guest that nobody writes to.
const FOLDER_MODE: u32 = 0o040_555;
/// Seeds hold keys and passwords, and whoever reads them is root.
const FILE_MODE: u32 = 0o100_400;

// Sectors of what has a fixed place.
const PATHS: [usize; 4] = [19, 20, 21, 22];
const RULES: usize = 23;
const FOLDERS: usize = 24;

/// Writes a new image file, readable by its owner only: a volume called `label` that holds `files` (names and contents) in its
/// root folder. Installers and cloud-init find it by the label: `CIDATA`, `OEMDRV`.
///
/// The libvirt driver gives the FAT volume as a disk and needs none of this. It is for drivers whose machines take small media only
/// in a CD-ROM drive: that of vSphere (an ISO in a datastore), and CloudStack's (a registered ISO), of which there is none yet.
pub fn write_iso(path: &Path, label: &str, files: &[(&str, &[u8])]) -> Result<(), SeedError> {
    let bytes = volume(label, files).map_err(SeedError::Volume)?;
    write_private(path, &bytes)
}

/// One file, as both trees name it.
struct Item<'a> {
    name: &'a str,
    plain: String,
    content: &'a [u8],
    sector: usize,
}

/// The two trees: the same files under other names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tree {
    Primary,
    Joliet,
}

fn volume(label: &str, files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let allowed = |c: char| c.is_ascii_graphic() || c == ' ';
    if label.is_empty() || label.len() > LONGEST_LABEL || !label.chars().all(allowed) {
        return Err(wrong(format!("`{label}` cannot be its label: 1 to {LONGEST_LABEL} ASCII characters")));
    }
    let mut items = items(files)?;
    // Folders differ in length only, so their sectors are known once their records are.
    let lengths = [Tree::Primary, Tree::Joliet].map(|tree| folder(tree, 0, 0, &items).map(|raw| raw.len()));
    let [primary_len, joliet_len] = lengths;
    let (primary_len, joliet_len) = (primary_len?, joliet_len?);
    let joliet_at = FOLDERS + primary_len / SECTOR;
    let mut next = joliet_at + joliet_len / SECTOR;
    for item in &mut items {
        item.sector = next;
        next += item.content.len().div_ceil(SECTOR);
    }
    let primary = folder(Tree::Primary, FOLDERS, primary_len, &items)?;
    let joliet = folder(Tree::Joliet, joliet_at, joliet_len, &items)?;

    let mut bytes = vec![0; 16 * SECTOR];
    bytes.extend(descriptor(Tree::Primary, label, next, FOLDERS, primary_len)?);
    bytes.extend(descriptor(Tree::Joliet, label, next, joliet_at, joliet_len)?);
    sector(&mut bytes, b"\xffCD001\x01");
    for at in [FOLDERS, joliet_at] {
        let at = number(at)?;
        sector(&mut bytes, &[&[1, 0][..], &at.to_le_bytes(), &[1, 0, 0, 0]].concat());
        sector(&mut bytes, &[&[1, 0][..], &at.to_be_bytes(), &[0, 1, 0, 0]].concat());
    }
    sector(&mut bytes, &rules());
    bytes.extend(primary);
    bytes.extend(joliet);
    for item in &items {
        sector(&mut bytes, item.content);
    }
    Ok(bytes)
}

fn items<'a>(files: &[(&'a str, &'a [u8])]) -> io::Result<Vec<Item<'a>>> {
    let mut items: Vec<Item<'a>> = Vec::new();
    for (name, content) in files {
        let allowed = |c: char| (c.is_ascii_graphic() || c == ' ') && !"/\\*:;?".contains(c);
        if name.is_empty()
            || name.len() > LONGEST_NAME
            || !name.chars().all(allowed)
            || [".", ".."].contains(name)
        {
            let why = format!("1 to {LONGEST_NAME} ASCII characters, none of them / \\ * : ; ?");
            return Err(wrong(format!("`{name}` cannot be the name of a file in it: {why}")));
        }
        if items.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(wrong(format!("two files in it would be called `{name}`")));
        }
        number(content.len())?;
        let taken = |plain: &String| items.iter().any(|other| other.plain == *plain);
        let plain = plain_names(name).find(|plain| !taken(plain));
        let plain = plain.ok_or_else(|| wrong("it would hold too many files".to_owned()))?;
        items.push(Item { name, plain, content, sector: 0 });
    }
    Ok(items)
}

/// Names of eight letters, a dot, and three letters; should the first be taken, others that end with a number.
fn plain_names(name: &str) -> impl Iterator<Item = String> {
    let fit = |text: &str, most: usize| -> String {
        let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        text.chars().map(allowed).take(most).collect()
    };
    let (stem, extension) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).unwrap_or((name, ""));
    let (stem, extension) = (fit(stem, 8), fit(extension, 3));
    let first = format!("{stem}.{extension};1");
    let short = stem.chars().take(5).collect::<String>();
    std::iter::once(first).chain((0..1000).map(move |count| format!("{short}{count:03}.{extension};1")))
}

/// A folder with its records in the order of their names, in whole sectors.
fn folder(tree: Tree, at: usize, len: usize, items: &[Item<'_>]) -> io::Result<Vec<u8>> {
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for item in items {
        let name = match tree {
            Tree::Primary => item.plain.clone().into_bytes(),
            // Without a version, as other tools write it.
            Tree::Joliet => wide(item.name),
        };
        let system = match tree {
            Tree::Primary => {
                [posix(FILE_MODE, 1), field(*b"NM", &[&[0], item.name.as_bytes()].concat())].concat()
            }
            Tree::Joliet => Vec::new(),
        };
        records.push((name.clone(), record(&name, item.sector, item.content.len(), 0, &system)?));
    }
    records.sort();
    let (own, above) = match tree {
        Tree::Joliet => (Vec::new(), Vec::new()),
        Tree::Primary => {
            let used = field(*b"SP", &[0xbe, 0xef, 0]);
            let more = [both(RULES)?, both(0)?, both(rules().len())?].concat();
            let posix = posix(FOLDER_MODE, 2);
            ([used, posix.clone(), field(*b"CE", &more)].concat(), posix)
        }
    };
    let dots = [record(&[0], at, len, 2, &own)?, record(&[1], at, len, 2, &above)?];
    let mut raw: Vec<u8> = Vec::new();
    for record in dots.into_iter().chain(records.into_iter().map(|(_, record)| record)) {
        // Records do not cross sectors.
        if raw.len() % SECTOR + record.len() > SECTOR {
            raw.resize(raw.len().next_multiple_of(SECTOR), 0);
        }
        raw.extend(record);
    }
    raw.resize(raw.len().next_multiple_of(SECTOR), 0);
    Ok(raw)
}

fn record(name: &[u8], at: usize, len: usize, flags: u8, system: &[u8]) -> io::Result<Vec<u8>> {
    let mut raw = vec![0, 0];
    raw.extend(both(at)?);
    raw.extend(both(len)?);
    // 1980-01-01, the earliest day that the other kind of seed can express: the clock is no input.
    raw.extend([80, 1, 1, 0, 0, 0, 0]);
    raw.extend([flags, 0, 0, 1, 0, 0, 1]);
    raw.push(name.len() as u8);
    raw.extend(name);
    if name.len().is_multiple_of(2) {
        raw.push(0);
    }
    raw.extend(system);
    if !raw.len().is_multiple_of(2) {
        raw.push(0);
    }
    let len = u8::try_from(raw.len()).map_err(|_| wrong("a name in it is too long".to_owned()))?;
    if let Some(first) = raw.first_mut() {
        *first = len;
    }
    Ok(raw)
}

/// Mode, links and owner (root).
fn posix(mode: u32, links: u32) -> Vec<u8> {
    let number = |number: u32| [number.to_le_bytes(), number.to_be_bytes()].concat();
    field(*b"PX", &[number(mode), number(links), number(0), number(0)].concat())
}

/// A field of the system use sharing protocol.
fn field(signature: [u8; 2], data: &[u8]) -> Vec<u8> {
    [&signature[..], &[data.len() as u8 + 4, 1], data].concat()
}

/// Says which rules the fields follow; too long for a record.
fn rules() -> Vec<u8> {
    const ID: &[u8] = b"RRIP_1991A";
    const WHAT: &[u8] =
        b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
    const WHERE: &[u8] = b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.";
    let lengths = [ID.len() as u8, WHAT.len() as u8, WHERE.len() as u8, 1];
    field(*b"ER", &[&lengths[..], ID, WHAT, WHERE].concat())
}

fn descriptor(tree: Tree, label: &str, sectors: usize, root: usize, root_len: usize) -> io::Result<Vec<u8>> {
    let joliet = tree == Tree::Joliet;
    let text = |text: &str, len: usize| {
        let mut raw = if joliet { wide(text) } else { text.as_bytes().to_vec() };
        raw.truncate(len);
        while raw.len() < len {
            let blank: &[u8] = match (joliet, raw.len() + 1 < len) {
                (false, _) => b" ",
                (true, true) => b"\0 ",
                // The last byte of a text of odd length cannot be half a character.
                (true, false) => b"\0",
            };
            raw.extend(blank);
        }
        raw
    };
    let two = |number: u16| [number.to_le_bytes(), number.to_be_bytes()].concat();
    let tables = if joliet { [PATHS[2], PATHS[3]] } else { [PATHS[0], PATHS[1]] };
    let (kind, escape): (&[u8], &[u8]) = if joliet { (b"\x02", b"%/E") } else { (b"\x01", b"") };
    let mut raw = [kind, b"CD001\x01\0"].concat();
    raw.extend(text("LINUX", 32));
    raw.extend(text(label, 32));
    raw.extend([0; 8]);
    raw.extend(both(sectors)?);
    raw.extend(escape);
    raw.resize(120, 0);
    raw.extend([two(1), two(1), two(SECTOR as u16), both(10)?].concat());
    raw.extend(number(tables[0])?.to_le_bytes());
    raw.extend([0; 4]);
    raw.extend(number(tables[1])?.to_be_bytes());
    raw.extend([0; 4]);
    raw.extend(record(&[0], root, root_len, 2, &[])?);
    for (what, len) in [("", 128), ("", 128), ("", 128), ("GOLDSMITH", 128), ("", 37), ("", 37), ("", 37)] {
        raw.extend(text(what, len));
    }
    for time in [b"1980010100000000\0", b"1980010100000000\0", b"0000000000000000\0", b"1980010100000000\0"] {
        raw.extend(time);
    }
    raw.push(1);
    raw.resize(SECTOR, 0);
    Ok(raw)
}

/// Adds `content`, and zeroes up to the next sector.
fn sector(bytes: &mut Vec<u8>, content: &[u8]) {
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
}

/// UCS-2, high byte first.
fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// A number of four bytes in both orders.
fn both(value: usize) -> io::Result<Vec<u8>> {
    let value = number(value)?;
    Ok([value.to_le_bytes(), value.to_be_bytes()].concat())
}

fn number(value: usize) -> io::Result<u32> {
    u32::try_from(value).map_err(|_| wrong("it would be too large".to_owned()))
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::iso::{Iso, Names};
    use proptest::prelude::*;
    use std::{error::Error, fs, process::Command};
    use test_case::test_case;

    const FILES: [(&str, &[u8]); 5] = [
        ("user-data", b"#cloud-config\n"),
        ("meta-data", b"instance-id: x\n"),
        ("ks.cfg", &[b'k'; 5000]),
        ("user-data.yaml", b"another"),
        ("empty", b""),
    ];

    fn run(program: &str, args: &[&str], at: &Path) -> String {
        let out = Command::new(program).args(args).arg(at).output().unwrap();
        assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    #[test]
    fn other_tools_read_the_volume_in_both_its_trees() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.iso");
        write_iso(&path, "CIDATA", &FILES).unwrap();
        let probed = run("blkid", &["-p", "-o", "export"], &path);
        assert!(probed.contains("\nLABEL=CIDATA\n") && probed.contains("TYPE=iso9660\n"), "{probed}");
        let about = run("isoinfo", &["-d", "-i"], &path);
        assert!(about.contains("Joliet with UCS level 3 found"), "{about}");
        assert!(about.contains("Rock Ridge signatures version 1 found"), "{about}");
        let mut names: Vec<String> = FILES.iter().map(|(name, _)| format!("/{name}")).collect();
        names.sort();
        for tree in ["-R", "-J"] {
            let mut found: Vec<String> =
                run("isoinfo", &[tree, "-f", "-i"], &path).lines().map(str::to_owned).collect();
            found.sort();
            assert_eq!(found, names, "{tree}");
        }
        let plain = run("isoinfo", &["-f", "-i"], &path);
        for name in ["/EMPTY.;1", "/KS.CFG;1", "/META_DAT.;1", "/USER_DAT.;1", "/USER_DAT.YAM;1"] {
            assert!(plain.lines().any(|line| line == name), "{name}: {plain}");
        }
        for (name, content) in FILES {
            let out = Command::new("isoinfo")
                .args(["-J", "-x", &format!("/{name}"), "-i"])
                .arg(&path)
                .output()
                .unwrap();
            assert_eq!(out.stdout, content, "{name}");
        }
        let listed = run("isoinfo", &["-R", "-l", "-i"], &path);
        assert!(listed.contains("-r--------") && listed.contains("Jan  1 1980"), "{listed}");
    }

    #[test]
    fn xorriso_finds_nothing_wrong_and_extracts_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.iso");
        write_iso(&path, "OEMDRV", &FILES).unwrap();
        let to = folder.path().join("out");
        let out = Command::new("xorriso")
            .args(["-abort_on", "WARNING", "-return_with", "WARNING", "32", "-osirrox", "on", "-indev"])
            .arg(&path)
            .args(["-extract", "/"])
            .arg(&to)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        for (name, content) in FILES {
            assert_eq!(fs::read(to.join(name)).unwrap(), content, "{name}");
        }
    }

    #[test]
    fn the_same_files_have_the_same_bytes_and_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        write_iso(&one, "CIDATA", &FILES).unwrap();
        write_iso(&two, "CIDATA", &FILES).unwrap();
        assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap());
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&one).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let error = write_iso(&one, "CIDATA", &FILES).unwrap_err();
        assert!(error.to_string().contains("could not write the seed to"), "{error}");
    }

    #[test_case("", "a", "cannot be its label" ; "no label")]
    #[test_case("CIDÄTA", "a", "cannot be its label" ; "label")]
    #[test_case("X", "a/b", "`a/b` cannot be the name of a file in it: 1 to 64 ASCII characters" ; "slash")]
    #[test_case("X", "..", "cannot be the name" ; "above")]
    #[test_case("X", "größe", "cannot be the name" ; "letters")]
    #[test_case("X", "THE-OTHER", "two files in it would be called `THE-OTHER`" ; "twice")]
    fn what_cannot_be_written_is_an_error(label: &str, name: &str, expected: &str) {
        let error =
            write_iso(Path::new("/nowhere/x"), label, &[("the-other", b""), (name, b"")]).unwrap_err();
        assert_eq!(error.to_string(), "could not make the seed volume");
        assert!(error.source().unwrap().to_string().contains(expected), "{error:?}");
    }

    #[test]
    fn a_folder_may_need_many_sectors() {
        let names: Vec<String> =
            (0..300).map(|number| format!("a-file-with-a-long-name-{number:03}.conf")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.iso");
        write_iso(&path, "MANY", &files).unwrap();
        for tree in ["-R", "-J"] {
            assert_eq!(run("isoinfo", &[tree, "-f", "-i"], &path).lines().count(), 300);
        }
    }

    proptest! {
        #[test]
        fn our_own_reader_reads_it_back(
            label in "[A-Za-z0-9_. -]{0,31}[A-Z]",
            files in prop::collection::btree_map("[a-z0-9._ -]{0,61}[a-z]", prop::collection::vec(any::<u8>(), 0..5000), 0..40),
        ) {
            let given: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
            let iso = Iso::from_bytes(volume(&label, &given).unwrap()).unwrap();
            prop_assert_eq!(iso.names(), Names::RockRidge);
            prop_assert_eq!(iso.label(), &label);
            prop_assert_eq!(iso.list("/").unwrap().unwrap().len(), given.len());
            for (name, content) in given {
                let entry = iso.entry(name).unwrap().unwrap();
                let mut read = Vec::new();
                iso.copy(&entry, &mut read).unwrap();
                prop_assert!(read == content && entry.name == name);
            }
        }
    }
}
