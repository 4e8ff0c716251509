//! A machine's disk comes here as it was served, and no way of failing leaves a lease or a machine.
use super::{
    bench::{Bench, MIB},
    checks::assert_requests_valid,
    drives::Drive,
    world::told,
};
use goldsmith::{
    disk::{self, OpenOptions},
    driver::{DiskFormat, DriverErrorKind, Machine},
};
use serde_json::{Value, json};
use std::{fs, time::Duration};
use test_case::test_case;

/// A machine whose disk is `web.raw`, as `member.vmdk` in a folder.
async fn filled(bench: &Bench, drive: &Drive) -> Box<dyn Machine> {
    let ova = bench.ova("web", 24);
    let _ = bench.member(&ova);
    let (machine, _) = drive.machine("exported").await;
    drive.world.vcsim.disk("exported", 0, &bench.path("member.vmdk"));
    machine
}

/// What a disk holds.
fn content(path: &std::path::Path) -> Vec<u8> {
    let disk = disk::open(path, None, &OpenOptions::default()).unwrap();
    let mut bytes = vec![0; usize::try_from(disk.size()).unwrap()];
    disk.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test_case(&[]; "a lease that names the server by an asterisk")]
#[test_case(&["-lease-host"]; "a lease that names a host and its thumbprint")]
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_comes_as_it_was_served(flags: &[&str]) {
    let (bench, drive) = (Bench::new(), Drive::start(flags).await);
    let cx = &drive.world.cx;
    let machine = filled(&bench, &drive).await;
    drive.world.vcsim.expire();
    // Cut once, it comes again from its start.
    drive.world.vcsim.fault(&json!({"match": "GET /nfc/", "cut_after": 200_000}));
    let came = machine.export(cx, 0).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(came.format, DiskFormat::Vmdk);
    assert_eq!(came.path, cx.work().join("exported-0.vmdk"));
    assert!(fs::read(&came.path).unwrap() == fs::read(bench.path("member.vmdk")).unwrap(), "the same file");
    let (raw, read) = (fs::read(bench.path("web.raw")).unwrap(), content(&came.path));
    assert_eq!(read.len() as u64, 24 * MIB);
    assert!(read == raw, "the same content");
    let leases = drive.world.vcsim.leases();
    assert!(leases.len() == 1 && leases[0].state == "done" && !leases[0].progress.is_empty(), "{leases:?}");

    let error = machine.export(cx, 1).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Unsupported);
    machine.power_on(cx).await.unwrap();
    let error = machine.export(cx, 0).await.unwrap_err();
    assert!(told(&error).contains("not off"), "{}", told(&error));
    assert_eq!(drive.world.vcsim.leases().len(), 1);
    let report = cx.unwind(&Removers(&drive)).await;
    assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
    assert!(!came.path.exists());
    assert_requests_valid(&drive.world.vcsim);
}

/// Removes files as well.
struct Removers<'a>(&'a Drive);

#[async_trait::async_trait]
impl goldsmith::cx::Undoer for Removers<'_> {
    async fn undo(
        &self,
        undo: &goldsmith::cx::Undo,
        stop: &goldsmith::cx::Stop,
    ) -> Result<(), goldsmith::cx::UndoError> {
        if let goldsmith::cx::Undo::Path { path } = undo {
            let _ = fs::remove_file(path);
            return Ok(());
        }
        super::world::Remover(&self.0.world.vcenter).undo(undo, stop).await
    }
}

#[test_case(&json!({"match": "GET /nfc/", "cut_after": 100_000, "times": 9}), "fetch `disk-0.vmdk`", DriverErrorKind::Unavailable; "connections that are cut always")]
#[test_case(&json!({"match": "HttpNfcLeaseProgress", "fault": {"type": "Timedout"}}), "Timedout", DriverErrorKind::Timeout; "a lease that timed out")]
#[test_case(&json!({"match": "ExportVm", "fault": {"type": "NoPermission"}}), "NoPermission", DriverErrorKind::Permission; "a permission that is missing")]
#[test_case(&json!({"match": "GET /nfc/", "status": 404, "body": "gone"}), "404", DriverErrorKind::NotFound; "a disk that is not there")]
#[tokio::test(flavor = "multi_thread")]
async fn trouble_is_told_and_leaves_nothing(rule: &Value, word: &str, kind: DriverErrorKind) {
    let (bench, drive) = (Bench::new(), Drive::start(&[]).await);
    let machine = filled(&bench, &drive).await;
    drive.world.vcsim.fault(rule);
    let error = machine.export(&drive.world.cx, 0).await.unwrap_err();
    assert!(told(&error).contains(word), "{}", told(&error));
    assert_eq!(error.kind(), kind, "{}", told(&error));
    assert!(drive.world.vcsim.leases().iter().all(|lease| lease.state != "ready"));
    let report = drive.world.cx.unwind(&Removers(&drive)).await;
    assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_the_server_ends_is_told_in_its_words() {
    let (bench, drive) = (Bench::new(), Drive::start(&["-lease-timeout", "2s"]).await);
    let machine = filled(&bench, &drive).await;
    let vcsim = &drive.world.vcsim;
    vcsim.fault(&json!({"match": "GET /nfc/", "delay_ms": 4000}));
    let end = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(vcsim.fail_leases("The host was lost."), 1);
    };
    let (failed, ()) = tokio::join!(machine.export(&drive.world.cx, 0), end);
    let error = failed.unwrap_err();
    assert!(told(&error).contains("The host was lost."), "{}", told(&error));
    let report = drive.world.cx.unwind(&Removers(&drive)).await;
    assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_died_in_the_middle_left_a_lease_that_is_given_up() {
    let (bench, drive) = (Bench::new(), Drive::start(&[]).await);
    let machine = filled(&bench, &drive).await;
    drive.world.vcsim.fault(&json!({"match": "GET /nfc/", "delay_ms": 3000}));
    let export = machine.export(&drive.world.cx, 0);
    assert!(tokio::time::timeout(Duration::from_millis(1500), export).await.is_err(), "it is on its way");
    assert!(drive.world.vcsim.leases().iter().any(|lease| lease.state == "ready"));
    let begun = std::time::Instant::now();
    let report = drive.world.cx.unwind(&Removers(&drive)).await;
    assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
}
