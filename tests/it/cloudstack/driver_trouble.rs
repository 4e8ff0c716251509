//! Trouble with a cloud while machines are made: what failed is told in its words, and nothing is left.
use super::{
    cloud::Fate,
    drives::{Drive, Remover, definition, told},
};
use goldsmith::{
    driver::{DriverErrorKind, Hypervisor, Wanted},
    value::HumanDuration,
};
use test_case::test_case;

const LIMIT: HumanDuration = HumanDuration::seconds(20);
const PORT: &str = "offering = \"small\"\nssh-by = \"port-forward\"\nallowed-from = [\"0.0.0.0/0\"]";

fn quota() -> Fate {
    Fate::Refuse(
        535,
        "Maximum number of resources of type 'user_vm' for account name=ops has been exceeded.".into(),
    )
}

#[test_case(quota(), &["make the machine `web-", "has been exceeded. (error 535)", "listResourceLimits"]; "a quota")]
#[test_case(Fate::JobFails(530, "Unable to orchestrate the start of VM".into()), &["Unable to orchestrate"]; "a job that fails")]
#[test_case(Fate::Lost, &["make the machine `web-"]; "an answer that got lost")]
#[test_case(Fate::Answer(502, "<html>proxy</html>".into()), &["HTTP 502"]; "a proxy")]
#[tokio::test]
async fn a_machine_that_cannot_be_made(fate: Fate, words: &[&str]) {
    let drive = Drive::start().await;
    drive.server.fault("deployVirtualMachine", fate);
    let error = drive.machine().await.unwrap_err();
    let text = told(&error);
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    drive.leaves_nothing().await;
}

#[test_case("associateIpAddress", Fate::Lost; "an address whose answer got lost")]
#[test_case("associateIpAddress", Fate::JobFails(533, "Insufficient address capacity".into()); "no address")]
#[test_case("associateIpAddress", quota(); "a quota of addresses")]
#[test_case("createPortForwardingRule", Fate::Lost; "a rule whose answer got lost")]
#[test_case("createPortForwardingRule", Fate::JobFails(530, "Failed to apply port forwarding rule".into()); "a rule that fails")]
#[test_case("createFirewallRule", Fate::Lost; "a firewall whose answer got lost")]
#[test_case("createTags", Fate::Refuse(530, "internal".into()); "a tag")]
#[tokio::test]
async fn a_way_that_cannot_be_opened(command: &str, fate: Fate) {
    let drive = Drive::of(&definition("template = \"base\"", "", PORT, "name = \"web-1\"")).await;
    let machine = drive.machine().await.unwrap();
    machine.power_on(&drive.cx).await.unwrap();
    drive.server.fault(command, fate);
    machine.ssh_address(&drive.cx).await.unwrap_err();
    drive.leaves_nothing().await;
}

#[test_case("startVirtualMachine", Fate::JobFails(533, "Insufficient capacity".into()), "Insufficient capacity (error 533)"; "a host that is full")]
#[test_case("stopVirtualMachine", Fate::JobFails(530, "Failed to stop the VM".into()), "Failed to stop"; "one that does not stop")]
#[test_case("createTemplate", Fate::JobFails(530, "Failed to create template from volume".into()), "Failed to create template"; "a template that fails")]
#[test_case("createTemplate", Fate::Lost, "make the template `web-1`"; "a template whose answer got lost")]
#[test_case("extractVolume", Fate::Refuse(531, "The volume is not allowed to be extracted".into()), "extractable"; "a disk that is not given out")]
#[tokio::test]
async fn a_life_that_ends_early(command: &str, fate: Fate, words: &str) {
    let drive = Drive::start().await;
    drive.server.fault(command, fate);
    let machine = drive.machine().await.unwrap();
    let life = async {
        machine.power_on(&drive.cx).await?;
        machine.shut_down(&drive.cx, LIMIT).await?;
        machine.export(&drive.cx, 0).await?;
        let wanted = drive.plan.cloudstack.as_ref().unwrap();
        machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await
    };
    let text = told(&life.await.unwrap_err());
    assert!(text.contains(words), "{text}");
    drive.leaves_nothing().await;
}

#[tokio::test]
async fn slow_jobs_and_busy_servers_are_waited_for() {
    let drive = Drive::start().await;
    for command in ["deployVirtualMachine", "startVirtualMachine", "createTemplate"] {
        drive.server.fault(command, Fate::Answer(503, String::new()));
        drive.server.fault(command, Fate::JobTakes(3));
    }
    let machine = drive.machine().await.unwrap();
    machine.power_on(&drive.cx).await.unwrap();
    machine.shut_down(&drive.cx, LIMIT).await.unwrap();
    let wanted = drive.plan.cloudstack.as_ref().unwrap();
    machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await.unwrap();
    drive.leaves_nothing().await;
}

#[tokio::test]
async fn what_goes_on_is_waited_for_when_undoing() {
    let drive = Drive::start().await;
    drive.server.fault("deployVirtualMachine", Fate::JobTakes(3));
    // The user interrupts it while the cloud makes the machine.
    let stop = drive.cx.stop().clone();
    let image = drive.source().await.unwrap();
    let spec = drive.told("build", &image.id);
    let making = drive.driver.create(&drive.cx, &spec);
    let interrupt = async {
        while drive.server.count("queryAsyncJobResult") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stop.cancel();
    };
    let (made, ()) = tokio::join!(making, interrupt);
    assert_eq!(made.unwrap_err().kind(), DriverErrorKind::Cancelled);
    assert_eq!(drive.server.cloud().machines.all.len(), 1);
    drive.leaves_nothing().await;
}

#[tokio::test]
async fn an_account_that_may_not_expunge() {
    let drive = Drive::start().await;
    drive.server.cloud().machines.may_expunge = false;
    let ready = drive.driver.preflight(&drive.told("build", "")).await.unwrap();
    assert!(ready.notice.unwrap().contains("until the cloud expunges them"));
    let machine = drive.machine().await.unwrap();
    machine.power_on(&drive.cx).await.unwrap();
    machine.shut_down(&drive.cx, LIMIT).await.unwrap();
    let wanted = drive.plan.cloudstack.as_ref().unwrap();
    let captured = machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await.unwrap();
    let _ = drive.driver.create(&drive.cx, &drive.told("proof", &captured.image.id)).await.unwrap();
    drive.unwind().await;
    let cloud = drive.server.cloud();
    let states: Vec<&str> = cloud.machines.all.iter().map(|machine| machine.state).collect();
    assert_eq!((states, cloud.templates.len()), (vec!["Destroyed"; 2], 1));
}

#[tokio::test]
async fn a_machine_that_never_gets_an_address() {
    let text = definition(
        "template = \"base\"",
        "",
        "offering = \"small\"\nstart-timeout = \"2s\"",
        "name = \"web-1\"",
    );
    let drive = Drive::of(&text).await;
    drive.server.cloud().machines.no_addresses = true;
    let machine = drive.machine().await.unwrap();
    machine.power_on(&drive.cx).await.unwrap();
    let error = machine.ssh_address(&drive.cx).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::Timeout);
    assert!(told(&error).contains("none yet") && told(&error).contains("ip-networks"), "{}", told(&error));
    drive.server.cloud().machines.all[0].state = "Stopped";
    let error = machine.ssh_address(&drive.cx).await.unwrap_err();
    assert!(told(&error).contains("the cloud says of the machine: Stopped"), "{}", told(&error));
    drive.leaves_nothing().await;
}

#[tokio::test]
async fn of_several_addresses_that_may_be_ours_none_is_released() {
    let drive = Drive::of(&definition("template = \"base\"", "", PORT, "name = \"web-1\"")).await;
    let machine = drive.machine().await.unwrap();
    machine.power_on(&drive.cx).await.unwrap();
    drive.server.fault("associateIpAddress", Fate::Lost);
    machine.ssh_address(&drive.cx).await.unwrap_err();
    let mut theirs = drive.server.cloud().machines.addresses[0].clone();
    theirs.id = uuid::Uuid::from_u128(5).to_string();
    theirs.ip = "203.0.113.99".to_owned();
    drive.server.cloud().machines.addresses.push(theirs);
    let report = drive.cx.unwind(&Remover(&drive.cloud)).await;
    let [left] = report.leftovers.as_slice() else { panic!("{:?}", report.leftovers) };
    let why = goldsmith::cx::causes(&left.error).join(": ");
    assert!(why.contains("203.0.113.7, 203.0.113.99"), "{why}");
    // Whoever it belongs to uses it now, and the rest is ours.
    drive.server.cloud().machines.addresses[1].tags.push(("owner".to_owned(), "them".to_owned()));
    drive.server.cloud().machines.addresses.remove(1);
    drive.leaves_nothing().await;
}
