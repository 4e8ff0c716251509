//! What a failed conversion leaves: nothing.
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn targets(folder: &Path) -> Vec<Target> {
    vec![
        target(OutputFormat::Raw, &folder.join("a.raw"), None),
        target(OutputFormat::RawGz, &folder.join("b.raw.gz"), None),
        target(OutputFormat::Qcow2, &folder.join("c.qcow2"), None),
        target(OutputFormat::Qcow2, &folder.join("d.qcow2"), Some(1)),
        target(OutputFormat::Vmdk, &folder.join("e.vmdk"), None),
        target(OutputFormat::Ova, &folder.join("f.ova"), None),
    ]
}

#[test]
fn cancelling_at_any_point_leaves_no_file() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let disk = opened(&source);
    for limit in [0, 1, 7, 20] {
        let out = folder();
        let asked = AtomicUsize::new(0);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= limit;
        let options = ConvertOptions { threads: 2, needles: &[], progress: &|_| {}, cancelled: &cancelled };
        let error = convert(&*disk, &targets(out.path()), &options).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Cancelled);
        assert_eq!(names(out.path()), [""; 0]);
    }
}

/// Fails to read beyond the first MiB.
#[derive(Debug)]
struct Broken;

impl DiskRead for Broken {
    fn size(&self) -> u64 {
        8 * MIB
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        if offset >= MIB {
            return Err(DiskError::corrupt("could not read the test disk").at(offset));
        }
        buf.fill(1);
        Ok(())
    }
    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        Ok(Extent { len: 8 * MIB - offset, kind: ExtentKind::Data })
    }
}

#[test]
fn a_source_that_cannot_be_read_leaves_no_file() {
    let out = folder();
    fs::write(out.path().join("a.raw"), "an older output").unwrap();
    let error = try_convert(&Broken, &targets(out.path()), 3).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Corrupt);
    assert_eq!(names(out.path()), ["a.raw"]);
    assert_eq!(fs::read_to_string(out.path().join("a.raw")).unwrap(), "an older output");
}

/// Yields maps that would never end, or lead outside the disk.
#[derive(Debug)]
struct Nonsense(u64);

impl DiskRead for Nonsense {
    fn size(&self) -> u64 {
        MIB
    }
    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> Result<(), DiskError> {
        Ok(())
    }
    fn extent_at(&self, _offset: u64) -> Result<Extent, DiskError> {
        Ok(Extent { len: self.0, kind: ExtentKind::Data })
    }
}

#[test]
fn a_map_without_sense_is_an_error() {
    for len in [0, 2 * MIB, u64::MAX] {
        assert_eq!(try_convert(&Nonsense(len), &[], 1).unwrap_err().kind(), DiskErrorKind::Corrupt);
    }
}

#[test]
fn a_panicking_callback_does_not_hang_and_leaves_no_file() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let out = folder();
    let disk = opened(&source);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let options = ConvertOptions {
            threads: 2,
            needles: &[],
            progress: &|_| panic!("on purpose"),
            cancelled: &|| false,
        };
        convert(&*disk, &targets(out.path()), &options)
    }));
    assert!(result.is_err());
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn an_output_that_is_the_input_or_another_output_is_refused() {
    let dir = folder();
    let (base, top) = (dir.path().join("base.raw"), dir.path().join("top.qcow2"));
    raw(&base, MIB, &[]);
    qcow2::create_overlay(&top, Path::new("base.raw"), Format::Raw, MIB).unwrap();
    std::os::unix::fs::symlink("base.raw", dir.path().join("alias")).unwrap();
    let disk = opened(&top);
    for name in ["base.raw", "top.qcow2", "alias"] {
        let error =
            try_convert(&*disk, &[target(OutputFormat::Raw, &dir.path().join(name), None)], 1).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Refused, "{name}");
    }
    let out = dir.path().join("out");
    let twice = [target(OutputFormat::Raw, &out, None), target(OutputFormat::RawGz, &out, None)];
    assert_eq!(try_convert(&*disk, &twice, 1).unwrap_err().kind(), DiskErrorKind::Refused);
    assert!(!out.exists());
}

#[test]
fn levels_that_do_not_exist_are_refused() {
    let dir = folder();
    let disk = opened(&raw(&dir.path().join("source.raw"), MIB, &[]));
    for (format, level) in [(OutputFormat::RawGz, 0), (OutputFormat::Qcow2, 13), (OutputFormat::Raw, 1)] {
        let error =
            try_convert(&*disk, &[target(format, &dir.path().join("out"), Some(level))], 1).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported);
    }
    assert_eq!(names(dir.path()), ["source.raw"]);
}

#[test]
fn a_missing_folder_is_named() {
    let dir = folder();
    let disk = opened(&raw(&dir.path().join("source.raw"), MIB, &[]));
    let out = dir.path().join("missing/out.raw");
    let error = try_convert(&*disk, &[target(OutputFormat::Raw, &out, None)], 1).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::NotFound);
    assert_eq!(error.path(), Some(out.as_path()));
}

/// A small tmpfs, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let dir = folder();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs", text(dir.path())])
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_file_system_is_recognised_and_left_clean() {
    let Some(small) = SmallDisk::new() else {
        eprintln!("skipped: a tmpfs can only be mounted by root");
        return;
    };
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 32 * MIB, &[(0, noise(1, 16 << 20))]);
    let disk = opened(&source);
    let kinds = targets(small.0.path());
    for target in kinds {
        let error = try_convert(&*disk, &[target], 2).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::NoSpace, "{error}");
        assert_eq!(names(small.0.path()), [""; 0]);
    }
    run("gzip", &["-k", text(&source)]);
    let error = super::super::decompress(
        &dir.path().join("source.raw.gz"),
        &small.0.path().join("x"),
        &|_| {},
        &|| false,
    )
    .unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::NoSpace);
    assert_eq!(names(small.0.path()), [""; 0]);
}
