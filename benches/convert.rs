//! Converts a disk to each format and to all at once, and prints medians of three runs.
//!
//! `cargo bench --bench convert [IMAGE [THREADS]]`; without an image it makes one of 8 GiB with 512 MiB of data out of
//! the files of /usr, in the folder for temporary files.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goldsmith::disk::{ConvertOptions, Needle, OpenOptions, OutputFormat, Target, convert, open};

const RUNS: usize = 3;
const DISK: u64 = 8 << 30;
const DATA: u64 = 512 << 20;

fn main() {
    // `cargo bench` adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let folder = tempfile::tempdir().unwrap();
    let image = arguments.next().map_or_else(|| make(folder.path()), PathBuf::from);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.next().map_or(cores, |argument| argument.parse().unwrap());
    let out = folder.path();
    let target = |name: &str, format, level| {
        let mut target = Target::new(format, out.join(name));
        target.level = level;
        target
    };
    let gz = |level| target("x.raw.gz", OutputFormat::RawGz, level);
    let qcow2 = |level| target("x.qcow2", OutputFormat::Qcow2, level);
    let raw = || target("x.raw", OutputFormat::Raw, None);
    let cases: [(&str, Vec<Target>); 8] = [
        ("secrets only", vec![]),
        ("raw", vec![raw()]),
        ("qcow2", vec![qcow2(None)]),
        ("qcow2 level 6", vec![qcow2(Some(6))]),
        ("raw.gz level 1", vec![gz(Some(1))]),
        ("raw.gz level 6", vec![gz(None)]),
        ("raw.gz level 9", vec![gz(Some(9))]),
        ("raw + raw.gz + qcow2 level 6", vec![raw(), gz(None), qcow2(Some(6))]),
    ];
    let needles = [Needle { name: "absent".to_owned(), bytes: b"no such secret on this disk".to_vec() }];
    let disk = open(&image, None, &OpenOptions::default()).unwrap();
    println!("{} with {threads} threads", image.display());
    for (name, targets) in cases {
        let options = ConvertOptions {
            threads,
            needles: if targets.is_empty() { &needles } else { &[] },
            progress: &|_| {},
            cancelled: &|| false,
        };
        let mut times: Vec<Duration> = Vec::new();
        let mut result = None;
        for _ in 0..RUNS {
            let start = Instant::now();
            result = Some(convert(&*disk, &targets, &options).unwrap());
            times.push(start.elapsed());
        }
        times.sort();
        let converted = result.unwrap();
        let seconds = times[RUNS / 2].as_secs_f64();
        let rate = converted.data_bytes as f64 / seconds / 1e6;
        let bytes: u64 = converted.outputs.iter().map(|written| written.allocated_bytes).sum();
        println!(
            "{name:30} {seconds:7.2} s {rate:7.0} MB/s of data {:9.1} MiB out",
            bytes as f64 / 1_048_576.0
        );
    }
}

/// Every 8 MiB of files are followed by a hole.
fn make(folder: &Path) -> PathBuf {
    let path = folder.join("source.raw");
    let file = File::create(&path).unwrap();
    file.set_len(DISK).unwrap();
    let mut written = 0;
    let mut todo = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/bin")];
    while let Some(next) = todo.pop() {
        let mut entries: Vec<_> = fs::read_dir(next).unwrap().map(|entry| entry.unwrap()).collect();
        entries.sort_by_key(|entry| entry.path());
        for entry in entries {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                todo.push(entry.path());
            } else if kind.is_file()
                && written < DATA
                && let Ok(bytes) = fs::read(entry.path())
            {
                for block in bytes.chunks(4096) {
                    file.write_all_at(block, written / (8 << 20) * (128 << 20) + written % (8 << 20))
                        .unwrap();
                    written += 4096;
                }
            }
        }
    }
    path
}
