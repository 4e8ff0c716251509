//! `goldsmith publish vsphere` against the simulator: what arrives, what is made of it, and that no way of failing leaves anything.
use super::{
    bench::{Bench, MIB, result, said, uploaded},
    checks::assert_requests_valid,
    vcsim::Vcsim,
    world::place,
};
use goldsmith::vsphere::{Moref, Named, VCenter, machine::Machine};
use serde_json::{Value, json};
use std::{
    process::Stdio,
    time::{Duration, Instant},
};
use test_case::test_case;

async fn session(vcsim: &Vcsim) -> VCenter {
    VCenter::connect(&place(vcsim)).await.unwrap()
}

/// Names of all machines.
async fn machines(vcsim: &Vcsim) -> Vec<String> {
    let vcenter = session(vcsim).await;
    let root = vcenter.service("rootFolder").unwrap();
    let mut names: Vec<String> =
        vcenter.all_named(Named::Machine, &root).await.unwrap().into_iter().map(|(_, name)| name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ova_becomes_a_template_with_all_that_was_asked_for() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    let ova = bench.ova("node", 24);
    let more = [
        "--name",
        "node-1",
        "--folder",
        "images/linux",
        "--template",
        "--snapshot=golden",
        "--tag",
        "os:os:ubuntu",
        "--tag",
        "eksdRelease:eksdRelease:kubernetes-1-31-eks-47",
        "--attribute",
        "owner=platform",
        "--network",
        "DC0_DVPG0",
        "--datastore",
        "LocalDS_0",
        "--json",
    ];
    let made = result(&bench.publish(&vcsim, "node.ova", &more));
    assert_eq!(made["event"], "published");
    assert_eq!(made["path"], "/DC0/vm/images/linux/node-1");
    assert_eq!(made["disks"], json!([24 * MIB]));
    assert_eq!(
        (&made["template"], &made["repeated"], &made["replaced"]),
        (&json!(true), &json!(0), &json!(false))
    );
    let member = bench.member(&ova);
    assert_eq!(made["bytes-sent"], json!(member.len()));
    assert!(uploaded(&vcsim) == [member], "the bytes that arrived are those of the archive");

    let vcenter = session(&vcsim).await;
    let moref: Moref = made["machine"].as_str().unwrap().parse().unwrap();
    let machine = Machine::new(&vcenter, moref.clone(), "x");
    assert!(machine.is_template().await.unwrap());
    let snapshot: Moref = made["snapshot"].as_str().unwrap().parse().unwrap();
    assert_eq!(machine.current_snapshot().await.unwrap(), Some(snapshot));
    let notes = machine.annotation().await.unwrap();
    assert!(notes.contains("published by goldsmith") && notes.contains("node.ova"), "{notes}");
    assert!(!notes.contains("goldsmith-build"), "nobody takes it for a leftover: {notes}");
    let tags: Vec<String> = vcenter.tags_of(&moref).await.unwrap().into_iter().map(|tag| tag.name).collect();
    assert_eq!(tags, ["eksdRelease:kubernetes-1-31-eks-47", "os:ubuntu"]);
    let attributes = vcenter.properties(&moref, &["customValue"]).await.unwrap();
    assert!(format!("{attributes:?}").contains("platform"), "{attributes:?}");
    let leases = vcsim.leases();
    assert!(leases.iter().all(|lease| lease.state == "done"), "{leases:?}");
    assert_eq!(bench.journals(), 0);
    let calls = assert_requests_valid(&vcsim);
    for name in [
        "CreateImportSpec",
        "ImportVApp",
        "HttpNfcLeaseProgress",
        "HttpNfcLeaseGetManifest",
        "MarkAsTemplate",
    ] {
        assert!(calls.iter().any(|call| call == name), "{name} was not called");
    }
    assert_eq!(
        vcsim.calls("Login").len(),
        vcsim.calls("Logout").len() + 1,
        "the session of the command ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_what_was_made_and_scripts_its_path() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-lease-host"]));
    bench.ova("web", 8);
    let output = bench.publish(&vcsim, "web.ova", &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "/DC0/vm/web\n");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("stage upload") && text.contains("machine") && text.contains("LocalDS_0"),
        "{text}"
    );
    assert_eq!(machines(&vcsim).await, ["web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_eks_anywhere_says_where() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    bench.ova("web", 8);
    let config = json!({
        "vcenter_server": vcsim.host(), "username": vcsim.user(), "password": vcsim.password(),
        "insecure_connection": "true", "datacenter": "DC0", "cluster": "DC0_C0", "datastore": "LocalDS_0",
        "folder": "/DC0/vm/eks", "network": "VM Network", "resource_pool": "*/Resources",
        "convert_to_template": "true", "create_snapshot": "false", "linked_clone": "false", "template": "",
    });
    std::fs::write(bench.path("vsphere.json"), config.to_string()).unwrap();
    let output = bench
        .plain(&["publish", "vsphere", "web.ova", "--config", "vsphere.json", "--json"])
        .output()
        .unwrap();
    let made = result(&output);
    assert_eq!((&made["path"], &made["template"]), (&json!("/DC0/vm/eks/web"), &json!(true)));
    assert!(!said(&output).contains(vcsim.password()), "{}", said(&output));
    for entry in walk(&bench.path("state")) {
        let text = std::fs::read(&entry).unwrap();
        let found = text.windows(vcsim.password().len()).any(|part| part == vcsim.password().as_bytes());
        assert!(!found, "{} has the password", entry.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_told_before_anything_is_sent_and_only_our_own_is_replaced() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-vm", "1"]));
    bench.ova("web", 8);
    let theirs = machines(&vcsim).await;
    let before = vcsim.calls("ImportVApp").len();
    for more in [&["--name", "DC0_C0_RP0_VM0"][..], &["--name", "DC0_C0_RP0_VM0", "--replace"]] {
        let output = bench.publish(&vcsim, "web.ova", more);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stderr);
        let word = if more.len() == 2 { "there is a machine" } else { "goldsmith did not make it" };
        assert!(text.contains(word) && text.contains("--name"), "{text}");
    }
    assert_eq!(vcsim.calls("ImportVApp").len(), before);
    assert_eq!(machines(&vcsim).await, theirs);

    let first = result(&bench.publish(&vcsim, "web.ova", &["--template", "--json"]));
    let refused = bench.publish(&vcsim, "web.ova", &["--template"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("--replace"), "{}", said(&refused));
    bench.ova("web", 12);
    let second = result(&bench.publish(&vcsim, "web.ova", &["--template", "--replace", "--json"]));
    assert_eq!((&second["replaced"], &second["path"]), (&json!(true), &first["path"]));
    assert_ne!(second["machine"], first["machine"]);
    let mut all = theirs.clone();
    all.push("web".to_owned());
    assert_eq!(machines(&vcsim).await, all, "the old one is gone, and the new one has its name");
    let vcenter = session(&vcsim).await;
    let there = vcenter.at_path("/DC0/vm/web").await.unwrap().unwrap();
    assert_eq!(there.to_string(), second["machine"].as_str().unwrap());
    assert_eq!(bench.journals(), 0);
    assert_requests_valid(&vcsim);
}

#[test_case(&json!({"match": "POST /nfc/", "cut_after": 200_000}), 1; "a connection that is cut in the middle")]
#[test_case(&json!({"match": "POST /nfc/", "cut_after": 200_000, "times": 3}), 3; "three of them")]
#[test_case(&json!({"match": "POST /nfc/", "status": 503}), 1; "a host that is busy")]
#[test_case(&json!({"match": "CreateImportSpec", "status": 503}), 0; "a vCenter that is busy")]
#[test_case(&json!({"match": "HttpNfcLeaseComplete", "fault": {"type": "NotAuthenticated"}}), 0; "a session that is over")]
#[test_case(&json!({"match": "HttpNfcLeaseGetManifest", "fault": {"type": "InvalidState"}}), 0; "a server that has no manifest of what it received")]
#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_passes_is_passed_over(rule: &Value, repeated: u64) {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    let ova = bench.ova("web", 8);
    vcsim.fault(rule);
    let made = result(&bench.publish(&vcsim, "web.ova", &["--json"]));
    assert_eq!(made["repeated"], json!(repeated));
    assert_eq!(vcsim.faults_left(), 0);
    assert!(uploaded(&vcsim) == [bench.member(&ova)]);
    assert_requests_valid(&vcsim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_kept_alive_however_slow_the_disk_is() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-lease-timeout", "1s"]));
    bench.ova("web", 8);
    vcsim.fault(&json!({"match": "POST /nfc/", "delay_ms": 4000}));
    let made = result(&bench.publish(&vcsim, "web.ova", &["--json"]));
    assert_eq!(made["repeated"], json!(0));
    let told = vcsim.leases().iter().map(|lease| lease.progress.len()).max().unwrap();
    assert!(told >= 4, "progress was told {told} times");
}

#[test_case(&json!({"match": "ImportVApp", "fault": {"type": "NoPermission"}}), "NoPermission"; "a permission that is missing")]
#[test_case(&json!({"match": "ImportVApp", "fault": {"type": "NoDiskSpace"}}), "NoDiskSpace"; "a datastore that is full")]
#[test_case(&json!({"match": "ImportVApp", "fault": {"type": "DuplicateName"}}), "DuplicateName"; "a name that somebody took a moment ago")]
#[test_case(&json!({"match": "POST /nfc/", "status": 500, "body": "No space left on device"}), "No space left on device"; "a host that cannot write")]
#[test_case(&json!({"match": "POST /nfc/", "cut_after": 100_000, "times": 9}), "send `web-disk1.vmdk`"; "connections that are cut always")]
#[test_case(&json!({"match": "HttpNfcLeaseProgress", "fault": {"type": "Timedout"}}), "Timedout"; "a lease that timed out")]
#[test_case(&json!({"match": "CreateSnapshot_Task", "task": {"type": "NoDiskSpace"}}), "NoDiskSpace"; "a snapshot that fails")]
#[test_case(&json!({"match": "MarkAsTemplate", "fault": {"type": "NoPermission"}}), "NoPermission"; "a template that may not be made")]
#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_stays_is_told_and_leaves_nothing(rule: &Value, word: &str) {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    bench.ova("web", 8);
    vcsim.fault(rule);
    let more = ["--folder", "new", "--template", "--snapshot", "--tag", "os:os:ubuntu"];
    let output = bench.publish(&vcsim, "web.ova", &more);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{}", said(&output));
    assert_eq!(machines(&vcsim).await, [""; 0]);
    let vcenter = session(&vcsim).await;
    assert_eq!(vcenter.at_path("/DC0/vm/new").await.unwrap(), None, "the folder went, too");
    assert!(vcsim.leases().iter().all(|lease| lease.state != "ready"), "{:?}", vcsim.leases());
    assert_eq!(bench.journals(), 0);
    assert_requests_valid(&vcsim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_the_server_ends_is_told_with_its_reason() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-lease-timeout", "2s"]));
    bench.ova("web", 8);
    vcsim.fault(&json!({"match": "POST /nfc/", "delay_ms": 20_000}));
    let child = bench
        .command(&vcsim, &["publish", "vsphere", "web.ova", "--cluster", "DC0_C0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| vcsim.leases().iter().any(|lease| lease.state == "ready" && !lease.progress.is_empty()));
    assert_eq!(vcsim.fail_leases("The host went away."), 1);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("The host went away."), "{}", said(&output));
    assert_eq!(machines(&vcsim).await, [""; 0]);
}

fn wait_for(mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_in_the_middle_leaves_nothing_after_gc() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-lease-timeout", "3s"]));
    bench.ova("web", 8);
    vcsim.fault(&json!({"match": "POST /nfc/", "delay_ms": 30_000}));
    let mut child = bench
        .command(&vcsim, &["publish", "vsphere", "web.ova", "--cluster", "DC0_C0", "--folder", "a/b"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| vcsim.leases().iter().any(|lease| !lease.progress.is_empty()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(machines(&vcsim).await, ["web"]);
    let text = bench.gc(&vcsim);
    assert!(text.contains("\"clean\": true"), "{text}");
    assert_eq!(machines(&vcsim).await, [""; 0]);
    let vcenter = session(&vcsim).await;
    assert_eq!(vcenter.at_path("/DC0/vm/a").await.unwrap(), None);
    assert_requests_valid(&vcsim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_lease_nobody_heard_of_goes_when_that_ends() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-lease-timeout", "3s"]));
    bench.ova("web", 8);
    vcsim.fault(&json!({"match": "ImportVApp", "lose_answer": true}));
    let output = bench.publish(&vcsim, "web.ova", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(machines(&vcsim).await, [""; 0]);
    assert_eq!((bench.journals(), vcsim.leases().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_undoes_everything_without_a_password_in_the_environment() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    bench.ova("web", 8);
    std::fs::write(bench.path("password"), format!("{}\n", vcsim.password())).unwrap();
    vcsim.fault(&json!({"match": "POST /nfc/", "delay_ms": 30_000}));
    let child = bench
        .plain(&["publish", "vsphere", "web.ova", "--cluster", "DC0_C0", "--server", vcsim.host()])
        .args([
            "--user",
            vcsim.user(),
            "--password-file",
            "password",
            "--ca-file",
            vcsim.ca().to_str().unwrap(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| vcsim.leases().iter().any(|lease| !lease.progress.is_empty()));
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert_eq!(machines(&vcsim).await, [""; 0]);
    assert_eq!(bench.journals(), 0);
}

#[test]
fn what_is_wrong_with_the_command_is_said_before_anything_is_made() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    bench.ova("web", 8);
    let other = vcsim.thumbprint_sha256().replace('A', "B").replace('0', "1");
    for (more, code, word) in [
        (&["--network", "nowhere"][..], 1, "network `nowhere`"),
        (&["--network", "nic7=VM Network"], 2, "`VM Network`"),
        (&["--datastore", "none"], 1, "LocalDS_0"),
        (&["--folder", "/DC9/vm/x"], 2, "not in `/DC0/vm`"),
        (&["--name", "a/b"], 2, "would be written in another way"),
        (&["--property", "x=y"], 2, "has none that can be set"),
        (&["--tag", "os"], 2, "CATEGORY:TAG"),
        (&["--host", "none"], 1, "find the host"),
    ] {
        let output = bench.publish(&vcsim, "web.ova", more);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {}", said(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{more:?}: {}", said(&output));
    }
    let output = bench
        .plain(&[
            "publish",
            "vsphere",
            "web.ova",
            "--server",
            vcsim.host(),
            "--user",
            "u",
            "--thumbprint",
            &other,
        ])
        .env("VSPHERE_PASSWORD", "x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains(vcsim.thumbprint_sha256()), "{}", said(&output));
    let output =
        bench.plain(&["publish", "vsphere", "web.ova", "--server", "vc.example.com"]).output().unwrap();
    assert!(output.status.code() == Some(2) && said(&output).contains("--user"), "{}", said(&output));
    assert_eq!(vcsim.calls("ImportVApp").len(), 0);
    assert_eq!(bench.journals(), 0);
}

#[test]
fn a_damaged_disk_is_found_on_the_way_and_never_arrives_whole() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    let ova = bench.ova("web", 8);
    let mut bytes = std::fs::read(&ova).unwrap();
    let at = bytes.len() - 100_000;
    bytes[at] ^= 1;
    std::fs::write(&ova, bytes).unwrap();
    let output = bench.publish(&vcsim, "web.ova", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("does not have the digest in the manifest"), "{}", said(&output));
    assert_eq!(vcsim.calls("HttpNfcLeaseComplete").len(), 0);
    assert!(vcsim.leases().iter().all(|lease| lease.state == "error"), "{:?}", vcsim.leases());
    assert_eq!(bench.journals(), 0);
}
