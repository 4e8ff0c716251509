//! File systems made by mke2fs, in tables made by us.
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::look::{FileKind, open_root};
use super::*;

/// A disk with an EFI system partition and `root` as its second partition.
fn disk_with(dir: &Path, root: &Path) -> PathBuf {
    let image = dir.join("disk.raw");
    let sectors = fs::metadata(root).unwrap().len() / 512;
    let part = |name: &str, type_guid, first_lba, last_lba| gpt::Partition {
        name: name.to_owned(),
        type_guid,
        guid: uuid::Uuid::from_u128(u128::from(first_lba)),
        first_lba,
        last_lba,
        attributes: 0,
    };
    let partitions = [
        part("esp", gpt::EFI_SYSTEM, 2048, 4095),
        part("root", gpt::LINUX_ROOT_X86_64, 4096, 4095 + sectors),
    ];
    let size = (4096 + sectors + 2048) * 512;
    raw(&image, size, &[(4096 * 512, fs::read(root).unwrap())]);
    let mut file = fs::File::options().write(true).open(&image).unwrap();
    gpt::write(&mut file, size, uuid::Uuid::from_u128(1), &partitions, gpt::BootCode::Clear).unwrap();
    image
}

fn ext4(dir: &Path, tree: &Path) -> PathBuf {
    let image = dir.join("root.ext4");
    run("mke2fs", &["-q", "-t", "ext4", "-d", text(tree), text(&image), "16M"]);
    image
}

#[test]
fn the_root_is_found_and_read_without_mounting() {
    let dir = folder();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("etc/ssh")).unwrap();
    fs::create_dir_all(tree.join("usr/lib")).unwrap();
    fs::write(tree.join("usr/lib/os-release"), "ID=test\n").unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", tree.join("etc/os-release")).unwrap();
    fs::write(tree.join("etc/ssh/key"), prose(1, 300_000)).unwrap();
    fs::set_permissions(tree.join("etc/ssh/key"), fs::Permissions::from_mode(0o600)).unwrap();
    let raw_image = disk_with(dir.path(), &ext4(dir.path(), &tree));
    let qcow2_image = dir.path().join("disk.qcow2");
    let targets = [target(OutputFormat::Qcow2, &qcow2_image, Some(6))];
    try_convert(&*opened(&raw_image), &targets, 2).unwrap();
    for image in [raw_image, qcow2_image] {
        let root = open_root(opened(&image)).unwrap();
        assert_eq!(root.offset(), 4096 * 512);
        assert_eq!(root.read("/etc/os-release").unwrap(), b"ID=test\n");
        assert_eq!(root.read("/etc/ssh/key").unwrap(), prose(1, 300_000));
        assert_eq!(root.list_dir("/etc").unwrap(), ["os-release", "ssh"]);
        assert!(root.exists("/etc/ssh").unwrap() && !root.exists("/etc/shadow").unwrap());
        let key = root.metadata("/etc/ssh/key").unwrap();
        assert_eq!((key.mode, key.size, key.kind), (0o600, 300_000, FileKind::File));
        assert_eq!(root.symlink_metadata("/etc/os-release").unwrap().kind, FileKind::Symlink);
        assert_eq!(root.read_link("/etc/os-release").unwrap(), "../usr/lib/os-release");
        assert_eq!(root.read("/gone").unwrap_err().kind(), DiskErrorKind::NotFound);
    }
}

#[test]
fn other_file_systems_are_named() {
    let dir = folder();
    for (name, at, magic) in
        [("xfs", 0, &b"XFSB"[..]), ("btrfs", 0x1_0040, b"_BHRfS_M"), ("LVM", 512, b"LABELONE")]
    {
        let root = raw(&dir.path().join("root.img"), MIB, &[(at, magic.to_vec())]);
        let error = open_root(opened(&disk_with(dir.path(), &root))).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported);
        assert!(error.to_string().contains(&format!("partition 2: {name}")), "{error}");
    }
}

#[test]
fn a_file_system_without_an_operating_system_is_not_a_root() {
    let dir = folder();
    let tree = dir.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    let image = ext4(dir.path(), &tree);
    // Once in a partition, once on the bare disk.
    for image in [disk_with(dir.path(), &image), image] {
        assert_eq!(open_root(opened(&image)).unwrap_err().kind(), DiskErrorKind::NotFound);
    }
}
