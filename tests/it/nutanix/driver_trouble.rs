//! What goes wrong while a machine is built in: it is told in the server's words, and nothing is left.
use super::{
    drives::{Drive, both, job, result, told},
    fixture::Fate,
};
use goldsmith::{
    driver::{DriverErrorKind, Wanted},
    plan::NutanixImageKind,
    value::HumanDuration,
};
use std::time::Duration;

#[test]
fn a_task_that_fails_is_told_with_its_text() {
    both(|drive| {
        drive.fixture.state().park.fail = Some("No host has 2 GiB of memory left.".to_owned());
        let error = drive.run(drive.machine(&drive.driver(job()))).unwrap_err();
        let said = told(&error);
        assert!(said.contains("make the machine `web-") && said.contains("No host has 2 GiB"), "{said}");
        // In v3 what failed stays, and is found.
        drive.nothing_is_left();
    });
}

#[test]
fn an_image_of_the_disk_that_fails_is_told_with_its_text() {
    both(|drive| {
        let driver = drive.driver(job());
        let error = drive.run(async {
            let machine = drive.machine(&driver).await.unwrap();
            drive.fixture.state().fail = Some("The storage container is full.".to_owned());
            machine.capture(&drive.cx, Wanted::Nutanix(&result(NutanixImageKind::Image))).await.unwrap_err()
        });
        assert!(told(&error).contains("The storage container is full."), "{}", told(&error));
        drive.nothing_is_left();
    });
}

#[test]
fn an_answer_that_is_lost_loses_no_machine() {
    both(|drive| {
        // The machine is made, and nobody hears of it.
        drive.fixture.trouble(|call| {
            let making = call.method == "POST" && call.path.ends_with("/vms") && call.number == 0;
            if making { Fate::Lost } else { Fate::Forward }
        });
        let made = drive.run(drive.machine(&drive.driver(job())));
        // Version 3 finds it by its name; version 4 asks again with the same id.
        assert!(made.is_ok(), "{:?}", made.err().map(|error| told(&error)));
        assert_eq!(drive.fixture.state().park.machines.len(), 1);
        drive.nothing_is_left();
    });
}

#[test]
fn a_build_that_dies_in_the_call_leaves_a_machine_that_undo_finds() {
    both(|drive| {
        // Nothing is answered any more, neither to the call nor to looks.
        drive.fixture.trouble(|call| {
            if call.method == "POST" && call.path.ends_with("/vms") {
                return if call.number == 0 { Fate::Lost } else { Fate::Answer(400, "{}".to_owned()) };
            }
            let look =
                call.path.ends_with("/vms/list") || call.method == "GET" && call.path.ends_with("/vms");
            if look { Fate::Answer(400, "{}".to_owned()) } else { Fate::Forward }
        });
        let error = drive.run(drive.machine(&drive.driver(job()))).unwrap_err();
        assert!(!told(&error).is_empty());
        assert_eq!(drive.fixture.state().park.machines.len(), 1);
        drive.nothing_is_left();
    });
}

#[test]
fn undo_waits_for_a_task_that_goes_on() {
    let drive = Drive::start(true);
    drive.fixture.state().slowness = 3;
    let driver = drive.driver(job());
    drive.run(async {
        // Given up after the call was answered.
        let making = drive.machine(&driver);
        let _ = tokio::time::timeout(Duration::from_millis(700), making).await;
    });
    drive.nothing_is_left();
}

#[test]
fn a_change_by_somebody_else_is_no_end() {
    both(|drive| {
        let driver = drive.driver(job());
        drive.run(async {
            let machine = drive.machine(&driver).await.unwrap();
            // The first change is refused as if the machine had been changed since it was looked at.
            drive.fixture.trouble(|call| {
                let power = call.method == "PUT" || call.path.ends_with("power-on");
                let status = if call.method == "PUT" { 409 } else { 412 };
                if power && call.number == 0 { Fate::Answer(status, "{}".to_owned()) } else { Fate::Forward }
            });
            machine.power_on(&drive.cx).await.unwrap();
        });
        assert!(drive.only().on);
        drive.nothing_is_left();
    });
}

#[test]
fn a_guest_without_an_address_is_told_with_what_was_seen() {
    both(|drive| {
        for (addresses, word) in [
            (vec![], "AHV assigned no address"),
            (vec!["192.0.2.7".to_owned()], "192.0.2.7 (not in `ip-networks`); see `ip-networks`"),
        ] {
            drive.fixture.state().park.addresses = addresses;
            let driver = drive.driver(job());
            let error = drive.run(async {
                let source = drive.spec("build", &super::drives::base().uuid);
                let machine =
                    goldsmith::driver::Hypervisor::create(&driver, &drive.cx, &source).await.unwrap();
                machine.power_on(&drive.cx).await.unwrap();
                machine.ssh_address(&drive.cx).await.unwrap_err()
            });
            assert_eq!(error.kind(), DriverErrorKind::Timeout, "{}", told(&error));
            assert!(told(&error).contains(word), "{}", told(&error));
            drive.nothing_is_left();
        }
    });
}

#[test]
fn a_guest_that_does_not_listen_to_its_power_button_is_told() {
    both(|drive| {
        drive.fixture.state().park.deaf = true;
        let driver = drive.driver(job());
        let error = drive.run(async {
            let machine = drive.machine(&driver).await.unwrap();
            machine.power_on(&drive.cx).await.unwrap();
            let limit = HumanDuration::from(Duration::from_millis(300));
            machine.shut_down(&drive.cx, limit).await.unwrap_err()
        });
        assert_eq!(error.kind(), DriverErrorKind::Timeout, "{}", told(&error));
        assert!(told(&error).contains("power button"), "{}", told(&error));
        assert!(drive.only().pressed);
        drive.nothing_is_left();
    });
}
