//! A build whose machine runs on another host: the disks go there through libvirt's connection, and come back.
use crate::{
    peer::Peer,
    support::{Home, alone, over_base, tool},
};
use nix::sys::signal::Signal;
use std::time::Duration;

#[test]
fn a_build_runs_on_another_host_and_is_cleaned_up_there_after_kill_9() {
    let _turn = alone();
    let mut peer = Peer::start();
    // The owner of that host says where disks go.
    let disks = peer.disks();
    let home = Home::new("remote");
    let machine = format!("uri = \"{}\"\n[guest]\nseed = \"credentials\"", peer.uri());
    let rest = r#"
[[provision]]
shell = """
echo there > /etc/built
dd if=/dev/urandom of=/var/tmp/big bs=1M count=200 status=none
sync
rm /var/tmp/big
"""

[[output]]
format = "qcow2"

[verify]
boot = false
"#;
    let definition = home.definition("remote", &over_base("remote", &machine, rest));
    let build = ["build", definition.to_str().unwrap()];

    // Cut while it sends the disks; nothing has booted yet.
    let mut building = home.start(&build);
    building.wait_for("an upload", Duration::from_secs(120), |event| {
        event["event"] == "progress" && event["what"].as_str().is_some_and(|what| what.starts_with("upload"))
    });
    building.signal(Signal::SIGKILL);
    building.end(Duration::from_secs(10));
    assert_eq!(std::fs::read_dir(&disks).unwrap().count(), 1, "the folder of the build");
    peer.notice_a_death();
    // A host that cannot be reached is named, and nothing is forgotten.
    peer.cut_off();
    home.run(&["gc"]).expect_code(4).expect_stderr(&["qemu+ssh://", "libvirt pool"]);
    peer.listen();
    home.run(&["gc"]).expect_code(0);
    home.assert_clean("kill -9 while disks are sent, then gc");
    peer.assert_clean();
    assert_eq!(std::fs::read_dir(&disks).unwrap().count(), 0);

    let mut building = home.start(&build);
    let status = building.end(Duration::from_secs(900));
    let stderr = std::fs::read_to_string(home.root.join("stderr.txt")).unwrap();
    assert!(status.success(), "{stderr}\n{:#?}", building.seen.iter().rev().take(10).collect::<Vec<_>>());
    home.assert_clean("a build on another host");
    peer.assert_clean();
    assert_eq!(std::fs::read_dir(&disks).unwrap().count(), 0);

    let transfers = |verb: &str| {
        let is_it = |what: &str| what.starts_with(verb);
        building.seen.iter().filter(|event| event["what"].as_str().is_some_and(is_it)).count()
    };
    assert!(transfers("upload") > 1 && transfers("download") > 1);
    // Nothing of this machine can run there: the console came over the connection, whole and while the machine lived.
    let started = building.seen.iter().find(|event| event["event"] == "build-started").unwrap();
    let logs = std::path::Path::new(started["logs"].as_str().unwrap());
    let serial = String::from_utf8_lossy(&std::fs::read(logs.join("serial-build.log")).unwrap()).into_owned();
    assert!(serial.contains("Linux version") && serial.contains("Power down"), "{serial}");
    tool("sha256sum", &["--strict", "-c", "remote.qcow2.sha256"], &home.out());
    tool("qemu-img", &["check", "-q", "remote.qcow2"], &home.out());
    // What the guest gave back was not brought back.
    let grown = |image: &std::path::Path| image.metadata().unwrap().len() >> 20;
    let (image, base) = (grown(&home.out().join("remote.qcow2")), grown(&crate::support::base().qcow2()));
    assert!(image < base + 100, "{image} MiB over {base} MiB");
}
