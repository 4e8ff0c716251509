//! The fixture before the simulator, tried by VMware's own SDK: what that agrees with is believable.
use super::{
    checks::{assert_requests_valid, look_at},
    vcsim::{Vcsim, python},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A folder with a small OVA of our own in it.
struct Bench {
    root: tempfile::TempDir,
    ova: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let raw = root.path().join("disk.raw");
        // What every byte is does not matter, if only not all are alike.
        let bytes: Vec<u8> =
            (0_u32..1 << 20).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        fs::write(&raw, bytes).unwrap();
        let ova = root.path().join("disk.ova");
        let output = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"))
            .arg("convert")
            .arg(&raw)
            .arg("-o")
            .arg(&ova)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { root, ova }
    }

    /// Runs a script against a vCenter; it fails with what it disagrees with.
    fn run(&self, script: &str, vcsim: &Vcsim, more: &[&str]) -> Value {
        let output = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/vsphere").join(script))
            .args([vcsim.url(), vcsim.ca().to_str().unwrap(), vcsim.user(), vcsim.password()])
            .args([self.root.path(), &self.ova])
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn vmwares_sdk_imports_and_exports_through_it() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    let found = bench.run("try_fixture.py", &vcsim, &[]);
    assert_eq!(found["about"][1], "8.0.2.0");
    assert_eq!(found["keys"], 3);
    assert_eq!(found["import states"], serde_json::json!(["initializing", "ready"]));
    assert_eq!(found["uploaded"], found["exported"]);
    assert_eq!(found["uploaded"], found["clone exported"]);
    assert_eq!(fs::read(vcsim.datastore().join("iso/seed.iso")).unwrap().len(), 300_000);
    // The SDK's own requests are what its types say, or the checker is wrong.
    let calls = assert_requests_valid(&vcsim);
    for name in [
        "CreateVM_Task",
        "ImportVApp",
        "ExportVm",
        "PutUsbScanCodes",
        "CreateDescriptor",
        "HttpNfcLeaseAbort",
    ] {
        assert!(calls.iter().any(|one| one == name), "{name} was not called");
    }
    assert_eq!(vcsim.counters()["ExportVm"], 3);
    let leases = vcsim.leases();
    assert!(
        leases.iter().any(|one| one.imports && one.state == "done" && one.progress == [50]),
        "{leases:?}"
    );
    assert!(
        leases.iter().any(|one| !one.imports && one.state == "done" && one.progress == [100]),
        "{leases:?}"
    );
}

#[test]
fn libraries_keep_and_check_what_is_uploaded_in_the_older_form() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&[]));
    let found = bench.run("try_library.py", &vcsim, &["rest"]);
    assert_eq!(found["stored"].as_array().unwrap().len(), found["captured"].as_array().unwrap().len() + 1);
    assert_requests_valid(&vcsim);
}

#[test]
fn libraries_keep_and_check_what_is_uploaded_in_the_newer_form() {
    let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-api"]));
    bench.run("try_library.py", &vcsim, &["api"]);
    // One call is a mistake on purpose: a body that is wrapped as the older form wants it.
    let looked = look_at(&vcsim);
    assert!(looked.calls.iter().any(|one| one == "com.vmware.content.library.item.updatesession.file.add"));
    let other: Vec<_> = looked
        .problems
        .iter()
        .filter(|one| !one.contains("/api/cis/tagging/category, com.vmware.cis.tagging.category.create: "))
        .collect();
    assert!(other.is_empty() && !looked.problems.is_empty(), "{:?}", looked.problems);
}

#[test]
fn trouble_is_made_as_asked_for() {
    let bench = Bench::new();
    let vcsim = Vcsim::start(&["-vm", "1", "-lease-timeout", "1s"]);
    bench.run("try_faults.py", &vcsim, &[&format!("http://{}", vcsim.admin())]);
    assert_eq!(vcsim.faults_left(), 0);
    let faulty = vcsim.trace().into_iter().filter(|one| !one.fault.is_empty()).count();
    assert!(faulty >= 8, "{faulty} requests got trouble");
}

#[test]
fn it_ends_when_its_standard_input_does_and_leaves_nothing() {
    let vcsim = Vcsim::start(&[]);
    let folder = vcsim.trace_file().parent().unwrap().to_owned();
    assert!(folder.exists());
    drop(vcsim);
    assert!(!folder.exists(), "{} is left", folder.display());
}
