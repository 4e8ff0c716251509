//! What the driver finds wrong before it makes anything.
use super::{
    drives::{Drive, base, both, job, result, told},
    machines::SUBNET,
    prism::Kept,
};
use goldsmith::{
    driver::{DriverErrorKind, Hypervisor, nutanix::Job},
    plan::{NutanixImageKind, NutanixSourcePlan},
    value::Size,
};

/// What preflight says about a job that cannot be.
#[track_caller]
fn refused(drive: &Drive, job: Job) -> String {
    let driver = drive.driver(job);
    let error = drive.run(driver.preflight(&drive.spec("build", ""))).unwrap_err();
    assert!(drive.fixture.state().park.machines.is_empty());
    let written = drive
        .fixture
        .calls()
        .iter()
        .filter(|call| {
            matches!(call.method.as_str(), "PUT" | "DELETE")
                || call.method == "POST" && !call.path.ends_with("/list")
        })
        .count();
    assert_eq!(written, 0, "preflight makes nothing");
    told(&error)
}

fn changed(change: impl Fn(&mut Job)) -> Job {
    let mut job = job();
    change(&mut job);
    job
}

#[test]
fn all_that_is_there_is_found_by_name_or_uuid() {
    both(|drive| {
        for said in ["vlan173", "VLAN173", SUBNET] {
            let job = changed(|job| job.place.subnets = vec![said.to_owned()]);
            let ready = drive.run(drive.driver(job).preflight(&drive.spec("build", ""))).unwrap();
            assert!(ready.hypervisor.contains("PE-cluster"), "{}", ready.hypervisor);
        }
        assert_eq!(drive.fixture.wrongs(), Vec::<String>::new());
    });
}

#[test]
fn what_is_named_by_no_or_by_several_things_lists_them() {
    both(|drive| {
        for (job, words) in [
            (changed(|job| job.place.cluster = Some("third".to_owned())), ["`PE-cluster`", "`second`"]),
            (changed(|job| job.place.cluster = None), ["there are 2", "cluster` in `[nutanix]`"]),
            (changed(|job| job.place.subnets.clear()), ["`vlan173`", "`subnet` in `[nutanix]`"]),
            (changed(|job| job.place.subnets = vec!["TWIN".to_owned()]), ["`twin` (b2e46975", "UUID"]),
            (changed(|job| job.place.subnets = vec!["none".to_owned()]), ["`overlay`", "`vlan173`"]),
            (changed(|job| job.place.project = Some("other".to_owned())), ["project `other`", "`Images`"]),
            (
                changed(|job| job.source = NutanixSourcePlan::Image("bas".to_owned())),
                ["image `bas`", "`base`"],
            ),
            (changed(|job| job.source = NutanixSourcePlan::Config), ["nothing names one", "image_url"]),
            (changed(|job| job.machine.disk = Some(Size::mib(1))), ["make a disk of 1 MiB", "3 MiB"]),
            (
                changed(|job| job.machine.ip_networks = vec!["300.0.0.0/8".to_owned()]),
                ["ip-networks", "300.0.0.0/8"],
            ),
            (
                changed(|job| job.machine.categories = vec![("Env".to_owned(), "Build".to_owned())]),
                ["category `Env=Build`", "make it in Prism Central"],
            ),
        ] {
            let said = refused(drive, job);
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
    });
}

#[test]
fn a_result_that_cannot_be_is_told_before() {
    both(|drive| {
        let v3 = drive.prism.dialect() == goldsmith::nutanix::Dialect::V3;
        let with = |change: &dyn Fn(&mut goldsmith::plan::NutanixImagePlan)| {
            let mut plan = result(NutanixImageKind::Image);
            change(&mut plan);
            Job { result: Some(plan), ..job() }
        };
        let foreign = Kept { name: "theirs".to_owned(), ..base() };
        let ours = Kept {
            name: "ours".to_owned(),
            description: "(goldsmith-build=0123456789ab)".to_owned(),
            ..base()
        };
        drive.fixture.state().images.extend([foreign, ours]);
        let name = |name: &str, replace: bool| {
            with(&|plan| (plan.name, plan.replace) = (Some(name.to_owned()), replace))
        };
        for (job, word) in [
            (name("theirs", false), "remove it by hand"),
            (name("theirs", true), "goldsmith did not make"),
            (name("ours", false), "`replace = true`"),
            (name(&"x".repeat(257), false), "257 characters"),
            (with(&|plan| plan.description = Some("x".repeat(1000))), "the description has 1000"),
            (with(&|plan| plan.categories = vec![("k".to_owned(), "v".repeat(65))]), "64 characters"),
        ] {
            let said = refused(drive, job);
            assert!(said.contains(word), "{said}");
        }
        for kind in [NutanixImageKind::Template, NutanixImageKind::Ova] {
            let job = with(&|plan| (plan.kind, plan.replace) = (kind, kind == NutanixImageKind::Ova));
            if v3 {
                let said = refused(drive, job);
                assert!(said.contains("v3, which has none"), "{said}");
            } else if kind == NutanixImageKind::Ova {
                let said = refused(drive, job);
                assert!(said.contains("nothing tells who made one"), "{said}");
            }
        }
        drive.run(drive.driver(name("ours", true)).preflight(&drive.spec("build", ""))).unwrap();
    });
}

#[test]
fn user_data_that_is_too_long_is_told_before_the_machine_is_made() {
    both(|drive| {
        let driver = drive.driver(job());
        let spec = drive.spec("build", &base().uuid);
        std::fs::write(spec.instance.user_data.as_ref().unwrap(), vec![b'#'; 100_000]).unwrap();
        let error = drive.run(driver.create(&drive.cx, &spec)).unwrap_err();
        assert_eq!(error.kind(), DriverErrorKind::Unsupported);
        assert!(told(&error).contains("128000"), "{}", told(&error));
        drive.nothing_is_left();
    });
}
