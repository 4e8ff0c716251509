//! The driver's machines against the simulator: how they are started, watched, typed at, reached and stopped.
use super::{checks::assert_requests_valid, drives::Drive, world::told};
use goldsmith::{
    driver::{DriverErrorKind, MachineEvent, MachineState},
    plan::VsphereMachinePlan,
    value::HumanDuration,
};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;

fn millis(millis: u64) -> HumanDuration {
    HumanDuration::from(Duration::from_millis(millis))
}

async fn next(events: &mut Receiver<MachineEvent>) -> MachineEvent {
    tokio::time::timeout(Duration::from_secs(5), events.recv()).await.expect("an event").unwrap()
}

#[tokio::test]
async fn its_end_is_told_however_it_comes() {
    let drive = Drive::start(&[]).await;
    let cx = &drive.world.cx;
    let (machine, made) = drive.machine("ends").await;
    let mut events = machine.events();
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    machine.power_on(cx).await.unwrap();
    assert_eq!(machine.state().await.unwrap(), MachineState::Running);
    assert!(events.try_recv().is_err(), "nothing happened yet");
    // Somebody else turns it off.
    made.power_off(cx).await.unwrap();
    assert_eq!(next(&mut events).await, MachineEvent::Off);
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);

    machine.power_on(cx).await.unwrap();
    let limit = Duration::from_secs(5);
    let vcenter = &drive.world.vcenter;
    vcenter.run(cx, "suspend it", "SuspendVM_Task", made.moref(), limit, |_| {}).await.unwrap();
    assert_eq!(next(&mut events).await, MachineEvent::Paused("it was suspended".to_owned()));
    assert_eq!(machine.state().await.unwrap(), MachineState::Paused);

    machine.power_on(cx).await.unwrap();
    made.power_off(cx).await.unwrap();
    assert_eq!(next(&mut events).await, MachineEvent::Off);
    let (gone, other) = drive.running("gone").await;
    let mut events = gone.events();
    drive.world.vcsim.fault(&json!({"match": "RetrievePropertiesEx", "status": 503, "times": 2}));
    // It is removed behind the driver's back, running as it is.
    let _ = other.power_off(cx).await;
    let _ = other.destroy(cx).await;
    let event = next(&mut events).await;
    assert!(matches!(event, MachineEvent::Off | MachineEvent::Gone(_)), "{event:?}");
    // Nothing is left that could be on.
    gone.power_off().await.unwrap();
    assert_eq!(gone.state().await.unwrap_err().kind(), DriverErrorKind::NotFound);
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
    assert_requests_valid(&drive.world.vcsim);
}

#[tokio::test]
async fn a_machine_that_is_gone_is_told_as_gone() {
    let drive = Drive::start(&[]).await;
    let (machine, made) = drive.running("gone").await;
    let mut events = machine.events();
    let fault = json!({
        "type": "ManagedObjectNotFound", "message": "The object has already been deleted.",
        "fields": {"obj": {"type": "VirtualMachine", "value": made.moref().id}},
    });
    drive.world.vcsim.fault(&json!({"match": "RetrievePropertiesEx", "fault": fault}));
    assert_eq!(next(&mut events).await, MachineEvent::Gone("not in the vCenter any more".to_owned()));
    drive.world.unwind().await;
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_told() {
    let drive = Drive::start(&[]).await;
    let cx = &drive.world.cx;
    let (machine, made) = drive.machine("stuck").await;
    let fault = json!({
        "type": "NoPermission", "message": "Permission to perform this operation was denied.",
        "fields": {"object": {"type": "VirtualMachine", "value": made.moref().id},
            "privilegeId": "VirtualMachine.Interact.PowerOn"},
    });
    drive.world.vcsim.fault(&json!({"match": "PowerOnVM_Task", "fault": fault}));
    let error = machine.power_on(cx).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Permission);
    assert!(told(&error).contains("VirtualMachine.Interact.PowerOn"), "{}", told(&error));
    assert!(error.hint_text().unwrap().contains("doctor --vsphere"));

    let task = json!({"type": "NoDiskSpace", "message": "The swap file has no room.",
        "fields": {"datastore": "LocalDS_0"}});
    drive.world.vcsim.fault(&json!({"match": "PowerOnVM_Task", "task": task}));
    let error = machine.power_on(cx).await.unwrap_err();
    assert!(told(&error).starts_with("could not power on `/DC0/vm/stuck`: "), "{}", told(&error));
    assert!(told(&error).contains("The swap file has no room. (datastore LocalDS_0)"), "{}", told(&error));
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_line_of_keys_is_one_request() {
    let drive = Drive::start(&[]).await;
    let (machine, _) = drive.running("typed").await;
    let hold = Duration::from_millis(40);
    // `ls` and Return, then Control-X with nothing after it.
    let chords = [vec![38], vec![31], vec![28], vec![29, 45]];
    machine.send_chords(&chords, hold).await.unwrap();
    // A session that ended meanwhile is begun again.
    drive.world.vcsim.expire();
    machine.send_keys(&[29, 56, 111], hold).await.unwrap();
    let sent: Vec<usize> = drive
        .world
        .vcsim
        .calls("PutUsbScanCodes")
        .iter()
        .filter(|call| call.status == 200)
        .map(|call| call.body.matches("<keyEvents>").count())
        .collect();
    assert_eq!(sent, [3, 1, 1]);
    let error = machine.send_keys(&[999], hold).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Unsupported);
    assert!(told(&error).contains("Linux codes [999]"), "{}", told(&error));
    drive.world.unwind().await;
    assert_requests_valid(&drive.world.vcsim);
}

#[tokio::test]
async fn its_screen_is_a_picture_and_no_text() {
    let drive = Drive::start(&[]).await;
    let (machine, _) = drive.machine("screen").await;
    let error = machine.screenshot().await.unwrap_err();
    assert!(told(&error).contains("InvalidPowerState"), "{}", told(&error));
    machine.power_on(&drive.world.cx).await.unwrap();
    let picture = machine.screenshot().await.unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "{} bytes", picture.len());
    let left: Vec<_> = std::fs::read_dir(drive.world.vcsim.datastore().join("screen"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".png"))
        .collect();
    assert_eq!(left, [] as [&str; 0]);
    let error = machine.screen_text().await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Unsupported);
    assert!(error.hint_text().unwrap().contains("after"));
    assert!(machine.serial_log().is_none() && machine.guest_addresses().await.is_none());
    drive.world.unwind().await;
    assert_requests_valid(&drive.world.vcsim);
}

#[tokio::test]
async fn an_address_that_stays_is_taken() {
    let drive = Drive::start(&[]).await;
    let (vcsim, cx) = (&drive.world.vcsim, &drive.world.cx);
    let (machine, _) = drive.running("addressed").await;
    // First none that anybody could use, then one that changes once.
    vcsim.guest("addressed", "169.254.7.7", Duration::ZERO);
    vcsim.guest("addressed", "10.0.0.8", Duration::from_millis(200));
    vcsim.guest("addressed", "10.0.0.9", Duration::from_millis(400));
    let begun = Instant::now();
    assert_eq!(machine.ssh_address(cx).await.unwrap().to_string(), "10.0.0.9:22");
    assert!(begun.elapsed() >= Duration::from_millis(750), "{:?}", begun.elapsed());
    vcsim.expire();
    vcsim.guest("addressed", "2001:db8::7", Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(machine.ssh_address(cx).await.unwrap().to_string(), "[2001:db8::7]:22");
    drive.world.unwind().await;
    assert_requests_valid(vcsim);
}

#[tokio::test]
async fn an_address_is_in_the_networks_that_are_named() {
    let plan = VsphereMachinePlan {
        ip_settle: millis(0),
        ip_networks: vec!["192.0.2.0/24".to_owned(), "127.0.0.0/8".to_owned()],
        ssh_port: 2222,
        ..VsphereMachinePlan::default()
    };
    let drive = Drive::planned(&[], plan).await;
    let (vcsim, cx) = (&drive.world.vcsim, &drive.world.cx);
    let (machine, _) = drive.running("filtered").await;
    vcsim.guest("filtered", "10.0.0.8", Duration::ZERO);
    vcsim.guest("filtered", "192.0.2.5", Duration::from_millis(400));
    assert_eq!(machine.ssh_address(cx).await.unwrap().to_string(), "192.0.2.5:2222");
    // Loopback is where guests of tests are; who names it gets it.
    vcsim.guest("filtered", "127.0.0.1", Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(machine.ssh_address(cx).await.unwrap().to_string(), "127.0.0.1:2222");
    vcsim.guest("filtered", "10.0.0.8", Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = machine.ssh_address(cx).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Timeout);
    let hint = error.hint_text().unwrap();
    assert!(hint.contains("10.0.0.8 (not in `ip-networks`)"), "{hint}");
    drive.world.unwind().await;
}

#[tokio::test]
async fn a_guest_without_tools_or_power_has_no_address() {
    let drive = Drive::start(&[]).await;
    let cx = &drive.world.cx;
    let (machine, made) = drive.running("silent").await;
    let error = machine.ssh_address(cx).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Timeout);
    assert!(error.hint_text().unwrap().contains("open-vm-tools"), "{:?}", error.hint_text());
    assert!(told(&error).contains("none yet"), "{}", told(&error));
    made.power_off(cx).await.unwrap();
    let begun = Instant::now();
    let error = machine.ssh_address(cx).await.unwrap_err();
    assert!(
        told(&error).contains("went off") && begun.elapsed() < Duration::from_secs(2),
        "{}",
        told(&error)
    );
    drive.world.unwind().await;
}

#[tokio::test]
async fn the_guest_is_shut_down_by_its_tools() {
    let drive = Drive::start(&[]).await;
    let (vcsim, cx) = (&drive.world.vcsim, &drive.world.cx);
    let (machine, _) = drive.running("down").await;
    let mut events = machine.events();
    // Tools that are restarted are asked again.
    let fault = json!({"type": "ToolsUnavailable", "message": "VMware Tools are not running."});
    vcsim.fault(&json!({"match": "ShutdownGuest", "fault": fault, "times": 2}));
    machine.shut_down(cx, HumanDuration::seconds(20)).await.unwrap();
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    assert_eq!(next(&mut events).await, MachineEvent::Off);
    assert_eq!(vcsim.faults_left(), 0);
    // Off already is as good.
    machine.shut_down(cx, HumanDuration::seconds(20)).await.unwrap();

    machine.power_on(cx).await.unwrap();
    vcsim.fault(&json!({"match": "ShutdownGuest", "fault": fault, "times": 99}));
    let error = machine.shut_down(cx, HumanDuration::seconds(20)).await.unwrap_err();
    assert!(told(&error).contains("VMware Tools are not running."), "{}", told(&error));
    assert!(error.hint_text().unwrap().contains("`open-vm-tools`"), "{:?}", error.hint_text());
    vcsim.forget_faults();
    assert_eq!(machine.state().await.unwrap(), MachineState::Running);

    // A guest that takes no notice.
    let body = r#"<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><ShutdownGuestResponse xmlns="urn:vim25"/></soapenv:Body></soapenv:Envelope>"#;
    vcsim.fault(&json!({"match": "ShutdownGuest", "status": 200, "body": body}));
    let error = machine.shut_down(cx, millis(1200)).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Timeout);
    assert!(error.hint_text().unwrap().contains("guest.shutdown-timeout"));
    // An interruption does not keep the plug in.
    cx.stop().cancel();
    machine.power_off().await.unwrap();
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    machine.power_off().await.unwrap();
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
    assert_requests_valid(vcsim);
}

#[tokio::test]
async fn errors_of_a_vcenter_keep_their_words() {
    let drive = Drive::start(&[]).await;
    let (machine, _) = drive.machine("words").await;
    let fault = json!({"type": "HostCommunication", "message": "Unable to communicate with the host."});
    drive.world.vcsim.fault(&json!({"match": "RetrievePropertiesEx", "fault": fault}));
    let error = machine.state().await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Unavailable);
    assert!(
        told(&error).ends_with("HostCommunication: Unable to communicate with the host."),
        "{}",
        told(&error)
    );
    drive.world.unwind().await;
}
