//! The demo: Debian 12 from the mirror, delivered and proved.
use crate::support::{Home, alone, base, beside, tool};
use std::{
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[test]
fn the_demo_delivers_images_that_other_tools_accept() {
    // Guests of other tests start from these images.
    let _turn = alone();
    let demo = base();
    let out = demo.home.out();
    tool("qemu-img", &["check", "-f", "qcow2", "debian-12.qcow2"], &out);
    tool("gzip", &["-t", "debian-12.raw.gz"], &out);
    tool("sha256sum", &["--strict", "-c", "debian-12.qcow2.sha256", "debian-12.raw.gz.sha256"], &out);
    // Both formats hold the same disk.
    let raw = out.join("again.raw");
    let file = std::fs::File::create(&raw).unwrap();
    let status = std::process::Command::new("gzip")
        .args(["-dc", "debian-12.raw.gz"])
        .current_dir(&out)
        .stdout(file)
        .status();
    assert!(status.unwrap().success());
    tool("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", "again.raw", "debian-12.qcow2"], &out);
    std::fs::remove_file(raw).unwrap();
    demo.home.assert_clean("the demo");
}

#[test]
fn the_demo_proves_both_outputs_by_booting_them() {
    let _turn = beside();
    let demo = base();
    let result = demo.result();
    let build = &result["builds"][0];
    assert_eq!(build["status"], "succeeded");
    assert_eq!(build["guest"]["os-id"], "debian");
    let artifacts = build["artifacts"].as_array().unwrap();
    assert_eq!(artifacts.len(), 2);
    for artifact in artifacts {
        let proofs = artifact["verified"].as_array().unwrap();
        assert_eq!(proofs.len(), 2, "looked into, and booted: {artifact:#}");
        assert!(proofs[1]["boot-seconds"].as_f64().unwrap() > 0.0);
        for proof in proofs {
            let checks = proof["checks"].as_array().unwrap();
            assert!(checks.len() >= 5, "{proof:#}");
            assert!(checks.iter().all(|check| check["passed"] == true), "{proof:#}");
        }
    }
}

/// What was delivered is proved again, by the definition alone.
#[test]
fn the_demo_image_still_holds_its_definition() {
    let _turn = beside();
    let demo = base();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/debian-12.toml");
    let image = demo.qcow2();
    let before = std::fs::metadata(&image).unwrap().modified().unwrap();
    let home = Home::new("again");
    let ran =
        home.run(&["--json", "verify", image.to_str().unwrap(), "--definition", example]).expect_code(0);
    let events = String::from_utf8_lossy(&ran.output.stdout).into_owned();
    for needed in ["unit `greeter.service` runs", "`command -v tcpdump` succeeds", "file `/etc/motd`"] {
        assert!(events.contains(needed), "{needed} is not in\n{events}");
    }
    assert_eq!(std::fs::metadata(&image).unwrap().modified().unwrap(), before, "a proof writes nothing");
    home.assert_clean("the proof");
}

#[test]
fn the_demo_ends_with_a_summary_for_people() {
    let _turn = beside();
    let Some(ran) = &base().ran else {
        println!("skipped: the demo was not built in this run");
        return;
    };
    let stderr = ran.stderr();
    for word in ["debian-12.raw.gz", "debian-12.qcow2", "result.json", "verify"] {
        assert!(stderr.contains(word), "no {word:?} in\n{stderr}");
    }
}

/// Whoever deploys the image may give it no cloud-init data at all: it must come up with a network, new host keys and sshd.
#[test]
fn the_demo_image_comes_up_without_any_seed_by_bios() {
    let _turn = beside();
    let image = base().qcow2();
    let serial = base().home.root.join("no-seed.log");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut guest = Command::new("qemu-system-x86_64")
        .args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max,-svm",
            "-smp",
            "2",
            "-m",
            "1024",
            "-machine",
            "q35",
        ])
        .args(["-display", "none", "-monitor", "none", "-no-reboot"])
        .args([
            "-drive",
            &format!("file={},format=qcow2,if=virtio,snapshot=on,cache=unsafe", image.display()),
        ])
        .args(["-device", "virtio-net-pci,netdev=n"])
        .args(["-netdev", &format!("user,id=n,hostfwd=tcp:127.0.0.1:{port}-:22")])
        .args(["-serial", &format!("file:{}", serial.display())])
        .stdin(Stdio::null())
        .spawn()
        .expect("qemu-system-x86_64");
    let begin = Instant::now();
    let mut up = false;
    while !up && begin.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_secs(1));
        up = banner(port);
    }
    guest.kill().unwrap();
    guest.wait().unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&serial).unwrap_or_default()).into_owned();
    assert!(
        up,
        "no sshd; the console said last:\n{}",
        text.lines().rev().take(30).collect::<Vec<_>>().join("\n")
    );
}

/// Whether a real sshd answers behind the forward, which accepts connections long before.
fn banner(port: u16) -> bool {
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).is_ok() && &bytes == b"SSH-"
}
