//! `goldsmith convert` and `inspect` from outside, against qemu-img and the usual compressors.
use std::{
    fs,
    io::Read,
    os::unix::{fs::FileExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;

/// A folder with a disk in it.
struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    /// `disk.raw`: text, noise, written zeroes and holes.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let file = fs::File::create(root.path().join("disk.raw")).unwrap();
        file.set_len(48 * MIB).unwrap();
        file.write_all_at(&noise(1, MIB as usize), 3 * MIB).unwrap();
        let text: Vec<u8> =
            noise(2, 2 << 20).iter().map(|byte| b"etaoin shrdlu\n.,"[usize::from(byte & 15)]).collect();
        file.write_all_at(&text, 20 * MIB - 300).unwrap();
        file.write_all_at(&vec![0; MIB as usize], 40 * MIB).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
        command
            .args(arguments)
            .current_dir(self.root.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("LANG", "C.UTF-8");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must fail with `code`, say `words`, and change nothing in the folder.
    #[track_caller]
    fn bad(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let before = self.names();
        let output = self.run(arguments);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "no `{word}` in {said}");
        }
        assert_eq!(self.names(), before, "{arguments:?} left something");
    }

    #[track_caller]
    fn shell(&self, line: &str) -> String {
        let output = Command::new("bash")
            .args(["-o", "pipefail", "-c", line])
            .current_dir(self.root.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", err(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn same_as_disk(&self, name: &str, format: &str) {
        self.shell(&format!("qemu-img compare -f raw -F {format} disk.raw {name}"));
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Bytes that no compressor shrinks.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn one_call_writes_every_format_as_its_readers_expect_it() {
    let bench = Bench::new();
    let outputs = [
        "a.raw",
        "a.raw.gz",
        "a.raw.zst",
        "a.raw.xz",
        "a.raw.lz4",
        "a.qcow2",
        "a.vmdk",
        "a.ova",
        "a.vhd",
        "format=qcow2,compression=zstd,path=small.img",
    ];
    let mut arguments = vec!["convert", "disk.raw", "--sha512"];
    for output in outputs {
        arguments.extend(["-o", output]);
    }
    let listed = bench.good(&arguments);
    assert_eq!(listed.lines().collect::<Vec<_>>()[..9], outputs[..9], "scripts get the paths");
    for (name, format) in
        [("a.raw", "raw"), ("a.qcow2", "qcow2"), ("small.img", "qcow2"), ("a.vmdk", "vmdk"), ("a.vhd", "vpc")]
    {
        bench.same_as_disk(name, format);
    }
    bench.shell("qemu-img check -f qcow2 a.qcow2 && qemu-img check -f qcow2 small.img");
    for (name, unpack) in [
        ("a.raw.gz", "gzip -dc"),
        ("a.raw.zst", "zstd -dcq"),
        ("a.raw.xz", "xz -dc"),
        ("a.raw.lz4", "lz4 -dcq"),
    ] {
        bench.shell(&format!("{unpack} {name} | cmp disk.raw -"));
    }
    bench.shell("sha256sum --strict -c *.sha256 && sha512sum --strict -c *.sha512");
    assert_eq!(bench.names().len(), 1 + 10 * 3);
    // Every one of them is an input too, by its own look or as stated.
    for name in outputs[..9].iter().chain(&["small.img"]) {
        let output = bench.path("again.raw");
        bench.good(&["convert", name, "-o", "again.raw", "-q"]);
        bench.same_as_disk("again.raw", "raw");
        fs::remove_file(output).unwrap();
    }
}

#[test]
fn compressed_images_of_every_format_are_read() {
    let bench = Bench::new();
    bench.shell(
        "qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2 && qemu-img convert -f raw -O vpc -o force_size=on disk.raw disk.vhd",
    );
    for (tool, suffix) in [
        ("gzip -1", "gz"),
        ("xz -0", "xz"),
        ("zstd -q", "zst"),
        ("lz4 -q", "lz4"),
        ("lz4 -q -l", "lz4"),
        ("bzip2 -1", "bz2"),
    ] {
        for image in ["disk.raw", "disk.qcow2", "disk.vhd"] {
            bench.shell(&format!("{tool} -c < {image} > packed.{suffix}"));
            bench.good(&["convert", &format!("packed.{suffix}"), "-o", "out.qcow2"]);
            bench.same_as_disk("out.qcow2", "qcow2");
        }
        let told = format!("raw.{suffix}");
        bench.shell(&format!("{tool} -c < disk.raw > packed.{suffix}"));
        bench.good(&["convert", &format!("packed.{suffix}"), "--input-format", &told, "-o", "out.raw.gz"]);
        bench.shell("gzip -dc out.raw.gz | cmp disk.raw -");
    }
}

#[test]
fn pipes_go_in_and_out() {
    let bench = Bench::new();
    let binary = assert_cmd::cargo::cargo_bin("goldsmith");
    let binary = binary.display();
    bench.shell("gzip -1 -k disk.raw && qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2");
    for (source, options) in
        [("disk.raw", ""), ("disk.raw", "--input-format raw"), ("disk.raw.gz", ""), ("disk.qcow2", "")]
    {
        bench.shell(&format!(
            "cat {source} | {binary} convert - {options} -o - --format raw.zst | zstd -dcq | cmp disk.raw -"
        ));
        bench
            .shell(&format!("{binary} convert - {options} -o - --format raw -q < {source} | cmp disk.raw -"));
    }
    bench.shell(&format!("{binary} convert <(cat disk.raw.gz) -o piped.qcow2"));
    bench.same_as_disk("piped.qcow2", "qcow2");
    let names = bench.names();
    assert_eq!(names, ["disk.qcow2", "disk.raw", "disk.raw.gz", "piped.qcow2", "piped.qcow2.sha256"]);
}

#[test]
fn zeroes_of_a_compressed_disk_are_data_unless_the_user_says_otherwise() {
    let bench = Bench::new();
    bench.shell("gzip -1 -k disk.raw");
    let data = |arguments: &[&str]| {
        let lines = bench.good(&[&["convert", "--json", "disk.raw.gz", "-o", "x.qcow2"], arguments].concat());
        let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        bench.same_as_disk("x.qcow2", "qcow2");
        last["data_bytes"].as_u64().unwrap()
    };
    assert_eq!(data(&[]), 48 * MIB);
    assert!((3 * MIB..4 * MIB).contains(&data(&["--zeroes-are-holes"])));
    bench.bad(&["convert", "disk.raw", "-o", "y.raw", "--zeroes-are-holes"], 2, &["has a map"]);
}

#[test]
fn json_is_one_event_a_line_and_ends_with_what_was_made() {
    let bench = Bench::new();
    let lines = bench.good(&["convert", "--json", "disk.raw", "-o", "a.raw.gz", "-o", "a.qcow2"]);
    let events: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert!(named("progress") >= 1, "{lines}");
    assert_eq!((named("stage-started"), named("stage-finished"), named("artifact")), (1, 1, 2));
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["input_format"]), (&"converted".into(), &"raw".into()));
    assert_eq!(last["virtual_bytes"], 48 * MIB);
    for output in last["outputs"].as_array().unwrap() {
        let path = bench.path(output["path"].as_str().unwrap());
        assert_eq!(output["file_bytes"], fs::metadata(&path).unwrap().len());
        let digest = fs::read_to_string(format!("{}.sha256", path.display())).unwrap();
        assert!(digest.starts_with(output["sha256"].as_str().unwrap()));
    }
}

#[test]
fn the_result_is_the_same_for_any_number_of_threads() {
    let bench = Bench::new();
    let digests = |threads: &str| {
        bench.good(&[
            "convert",
            "disk.raw",
            "--threads",
            threads,
            "-o",
            "a.raw.gz",
            "-o",
            "a.qcow2",
            "-o",
            "a.raw.zst",
            "--level",
            "2",
        ]);
        bench.shell("cat *.sha256")
    };
    assert_eq!(digests("1"), digests("5"));
}

#[test]
fn mistakes_are_explained_before_anything_is_made() {
    let bench = Bench::new();
    bench.shell("qemu-img create -q -f vhdx x.vhdx 8M && mkdir sub && qemu-img create -q -f qcow2 -b ../disk.raw -F raw sub/top.qcow2");
    for (arguments, code, words) in [
        (&["convert", "nowhere.raw", "-o", "x.raw"][..], 2, &["nowhere.raw", "No such file"][..]),
        (&["convert", "disk.raw", "-o", "disk.raw"], 2, &["also the input", "hint: "]),
        (&["convert", "disk.raw", "-o", "./sub/../disk.raw"], 2, &["also the input"]),
        (&["convert", "disk.raw", "-o", "a.raw", "-o", "a.raw"], 2, &["another output"]),
        (&["convert", "disk.raw", "-o", "x.iso"], 2, &["`x.iso` is not said", "--format FORMAT", "raw.gz"]),
        (&["convert", "disk.raw", "-o", "-"], 2, &["the format of stdout"]),
        (&["convert", "disk.raw", "-o", "-", "--format", "qcow2"], 2, &["front to end"]),
        (&["convert", "disk.raw", "-o", "-", "--format", "raw", "--json"], 2, &["--json"]),
        (&["convert", "disk.raw", "-o", "x.raw", "--level", "3"], 2, &["no output has a compression level"]),
        (&["convert", "disk.raw", "-o", "x.raw.gz", "--level", "99"], 1, &["level 99"]),
        (&["convert", "disk.raw", "-o", "none/x.raw"], 2, &["none/x.raw"]),
        (&["convert", "disk.raw", "--disk", "2", "-o", "x.raw"], 2, &["--disk 2"]),
        (&["convert", "x.vhdx", "-o", "x.raw"], 1, &["vhdx", "qemu-img convert"]),
        (&["convert", "sub/top.qcow2", "-o", "x.raw"], 2, &["outside", "--allow-backing-outside"]),
        (&["convert", "disk.raw", "--input-format", "qcow2", "-o", "x.raw"], 1, &["not a qcow2 image"]),
    ] {
        bench.bad(arguments, code, words);
    }
    bench.good(&["convert", "sub/top.qcow2", "--allow-backing-outside", "-o", "x.raw"]);
    bench.same_as_disk("x.raw", "raw");
}

#[test]
fn a_disk_said_to_be_raw_is_never_looked_into() {
    let bench = Bench::new();
    bench.shell("qemu-img create -q -f qcow2 -b /etc/passwd -F raw trap.raw 1M");
    bench.bad(&["convert", "trap.raw", "-o", "x.raw"], 2, &["/etc/passwd", "outside"]);
    bench.good(&["convert", "trap.raw", "--input-format", "raw", "-o", "x.raw"]);
    bench.shell("cmp trap.raw <(head -c $(stat -c %s trap.raw) x.raw)");
}

#[test]
fn corrupt_and_cut_off_sources_leave_nothing() {
    let bench = Bench::new();
    bench.shell("qemu-img convert -f raw -O qcow2 -c disk.raw disk.qcow2 && for t in gzip 'lz4 -q' 'zstd -q' 'xz -0' bzip2; do $t -c < disk.raw > full.${t%% *}; done");
    for name in ["disk.qcow2", "full.gzip", "full.lz4", "full.zstd", "full.xz", "full.bzip2"] {
        let bytes = fs::read(bench.path(name)).unwrap();
        fs::write(bench.path("broken"), &bytes[..bytes.len() * 2 / 3]).unwrap();
        for output in ["x.raw.gz", "x.qcow2"] {
            bench.bad(&["convert", "broken", "-o", output, "-o", "y.raw"], 1, &["broken"]);
        }
    }
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let bench = Bench::new();
    bench.shell("truncate -s 2G zeroes && gzip -9 zeroes");
    bench.bad(
        &["convert", "zeroes.gz", "-o", "x.qcow2", "--max-unpacked", "64MiB"],
        2,
        &["unpacks to more", "--max-unpacked"],
    );
}

/// A source that takes long: noise, which is compressed at the highest level.
fn slow(bench: &Bench, output: &[&str]) -> std::process::Child {
    let file = fs::File::create(bench.path("slow.raw")).unwrap();
    for part in 0..12 {
        file.write_all_at(&noise(part + 7, 32 << 20), part * (32 << 20)).unwrap();
    }
    let mut arguments = vec!["convert", "slow.raw", "--level", "12", "--threads", "1"];
    arguments.extend(output);
    bench
        .command(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[allow(clippy::disallowed_methods, reason = "waits for another process, for a minute at most")]
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interruption_leaves_nothing_and_ends_with_130() {
    for signal in ["INT", "TERM"] {
        let bench = Bench::new();
        let mut child = slow(&bench, &["-o", "x.raw.gz", "-o", "x.qcow2", "-o", "x.vmdk"]);
        wait_for("writing", || bench.names().iter().any(|name| name.ends_with(".partial")));
        bench.shell(&format!("kill -{signal} {}", child.id()));
        let status = child.wait().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(130), "{status:?} {said}");
        assert!(said.contains("interrupted"), "{said}");
        assert_eq!(bench.names(), ["disk.raw", "slow.raw"]);
    }
}

#[test]
fn an_interruption_while_a_pipe_is_silent_ends_at_once() {
    let bench = Bench::new();
    let mut child = bench
        .command(&["convert", "-", "--input-format", "qcow2", "-o", "x.raw"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Waiting for the child would close its stdin.
    let _silent = child.stdin.take();
    // Until its signal handlers are there, the signal ends the process by itself.
    let handled = format!("/proc/{}/status", child.id());
    wait_for("signal handling", || {
        let status = fs::read_to_string(&handled).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&mask, 16).unwrap() & 2 != 0
    });
    bench.shell(&format!("kill -INT {}", child.id()));
    let begun = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(bench.names(), ["disk.raw"]);
}

#[test]
fn a_kill_leaves_no_unpacked_disk() {
    let bench = Bench::new();
    bench.shell("mkdir temp && qemu-img convert -f raw -O qcow2 disk.raw d.qcow2 && gzip d.qcow2");
    let mut child = bench
        .command(&["convert", "-", "--temp-dir", "temp", "-o", "x.raw"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let packed = fs::read(bench.path("d.qcow2.gz")).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &packed[..packed.len() / 2]).unwrap();
    let open = format!("/proc/{}/fd", child.id());
    wait_for("unpacking", || {
        fs::read_dir(&open).unwrap().filter_map(Result::ok).any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|target| target.to_string_lossy().contains("/temp/"))
        })
    });
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(fs::read_dir(bench.path("temp")).unwrap().count(), 0);
    assert_eq!(bench.names(), ["d.qcow2.gz", "disk.raw", "temp"]);
}

#[test]
fn a_reader_that_goes_away_is_an_error_and_leaves_nothing() {
    let bench = Bench::new();
    let binary = assert_cmd::cargo::cargo_bin("goldsmith");
    let line = format!(
        "{} convert disk.raw -o - --format raw -o x.qcow2 2>said | head -c 1000 > /dev/null; echo ${{PIPESTATUS[0]}}",
        binary.display()
    );
    assert_eq!(bench.shell(&line).trim(), "1");
    let said = fs::read_to_string(bench.path("said")).unwrap();
    assert!(said.contains("Broken pipe"), "{said}");
    assert_eq!(bench.names(), ["disk.raw", "said"]);
}

/// Root's tests mount a small file system; others cannot.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Unmounts when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success(), "mount");
        Self(path)
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).unwrap().count() == 0
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_file_system_is_said_and_left_empty() {
    if !is_root() {
        eprintln!("not run: a tmpfs can only be mounted by root");
        return;
    }
    let bench = Bench::new();
    bench.shell("qemu-img convert -f raw -O qcow2 disk.raw d.qcow2 && gzip d.qcow2");
    let small = Small::mount(bench.path("small"));
    for format in ["raw", "raw.gz", "qcow2", "vmdk", "vhd"] {
        let output = format!("small/x.{format}");
        // Beside an output that has room: both go.
        bench.bad(
            &["convert", "disk.raw", "-o", &output, "-o", "y.qcow2"],
            1,
            &["No space left", "hint: free space"],
        );
        assert!(small.is_empty(), "{format}");
    }
    bench.bad(
        &["convert", "d.qcow2.gz", "--temp-dir", "small", "-o", "y.raw"],
        1,
        &["temporary file", "--temp-dir"],
    );
    assert!(small.is_empty());
    bench.good(&["convert", "d.qcow2.gz", "-o", "y.raw"]);
}

#[test]
fn a_target_that_may_not_be_written_is_said() {
    let bench = Bench::new();
    // Not even root writes here.
    bench.bad(&["convert", "disk.raw", "-o", "/proc/x.raw", "-o", "y.raw"], 2, &["/proc/x.raw"]);
    fs::create_dir(bench.path("closed")).unwrap();
    if is_root() {
        bench.shell("mount -t tmpfs -o ro tmpfs closed");
        let _undo = Small(bench.path("closed"));
        bench.bad(&["convert", "disk.raw", "-o", "closed/x.raw"], 1, &["Read-only file system"]);
    } else {
        bench.shell("chmod 555 closed");
        bench.bad(&["convert", "disk.raw", "-o", "closed/x.raw"], 1, &["Permission denied"]);
    }
}

#[test]
fn an_older_output_stays_until_the_new_one_is_complete() {
    let bench = Bench::new();
    fs::write(bench.path("x.raw"), "older").unwrap();
    fs::write(bench.path("broken.gz"), [&b"\x1f\x8b\x08"[..], &noise(1, 4000)].concat()).unwrap();
    bench.bad(&["convert", "broken.gz", "-o", "x.raw"], 1, &["broken.gz"]);
    assert_eq!(fs::read_to_string(bench.path("x.raw")).unwrap(), "older");
    bench.good(&["convert", "disk.raw", "-o", "x.raw"]);
    bench.same_as_disk("x.raw", "raw");
}

#[test]
fn an_inspection_says_what_an_image_is_and_what_is_on_it() {
    let bench = Bench::new();
    bench.shell(
        "mkdir -p root/etc && printf 'ID=debian\\nVERSION_ID=\"12\"\\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\\n' > root/etc/os-release
         truncate -s 64M part.raw && mke2fs -q -t ext4 -d root part.raw
         truncate -s 80M gpt.raw && printf 'label: gpt\\n,4M,U,\\n,64M,L\\n' | sfdisk -q gpt.raw
         dd if=part.raw of=gpt.raw bs=1M seek=5 conv=notrunc,sparse status=none
         qemu-img convert -f raw -O qcow2 gpt.raw base.qcow2
         qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2 100M
         gzip -k top.qcow2; lz4 -q gpt.raw gpt.raw.lz4; qemu-img convert -f raw -O vpc -o force_size=on gpt.raw gpt.vhd",
    );
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_str(&bench.good(&["inspect", "--json", name])).unwrap()
    };
    let top = json("top.qcow2");
    assert_eq!(top["virtual_bytes"], 100 * MIB);
    assert_eq!(top["data_bytes"].as_u64().unwrap() + top["hole_bytes"].as_u64().unwrap(), 100 * MIB);
    assert_eq!(
        (&top["layers"][0]["format"], &top["layers"][1]["virtual_bytes"]),
        (&"qcow2".into(), &(80 * MIB).into())
    );
    assert_eq!(top["layers"][0]["facts"]["backing_file"], "base.qcow2");
    for (name, packing) in
        [("top.qcow2", None), ("gpt.raw", None), ("gpt.raw.lz4", Some("lz4")), ("gpt.vhd", None)]
    {
        let found = json(name);
        assert_eq!(found["packing"].as_str(), packing, "{name}");
        assert_eq!(found["partition_table"], "gpt", "{name}");
        assert_eq!(found["partitions"][0]["purpose"], "EFI system");
        assert_eq!(found["partitions"][1]["file_system"], "ext4");
        assert_eq!(found["partitions"][1]["offset"], 5 * MIB);
        assert_eq!((&found["os"]["id"], &found["os"]["version"]), (&"debian".into(), &"12".into()), "{name}");
    }
    let text = bench.good(&["inspect", "top.qcow2"]);
    for part in
        ["qcow2, version 3", "backing", "100 MiB virtual", "gpt", "ext4", "Debian GNU/Linux 12 (bookworm)"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    // A backing file of a compressed image would be anyone's.
    bench.bad(&["inspect", "top.qcow2.gz"], 2, &["base.qcow2"]);
    let plain = json("disk.raw");
    assert_eq!(
        (&plain["partition_table"], &plain["os"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    bench.bad(&["inspect", "nowhere"], 2, &["nowhere"]);
}

#[test]
fn an_ova_is_inspected_and_its_disk_converted() {
    let bench = Bench::new();
    bench.good(&["convert", "disk.raw", "-o", "machine.ova"]);
    let found: serde_json::Value =
        serde_json::from_str(&bench.good(&["inspect", "--json", "machine.ova"])).unwrap();
    assert_eq!(found["layers"][0]["format"], "ova");
    // One layer: what is in an archive has no file of its own.
    assert_eq!(found["layers"].as_array().unwrap().len(), 1);
    assert_eq!(found["layers"][0]["facts"]["machine"], "machine");
    assert_eq!(found["layers"][0]["facts"]["disk"], "machine-disk1.vmdk");
    bench.good(&["convert", "machine.ova", "--disk", "1", "-o", "out.raw"]);
    bench.same_as_disk("out.raw", "raw");
    bench.bad(&["convert", "machine.ova", "--disk", "2", "-o", "x.raw"], 1, &["no disk 2", "--disk N"]);
    assert!(Path::new(&bench.path("machine.ova.sha256")).exists());
}
