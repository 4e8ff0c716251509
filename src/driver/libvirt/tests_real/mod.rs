//! The driver against real libvirt and QEMU. One guest at a time, software emulation, about a minute altogether.
//!
//! Run them as root and as an ordinary user; the latter also tries `qemu:///session`.
#![allow(clippy::unwrap_used, reason = "clippy does not take helpers of tests for tests")]
mod guest;
mod peer;
mod remote;

use super::{
    DOMAIN, Libvirt, NAME,
    kvm_probe::{KvmProbe, kvm_probe},
    png::png_size,
    process::{self, qemu_processes},
};
use crate::{
    cx::{BuildId, Cx, Events, Header, Journal, Replay, Stop, Undo, UndoError, UndoLog, Undoer},
    driver::{
        DiskAttachment, DiskFormat, DriverErrorKind, Hypervisor, Machine, MachineEvent, MachineSpec,
        MachineState,
    },
    plan::{Accelerator, Firmware},
    value::{Arch, HumanDuration, Size},
};
use async_trait::async_trait;
use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::broadcast, time::Instant};

const KEY_P: u32 = 25;
const KEY_R: u32 = 19;
const KEY_C: u32 = 46;
const KEY_W: u32 = 17;
const KEY_A: u32 = 30;
const KEY_B: u32 = 48;

/// One guest at a time.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ALONE.lock().await
}

/// The run folder of this test process; libvirt cannot change it later.
fn run_root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| tempfile::Builder::new().prefix("gs").tempdir_in("/tmp").unwrap().keep())
}

/// Roots of embedded drivers below the run folder.
fn roots() -> usize {
    std::fs::read_dir(run_root())
        .map_or(0, |entries| entries.flatten().filter(|entry| entry.file_name() != "capabilities").count())
}

/// A build: context, folders, journal.
struct Build {
    folder: TempDir,
    cx: Cx,
}

impl Build {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cx = context(folder.path(), BuildId::random());
        Self { folder, cx }
    }

    /// A bootable disk of 64 MiB: the test guest.
    fn disk(&self) -> PathBuf {
        let path = self.folder.path().join("disk.raw");
        write_disk(&path, 64 << 20);
        path
    }

    async fn undo(&self, hypervisor: &Libvirt) {
        let report = self.cx.unwind(&Remover(hypervisor)).await;
        assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
        assert!(machines_of(self.cx.id()).is_empty(), "QEMU is still there");
    }
}

fn context(folder: &Path, id: BuildId) -> Cx {
    let header = Header {
        build: id.clone(),
        name: "test".into(),
        definition: "test.toml".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        pid: std::process::id(),
    };
    let (work, logs) = (folder.join("work"), folder.join("logs"));
    for folder in [&work, &logs] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let journal = Journal::create(&folder.join("journal"), &header).unwrap();
    let events = Events::new(id.clone(), "test", vec![]);
    Cx::new(id, work, logs, events, Stop::default(), UndoLog::new(journal))
}

fn write_disk(path: &Path, size: u64) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(&guest::boot_sector()).unwrap();
    file.set_len(size).unwrap();
}

struct Remover<'a>(&'a Libvirt);

#[async_trait]
impl Undoer for Remover<'_> {
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| UndoError { what: undo.to_string(), source };
        match undo {
            Undo::Path { path } if path.is_dir() => {
                std::fs::remove_dir_all(path).map_err(|error| failed(error.into()))
            }
            Undo::Path { path } => match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error.into())),
                _ => Ok(()),
            },
            Undo::Resource(resource) => {
                self.0.destroy(resource, stop).await.map_err(|error| failed(error.into()))
            }
            Undo::Process { .. } => unreachable!("the driver plans none"),
        }
    }
}

fn spec(disk: PathBuf) -> MachineSpec {
    MachineSpec {
        role: "build".into(),
        image: "the <test> & co".into(),
        arch: Arch::X86_64,
        firmware: Firmware::Bios,
        cpus: 1,
        memory: Size::mib(64),
        accelerator: Accelerator::Tcg,
        disks: vec![DiskAttachment {
            path: disk,
            format: DiskFormat::Raw,
            read_only: false,
            backing: vec![],
        }],
        credentials: vec![],
        boot: crate::driver::Boot::Disk,
        optical: Vec::new(),
        ends_at_restart: false,
        isolated: false,
        instance: crate::driver::InstanceSeed::default(),
    }
}

fn embed() -> Libvirt {
    Libvirt::connect("qemu:///embed", run_root()).unwrap()
}

fn machines_of(build: &BuildId) -> Vec<process::QemuProcess> {
    qemu_processes()
        .into_iter()
        .filter(|process| process.name().is_some_and(|name| process::is_of(name, build)))
        .collect()
}

fn serial(machine: &dyn Machine) -> String {
    String::from_utf8_lossy(&std::fs::read(machine.serial_log().unwrap()).unwrap_or_default()).into_owned()
}

async fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn greeted(machine: &dyn Machine, times: usize) {
    until("the guest greets", Duration::from_secs(60), || serial(machine).matches("READY").count() >= times)
        .await;
}

async fn next(events: &mut broadcast::Receiver<MachineEvent>) -> MachineEvent {
    tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("an event").unwrap()
}

/// The next event besides further resets: SeaBIOS resets once more after a guest did.
async fn next_besides_resets(events: &mut broadcast::Receiver<MachineEvent>) -> MachineEvent {
    loop {
        match next(events).await {
            MachineEvent::Reset => {}
            other => return other,
        }
    }
}

async fn press(machine: &dyn Machine, key: u32) {
    machine.send_keys(&[key], Duration::from_millis(50)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_lives_and_dies_as_the_trait_says() {
    let _alone = alone().await;
    let (build, hypervisor) = (Build::new(), embed());
    let spec = spec(build.disk());
    let readiness = hypervisor.preflight(&spec).await.unwrap();
    assert!(
        readiness.hypervisor.contains("QEMU ") && readiness.hypervisor.contains("libvirt "),
        "{readiness:?}"
    );
    assert_eq!((readiness.accelerator, readiness.notice), (Accelerator::Tcg, None));

    let machine = hypervisor.create(&build.cx, &spec).await.unwrap();
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    assert!(
        build.cx.undo().owed().contains(&Undo::Resource(machine.resource().clone())),
        "planned before it exists"
    );
    assert!(machine.screenshot().await.is_err(), "a machine that is off has no screen");
    let mut events = machine.events();
    machine.power_on(&build.cx).await.unwrap();
    assert!(machine.power_on(&build.cx).await.is_err(), "a machine starts once");
    assert_eq!(machine.state().await.unwrap(), MachineState::Running);
    assert_eq!(machines_of(build.cx.id()).len(), 1);
    let owned = hypervisor.owned(build.cx.id()).await.unwrap();
    assert_eq!(owned, [machine.resource().clone()], "found without the journal");
    assert!(hypervisor.owned(&BuildId::random()).await.unwrap().is_empty());

    greeted(&*machine, 1).await;
    let picture = machine.screenshot().await.unwrap();
    let (width, height) = png_size(&picture).expect("a PNG");
    assert!((320..=2560).contains(&width) && (200..=1600).contains(&height), "{width} x {height}");
    if let Some(folder) = std::env::var_os("KEEP_SCREENSHOT") {
        std::fs::write(Path::new(&folder).join("screen.png"), &picture).unwrap();
    }
    let screen = machine.screen_text().await.unwrap();
    assert!(screen.contains("SeaBIOS (version "), "{screen}");
    press(&*machine, KEY_A).await;
    press(&*machine, KEY_B).await;
    until("keys are echoed", Duration::from_secs(10), || serial(&*machine).contains("ab")).await;

    let address = machine.ssh_address(&build.cx).await.unwrap();
    assert!(address.ip().is_loopback() && address.port() > 0);
    assert_eq!(machine.ssh_address(&build.cx).await.unwrap(), address);
    tokio::net::TcpStream::connect(address).await.unwrap();

    press(&*machine, KEY_R).await;
    assert_eq!(next(&mut events).await, MachineEvent::Reset);
    greeted(&*machine, 2).await;
    assert!(machine.export(&build.cx, 0).await.is_err(), "it is running");
    machine.shut_down(&build.cx, HumanDuration::seconds(30)).await.unwrap();
    assert_eq!(next_besides_resets(&mut events).await, MachineEvent::Off);
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    assert_eq!(machine.export(&build.cx, 0).await.unwrap().path, spec.disks[0].path);
    machine.power_off().await.unwrap();
    build.undo(&hypervisor).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop(machine);
    drop(hypervisor);
    assert_eq!(roots(), 0, "the last user removes the root");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_powers_off_panics_or_loses_its_qemu_is_told_apart() {
    let _alone = alone().await;
    let hypervisor = embed();
    for (key, expected) in [
        (Some(KEY_P), MachineState::Off),
        (Some(KEY_C), MachineState::Crashed),
        (None, MachineState::Crashed),
    ] {
        let build = Build::new();
        let machine = hypervisor.create(&build.cx, &spec(build.disk())).await.unwrap();
        let mut events = machine.events();
        machine.power_on(&build.cx).await.unwrap();
        greeted(&*machine, 1).await;
        match key {
            Some(key) => press(&*machine, key).await,
            None => process::end(&machines_of(build.cx.id()), true).await.unwrap(),
        }
        let event = next(&mut events).await;
        match expected {
            MachineState::Off => assert_eq!(event, MachineEvent::Off),
            _ => assert!(matches!(event, MachineEvent::Crashed(_)), "{event:?}"),
        }
        assert_eq!(machine.state().await.unwrap(), expected);
        build.undo(&hypervisor).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_disk_pauses_the_machine_with_an_io_error() {
    let _alone = alone().await;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can mount a small file system");
        return;
    }
    let (build, hypervisor) = (Build::new(), embed());
    let small = build.folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        assert!(
            std::process::Command::new(arguments[0])
                .args(&arguments[1..])
                .arg(&small)
                .status()
                .unwrap()
                .success()
        );
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
    let disk = small.join("disk.raw");
    write_disk(&disk, 64 << 20);
    let machine = hypervisor.create(&build.cx, &spec(disk.clone())).await.unwrap();
    let mut events = machine.events();
    machine.power_on(&build.cx).await.unwrap();
    greeted(&*machine, 1).await;
    press(&*machine, KEY_W).await;
    let event = next(&mut events).await;
    let state = machine.state().await.unwrap();
    let shut_down = machine.shut_down(&build.cx, HumanDuration::seconds(30)).await;
    build.undo(&hypervisor).await;
    mount(&["umount"]);
    let MachineEvent::IoError(text) = event else { panic!("{event:?}") };
    assert!(text.contains("no space is left") && text.contains(&disk.display().to_string()), "{text}");
    assert_eq!(state, MachineState::Paused);
    assert_eq!(shut_down.unwrap_err().kind(), DriverErrorKind::MachineFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_ignores_the_power_button_keeps_running_until_the_plug_is_pulled() {
    let _alone = alone().await;
    let (build, hypervisor) = (Build::new(), embed());
    // Nothing to boot: the firmware says so and ignores the button.
    let disk = build.folder.path().join("empty.qcow2");
    let made = std::process::Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&disk)
        .arg("64M")
        .status()
        .unwrap();
    assert!(made.success());
    let mut spec = spec(disk);
    spec.disks[0].format = DiskFormat::Qcow2;
    let machine = hypervisor.create(&build.cx, &spec).await.unwrap();
    let mut events = machine.events();
    machine.power_on(&build.cx).await.unwrap();
    let error = machine.shut_down(&build.cx, HumanDuration::seconds(3)).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Timeout);
    assert_eq!(machine.state().await.unwrap(), MachineState::Running);
    machine.power_off().await.unwrap();
    assert_eq!(next(&mut events).await, MachineEvent::Off);
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    machine.power_off().await.unwrap();
    build.undo(&hypervisor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlay_boots_from_what_its_backing_file_holds_and_a_seed_is_read_only() {
    let _alone = alone().await;
    let (build, hypervisor) = (Build::new(), embed());
    let (base, overlay) = (build.disk(), build.folder.path().join("it's an overlay & more.qcow2"));
    let made = std::process::Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .args([&base, &overlay])
        .status()
        .unwrap();
    assert!(made.success());
    let mut spec = spec(overlay);
    spec.disks[0].format = DiskFormat::Qcow2;
    spec.disks[0].backing.push(base);
    let seed = build.folder.path().join("seed.img");
    std::fs::write(&seed, vec![0; 1 << 20]).unwrap();
    spec.disks.push(DiskAttachment { path: seed, format: DiskFormat::Raw, read_only: true, backing: vec![] });
    let machine = hypervisor.create(&build.cx, &spec).await.unwrap();
    machine.power_on(&build.cx).await.unwrap();
    greeted(&*machine, 1).await;
    build.undo(&hypervisor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uefi_starts_with_variables_of_its_own_that_the_undo_removes() {
    let _alone = alone().await;
    let (build, hypervisor) = (Build::new(), embed());
    let mut spec = spec(build.disk());
    spec.firmware = Firmware::Efi;
    spec.memory = Size::mib(256);
    let machine = hypervisor.create(&build.cx, &spec).await.unwrap();
    machine.power_on(&build.cx).await.unwrap();
    let variables = build.cx.work().join("build.nvram");
    assert!(variables.metadata().unwrap().len() > 0);
    let deadline = Instant::now() + Duration::from_secs(60);
    // The firmware paints its logo once it runs.
    loop {
        let picture = machine.screenshot().await.unwrap();
        if png_size(&picture).is_some_and(|(width, _)| width >= 800) {
            break;
        }
        assert!(Instant::now() < deadline, "no picture of the firmware");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    build.undo(&hypervisor).await;
    assert!(!variables.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_builds_of_one_process_share_the_root_and_do_not_hear_each_other() {
    let _alone = alone().await;
    let (one, two) = (Build::new(), Build::new());
    let (first, second) = (embed(), embed());
    let (a, b) = tokio::join!(async { first.create(&one.cx, &spec(one.disk())).await.unwrap() }, async {
        second.create(&two.cx, &spec(two.disk())).await.unwrap()
    });
    assert_eq!(a.resource().details["root"], b.resource().details["root"]);
    let (mut from_a, mut from_b) = (a.events(), b.events());
    let (on_a, on_b) = tokio::join!(a.power_on(&one.cx), b.power_on(&two.cx));
    on_a.unwrap();
    on_b.unwrap();
    tokio::join!(greeted(&*a, 1), greeted(&*b, 1));
    assert_ne!(a.ssh_address(&one.cx).await.unwrap(), b.ssh_address(&two.cx).await.unwrap());
    one.undo(&first).await;
    assert_eq!(next(&mut from_a).await, MachineEvent::Off);
    assert!(from_b.try_recv().is_err());
    drop((a, first));
    // The other build goes on in the shared root.
    press(&*b, KEY_P).await;
    assert_eq!(next(&mut from_b).await, MachineEvent::Off);
    two.undo(&second).await;
    drop((b, second));
    assert_eq!(roots(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_removed_while_it_starts_does_not_stay() {
    let _alone = alone().await;
    let hypervisor = embed();
    for delay in [0, 100, 300, 600] {
        let build = Build::new();
        let machine: Arc<dyn Machine> =
            hypervisor.create(&build.cx, &spec(build.disk())).await.unwrap().into();
        let (starter, cx) = (machine.clone(), build.cx.clone());
        let starting = tokio::spawn(async move { starter.power_on(&cx).await });
        tokio::time::sleep(Duration::from_millis(delay)).await;
        // What an interrupted build does: it stops waiting, and undoes.
        starting.abort();
        build.undo(&hypervisor).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(machines_of(build.cx.id()).is_empty(), "after {delay} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_daemon_of_libvirt_appears() {
    let _alone = alone().await;
    let daemons = || {
        let names = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            let pid = entry.file_name().into_string().ok()?;
            ["virtlogd", "virtqemud", "libvirtd"].contains(&name.trim()).then_some((pid, name))
        });
        names.collect::<Vec<_>>()
    };
    let before = daemons();
    let (build, hypervisor) = (Build::new(), embed());
    let machine = hypervisor.create(&build.cx, &spec(build.disk())).await.unwrap();
    machine.power_on(&build.cx).await.unwrap();
    assert_eq!(daemons(), before);
    build.undo(&hypervisor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_is_used_only_when_it_works() {
    let _alone = alone().await;
    let (build, hypervisor) = (Build::new(), embed());
    let mut spec = spec(build.disk());
    spec.accelerator = Accelerator::Auto;
    let readiness = hypervisor.preflight(&spec).await.unwrap();
    spec.accelerator = Accelerator::Kvm;
    let demanded = hypervisor.preflight(&spec).await;
    match kvm_probe() {
        KvmProbe::Usable => {
            assert_eq!(readiness.accelerator, Accelerator::Kvm);
            assert_eq!(demanded.unwrap().accelerator, Accelerator::Kvm);
        }
        KvmProbe::Unusable { reason, .. } => {
            assert_eq!(readiness.accelerator, Accelerator::Tcg);
            assert!(readiness.notice.unwrap().contains(reason.as_str()));
            let error = demanded.unwrap_err();
            assert_eq!(error.kind(), DriverErrorKind::Unavailable);
            assert_eq!(std::error::Error::source(&error).unwrap().to_string(), *reason);
            assert!(error.hint_text().is_some());
        }
    }
}

/// Runs one of the tests below marked `ignore` in a process of its own.
fn child(test: &str, folder: &Path, environment: &[(&str, &str)]) -> tokio::process::Child {
    tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("driver::libvirt::tests_real::{test}"), "--ignored", "--nocapture"])
        .env("CHILD_FOLDER", folder)
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_leaves_is_removed_by_another() {
    let _alone = alone().await;
    // Killed while it probes QEMU, while it starts the machine, and while the machine runs.
    for delay in [Some(300), Some(900), Some(1500), None] {
        let folder = tempfile::Builder::new().prefix("gs").tempdir_in("/tmp").unwrap();
        let mut creator = child("child_that_makes_a_machine", folder.path(), &[]);
        let journal = folder.path().join("journal");
        match delay {
            None => {
                let serial = folder.path().join("logs/serial-build.log");
                let greeted = || std::fs::read_to_string(&serial).is_ok_and(|text| text.contains("READY"));
                until("the child's guest greets", Duration::from_secs(60), greeted).await;
            }
            Some(delay) => tokio::time::sleep(Duration::from_millis(delay)).await,
        }
        let replay = Replay::read(&journal).unwrap();
        let build = replay.header.unwrap().build;
        if delay.is_none() {
            assert_eq!(machines_of(&build).len(), 1);
        }
        creator.kill().await.unwrap();
        let (journal, replay) = Journal::adopt(&journal).unwrap().expect("its process is dead");
        let hypervisor = Libvirt::connect("qemu:///embed", folder.path().join("r")).unwrap();
        if delay.is_none() {
            assert_eq!(machines_of(&build).len(), 1, "nobody ends an embedded machine");
            let owned = hypervisor.owned(&build).await.unwrap();
            assert_eq!((owned[0].driver.as_str(), owned[0].kind.as_str()), (NAME, DOMAIN));
            assert!(replay.owed.iter().any(|(_, undo)| *undo == Undo::Resource(owned[0].clone())));
        }
        let undo = UndoLog::adopt(journal, replay);
        let stop = Stop::default();
        for round in 0..2 {
            let report = undo.unwind(&Remover(&hypervisor), &stop, &|_| {}).await;
            assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
            if delay.is_none() {
                assert_eq!(report.undone, usize::from(round == 0), "once is enough, twice is no error");
            }
        }
        let root = folder.path().join("r");
        if delay.is_some() {
            // Nothing was journaled perhaps. A clean-up sweeps, and so does the next process that opens the driver here.
            if delay == Some(300) {
                let mut second = child("child_that_opens_the_driver", folder.path(), &[]);
                assert!(second.wait().await.unwrap().success());
            } else {
                hypervisor.sweep().await.unwrap();
            }
        }
        // A probe of QEMU's abilities is ended by the sweep.
        until("no QEMU uses the folder", Duration::from_secs(20), || {
            !qemu_processes().iter().any(|process| process.uses(folder.path()))
        })
        .await;
        let mut left: Vec<_> =
            std::fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        // What libvirt knows about QEMU is kept for the next process.
        left.retain(|path| !path.ends_with("capabilities"));
        assert!(left.is_empty(), "after {delay:?}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_makes_a_machine() {
    let Some(folder) = std::env::var_os("CHILD_FOLDER").map(PathBuf::from) else { return };
    let cx = context(&folder, BuildId::random());
    let disk = folder.join("disk.raw");
    write_disk(&disk, 1 << 20);
    let hypervisor = Libvirt::connect("qemu:///embed", folder.join("r")).unwrap();
    let machine = hypervisor.create(&cx, &spec(disk)).await.unwrap();
    machine.power_on(&cx).await.unwrap();
    // Until it is killed.
    tokio::time::sleep(Duration::from_secs(120)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_opens_the_driver() {
    let Some(folder) = std::env::var_os("CHILD_FOLDER").map(PathBuf::from) else { return };
    let disk = folder.join("disk.raw");
    write_disk(&disk, 1 << 20);
    let hypervisor = Libvirt::connect("qemu:///embed", folder.join("r")).unwrap();
    hypervisor.preflight(&spec(disk)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_driver_module_is_explained() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut looking =
        child("child_without_the_driver_module", folder.path(), &[("LIBVIRT_DRIVER_DIR", "/nonexistent")]);
    assert!(looking.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_without_the_driver_module() {
    let Some(folder) = std::env::var_os("CHILD_FOLDER").map(PathBuf::from) else { return };
    let disk = folder.join("disk.raw");
    write_disk(&disk, 1 << 20);
    let hypervisor = Libvirt::connect("qemu:///embed", folder.join("r")).unwrap();
    let error = hypervisor.preflight(&spec(disk)).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Unavailable, "{error:?}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("libvirt-daemon-driver-qemu")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_user_can_use_the_session_daemon() {
    let _alone = alone().await;
    if nix::unistd::geteuid().is_root() {
        eprintln!("skipped: root has no session daemon; run the tests as an ordinary user too");
        return;
    }
    a_daemon_serves("qemu:///session").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_daemon_serves_too() {
    let _alone = alone().await;
    if std::os::unix::net::UnixStream::connect("/run/libvirt/libvirt-sock").is_err() {
        eprintln!("skipped: no system daemon runs here, or not for this user");
        return;
    }
    a_daemon_serves("qemu:///system").await;
}

/// In a process of its own, because libvirt has no way from the embedded driver back to a daemon.
async fn a_daemon_serves(uri: &str) {
    let folder = tempfile::Builder::new().prefix("gs").tempdir_in("/tmp").unwrap();
    let mut using = child("child_that_uses_a_daemon", folder.path(), &[("DAEMON_URI", uri)]);
    assert!(using.wait().await.unwrap().success());

    let build = Build::new();
    embed().preflight(&spec(build.disk())).await.unwrap();
    let daemon = Libvirt::connect(uri, run_root()).unwrap();
    let error = daemon.preflight(&spec(build.disk())).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Unsupported);
    assert!(error.hint_text().is_some());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_uses_a_daemon() {
    let Ok(uri) = std::env::var("DAEMON_URI") else { return };
    let build = Build::new();
    let hypervisor = Libvirt::connect(&uri, run_root()).unwrap();
    let machine = hypervisor.create(&build.cx, &spec(build.disk())).await.unwrap();
    let mut events = machine.events();
    machine.power_on(&build.cx).await.unwrap();
    greeted(&*machine, 1).await;
    assert_eq!(hypervisor.owned(build.cx.id()).await.unwrap(), [machine.resource().clone()]);
    assert!(embed().owned(build.cx.id()).await.unwrap().is_empty(), "not a machine of the embedded driver");
    assert!(png_size(&machine.screenshot().await.unwrap()).is_some());
    let address = machine.ssh_address(&build.cx).await.unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap();
    press(&*machine, KEY_R).await;
    assert_eq!(next(&mut events).await, MachineEvent::Reset);
    // A driver with another URI removes it: the daemon is found by the URI in the journal.
    build.undo(&embed()).await;
    assert_eq!(next_besides_resets(&mut events).await, MachineEvent::Off);
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    // Opened second, the embedded driver works beside the daemon's open connection, also for the undo.
    embed().preflight(&spec(build.disk())).await.unwrap();
    hypervisor.destroy(machine.resource(), &Stop::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_serial_log_is_whole_and_in_the_folder_for_records() {
    let _alone = alone().await;
    let (build, hypervisor) = (Build::new(), embed());
    let machine = hypervisor.create(&build.cx, &spec(build.disk())).await.unwrap();
    machine.power_on(&build.cx).await.unwrap();
    greeted(&*machine, 1).await;
    machine.power_off().await.unwrap();
    build.undo(&hypervisor).await;
    let mut file = std::fs::File::open(build.cx.logs().join("serial-build.log")).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert!(text.contains("READY\n"), "{text:?}");
}
