//! Outputs that go to a pipe instead of a file.
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn streamed(format: OutputFormat, to: impl Into<OwnedFd>) -> Target {
    Target { stream: Some(Arc::new(File::from(to.into()))), ..Target::new(format, "-") }
}

#[test]
fn sequential_formats_write_the_same_bytes_to_a_pipe_as_to_a_file() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let disk = opened(&source);
    for format in OutputFormat::ALL.into_iter().filter(|format| format.is_sequential()) {
        let file = dir.path().join("file");
        let by_file = try_convert(&*disk, &[Target::new(format, &file)], 2).unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (got, streamed) = thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).unwrap();
                bytes
            });
            let converted = try_convert(&*disk, &[streamed(format, writer)], 2).unwrap();
            (reading.join().unwrap(), converted)
        });
        assert!(got == std::fs::read(&file).unwrap(), "{format}");
        assert_eq!(streamed.outputs[0].sha256, by_file.outputs[0].sha256);
        assert_eq!(streamed.outputs[0].file_bytes, got.len() as u64);
    }
    assert_eq!(names(dir.path()), ["file", "file.sha256", "source.raw"], "a stream has no digest file");
}

#[test]
fn formats_that_need_a_file_refuse_a_stream() {
    let dir = folder();
    let disk = opened(&raw(&dir.path().join("source.raw"), MIB, &[]));
    for format in OutputFormat::ALL.into_iter().filter(|format| !format.is_sequential()) {
        let (_reader, writer) = std::io::pipe().unwrap();
        let error = try_convert(&*disk, &[streamed(format, writer)], 1).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported, "{format}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_conversion_and_takes_the_files_with_it() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let out = folder();
    let mut head = Command::new("head")
        .args(["-c", "100000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let targets = [
        streamed(OutputFormat::Raw, OwnedFd::from(head.stdin.take().unwrap())),
        Target::new(OutputFormat::RawGz, out.path().join("out.raw.gz")),
    ];
    let error = try_convert(&*opened(&source), &targets, 2).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Closed, "{error}");
    assert!(head.wait().unwrap().success());
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_reader_that_never_reads_cannot_hold_up_a_cancelled_conversion() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let (_reader, writer) = std::io::pipe().unwrap();
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            thread::park_timeout(Duration::from_millis(300));
            stop.store(true, Ordering::Relaxed);
        });
        let cancelled = || stop.load(Ordering::Relaxed);
        let options = ConvertOptions { threads: 2, needles: &[], progress: &|_| {}, cancelled: &cancelled };
        convert(&*opened(&source), &[streamed(OutputFormat::Raw, writer)], &options).unwrap_err()
    });
    assert_eq!(error.kind(), DiskErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
