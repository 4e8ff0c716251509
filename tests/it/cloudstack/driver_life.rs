//! The driver from a template to a template: at an address, by a port forward, and from a medium.
use super::{
    drives::{BASE, Drive, definition, image, told},
    machines::{Address, Rule},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use goldsmith::{
    driver::{
        DiskFormat, DriverErrorKind, Hypervisor, KeptKind, Machine, MachineEvent, MachineState, Wanted,
    },
    value::HumanDuration,
};

const LIMIT: HumanDuration = HumanDuration::seconds(20);

/// Runs it and shuts it down.
async fn worked_in(drive: &Drive, machine: &dyn Machine) -> std::net::SocketAddr {
    machine.power_on(&drive.cx).await.unwrap();
    let address = machine.ssh_address(&drive.cx).await.unwrap();
    assert_eq!(machine.ssh_address(&drive.cx).await.unwrap(), address, "a way is opened once");
    machine.shut_down(&drive.cx, LIMIT).await.unwrap();
    address
}

#[tokio::test]
async fn a_template_becomes_another_one() {
    let text = definition(
        "template = \"base\"",
        "disk = \"10GiB\"",
        "offering = \"small\"\nboot = \"uefi-secure\"\ndetails = { rootDiskController = \"scsi\" }\nip-networks = [\"127.0.0.0/8\"]",
        "name = \"web-1\", zones = [\"zone-b\"], tags = { team = \"ops\" }, share-with = [\"dev\"], extractable = true",
    );
    let drive = Drive::of(&text).await;
    let machine = drive.machine().await.unwrap();
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    let mut events = machine.events();
    {
        let cloud = drive.server.cloud();
        let params = &cloud.machines.all[0].params;
        let id = drive.cx.id();
        assert_eq!(params["name"], format!("web-{id}-build"));
        assert_eq!((params["boottype"].as_str(), params["bootmode"].as_str()), ("UEFI", "SECURE"));
        assert_eq!((params["rootdisksize"].as_str(), params["startvm"].as_str()), ("10", "false"));
        assert_eq!(params["details[0].rootDiskController"], "scsi");
        assert_eq!(params["networkids"], cloud.machines.networks[0].id);
        assert_eq!(BASE64_STANDARD.decode(&params["userdata"]).unwrap(), b"#cloud-config\n{}\n");
    }
    assert_eq!(drive.driver.owned(drive.cx.id()).await.unwrap(), [machine.resource().clone()]);
    assert_eq!(worked_in(&drive, &*machine).await.to_string(), "127.0.0.1:22");
    assert_eq!(events.recv().await.unwrap(), MachineEvent::Off);

    // Its disk here, and as a template that a machine is made of.
    let disk = machine.export(&drive.cx, 0).await.unwrap();
    assert_eq!((disk.format, std::fs::read(&disk.path).unwrap()), (DiskFormat::Qcow2, image(8)));
    let wanted = drive.plan.cloudstack.as_ref().unwrap();
    let captured = machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await.unwrap();
    assert_eq!((captured.image.kind, captured.is_the_machine), (KeptKind::Template, false));
    let proof = drive.driver.create(&drive.cx, &drive.told("proof", &captured.image.id)).await.unwrap();
    assert!(!drive.server.cloud().machines.all[1].params.contains_key("rootdisksize"), "as others make it");
    worked_in(&drive, &*proof).await;
    let kept = drive.driver.keep(&drive.cx, captured).await.unwrap();
    drive.unwind().await;
    assert!(drive.server.cloud().machines.all.is_empty());
    let templates = drive.server.templates();
    let [_, made] = templates.as_slice() else { panic!("{templates:?}") };
    assert_eq!((made.id.as_str(), made.params["displaytext"].as_str()), (kept.id.as_str(), "web-1"));
    assert_eq!((made.zones.len(), made.shared.as_slice()), (2, &["dev".to_owned()][..]));
    let tags: Vec<&str> = made.tags.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(tags, ["goldsmith", "team"]);
    assert_eq!(made.params.get("isextractable"), None, "administrators alone may, which is a warning");
    super::checks::check(&drive.server.calls());

    // The name is taken now, and an earlier result may be replaced.
    let error = drive.driver.preflight(&drive.told("build", "")).await.unwrap_err();
    assert!(
        told(&error).contains("there is one of that name") && told(&error).contains("replace = true"),
        "{}",
        told(&error)
    );
}

#[tokio::test]
async fn an_earlier_result_is_replaced_after_the_proof() {
    let text = definition(
        "template = \"base\"",
        "",
        "offering = \"small\"",
        "name = \"web-1\", replace = true, os-type = \"other linux (64-bit)\", description = \"The web.\"",
    );
    let drive = Drive::of(&text).await;
    let old = drive.server.cloud().source("web-1", image(8));
    drive.server.cloud().templates[1].tags.push(("goldsmith".to_owned(), "0123456789ab".to_owned()));
    let machine = drive.machine().await.unwrap();
    worked_in(&drive, &*machine).await;
    let wanted = drive.plan.cloudstack.as_ref().unwrap();
    let captured = machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await.unwrap();
    {
        let templates = drive.server.templates();
        let marked = format!("The web. (goldsmith-build:{}:1)", drive.cx.id());
        assert_eq!((templates.len(), templates[2].params["displaytext"].as_str()), (3, marked.as_str()));
        assert_eq!(templates[2].params["ostypeid"], uuid::Uuid::from_u128(901).to_string());
    }
    drive.driver.keep(&drive.cx, captured).await.unwrap();
    drive.unwind().await;
    let templates = drive.server.templates();
    assert!(templates.len() == 2 && templates.iter().all(|template| template.id != old), "{templates:?}");
}

#[tokio::test]
async fn an_address_is_acquired_once_and_released() {
    let way = "offering = \"small\"\nssh-by = \"port-forward\"\nallowed-from = [\"198.51.100.0/24\", \"192.0.2.0/24\"]\nssh-port = 2222";
    let drive = Drive::of(&definition("template = \"base\"", "", way, "name = \"web-1\"")).await;
    let machine = drive.machine().await.unwrap();
    let first = worked_in(&drive, &*machine).await;
    assert_eq!(first.ip().to_string(), "203.0.113.7");
    {
        let cloud = drive.server.cloud();
        let [leads, lets_in] = cloud.machines.rules.as_slice() else { panic!("{:?}", cloud.machines.rules) };
        assert_eq!((leads.port.as_str(), leads.to.as_str()), (first.port().to_string().as_str(), "2222"));
        assert_eq!(
            (lets_in.port.as_str(), lets_in.cidrs.as_str()),
            (leads.port.as_str(), "198.51.100.0/24,192.0.2.0/24")
        );
        assert_eq!(cloud.machines.addresses[0].tags, [("goldsmith".to_owned(), drive.cx.id().to_string())]);
    }
    let wanted = drive.plan.cloudstack.as_ref().unwrap();
    let captured = machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await.unwrap();
    assert!(drive.server.cloud().machines.rules.is_empty(), "the way is closed");
    let proof = drive.driver.create(&drive.cx, &drive.told("proof", &captured.image.id)).await.unwrap();
    assert_eq!(worked_in(&drive, &*proof).await.ip(), first.ip());
    assert_eq!(drive.server.count("associateIpAddress"), 1);
    drive.leaves_nothing().await;
}

#[tokio::test]
async fn an_address_of_the_users_keeps_what_was_there() {
    let way = "offering = \"small\"\nssh-by = \"port-forward\"\nallowed-from = [\"0.0.0.0/0\"]\npublic-address = \"198.51.100.9\"\npublic-port = 2022";
    let drive = Drive::of(&definition("template = \"base\"", "", way, "name = \"web-1\"")).await;
    let address = uuid::Uuid::from_u128(0xadd).to_string();
    let theirs = Rule {
        id: uuid::Uuid::from_u128(0x61).to_string(),
        address: address.clone(),
        port: "2022".to_owned(),
        machine: Some(uuid::Uuid::from_u128(0x62).to_string()),
        to: "22".to_owned(),
        cidrs: String::new(),
    };
    {
        let mut cloud = drive.server.cloud();
        let network = cloud.machines.networks[0].id.clone();
        let ip = "198.51.100.9".to_owned();
        cloud.machines.addresses.push(Address {
            id: address,
            ip,
            network,
            source_nat: true,
            tags: Vec::new(),
        });
        cloud.machines.rules.push(theirs.clone());
    }
    let error = drive.source().await.unwrap_err();
    assert!(told(&error).contains("a rule of the cloud has it already"), "{}", told(&error));
    drive.server.cloud().machines.rules[0].port = "80".to_owned();
    let machine = drive.machine().await.unwrap();
    machine.power_on(&drive.cx).await.unwrap();
    assert_eq!(machine.ssh_address(&drive.cx).await.unwrap().to_string(), "198.51.100.9:2022");
    assert_eq!(drive.server.cloud().machines.rules.len(), 3);
    // The machine goes with the plug in, and the rules by the journal.
    drive.unwind().await;
    let cloud = drive.server.cloud();
    assert!(cloud.machines.all.is_empty() && cloud.machines.addresses.len() == 1);
    let left: Vec<&str> = cloud.machines.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(left, [theirs.id.as_str()]);
    let calls = cloud.calls.clone();
    drop(cloud);
    super::checks::check(&calls);
}

#[tokio::test]
async fn a_medium_is_taken_out_before_the_disk_becomes_a_template() {
    let more = "offering = \"custom\"\ndisk-offering = \"any\"\nhypervisor = \"kvm\"";
    let numbers = "cpus = 3\nmemory = \"2GiB\"\ndisk = \"8GiB\"";
    let drive = Drive::of(&definition("iso = \"Installer\"", numbers, more, "name = \"web-1\"")).await;
    let machine = drive.machine().await.unwrap();
    {
        let cloud = drive.server.cloud();
        let params = &cloud.machines.all[0].params;
        assert_eq!((params["hypervisor"].as_str(), params["size"].as_str()), ("KVM", "8"));
        assert_eq!(
            (params["details[0].cpuNumber"].as_str(), params["details[0].memory"].as_str()),
            ("3", "2048")
        );
        assert!(!params.contains_key("rootdisksize") && cloud.machines.all[0].iso.is_some());
    }
    worked_in(&drive, &*machine).await;
    let wanted = drive.plan.cloudstack.as_ref().unwrap();
    let captured = machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await.unwrap();
    assert_eq!(drive.server.cloud().machines.all[0].iso, None);
    // The proof starts from the template, whatever the build started from.
    let proof = drive.driver.create(&drive.cx, &drive.told("proof", &captured.image.id)).await.unwrap();
    assert!(!drive.server.cloud().machines.all[1].params.contains_key("diskofferingid"));
    drop(proof);
    drive.leaves_nothing().await;
}

#[tokio::test]
async fn what_a_cloud_cannot_do_is_said() {
    let drive = Drive::start().await;
    let machine = drive.machine().await.unwrap();
    for error in [
        machine.screenshot().await.unwrap_err(),
        machine.screen_text().await.unwrap_err(),
        machine.send_keys(&[28], std::time::Duration::ZERO).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), DriverErrorKind::Unsupported);
        assert!(told(&error).contains("-build`: a cloud "), "{}", told(&error));
    }
    assert!(machine.serial_log().is_none() && machine.guest_addresses().await.is_none());
    let mut events = machine.events();
    machine.power_on(&drive.cx).await.unwrap();
    let wanted = drive.plan.cloudstack.as_ref().unwrap();
    let error = machine.capture(&drive.cx, Wanted::Cloudstack(wanted)).await.unwrap_err();
    assert!(told(&error).contains("is not off: Running"), "{}", told(&error));
    // Somebody else turns it off, and then it goes.
    drive.server.cloud().machines.all[0].state = "Stopped";
    assert_eq!(events.recv().await.unwrap(), MachineEvent::Off);
    machine.power_on(&drive.cx).await.unwrap();
    machine.power_off().await.unwrap();
    assert_eq!(machine.state().await.unwrap(), MachineState::Off);
    machine.power_on(&drive.cx).await.unwrap();
    drive.server.cloud().machines.all.clear();
    let event = loop {
        match events.recv().await.unwrap() {
            MachineEvent::Off => {}
            other => break other,
        }
    };
    assert!(matches!(&event, MachineEvent::Gone(why) if why.contains("not in the cloud")), "{event:?}");
    machine.power_off().await.unwrap();
    assert_eq!(BASE, drive.server.templates()[0].params["name"]);
    drive.leaves_nothing().await;
}
