//! Corrupt images: errors, never panics, endless loops or huge allocations. A bounded fuzz run on stable; the targets in
//! `fuzz/` do the same without bounds.
use std::fs;

use super::*;

/// Reads everything that a conversion would, in bounded memory.
fn exercise(disk: &dyn DiskRead) -> Result<(), DiskError> {
    let mut at = 0;
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..4096 {
        if at >= disk.size() {
            break;
        }
        let extent = disk.extent_at(at)?;
        assert!(extent.len > 0 && extent.len <= disk.size() - at);
        if extent.kind == ExtentKind::Data {
            let len = extent.len.min(buffer.len() as u64);
            disk.read_at(&mut buffer[..len as usize], at)?;
            at += len;
        } else {
            at += extent.len;
        }
    }
    Ok(())
}

fn mutate(original: &[u8], interesting: &[usize], round: u64) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let dice = noise(round + 1, 64);
    let number = |index: usize| {
        let mut value = [0; 8];
        value.copy_from_slice(&dice[index * 8..][..8]);
        u64::from_le_bytes(value) as usize
    };
    for change in 0..=number(0) % 3 {
        let area = interesting[number(change + 1) % interesting.len()];
        let at = (area + number(change + 4) % 128).min(bytes.len() - 8);
        match dice[40 + change] % 4 {
            0 => bytes[at] ^= 1 << (dice[50] % 8),
            1 => bytes[at] = dice[51],
            2 => bytes[at..at + 8].fill(0xff),
            _ => bytes[at & !7..][..8].copy_from_slice(&dice[52..60]),
        }
    }
    if dice[63].is_multiple_of(8) {
        bytes.truncate(number(6) % bytes.len());
    }
    bytes
}

#[test]
fn mutated_qcow2_images_never_panic() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 2 * MIB, &[(0, prose(1, MIB as usize))]);
    let image = dir.path().join("x.qcow2");
    let mut failed = 0;
    for options in [
        &["-o", "cluster_size=4k"][..],
        &["-c", "-o", "cluster_size=4k"],
        &["-c", "-o", "cluster_size=4k,compression_type=zstd"],
        &["-o", "cluster_size=16k,extended_l2=on"],
    ] {
        let mut args = vec!["convert", "-f", "raw", "-O", "qcow2"];
        args.extend(options);
        args.extend([text(&source), text(&image)]);
        run("qemu-img", &args);
        let original = fs::read(&image).unwrap();
        let header = qcow2::Header::read(&fs::File::open(&image).unwrap(), &image).unwrap();
        let l1 = header.header.l1_offset as usize;
        let mut l2 = [0; 8];
        l2.copy_from_slice(&original[l1..l1 + 8]);
        let l2 = (u64::from_be_bytes(l2) & qcow2::OFFSET) as usize;
        for round in 0..400 {
            fs::write(&image, mutate(&original, &[0, 64, l1, l2, l2 + 512], round)).unwrap();
            let result =
                open(&image, Some(Format::Qcow2), &OpenOptions::default()).and_then(|disk| exercise(&*disk));
            failed += usize::from(result.is_err());
        }
    }
    assert!(failed > 200, "the mutations hit nothing: {failed} failures");
}

#[test]
fn truncated_images_are_errors_at_every_length() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), MIB, &[(0, prose(1, MIB as usize))]);
    let image = dir.path().join("x.qcow2");
    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", text(&source), text(&image)]);
    let original = fs::read(&image).unwrap();
    for len in (0..original.len()).step_by(37_777) {
        fs::write(&image, &original[..len]).unwrap();
        let error = open(&image, Some(Format::Qcow2), &OpenOptions::default())
            .and_then(|disk| {
                try_convert(&*disk, &[target(OutputFormat::Raw, &dir.path().join("out"), None)], 2)
            })
            .unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Corrupt, "{len}: {error}");
        assert_eq!(names(dir.path()), ["source.raw", "x.qcow2"]);
    }
}

#[test]
fn a_raw_source_that_shrinks_is_an_error() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 4 * MIB, &[(0, noise(1, 4 << 20))]);
    let disk = opened(&source);
    fs::File::options().write(true).open(&source).unwrap().set_len(MIB).unwrap();
    let mut buffer = vec![0; 4096];
    let error = disk.read_at(&mut buffer, 2 * MIB).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Corrupt);
    let error = disk.read_at(&mut buffer, 4 * MIB).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Corrupt, "beyond the end");
}

#[test]
fn mutated_partition_tables_never_panic() {
    let dir = folder();
    let image = dir.path().join("x.raw");
    let size = 8 * MIB;
    raw(&image, size, &[]);
    let partition = gpt::Partition {
        name: "root".to_owned(),
        type_guid: gpt::LINUX_FILESYSTEM,
        guid: uuid::Uuid::from_u128(7),
        first_lba: 2048,
        last_lba: 4095,
        attributes: 0,
    };
    let mut file = fs::File::options().write(true).open(&image).unwrap();
    gpt::write(&mut file, size, uuid::Uuid::from_u128(1), &[partition], gpt::BootCode::Clear).unwrap();
    let original = fs::read(&image).unwrap();
    run(
        "sh",
        &["-c", &format!("printf 'label: dos\\n,1M\\n,3M,E\\n,1M\\n,1M\\n' | sfdisk -q {}", text(&image))],
    );
    let mbr = fs::read(&image).unwrap();
    for (original, areas) in
        [(&original, &[400, 512, 1024, original.len() - 512][..]), (&mbr, &[430, 1 << 20, 2 << 20])]
    {
        for round in 0..1000 {
            fs::write(&image, mutate(original, areas, round)).unwrap();
            if let Ok(partitions) =
                gpt::read(&*open(&image, Some(Format::Raw), &OpenOptions::default()).unwrap())
            {
                assert!(partitions.iter().all(|partition| partition.offset() + partition.len() <= size));
            }
        }
    }
}

#[test]
fn mutated_vhds_never_panic() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 8 * MIB, &[(0, prose(1, MIB as usize))]);
    let image = dir.path().join("x.vhd");
    run("qemu-img", &["convert", "-f", "raw", "-O", "vpc", text(&source), text(&image)]);
    let original = fs::read(&image).unwrap();
    let mut failed = 0;
    for round in 0..600 {
        let mut bytes = mutate(&original, &[0, 512, 1536], round);
        // Most rounds get past the checksums, which would stop them at once.
        if !round.is_multiple_of(4) {
            for (start, len, at) in [(0, 512, 64), (512, 1024, 36)] {
                if let Some(part) = bytes.get_mut(start..start + len) {
                    part[at..at + 4].fill(0);
                    let sum: u32 = part.iter().map(|byte| u32::from(*byte)).sum();
                    part[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
                }
            }
            // The first footer counts only where the last one is broken.
            let end = bytes.len().saturating_sub(512);
            bytes[end..].fill(0);
        }
        fs::write(&image, bytes).unwrap();
        let result =
            open(&image, Some(Format::Vhd), &OpenOptions::default()).and_then(|disk| exercise(&*disk));
        failed += usize::from(result.is_err());
    }
    assert!(failed > 100, "the mutations hit nothing: {failed} failures");
}

#[test]
fn mutated_compressed_files_are_errors_or_other_bytes_and_never_panics() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 300 * 1024, &[(0, prose(1, 200 * 1024))]);
    let packed = dir.path().join("packed");
    for command in ["gzip -1", "xz -0", "zstd -q", "lz4 -q", "lz4 -q -BD -B4 -BX", "lz4 -q -l", "bzip2 -1"] {
        run("sh", &["-c", &format!("{command} < {} > {}", text(&source), text(&packed))]);
        let original = fs::read(&packed).unwrap();
        let mut failed = 0;
        for round in 0..150 {
            fs::write(
                &packed,
                mutate(&original, &[0, 4, 12, original.len() / 2, original.len() - 128], round),
            )
            .unwrap();
            // What no longer looks compressed is read as it is.
            let result = Input::open(&packed, &InputOptions::default(), &|| false)
                .and_then(|input| input.into_disk(dir.path(), 64 * MIB, &|_| {}))
                .and_then(|disk| exercise(&*disk));
            failed += usize::from(result.is_err());
        }
        assert!(failed > 50, "{command}: the mutations hit nothing: {failed} failures");
    }
}

/// Mutates `original` many times near the places in `areas`; returns how often reading everything failed.
fn storm(image: &Path, original: &[u8], areas: &[usize], format: Format, rounds: u64) -> usize {
    let options = OpenOptions { backing: BackingPolicy::Never, ..OpenOptions::default() };
    let mut failed = 0;
    for round in 0..rounds {
        fs::write(image, mutate(original, areas, round)).unwrap();
        failed += usize::from(open(image, Some(format), &options).and_then(|disk| exercise(&*disk)).is_err());
    }
    failed
}

#[test]
fn mutated_vmdks_never_panic() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 2 * MIB, &[(0, prose(1, MIB as usize))]);
    let image = dir.path().join("x.vmdk");
    let ours = dir.path().join("ours.vmdk");
    try_convert(&*opened(&source), &[target(OutputFormat::Vmdk, &ours, None)], 1).unwrap();
    let original = fs::read(&ours).unwrap();
    let end = original.len();
    // Header, descriptor, grains, the last table, directory and footer.
    let areas = [0, 12, 512, 65536, end - 512 * 9, end - 512 * 4, end - 1536, end - 1024];
    let failed = storm(&image, &original, &areas, Format::Vmdk, 500);
    assert!(failed > 100, "the mutations hit nothing: {failed} failures");
    for options in ["subformat=monolithicSparse,zeroed_grain=on", "subformat=streamOptimized"] {
        run("qemu-img", &["convert", "-f", "raw", "-O", "vmdk", "-o", options, text(&source), text(&image)]);
        let original = fs::read(&image).unwrap();
        let at =
            |offset: usize| original[offset..offset + 4].try_into().map(u32::from_le_bytes).unwrap() as usize;
        let directory = at(56) * 512;
        let areas = [0, 12, 512, directory, at(directory) * 512, at(at(directory) * 512) * 512];
        let failed = storm(&image, &original, &areas, Format::Vmdk, 300);
        assert!(failed > 60, "the mutations hit nothing: {failed} failures");
    }
    let text = b"# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"custom\"\n\
                 RW 2048 ZERO\nRW 99 FLAT \"x.vmdk\" 0\nRW 1 SPARSE \"y.vmdk\"\n# the end, and some room behind it\n";
    storm(&image, &text.repeat(2), &[0, 40, 80, 120, 160], Format::Vmdk, 500);
}

#[test]
fn mutated_ovas_never_panic() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 2 * MIB, &[(0, prose(1, MIB as usize))]);
    let (image, ours) = (dir.path().join("x.ova"), dir.path().join("ours.ova"));
    try_convert(&*opened(&source), &[target(OutputFormat::Ova, &ours, None)], 1).unwrap();
    let original = fs::read(&ours).unwrap();
    let find = |what: &[u8]| original.windows(what.len()).position(|window| window == what).unwrap();
    // The headers' lengths and sums, the description's references, the manifest and the disk's header.
    let (list, disk) = (find(b"SHA256("), find(b"KDMV"));
    let areas =
        [0, 100, 512, find(b"<File"), find(b"<Disk "), list - 512, list, disk - 512, disk - 400, disk];
    for round in 0..500 {
        fs::write(&image, mutate(&original, &areas, round)).unwrap();
        if let Ok(ova) = crate::disk::ova::Ova::open_path(&image) {
            let _ = ova.check_manifest(&|_| {}, &|| false);
            let _ = ova.disk(Some(1)).and_then(|disk| exercise(&*disk));
        }
    }
    // With sums that fit, so that what lies behind the headers is reached.
    let failed = storm(&image, &original, &areas[3..5], Format::Ova, 300);
    assert!(failed > 20, "the mutations hit nothing: {failed} failures");
}
