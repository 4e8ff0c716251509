//! Damaged media: errors, never panics, endless work or huge allocations. The target `iso` in `fuzz/` does the same without
//! bounds.
use super::*;
use proptest::prelude::*;
use std::{io, sync::OnceLock};

/// Media with everything that is read, and where in them it is worth to change something.
fn media() -> &'static Vec<(Vec<u8>, Vec<usize>)> {
    static MEDIA: OnceLock<Vec<(Vec<u8>, Vec<usize>)>> = OnceLock::new();
    MEDIA.get_or_init(|| {
        let long = "n".repeat(240);
        let deep = "1/2/3/4/5/6/7/8/9/10/file";
        let files = [(long.as_str(), &b"long"[..]), (deep, b"deep"), ("boot.img", &[1; 2048]), ("b/c", b"c")];
        let boot = ["-b", "boot.img", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4"];
        [
            ("xorriso", &["-R", "-J"][..]),
            ("genisoimage", &["-R", "-J"]),
            ("genisoimage", &["-J"]),
            ("genisoimage", &["-D"]),
        ]
        .into_iter()
        .map(|(tool, options)| {
            let folder = tree(&files);
            std::os::unix::fs::symlink("../b/./c", folder.path().join("tree/b/link")).unwrap();
            let mut all = options.to_vec();
            // A deep tree needs something: names that are too deep are refused without.
            if !options.contains(&"-R") {
                fs::remove_dir_all(folder.path().join("tree/1")).unwrap();
            }
            all.extend(boot);
            let mut bytes = make(folder, tool, &all).bytes();
            // Zeroes at the end would take most of the changes.
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            bytes.truncate(end + 1);
            let sector = |name: &[u8]| bytes.windows(name.len()).position(|window| window == name);
            let mut places: Vec<usize> =
                (16..20).flat_map(|sector| [sector * 2048, sector * 2048 + 128]).collect();
            places.extend(
                [&b"SP\x07\x01"[..], b"CE\x1c\x01", b"NM", b"CL", b"SL", b"BOOT", b"\x55\xaa"]
                    .map(sector)
                    .into_iter()
                    .flatten(),
            );
            places.push(16 * 2048 + 156);
            (bytes, places)
        })
        .collect()
    })
}

/// Reads everything that a medium has, as far as is sensible.
fn exercise(bytes: Vec<u8>) -> Result<(), IsoError> {
    /// Ends what would be written without an end.
    struct Few(usize);
    impl io::Write for Few {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let iso = Iso::from_bytes(bytes)?;
    assert!(!iso.label().contains('\0') || iso.label().len() <= 96);
    let all = walk(&iso, 200)?;
    for (path, entry) in &all {
        assert!(!entry.name.contains('/') && !entry.name.contains('\n'), "{path}");
        if entry.kind == Kind::File {
            let _ = iso.copy(entry, &mut Few(4 << 20));
        } else {
            let _ = iso.entry(path)?;
        }
    }
    iso.text("b/c", 100)?;
    iso.entry("b/link")?;
    Ok(())
}

#[test]
fn the_media_are_sound_before_they_are_damaged() {
    for (bytes, _) in media() {
        let mut whole = bytes.clone();
        whole.resize(whole.len() + 400 * 2048, 0);
        exercise(whole).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_media_never_panic(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..160_usize, any::<[u8; 4]>(), 0..4_u8), 1..5),
        length in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let (bytes, places) = &media()[which];
        let mut bytes = bytes.clone();
        bytes.resize(bytes.len() + 400 * 2048, 0);
        for (place, offset, value, how) in changes {
            let at = (places[place.index(places.len())] + offset).min(bytes.len() - 4);
            match how {
                0 => bytes[at] = value[0],
                1 => bytes[at] ^= 1 << (value[0] % 8),
                2 => bytes[at..at + 4].fill(0xff),
                _ => bytes[at..at + 4].copy_from_slice(&value),
            }
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        let _ = exercise(bytes);
    }

    #[test]
    fn garbage_behind_a_true_head_never_panics(words in prop::collection::vec(any::<u64>(), 190)) {
        let mut bytes = vec![0; 16 * 2048];
        // The words again and again, at other places of each sector.
        bytes.extend(words.iter().cycle().take(256 * 6).flat_map(|word| word.to_le_bytes()));
        for (sector, kind) in [(16, 1_u8), (17, 2), (18, 0)] {
            let at = sector * 2048;
            bytes[at] = kind;
            bytes[at + 1..at + 6].copy_from_slice(b"CD001");
            bytes[at + 80..at + 84].copy_from_slice(&22_u32.to_le_bytes());
            bytes[at + 128..at + 130].copy_from_slice(&2048_u16.to_le_bytes());
            bytes[at + 158..at + 162].copy_from_slice(&(19 + u32::from(kind)).to_le_bytes());
            bytes[at + 166..at + 170].copy_from_slice(&2048_u32.to_le_bytes());
            bytes[at + 188] = 1;
            bytes[at + 88..at + 91].copy_from_slice(b"%/E");
        }
        bytes[18 * 2048 + 7..18 * 2048 + 30].copy_from_slice(b"EL TORITO SPECIFICATION");
        bytes[18 * 2048 + 71..18 * 2048 + 75].copy_from_slice(&20_u32.to_le_bytes());
        let _ = exercise(bytes);
    }
}

/// A folder that holds itself, and one of four gigabytes.
#[test]
fn work_has_bounds() {
    let made = make(tree(&[("a/b", b"x")]), "genisoimage", &["-D"]);
    let mut bytes = made.bytes();
    let root = 16 * 2048 + 156;
    let block: [u8; 4] = bytes[root + 2..root + 6].try_into().unwrap();
    let folder = u32::from_le_bytes(block) as usize * 2048;
    let record = (folder..folder + 2048).find(|at| bytes[at + 32..].starts_with(b"\x01A")).unwrap();
    bytes[record + 2..record + 6].copy_from_slice(&block);
    let iso = Iso::from_bytes(bytes.clone()).unwrap();
    assert_eq!(walk(&iso, 5000).unwrap().len(), 20, "itself, as deep as we go");
    bytes[record + 10..record + 14].fill(0xff);
    let error = Iso::from_bytes(bytes).unwrap().list("a").unwrap_err().to_string();
    assert!(error.contains("has 4294967295 bytes"), "{error}");
}
