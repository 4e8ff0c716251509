//! The driver makes machines: new ones, copies of all that there is to copy, ones that an installer has filled. Whatever fails on the
//! way, nothing is left.
use super::{
    checks::assert_requests_valid,
    world::{World, disk, told},
};
use goldsmith::{
    cx::{Cx, ResourceRef},
    driver::{
        Boot, DriverError, DriverErrorKind, Hypervisor as _, InstanceSeed, KeptImage, KeptKind, MachineSpec,
        Optical, vsphere::Vsphere,
    },
    plan::{
        Accelerator, Firmware, SourcePlan, VcenterPlan, VsphereController, VsphereFirmware,
        VsphereMachinePlan, VsphereNic, VsphereProvisioning, VsphereSourcePlan,
    },
    value::{Arch, Digest, DigestAlgorithm, Size},
    vsphere::{
        VCenter, is_marked,
        machine::{Controller, Device, Machine},
    },
};
use serde_json::json;
use sha2::Digest as _;
use std::path::PathBuf;

/// Where machines go in the simulator's inventory.
pub(super) fn place() -> VcenterPlan {
    VcenterPlan {
        cluster: Some("DC0_C0".to_owned()),
        folder: Some("images/ubuntu".to_owned()),
        datastore: Some("LocalDS_0".to_owned()),
        networks: vec!["VM Network".to_owned()],
        ..VcenterPlan::default()
    }
}

/// A small new machine.
pub(super) fn plan() -> VsphereMachinePlan {
    VsphereMachinePlan {
        guest_os: Some("ubuntu64Guest".to_owned()),
        disk: Some(Size::gib(8)),
        hardware_version: Some(19),
        ..VsphereMachinePlan::default()
    }
}

pub(super) fn driver(vcenter: &VCenter, place: VcenterPlan, plan: VsphereMachinePlan) -> Vsphere {
    Vsphere::new(vcenter.clone(), place, plan, None)
}

pub(super) fn spec(role: &str, boot: Boot) -> MachineSpec {
    MachineSpec {
        role: role.to_owned(),
        image: "web".to_owned(),
        arch: Arch::X86_64,
        firmware: Firmware::Efi,
        cpus: 2,
        memory: Size::mib(1024),
        accelerator: Accelerator::Auto,
        disks: vec![],
        credentials: vec![],
        boot,
        optical: vec![],
        ends_at_restart: false,
        isolated: false,
        instance: InstanceSeed::default(),
    }
}

/// A file of this host with these bytes.
fn file(cx: &Cx, name: &str, bytes: &[u8]) -> PathBuf {
    let path = cx.work().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// An installer's medium, which other builds want too, and a volume of answers.
pub(super) fn media(cx: &Cx) -> Vec<Optical> {
    let bytes = vec![7; 100_000];
    let digest = Digest::from_bytes(DigestAlgorithm::Sha256, &sha2::Sha256::digest(&bytes)).unwrap();
    vec![
        Optical { path: file(cx, "ubuntu.iso", &bytes), digest: Some(digest) },
        Optical { path: file(cx, "answers.iso", b"answers"), digest: None },
    ]
}

/// A seed for cloud-init or Ignition.
pub(super) fn instance(cx: &Cx, ignition: bool) -> InstanceSeed {
    let user_data = Some(file(cx, "seed.user-data", b"#cloud-config\nusers: []\n"));
    InstanceSeed { user_data, ignition, id: "goldsmith-1-build".to_owned(), authorized_key: None }
}

fn named(image: &str, cx: &Cx) -> String {
    format!("/DC0/vm/images/ubuntu/{image}-{}", cx.id())
}

pub(super) async fn machine(vcenter: &VCenter, resource: &ResourceRef) -> Machine {
    vcenter.machine_of(resource).await.unwrap()
}

/// The last value of a key of a machine's configuration; the simulator notes a newer one below an older one.
pub(super) async fn extra(machine: &Machine, key: &str) -> Option<String> {
    let properties = machine.vcenter().properties(machine.moref(), &["config.extraConfig"]).await.unwrap();
    let options = &properties.get("config.extraConfig")?.nodes;
    let found = options.iter().rfind(|option| option.text_at("key") == Some(key))?;
    found.text_at("value").map(ToOwned::to_owned)
}

pub(super) async fn images(machine: &Machine) -> Vec<Option<String>> {
    let devices = machine.devices().await.unwrap();
    devices.iter().filter(|device| device.is_cd()).map(|cd| cd.image().map(ToOwned::to_owned)).collect()
}

fn text(device: &Device, path: &str) -> String {
    device.node().text_at(path).unwrap_or_default().to_owned()
}

pub(super) fn unhappy(error: &DriverError) -> String {
    format!("{} ({:?})", told(error), error.hint_text())
}

/// Nothing of a build may be left but installers' media, which stay for the next one.
pub(super) async fn nothing_is_left(world: &World, driver: &Vsphere, others: &[&str]) {
    world.unwind().await;
    assert_eq!(world.machines().await, others);
    assert!(world.vcenter.at_path("/DC0/vm/images").await.unwrap().is_none(), "its folders stay");
    assert_eq!(driver.owned(world.cx.id()).await.unwrap(), []);
    let built = world.vcsim.datastore().join("goldsmith/build");
    let left: Vec<_> = std::fs::read_dir(built).map(|all| all.flatten().collect()).unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_new_machine_has_all_that_was_asked_for() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let place = VcenterPlan { networks: vec!["VM Network".to_owned(), "DC0_DVPG0".to_owned()], ..place() };
    let plan = VsphereMachinePlan {
        cpus: Some(4),
        cores_per_socket: Some(2),
        memory: Some(Size::gib(2)),
        more_disks: vec![Size::gib(1)],
        controller: VsphereController::Nvme,
        provisioning: VsphereProvisioning::EagerZeroed,
        nic: VsphereNic::E1000e,
        firmware: VsphereFirmware::EfiSecure,
        tpm: true,
        annotation: Some("for people".to_owned()),
        extra_config: [("disk.EnableUUID".to_owned(), "TRUE".to_owned())].into(),
        ..plan()
    };
    let driver = driver(vcenter, place, plan);
    let optical = media(cx);
    let spec = MachineSpec { optical, ..spec("build", Boot::Optical) };
    let ready = driver.preflight(&spec).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    assert_eq!(ready.hypervisor, format!("vCenter 8.0.2 at {}", world.vcsim.url()));
    assert!(ready.notice.unwrap().contains("the vCenter tells of no key provider"));
    let made = driver.create(cx, &spec).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    assert_eq!(made.resource().id, named("web", cx));

    let machine = machine(vcenter, made.resource()).await;
    let properties = vcenter.properties(machine.moref(), &["config"]).await.unwrap();
    let config = properties.get("config").unwrap();
    for (path, expected) in [
        ("guestId", "ubuntu64Guest"),
        ("version", "vmx-19"),
        ("hardware/numCPU", "4"),
        ("hardware/numCoresPerSocket", "2"),
        ("hardware/memoryMB", "2048"),
        ("firmware", "efi"),
        ("bootOptions/efiSecureBootEnabled", "true"),
    ] {
        assert_eq!(config.text_at(path), Some(expected), "{path}");
    }
    let annotation = machine.annotation().await.unwrap();
    assert!(
        annotation.starts_with("for people\n") && is_marked(&annotation, cx.id().as_str()),
        "{annotation}"
    );
    assert_eq!(extra(&machine, "disk.EnableUUID").await.as_deref(), Some("TRUE"));

    let devices = machine.devices().await.unwrap();
    let of = |kind: &str| devices.iter().filter(|device| device.kind() == kind).collect::<Vec<_>>();
    let disks: Vec<u64> = of("VirtualDisk").iter().map(|disk| disk.capacity().unwrap() >> 30).collect();
    assert_eq!(disks, [8, 1]);
    for disk in of("VirtualDisk") {
        assert_eq!(text(disk, "backing/thinProvisioned"), "false");
        assert_eq!(text(disk, "backing/eagerlyScrub"), "true");
        assert_eq!(text(disk, "controllerKey"), text(of("VirtualNVMEController")[0], "key"));
    }
    let cards = of("VirtualE1000e");
    assert_eq!(text(cards[0], "backing/deviceName"), "VM Network");
    assert!(text(cards[1], "backing/port/portgroupKey").starts_with("dvportgroup-"));
    assert_eq!((of("VirtualTPM").len(), of("VirtualUSBXHCIController").len()), (1, 1));
    let digest = spec.optical[0].digest.as_ref().unwrap().hex();
    let expected = [
        Some(format!("[LocalDS_0] goldsmith/iso/{digest}-ubuntu.iso")),
        Some(format!("[LocalDS_0] goldsmith/build/{}-answers.iso", cx.id())),
    ];
    assert_eq!(images(&machine).await, expected);
    let on: Vec<String> = of("VirtualCdrom").iter().map(|cd| text(cd, "controllerKey")).collect();
    assert_eq!(on, vec![text(of("VirtualAHCIController")[0], "key"); 2]);
    let order: Vec<Option<String>> =
        config.at("bootOptions").unwrap().all("bootOrder").map(|device| device.kind.clone()).collect();
    let expected =
        ["VirtualMachineBootOptionsBootableDiskDevice", "VirtualMachineBootOptionsBootableCdromDevice"];
    assert_eq!(order, expected.map(|kind| Some(kind.to_owned())));

    let owned = driver.owned(cx.id()).await.unwrap();
    assert_eq!(owned, [machine.resource(cx.id().as_str())]);
    let kept = world.vcsim.datastore().join(format!("goldsmith/iso/{digest}-ubuntu.iso"));
    assert_eq!(std::fs::read(&kept).unwrap(), vec![7; 100_000]);
    nothing_is_left(&world, &driver, &[]).await;
    assert!(kept.exists(), "it stays for the next build");
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_build_goes_on_with_the_machine_that_was_installed_and_it_forgets_all() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let driver = driver(vcenter, place(), plan());
    let installer = MachineSpec { optical: media(cx), ..spec("build", Boot::Optical) };
    let made = driver.create(cx, &installer).await.unwrap().resource().clone();
    let answers = world.vcsim.datastore().join(format!("goldsmith/build/{}-answers.iso", cx.id()));
    assert!(answers.exists());

    let seed = Optical { path: file(cx, "seed-build.iso", b"seed"), digest: None };
    let next = MachineSpec {
        optical: vec![seed],
        instance: instance(cx, false),
        ..spec("build", Boot::Made(made.clone()))
    };
    let machine = machine(vcenter, &made).await;
    machine.power_on(cx).await.unwrap();
    let error = driver.create(cx, &next).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::MachineFailed);
    assert!(told(&error).contains("it is not off"), "{}", told(&error));
    machine.power_off(cx).await.unwrap();
    let again = driver.create(cx, &next).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    assert_eq!(again.resource().id, made.id);
    let image = format!("[LocalDS_0] goldsmith/build/{}-seed-build.iso", cx.id());
    // Of two drives that are empty, one is taken; the simulator tells those last that were changed.
    let mut there = images(&machine).await;
    there.sort();
    assert_eq!(there, [None, Some(image)]);
    assert!(!answers.exists(), "nobody needs the answers any more");
    assert_eq!(extra(&machine, "guestinfo.userdata.encoding").await.as_deref(), Some("base64"));

    driver.forget(cx, &made).await.unwrap();
    assert_eq!(images(&machine).await, [] as [Option<String>; 0]);
    assert_eq!(extra(&machine, "guestinfo.userdata").await.as_deref(), Some(""));
    let left = std::fs::read_dir(world.vcsim.datastore().join("goldsmith/build")).unwrap().count();
    assert_eq!(left, 0, "files of the build go at once");
    driver.forget(cx, &made).await.unwrap();
    nothing_is_left(&world, &driver, &[]).await;
    assert_requests_valid(&world.vcsim);
}

/// A machine that somebody else made, with two snapshots.
pub(super) async fn original(world: &World) -> (Machine, [String; 2]) {
    let (vcenter, other) = (&world.vcenter, crate::context::cx());
    let network = world.network("DC0_DVPG0").await;
    let nic = goldsmith::vsphere::machine::Nic {
        network,
        model: goldsmith::vsphere::machine::NicModel::Vmxnet3,
        mac: None,
    };
    let spec = goldsmith::vsphere::machine::Spec {
        nics: vec![nic],
        disks: vec![disk(Controller::Pvscsi, 8)],
        ..world.spec("original")
    };
    let machine = vcenter.create_machine(&other, &spec, &world.home).await.unwrap();
    let one = machine.create_snapshot(&other, "one", "made by a test").await.unwrap();
    let two = machine.create_snapshot(&other, "two", "made by a test").await.unwrap();
    machine.keep(&other).await.unwrap();
    (machine, [one.id, two.id])
}

pub(super) fn copy_of(of: &str, linked: bool, snapshot: Option<&str>) -> SourcePlan {
    let snapshot = snapshot.map(ToOwned::to_owned);
    SourcePlan::Vsphere(VsphereSourcePlan::Clone { of: of.to_owned(), linked, snapshot })
}

pub(super) async fn found(driver: &Vsphere, cx: &Cx, source: &SourcePlan) -> KeptImage {
    driver.find_image(cx, source, Arch::X86_64).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)))
}

#[tokio::test]
async fn copies_are_full_or_linked_and_of_the_snapshot_that_was_meant() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let (source, [one, two]) = original(&world).await;
    let plan = VsphereMachinePlan { hardware_version: None, disk: None, ..plan() };
    for (linked, said, expected) in [
        (false, None, None),
        (false, Some("one"), Some(&one)),
        (true, Some("one"), Some(&one)),
        (true, None, Some(&two)),
    ] {
        let driver = driver(vcenter, place(), plan.clone());
        let image = found(&driver, cx, &copy_of("original", linked, said)).await;
        assert_eq!((image.kind, image.id.as_str()), (KeptKind::Machine, source.path()));
        assert_eq!((image.name.as_str(), image.place.as_str()), ("original", world.vcsim.url()));
        assert_eq!(image.disks, expected.into_iter().cloned().collect::<Vec<_>>());
        assert!(image.description.contains("disks of 8 GiB"), "{}", image.description);
        let role = format!("build-{linked}-{}", said.unwrap_or("now"));
        let made = driver.create(cx, &spec(&role, Boot::Image(image.id))).await;
        made.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
        let body = world.vcsim.calls("CloneVM_Task").pop().unwrap().body;
        assert_eq!(body.contains("createNewChildDiskBacking"), linked, "{body}");
        let snapshot =
            expected.map(|id| format!("<snapshot type=\"VirtualMachineSnapshot\">{id}</snapshot>"));
        match snapshot {
            Some(snapshot) => assert!(body.contains(&snapshot), "{body}"),
            None => assert!(!body.contains("<snapshot"), "{body}"),
        }
    }
    let driver = driver(vcenter, place(), plan);
    let error =
        driver.find_image(cx, &copy_of("original", true, Some("three")), Arch::X86_64).await.unwrap_err();
    assert!(told(&error).contains("there are: `one`, `two`"), "{}", unhappy(&error));
    source.remove_snapshots(cx).await.unwrap();
    let error = driver.find_image(cx, &copy_of("original", true, None), Arch::X86_64).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::NotFound);
    assert!(told(&error).contains("it has no snapshot"), "{}", unhappy(&error));
    let error = driver.find_image(cx, &copy_of("other", false, None), Arch::X86_64).await.unwrap_err();
    assert!(told(&error).contains("there are: original"), "{}", unhappy(&error));
    nothing_is_left(&world, &driver, &["original"]).await;
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_copy_of_a_template_is_furnished_and_that_of_a_proof_is_not() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let (source, _) = original(&world).await;
    source.remove_snapshots(cx).await.unwrap();
    source.mark_as_template().await.unwrap();
    let plan = VsphereMachinePlan {
        cpus: Some(8),
        cores_per_socket: Some(4),
        memory: Some(Size::gib(4)),
        disk: Some(Size::gib(30)),
        hardware_version: Some(21),
        extra_config: [("disk.EnableUUID".to_owned(), "TRUE".to_owned())].into(),
        ..VsphereMachinePlan::default()
    };
    let driver = driver(vcenter, place(), plan);
    driver.preflight(&spec("build", Boot::Disk)).await.unwrap();
    let image = found(&driver, cx, &copy_of("/DC0/vm/original", false, None)).await;
    assert_eq!(image.kind, KeptKind::Template);
    assert!(image.description.starts_with("template `/DC0/vm/original` at "), "{}", image.description);

    let seed = Optical { path: file(cx, "seed-build.iso", b"seed"), digest: None };
    let wanted = MachineSpec { optical: vec![seed], ..spec("build", Boot::Image(image.id.clone())) };
    let made = driver.create(cx, &wanted).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    assert_eq!(made.resource().id, named("web", cx));
    let built = machine(vcenter, made.resource()).await;
    let paths = ["config.hardware.numCPU", "config.hardware.memoryMB"];
    let properties = vcenter.properties(built.moref(), &paths).await.unwrap();
    assert_eq!(paths.map(|path| properties.text(path).unwrap()), ["8", "4096"]);
    // The simulator knows one version only.
    let upgrade = world.vcsim.calls("UpgradeVM_Task").pop().unwrap();
    assert!(upgrade.body.contains("<version>vmx-21</version>"), "{}", upgrade.body);
    assert_eq!(extra(&built, "disk.EnableUUID").await.as_deref(), Some("TRUE"));
    let devices = built.devices().await.unwrap();
    assert_eq!(devices.iter().find_map(Device::capacity), Some(30 << 30));
    // Its drive was made: the template had none.
    assert_eq!(
        images(&built).await,
        [Some(format!("[LocalDS_0] goldsmith/build/{}-seed-build.iso", cx.id()))]
    );
    let card = devices.iter().find(|device| device.is_nic()).unwrap();
    assert_eq!(text(card, "backing/deviceName"), "VM Network");
    driver.forget(cx, made.resource()).await.unwrap();
    assert_eq!(images(&built).await, [] as [Option<String>; 0]);

    let wanted = MachineSpec { instance: instance(cx, true), ..spec("proof", Boot::Image(image.id)) };
    let made = driver.create(cx, &wanted).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    assert_eq!(made.resource().id, named("web-proof", cx));
    let proof = machine(vcenter, made.resource()).await;
    let properties = vcenter.properties(proof.moref(), &paths).await.unwrap();
    assert_eq!(paths.map(|path| properties.text(path).unwrap()), ["2", "1024"]);
    assert_eq!(world.vcsim.calls("UpgradeVM_Task").len(), 1);
    assert_eq!(extra(&proof, "disk.EnableUUID").await, None);
    let devices = proof.devices().await.unwrap();
    assert_eq!(devices.iter().find_map(Device::capacity), Some(8 << 30));
    let card = devices.iter().find(|device| device.is_nic()).unwrap();
    assert_eq!(text(card, "backing/deviceName"), "VM Network");
    let data = extra(&proof, "guestinfo.ignition.config.data").await.unwrap();
    assert_eq!(data, "I2Nsb3VkLWNvbmZpZwp1c2VyczogW10K");
    assert_eq!(extra(&proof, "guestinfo.ignition.config.data.encoding").await.as_deref(), Some("base64"));
    assert_eq!(extra(&proof, "guestinfo.userdata").await, None);
    nothing_is_left(&world, &driver, &["original"]).await;
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn cloud_init_is_told_by_the_machine_s_configuration() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let (_, _) = original(&world).await;
    let driver = driver(vcenter, place(), VsphereMachinePlan::default());
    let image = found(&driver, cx, &copy_of("original", false, None)).await;
    let wanted = MachineSpec { instance: instance(cx, false), ..spec("build", Boot::Image(image.id)) };
    let made = driver.create(cx, &wanted).await.unwrap();
    let built = machine(vcenter, made.resource()).await;
    let read = async |key: &str| extra(&built, key).await.unwrap();
    let base64 = |text: &str| {
        use base64::Engine as _;
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
    };
    assert_eq!(base64(&read("guestinfo.userdata").await), "#cloud-config\nusers: []\n");
    let about: serde_json::Value = serde_json::from_str(&base64(&read("guestinfo.metadata").await)).unwrap();
    assert_eq!(about, json!({ "instance-id": "goldsmith-1-build", "local-hostname": "goldsmith-build" }));
    for key in ["guestinfo.userdata", "guestinfo.metadata"] {
        assert_eq!(read(&format!("{key}.encoding")).await, "base64");
    }
    driver.forget(cx, made.resource()).await.unwrap();
    for key in ["guestinfo.userdata", "guestinfo.metadata"] {
        assert_eq!((read(key).await, read(&format!("{key}.encoding")).await), (String::new(), String::new()));
    }
    nothing_is_left(&world, &driver, &["original"]).await;
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_machine_that_was_imported_becomes_what_was_asked_for() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let imported = vcenter.create_machine(cx, &world.spec("imported"), &world.home).await.unwrap();
    let plan = VsphereMachinePlan {
        cpus: Some(8),
        memory: Some(Size::gib(4)),
        disk: Some(Size::gib(30)),
        extra_config: [("disk.EnableUUID".to_owned(), "TRUE".to_owned())].into(),
        ..VsphereMachinePlan::default()
    };
    let driver = driver(vcenter, place(), plan);
    let seed = Optical { path: file(cx, "seed-build.iso", b"seed"), digest: None };
    let resource = imported.resource(cx.id().as_str());
    let wanted = MachineSpec { optical: vec![seed], ..spec("build", Boot::Made(resource.clone())) };
    let made = driver.create(cx, &wanted).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    assert_eq!(made.resource().id, "/DC0/vm/imported");
    let paths = ["config.hardware.numCPU", "config.hardware.memoryMB"];
    let properties = vcenter.properties(imported.moref(), &paths).await.unwrap();
    assert_eq!(paths.map(|path| properties.text(path).unwrap()), ["8", "4096"]);
    assert_eq!(extra(&imported, "disk.EnableUUID").await.as_deref(), Some("TRUE"));
    let devices = imported.devices().await.unwrap();
    assert_eq!(devices.iter().find_map(Device::capacity), Some(30 << 30));
    let image = format!("[LocalDS_0] goldsmith/build/{}-seed-build.iso", cx.id());
    assert_eq!(images(&imported).await, [Some(image)]);
    driver.forget(cx, &resource).await.unwrap();
    assert_eq!(images(&imported).await, [] as [Option<String>; 0], "the drive was made for the seed");
    nothing_is_left(&world, &driver, &[]).await;
    assert_requests_valid(&world.vcsim);
}
