//! The demo: Debian 12 from the mirror, delivered and proved.
use crate::support::{base, tool};

#[test]
fn the_demo_delivers_images_that_other_tools_accept() {
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
    let demo = base();
    let result = demo.result();
    let build = &result["builds"][0];
    assert_eq!(build["status"], "succeeded");
    assert_eq!(build["guest"]["id"], "debian");
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

#[test]
fn the_demo_ends_with_a_summary_for_people() {
    let stderr = base().ran.stderr();
    for word in ["debian-12.raw.gz", "debian-12.qcow2", "result.json", "verify"] {
        assert!(stderr.contains(word), "no {word:?} in\n{stderr}");
    }
}
