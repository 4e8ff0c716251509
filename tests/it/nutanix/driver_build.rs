//! A build's way through the driver, in both dialects: a machine, its guest's address, what is made of it.
use super::{
    drives::{Drive, MIB, TOLD, base, both, job, result, told},
    machines::{PROJECT, SUBNET},
    prism::CLUSTER,
};
use goldsmith::{
    driver::{DriverErrorKind, Hypervisor, KeptKind, MachineEvent, MachineState, Wanted, nutanix::Job},
    nutanix::Dialect,
    plan::{NutanixBoot, NutanixImageKind, NutanixImagePlan, NutanixSourcePlan, SourcePlan},
    value::{Arch, HumanDuration},
};
use std::{net::SocketAddr, time::Duration};

fn seconds(seconds: u64) -> HumanDuration {
    HumanDuration::seconds(seconds)
}

#[test]
fn a_machine_is_as_the_plan_says_and_off() {
    both(|drive| {
        let mut job = job();
        job.place.project = Some("images".to_owned());
        job.place.subnets.push("overlay".to_owned());
        job.machine.boot = NutanixBoot::SecureBoot;
        job.machine.categories = vec![("Env".to_owned(), "Build".to_owned())];
        let category = ("Env", "Build", "", "d1f6f1a1-0000-4000-8000-000000000001");
        let (key, value, text, uuid) = category;
        let category = (key.to_owned(), value.to_owned(), text.to_owned(), uuid.to_owned());
        drive.fixture.state().categories.push(category);
        drive.fixture.state().keys.insert("Env".to_owned(), String::new());
        let driver = drive.driver(job);
        let machine = drive.run(drive.machine(&driver)).unwrap();
        let there = drive.only();
        let id = drive.cx.id();
        assert_eq!(there.name, format!("web-{id}"));
        assert!(there.description.contains(&format!("goldsmith-build={id}")), "{}", there.description);
        assert_eq!((there.cpus, there.memory), ((2, 2), 2048 * MIB));
        assert_eq!((there.cluster.as_str(), there.project.as_deref()), (CLUSTER, Some(PROJECT)));
        let (state, v4) = (drive.fixture.state(), drive.prism.dialect() == Dialect::V4);
        assert_eq!(
            there.categories,
            if v4 { [state.categories[0].3.clone()] } else { ["Env=Build".to_owned()] }
        );
        drop(state);
        assert_eq!(there.subnets, [SUBNET, "b2e46975-2cde-4a49-9dda-815eb4fcd683"]);
        assert_eq!((there.image.as_str(), there.disk_bytes), (base().uuid.as_str(), 10 * MIB));
        assert_eq!(there.user_data.as_deref(), Some(TOLD));
        assert!(there.boot == "SECURE_BOOT" || there.boot == "vmm.v4.ahv.config.UefiBoot", "{}", there.boot);
        assert!(!there.on);
        assert_eq!(machine.resource().id, there.uuid);
        assert_eq!(drive.run(machine.state()).unwrap(), MachineState::Off);
        drive.nothing_is_left();
    });
}

#[test]
fn its_guest_is_reached_and_shut_down_and_its_disk_becomes_an_image() {
    both(|drive| {
        let driver = drive.driver(job());
        let made = drive.run(async {
            let cx = &drive.cx;
            let machine = drive.machine(&driver).await.unwrap();
            machine.power_on(cx).await.unwrap();
            assert_eq!(machine.state().await.unwrap(), MachineState::Running);
            let address = machine.ssh_address(cx).await.unwrap();
            assert_eq!(
                address,
                "127.0.0.1:2222".parse::<SocketAddr>().unwrap(),
                "the link-local one is passed over"
            );
            machine.shut_down(cx, seconds(5)).await.unwrap();
            assert_eq!(machine.state().await.unwrap(), MachineState::Off);

            let exported = machine.export(cx, 0).await.unwrap();
            let bytes = std::fs::read(&exported.path).unwrap();
            assert!(bytes == base().bytes, "other bytes came");
            let plan = result(NutanixImageKind::Image);
            let captured = machine.capture(cx, Wanted::Nutanix(&plan)).await.unwrap();
            assert!(!captured.is_the_machine);
            assert_eq!(captured.image.kind, KeptKind::Image);
            assert_eq!(drive.fixture.state().images.len(), 2, "what was fetched is what is kept");

            // A copy of it, as others make them: with its own size.
            let proof = driver.create(cx, &drive.spec("proof", &captured.image.id)).await.unwrap();
            let name = format!("web-proof-{}", cx.id());
            let there =
                drive.fixture.state().park.machines.iter().find(|vm| vm.name == name).cloned().unwrap();
            assert_eq!((there.image.as_str(), there.disk_bytes), (captured.image.id.as_str(), 3 * MIB));
            proof.power_on(cx).await.unwrap();
            driver.keep(cx, captured).await.unwrap()
        });
        assert_eq!(made.name, "web-1");
        drive.nothing_is_left();
        let state = drive.fixture.state();
        let kept = state.images.iter().find(|image| image.uuid == made.id).unwrap();
        assert_eq!((kept.name.as_str(), kept.bytes == base().bytes), ("web-1", true));
    });
}

#[test]
fn a_result_has_categories_and_takes_the_place_of_an_earlier_one() {
    both(|drive| {
        let earlier = super::prism::Kept {
            uuid: "70cfd137-a8d9-4169-a5ac-cf9ad6ddb03b".to_owned(),
            name: "web-1".to_owned(),
            description: "old\n(goldsmith-build=0123456789ab)".to_owned(),
            ..base()
        };
        drive.fixture.state().images.push(earlier.clone());
        let plan = NutanixImagePlan {
            categories: vec![("OS".to_owned(), "debian".to_owned())],
            description: Some("for people".to_owned()),
            replace: true,
            ..result(NutanixImageKind::Image)
        };
        let driver = drive.driver(Job { result: Some(plan.clone()), ..job() });
        drive.run(async {
            driver.preflight(&drive.spec("build", "")).await.unwrap();
            let machine = drive.machine(&driver).await.unwrap();
            let captured = machine.capture(&drive.cx, Wanted::Nutanix(&plan)).await.unwrap();
            assert!(
                drive.fixture.state().images.iter().any(|image| image.uuid == earlier.uuid),
                "not before the proof"
            );
            driver.keep(&drive.cx, captured).await.unwrap();
        });
        drive.nothing_is_left();
        let state = drive.fixture.state();
        let [_, kept] = state.images.as_slice() else { panic!("{}", state.images.len()) };
        assert!(kept.description.starts_with("for people\n"), "{}", kept.description);
        assert_eq!((kept.categories.len(), state.categories.len()), (1, 1), "it stays with the result");
    });
}

#[test]
fn a_template_and_an_ova_are_made_and_proved() {
    for kind in [NutanixImageKind::Template, NutanixImageKind::Ova] {
        let drive = Drive::start(true);
        let plan = result(kind);
        let driver = drive.driver(Job { result: Some(plan.clone()), ..job() });
        drive.run(async {
            let cx = &drive.cx;
            driver.preflight(&drive.spec("build", "")).await.unwrap();
            let machine = drive.machine(&driver).await.unwrap();
            let captured = machine.capture(cx, Wanted::Nutanix(&plan)).await.unwrap();
            let proof = driver.create(cx, &drive.spec("proof", &captured.image.id)).await.unwrap();
            let uuid = &proof.resource().id;
            let there =
                drive.fixture.state().park.machines.iter().find(|vm| vm.uuid == *uuid).cloned().unwrap();
            assert_eq!(there.user_data.as_deref(), Some(TOLD));
            assert!(there.disk == base().bytes);
            proof.power_on(cx).await.unwrap();
            driver.keep(cx, captured).await.unwrap();
        });
        drive.nothing_is_left();
        let state = drive.fixture.state();
        let all = if kind == NutanixImageKind::Ova { &state.park.ovas } else { &state.park.templates };
        let [kept] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(kept.name, "web-1");
        assert!(!kept.machine.cd, "what cloud-init was told is not in it");
        assert_eq!(state.images.len(), 1, "the image of the proof is gone");
    }
}

#[test]
fn what_is_not_kept_goes_whatever_it_is() {
    for kind in [NutanixImageKind::Nothing, NutanixImageKind::Template, NutanixImageKind::Ova] {
        let drive = Drive::start(true);
        let plan = result(kind);
        let driver = drive.driver(Job { result: Some(plan.clone()), ..job() });
        drive.run(async {
            let machine = drive.machine(&driver).await.unwrap();
            machine.capture(&drive.cx, Wanted::Nutanix(&plan)).await.unwrap();
        });
        drive.nothing_is_left();
        let state = drive.fixture.state();
        assert_eq!((state.images.len(), state.park.templates.len(), state.park.ovas.len()), (1, 0, 0));
    }
}

#[test]
fn an_image_is_fetched_for_the_build_or_used_if_its_digest_is_there() {
    both(|drive| {
        let url: url::Url = "https://example.com/jammy.img".parse().unwrap();
        let bytes = base().bytes;
        drive.fixture.state().web.insert(url.to_string(), bytes.clone());
        let digest = format!("sha256:{}", super::prism::sha256(&bytes)).parse().ok();
        for (digest, own) in [(digest, false), (None, true)] {
            let source = NutanixSourcePlan::Url { url: url.clone(), digest };
            let driver = drive.driver(Job { source: source.clone(), ..job() });
            let source = SourcePlan::Nutanix(source);
            let image = drive.run(driver.find_image(&drive.cx, &source, Arch::X86_64)).unwrap();
            assert_eq!(image.id != base().uuid, own, "{}", image.description);
            if own {
                let state = drive.fixture.state();
                let made = state.images.iter().find(|made| made.uuid == image.id).unwrap();
                assert_eq!(made.clusters, [CLUSTER]);
            }
        }
        drive.nothing_is_left();
        assert_eq!(drive.fixture.state().images.len(), 1, "what was fetched went with the build");
    });
}

#[test]
fn its_end_is_told_however_it_comes() {
    both(|drive| {
        let driver = drive.driver(job());
        drive.run(async {
            let machine = drive.machine(&driver).await.unwrap();
            let mut events = machine.events();
            machine.power_on(&drive.cx).await.unwrap();
            // Somebody else turns it off.
            drive.fixture.state().park.machines[0].on = false;
            let event = tokio::time::timeout(Duration::from_secs(5), events.recv()).await.unwrap().unwrap();
            assert_eq!(event, MachineEvent::Off);
            machine.power_on(&drive.cx).await.unwrap();
            drive.fixture.state().park.machines.clear();
            let event = tokio::time::timeout(Duration::from_secs(5), events.recv()).await.unwrap().unwrap();
            assert_eq!(event, MachineEvent::Gone("not in the Prism Central any more".to_owned()));
            // Nothing is left that could be on.
            machine.power_off().await.unwrap();
            assert_eq!(machine.state().await.unwrap_err().kind(), DriverErrorKind::NotFound);
        });
        drive.nothing_is_left();
    });
}

#[test]
fn there_is_neither_screen_nor_keyboard() {
    let drive = Drive::start(true);
    let driver = drive.driver(job());
    drive.run(async {
        let machine = drive.machine(&driver).await.unwrap();
        for error in [
            machine.screenshot().await.unwrap_err(),
            machine.screen_text().await.unwrap_err(),
            machine.send_keys(&[30], Duration::ZERO).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), DriverErrorKind::Unsupported, "{}", told(&error));
        }
    });
    drive.nothing_is_left();
}
