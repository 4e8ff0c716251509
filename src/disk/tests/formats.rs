//! What is written, as others read it.
use std::fs;
use std::sync::Mutex;

use super::*;

fn all_targets(folder: &Path) -> Vec<Target> {
    vec![
        target(OutputFormat::Raw, &folder.join("out.raw"), None),
        target(OutputFormat::RawGz, &folder.join("out.raw.gz"), None),
        target(OutputFormat::RawGz, &folder.join("fast.raw.gz"), Some(1)),
        target(OutputFormat::Qcow2, &folder.join("out.qcow2"), None),
        target(OutputFormat::Qcow2, &folder.join("small.qcow2"), Some(6)),
        Target {
            qcow2: Qcow2Compression::Zstd,
            sha512: true,
            ..Target::new(OutputFormat::Qcow2, folder.join("zstd.qcow2"))
        },
        target(OutputFormat::RawZst, &folder.join("out.raw.zst"), None),
        target(OutputFormat::RawZst, &folder.join("slow.raw.zst"), Some(12)),
        Target { sha512: true, ..target(OutputFormat::RawXz, &folder.join("out.raw.xz"), Some(1)) },
        target(OutputFormat::RawLz4, &folder.join("out.raw.lz4"), None),
        Target { sha512: true, ..target(OutputFormat::Vhd, &folder.join("out.vhd"), None) },
        target(OutputFormat::RawGz, &folder.join("blocks.raw.gz"), Some(2)),
    ]
}

/// The program that reads a compressed format, and its switches to test and to print a file.
fn unpacker(format: OutputFormat) -> Option<&'static str> {
    match format {
        OutputFormat::RawGz => Some("gzip"),
        OutputFormat::RawZst => Some("zstd"),
        OutputFormat::RawXz => Some("xz"),
        OutputFormat::RawLz4 => Some("lz4"),
        _ => None,
    }
}

#[test]
fn every_output_is_identical_for_the_peers_that_read_it() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let targets = all_targets(dir.path());
    let disk = opened(&source);
    let converted = try_convert(&*disk, &targets, 2).unwrap();
    assert_eq!(
        converted.data_bytes,
        disk.size() - holes(&*disk).iter().map(|(from, to)| to - from).sum::<u64>()
    );
    for (written, target) in converted.outputs.iter().zip(&targets) {
        assert_eq!((&written.path, written.format), (&target.path, target.format));
        assert_eq!(written.virtual_bytes, disk.size());
        assert_eq!(written.file_bytes, fs::metadata(&written.path).unwrap().len());
        let name = written.path.file_name().unwrap().to_str().unwrap();
        run("sh", &["-c", &format!("cd {} && sha256sum --strict -c {name}.sha256", text(dir.path()))]);
        assert!(
            fs::read_to_string(format!("{}.sha256", text(&written.path)))
                .unwrap()
                .starts_with(&written.sha256)
        );
        assert_eq!(target.sha512, written.sha512.is_some());
        if target.sha512 {
            run("sh", &["-c", &format!("cd {} && sha512sum --strict -c {name}.sha512", text(dir.path()))]);
        }
        if let Some(program) = unpacker(target.format) {
            run(program, &["-t", text(&written.path)]);
            run("sh", &["-c", &format!("{program} -dc {} | cmp - {}", text(&written.path), text(&source))]);
        }
    }
    for name in ["out.raw.gz", "fast.raw.gz", "blocks.raw.gz"] {
        let gz = dir.path().join(name);
        let unpacked = dir.path().join("unpacked.raw");
        run(
            "python3",
            &[
                "-c",
                "import gzip,shutil,sys; shutil.copyfileobj(gzip.open(sys.argv[1]), open(sys.argv[2],'wb'))",
                text(&gz),
                text(&unpacked),
            ],
        );
        run("cmp", &[text(&source), text(&unpacked)]);
    }
    run("cmp", &[text(&source), text(&dir.path().join("out.raw"))]);
    run("qemu-img", &["compare", "-f", "raw", "-F", "vpc", text(&source), text(&dir.path().join("out.vhd"))]);
    for name in ["out.qcow2", "small.qcow2", "zstd.qcow2"] {
        let image = dir.path().join(name);
        let check = run("qemu-img", &["check", "-f", "qcow2", text(&image)]);
        assert!(check.contains("No errors were found"), "{check}");
        assert!(!check.contains("leaked"), "{check}");
        let compared = run("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", text(&source), text(&image)]);
        assert!(compared.contains("identical"), "{compared}");
        assert_eq!(content(&*opened(&image)), content(&*disk));
    }
    let [raw, plain, small] = [0, 3, 4].map(|index| &converted.outputs[index]);
    assert!(raw.allocated_bytes < converted.data_bytes + MIB, "{raw:?}");
    assert!(plain.file_bytes < converted.data_bytes + 2 * MIB, "{plain:?}");
    assert!(small.file_bytes < plain.file_bytes * 2 / 3, "{small:?}");
    assert_eq!(
        holes(&*opened(&raw.path)),
        holes(&*disk),
        "a raw copy has the holes of its source, and no others"
    );
}

#[test]
fn a_fixed_vhd_is_what_qemu_makes_of_the_same_disk() {
    for size in [MIB, 3 * MIB, 512 * MIB, 8 << 30, 120 << 30, 130 << 30, 2000 << 30] {
        let dir = folder();
        let source = raw(&dir.path().join("source.raw"), size, &[(0, prose(1, 4096))]);
        let (ours, theirs) = (dir.path().join("ours.vhd"), dir.path().join("theirs.vhd"));
        let mut footers = Vec::new();
        // Hashing terabytes of zeroes takes its time, so large disks only get their footer compared.
        if size < 8 << 30 {
            try_convert(&*opened(&source), &[target(OutputFormat::Vhd, &ours, None)], 2).unwrap();
            let info = run("qemu-img", &["info", "-f", "vpc", "--output=json", text(&ours)]);
            assert!(info.contains(&format!("\"virtual-size\": {size}")), "{info}");
            run("qemu-img", &["compare", "-f", "raw", "-F", "vpc", text(&source), text(&ours)]);
            footers.push(fs::read(&ours).unwrap().split_off(size as usize));
        }
        footers.push(super::super::convert::vhd_footer(size));
        let options = "subformat=fixed,force_size=on";
        run("qemu-img", &["convert", "-f", "raw", "-O", "vpc", "-o", options, text(&source), text(&theirs)]);
        let mut expected = vec![0; 512];
        std::os::unix::fs::FileExt::read_exact_at(&File::open(&theirs).unwrap(), &mut expected, size)
            .unwrap();
        for mut footer in footers {
            // Time, checksum and identity are our own.
            for own in [24..28, 64..68, 68..84] {
                footer[own.clone()].fill(0);
                expected[own].fill(0);
            }
            assert_eq!(footer, expected, "{size}");
        }
    }
}

#[test]
fn holes_keep_their_intent_and_written_zeroes_stay_data() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 64 * MIB, &[(8 * MIB, vec![0; MIB as usize])]);
    let copy = dir.path().join("copy.qcow2");
    let small = dir.path().join("small.qcow2");
    let targets = [target(OutputFormat::Qcow2, &copy, None), target(OutputFormat::Qcow2, &small, Some(1))];
    let converted = try_convert(&*opened(&source), &targets, 2).unwrap();
    assert_eq!(converted.data_bytes, MIB);
    for image in [copy, small] {
        assert_eq!(holes(&*opened(&image)), [(0, 8 * MIB), (9 * MIB, 64 * MIB)]);
    }
}

#[test]
fn outputs_are_the_same_bytes_for_any_number_of_threads() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let digests = |threads| {
        let out = folder();
        let converted = try_convert(&*opened(&source), &all_targets(out.path()), threads).unwrap();
        converted.outputs.into_iter().map(|written| written.sha256).collect::<Vec<_>>()
    };
    let one = digests(1);
    assert_eq!(one, digests(5));
    assert_eq!(one, digests(5));
}

#[test]
fn empty_and_tiny_disks_convert() {
    for (size, pieces) in [(0, vec![]), (512, vec![(0, vec![7; 512])]), (5 * MIB + 512, vec![])] {
        let dir = folder();
        let source = raw(&dir.path().join("source.raw"), size, &pieces);
        let targets = all_targets(dir.path());
        try_convert(&*opened(&source), &targets, 2).unwrap();
        for target in &targets {
            if let Some(program) = unpacker(target.format) {
                run(program, &["-t", text(&target.path)]);
                let len = run("sh", &["-c", &format!("{program} -dc {} | wc -c", text(&target.path))]);
                assert_eq!(len.trim(), size.to_string());
                continue;
            }
            let kind = target.format.to_string().replace("vhd", "vpc");
            if kind == "qcow2" {
                run("qemu-img", &["check", "-f", "qcow2", text(&target.path)]);
            }
            run("qemu-img", &["compare", "-f", "raw", "-F", &kind, text(&source), text(&target.path)]);
        }
    }
}

#[test]
fn a_two_tebibyte_disk_costs_what_its_data_costs() {
    let dir = folder();
    let size = 2 << 40;
    let source = dir.path().join("source.qcow2");
    qcow2::create_empty(&source, size).unwrap();
    for offset in ["0", "1T", "2047G"] {
        run("qemu-io", &["-f", "qcow2", "-c", &format!("write -P 0x5a {offset} 1M"), text(&source)]);
    }
    let disk = opened(&source);
    let targets = [
        target(OutputFormat::Qcow2, &dir.path().join("plain.qcow2"), None),
        target(OutputFormat::Qcow2, &dir.path().join("small.qcow2"), Some(6)),
    ];
    let converted = try_convert(&*disk, &targets, 2).unwrap();
    assert_eq!(converted.data_bytes, 3 * MIB);
    assert!(converted.outputs.iter().all(|written| written.file_bytes < 5 * MIB), "{converted:?}");
    for target in &targets {
        run("qemu-img", &["check", text(&target.path)]);
        run("qemu-img", &["compare", text(&source), text(&target.path)]);
    }
}

#[test]
fn progress_rises_to_the_bytes_of_data() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let seen = Mutex::new(Vec::new());
    let progress = |progress: Progress| seen.lock().unwrap().push(progress);
    let options = ConvertOptions { threads: 3, needles: &[], progress: &progress, cancelled: &|| false };
    let converted = convert(&*opened(&source), &all_targets(dir.path()), &options).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    let last = seen.last().unwrap();
    assert_eq!((last.done, last.total), (converted.data_bytes, converted.data_bytes));
}

#[test]
fn secrets_are_found_within_blocks_and_across_their_borders() {
    let dir = folder();
    let key = b"-----BEGIN TEST KEY-----".to_vec();
    let source = raw(
        &dir.path().join("source.raw"),
        16 * MIB,
        &[
            (0, prose(1, 4 * MIB as usize)),
            (2 * MIB - 7, key.clone()),
            (3 * MIB + 5, key.clone()),
            (8 * MIB - 1, b"pass".to_vec()),
        ],
    );
    let needle = |name: &str, bytes: &[u8]| Needle { name: name.to_owned(), bytes: bytes.to_vec() };
    let needles = [
        needle("key", &key),
        needle("absent", b"certainly-not-there"),
        needle("password", b"pass"),
        needle("overlap", &key[5..]),
    ];
    for targets in [vec![], all_targets(dir.path())] {
        let options =
            ConvertOptions { threads: 4, needles: &needles, progress: &|_| {}, cancelled: &|| false };
        let found = convert(&*opened(&source), &targets, &options).unwrap().found;
        let hit = |name: &str, offset, count| NeedleHit { name: name.to_owned(), offset, count };
        assert_eq!(
            found,
            [hit("key", 2 * MIB - 7, 2), hit("password", 8 * MIB - 1, 1), hit("overlap", 2 * MIB - 2, 2),]
        );
    }
    assert!(!format!("{needles:?}").contains("pass\""), "a needle must not print its bytes");
    assert!(!format!("{:?}", needles[0]).contains("BEGIN"));
}
