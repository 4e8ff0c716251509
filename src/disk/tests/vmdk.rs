//! VMDK, as qemu-img makes and reads it, and as the Python package dissect reads it.
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;
use crate::disk::section::Section;
use crate::disk::vmdk::check_stream;

fn written(folder: &Path, source: &Path) -> PathBuf {
    let image = folder.join("out.vmdk");
    try_convert(&*opened(source), &[target(OutputFormat::Vmdk, &image, None)], 2).unwrap();
    image
}

fn section(path: &Path) -> Section {
    Section::whole(File::open(path).unwrap(), path).unwrap()
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn every_subformat_of_qemu_reads_as_qemu_reads_it() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let expected = content(&*opened(&source));
    for (subformat, files) in [
        ("monolithicSparse", 1),
        ("monolithicFlat", 2),
        ("twoGbMaxExtentSparse", 2),
        ("twoGbMaxExtentFlat", 2),
        ("streamOptimized", 1),
    ] {
        for zeroed in ["off", "on"] {
            if zeroed == "on" && subformat.ends_with("Flat") {
                continue;
            }
            let sub = dir.path().join(format!("{subformat}-{zeroed}"));
            fs::create_dir(&sub).unwrap();
            let image = sub.join("disk one.vmdk");
            let options = format!("subformat={subformat},zeroed_grain={zeroed}");
            run(
                "qemu-img",
                &["convert", "-f", "raw", "-O", "vmdk", "-o", &options, text(&source), text(&image)],
            );
            assert_eq!(detect(&image).unwrap(), Detected::Image(Format::Vmdk));
            let disk = opened(&image);
            assert!(content(&*disk) == expected, "{options}");
            assert_eq!(disk.files().len(), files, "{options}");
            let mut odd = vec![0; 3 * MIB as usize + 17];
            disk.read_at(&mut odd, MIB - 5000).unwrap();
            assert!(odd == expected[MIB as usize - 5000..][..odd.len()], "{options}");
            let copy = dir.path().join("copy.raw");
            try_convert(&*disk, &[target(OutputFormat::Raw, &copy, None)], 2).unwrap();
            run("cmp", &[text(&source), text(&copy)]);
        }
    }
}

#[test]
fn a_disk_in_many_pieces_is_one_disk() {
    let dir = folder();
    let (source, image) = (dir.path().join("source.raw"), dir.path().join("split.vmdk"));
    // Beyond 2 GiB there is a second extent.
    raw(
        &source,
        (5 << 30) + 512,
        &[((2 << 30) - 64 * 1024 - 4096, prose(1, 3 << 20)), (5 << 30, vec![7; 512])],
    );
    for subformat in ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        let options = format!("subformat={subformat}");
        run("qemu-img", &["convert", "-f", "raw", "-O", "vmdk", "-o", &options, text(&source), text(&image)]);
        let disk = opened(&image);
        assert_eq!(disk.size(), (5 << 30) + 512);
        let copy = dir.path().join("copy.raw");
        try_convert(&*disk, &[target(OutputFormat::Raw, &copy, None)], 2).unwrap();
        let compared = run("qemu-img", &["compare", "-f", "raw", "-F", "raw", text(&source), text(&copy)]);
        assert!(compared.contains("identical"), "{compared}");
        assert!(fs::metadata(&copy).unwrap().blocks() * 512 < 8 << 20, "holes are kept");
    }
}

#[test]
fn what_we_write_is_identical_and_sound_for_the_peers_that_read_it() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let image = written(dir.path(), &source);
    let compared = run("qemu-img", &["compare", "-f", "raw", "-F", "vmdk", text(&source), text(&image)]);
    assert!(compared.contains("identical"), "{compared}");
    let check = run("qemu-img", &["check", "-f", "vmdk", text(&image)]);
    assert!(check.contains("No errors"), "{check}");
    let info = run("qemu-img", &["info", "-f", "vmdk", "--output=json", text(&image)]);
    assert!(info.contains("\"create-type\": \"streamOptimized\""), "{info}");
    assert!(info.contains(&format!("\"virtual-size\": {}", 80 * MIB + 70 * 1024)), "{info}");
    let unpacked = dir.path().join("dissect.raw");
    run(
        &peer("python"),
        &[
            "-c",
            // By sectors: its stream reads beyond the end of a disk that is no multiple of 8 KiB.
            "import sys; from dissect.hypervisor.disk.vmdk import VMDK\n\
             disk, out = VMDK(open(sys.argv[1], 'rb')), open(sys.argv[2], 'wb')\n\
             for at in range(0, disk.sector_count, 1000):\n\
             \x20   out.write(disk.read_sectors(at, min(1000, disk.sector_count - at)))",
            text(&image),
            text(&unpacked),
        ],
    );
    run("cmp", &[text(&source), text(&unpacked)]);
    assert!(content(&*opened(&image)) == content(&*opened(&source)));
}

#[test]
fn the_stream_ends_with_one_sector_exactly_where_its_markers_say() {
    let dir = folder();
    // The last grain is noise, which does not shrink: qemu-img then writes no end of the stream at all.
    for (index, last) in [noise(9, 1 << 20), prose(9, 1 << 20), vec![0; 4096]].into_iter().enumerate() {
        let source =
            raw(&dir.path().join(index.to_string()), 40 * MIB, &[(0, prose(1, 70_000)), (35 * MIB, last)]);
        let image = written(dir.path(), &source);
        let bytes = fs::read(&image).unwrap();
        assert_eq!(le64(&bytes, 4), 0x0003_0001_0000_0003, "flags and version 3");
        assert_eq!(le64(&bytes, 12), 40 * MIB / 512);
        assert_eq!(le64(&bytes, 20), 128);
        assert_eq!(le64(&bytes, 56), u64::MAX, "the directory is said in the footer");
        let end = bytes.len() - 512;
        assert!(bytes[end..].iter().all(|byte| *byte == 0), "end of the stream");
        assert_eq!(&bytes[end - 512..][..4], b"KDMV", "footer");
        assert_eq!((le64(&bytes, end - 1024), le64(&bytes, end - 1016)), (1, 3 << 32), "footer's marker");
        let facts = check_stream(&section(&image), &|| false).unwrap();
        assert_eq!(facts.virtual_bytes, 40 * MIB);
        assert_eq!(facts.grains, 2 + if index == 2 { 1 } else { 16 });
        let theirs = dir.path().join("theirs.vmdk");
        run(
            "qemu-img",
            &[
                "convert",
                "-f",
                "raw",
                "-O",
                "vmdk",
                "-o",
                "subformat=streamOptimized",
                text(&source),
                text(&theirs),
            ],
        );
        assert!(check_stream(&section(&theirs), &|| false).is_err(), "qemu-img's stream is proper now");
    }
}

#[test]
fn holes_keep_their_intent_in_a_vmdk() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 64 * MIB, &[(8 * MIB, vec![0; MIB as usize])]);
    let image = written(dir.path(), &source);
    assert_eq!(holes(&*opened(&image)), [(0, 8 * MIB), (9 * MIB, 64 * MIB)]);
    let map = run("qemu-img", &["map", "-f", "vmdk", "--output=json", text(&image)]);
    assert!(map.contains("\"start\": 8388608, \"length\": 1048576"), "{map}");
}

#[test]
fn two_tebibytes_cost_what_their_data_costs() {
    let dir = folder();
    let size = 2 << 40;
    let source = raw(
        &dir.path().join("source.raw"),
        size,
        &[(0, prose(1, 1 << 20)), (1 << 40, prose(2, 1 << 20)), (size - 4096, noise(3, 4096))],
    );
    let start = std::time::Instant::now();
    let image = written(dir.path(), &source);
    assert!(fs::metadata(&image).unwrap().len() < 4 << 20);
    let disk = opened(&image);
    let copy = dir.path().join("copy.qcow2");
    try_convert(&*disk, &[target(OutputFormat::Qcow2, &copy, None)], 2).unwrap();
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let compared = run("qemu-img", &["compare", "-f", "vmdk", "-F", "qcow2", text(&image), text(&copy)]);
    assert!(compared.contains("identical"), "{compared}");
    let ours = holes(&*disk);
    assert_eq!(ours, [(MIB, 1 << 40), ((1 << 40) + MIB, size - 65536)]);
}

#[test]
fn a_vmdk_goes_to_a_pipe_as_it_goes_to_a_file() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let image = written(dir.path(), &source);
    let streamed = dir.path().join("streamed.vmdk");
    let mut target = target(OutputFormat::Vmdk, &image, None);
    target.stream = Some(std::sync::Arc::new(File::create(&streamed).unwrap()));
    try_convert(&*opened(&source), &[target], 2).unwrap();
    run("cmp", &[text(&image), text(&streamed)]);
}

#[test]
fn extents_outside_the_folder_of_their_descriptor_are_refused() {
    let dir = folder();
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).unwrap();
    raw(&dir.path().join("secret.raw"), MIB, &[]);
    raw(&sub.join("own.raw"), MIB, &[(4096, vec![5; 512])]);
    std::os::unix::fs::symlink("../secret.raw", sub.join("link.raw")).unwrap();
    let image = sub.join("x.vmdk");
    let describe = |name: &str, sectors: u64, kind: &str, start: u64| {
        let line = format!("RW {sectors} {kind} \"{name}\" {start}");
        fs::write(&image, format!("# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n{line}\n")).unwrap();
    };
    let with = |backing| open(&image, None, &OpenOptions { backing, ..OpenOptions::default() });
    for name in ["../secret.raw", "link.raw", text(&dir.path().join("secret.raw"))] {
        describe(name, 2048, "FLAT", 0);
        assert_eq!(with(BackingPolicy::SameFolder).unwrap_err().kind(), DiskErrorKind::Refused, "{name}");
        assert_eq!(with(BackingPolicy::Never).unwrap_err().kind(), DiskErrorKind::Refused);
        with(BackingPolicy::Anywhere).unwrap();
        with(BackingPolicy::Within(vec![dir.path().to_path_buf()])).unwrap();
    }
    describe("own.raw", 8, "FLAT", 8);
    let disk = with(BackingPolicy::SameFolder).unwrap();
    assert_eq!((disk.size(), content(&*disk)[0]), (4096, 5));
    describe("gone.raw", 8, "FLAT", 0);
    assert_eq!(with(BackingPolicy::SameFolder).unwrap_err().kind(), DiskErrorKind::NotFound);
    for (sectors, start) in [(2049, 0), (8, 2041), (u64::MAX / 512, 8), (1, u64::MAX)] {
        describe("own.raw", sectors, "FLAT", start);
        assert_eq!(with(BackingPolicy::SameFolder).unwrap_err().kind(), DiskErrorKind::Corrupt);
    }
    describe("x.vmdk", 1, "SPARSE", 0);
    assert_eq!(with(BackingPolicy::SameFolder).unwrap_err().kind(), DiskErrorKind::Corrupt);
}

#[test]
fn relatives_that_are_not_read_are_named() {
    let dir = folder();
    let image = dir.path().join("x.vmdk");
    for (head, word) in [
        (&b"COWD"[..], "vmfsSparse"),
        (&0xcafe_babe_u64.to_le_bytes(), "seSparse"),
        (b"# Disk DescriptorFile\nRW 1 VMFSRDM \"x\"\n", "device"),
        (b"# Disk DescriptorFile\nparentCID=00000001\n", "parent"),
    ] {
        let mut bytes = head.to_vec();
        bytes.resize(bytes.len() + 2048, b'\n');
        fs::write(&image, bytes).unwrap();
        let error = open(&image, None, &OpenOptions::default()).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "{error}");
    }
    // A real snapshot of a real disk.
    let base = dir.path().join("base.vmdk");
    run("qemu-img", &["create", "-q", "-f", "vmdk", text(&base), "1M"]);
    run("qemu-img", &["create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", text(&image)]);
    let error = open(&image, None, &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("parent"), "{error}");
}

#[test]
fn a_transfer_in_text_mode_is_recognised() {
    let dir = folder();
    let image = written(dir.path(), &raw(&dir.path().join("source.raw"), MIB, &[(0, vec![1; 512])]));
    let mut bytes = fs::read(&image).unwrap();
    bytes.remove(75);
    fs::write(&image, bytes).unwrap();
    let error = open(&image, None, &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("text mode"), "{error}");
}

#[test]
fn truncated_vmdks_are_errors_at_every_length() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 3 * MIB, &[(0, prose(1, 3 << 20))]);
    for theirs in [false, true] {
        let image = dir.path().join("x.vmdk");
        if theirs {
            run("qemu-img", &["convert", "-f", "raw", "-O", "vmdk", text(&source), text(&image)]);
        } else {
            fs::rename(written(dir.path(), &source), &image).unwrap();
            fs::remove_file(dir.path().join("out.vmdk.sha256")).unwrap();
        }
        let original = fs::read(&image).unwrap();
        for len in (0..original.len()).step_by(17_777).chain([original.len() - 1, original.len() - 512]) {
            fs::write(&image, &original[..len]).unwrap();
            let error = open(&image, Some(Format::Vmdk), &OpenOptions::default())
                .and_then(|disk| {
                    try_convert(&*disk, &[target(OutputFormat::Raw, &dir.path().join("out"), None)], 2)
                })
                .unwrap_err();
            assert_eq!(error.kind(), DiskErrorKind::Corrupt, "{len}: {error}");
        }
        assert_eq!(names(dir.path()), ["source.raw", "x.vmdk"]);
    }
}

/// One grain of text, and where its record begins.
fn one_grain(folder: &Path) -> (PathBuf, Vec<u8>) {
    let image = written(folder, &raw(&folder.join("source.raw"), MIB, &[(65536, prose(1, 65536))]));
    let bytes = fs::read(&image).unwrap();
    (image, bytes)
}

fn first_error(image: &Path) -> DiskError {
    let options = OpenOptions::default();
    open(image, Some(Format::Vmdk), &options)
        .and_then(|disk| disk.read_at(&mut vec![0; disk.size() as usize], 0))
        .unwrap_err()
}

#[test]
fn grains_that_are_bombs_or_belong_elsewhere_are_errors() {
    const RECORD: usize = 128 * 512;
    let dir = folder();
    let (image, original) = one_grain(dir.path());
    let packed = |len: usize| {
        let mut out = vec![0; len + 100];
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let written = compressor.zlib_compress(&vec![0; len], &mut out).unwrap();
        out.truncate(written);
        out
    };
    for (bytes, word) in [
        // 64 MiB that claim to be one grain.
        (packed(64 << 20)[..30_000].to_vec(), "decompress"),
        (packed(65537), "decompress"),
        (packed(65535), "too short"),
        (vec![0xff; 100], "decompress"),
    ] {
        let mut broken = original.clone();
        broken[RECORD + 8..][..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        broken[RECORD + 12..][..bytes.len()].copy_from_slice(&bytes);
        fs::write(&image, &broken).unwrap();
        let error = first_error(&image);
        assert_eq!(error.kind(), DiskErrorKind::Corrupt);
        assert!(error.to_string().contains(word), "{error}");
    }
    for (at, value, word) in [
        (RECORD, 0_u64, "elsewhere"),
        (RECORD + 8, u64::from(u32::MAX), "longer"),
        (RECORD + 8, 70_000, "outside"),
    ] {
        let mut broken = original.clone();
        let value = value.to_le_bytes();
        broken[at..at + 4].copy_from_slice(&value[..4]);
        fs::write(&image, &broken).unwrap();
        let error = first_error(&image);
        assert_eq!(error.kind(), DiskErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn the_walk_over_a_stream_sees_every_change_of_its_structure() {
    let dir = folder();
    let source =
        raw(&dir.path().join("source.raw"), 70 * MIB, &[(0, prose(1, 65536)), (65 * MIB, prose(2, 65536))]);
    let image = written(dir.path(), &source);
    let original = fs::read(&image).unwrap();
    check_stream(&section(&image), &|| false).unwrap();
    // Every sector after the first grain's that is not compressed data: tables, markers, directory, footer, end.
    let first = 128 * 512;
    let record = |at: usize| {
        (12 + u32::from_le_bytes(original[at + 8..at + 12].try_into().unwrap()) as usize)
            .next_multiple_of(512)
    };
    let second = first + record(first) + 5 * 512;
    // A length that is off by 512 leads to the wrong sector.
    let mut places = vec![first, first + 9];
    places.extend((first + record(first)..second).step_by(4));
    places.extend((second + record(second)..original.len()).step_by(4));
    for at in places {
        let mut broken = original.clone();
        broken[at] ^= 2;
        fs::write(&image, &broken).unwrap();
        // What pads a marker, a table or a header is not looked at, and need not be.
        if check_stream(&section(&image), &|| false).is_ok() {
            let sector = at % 512;
            assert!(sector >= 12, "byte {at} of {}: {:?}", original.len(), &original[at - sector..][..16]);
        }
    }
    let mut longer = original.clone();
    longer.extend_from_slice(&[0; 512]);
    fs::write(&image, &longer).unwrap();
    assert!(check_stream(&section(&image), &|| false).is_err());
}
