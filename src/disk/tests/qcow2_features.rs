//! Features of qcow2 that take more than one command to make: subclusters, chains, snapshots, images not closed.
use super::*;

/// Compares our reading with QEMU's, by content and by a conversion.
fn same_as_qemu(image: &Path) {
    let (ours, qemu) = (image.with_extension("ours"), image.with_extension("qemu"));
    run("qemu-img", &["convert", "-O", "raw", text(image), text(&qemu)]);
    let disk = opened(image);
    assert!(content(&*disk) == std::fs::read(&qemu).unwrap(), "{}", image.display());
    try_convert(&*disk, &[target(OutputFormat::Raw, &ours, None)], 2).unwrap();
    run("cmp", &[text(&ours), text(&qemu)]);
}

fn io(image: &Path, commands: &[&str]) {
    let mut args = vec!["-f", "qcow2"];
    for command in commands {
        args.extend(["-c", command]);
    }
    args.push(text(image));
    run("qemu-io", &args);
}

#[test]
fn subclusters_are_holes_zeroes_data_or_the_backing_file_each() {
    let dir = folder();
    let (base, image) = (dir.path().join("base.raw"), dir.path().join("top.qcow2"));
    raw(&base, 4 * MIB, &[(0, prose(1, 3 << 20))]);
    for cluster_size in ["16k", "64k", "2M"] {
        let _ = std::fs::remove_file(&image);
        let options = format!("extended_l2=on,cluster_size={cluster_size}");
        run(
            "qemu-img",
            &[
                "create",
                "-q",
                "-f",
                "qcow2",
                "-o",
                &options,
                "-b",
                "base.raw",
                "-F",
                "raw",
                text(&image),
                "8M",
            ],
        );
        assert!(content(&*opened(&image))[..4 << 20] == content(&*opened(&base)));
        io(
            &image,
            &[
                "write -P 1 0 512",
                "write -P 2 66k 2k",
                "write -P 3 1M 300k",
                "write -z 1100k 64k",
                "write -z 2M 2k",
                "discard 1M 64k",
                "write -P 4 3M 128k",
                "write -P 0 3200k 4k",
                "write -P 5 7M 1M",
            ],
        );
        same_as_qemu(&image);
        let disk = opened(&image);
        assert!(holes(&*disk).iter().any(|(from, to)| (*from..*to).contains(&(5 * MIB))), "{cluster_size}");
        assert_eq!(disk.layers()[0].facts["extended_l2"], true);
    }
}

#[test]
fn a_subcluster_is_as_small_a_hole_as_qemu_makes() {
    let dir = folder();
    let image = dir.path().join("x.qcow2");
    run("qemu-img", &["create", "-q", "-f", "qcow2", "-o", "extended_l2=on", text(&image), "1M"]);
    // Clusters of 64 KiB have subclusters of 2 KiB.
    io(&image, &["write -P 1 2k 2k", "write -P 1 8k 2k"]);
    assert_eq!(holes(&*opened(&image)), [(0, 2048), (4096, 8192), (10_240, MIB)]);
    same_as_qemu(&image);
}

#[test]
fn chains_of_every_kind_read_as_qemu_reads_them() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    raw(&path("0"), 6 * MIB, &[(0, prose(1, 1 << 20)), (3 * MIB, noise(2, 1 << 20))]);
    let mut below = ("0".to_owned(), "raw");
    for (index, (options, size)) in [
        ("compat=0.10", "6M"),
        ("cluster_size=512", "9M"),
        ("extended_l2=on", "7M"),
        ("compression_type=zstd", "12M"),
        ("lazy_refcounts=on,refcount_bits=1", "12M"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = (index + 1).to_string();
        let image = path(&name);
        run(
            "qemu-img",
            &[
                "create",
                "-q",
                "-f",
                "qcow2",
                "-o",
                options,
                "-b",
                &below.0,
                "-F",
                below.1,
                text(&image),
                size,
            ],
        );
        let at = index * 700;
        io(&image, &[&format!("write -P {name} {at}k 100k"), &format!("write -z {}k 64k", at + 256)]);
        same_as_qemu(&image);
        assert_eq!(opened(&image).layers().len(), index + 2);
        below = (name, "qcow2");
    }
}

#[test]
fn the_active_state_is_read_whatever_internal_snapshots_there_are() {
    let dir = folder();
    let image = dir.path().join("x.qcow2");
    run("qemu-img", &["create", "-q", "-f", "qcow2", text(&image), "4M"]);
    io(&image, &["write -P 1 0 1M"]);
    run("qemu-img", &["snapshot", "-c", "first", text(&image)]);
    io(&image, &["write -P 2 512k 1M", "discard 0 64k"]);
    run("qemu-img", &["snapshot", "-c", "second", text(&image)]);
    io(&image, &["write -P 3 2M 64k"]);
    same_as_qemu(&image);
    assert_eq!(opened(&image).layers()[0].facts["internal_snapshots"], 2);
}

#[test]
fn preallocated_and_unclosed_images_are_read() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    for options in
        ["preallocation=off", "preallocation=metadata", "preallocation=falloc", "preallocation=full"]
    {
        let image = dir.path().join(format!("{}.qcow2", &options[14..]));
        run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", "-o", options, text(&source), text(&image)]);
        same_as_qemu(&image);
    }
    // A QEMU that is killed leaves an image with lazy refcounts marked as dirty.
    let image = dir.path().join("dirty.qcow2");
    run("qemu-img", &["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", text(&image), "4M"]);
    let command =
        format!("qemu-io -f qcow2 -c 'write -P 7 1M 1M' -c flush -c abort {} || true", text(&image));
    run("sh", &["-c", &command]);
    let disk = opened(&image);
    assert_eq!(disk.layers()[0].facts["dirty"], true);
    assert!(content(&*disk)[1 << 20..2 << 20].iter().all(|byte| *byte == 7));
}

#[test]
fn an_image_that_shrinks_while_it_is_read_is_an_error() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 8 * MIB, &[(0, noise(1, 8 << 20))]);
    let image = dir.path().join("x.qcow2");
    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", text(&source), text(&image)]);
    for path in [&image, &source] {
        let disk = opened(path);
        std::fs::File::options().write(true).open(path).unwrap().set_len(3 * MIB).unwrap();
        let out = dir.path().join("out");
        let error = try_convert(&*disk, &[target(OutputFormat::RawGz, &out, None)], 2).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Corrupt, "{error}");
        assert!(!out.exists());
    }
}
