//! Builds whose disk stays with the hypervisor: wherever they fail, no machine and no image is left.
use super::*;
use crate::driver::fake::KEPT_CALLS;

fn kept_plan(out: &Path) -> Plan {
    let mut plan = plan(out);
    plan.source = SourcePlan::Ami(AmiSourcePlan::Id("ami-0123456789abcdef0".into()));
    plan.machine.ec2 = Some(Box::new(Ec2Plan::plain(Arch::X86_64)));
    plan.guest.seed = SeedKind::UserData;
    plan.outputs = vec![];
    plan.amis = vec![AmiPlan::new("tiny", Arch::X86_64, BootMode::Uefi)];
    plan
}

async fn build(bench: &Bench, hooks: &dyn Hooks, stop: &Stop) -> Outcome {
    let plan = Arc::new(kept_plan(&bench.out()));
    let job = Job { plan, image: None, ami: None, on_error: OnError::Cleanup };
    run(&bench.world, &job, &bench.dirs(), vec![], stop, hooks).await.unwrap()
}

/// Nothing is left but as many images as are said.
fn assert_left(bench: &Bench, images: usize, case: &str) {
    bench.assert_clean(&[], case);
    assert_eq!(bench.world.cloud().images().len(), images, "{case}: images");
}

#[tokio::test]
async fn an_image_is_kept_proved_and_nothing_else() {
    let bench = Bench::new(GuestBehaviour::Good);
    let outcome = build(&bench, &NoHooks, &Stop::default()).await;
    let made = outcome.result.expect("the fake build succeeds");
    assert_left(&bench, 1, "success");
    let [ami] = made.amis.as_slice() else { panic!("{made:?}") };
    assert_eq!(bench.world.cloud().images(), [ami.ami.id.as_str()]);
    let names: Vec<&str> = ami.verified[0].checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "motd",
            "no key of the build may log in",
            "there is no SSH host key of the build",
            "the user of the build is gone"
        ]
    );
    let stages: Vec<&str> = outcome.stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(stages, KEPT_STAGES);
}

#[tokio::test]
async fn every_failure_leaves_no_machine_and_no_image() {
    for stage in KEPT_STAGES {
        for after in [false, true] {
            let bench = Bench::new(GuestBehaviour::Good);
            let outcome = build(&bench, &FaultAt { stage, after }, &Stop::default()).await;
            let case = format!("fault {} {stage}", if after { "after" } else { "before" });
            assert_eq!(outcome.result.expect_err(&case).0, stage, "{case}");
            // What was delivered stays: it is proved.
            assert_left(&bench, usize::from(stage == "publish" && after), &case);
        }
    }
    for call in KEPT_CALLS {
        for after in [false, true] {
            let bench = Bench::new(GuestBehaviour::Good);
            bench.world.cloud().inject(Fault { call, after });
            let outcome = build(&bench, &NoHooks, &Stop::default()).await;
            let case = format!("fault {} {call}", if after { "after" } else { "before" });
            assert!(outcome.result.is_err(), "{case}");
            assert_left(&bench, 0, &case);
        }
    }
    for guest in [GuestBehaviour::NeverAnswers, GuestBehaviour::StepFails, GuestBehaviour::CheckFails] {
        let bench = Bench::new(guest);
        let outcome = build(&bench, &NoHooks, &Stop::default()).await;
        outcome.result.expect_err("it fails");
        assert_left(&bench, 0, &format!("{guest:?}"));
        assert!(names(&outcome.logs).iter().any(|name| name == "screenshot.png"), "{guest:?}");
    }
}

#[tokio::test]
async fn an_image_that_exists_is_tested_and_stays() {
    let bench = Bench::new(GuestBehaviour::Good);
    let list = bench.root.path().join("lists/packages.txt");
    let ami = AmiTest {
        id: "ami-0123456789abcdef0".into(),
        os_release: Some("Fake release 9.6".into()),
        up_to_date: true,
        packages: Some(list.clone()),
    };
    let prove = async |ami: AmiTest| {
        let plan = Arc::new(kept_plan(&bench.out()));
        let job = Job { plan, image: None, ami: Some(ami), on_error: OnError::Cleanup };
        run(&bench.world, &job, &bench.dirs(), vec![], &Stop::default(), &NoHooks).await.unwrap()
    };
    let made = prove(ami.clone()).await.result.expect("it is as expected");
    assert_left(&bench, 0, "tested");
    assert_eq!(made.amis[0].verified[0].checks.len(), 4, "{made:?}");
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "a-1.noarch\nb-2.noarch\n");
    let (_, error) =
        prove(AmiTest { os_release: Some("Other 1".into()), ..ami }).await.result.expect_err("it is not");
    assert_eq!(error.kind(), BuildErrorKind::Unproven);
    assert!(error.to_string().contains("expected Other 1, found Fake 9.6"), "{error}");
    assert_left(&bench, 0, "not as expected");
}

/// Installed in a vCenter, with a file beside what stays there.
fn installed_there(out: &Path, kind: VsphereImageKind) -> Plan {
    let mut plan = plan(out);
    plan.machine.vsphere = Some(Box::default());
    plan.guest.seed = SeedKind::NoCloud;
    plan.outputs.truncate(1);
    plan.amis = vec![];
    plan.vsphere = Some(VsphereImagePlan {
        name: "tiny".into(),
        kind,
        snapshot: None,
        tags: vec![],
        attributes: std::collections::BTreeMap::new(),
        description: None,
        replace: false,
    });
    plan
}

async fn build_there(bench: &Bench, kind: VsphereImageKind, hooks: &dyn Hooks) -> Outcome {
    bench.world.cloud().holds(base_image().to_owned());
    let plan = installed_there(&bench.out(), kind);
    bench.run_plan(plan, hooks, &Stop::default(), OnError::Cleanup).await
}

const FILES: [&str; 2] = ["tiny.raw.gz", "tiny.raw.gz.sha256"];

#[tokio::test]
async fn what_is_installed_in_a_vcenter_stays_there_and_its_disk_comes_here() {
    for (kind, images) in [
        (VsphereImageKind::Nothing, 0),
        (VsphereImageKind::Template, 1),
        (VsphereImageKind::LibraryOvf("golden".into()), 1),
    ] {
        let bench = Bench::new(GuestBehaviour::Good);
        let outcome = build_there(&bench, kind.clone(), &NoHooks).await;
        let stages: Vec<&str> = outcome.stages.iter().map(|stage| stage.stage.as_str()).collect();
        let made = outcome.result.expect("it succeeds");
        bench.assert_clean_but(&FILES, 0, "installed there");
        assert_eq!((bench.world.cloud().images().len(), made.kept.len()), (images, images), "{kind:?}");
        // Its files are looked into, and what boots is a copy of what stays.
        let verified = &made.artifacts[0].verified;
        assert!(verified[0].boot_seconds.is_none() && verified[1].boot_seconds.is_some(), "{verified:?}");
        assert_eq!((stages[2], stages[10], stages[11]), ("install", "convert", "image"), "{stages:?}");
    }
}

#[tokio::test]
async fn wherever_it_fails_nothing_is_left_there_or_here() {
    let stages = [
        "install",
        "seed",
        "create",
        "connect",
        "seal",
        "shut-down",
        "convert",
        "image",
        "verify",
        "publish",
    ];
    for stage in stages {
        for after in [false, true] {
            let bench = Bench::new(GuestBehaviour::Good);
            let outcome = build_there(&bench, VsphereImageKind::Template, &FaultAt { stage, after }).await;
            let case = format!("fault {} {stage}", if after { "after" } else { "before" });
            assert_eq!(outcome.result.expect_err(&case).0, stage, "{case}");
            let delivered = stage == "publish" && after;
            bench.assert_clean_but(if delivered { &FILES } else { &[] }, 0, &case);
            assert_eq!(bench.world.cloud().images().len(), usize::from(delivered), "{case}");
        }
    }
    for call in ["create", "power_on", "ssh_address", "shut_down", "export", "capture"] {
        let bench = Bench::new(GuestBehaviour::Good);
        bench.world.cloud().inject(Fault { call, after: true });
        let outcome = build_there(&bench, VsphereImageKind::Template, &NoHooks).await;
        assert!(outcome.result.is_err(), "{call}");
        bench.assert_clean_but(&[], 0, call);
        assert_eq!(bench.world.cloud().images(), Vec::<String>::new(), "{call}");
    }
}
