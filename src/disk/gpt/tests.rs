//! Tables as sfdisk sees them, and sfdisk's as we see them.
use std::fs::{self, File};
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use uuid::Uuid;

use super::super::{DiskErrorKind, DiskRead, OpenOptions, open};
use super::*;

const SIZE: u64 = 64 << 20;

fn partition(name: &str, type_guid: Uuid, first_lba: u64, last_lba: u64) -> Partition {
    let guid = Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788 + u128::from(first_lba));
    Partition { name: name.to_owned(), type_guid, guid, first_lba, last_lba, attributes: LEGACY_BOOTABLE }
}

fn three() -> Vec<Partition> {
    vec![
        partition("bios", BIOS_BOOT, 34, 2047),
        partition("EFI System", EFI_SYSTEM, 2048, 22527),
        partition("wurzel-größe", LINUX_ROOT_X86_64, 22528, SIZE / 512 - 34),
    ]
}

fn image(path: &Path, partitions: &[Partition]) -> Box<dyn DiskRead> {
    let mut file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    write(&mut file, SIZE, Uuid::from_u128(99), partitions, BootCode::Clear).unwrap();
    open(path, None, &OpenOptions::default()).unwrap()
}

fn sfdisk(args: &[&str]) -> String {
    let output = Command::new("sfdisk").args(args).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn sfdisk_verifies_what_we_write_and_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    let disk = image(&path, &three());
    assert_eq!(disk.size(), SIZE, "the table must not make the disk longer");
    let path = path.to_str().unwrap();
    let verified = sfdisk(&["--verify", path]);
    assert!(verified.contains("No errors detected"), "{verified}");
    let dump = sfdisk(&["--dump", path]);
    for expected in [
        "label: gpt",
        "start=        2048",
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
        "wurzel-gr",
        "LegacyBIOSBootable",
        "label-id: 00000000-0000-0000-0000-000000000063",
    ] {
        assert!(dump.contains(expected), "{expected}: {dump}");
    }
    assert_eq!(read(&*disk).unwrap(), three());
}

#[test]
fn tables_made_by_sfdisk_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    for (script, expected) in [
        (
            "label: gpt\n2048,2048,U,*\n,,L\n",
            vec![(2048, 4095, EFI_SYSTEM), (4096, 129_023, LINUX_FILESYSTEM)],
        ),
        (
            "label: dos\n2048,2048,c,*\n4096,40960,E\n,,83\n6144,2048,82\n,2048,8e\n",
            vec![
                (2048, 4095, BASIC_DATA),
                (45056, 131_071, LINUX_FILESYSTEM),
                (6144, 8191, LINUX_SWAP),
                (10240, 12287, LINUX_LVM),
            ],
        ),
    ] {
        File::create(&path).unwrap().set_len(SIZE).unwrap();
        let script_path = dir.path().join("script");
        fs::write(&script_path, script).unwrap();
        let made = Command::new("sh")
            .args(["-c", &format!("sfdisk -q {} < {}", path.display(), script_path.display())])
            .status()
            .unwrap();
        assert!(made.success());
        let disk = open(&path, None, &OpenOptions::default()).unwrap();
        let found: Vec<_> = read(&*disk)
            .unwrap()
            .iter()
            .map(|partition| (partition.first_lba, partition.last_lba, partition.type_guid))
            .collect();
        assert_eq!(found, expected, "{}", sfdisk(&["--dump", path.to_str().unwrap()]));
    }
}

#[test]
fn the_backup_is_used_when_the_primary_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    image(&path, &three());
    let mut bytes = fs::read(&path).unwrap();
    bytes[520] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(read(&*open(&path, None, &OpenOptions::default()).unwrap()).unwrap(), three());
    let last = bytes.len() - 500;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = read(&*open(&path, None, &OpenOptions::default()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Corrupt);
}

#[test]
fn boot_code_survives_if_told() {
    let mut disk = Cursor::new(vec![0x90; SIZE as usize]);
    write(&mut disk, SIZE, Uuid::nil(), &three(), BootCode::Keep).unwrap();
    assert!(disk.get_ref()[..440].iter().all(|byte| *byte == 0x90));
    assert_eq!(disk.get_ref().len() as u64, SIZE);
    write(&mut disk, SIZE, Uuid::nil(), &three(), BootCode::Clear).unwrap();
    assert!(disk.get_ref()[..440].iter().all(|byte| *byte == 0));
}

#[test]
fn impossible_partitions_are_refused() {
    let refused = |partitions: &[Partition]| {
        write(&mut Cursor::new(Vec::new()), SIZE, Uuid::nil(), partitions, BootCode::Clear)
            .unwrap_err()
            .to_string()
    };
    let good = || partition("a", LINUX_FILESYSTEM, 2048, 4095);
    assert!(refused(&[good(), partition("b", LINUX_FILESYSTEM, 4095, 5000)]).contains("overlaps"));
    assert!(refused(&[partition("b", LINUX_FILESYSTEM, 33, 5000)]).contains("overlaps"));
    assert!(refused(&[partition("b", LINUX_FILESYSTEM, 2048, SIZE / 512 - 33)]).contains("does not fit"));
    assert!(refused(&[partition("b", LINUX_FILESYSTEM, 2048, 2047)]).contains("is empty"));
    assert!(refused(&[partition("b", Uuid::nil(), 2048, 4095)]).contains("no type"));
    assert!(refused(&[partition(&"x".repeat(37), LINUX_FILESYSTEM, 2048, 4095)]).contains("36 characters"));
    assert!(refused(&vec![good(); 129]).contains("128 possible"));
    let tiny = write(&mut Cursor::new(Vec::new()), 67 * 512, Uuid::nil(), &[], BootCode::Clear).unwrap_err();
    assert_eq!(tiny.kind(), DiskErrorKind::Unsupported);
}

#[test]
fn a_disk_without_a_table_has_no_partitions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    for size in [0, 512, SIZE] {
        File::create(&path).unwrap().set_len(size).unwrap();
        assert_eq!(read(&*open(&path, None, &OpenOptions::default()).unwrap()).unwrap(), []);
    }
}
