//! Verdicts about made-up hosts.
use super::{Distro, Facts, Family, Finding, Kvm, Status, Subject, Tool, examine, install_all, worst};
use crate::{
    build::DeadBuild,
    plan::*,
    value::{Arch, HumanDuration, Size},
};
use std::collections::BTreeMap;

fn host() -> Facts {
    Facts {
        distro: Distro { name: "Debian GNU/Linux 12 (bookworm)".to_owned(), family: Family::Debian },
        machine: "x86_64".to_owned(),
        arch: Some(Arch::X86_64),
        root: false,
        user: "ada".to_owned(),
        kvm: Kvm::Runs,
        tools: Tool::all(Arch::X86_64).into_iter().collect(),
        subordinate_ids: true,
        no_user_namespaces: None,
        work: "/var/work".into(),
        free_disk: Some(Size::gib(100)),
        memory: Some(Size::gib(16)),
        free_memory: Some(Size::gib(8)),
        unwritable: vec![],
        dead: Ok(vec![]),
        subjects: vec![],
    }
}

fn subject(source: SourcePlan) -> Subject {
    let plan = Plan {
        name: "web".to_owned(),
        arch: Arch::X86_64,
        matrix: BTreeMap::new(),
        definition: "/web.toml".into(),
        source,
        machine: MachinePlan {
            uri: EMBEDDED_URI.to_owned(),
            firmware: Firmware::Efi,
            cpus: 2,
            memory: Size::gib(2),
            disk: Size::gib(20),
            accelerator: Accelerator::Auto,
            ec2: None,
            vsphere: None,
            nutanix: None,
            cloudstack: None,
        },
        guest: GuestPlan {
            seed: crate::plan::SeedKind::NoCloud,
            login: None,
            user: "goldsmith".to_owned(),
            connect_timeout: HumanDuration::seconds(1),
            shutdown_timeout: HumanDuration::seconds(1),
        },
        provider: crate::plan::Provider::default(),
        aws: crate::plan::AwsPlan::default(),
        vcenter: crate::plan::VcenterPlan::default(),
        prism: crate::plan::PrismPlan::default(),
        cloud: crate::plan::CloudPlan::default(),
        provision: vec![],
        roles: vec![],
        seal: SealPlan { sysprep: true, zero: false, trim: true },
        outputs: vec![],
        amis: vec![],
        vsphere: None,
        nutanix: None,
        cloudstack: None,
        verify: VerifyPlan { boot: true, firmware: vec![Firmware::Efi], commands: vec![] },
        secrets: BTreeMap::new(),
    };
    Subject { plan, source: Ok(Size::gib(1)) }
}

fn disk() -> SourcePlan {
    SourcePlan::Disk(DiskSourcePlan { origins: vec![], digest: None, checksums: None, format: None })
}

fn bootstrap() -> SourcePlan {
    SourcePlan::Bootstrap(BootstrapPlan {
        cloud_init: true,
        suite: "bookworm".to_owned(),
        mirror: Mirror::Host,
        components: vec!["main".to_owned()],
        packages: vec![],
        kernel: "linux-image-amd64".to_owned(),
        cmdline: String::new(),
        initramfs_modules: vec![],
        partitions: vec![],
        esp: Size::mib(64),
    })
}

fn find<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.check == check)
        .unwrap_or_else(|| panic!("no {check} in {findings:#?}"))
}

#[test]
fn a_complete_host_is_ready() {
    assert_eq!(worst(&examine(&host())), Status::Ok);
    let facts = Facts { subjects: vec![subject(bootstrap())], ..host() };
    assert_eq!(worst(&examine(&facts)), Status::Ok);
}

#[test]
fn what_is_missing_comes_with_the_command_that_brings_it() {
    let mut facts = host();
    facts.tools.remove(&Tool::Qemu(Arch::X86_64));
    let findings = examine(&facts);
    let qemu = find(&findings, "qemu");
    assert_eq!(qemu.status, Status::Failure);
    assert_eq!(qemu.mend, ["sudo apt install qemu-system-x86"]);
    assert_eq!(install_all(&facts, &findings), None, "one command needs no summary");
    facts.tools.remove(&Tool::Mmdebstrap);
    facts.distro.family = Family::Fedora;
    let findings = examine(&facts);
    assert_eq!(find(&findings, "qemu").mend, ["sudo dnf install qemu-system-x86-core"]);
    assert!(find(&findings, "mmdebstrap").mend[0].contains("what Debian calls `mmdebstrap`"));
}

#[test]
fn everything_that_is_missing_is_installed_by_one_command() {
    let facts = Facts { tools: [Tool::Ssh].into(), root: true, ..host() };
    let findings = examine(&facts);
    assert_eq!(
        install_all(&facts, &findings).as_deref(),
        Some(
            "apt install qemu-system-x86 libvirt-daemon-driver-qemu ovmf mmdebstrap debian-archive-keyring e2fsprogs"
        )
    );
}

#[test]
fn tools_of_bootstraps_matter_only_where_something_is_bootstrapped() {
    let mut facts = host();
    facts.tools.remove(&Tool::Mmdebstrap);
    assert_eq!(
        find(&examine(&facts), "mmdebstrap").status,
        Status::Warning,
        "without a definition nobody knows"
    );
    facts.subjects = vec![subject(disk())];
    assert!(examine(&facts).iter().all(|finding| finding.check != "mmdebstrap"));
    facts.subjects = vec![subject(bootstrap())];
    assert_eq!(find(&examine(&facts), "mmdebstrap").status, Status::Failure);
}

#[test]
fn a_missing_uefi_fails_only_definitions_that_boot_with_it() {
    let mut facts = host();
    facts.tools.remove(&Tool::Uefi(Arch::X86_64));
    facts.subjects = vec![subject(disk())];
    assert_eq!(find(&examine(&facts), "uefi").status, Status::Failure);
    facts.subjects[0].plan.machine.firmware = Firmware::Bios;
    facts.subjects[0].plan.verify.firmware = vec![Firmware::Bios];
    let findings = examine(&facts);
    assert_eq!(find(&findings, "uefi").status, Status::Ok, "{findings:#?}");
    assert!(find(&findings, "uefi").detail.contains("not needed"));
}

#[test]
fn kvm_is_a_wish_unless_a_definition_insists() {
    let mut facts = host();
    facts.kvm =
        Kvm::Fails { reason: "there is no `/dev/kvm`".to_owned(), hint: Some("modprobe kvm".to_owned()) };
    facts.subjects = vec![subject(disk())];
    assert_eq!(find(&examine(&facts), "kvm").status, Status::Warning);
    facts.subjects[0].plan.machine.accelerator = Accelerator::Kvm;
    let findings = examine(&facts);
    assert_eq!(find(&findings, "kvm").status, Status::Failure);
    assert_eq!(find(&findings, "kvm").mend, ["modprobe kvm"]);
}

#[test]
fn ordinary_users_need_a_range_of_ids_and_root_does_not() {
    let mut facts = Facts { subordinate_ids: false, subjects: vec![subject(bootstrap())], ..host() };
    let findings = examine(&facts);
    let ids = find(&findings, "user-namespaces");
    assert_eq!(ids.status, Status::Failure);
    assert!(
        ids.mend[0].starts_with("sudo usermod --add-subuids ") && ids.mend[0].ends_with(" ada"),
        "{ids:?}"
    );
    facts.root = true;
    assert!(examine(&facts).iter().all(|finding| finding.check != "user-namespaces"));
}

#[test]
fn room_and_memory_are_compared_with_what_the_definition_asks_for() {
    let mut facts = Facts { subjects: vec![subject(disk())], ..host() };
    facts.free_disk = Some(Size::gib(10));
    facts.free_memory = Some(Size::gib(1));
    let findings = examine(&facts);
    assert_eq!(find(&findings, "disk").status, Status::Warning);
    assert_eq!(find(&findings, "memory").status, Status::Warning);
    facts.memory = Some(Size::gib(1));
    facts.free_disk = Some(Size::mib(100));
    let findings = examine(&facts);
    assert_eq!(find(&findings, "disk").status, Status::Failure);
    assert_eq!(find(&findings, "memory").status, Status::Failure);
}

#[test]
fn a_machine_elsewhere_needs_no_qemu_here() {
    let mut facts = Facts { tools: [Tool::Ssh].into(), subjects: vec![subject(disk())], ..host() };
    facts.subjects[0].plan.machine.uri = "qemu+ssh://farm/system".to_owned();
    assert_eq!(worst(&examine(&facts)), Status::Ok, "{:#?}", examine(&facts));
}

#[test]
fn dead_builds_folders_and_inputs_are_judged() {
    let dead = DeadBuild { journal: "/j".into(), header: None, owed: vec![] };
    let mut broken = subject(disk());
    broken.source =
        Err((vec!["could not read the image".to_owned(), "404".to_owned()], Some("mend it".to_owned())));
    let facts = Facts {
        dead: Ok(vec![dead]),
        unwritable: vec![("/state".into(), "Permission denied".to_owned())],
        subjects: vec![broken],
        ..host()
    };
    let findings = examine(&facts);
    assert_eq!(find(&findings, "leftovers").mend, ["goldsmith gc"]);
    assert_eq!(find(&findings, "folders").status, Status::Failure);
    let source = find(&findings, "source");
    assert_eq!((source.detail.as_str(), source.mend.len()), ("`web`: could not read the image: 404", 1));
}
