//! Compressed sources, as the usual tools make them.
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::super::decompress;
use super::*;

fn pack(source: &Path, command: &str) -> PathBuf {
    let packed = source.with_extension("packed");
    run("sh", &["-c", &format!("{command} < {} > {}", text(source), text(&packed))]);
    packed
}

#[test]
fn files_of_every_kind_unpack_to_sparse_files() {
    let dir = folder();
    let source = raw(
        &dir.path().join("source.raw"),
        40 * MIB + 1000,
        &[(4096, prose(1, MIB as usize)), (20 * MIB - 100, noise(2, 5000)), (40 * MIB + 999, vec![1])],
    );
    let half = 17 * MIB + 3;
    let two_members =
        format!("sh -c 'f={0}; head -c {half} $f | gzip; tail -c +{1} $f | gzip'", text(&source), half + 1);
    let halves = |first: &str, second: &str| {
        format!(
            "sh -c 'f={0}; head -c {half} $f | {first}; tail -c +{1} $f | {second}'",
            text(&source),
            half + 1
        )
    };
    let two_frames = halves("lz4 -q -BD -9", "lz4 -q");
    let two_streams = halves("bzip2 -1", "bzip2 -9");
    // A frame that readers skip: magic, length, three bytes.
    let skipped = dir.path().join("skipped");
    fs::write(&skipped, b"\x50\x2a\x4d\x18\x03\0\0\0abc").unwrap();
    let legacy_and_skipped = halves("lz4 -q -l", &format!("(lz4 -q; cat {})", text(&skipped)));
    let sized = format!("lz4 -q --content-size {} -c", text(&source));
    for (command, kind) in [
        ("gzip -1", Packing::Gzip),
        (&two_members, Packing::Gzip),
        ("xz -0", Packing::Xz),
        ("xz -0 -T2 --block-size=1MiB", Packing::Xz),
        ("zstd -q -1", Packing::Zstd),
        ("sh -c 'head -c 1000 | zstd -q; zstd -q < /dev/null'", Packing::Zstd),
        // Independent and linked blocks of every size, checksums of blocks, the content's size, none of it.
        ("lz4 -q", Packing::Lz4),
        ("lz4 -q -BD -B4", Packing::Lz4),
        ("lz4 -q -BD -B7 -BX", Packing::Lz4),
        ("lz4 -q -B5 --no-frame-crc", Packing::Lz4),
        (&sized, Packing::Lz4),
        ("lz4 -q -l", Packing::Lz4),
        (&two_frames, Packing::Lz4),
        (&legacy_and_skipped, Packing::Lz4),
        ("bzip2 -1", Packing::Bzip2),
        (&two_streams, Packing::Bzip2),
    ] {
        let packed = pack(&source, command);
        assert_eq!(detect(&packed).unwrap(), Detected::Packed(kind));
        let out = dir.path().join("out.raw");
        let last = std::cell::Cell::new(None);
        let made = decompress(&packed, &out, &|progress| last.set(Some(progress)), &|| false).unwrap();
        let progress = last.get().unwrap();
        assert_eq!(progress.total, fs::metadata(&packed).unwrap().len());
        assert_eq!(made.bytes, fs::metadata(&out).unwrap().len());
        if command.contains("head -c 1000 ") {
            assert_eq!(fs::read(&out).unwrap(), &fs::read(&source).unwrap()[..1000]);
            continue;
        }
        assert_eq!(progress.done, progress.total);
        run("cmp", &[text(&source), text(&out)]);
        assert!(fs::metadata(&out).unwrap().blocks() * 512 < 2 * MIB, "{command}");
        assert!(made.data_bytes < 2 * MIB);
    }
}

#[test]
fn truncated_and_corrupt_files_leave_nothing() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 4 * MIB, &[(0, prose(1, 3 << 20))]);
    let out = dir.path().join("out.raw");
    for command in ["gzip", "xz -0", "zstd -q", "lz4 -q", "lz4 -q -BD", "bzip2"] {
        let packed = pack(&source, command);
        let good = fs::read(&packed).unwrap();
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle..middle + 16].fill(0xa5);
        let mut followed = good.clone();
        followed.extend_from_slice(b"no member at all");
        for bad in [&good[..good.len() - 3], &good[..good.len() / 2], &flipped, &followed] {
            fs::write(&packed, bad).unwrap();
            let error = decompress(&packed, &out, &|_| {}, &|| false).unwrap_err();
            assert_eq!(error.kind(), DiskErrorKind::Corrupt, "{command}: {error:?}");
            assert_eq!(names(dir.path()), ["source.packed", "source.raw"]);
        }
    }
    assert_eq!(decompress(&source, &out, &|_| {}, &|| false).unwrap_err().kind(), DiskErrorKind::Unsupported);
}

#[test]
fn cancelling_leaves_nothing() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 40 * MIB, &[]);
    let packed = pack(&source, "gzip -1");
    let asked = std::cell::Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) > 5;
    let error = decompress(&packed, &dir.path().join("out.raw"), &|_| {}, &cancelled).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Cancelled);
    assert_eq!(names(dir.path()), ["source.packed", "source.raw"]);
}
