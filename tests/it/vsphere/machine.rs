//! Machines: made with all that a definition may ask for and read back, started, typed at, changed, removed.
use super::{
    checks::assert_requests_valid,
    world::{World, told},
};
use goldsmith::{
    cx::{ResourceRef, Undo},
    value::Secret,
    vsphere::{
        self, Kind, VsphereErrorKind, is_marked,
        machine::{Change, Device, KeyPress, Network, PowerState, Storage},
    },
};
use std::time::Duration;

fn text(device: &Device, path: &str) -> String {
    device.node().text_at(path).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_machine_is_made_with_all_that_was_asked_for() {
    let world = World::start(&[]).await;
    let spec = world.full_spec("web").await;
    let machine = world.vcenter.create_machine(&world.cx, &spec, &world.home).await.unwrap();
    assert_eq!(machine.path(), "/DC0/vm/web");
    assert_eq!(world.vcenter.path_of(machine.moref()).await.unwrap(), machine.path());
    let paths = ["config", "runtime.powerState"];
    let properties = world.vcenter.properties(machine.moref(), &paths).await.unwrap();
    let config = properties.get("config").unwrap();
    for (path, expected) in [
        ("guestId", "ubuntu64Guest"),
        ("version", "vmx-19"),
        ("hardware/numCPU", "4"),
        ("hardware/numCoresPerSocket", "2"),
        ("hardware/memoryMB", "1024"),
        ("firmware", "efi"),
        ("bootOptions/efiSecureBootEnabled", "true"),
    ] {
        assert_eq!(config.text_at(path), Some(expected), "{path}");
    }
    let annotation = machine.annotation().await.unwrap();
    assert!(annotation.starts_with("for people\n") && is_marked(&annotation, world.cx.id().as_str()));
    let extra = config.all("extraConfig").find(|option| option.text_at("key") == Some("guestinfo.userdata"));
    assert_eq!(extra.unwrap().text_at("value"), Some("I2Nsb3VkLWNvbmZpZwo=<&>"));

    let devices = machine.devices().await.unwrap();
    let of = |kind: &str| devices.iter().filter(|device| device.kind() == kind).collect::<Vec<_>>();
    let controller = |device: &Device| {
        let key = text(device, "controllerKey");
        devices.iter().find(|other| text(other, "key") == key).unwrap().kind().to_owned()
    };
    let disks: Vec<(u64, String)> =
        of("VirtualDisk").iter().map(|disk| (disk.capacity().unwrap() >> 30, controller(disk))).collect();
    let expected = [
        (20, "ParaVirtualSCSIController".to_owned()),
        (2, "VirtualLsiLogicController".to_owned()),
        (1, "VirtualNVMEController".to_owned()),
    ];
    assert_eq!(disks, expected);
    assert!(of("VirtualDisk").iter().all(|disk| text(disk, "backing/thinProvisioned") == "true"));
    let cds: Vec<(String, String)> =
        of("VirtualCdrom").iter().map(|cd| (text(cd, "backing/fileName"), controller(cd))).collect();
    let cd = |number: u8, on: &str| (format!("[LocalDS_0] goldsmith/{number}.iso"), on.to_owned());
    let (sata, ide) = ("VirtualAHCIController", "VirtualIDEController");
    assert_eq!(cds, [cd(1, sata), cd(2, sata), cd(3, ide)]);
    assert_eq!(text(of("VirtualVmxnet3")[0], "backing/deviceName"), "VM Network");
    assert_eq!(text(of("VirtualVmxnet3")[0], "connectable/startConnected"), "true");
    assert_eq!(text(of("VirtualE1000e")[0], "macAddress"), "00:50:56:01:02:03");
    assert!(text(of("VirtualE1000e")[0], "backing/port/portgroupKey").starts_with("dvportgroup-"));
    assert_eq!((of("VirtualTPM").len(), of("VirtualUSBXHCIController").len()), (1, 1));

    // The order names the second disk of the definition by the key that it got.
    let order: Vec<_> = config.at("bootOptions").unwrap().all("bootOrder").collect();
    let nvme = of("VirtualDisk").into_iter().find(|disk| disk.capacity() == Some(1 << 30)).unwrap();
    assert_eq!(order[0].text_at("deviceKey").map(ToOwned::to_owned), Some(text(nvme, "key")));
    assert_eq!(order[1].kind.as_deref(), Some("VirtualMachineBootOptionsBootableCdromDevice"));

    // A second of the name is told before anything is made.
    let error = world.vcenter.create_machine(&world.cx, &spec, &world.home).await.unwrap_err();
    assert_eq!(error.kind(), VsphereErrorKind::Exists);
    assert!(told(&error).contains("there is a VirtualMachine at `/DC0/vm/web` already"), "{}", told(&error));

    world.unwind().await;
    assert_eq!(world.machines().await, [] as [&str; 0]);
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_machine_is_started_typed_at_and_stopped() {
    let world = World::start(&[]).await;
    let machine = world.vcenter.create_machine(&world.cx, &world.spec("typed"), &world.home).await.unwrap();
    let (cx, enter) = (&world.cx, KeyPress { hid: 0x28, modifiers: 0 });
    let error = machine.press(cx, &[enter]).await.unwrap_err();
    assert!(told(&error).contains("InvalidPowerState"), "{}", told(&error));
    assert_eq!(machine.power().await.unwrap(), (PowerState::Off, None));
    machine.power_on(cx).await.unwrap();
    assert_eq!(machine.power().await.unwrap().0, PowerState::On);

    // `e` and Return, then Control-X: two lines.
    let keys = [KeyPress::of_linux(&[18]), Some(vec![enter]), KeyPress::of_linux(&[29, 45])];
    let keys: Vec<KeyPress> = keys.into_iter().flat_map(Option::unwrap).collect();
    machine.press(cx, &keys).await.unwrap();
    let typed: Vec<String> = world
        .vcsim
        .trace()
        .into_iter()
        .filter(|exchange| exchange.soap == "PutUsbScanCodes" && exchange.status == 200)
        .map(|exchange| exchange.body)
        .collect();
    assert_eq!(typed.len(), 2, "{typed:?}");
    assert!(typed[0].contains("<usbHidCode>524295</usbHidCode>"), "{typed:?}");
    assert!(typed[1].contains("<leftControl>true</leftControl>"), "{typed:?}");

    machine.power_off(cx).await.unwrap();
    machine.power_off(cx).await.unwrap();
    machine.power_on(cx).await.unwrap();
    machine.shut_down_guest().await.unwrap();
    machine.wait_until_off(cx, Duration::from_secs(20)).await.unwrap();
    // One that runs is stopped before it is removed.
    machine.power_on(cx).await.unwrap();
    world.unwind().await;
    assert_eq!(world.machines().await, [] as [&str; 0]);
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn the_guest_s_address_and_changes_are_read_back() {
    let world = World::start(&[]).await;
    let spec = world.full_spec("changed").await;
    let machine = world.vcenter.create_machine(&world.cx, &spec, &world.home).await.unwrap();
    let cx = &world.cx;
    assert!(machine.guest().await.unwrap().addresses().is_empty());
    let change = Change {
        cpus: Some(8),
        cores_per_socket: Some(4),
        memory_mib: Some(2048),
        extra: vec![
            ("SET.guest.ipAddress".to_owned(), Secret::new("10.0.0.9")),
            ("guestinfo.userdata".to_owned(), Secret::new("")),
        ],
        ..Change::default()
    };
    machine.reconfigure(cx, &change).await.unwrap();
    let guest = machine.guest().await.unwrap();
    assert_eq!(guest.address, "10.0.0.9".parse().ok());
    assert_eq!(guest.nics[0].addresses[0].ip.to_string(), "10.0.0.9");
    assert_eq!(guest.addresses().len(), 1);
    let paths = ["config.hardware.numCPU", "config.hardware.memoryMB", "config.extraConfig"];
    let properties = world.vcenter.properties(machine.moref(), &paths).await.unwrap();
    assert_eq!(properties.text(paths[0]), Some("8"));
    assert_eq!(properties.text(paths[1]), Some("2048"));
    let extra = &properties.get(paths[2]).unwrap().nodes;
    // A vCenter removes a key that gets an empty value; the simulator notes it below the older one.
    let last = extra.iter().rfind(|option| option.text_at("key") == Some("guestinfo.userdata"));
    assert_eq!(last.unwrap().text_at("value"), Some(""));

    machine.eject_cds(cx).await.unwrap();
    let devices = machine.devices().await.unwrap();
    let cds: Vec<&Device> = devices.iter().filter(|device| device.is_cd()).collect();
    assert_eq!(cds.len(), 3);
    for cd in cds {
        let backing = cd.node().at("backing").unwrap();
        assert_eq!(backing.kind.as_deref(), Some("VirtualCdromRemotePassthroughBackingInfo"));
        assert_eq!(text(cd, "connectable/startConnected"), "false");
    }
    machine.remove_cds(cx).await.unwrap();
    assert!(!machine.devices().await.unwrap().iter().any(Device::is_cd));
    machine.remove_cds(cx).await.unwrap();

    let group = world.network("DC0_DVPG0").await;
    let Network::PortGroup { key, .. } = &group else { panic!("{group:?}") };
    machine.connect_nics(cx, &[group.clone(), group.clone()]).await.unwrap();
    let devices = machine.devices().await.unwrap();
    let nics: Vec<&Device> = devices.iter().filter(|device| device.is_nic()).collect();
    assert_eq!(nics.len(), 2);
    assert!(nics.iter().all(|nic| text(nic, "backing/port/portgroupKey") == *key));

    machine.set_attribute("release", "1.34").await.unwrap();
    machine.set_attribute("release", "1.35").await.unwrap();
    let properties = world.vcenter.properties(machine.moref(), &["customValue"]).await.unwrap();
    // A vCenter has one value for each key; the simulator notes the newer one below the older.
    let values = &properties.get("customValue").unwrap().nodes;
    assert_eq!(values.last().unwrap().text_at("value"), Some("1.35"));
    assert!(values.iter().all(|value| value.text_at("key") == values[0].text_at("key")));
    assert_eq!(world.vcsim.calls("AddCustomFieldDef").len(), 1, "it is defined once");

    machine.upgrade(cx, Some("vmx-21")).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn what_a_server_refuses_is_told_and_leaves_nothing() {
    let world = World::start(&[]).await;
    let fault = serde_json::json!({"match":"CreateVM_Task","task":{"type":"NoDiskSpace","message":"There is no space left."}});
    world.vcsim.fault(&fault);
    let error = world.vcenter.create_machine(&world.cx, &world.spec("full"), &world.home).await.unwrap_err();
    assert_eq!(error.kind(), VsphereErrorKind::NoSpace);
    assert!(told(&error).starts_with("could not create the machine `full`: "), "{}", told(&error));
    assert!(told(&error).contains("There is no space left."), "{}", told(&error));
    world.unwind().await;
}

#[tokio::test]
async fn a_machine_whose_making_nobody_heard_of_is_found_and_removed() {
    let world = World::start(&[]).await;
    world.vcsim.fault(&serde_json::json!({"match":"CreateVM_Task","lose_answer":true}));
    world.vcenter.create_machine(&world.cx, &world.spec("lost"), &world.home).await.unwrap_err();
    assert_eq!(world.machines().await, ["lost"], "the server made it all the same");
    world.unwind().await;
    assert_eq!(world.machines().await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_machine_is_found_by_the_task_that_makes_it() {
    let world = World::start(&[]).await;
    let (vcenter, cx, other) = (&world.vcenter, &world.cx, crate::context::cx());
    // Its own journal is lost; ours died between the answer and the end of the task, and does not know where it ended up.
    vcenter.create_machine(&other, &world.spec("of-a-task"), &world.home).await.unwrap();
    let answer = world.vcsim.calls("CreateVM_Task")[0].answer.clone();
    let task = answer.split("type=\"Task\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let details = [("task", &*format!("Task:{task}"))];
    let planned = vsphere::resource(vcenter, Kind::Machine, "/DC0/vm/elsewhere", cx.id().as_str(), &details);
    let _ = cx.undo().plan(Undo::Resource(planned)).unwrap();
    world.unwind().await;
    assert_eq!(world.machines().await, [] as [&str; 0]);
}

#[tokio::test]
async fn only_what_bears_the_build_s_mark_is_removed() {
    let world = World::start(&[]).await;
    let (cx, other) = (&world.cx, crate::context::cx());
    let theirs = vsphere::Mark::of(other.id(), "other");
    let spec = vsphere::machine::Spec { mark: theirs, ..world.spec("mine") };
    let machine = world.vcenter.create_machine(&other, &spec, &world.home).await.unwrap();
    // Our build planned one of the same path, and died.
    let planned = vsphere::resource(&world.vcenter, Kind::Machine, machine.path(), cx.id().as_str(), &[]);
    let _ = cx.undo().plan(Undo::Resource(planned)).unwrap();
    // By its own reference it stays as well.
    let details = [("moref", &*machine.moref().to_string())];
    let told = vsphere::resource(&world.vcenter, Kind::Machine, "/DC0/vm/mine", cx.id().as_str(), &details);
    let _ = cx.undo().plan(Undo::Resource(told)).unwrap();
    world.unwind().await;
    assert_eq!(world.machines().await, ["mine"]);
}

#[tokio::test]
async fn what_is_kept_stays_and_loses_its_mark() {
    let world = World::start(&[]).await;
    let machine = world.vcenter.create_machine(&world.cx, &world.spec("kept"), &world.home).await.unwrap();
    let owed = world.cx.undo().owed();
    let [Undo::Resource(ResourceRef { details, .. })] = owed.as_slice() else { panic!("{owed:?}") };
    assert_eq!(details.get("moref"), Some(&machine.moref().to_string()));
    machine.keep(&world.cx).await.unwrap();
    assert_eq!(machine.annotation().await.unwrap(), "for people");
    assert!(world.cx.undo().owed().is_empty());
    // What an older journal says of it does not remove it either.
    let _ = world.cx.undo().plan(owed[0].clone()).unwrap();
    world.unwind().await;
    assert_eq!(world.machines().await, ["kept"]);
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn folders_are_made_and_removed_when_they_are_empty() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let made = vcenter.folder_made(cx, &world.datacenter, "images/ubuntu").await.unwrap();
    assert_eq!(vcenter.path_of(&made).await.unwrap(), "/DC0/vm/images/ubuntu");
    assert_eq!(vcenter.folder_made(cx, &world.datacenter, "images/ubuntu").await.unwrap(), made);
    assert_eq!(cx.undo().owed().len(), 2);
    let home = vsphere::machine::Home { folder: made, ..world.home.clone() };
    let machine = vcenter.create_machine(cx, &world.spec("in-folder"), &home).await.unwrap();
    assert_eq!(machine.path(), "/DC0/vm/images/ubuntu/in-folder");
    let _empty = vcenter.folder_made(cx, &world.datacenter, "/DC0/vm/images/empty").await.unwrap();
    machine.keep(cx).await.unwrap();
    world.unwind().await;
    assert_eq!(world.machines().await, ["in-folder"]);
    assert!(vcenter.at_path("/DC0/vm/images/empty").await.unwrap().is_none());
    assert!(vcenter.at_path("/DC0/vm/images/ubuntu").await.unwrap().is_some());
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_datastore_cluster_chooses_a_datastore() {
    let world = World::start(&["-pod", "1"]).await;
    let vcenter = &world.vcenter;
    let cluster =
        vcenter.find(vsphere::Named::StoragePod, Some(&world.datacenter), "DC0_POD0").await.unwrap();
    let home = vsphere::machine::Home { storage: Storage::Cluster(cluster.clone()), ..world.home.clone() };
    // Nothing is in it yet.
    let error = vcenter.create_machine(&world.cx, &world.spec("nowhere"), &home).await.unwrap_err();
    assert!(told(&error).contains("none of its datastores can be used"), "{}", told(&error));
    assert!(told(&error).contains("`DC0_POD0`"), "{}", told(&error));
    let Storage::Datastore(datastore) = &world.home.storage else { panic!() };
    let cx = &world.cx;
    vcenter
        .run(cx, "move it", "MoveIntoFolder_Task", &cluster, Duration::from_secs(20), |call| {
            call.moref("list", datastore);
        })
        .await
        .unwrap();
    // Storage DRS is off: it recommends nothing.
    let machine = vcenter.create_machine(cx, &world.spec("by-room"), &home).await.unwrap();
    let properties = vcenter.properties(machine.moref(), &["datastore"]).await.unwrap();
    assert_eq!(properties.morefs("datastore"), std::slice::from_ref(datastore));
    let manager = vcenter.service("storageResourceManager").unwrap();
    vcenter
        .run(cx, "turn it on", "ConfigureStorageDrsForPod_Task", &manager, Duration::from_secs(20), |call| {
            call.moref("pod", &cluster).node("spec", |spec| {
                spec.node("podConfigSpec", |pod| {
                    pod.flag("enabled", true);
                });
            });
            call.flag("modify", true);
        })
        .await
        .unwrap();
    let before = world.vcsim.trace().len();
    vcenter.create_machine(cx, &world.spec("recommended"), &home).await.unwrap();
    let asked =
        world.vcsim.trace().into_iter().skip(before).find(|exchange| exchange.soap == "RecommendDatastores");
    assert!(asked.unwrap().answer.contains("<destination"), "it recommended one");
    world.unwind().await;
    assert_requests_valid(&world.vcsim);
}
