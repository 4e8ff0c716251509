//! Sources that are read once: compressed files and pipes, straight to the outputs or by way of a temporary file.
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::AtomicBool;

use super::*;

const NEVER: Cancelled<'static> = &|| false;
const NO_LIMIT: u64 = u64::MAX;

fn options(stated: &str) -> InputOptions {
    InputOptions { stated: Some(stated.parse().unwrap()), ..InputOptions::default() }
}

/// Packs `source` with `command`, to a file of that name with `suffix`.
fn packed(source: &Path, command: &str, suffix: &str) -> PathBuf {
    let packed = PathBuf::from(format!("{}.{suffix}", text(source)));
    run("sh", &["-c", &format!("{command} < {} > {}", text(source), text(&packed))]);
    packed
}

fn stream<'a>(input: Input<'a>) -> RawStream<'a> {
    match input {
        Input::Stream(stream) => stream,
        Input::Disk(disk) => panic!("read in place: {disk:?}"),
    }
}

fn through(stream: &mut RawStream<'_>, targets: &[Target]) -> Result<Converted, DiskError> {
    let options = ConvertOptions { threads: 2, needles: &[], progress: &|_| {}, cancelled: NEVER };
    convert_stream(stream, targets, &options)
}

/// A pipe that `bytes` come through.
fn pipe(bytes: Vec<u8>) -> (File, std::thread::JoinHandle<()>) {
    let (read, write) = nix::unistd::pipe().unwrap();
    let writer = std::thread::spawn(move || {
        // Whoever reads may stop early.
        let _ = File::from(write).write_all(&bytes);
    });
    (File::from(read), writer)
}

#[test]
fn compressed_raw_disks_go_straight_to_the_outputs() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    for (command, suffix) in
        [("gzip -1", "gz"), ("xz -0", "xz"), ("zstd -q -1", "zst"), ("lz4 -q", "lz4"), ("bzip2 -1", "bz2")]
    {
        let packed = packed(&source, command, suffix);
        let mut stream = stream(Input::open(&packed, &InputOptions::default(), NEVER).unwrap());
        assert_eq!((stream.format(), stream.name()), (Format::Raw, packed.as_path()));
        let out = folder();
        let targets = [
            target(OutputFormat::Raw, &out.path().join("x.raw"), None),
            target(OutputFormat::RawGz, &out.path().join("x.raw.gz"), None),
        ];
        let converted = through(&mut stream, &targets).unwrap();
        assert_eq!(stream.input_bytes(), fs::metadata(&packed).unwrap().len());
        // Without a map every byte is data.
        assert_eq!(converted.data_bytes, fs::metadata(&source).unwrap().len());
        run("cmp", &[text(&source), text(&out.path().join("x.raw"))]);
        run("sh", &["-c", &format!("gzip -dc {0}.gz | cmp {0} -", text(&out.path().join("x.raw")))]);
        run("sh", &["-c", &format!("cd {} && sha256sum -c x.raw.sha256 x.raw.gz.sha256", text(out.path()))]);
    }
}

#[test]
fn zeroes_without_a_map_are_data_unless_the_user_says_otherwise() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 64 * MIB, &[(8 * MIB + 4096, prose(1, 4096))]);
    let packed = packed(&source, "gzip -1", "gz");
    for (zeroes, data) in [(Zeroes::Data, 64 * MIB), (Zeroes::Holes, 4096)] {
        let options = InputOptions { zeroes, ..InputOptions::default() };
        let out = dir.path().join("out.raw");
        let mut stream = stream(Input::open(&packed, &options, NEVER).unwrap());
        let converted = through(&mut stream, &[target(OutputFormat::Raw, &out, None)]).unwrap();
        assert_eq!(converted.data_bytes, data);
        run("cmp", &[text(&source), text(&out)]);
        assert_eq!(fs::metadata(&out).unwrap().blocks() * 512 >= 64 * MIB, zeroes == Zeroes::Data);
        // By way of a temporary file, which is sparse in either case.
        let disk =
            Input::open(&packed, &options, NEVER).unwrap().into_disk(dir.path(), NO_LIMIT, &|_| {}).unwrap();
        assert!(content(&*disk) == fs::read(&source).unwrap());
        let mapped: u64 = holes(&*disk).iter().map(|(from, to)| to - from).sum();
        assert_eq!(64 * MIB - mapped, data);
    }
}

#[test]
fn tiny_and_odd_streams_are_padded_to_whole_sectors() {
    let dir = folder();
    for len in [0, 1, 511, 512, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 700] {
        let source = raw(&dir.path().join("source.raw"), 0, &[(0, noise(1, len))]);
        let packed = packed(&source, "gzip -1", "gz");
        let (out, gz) = (dir.path().join("out.raw"), dir.path().join("out.raw.gz"));
        let mut stream = stream(Input::open(&packed, &InputOptions::default(), NEVER).unwrap());
        let targets = [target(OutputFormat::Raw, &out, None), target(OutputFormat::RawGz, &gz, None)];
        let converted = through(&mut stream, &targets).unwrap();
        let mut expected = noise(1, len);
        expected.resize(len.next_multiple_of(512), 0);
        assert!(fs::read(&out).unwrap() == expected, "{len}");
        assert_eq!(converted.outputs[0].virtual_bytes, expected.len() as u64);
        run("gzip", &["-t", text(&gz)]);
        run("sh", &["-c", &format!("gzip -dc {} | cmp {} -", text(&gz), text(&out))]);
    }
}

#[test]
fn images_that_need_random_access_are_unpacked_to_a_file_without_a_name() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let expected = fs::read(&source).unwrap();
    let image = dir.path().join("x.qcow2");
    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", text(&source), text(&image)]);
    let before = holes(&*opened(&image));
    for (command, suffix) in [("gzip -1", "gz"), ("lz4 -q", "lz4")] {
        let packed = packed(&image, command, suffix);
        let work = folder();
        let input = Input::open(&packed, &InputOptions::default(), NEVER).unwrap();
        let last = std::cell::Cell::new(Progress { done: 0, total: 0 });
        let disk = input.into_disk(work.path(), NO_LIMIT, &|now| last.set(now)).unwrap();
        assert_eq!(
            (last.get().done, last.get().total),
            (last.get().total, fs::metadata(&packed).unwrap().len())
        );
        assert_eq!(names(work.path()), [""; 0]);
        assert_eq!(content(&*disk).len(), disk.size() as usize);
        assert!(content(&*disk)[..expected.len()] == expected);
        assert_eq!(holes(&*disk), before, "a qcow2 keeps its map");
        assert_eq!(disk.files(), [packed]);
    }
}

#[test]
fn what_unpacks_to_more_than_allowed_is_refused() {
    let dir = folder();
    let source = raw(&dir.path().join("bomb.raw"), 300 * MIB, &[]);
    let packed = packed(&source, "gzip -9", "gz");
    let input = Input::open(&packed, &InputOptions::default(), NEVER).unwrap();
    let error = input.into_disk(dir.path(), 100 * MIB, &|_| {}).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Refused);
    assert_eq!(names(dir.path()), ["bomb.raw", "bomb.raw.gz"]);
}

#[test]
fn pipes_are_read_as_files_are() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let expected = fs::read(&source).unwrap();
    let name = Path::new("-");
    let qcow2 = dir.path().join("x.qcow2");
    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", text(&source), text(&qcow2)]);
    let gz = packed(&source, "gzip -1", "gz");
    for (file, stated) in
        [(&source, None), (&source, Some("raw")), (&gz, None), (&gz, Some("raw.gz")), (&qcow2, None)]
    {
        let options = stated.map_or_else(InputOptions::default, options);
        let (end, writer) = pipe(fs::read(file).unwrap());
        let input = Input::from_pipe(end, name, &options, NEVER).unwrap();
        let disk = input.into_disk(dir.path(), NO_LIMIT, &|_| {}).unwrap();
        assert!(content(&*disk)[..expected.len()] == expected, "{file:?} {stated:?}");
        writer.join().unwrap();
    }
    // A regular file is not read into another one.
    let input = Input::from_pipe(File::open(&qcow2).unwrap(), name, &InputOptions::default(), NEVER).unwrap();
    let Input::Disk(disk) = input else { panic!("copied: {input:?}") };
    assert_eq!(holes(&*disk), holes(&*opened(&qcow2)));
}

#[test]
fn what_is_said_to_be_raw_is_never_looked_into() {
    let dir = folder();
    let image = dir.path().join("trap.raw");
    qcow2::create_overlay(&image, Path::new("/etc/passwd"), Format::Raw, MIB).unwrap();
    let bytes = fs::read(&image).unwrap();
    let packed = packed(&image, "gzip -1", "gz");
    // Detected, it is a qcow2 with a backing file that is refused.
    let work = folder();
    let into_disk = |options: &InputOptions| {
        Input::open(&packed, options, NEVER).unwrap().into_disk(work.path(), NO_LIMIT, &|_| {})
    };
    assert_eq!(into_disk(&InputOptions::default()).unwrap_err().kind(), DiskErrorKind::Refused);
    let disk = into_disk(&options("raw.gz")).unwrap();
    assert!(content(&*disk)[..bytes.len()] == bytes);
    // A compressed file that is said to be raw is not unpacked either.
    let Input::Disk(disk) = Input::open(&packed, &options("raw"), NEVER).unwrap() else { panic!() };
    assert_eq!(disk.size(), fs::metadata(&packed).unwrap().len().next_multiple_of(512));
    let (end, writer) = pipe(fs::read(&packed).unwrap());
    let piped = stream(Input::from_pipe(end, Path::new("-"), &options("raw"), NEVER).unwrap());
    assert_eq!((piped.format(), piped.packing()), (Format::Raw, None));
    drop(piped);
    writer.join().unwrap();
}

#[test]
fn streams_that_are_cut_off_or_corrupt_leave_no_output() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 8 * MIB, &[(0, prose(1, 6 << 20))]);
    for (command, suffix) in
        [("gzip -1", "gz"), ("xz -0", "xz"), ("zstd -q -1", "zst"), ("lz4 -q", "lz4"), ("bzip2", "bz2")]
    {
        let packed = packed(&source, command, suffix);
        let good = fs::read(&packed).unwrap();
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle..middle + 16].fill(0xa5);
        for bad in [&good[..good.len() - 5], &good[..middle], &flipped] {
            fs::write(&packed, bad).unwrap();
            let out = folder();
            let targets = [target(OutputFormat::RawGz, &out.path().join("x"), None)];
            let error = Input::open(&packed, &InputOptions::default(), NEVER)
                .and_then(|input| through(&mut stream(input), &targets))
                .unwrap_err();
            assert_eq!(error.kind(), DiskErrorKind::Corrupt, "{command}: {error:?}");
            assert_eq!(names(out.path()), [""; 0]);
        }
    }
}

#[test]
fn an_output_that_is_the_compressed_input_is_refused() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), MIB, &[]);
    let packed = packed(&source, "gzip -1", "gz");
    let mut stream = stream(Input::open(&packed, &InputOptions::default(), NEVER).unwrap());
    let error = through(&mut stream, &[target(OutputFormat::RawGz, &packed, None)]).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Refused);
    let error =
        through(&mut stream, &[target(OutputFormat::Qcow2, &dir.path().join("x"), None)]).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Unsupported);
}

#[test]
fn someone_who_waits_for_a_silent_pipe_can_be_stopped() {
    let (read, write) = nix::unistd::pipe().unwrap();
    let stop = AtomicBool::new(false);
    let cancelled = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let input = Input::from_pipe(File::from(read), Path::new("-"), &options("raw"), &cancelled);
            input.map(|_| ()).unwrap_err()
        });
        std::thread::sleep(std::time::Duration::from_millis(150));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(waiting.join().unwrap().kind(), DiskErrorKind::Cancelled);
    });
    drop(write);
}

#[test]
fn what_is_compressed_twice_or_foreign_is_named() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), MIB, &[(0, noise(1, 5000))]);
    let twice = packed(&packed(&source, "gzip -1", "gz"), "xz -0", "xz");
    let error = Input::open(&twice, &InputOptions::default(), NEVER).unwrap_err();
    assert_eq!(error.kind(), DiskErrorKind::Unsupported);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("gzip"), "{why}");
    for (format, word) in [("vhdx", "qemu-img convert"), ("vdi", "qemu-img convert")] {
        let image = dir.path().join(format);
        run("qemu-img", &["create", "-q", "-f", format, text(&image), "8M"]);
        let error = Input::open(&image, &InputOptions::default(), NEVER).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported);
        assert!(error.to_string().contains(format) && error.to_string().contains(word), "{error}");
    }
}
