//! `goldsmith vsphere export` against the simulator: disks come back as they were sent, and no way of failing leaves a file.
use super::{
    bench::{Bench, result, said},
    checks::assert_requests_valid,
    vcsim::Vcsim,
};
use goldsmith::disk::ova::Ova;
use serde_json::{Value, json};
use std::process::Command;
use test_case::test_case;

/// A vCenter with a template `web`, made of `web.ova`.
fn published(bench: &Bench, options: &[&str]) -> Vcsim {
    let vcsim = Vcsim::start(options);
    bench.ova("web", 24);
    let output = bench.publish(&vcsim, "web.ova", &["--template", "--snapshot=golden"]);
    assert!(output.status.success(), "{}", said(&output));
    vcsim
}

fn compare(bench: &Bench, one: &str, two: &str) {
    let output = Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "vmdk"])
        .args([bench.path(one), bench.path(two)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test_case(&[]; "leases that name the server by an asterisk")]
#[test_case(&["-lease-host"]; "leases that name a host and its thumbprint")]
fn a_template_comes_back_as_it_was_sent(options: &[&str]) {
    let bench = Bench::new();
    let vcsim = published(&bench, options);
    let output =
        bench.command(&vcsim, &["vsphere", "export", "web", "-o", "out.ova", "--json"]).output().unwrap();
    let made = result(&output);
    assert_eq!(made["event"], "exported");
    assert_eq!(made["machine"], "/DC0/vm/web");
    assert_eq!((&made["digests-compared"], &made["repeated"]), (&json!(1), &json!(0)));
    let (sent, back) = (bench.path("web.ova"), bench.path("out.ova"));
    assert!(bench.member(&sent) == bench.member(&back), "the disk's file is the same");
    compare(&bench, "web.raw", "member.vmdk");
    let ova = Ova::open_path(&back).unwrap();
    assert!(ova.check_manifest(&|_| {}, &|| false).unwrap());
    assert_eq!(ova.name(), Some("web"));
    assert_eq!(ova.networks(), ["VM Network"]);
    assert!(
        ova.descriptor().contains("published by goldsmith") && !ova.descriptor().contains("goldsmith-build")
    );
    let digest = std::fs::read_to_string(bench.path("out.ova.sha256")).unwrap();
    assert!(digest.starts_with(made["sha256"].as_str().unwrap()), "{digest}");
    let read = bench.plain(&["inspect", "out.ova", "--json"]).output().unwrap();
    assert!(read.status.success(), "{}", said(&read));
    assert_requests_valid(&vcsim);

    // What came back can be published again.
    let again = bench.publish(&vcsim, "out.ova", &["--name", "again"]);
    assert!(again.status.success(), "{}", said(&again));
}

#[test]
fn two_disks_go_and_come_at_once() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    let sent = bench.two("pair", 24, 12);
    vcsim.fault(&json!({"match": "POST /nfc/", "cut_after": 200_000}));
    let made = result(&bench.publish(&vcsim, "pair.ova", &["--json"]));
    assert_eq!((made["disks"].as_array().unwrap().len(), &made["repeated"]), (2, &json!(1)));
    vcsim.fault(&json!({"match": "GET /nfc/", "cut_after": 200_000}));
    let export = |to: &str| {
        bench.command(&vcsim, &["vsphere", "export", "pair", "--json", "-o", to]).output().unwrap()
    };
    let back = result(&export("back.ova"));
    assert_eq!((&back["digests-compared"], &back["repeated"]), (&json!(2), &json!(1)));
    let files = result(&export("back.ovf"));
    assert_eq!(files["files"].as_array().unwrap().len(), 4);
    for number in [1, 2] {
        let member = bench.member_of(&sent, Some(number));
        assert!(member == bench.member_of(&bench.path("back.ova"), Some(number)), "disk {number}");
        assert!(
            member == std::fs::read(bench.path(&format!("back-disk{number}.vmdk"))).unwrap(),
            "disk {number}"
        );
    }
    assert!(Ova::open_path(&bench.path("back.ova")).unwrap().check_manifest(&|_| {}, &|| false).unwrap());
    assert_requests_valid(&vcsim);
}

#[test]
fn a_snapshot_becomes_files_beside_each_other() {
    let bench = Bench::new();
    let vcsim = published(&bench, &[]);
    let export = |more: &[&str]| {
        bench.command(&vcsim, &["vsphere", "export", "/DC0/vm/web"]).args(more).output().unwrap()
    };
    let made = result(&export(&["-o", "web-golden.ovf", "--snapshot", "golden", "--json"]));
    assert_eq!(made["files"].as_array().unwrap().len(), 3);
    assert!(
        std::fs::read(bench.path("web-golden-disk1.vmdk")).unwrap() == bench.member(&bench.path("web.ova"))
    );
    let output = export(&["-o", "x.ova", "--snapshot", "none"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no snapshot `none`"), "{}", said(&output));
    for (to, word) in [("x.img", "neither an OVA nor an OVF"), ("none/x.ova", "no folder")] {
        let output = export(&["-o", to]);
        assert!(output.status.code() == Some(2) && said(&output).contains(word), "{}", said(&output));
    }
    assert!(vcsim.leases().iter().all(|lease| lease.state == "done"), "{:?}", vcsim.leases());
    assert_requests_valid(&vcsim);
}

#[test_case(&json!({"match": "GET /nfc/", "cut_after": 200_000}), 1; "a connection that is cut in the middle")]
#[test_case(&json!({"match": "GET /nfc/", "status": 503, "times": 2}), 2; "a host that is busy")]
#[test_case(&json!({"match": "GET /nfc/", "delay_ms": 3000}), 0; "a host that is slower than the lease lasts")]
fn trouble_that_passes_is_passed_over(rule: &Value, repeated: u64) {
    let bench = Bench::new();
    let vcsim = published(&bench, &["-lease-timeout", "1s"]);
    vcsim.fault(rule);
    let output =
        bench.command(&vcsim, &["vsphere", "export", "web", "-o", "out.ova", "--json"]).output().unwrap();
    assert_eq!(result(&output)["repeated"], json!(repeated));
    assert!(bench.member(&bench.path("web.ova")) == bench.member(&bench.path("out.ova")));
    assert_eq!(vcsim.faults_left(), 0);
}

#[test_case(&json!({"match": "GET /nfc/", "cut_after": 100_000, "times": 9}), "fetch `disk-0.vmdk`"; "connections that are cut always")]
#[test_case(&json!({"match": "HttpNfcLeaseProgress", "fault": {"type": "Timedout"}}), "Timedout"; "a lease that timed out")]
#[test_case(&json!({"match": "ExportVm", "fault": {"type": "NoPermission"}}), "NoPermission"; "a permission that is missing")]
#[test_case(&json!({"match": "GET /nfc/", "status": 404, "body": "gone"}), "404"; "a disk that is not there")]
fn trouble_that_stays_is_told_and_leaves_no_file(rule: &Value, word: &str) {
    let bench = Bench::new();
    let vcsim = published(&bench, &[]);
    vcsim.fault(rule);
    std::fs::create_dir(bench.path("out")).unwrap();
    let output = bench.command(&vcsim, &["vsphere", "export", "web", "-o", "out/web.ova"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{}", said(&output));
    assert_eq!(std::fs::read_dir(bench.path("out")).unwrap().count(), 0);
    assert!(vcsim.leases().iter().all(|lease| lease.state != "ready"), "{:?}", vcsim.leases());
}
