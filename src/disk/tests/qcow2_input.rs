//! qcow2 images as qemu-img makes them, and overlays as we make them.
use super::*;

#[test]
fn images_made_by_qemu_read_as_qemu_reads_them() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let expected = content(&*opened(&source));
    for (index, options) in [
        &["-o", "compat=1.1"][..],
        &["-o", "compat=0.10"],
        &["-o", "cluster_size=512"],
        &["-o", "cluster_size=4k"],
        &["-o", "cluster_size=2M"],
        &["-o", "refcount_bits=64,lazy_refcounts=on"],
        &["-o", "preallocation=metadata"],
        &["-c"],
        &["-c", "-o", "compat=0.10"],
        &["-c", "-o", "cluster_size=4k"],
        &["-c", "-o", "cluster_size=2M"],
        &["-c", "-o", "compression_type=zstd"],
        &["-c", "-o", "compression_type=zstd,cluster_size=2M"],
        &["-S", "0"],
        &["-o", "extended_l2=on"],
        &["-c", "-o", "extended_l2=on,compression_type=zstd"],
        &["-o", "extended_l2=on,cluster_size=16k"],
    ]
    .into_iter()
    .enumerate()
    {
        let image = dir.path().join(format!("{index}.qcow2"));
        let mut args = vec!["convert", "-f", "raw", "-O", "qcow2"];
        args.extend(options);
        args.extend([text(&source), text(&image)]);
        run("qemu-img", &args);
        let disk = opened(&image);
        assert_eq!(detect(&image).unwrap(), Detected::Image(Format::Qcow2));
        assert!(content(&*disk) == expected, "{options:?}");
        let mut odd = vec![0; 3 * MIB as usize + 17];
        disk.read_at(&mut odd, MIB - 5000).unwrap();
        assert!(odd == expected[MIB as usize - 5000..][..odd.len()], "{options:?}");
        let copy = dir.path().join("copy.raw");
        try_convert(&*disk, &[target(OutputFormat::Raw, &copy, None)], 2).unwrap();
        run("cmp", &[text(&source), text(&copy)]);
    }
}

#[test]
fn discarded_clusters_are_holes_and_zeroed_ones_read_as_zeroes() {
    let dir = folder();
    let (base, image) = (dir.path().join("base.qcow2"), dir.path().join("top.qcow2"));
    run("qemu-img", &["create", "-q", "-f", "qcow2", text(&base), "8M"]);
    run("qemu-io", &["-f", "qcow2", "-c", "write -P 1 0 8M", text(&base)]);
    run("qemu-img", &["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", text(&image)]);
    run(
        "qemu-io",
        &[
            "-f",
            "qcow2",
            "-c",
            "discard 1M 1M",
            "-c",
            "write -z 4M 1M",
            "-c",
            "write -P 0 6M 1M",
            text(&image),
        ],
    );
    let disk = opened(&image);
    assert_eq!(holes(&*disk), [(MIB, 2 * MIB), (4 * MIB, 5 * MIB)]);
    let bytes = content(&*disk);
    for (mib, byte) in [1, 0, 1, 1, 0, 1, 0, 1].into_iter().enumerate() {
        assert!(bytes[mib << 20..(mib + 1) << 20].iter().all(|b| *b == byte), "MiB {mib}");
    }
}

#[test]
fn small_guest_writes_into_overlays_read_back() {
    let dir = folder();
    let (base, image) = (dir.path().join("base.raw"), dir.path().join("top.qcow2"));
    raw(&base, 3 * MIB, &[(0, prose(9, 2 * MIB as usize))]);
    qcow2::create_overlay(&image, Path::new("base.raw"), Format::Raw, 5 * MIB + 512).unwrap();
    run("qemu-img", &["check", text(&image)]);
    let before = content(&*opened(&image));
    assert_eq!(before[..2 << 20], prose(9, 2 << 20));
    assert!(before[2 << 20..].iter().all(|byte| *byte == 0));
    assert_eq!(holes(&*opened(&image)), [(2 * MIB, 5 * MIB + 512)]);
    run("qemu-io", &["-f", "qcow2", "-c", "write -P 7 1000k 512", "-c", "write -P 8 5M 512", text(&image)]);
    let disk = opened(&image);
    let (flat, qemu) = (dir.path().join("flat.qcow2"), dir.path().join("qemu.raw"));
    try_convert(&*disk, &[target(OutputFormat::Qcow2, &flat, None)], 2).unwrap();
    run("qemu-img", &["compare", "-f", "qcow2", "-F", "qcow2", text(&image), text(&flat)]);
    run("qemu-img", &["convert", "-f", "qcow2", "-O", "raw", text(&image), text(&qemu)]);
    assert!(content(&*disk) == std::fs::read(&qemu).unwrap());
    assert_eq!(disk.files().len(), 2);
}

#[test]
fn what_we_create_is_tiny_and_sound_for_qemu() {
    use std::os::unix::fs::MetadataExt;
    let dir = folder();
    for size in [0, 512, 10 * MIB, 20 << 30, 100 << 40] {
        let image = dir.path().join(format!("{size}.qcow2"));
        qcow2::create_empty(&image, size).unwrap();
        let check = run("qemu-img", &["check", "-f", "qcow2", text(&image)]);
        assert!(check.contains("No errors were found") && !check.contains("leaked"), "{check}");
        let info = run("qemu-img", &["info", "--output=json", text(&image)]);
        assert!(info.contains(&format!("\"virtual-size\": {size}")), "{info}");
        assert!(std::fs::metadata(&image).unwrap().blocks() * 512 < 64 << 10);
        let disk = opened(&image);
        assert_eq!(disk.size(), size);
        assert_eq!(holes(&*disk), if size == 0 { vec![] } else { vec![(0, size)] });
    }
    let again = qcow2::create_empty(&dir.path().join("512.qcow2"), 512).unwrap_err();
    assert_eq!(again.kind(), DiskErrorKind::Exists);
}

#[test]
fn the_backing_name_is_stored_as_given() {
    let dir = folder();
    let image = dir.path().join("top.qcow2");
    raw(&dir.path().join("base disk.raw"), MIB, &[]);
    qcow2::create_overlay(&image, Path::new("./base disk.raw"), Format::Raw, MIB).unwrap();
    let info = run("qemu-img", &["info", "--output=json", text(&image)]);
    assert!(info.contains("\"backing-filename\": \"./base disk.raw\""), "{info}");
    assert!(info.contains("\"backing-filename-format\": \"raw\""), "{info}");
    let long = PathBuf::from("x".repeat(1024));
    let error = qcow2::create_overlay(&dir.path().join("long"), &long, Format::Raw, MIB).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Unsupported);
    assert_eq!(names(dir.path()), ["base disk.raw", "top.qcow2"]);
}

#[test]
fn a_chain_of_forty_layers_is_read() {
    let dir = folder();
    let mut expected = vec![0; 4 << 20];
    qcow2::create_empty(&dir.path().join("0"), 4 * MIB).unwrap();
    for layer in 1..40_u8 {
        let image = dir.path().join(layer.to_string());
        qcow2::create_overlay(&image, Path::new(&(layer - 1).to_string()), Format::Qcow2, 4 * MIB).unwrap();
        let at = usize::from(layer) * 65536;
        run("qemu-io", &["-f", "qcow2", "-c", &format!("write -P {layer} {at} 65536"), text(&image)]);
        expected[at..at + 65536].fill(layer);
    }
    assert!(content(&*opened(&dir.path().join("39"))) == expected);
}

#[test]
fn what_is_not_supported_says_so() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    let image = path("x.qcow2");
    for (options, word) in [(&format!("data_file={}", text(&path("data"))), "external data file")] {
        run("qemu-img", &["create", "-q", "-f", "qcow2", "-o", options, text(&image), "1M"]);
        let error = open(&image, Some(Format::Qcow2), &OpenOptions::default()).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "{error}");
    }
    run(
        "qemu-img",
        &[
            "create",
            "-q",
            "-f",
            "qcow2",
            "--object",
            "secret,id=s,data=x",
            "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
            text(&image),
            "1M",
        ],
    );
    let error = open(&image, None, &OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Unsupported);
    assert!(error.to_string().contains("encrypted"), "{error}");
}

#[test]
fn a_stated_format_is_never_detected_again() {
    let dir = folder();
    let image = dir.path().join("trap.raw");
    qcow2::create_overlay(&image, Path::new("/etc/passwd"), Format::Raw, MIB).unwrap();
    let disk = open(&image, Some(Format::Raw), &OpenOptions::default()).unwrap();
    assert_eq!(disk.size(), std::fs::metadata(&image).unwrap().len());
    let error = open(&image, None, &OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Refused);
}

#[test]
fn backing_files_obey_the_policy() {
    let dir = folder();
    let sub = dir.path().join("sub");
    std::fs::create_dir(&sub).unwrap();
    raw(&dir.path().join("base.raw"), MIB, &[]);
    std::os::unix::fs::symlink("../base.raw", sub.join("link.raw")).unwrap();
    for name in ["../base.raw", "link.raw"] {
        let image = sub.join(format!("{}.qcow2", name.len()));
        qcow2::create_overlay(&image, Path::new(name), Format::Raw, MIB).unwrap();
        let with = |backing| open(&image, None, &OpenOptions { backing, ..OpenOptions::default() });
        assert_eq!(with(BackingPolicy::SameFolder).unwrap_err().kind(), DiskErrorKind::Refused);
        assert_eq!(with(BackingPolicy::Never).unwrap_err().kind(), DiskErrorKind::Refused);
        with(BackingPolicy::Within(vec![dir.path().to_path_buf()])).unwrap();
        with(BackingPolicy::Anywhere).unwrap();
    }
    let missing = sub.join("missing.qcow2");
    qcow2::create_overlay(&missing, Path::new("gone.raw"), Format::Raw, MIB).unwrap();
    let error = open(&missing, None, &OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::NotFound);
    assert!(error.to_string().contains("gone.raw"), "{error}");
}

#[test]
fn cyclic_and_endless_chains_are_refused() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    qcow2::create_overlay(&path("a"), Path::new("b"), Format::Qcow2, MIB).unwrap();
    qcow2::create_overlay(&path("b"), Path::new("a"), Format::Qcow2, MIB).unwrap();
    assert_eq!(open(&path("a"), None, &OpenOptions::default()).unwrap_err().kind(), DiskErrorKind::Corrupt);
    qcow2::create_empty(&path("0"), MIB).unwrap();
    qcow2::create_overlay(&path("1"), Path::new("0"), Format::Qcow2, MIB).unwrap();
    let short = OpenOptions { max_depth: 1, ..OpenOptions::default() };
    assert_eq!(open(&path("1"), None, &short).unwrap_err().kind(), DiskErrorKind::Refused);
}
