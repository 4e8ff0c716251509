//! The driver against a libvirt behind SSH. Each test has processes of its own, because libvirt has no way from the embedded driver to
//! a daemon.
use super::{
    super::{
        POOL,
        remote::{Host, Tunnel},
    },
    peer::Peer,
    *,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs a child test that must succeed.
async fn succeeds(test: &str, folder: &Path, environment: &[(&str, &str)]) {
    assert!(tries(test, folder, environment).await, "{test}");
}

/// Runs a child test; whether it succeeded.
async fn tries(test: &str, folder: &Path, environment: &[(&str, &str)]) -> bool {
    let mut child = child(&format!("remote::{test}"), folder, environment);
    let ended = tokio::time::timeout(Duration::from_secs(240), child.wait()).await;
    let Ok(ended) = ended else {
        // A call that a host never answers cannot be taken back, and its thread keeps the process.
        child.kill().await.unwrap();
        return false;
    };
    ended.unwrap().success()
}

/// A folder that the other host's user cannot enter.
fn private() -> TempDir {
    tempfile::Builder::new().prefix("gs").tempdir_in("/tmp").unwrap()
}

fn arguments() -> Option<(PathBuf, String)> {
    Some((PathBuf::from(std::env::var_os("CHILD_FOLDER")?), std::env::var("PEER_URI").ok()?))
}

fn qemu_img(arguments: &[&str], file: &Path) {
    let status =
        std::process::Command::new("qemu-img").args(arguments).arg(file).stdout(Stdio::null()).status();
    assert!(status.expect("qemu-img is missing: apt-get install qemu-utils").success());
}

/// A disk as a build has it: an overlay with fine clusters over an image that nobody writes to.
fn overlay(folder: &Path) -> DiskAttachment {
    let (base, top) = (folder.join("base.raw"), folder.join("disk.qcow2"));
    write_disk(&base, 8 << 20);
    let below = format!("backing_file={},backing_fmt=raw,cluster_size=4k", base.display());
    qemu_img(&["create", "-q", "-f", "qcow2", "-o", &below], &top);
    DiskAttachment { path: top, format: DiskFormat::Qcow2, read_only: false, backing: vec![base] }
}

fn folder_of(build: &BuildId) -> PathBuf {
    PathBuf::from(format!("/var/tmp/goldsmith-{build}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_lives_on_another_host_and_its_disk_comes_back() {
    let _alone = alone().await;
    let (peer, folder) = (Peer::start(), private());
    succeeds("child_that_uses_another_host", folder.path(), &[("PEER_URI", &peer.uri())]).await;
    peer.assert_clean();
    assert!(peer.calls().contains(" -L "), "{}", peer.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_daemon_of_another_host_runs_machines_as_its_own_user() {
    let _alone = alone().await;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can make the namespaces of another host");
        return;
    }
    let (peer, folder) = (Peer::start_system(), private());
    succeeds("child_that_uses_another_host", folder.path(), &[("PEER_URI", &peer.uri())]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_uses_another_host() {
    let Some((folder, uri)) = arguments() else { return };
    let cx = context(&folder, BuildId::random());
    // The folders of the system's daemon are in a namespace.
    let seen = uri.contains("/session");
    let hypervisor = Libvirt::connect(&uri, folder.join("r")).unwrap();
    let mut spec = spec(folder.clone());
    let disk = overlay(&folder);
    let before = std::fs::read(&disk.path).unwrap();
    let base = std::fs::read(&disk.backing[0]).unwrap();
    let seed = folder.join("seed.img");
    std::fs::write(&seed, vec![7; 1 << 20]).unwrap();
    let seed = DiskAttachment { path: seed, format: DiskFormat::Raw, read_only: true, backing: vec![] };
    spec.disks = vec![disk.clone(), seed.clone()];
    let secret = folder.join("secret.cred");
    std::fs::write(&secret, "for systemd").unwrap();
    spec.credentials = vec![crate::driver::Credential { name: "test".into(), path: secret }];

    let readiness = hypervisor.preflight(&spec).await.unwrap();
    assert!(readiness.hypervisor.contains("QEMU "), "{readiness:?}");
    let machine = hypervisor.create(&cx, &spec).await.unwrap();
    let owed = cx.undo().owed();
    assert!(matches!(&owed[0], Undo::Resource(domain) if domain == machine.resource()));
    assert!(matches!(&owed[1], Undo::Resource(pool) if pool.kind == POOL));
    assert_eq!(folder_of(cx.id()).is_dir(), seen);
    let mut events = machine.events();
    machine.power_on(&cx).await.unwrap();
    assert_eq!(machine.state().await.unwrap(), MachineState::Running);
    let owned = hypervisor.owned(cx.id()).await.unwrap();
    assert_eq!(owned.into_iter().map(Undo::Resource).collect::<Vec<_>>(), owed, "found without the journal");
    assert!(hypervisor.owned(&BuildId::random()).await.unwrap().is_empty());

    greeted(&*machine, 1).await;
    assert!(png_size(&machine.screenshot().await.unwrap()).is_some());
    press(&*machine, KEY_A).await;
    until("keys are echoed", Duration::from_secs(10), || serial(&*machine).contains('a')).await;
    let address = machine.ssh_address(&cx).await.unwrap();
    assert!(address.ip().is_loopback());
    assert_eq!(machine.ssh_address(&cx).await.unwrap(), address);
    tokio::net::TcpStream::connect(address).await.unwrap();
    press(&*machine, KEY_R).await;
    assert_eq!(next(&mut events).await, MachineEvent::Reset);
    greeted(&*machine, 2).await;
    // That it was started stopped is nobody's business.
    assert!(!matches!(events.try_recv(), Ok(MachineEvent::Paused(_))));
    press(&*machine, KEY_W).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(machine.export(&cx, 0).await.is_err(), "it is running");
    machine.power_off().await.unwrap();
    assert_eq!(next_besides_resets(&mut events).await, MachineEvent::Off);

    let exported = machine.export(&cx, 0).await.unwrap();
    assert_eq!(exported.path, disk.path);
    let after = std::fs::read(&disk.path).unwrap();
    assert!(after.len() > before.len() + (1 << 20), "what the guest wrote came back: {} bytes", after.len());
    qemu_img(&["check", "-q"], &disk.path);
    assert_eq!(std::fs::read(&disk.backing[0]).unwrap(), base, "the image below stays here, as it is");

    // Another machine of the build, with UEFI, over the same image: that one is there already.
    let top = folder.join("proof.qcow2");
    let below = format!("backing_file={},backing_fmt=raw", disk.backing[0].display());
    qemu_img(&["create", "-q", "-f", "qcow2", "-o", &below], &top);
    let files = || std::fs::read_dir(folder_of(cx.id())).map_or(0, Iterator::count);
    let count = seen.then(files);
    spec.role = "verify-x".into();
    spec.firmware = Firmware::Efi;
    spec.memory = Size::mib(256);
    spec.disks = vec![DiskAttachment { path: top, ..disk }, seed];
    let proof = hypervisor.create(&cx, &spec).await.unwrap();
    proof.power_on(&cx).await.unwrap();
    if let Some(count) = count {
        assert_eq!(files(), count + 4, "a disk, a seed, a credential, variables");
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while png_size(&proof.screenshot().await.unwrap()).is_none_or(|(width, _)| width < 800) {
        assert!(Instant::now() < deadline, "no picture of the firmware");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let undoer = Remover(&hypervisor);
    cx.undo().undo_resource(proof.resource(), &undoer, cx.stop()).await.unwrap();
    if let Some(count) = count {
        assert_eq!(files(), count, "its files went with it");
    }
    // A machine that starts an installer's kernel, with a medium in its drive.
    let medium = folder.join("medium.iso");
    std::fs::write(&medium, vec![9; 1 << 20]).unwrap();
    let kernel = Path::new("/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64");
    spec.role = "install".into();
    spec.firmware = Firmware::Bios;
    spec.memory = Size::mib(512);
    spec.optical = vec![crate::driver::Optical { path: medium, digest: None }];
    spec.boot = crate::driver::Boot::Kernel(crate::driver::KernelBoot {
        kernel: kernel.join("linux"),
        initrd: kernel.join("initrd.gz"),
        cmdline: "console=ttyS0 started=there".into(),
    });
    let installer = hypervisor.create(&cx, &spec).await.unwrap();
    installer.power_on(&cx).await.unwrap();
    if let Some(count) = count {
        assert_eq!(files(), count + 6, "a disk, a seed, a credential, kernel, initial RAM disk, medium");
    }
    let started = || serial(&*installer).contains("started=there");
    until("the kernel says how it was started", Duration::from_secs(60), started).await;
    cx.undo().undo_resource(installer.resource(), &undoer, cx.stop()).await.unwrap();
    if let Some(count) = count {
        assert_eq!(files(), count, "its files went with it");
    }
    let report = cx.unwind(&undoer).await;
    assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
    assert!(!folder_of(cx.id()).exists());
    assert!(hypervisor.owned(cx.id()).await.unwrap().is_empty());
    // What is gone is undone.
    for undo in owed {
        undoer.undo(&undo, cx.stop()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_leaves_on_another_host_is_removed_when_that_host_can_be_reached() {
    let _alone = alone().await;
    let mut peer = Peer::start();
    let uri = peer.uri();
    // Killed while it sends, and while the machine runs.
    for running in [false, true] {
        let folder = private();
        let size = if running { "1" } else { "400" };
        let environment = [("PEER_URI", uri.as_str()), ("DISK_MIB", size)];
        let mut creator = child("remote::child_that_makes_a_remote_machine", folder.path(), &environment);
        let journal = folder.path().join("journal");
        let header = || Replay::read(&journal).ok()?.header;
        until("the journal begins", Duration::from_secs(20), || header().is_some()).await;
        let build = header().unwrap().build;
        until("the folder appears", Duration::from_secs(60), || folder_of(&build).is_dir()).await;
        if running {
            let log = folder.path().join("logs/serial-build.log");
            let greeted = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("READY"));
            until("the child's guest greets", Duration::from_secs(60), greeted).await;
            assert_eq!(machines_of(&build).len(), 1);
        }
        creator.kill().await.unwrap();
        until("the daemon ends the machine of the dead", Duration::from_secs(60), || {
            machines_of(&build).is_empty()
        })
        .await;
        assert!(folder_of(&build).is_dir());
        peer.notice_a_death();
        if running {
            peer.cut_off();
            let environment = [("PEER_URI", uri.as_str()), ("REACHABLE", "no")];
            succeeds("child_that_cleans_up", folder.path(), &environment).await;
            assert!(folder_of(&build).is_dir());
            peer.listen();
            // As after a restart of that host.
            peer.virsh(&["pool-destroy", &format!("goldsmith-{build}")]);
        }
        let environment = [("PEER_URI", uri.as_str()), ("REACHABLE", "yes")];
        if !tries("child_that_cleans_up", folder.path(), &environment).await {
            // What a host that hangs keeps stays in the journal, and goes when it answers again.
            assert!(peer.end_locked_daemon(), "it answers, so the clean-up itself failed");
            succeeds("child_that_cleans_up", folder.path(), &environment).await;
        }
        assert!(!folder_of(&build).exists());
        peer.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_makes_a_remote_machine() {
    let Some((folder, uri)) = arguments() else { return };
    let cx = context(&folder, BuildId::random());
    let mut disk = overlay(&folder);
    let mebibytes: usize = std::env::var("DISK_MIB").unwrap().parse().unwrap();
    disk.backing.clear();
    disk.path = folder.join("disk.raw");
    disk.format = DiskFormat::Raw;
    write_disk(&disk.path, 1 << 20);
    let mut file = std::fs::OpenOptions::new().append(true).open(&disk.path).unwrap();
    file.write_all(&vec![5; mebibytes << 20]).unwrap();
    let mut spec = spec(folder.clone());
    spec.disks = vec![disk];
    let hypervisor = Libvirt::connect(&uri, folder.join("r")).unwrap();
    let machine = hypervisor.create(&cx, &spec).await.unwrap();
    machine.power_on(&cx).await.unwrap();
    // Until it is killed.
    tokio::time::sleep(Duration::from_secs(120)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_cleans_up() {
    let Some((folder, uri)) = arguments() else { return };
    let (journal, replay) = Journal::adopt(&folder.join("journal")).unwrap().expect("its process is dead");
    let owed = replay.owed.len();
    let undo = UndoLog::adopt(journal, replay);
    let hypervisor = Libvirt::connect(&uri, folder.join("r")).unwrap();
    let report = undo.unwind(&Remover(&hypervisor), &Stop::default(), &|_| {}).await;
    if std::env::var("REACHABLE").unwrap() == "yes" {
        assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
        assert_eq!(report.undone, owed);
        assert!(undo.close().unwrap());
    } else {
        assert_eq!(report.leftovers.len(), owed, "it stays in the journal");
        let text = format!("{:?}", report.leftovers);
        assert!(text.contains(&uri), "the host is named: {text}");
        assert!(!undo.close().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_interrupted_or_loses_its_network_removes_what_it_made_there() {
    let _alone = alone().await;
    let (mut peer, folder) = (Peer::start(), private());
    let uri = peer.uri();
    let mut building = child("remote::child_that_loses_its_network", folder.path(), &[("PEER_URI", &uri)]);
    until("the child's guest greets", Duration::from_secs(120), || folder.path().join("running").exists())
        .await;
    peer.cut_off();
    peer.listen();
    std::fs::write(folder.path().join("cut"), "").unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(120), building.wait()).await;
    assert!(ended.expect("it ends").unwrap().success());
    peer.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_loses_its_network() {
    let Some((folder, uri)) = arguments() else { return };
    let hypervisor = Libvirt::connect(&uri, folder.join("r")).unwrap();
    let undo = async |cx: &Cx| {
        let report = cx.unwind(&Remover(&hypervisor)).await;
        assert!(report.leftovers.is_empty() && report.undone == 2, "{report:?}");
        assert!(!folder_of(cx.id()).exists());
    };
    let mut spec = spec(folder.join("disk.raw"));
    write_disk(&spec.disks[0].path, 1 << 20);

    let cx = context(&folder.join("1"), BuildId::random());
    let machine = hypervisor.create(&cx, &spec).await.unwrap();
    machine.power_on(&cx).await.unwrap();
    greeted(&*machine, 1).await;
    std::fs::write(folder.join("running"), "").unwrap();
    until("the network is cut", Duration::from_secs(60), || folder.join("cut").exists()).await;
    let ended = || machines_of(cx.id()).is_empty();
    until("the daemon ends a machine that nobody holds", Duration::from_secs(30), ended).await;
    undo(&cx).await;

    // Interrupted while it sends.
    let cx = context(&folder.join("2"), BuildId::random());
    std::fs::write(&spec.disks[0].path, vec![5; 400 << 20]).unwrap();
    spec.role = "other".into();
    let (creating, wanted) = (cx.clone(), spec.clone());
    let other = Libvirt::connect(&uri, folder.join("r")).unwrap();
    let creating = tokio::spawn(async move { other.create(&creating, &wanted).await.map(drop) });
    let file = folder_of(cx.id()).join("other.disk0");
    until("it sends", Duration::from_secs(60), || file.metadata().is_ok_and(|found| found.len() > 0)).await;
    cx.stop().cancel();
    let error = creating.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Cancelled, "{error:?}");
    undo(&cx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_fails_is_explained() {
    let _alone = alone().await;
    let (mut peer, folder) = (Peer::start(), private());
    let expect = async |uri: &str, kind: &str, hint: &str| {
        succeeds(
            "child_that_cannot_connect",
            folder.path(),
            &[("PEER_URI", uri), ("KIND", kind), ("HINT", hint)],
        )
        .await;
    };
    expect(&peer.uri_with("wrong_key"), "Auth", "ssh-agent").await;
    std::fs::write(peer.path("known_hosts"), "").unwrap();
    expect(&peer.uri(), "Auth", "fingerprint").await;
    peer.cut_off();
    expect(&peer.uri(), "Unavailable", "network").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of another test"]
async fn child_that_cannot_connect() {
    let Some((folder, uri)) = arguments() else { return };
    let disk = folder.join("disk.raw");
    write_disk(&disk, 1 << 20);
    let hypervisor = Libvirt::connect(&uri, folder.join("r")).unwrap();
    let error = hypervisor.preflight(&spec(disk)).await.unwrap_err();
    assert_eq!(format!("{:?}", error.kind()), std::env::var("KIND").unwrap(), "{error:?}");
    let hint = std::env::var("HINT").unwrap();
    assert!(error.hint_text().is_some_and(|text| text.contains(&hint)), "{error:?}");
    assert!(error.to_string().contains(&uri), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_carries_both_ways_and_closes_with_its_machine() {
    let (peer, _alone) = (Peer::start(), alone().await);
    let far = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = far.local_addr().unwrap().port();
    // Says hello, then echoes.
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = far.accept().await {
            tokio::spawn(async move {
                connection.write_all(b"hello").await.unwrap();
                let (mut reader, mut writer) = connection.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    let events = Events::new(BuildId::random(), "test", vec![]);
    let folder = private();
    let folder = folder.path().join("t");
    let tunnel = Tunnel::open(Host::parse(&peer.uri()).unwrap(), port, &folder, events).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..2 {
        let mut connection = tokio::net::TcpStream::connect(tunnel.address()).await.unwrap();
        let mut word = [0; 5];
        connection.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"hello");
        let sent: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let mut received = vec![0; sent.len()];
        let (mut reader, mut writer) = connection.split();
        let (wrote, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut received));
        wrote.unwrap();
        read.unwrap();
        assert!(sent == received);
        connections.push(connection);
    }
    let address = tunnel.address();
    drop(tunnel);
    for mut connection in connections {
        let ended = tokio::time::timeout(Duration::from_secs(5), connection.read(&mut [0; 8])).await;
        assert!(matches!(ended.expect("it ends"), Ok(0) | Err(_)));
    }
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let needle = peer.path("key").display().to_string();
    until("no ssh is left", Duration::from_secs(5), || {
        !std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&needle)
        })
    })
    .await;
}
