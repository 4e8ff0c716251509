//! The XML of what is made: types, and the order of the schema.
use super::{
    config::{Boot, Config},
    device::{Device, connectable, empty_drive, write_all},
    *,
};
use crate::{
    cx::BuildId,
    value::{Secret, Size},
    vsphere::{Element, Mark, Node},
};

fn spec() -> Spec {
    Spec {
        name: "web".to_owned(),
        annotation: "a & b".to_owned(),
        mark: Mark::of(&BuildId::random(), "web"),
        guest_id: "ubuntu64Guest".to_owned(),
        hardware: Some("vmx-19".to_owned()),
        cpus: 4,
        cores_per_socket: Some(2),
        memory_mib: 4096,
        firmware: Firmware::EfiSecure,
        tpm: true,
        usb: true,
        disks: vec![
            Disk { size: Size::gib(20), provisioning: Provisioning::Thin, controller: Controller::Pvscsi },
            Disk {
                size: Size::gib(1),
                provisioning: Provisioning::EagerZeroed,
                controller: Controller::Nvme,
            },
        ],
        nics: vec![Nic {
            network: Network::PortGroup { switch: "50 1e".to_owned(), key: "dvportgroup-7".to_owned() },
            model: NicModel::Vmxnet3,
            mac: None,
        }],
        cds: vec![Cd { file: "[ds] a.iso".to_owned(), bus: CdBus::Sata }],
        extra: vec![("guestinfo.userdata".to_owned(), Secret::new("x"))],
        boot: vec![BootDevice::Disk(0), BootDevice::Cd],
    }
}

/// What `write` makes, with what it needs to be read.
fn text(write: impl FnOnce(&mut Element)) -> String {
    let mut element = Element::default();
    write(&mut element);
    format!(
        "<spec xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">{}</spec>",
        element.into_text()
    )
}

fn names(node: &Node) -> Vec<&str> {
    node.nodes.iter().map(|node| node.name.as_str()).collect()
}

#[test]
fn a_new_machine_is_described_in_the_schema_s_order() {
    let spec = spec();
    spec.check().unwrap();
    let config = Config {
        name: Some(&spec.name),
        hardware: spec.hardware.as_deref(),
        guest_id: Some(&spec.guest_id),
        annotation: Some(&spec.annotation),
        files: Some("[ds]"),
        cpus: Some(spec.cpus),
        cores: spec.cores_per_socket,
        memory_mib: Some(spec.memory_mib),
        extra: &spec.extra,
        boot: &[Boot::Disk(2000), Boot::Cd],
        firmware: Some(spec.firmware),
    };
    let made = Node::parse(&text(|out| config.write(out, |out| write_all(&spec, out)))).unwrap();
    let mut order = names(&made);
    order.dedup();
    let expected = [
        "name",
        "version",
        "guestId",
        "annotation",
        "files",
        "numCPUs",
        "numCoresPerSocket",
        "memoryMB",
        "deviceChange",
        "extraConfig",
        "bootOptions",
        "firmware",
    ];
    assert_eq!(order, expected);
    assert_eq!(names(made.at("bootOptions").unwrap()), ["efiSecureBootEnabled", "bootOrder", "bootOrder"]);
    let kinds: Vec<&str> =
        made.all("deviceChange").filter_map(|change| change.at("device")?.kind.as_deref()).collect();
    let expected = [
        "ParaVirtualSCSIController",
        "VirtualDisk",
        "VirtualNVMEController",
        "VirtualDisk",
        "VirtualAHCIController",
        "VirtualCdrom",
        "VirtualVmxnet3",
        "VirtualUSBXHCIController",
        "VirtualTPM",
    ];
    assert_eq!(kinds, expected);
    // What is on a controller names it, and no number is given twice.
    let text = |change: &Node, name: &str| change.text_at(&format!("device/{name}")).map(ToOwned::to_owned);
    let changes: Vec<&Node> = made.all("deviceChange").collect();
    for (on, controller) in [(1, 0), (3, 2), (5, 4)] {
        assert_eq!(text(changes[on], "controllerKey"), text(changes[controller], "key"));
    }
    let mut keys: Vec<_> = changes.iter().map(|change| text(change, "key")).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), changes.len());
}

#[test]
fn disks_leave_out_the_controller_s_own_number() {
    let mut spec = spec();
    spec.disks = vec![spec.disks[0].clone(); 15];
    spec.check().unwrap();
    let made = Node::parse(&text(|out| write_all(&spec, out))).unwrap();
    let units: Vec<&str> =
        made.all("deviceChange").filter_map(|change| change.text_at("device/unitNumber")).collect();
    assert_eq!(units[..9], ["0", "1", "2", "3", "4", "5", "6", "8", "9"]);
    spec.disks.push(spec.disks[0].clone());
    assert!(spec.check().is_err());
}

#[test]
fn what_cannot_be_is_told_before_a_server_is_asked() {
    type Wrong = (&'static str, fn(&mut Spec));
    let wrong: [Wrong; 8] = [
        ("the name is empty", |spec| spec.name.clear()),
        ("up to 80", |spec| spec.name = "x".repeat(81)),
        ("multiple of 4", |spec| spec.memory_mib = 4097),
        ("4 CPUs cannot be divided", |spec| spec.cores_per_socket = Some(3)),
        ("a TPM needs", |spec| spec.firmware = Firmware::Bios),
        ("no number of KiB", |spec| spec.disks[0].size = Size::bytes(1025)),
        ("IDE has room", |spec| spec.cds = vec![Cd { bus: CdBus::Ide, ..spec.cds[0].clone() }; 5]),
        ("does not have", |spec| spec.boot = vec![BootDevice::Disk(2)]),
    ];
    for (expected, change) in wrong {
        let mut spec = spec();
        change(&mut spec);
        let told = crate::cx::causes(&spec.check().unwrap_err()).join(": ");
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_device_is_written_back_as_it_was_told() {
    let told = "<devices xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><VirtualDevice xsi:type=\"VirtualCdrom\">\
         <key>16000</key><deviceInfo xsi:type=\"Description\"><label>CD/DVD drive 1</label><summary>ISO</summary></deviceInfo>\
         <backing xsi:type=\"VirtualCdromIsoBackingInfo\"><fileName>[ds] a.iso</fileName>\
         <datastore type=\"Datastore\">ds-1</datastore></backing><controllerKey>15000</controllerKey>\
         <unitNumber>0</unitNumber></VirtualDevice></devices>";
    let devices = Device::all(&Node::parse(told).unwrap());
    let [cd] = devices.as_slice() else { panic!("{devices:?}") };
    assert!(cd.is_cd() && !cd.is_disk() && cd.label() == "CD/DVD drive 1");
    let disconnected = |device: &mut Element| connectable(device, false);
    let edit =
        text(|out| cd.edit(out, &[("backing", Some(&empty_drive)), ("connectable", Some(&disconnected))]));
    let change = Node::parse(&edit).unwrap();
    let device = change.at("deviceChange/device").unwrap();
    assert_eq!(names(device), ["key", "deviceInfo", "backing", "connectable", "controllerKey", "unitNumber"]);
    assert_eq!(
        device.at("backing").unwrap().kind.as_deref(),
        Some("VirtualCdromRemotePassthroughBackingInfo")
    );
    let same = Node::parse(&text(|out| cd.edit(out, &[]))).unwrap();
    assert_eq!(same.at("deviceChange/device").unwrap().nodes, cd.node().nodes);
    let removed = Node::parse(&text(|out| cd.remove(out))).unwrap();
    assert_eq!(removed.text_at("deviceChange/operation"), Some("remove"));
}
