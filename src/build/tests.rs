//! The recipe against the in-memory world: wherever it fails, nothing is left.
mod kept;

use super::{
    tests_amis::{self, Memory},
    world::*,
    *,
};
use crate::{
    cx::{Check, Cx, Record, ResourceRef, Sink, Stop},
    disk::gpt,
    driver::{
        DriverError, Hypervisor,
        fake::{CALLS, Cloud, FakeHypervisor, Fault},
    },
    guest::{Credentials, Login, Trouble},
    plan::*,
    source::{BaseDisk, Installer, KeptSource, Media, Prepared},
    value::{Arch, HumanDuration, Size},
};
use async_trait::async_trait;
use std::os::unix::fs::FileExt;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

/// The fake world: the machine and its guest are fake, disks and files are real.
struct FakeWorld {
    hypervisor: FakeHypervisor,
    guest: GuestBehaviour,
    account: Arc<Memory>,
}

/// What the fake guest does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GuestBehaviour {
    Good,
    NeverAnswers,
    StepFails,
    CheckFails,
    Blocks,
}

impl FakeWorld {
    fn new(guest: GuestBehaviour) -> Self {
        Self { hypervisor: FakeHypervisor::default(), guest, account: Arc::default() }
    }

    fn cloud(&self) -> &Cloud {
        &self.hypervisor.cloud
    }
}

#[async_trait]
impl World for FakeWorld {
    async fn hypervisor(
        &self,
        _: &Cx,
        _: &Plan,
        _: &crate::provision::Secrets,
    ) -> Result<Arc<dyn Hypervisor>, DriverError> {
        Ok(Arc::new(self.hypervisor.clone()))
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        if resource.driver == tests_amis::DRIVER {
            self.account.destroy(resource);
            return Ok(());
        }
        self.hypervisor.destroy(resource, stop).await
    }

    async fn upload(
        &self,
        cx: &Cx,
        _: &Plan,
        ami: &AmiPlan,
        disk_bytes: u64,
    ) -> Result<Box<dyn Upload>, BuildError> {
        assert_eq!(disk_bytes, 24 << 20);
        tests_amis::upload(&self.account, cx, ami)
    }

    async fn sweep(&self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn preflight(&self, _: &Cx, _: &Plan) -> Result<(), BuildError> {
        Ok(())
    }

    async fn fetch(&self, _: &Cx, _: &Plan, _: &crate::provision::Secrets) -> Result<(), BuildError> {
        Ok(())
    }

    async fn prepare_source(
        &self,
        cx: &Cx,
        plan: &Plan,
        _: &dyn Hypervisor,
        _: &crate::provision::Secrets,
    ) -> Result<Prepared, BuildError> {
        if matches!(plan.source, SourcePlan::Ami(_)) {
            let description = "an image of the fake's own".into();
            return Ok(Prepared::Kept(KeptSource { id: "source".into(), description }));
        }
        if plan.machine.vsphere.is_some() {
            let iso = cx.work().join("medium.iso");
            std::fs::write(&iso, b"").unwrap();
            let digest = crate::value::Digest::from_bytes(crate::value::DigestAlgorithm::Sha256, &[0; 32]);
            let description = "a medium".into();
            return Ok(Prepared::Media(Media { iso, digest: digest.unwrap(), answers: None, description }));
        }
        let path = cx.work().join("blank.raw");
        std::fs::write(&path, b"").unwrap();
        Ok(Prepared::Installer(Installer::of_disk(path)))
    }

    async fn adopt_installed(&self, cx: &Cx, _: &Plan, installer: Installer) -> Result<BaseDisk, BuildError> {
        assert!(installer.disk.exists());
        let path = cx.work().join("disk.raw");
        std::fs::copy(base_image(), &path).unwrap();
        Ok(BaseDisk {
            path,
            format: ImageFormat::Raw,
            backing: vec![],
            description: "a tiny ext4".into(),
            digest: None,
        })
    }

    async fn connect(
        &self,
        _: &Cx,
        _: SocketAddr,
        _: &Login,
        _: Option<&Credentials>,
        _: HumanDuration,
        _: Trouble<'_>,
    ) -> Result<Box<dyn Session>, BuildError> {
        match self.guest {
            GuestBehaviour::NeverAnswers => {
                Err(BuildError::new(BuildErrorKind::Failed, "the guest never answered"))
            }
            other => Ok(Box::new(FakeSession { guest: other })),
        }
    }
}

struct FakeSession {
    guest: GuestBehaviour,
}

#[async_trait]
impl Session for FakeSession {
    fn facts(&self) -> serde_json::Value {
        serde_json::json!({ "id": "fake" })
    }

    async fn provision(
        &mut self,
        cx: &Cx,
        _: &Plan,
        _: &crate::provision::Secrets,
        _: Trouble<'_>,
    ) -> Result<(), BuildError> {
        match self.guest {
            GuestBehaviour::StepFails => Err(BuildError::new(BuildErrorKind::Failed, "step 1 (`x`) failed")),
            GuestBehaviour::Blocks => Ok(cx.stop().unless_cancelled(std::future::pending::<()>()).await?),
            _ => Ok(()),
        }
    }

    async fn seal(&mut self, _: &Cx, _: &Plan) -> Result<(), BuildError> {
        Ok(())
    }

    async fn check(
        &mut self,
        _: &Cx,
        _: &str,
        _: &Plan,
        _: &serde_json::Value,
    ) -> Result<Vec<Check>, BuildError> {
        let passed = self.guest != GuestBehaviour::CheckFails;
        Ok(vec![Check { name: "motd".into(), passed, expected: "golden".into(), found: "lead".into() }])
    }

    async fn ask(
        &mut self,
        _: &Cx,
        _: &str,
        script: &str,
        _: HumanDuration,
    ) -> Result<(bool, String), BuildError> {
        let said = match script {
            "uname -m" => "x86_64\n",
            script if script.contains("os-release") => "PRETTY_NAME=\"Fake 9.6\"\nFake release 9.6\n",
            script if script.contains("rpm -qa") => "a-1.noarch\nb-2.noarch\n",
            // Keys, users, newer packages: none.
            _ => "",
        };
        Ok((true, said.to_owned()))
    }

    async fn diagnose(&mut self, _: &Cx) -> Vec<(String, String)> {
        vec![("journal".into(), "guest log".into())]
    }

    async fn close(&mut self) {}
}

/// A GPT disk with one sealed-looking ext4, made once by the real mke2fs.
fn base_image() -> &'static Path {
    static IMAGE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &IMAGE
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("root");
            for folder in ["etc/ssh", "var/log", "root"] {
                std::fs::create_dir_all(root.join(folder)).unwrap();
            }
            std::fs::write(root.join("etc/os-release"), "ID=fake\n").unwrap();
            std::fs::write(root.join("etc/machine-id"), "").unwrap();
            std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
            let fs = dir.path().join("fs");
            let status = std::process::Command::new("mke2fs")
                .args(["-q", "-t", "ext4", "-d"])
                .args([root.as_os_str(), fs.as_os_str()])
                .arg("16M")
                .status()
                .expect("mke2fs is a Debian essential package");
            assert!(status.success());
            let image = dir.path().join("disk.raw");
            let bytes: u64 = 24 << 20;
            let mut file = std::fs::File::create(&image).unwrap();
            file.set_len(bytes).unwrap();
            let partition = gpt::Partition {
                name: "root".into(),
                type_guid: uuid::uuid!("0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
                guid: uuid::Uuid::from_u128(7),
                first_lba: 2048,
                last_lba: 2048 + (16 << 20) / 512 - 1,
                attributes: 0,
            };
            gpt::write(
                &mut file,
                bytes,
                uuid::Uuid::from_u128(6),
                std::slice::from_ref(&partition),
                gpt::BootCode::Clear,
            )
            .unwrap();
            file.write_all_at(&std::fs::read(&fs).unwrap(), 2048 * 512).unwrap();
            (dir, image)
        })
        .1
}

fn plan(out: &Path) -> Plan {
    let output = |format: OutputFormat| OutputPlan {
        format,
        path: out.join(format!("tiny.{format}")),
        level: None,
        compression: None,
        ova: None,
    };
    Plan {
        offline: false,
        name: "tiny".into(),
        arch: Arch::X86_64,
        matrix: std::collections::BTreeMap::new(),
        definition: "/tiny.toml".into(),
        source: SourcePlan::Iso(IsoPlan {
            origins: vec![],
            digest: IsoDigest::Trusted,
            boot: InstallerBoot::Typed { steps: vec![] },
            answers: Answers { place: AnswerPlace::Initrd, files: vec![] },
            install: None,
            remarks: Vec::new(),
            timeout: HumanDuration::seconds(5),
        }),
        machine: MachinePlan {
            uri: "fake".into(),
            firmware: Firmware::Efi,
            cpus: 1,
            memory: Size::mib(256),
            disk: Size::mib(24),
            accelerator: Accelerator::Auto,
            ec2: None,
            vsphere: None,
            nutanix: None,
            cloudstack: None,
        },
        guest: GuestPlan {
            seed: crate::plan::SeedKind::NoCloud,
            login: None,
            user: "goldsmith".into(),
            connect_timeout: HumanDuration::seconds(1),
            shutdown_timeout: HumanDuration::seconds(1),
        },
        provider: crate::plan::Provider::default(),
        aws: crate::plan::AwsPlan::default(),
        vcenter: crate::plan::VcenterPlan::default(),
        prism: crate::plan::PrismPlan::default(),
        cloud: crate::plan::CloudPlan::default(),
        provision: vec![],
        roles: vec![],
        seal: SealPlan { sysprep: true, zero: false, trim: true },
        outputs: vec![output(OutputFormat::RawGz), output(OutputFormat::Qcow2), output(OutputFormat::Raw)],
        amis: vec![AmiPlan::new("tiny", Arch::X86_64, BootMode::Uefi)],
        vsphere: None,
        nutanix: None,
        cloudstack: None,
        verify: VerifyPlan { boot: true, firmware: vec![Firmware::Efi], commands: vec![] },
        secrets: BTreeMap::new(),
    }
}

/// One build in its own folders.
struct Bench {
    root: tempfile::TempDir,
    world: FakeWorld,
}

impl Bench {
    fn new(guest: GuestBehaviour) -> Self {
        Self { root: tempfile::tempdir().unwrap(), world: FakeWorld::new(guest) }
    }

    fn dirs(&self) -> Dirs {
        Dirs::under(self.root.path())
    }

    fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    async fn run(&self, hooks: &dyn Hooks, stop: &Stop, on_error: OnError) -> Outcome {
        self.run_plan(plan(&self.out()), hooks, stop, on_error).await
    }

    async fn run_plan(&self, plan: Plan, hooks: &dyn Hooks, stop: &Stop, on_error: OnError) -> Outcome {
        let job = Job { plan: Arc::new(plan), image: None, ami: None, on_error };
        run(&self.world, &job, &self.dirs(), vec![], stop, hooks).await.unwrap()
    }

    async fn simple(&self) -> Outcome {
        self.run(&NoHooks, &Stop::default(), OnError::Cleanup).await
    }

    /// No machine, no temporary file, no journal; and in the output folder only what `delivered` says.
    fn assert_clean(&self, delivered: &[&str], case: &str) {
        self.assert_clean_but(delivered, usize::from(!delivered.is_empty()), case);
    }

    /// The same with so many AMIs.
    fn assert_clean_but(&self, delivered: &[&str], amis: usize, case: &str) {
        assert_eq!(self.world.cloud().machines(), Vec::<String>::new(), "{case}: machines");
        assert_eq!(names(self.dirs().work_root()), Vec::<String>::new(), "{case}: work");
        assert_eq!(names(&self.dirs().journals()), Vec::<String>::new(), "{case}: journals");
        assert_eq!(names(&self.out()), delivered, "{case}: output folder");
        self.world.account.assert_holds(amis, case);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

const DELIVERED: [&str; 6] =
    ["tiny.qcow2", "tiny.qcow2.sha256", "tiny.raw", "tiny.raw.gz", "tiny.raw.gz.sha256", "tiny.raw.sha256"];

/// Fails before or after one stage.
struct FaultAt {
    stage: &'static str,
    after: bool,
}

impl FaultAt {
    fn trip(&self, stage: &str, after: bool) -> Result<(), BuildError> {
        if stage == self.stage && after == self.after {
            return Err(BuildError::new(BuildErrorKind::Failed, "injected"));
        }
        Ok(())
    }
}

#[async_trait]
impl Hooks for FaultAt {
    async fn before(&self, _: &Cx, stage: &str, _: Option<&Access>) -> Result<(), BuildError> {
        self.trip(stage, false)
    }
    async fn after(&self, _: &Cx, stage: &str) -> Result<(), BuildError> {
        self.trip(stage, true)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_delivers_every_output_with_its_digest_and_leaves_nothing_else() {
    let bench = Bench::new(GuestBehaviour::Good);
    let outcome = bench.simple().await;
    let result = outcome.result.expect("the fake build succeeds");
    bench.assert_clean(&DELIVERED, "success");
    assert_eq!(result.artifacts.len(), 3);
    for artifact in &result.artifacts {
        assert_eq!(artifact.verified.len(), 2, "looked into and booted: {artifact:?}");
        assert!(artifact.verified[0].checks.iter().any(|check| check.name.contains("machine")));
        let status = std::process::Command::new("sha256sum")
            .args(["--status", "-c"])
            .arg(format!("{}.sha256", artifact.path.display()))
            .current_dir(bench.out())
            .status()
            .unwrap();
        assert!(status.success(), "{artifact:?}");
    }
    assert_eq!(outcome.stages.len(), STAGES.len());
    // The AMI is of the same bytes, and of the same proof.
    let [ami] = &result.amis[..] else { panic!("{:?}", result.amis) };
    assert_eq!(ami.ami.name, "tiny");
    assert_eq!(ami.verified.len(), 2);
    assert_eq!(ami.virtual_bytes, Some(Size::mib(24)));
    let raw = std::fs::read(bench.out().join("tiny.raw")).unwrap();
    let snapshots = bench.world.account.snapshots.lock().unwrap();
    let blocks = snapshots[&ami.ami.snapshots[0]].lock().unwrap();
    assert!(!blocks.is_empty());
    let mut sent = vec![0; raw.len()];
    for (index, bytes) in blocks.iter() {
        let start = *index as usize * bytes.len();
        sent[start..start + bytes.len()].copy_from_slice(bytes);
    }
    assert!(sent == raw);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_account_leaves_a_clean_slate() {
    for call in tests_amis::CALLS {
        for after in [false, true] {
            if call == "keep" && after {
                continue;
            }
            let bench = Bench::new(GuestBehaviour::Good);
            bench.world.account.inject(call, after);
            let outcome = bench.simple().await;
            let case = format!("fault {} {call}", if after { "after" } else { "before" });
            let (_, error) = outcome.result.expect_err(&case);
            assert!(error.to_string().contains("injected"), "{case}: {error}");
            if call == "keep" {
                // The files are proved and there; the AMI is not a result.
                bench.world.account.assert_holds(0, &case);
            } else {
                bench.assert_clean(&[], &case);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_amis_only_proves_what_was_sent_and_leaves_no_file() {
    let ami = |name: &str| AmiPlan::new(name, Arch::X86_64, BootMode::Uefi);
    let of =
        |bench: &Bench| Plan { outputs: vec![], amis: vec![ami("one"), ami("two")], ..plan(&bench.out()) };
    let bench = Bench::new(GuestBehaviour::Good);
    let outcome = bench.run_plan(of(&bench), &NoHooks, &Stop::default(), OnError::Cleanup).await;
    let result = outcome.result.expect("the fake build succeeds");
    assert!(result.artifacts.is_empty());
    assert_eq!(result.amis.len(), 2);
    for ami in &result.amis {
        assert_eq!(ami.verified.len(), 2, "looked into and booted: {ami:?}");
    }
    assert_eq!(names(&bench.out()), Vec::<String>::new());
    assert_eq!(names(bench.dirs().work_root()), Vec::<String>::new());
    bench.world.account.assert_holds(2, "success");

    // A proof that fails takes both snapshots with it.
    let bench = Bench::new(GuestBehaviour::CheckFails);
    let outcome = bench.run_plan(of(&bench), &NoHooks, &Stop::default(), OnError::Cleanup).await;
    assert_eq!(outcome.result.expect_err("the check fails").1.kind(), BuildErrorKind::Unproven);
    bench.assert_clean(&[], "unproven");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_leaves_a_clean_slate() {
    for stage in STAGES {
        for after in [false, true] {
            let bench = Bench::new(GuestBehaviour::Good);
            let outcome = bench.run(&FaultAt { stage, after }, &Stop::default(), OnError::Cleanup).await;
            let case = format!("fault {} {stage}", if after { "after" } else { "before" });
            let (failed, _) = outcome.result.expect_err(&case);
            assert_eq!(failed, stage, "{case}");
            // What was delivered before the last stage ended stays delivered: it is proved.
            let delivered: &[&str] = if stage == "publish" && after { &DELIVERED } else { &[] };
            bench.assert_clean(delivered, &case);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_hypervisor_leaves_a_clean_slate() {
    for call in CALLS {
        for after in [false, true] {
            let bench = Bench::new(GuestBehaviour::Good);
            bench.world.cloud().inject(Fault { call, after });
            let outcome = bench.simple().await;
            let case = format!("fault {} {call}", if after { "after" } else { "before" });
            assert!(outcome.result.is_err(), "{case}");
            bench.assert_clean(&[], &case);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_fails_leaves_a_clean_slate_and_a_bundle() {
    for guest in [GuestBehaviour::NeverAnswers, GuestBehaviour::StepFails, GuestBehaviour::CheckFails] {
        let bench = Bench::new(guest);
        let outcome = bench.simple().await;
        let (_, error) = outcome.result.expect_err("it fails");
        bench.assert_clean(&[], &format!("{guest:?}"));
        let files = names(&outcome.logs);
        for file in ["build.jsonl", "error.txt", "plan.json", "screenshot.png", "timeline.txt"] {
            assert!(files.iter().any(|name| name == file), "{guest:?}: no {file} in {files:?}");
        }
        if guest == GuestBehaviour::CheckFails {
            assert_eq!(error.kind(), BuildErrorKind::Unproven);
            assert!(error.to_string().contains("expected golden, found lead"), "{error}");
            assert!(files.iter().any(|name| name == "guest-journal.txt"));
        }
    }
}

/// Cancels shortly after provisioning began.
struct CutInProvision(Stop);

#[async_trait]
impl Hooks for CutInProvision {
    async fn before(&self, _: &Cx, stage: &str, _: Option<&Access>) -> Result<(), BuildError> {
        if stage == "provision" {
            let stop = self.0.clone();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                stop.cancel();
            });
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_build_is_an_interruption_and_leaves_a_clean_slate() {
    let bench = Bench::new(GuestBehaviour::Blocks);
    let stop = Stop::default();
    let outcome = bench.run(&CutInProvision(stop.clone()), &stop, OnError::Cleanup).await;
    let (stage, error) = outcome.result.expect_err("interrupted");
    assert_eq!(stage, "provision");
    assert_eq!(error.kind(), BuildErrorKind::Interrupted);
    bench.assert_clean(&[], "interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_after_a_failure_is_what_gc_collects() {
    let bench = Bench::new(GuestBehaviour::StepFails);
    let outcome = bench.run(&NoHooks, &Stop::default(), OnError::Keep).await;
    assert!(outcome.kept.is_some(), "a kept build says how to log in");
    assert_eq!(bench.world.cloud().machines().len(), 1);
    let dead = dead_builds(&bench.dirs()).unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].header.as_ref().unwrap().build, outcome.id);
    let collected = collect(&bench.world, &bench.dirs(), &Stop::default(), &|_, _| {}).await.unwrap();
    assert!(collected.is_clean());
    bench.assert_clean(&[], "after gc");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_builds_at_once_do_not_meet() {
    let bench = Bench::new(GuestBehaviour::Good);
    let stop = Stop::default();
    let (first, second) = tokio::join!(
        bench.run(&NoHooks, &stop, OnError::Cleanup),
        bench.run(&NoHooks, &stop, OnError::Cleanup)
    );
    assert!(first.result.is_ok() && second.result.is_ok());
    assert_ne!(first.id, second.id);
    bench.assert_clean_but(&DELIVERED, 2, "two builds");
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_are_reported_in_the_order_of_the_table() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);
    impl Sink for Seen {
        fn take(&self, record: &Record) {
            if let crate::cx::Event::StageStarted { stage } = &record.event {
                self.0.lock().unwrap().push(stage.clone());
            }
        }
    }
    let bench = Bench::new(GuestBehaviour::Good);
    let seen = Arc::new(Seen::default());
    let job = Job { plan: Arc::new(plan(&bench.out())), image: None, ami: None, on_error: OnError::Cleanup };
    run(&bench.world, &job, &bench.dirs(), vec![seen.clone()], &Stop::default(), &NoHooks).await.unwrap();
    assert_eq!(*seen.0.lock().unwrap(), STAGES);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_exists_is_proved_and_nothing_else_is_touched() {
    let bench = Bench::new(GuestBehaviour::Good);
    bench.simple().await.result.expect("the fake build succeeds");
    let prove = async |name: &str, hooks: &dyn Hooks| {
        let image = Some(bench.out().join(name));
        let job = Job { plan: Arc::new(plan(&bench.out())), image, ami: None, on_error: OnError::Cleanup };
        run(&bench.world, &job, &bench.dirs(), vec![], &Stop::default(), hooks).await.unwrap()
    };
    for name in ["tiny.raw", "tiny.raw.gz", "tiny.qcow2"] {
        let outcome = prove(name, &NoHooks).await;
        let result = outcome.result.expect(name);
        assert_eq!(result.artifacts.len(), 1, "{name}");
        let artifact = &result.artifacts[0];
        assert_eq!(artifact.verified.len(), 2, "looked into and booted: {artifact:?}");
        let digest = std::fs::read_to_string(bench.out().join(format!("{name}.sha256"))).unwrap();
        assert!(digest.starts_with(&artifact.sha256), "{name}: {digest} {}", artifact.sha256);
        bench.assert_clean(&DELIVERED, name);
    }
    for stage in super::prove::PROOF_STAGES {
        for after in [false, true] {
            let outcome = prove("tiny.qcow2", &FaultAt { stage, after }).await;
            assert_eq!(outcome.result.expect_err(stage).0, stage);
            bench.assert_clean(&DELIVERED, stage);
        }
    }
    let (stage, error) = prove("none.raw", &NoHooks).await.result.expect_err("there is no such image");
    assert_eq!((stage.as_str(), error.kind()), ("source", BuildErrorKind::Preflight));
    assert!(error.chain().join(": ").contains("none.raw"), "{:?}", error.chain());
    bench.assert_clean(&DELIVERED, "no such image");
}
