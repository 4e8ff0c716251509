//! A file that is too long for one record: 4 GiB and more. In the tier of the guests, since it takes half a minute.
use super::*;
use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

const BLOCK: usize = 4096;
const SIZE: u64 = (4 << 30) + (100 << 20) + 5;
/// Around the borders of what one record holds, with either tool, and at both ends.
const MARKS: [(u64, u8); 5] =
    [(0, 1), ((4 << 30) - 2049, 2), ((4 << 30) - 2048, 3), (4 << 30, 4), (SIZE - 1, 5)];

/// Keeps what is not zero, and where.
#[derive(Default)]
struct Seen {
    at: u64,
    marks: Vec<(u64, u8)>,
}

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for block in bytes.chunks(BLOCK) {
            if block != &[0; BLOCK][..block.len()] {
                let marks = (self.at..).zip(block).filter(|(_, byte)| **byte != 0);
                self.marks.extend(marks.map(|(at, byte)| (at, *byte)));
            }
            self.at += block.len() as u64;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What makes the medium does not know holes and writes each byte through a pipe; `dd` makes the holes.
#[test]
fn a_file_of_more_than_4_gib_is_read_in_all_its_parts() {
    let folder = tree(&[("z", b"after")]);
    let file = File::create(folder.path().join("tree/big")).unwrap();
    file.set_len(SIZE).unwrap();
    for (at, byte) in MARKS {
        file.write_all_at(&[byte], at).unwrap();
    }
    let command = "set -o pipefail; xorriso -as mkisofs -quiet -iso-level 3 -R -o - tree | dd bs=1M iflag=fullblock \
                   conv=sparse of=medium.iso status=none";
    run("bash", &["-c", command], folder.path());
    let iso = Iso::open(&folder.path().join("medium.iso")).unwrap();
    let all = iso.list("/").unwrap().unwrap();
    assert_eq!(
        all.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(),
        ["big", "z"],
        "one entry each"
    );
    let entry = iso.entry("BIG").unwrap().unwrap();
    assert_eq!(entry.size, SIZE);
    let mut seen = Seen::default();
    iso.copy(&entry, &mut seen).unwrap();
    assert_eq!((seen.at, seen.marks), (SIZE, MARKS.to_vec()));
    assert_eq!(content(&iso, "z"), b"after");
}
