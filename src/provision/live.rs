//! The whole way through a real guest: seed, connect, settle, facts, steps, seal; then the sealed disk's files; then a
//! boot of it with a fresh seed and all checks. Takes minutes under emulation, hence ignored by default:
//!
//! ```text
//! GOLDSMITH_TEST_BASE=debian-12.qcow2 cargo test --lib provision::live -- --ignored --nocapture
//! ```
//!
//! The base is a Debian with cloud-init that boots from a virtio disk. QEMU is driven by hand here: this module must not
//! know the drivers.
use super::{EntryKind, ImageView, Secrets, checks, general_checks, hygiene, run, run_checks, seal};
use crate::{
    cx::{BuildId, Check, Cx, Event, Events, Header, Journal, Record, Sink, Stop, UndoLog},
    guest::{BuildKeys, Facts, Guest, connect},
    plan::{
        Accelerator, BootstrapPlan, Content, FileStep, Firmware, GuestPlan, MachinePlan, Mirror, PackageStep,
        Plan, RebootStep, SealPlan, SecretSource, ServiceState, ServiceStep, ShellStep, SourcePlan, Step,
        StepKind, UserStep, VerifyPlan,
    },
    seed::{SeedSpec, write_nocloud},
    value::{Arch, HumanDuration, Size},
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Prints events as they come, for `--nocapture`.
struct Printer(Instant);

impl Sink for Printer {
    fn take(&self, record: &Record) {
        let line = match &record.event {
            Event::Output { source, line, .. } => format!("  {source} | {line}"),
            Event::Waiting { what, seen, .. } => format!("  … {what}: {}", crate::cx::Sight::line(seen)),
            other => serde_json::to_string(other).unwrap(),
        };
        eprintln!("{:6.1} {line}", self.0.elapsed().as_secs_f64());
    }
}

fn printing_cx() -> Cx {
    let root = tempfile::tempdir().unwrap().keep();
    let id = BuildId::random();
    let header = Header {
        build: id.clone(),
        name: "live".into(),
        definition: "live.toml".into(),
        created: jiff::Timestamp::now(),
        pid: std::process::id(),
    };
    let journal = Journal::create(&root.join("journal"), &header).unwrap();
    let events = Events::new(id.clone(), "live", vec![Arc::new(Printer(Instant::now()))]);
    Cx::new(id, root.join("work"), root.join("logs"), events, Stop::default(), UndoLog::new(journal))
}

/// A QEMU of our own; the plug is pulled when it goes out of scope.
struct Qemu {
    child: Child,
    addr: SocketAddr,
}

impl Qemu {
    fn start(folder: &Path, disk: &Path, seed: &Path, efi: bool, name: &str) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,-svm", "-smp", "2", "-m", "1024"])
            .args(["-machine", "q35", "-display", "none", "-nodefaults", "-monitor", "stdio"])
            .arg("-drive")
            .arg(format!("file={},if=virtio,format=qcow2,discard=unmap,cache=unsafe", disk.display()))
            .arg("-drive")
            .arg(format!("file={},if=virtio,format=raw,readonly=on", seed.display()))
            .args(["-device", "virtio-net-pci,netdev=n", "-netdev"])
            .arg(format!("user,id=n,hostfwd=tcp:127.0.0.1:{}-:22", addr.port()))
            .arg("-serial")
            .arg(format!("file:{}", folder.join(format!("{name}.serial")).display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        if efi {
            let vars = folder.join(format!("{name}.vars"));
            std::fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &vars).unwrap();
            command
                .args(["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"])
                .arg("-drive")
                .arg(format!("if=pflash,format=raw,file={}", vars.display()));
        }
        Self { child: command.spawn().unwrap(), addr }
    }

    /// Presses the power button and waits until it is off.
    async fn shut_down(mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"system_powerdown\n").unwrap();
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(180), "the guest does not power off");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _off_already = self.child.kill();
        let _off_already = self.child.wait();
    }
}

fn overlay(base: &Path, base_format: &str, path: &Path, size: Option<&str>) {
    let mut command = Command::new("qemu-img");
    // A discard reaches whole clusters only. With clusters as small as the file system's blocks, nothing that the guest
    // freed survives in the gaps between what it kept.
    command
        .args(["create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", "-F", base_format, "-b"])
        .arg(base)
        .arg(path);
    command.args(size);
    assert!(command.status().unwrap().success());
}

fn step(label: &str, kind: StepKind) -> Step {
    Step {
        label: label.into(),
        kind,
        timeout: HumanDuration::seconds(900),
        retries: 1,
        at: "live.toml:1".into(),
    }
}

fn file(dest: &str, content: Content, mode: u32) -> StepKind {
    let (owner, group) = ("root".to_owned(), "root".to_owned());
    StepKind::File(FileStep { dest: dest.into(), content, mode, owner, group })
}

fn shell(script: &str) -> ShellStep {
    ShellStep { script: script.into(), env: BTreeMap::new(), user: None, creates: None, exit_codes: vec![0] }
}

/// One step of every kind, and what the seal has to find afterwards.
fn steps(local: &Path) -> Vec<Step> {
    let user = UserStep {
        name: "ops".into(),
        absent: false,
        uid: Some(2001),
        groups: vec!["adm".into(), "golden".into()],
        shell: Some("/bin/bash".into()),
        system: false,
        sudo: true,
        authorized_keys: vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxx ops@example.org".into()],
    };
    let once = ShellStep {
        creates: Some("/opt/made/marker".into()),
        ..shell("mkdir -p /opt/made; : >/opt/made/marker")
    };
    let with_env = ShellStep {
        env: BTreeMap::from([("TOKEN".to_owned(), "${secret.token}".to_owned())]),
        ..shell("echo \"the token is $TOKEN\"; printf %s \"$TOKEN\" | wc -c")
    };
    let package = PackageStep { install: vec!["jq".into()], ..PackageStep::default() };
    let remove = PackageStep { remove: vec!["nano".into()], ..PackageStep::default() };
    let unit = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    let service = ServiceStep {
        name: "golden".into(),
        enabled: Some(true),
        masked: None,
        state: Some(ServiceState::Restarted),
    };
    let timer = ServiceStep {
        name: "apt-daily-upgrade.timer".into(),
        enabled: Some(true),
        masked: None,
        state: None,
    };
    vec![
        step("motd", file("/etc/motd", Content::Text("golden\n".into()), 0o644)),
        step("a big file", file("/opt/big file", Content::Path(local.to_owned()), 0o600)),
        step("a secret file", file("/etc/app.conf", Content::Text("token=${secret.token}\n".into()), 0o640)),
        step("a unit", file("/etc/systemd/system/golden.service", Content::Text(unit.into()), 0o644)),
        step("install jq", StepKind::Package(package)),
        step("remove nano", StepKind::Package(remove)),
        step("service golden", StepKind::Service(service)),
        step("a masked timer", StepKind::Service(timer)),
        step("user ops", StepKind::User(user)),
        step("marker", StepKind::Shell(once)),
        step("use the token", StepKind::Shell(with_env)),
        step(
            "as ops",
            StepKind::Shell(ShellStep {
                user: Some("ops".into()),
                ..shell("id -un; sudo -n true; pwd; echo x >>~/.bash_history")
            }),
        ),
        step("restart", StepKind::Reboot(RebootStep {})),
        step("after the restart", StepKind::Shell(shell("uptime; test -e /opt/made/marker"))),
    ]
}

pub(super) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        name: "live".into(),
        arch: Arch::X86_64,
        definition: "/live.toml".into(),
        source: SourcePlan::Bootstrap(BootstrapPlan {
            suite: "bookworm".into(),
            mirror: Mirror::Host,
            components: vec![],
            packages: vec![],
            kernel: String::new(),
            cmdline: String::new(),
            initramfs_modules: vec![],
            partitions: vec![],
            esp: Size::mib(64),
        }),
        machine: MachinePlan {
            uri: String::new(),
            firmware: Firmware::Bios,
            cpus: 2,
            memory: Size::gib(1),
            disk: Size::gib(4),
            accelerator: Accelerator::Tcg,
        },
        guest: GuestPlan {
            user: "builder".into(),
            connect_timeout: HumanDuration::seconds(300),
            shutdown_timeout: HumanDuration::seconds(120),
        },
        provision: steps,
        seal: SealPlan { sysprep: true, trim: true },
        outputs: vec![],
        verify: VerifyPlan {
            boot: true,
            firmware: vec![Firmware::Bios],
            commands: vec![
                "jq --version".into(),
                "test \"$(systemctl is-enabled apt-daily.timer)\" = enabled".into(),
                "test \"$(hostname)\" = verify".into(),
                "test -s /etc/ssh/ssh_host_ed25519_key".into(),
            ],
        },
        secrets: BTreeMap::from([(
            "token".to_owned(),
            SecretSource::Command(vec!["printf".into(), "s3cr3t-$t0ken".into()]),
        )]),
    }
}

async fn enter(
    cx: &Cx,
    folder: &Path,
    disk: &Path,
    keys: &BuildKeys,
    user: &str,
    efi: bool,
    name: &str,
) -> (Qemu, Guest) {
    let seed = folder.join(format!("{name}.seed"));
    let spec = SeedSpec {
        instance_id: &format!("goldsmith-{name}-{}", cx.id()),
        hostname: name,
        user,
        authorized_key: keys.authorized_key(),
        host_key_private: keys.host_private(),
        host_key_public: keys.host_public(),
    };
    write_nocloud(&seed, &spec).unwrap();
    let qemu = Qemu::start(folder, disk, &seed, efi, name);
    let login = keys.login(user);
    let connected = connect(cx, qemu.addr, &login, HumanDuration::seconds(400), &|| None).await;
    let guest = connected.unwrap_or_else(|error| {
        let serial = std::fs::read(folder.join(format!("{name}.serial"))).unwrap_or_default();
        panic!("{error}: {:?}\n{}", std::error::Error::source(&error), String::from_utf8_lossy(&serial))
    });
    guest.settle(cx, HumanDuration::seconds(400), &|| None).await.unwrap();
    (qemu, guest)
}

/// The root file system of a raw disk: the largest ext4 on it.
struct Root(ext4_view::Ext4);

struct Part {
    file: std::fs::File,
    offset: u64,
}

impl ext4_view::Ext4Read for Part {
    fn read(&mut self, start: u64, to: &mut [u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.file.seek(SeekFrom::Start(self.offset + start))?;
        Ok(self.file.read_exact(to)?)
    }
}

impl Root {
    fn open(raw: &Path) -> Self {
        let out = Command::new("sfdisk").arg("-J").arg(raw).output().unwrap();
        let table: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let parts = table["partitiontable"]["partitions"].as_array().unwrap();
        let largest = parts.iter().max_by_key(|part| part["size"].as_u64().unwrap()).unwrap();
        let offset = largest["start"].as_u64().unwrap() * 512;
        let part = Part { file: std::fs::File::open(raw).unwrap(), offset };
        Self(ext4_view::Ext4::load(Box::new(part)).unwrap())
    }
}

impl ImageView for Root {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.0.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(
                ext4_view::Ext4Error::NotFound
                | ext4_view::Ext4Error::IsADirectory
                | ext4_view::Ext4Error::NotADirectory,
            ) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<super::Entry>> {
        let entries = match self.0.read_dir(path) {
            Ok(entries) => entries,
            Err(ext4_view::Ext4Error::NotFound) => return Ok(vec![]),
            Err(error) => return Err(io::Error::other(error)),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io::Error::other)?;
            let name = entry.file_name().as_str().unwrap_or("?").to_owned();
            if matches!(name.as_str(), "." | "..") {
                continue;
            }
            let metadata = self.0.symlink_metadata(&entry.path()).map_err(io::Error::other)?;
            let kind = if metadata.is_dir() {
                EntryKind::Folder
            } else if metadata.is_symlink() {
                EntryKind::Link
            } else {
                EntryKind::File
            };
            list.push(super::Entry { name, kind, size: metadata.len(), mode: u32::from(metadata.mode()) });
        }
        Ok(list)
    }
}

fn passed(checks: &[Check]) {
    let failed: Vec<_> = checks.iter().filter(|check| !check.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Which of the build's keys are somewhere in the disk, holes and deleted files included.
fn leaks(raw: &Path, keys: &BuildKeys) -> Vec<String> {
    let mut patterns: Vec<Vec<u8>> =
        keys.needles().iter().map(|needle| needle.expose().as_bytes().to_vec()).collect();
    patterns.extend(keys.seeds());
    let finder = aho_corasick::AhoCorasick::new(&patterns).unwrap();
    let file = std::fs::File::open(raw).unwrap();
    finder
        .stream_find_iter(io::BufReader::with_capacity(1 << 20, file))
        .map(|found| found.unwrap())
        .map(|found| format!("needle {} at {}", found.pattern().as_usize(), found.start()))
        .collect()
}

async fn whole_way(user: &str, efi_at_the_end: bool) {
    let Some(base) = std::env::var_os("GOLDSMITH_TEST_BASE").map(PathBuf::from) else {
        panic!("GOLDSMITH_TEST_BASE is to name a bootable Debian qcow2");
    };
    let cx = printing_cx();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let local = folder.join("big");
    std::fs::write(&local, vec![0x5a; 3 << 20]).unwrap();
    let mut plan = plan(steps(&local));
    plan.guest.user = user.to_owned();

    let keys = BuildKeys::generate(cx.id().as_str()).unwrap();
    let disk = folder.join("build.qcow2");
    overlay(&base, "qcow2", &disk, Some("4G"));
    let (qemu, guest) = enter(&cx, folder, &disk, &keys, user, false, "build").await;
    let facts = Facts::gather(&cx, &guest).await.unwrap();
    eprintln!("{facts:#?}");
    assert!(facts.root_bytes > 3 << 30, "the root file system did not grow");
    guest.quiesce(&cx, HumanDuration::seconds(120), &|| None).await.unwrap();
    let secrets = Secrets::load(&plan.secrets);
    run(&cx, &guest, &facts, &plan.provision, &secrets, &|| None).await.unwrap();
    let report = seal(&cx, &guest, &plan).await.unwrap();
    eprintln!("{report:#?}");
    assert!(report.trimmed.is_some_and(|bytes| bytes > 1 << 20));
    qemu.shut_down().await;

    let raw = folder.join("sealed.raw");
    let converted =
        Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(&disk).arg(&raw).status().unwrap();
    assert!(converted.success());
    let found = hygiene(&Root::open(&raw), &plan, guest.login()).unwrap();
    eprintln!("{found:#?}");
    passed(&found);
    assert_eq!(leaks(&raw, &keys), Vec::<String>::new());

    // Another host boots the result: other keys, another name.
    let keys = BuildKeys::generate("verify").unwrap();
    let fresh = folder.join("verify.qcow2");
    overlay(&disk, "qcow2", &fresh, None);
    let (qemu, guest) = enter(&cx, folder, &fresh, &keys, user, efi_at_the_end, "verify").await;
    let mut specs = general_checks(&plan, &facts);
    specs.extend(checks(&plan.provision));
    let found = run_checks(&cx, &guest, "verify", &specs).await.unwrap();
    let now = Facts::gather(&cx, &guest).await.unwrap();
    assert_eq!(now.efi, efi_at_the_end);
    qemu.shut_down().await;
    passed(&found);
    assert!(found.len() > 12);
}

#[tokio::test]
#[ignore = "boots two guests; needs QEMU and GOLDSMITH_TEST_BASE"]
async fn a_guest_is_built_sealed_and_proved_as_an_ordinary_user() {
    whole_way("builder", true).await;
}

#[tokio::test]
#[ignore = "boots two guests; needs QEMU and GOLDSMITH_TEST_BASE"]
async fn a_guest_is_built_sealed_and_proved_as_root() {
    whole_way("root", false).await;
}
