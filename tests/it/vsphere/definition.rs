//! Definitions for vCenters: what they become, and what is refused before anything is made.
use goldsmith::{
    definition::{Inputs, resolve},
    plan::{
        AnswerPlace, InstallEnd, InstallerBoot, IsoPlan, Plan, Provider, SeedKind, ServerTrust, SourcePlan,
        TypedWait, VsphereController, VsphereFirmware, VsphereImageKind, VsphereNic, VsphereProvisioning,
        VsphereSourcePlan, typed,
    },
    value::{HumanDuration, Size},
};
use std::path::{Path, PathBuf};
use test_case::test_case;

fn resolved(text: &str) -> Result<Plan, Vec<String>> {
    resolve(text, Path::new("/images/vsphere.toml"), &Inputs::default()).map_err(|error| {
        error
            .problems()
            .iter()
            .map(|problem| {
                let advice = problem.advice().map(ToString::to_string).unwrap_or_default();
                format!("{}: {} {advice}", problem.line().unwrap_or_default(), problem.message())
            })
            .collect()
    })
}

/// A copy, with this in `[machine.vsphere]` and this behind it all.
fn clone(machine: &str, more: &str) -> String {
    format!(
        "name = \"web\"\narch = \"x86_64\"\n[vsphere]\nserver = \"vcenter.example.com\"\n[source.vsphere]\nclone = \"templates/ubuntu\"\n\
         [machine]\ndriver = \"vsphere\"\n[machine.vsphere]\n{machine}\n[[output]]\nformat = \"vsphere\"\n{more}\n"
    )
}

/// A new machine for this system, with this in `[machine]` and this behind it all.
fn installed(system: &str, machine: &str, more: &str) -> String {
    format!(
        "name = \"node\"\narch = \"x86_64\"\n[source.iso]\npath = \"/media/x.iso\"\n[source.iso.install]\nsystem = \"{system}\"\n\
         [machine]\ndriver = \"vsphere\"\n{machine}\n[[output]]\nformat = \"vsphere\"\n{more}\n"
    )
}

fn iso(plan: &Plan) -> &IsoPlan {
    let SourcePlan::Iso(iso) = &plan.source else { panic!("{:?}", plan.source) };
    iso
}

fn keys(plan: &Plan) -> Vec<&str> {
    let InstallerBoot::Typed { steps } = &iso(plan).boot else { panic!("{:?}", iso(plan).boot) };
    steps.iter().map(|step| step.keys.as_str()).collect()
}

#[test]
fn of_a_copy_what_is_not_said_is_as_in_its_source() {
    let text = "name = \"web\"\narch = \"x86_64\"\nsource.vsphere.clone = \"ubuntu\"\nmachine.driver = \"vsphere\"\n\
                [[output]]\nformat = \"vsphere\"\n";
    let plan = resolved(text).unwrap();
    let machine = plan.machine.vsphere.as_deref().unwrap();
    assert_eq!((machine.cpus, machine.memory, machine.disk), (None, None, None));
    assert_eq!((machine.guest_os.as_deref(), machine.hardware_version, machine.ssh_port), (None, None, 22));
    assert_eq!((machine.ip_settle, machine.ip_networks.len()), (HumanDuration::seconds(5), 0));
    assert_eq!((plan.guest.seed, plan.guest.user.as_str()), (SeedKind::UserData, "goldsmith"));
    assert_eq!((plan.provider, plan.seal.trim, plan.outputs.len()), (Provider::Vmware, true, 0));
    assert!(plan.vcenter.is_default());
    let image = plan.vsphere.unwrap();
    assert_eq!((image.name.as_str(), image.kind, image.replace), ("web", VsphereImageKind::Template, false));
    let SourcePlan::Vsphere(VsphereSourcePlan::Clone { of, linked, snapshot }) = plan.source else {
        panic!()
    };
    assert_eq!((of.as_str(), linked, snapshot), ("ubuntu", false, None));
}

#[test]
fn its_table_says_the_driver() {
    let text = clone("ssh-port = 2222", "").replace("driver = \"vsphere\"\n", "");
    assert_eq!(resolved(&text).unwrap().machine.vsphere.unwrap().ssh_port, 2222);
}

#[test]
fn everything_that_is_said_of_a_vcenter_is_in_the_plan() {
    let print = "ab:".repeat(31) + "AB";
    let text = clone("", "[secret.vc]\nenv = \"VC\"\n").replace(
        "server = \"vcenter.example.com\"",
        &format!(
            "server = \"vcenter.example.com:8443\"\nuser = \"builder@vsphere.local\"\npassword = \"vc\"\nthumbprint = \"{print}\"\n\
             config = \"vsphere.json\"\ndatacenter = \"/DC\"\ncluster = \"C0\"\nhost = \"esx1\"\nresource-pool = \"builds\"\n\
             folder = \"templates/x\"\ndatastore = \"ssd\"\nnetworks = [\"VM Network\", \"storage\"]"
        ),
    );
    let vcenter = resolved(&text).unwrap().vcenter;
    assert_eq!(vcenter.server.as_deref(), Some("vcenter.example.com:8443"));
    assert_eq!(
        (vcenter.user.as_deref(), vcenter.password.as_deref()),
        (Some("builder@vsphere.local"), Some("vc"))
    );
    assert_eq!(vcenter.trust, Some(ServerTrust::Thumbprint(print)));
    assert_eq!(vcenter.config, Some(PathBuf::from("/images/vsphere.json")));
    assert_eq!((vcenter.datacenter.as_deref(), vcenter.cluster.as_deref()), (Some("/DC"), Some("C0")));
    assert_eq!((vcenter.host.as_deref(), vcenter.resource_pool.as_deref()), (Some("esx1"), Some("builds")));
    assert_eq!((vcenter.folder.as_deref(), vcenter.datastore.as_deref()), (Some("templates/x"), Some("ssd")));
    assert_eq!(vcenter.networks, ["VM Network", "storage"]);

    let one = |said: &str| {
        resolved(&clone("", "").replace("server =", &format!("{said}\nserver ="))).unwrap().vcenter
    };
    assert_eq!(one("network = \"lab\"").networks, ["lab"]);
    assert_eq!(one("insecure = true").trust, Some(ServerTrust::Anything));
    assert_eq!(
        one("ca-file = \"ca.pem\"\ninsecure = false").trust,
        Some(ServerTrust::CaFile("/images/ca.pem".into()))
    );
}

#[test]
fn everything_that_is_said_of_a_copy_is_in_the_plan() {
    let text = clone(
        "cores-per-socket = 2\nprovisioning = \"thick\"\nhardware-version = 19\nannotation = \"two\\nlines\"\n\
         extra-config = { \"disk.EnableUUID\" = \"TRUE\" }\nip-settle = \"20s\"\nip-networks = [\"10.0.0.0/8\", \"2001:db8::/64\"]",
        "vsphere = { name = \"web-1\", as = \"machine\", snapshot = \"golden\", tags = { os = \"os:ubuntu\", team = [\"a\", \"b\"] }, \
         attributes = { owner = \"me\" }, description = \"for tests\", replace = true }",
    )
    .replace("[machine]\n", "[machine]\ncpus = 4\nmemory = \"4GiB\"\ndisk = \"40GiB\"\n");
    let plan = resolved(&text).unwrap();
    let machine = *plan.machine.vsphere.unwrap();
    assert_eq!(
        (machine.cpus, machine.memory, machine.disk),
        (Some(4), Some(Size::gib(4)), Some(Size::gib(40)))
    );
    assert_eq!((machine.cores_per_socket, machine.hardware_version), (Some(2), Some(19)));
    assert_eq!(
        (machine.provisioning, machine.annotation.as_deref()),
        (VsphereProvisioning::Thick, Some("two\nlines"))
    );
    assert_eq!(machine.extra_config["disk.EnableUUID"], "TRUE");
    assert_eq!((machine.ip_settle, machine.ip_networks.len()), (HumanDuration::seconds(20), 2));
    let image = plan.vsphere.unwrap();
    assert_eq!(
        (image.name.as_str(), &image.kind, image.replace),
        ("web-1", &VsphereImageKind::Machine, true)
    );
    assert_eq!(
        (image.snapshot.as_deref(), image.description.as_deref()),
        (Some("golden"), Some("for tests"))
    );
    let tags = [("os", "os:ubuntu"), ("team", "a"), ("team", "b")];
    assert_eq!(image.tags, tags.map(|(category, tag)| (category.to_owned(), tag.to_owned())));
    assert_eq!(image.attributes["owner"], "me");
}

#[test]
fn there_are_four_sources() {
    let source = |text: &str| {
        let whole = clone("", "").replace("clone = \"templates/ubuntu\"", text);
        let SourcePlan::Vsphere(source) = resolved(&whole).unwrap().source else { panic!() };
        source
    };
    assert_eq!(
        source("clone = \"ubuntu\"\nlinked = true\nsnapshot = \"golden\""),
        VsphereSourcePlan::Clone { of: "ubuntu".into(), linked: true, snapshot: Some("golden".into()) }
    );
    let item = VsphereSourcePlan::Item { library: "images".into(), item: "ubuntu".into() };
    assert_eq!(source("library = \"images\"\nitem = \"ubuntu\""), item);
    assert_eq!(source("ova = \"x.ova\""), VsphereSourcePlan::Ova("/images/x.ova".into()));
    let plan = resolved(&installed("ubuntu-24.04", "", "")).unwrap();
    assert!(matches!(plan.source, SourcePlan::Iso(_)));
}

#[test_case("clone = \"flatcar-stable\"" => (SeedKind::Ignition, "core".to_owned()))]
#[test_case("library = \"images\"\nitem = \"Fedora-CoreOS 41\"" => (SeedKind::Ignition, "core".to_owned()))]
#[test_case("ova = \"flatcar/ubuntu.ova\"" => (SeedKind::UserData, "goldsmith".to_owned()); "a folder says nothing")]
#[test_case("ova = \"flatcar_production_vmware_ova.ova\"" => (SeedKind::Ignition, "core".to_owned()); "an ova")]
fn the_usual_seed_is_what_the_source_reads(source: &str) -> (SeedKind, String) {
    let plan = resolved(&clone("", "").replace("clone = \"templates/ubuntu\"", source)).unwrap();
    (plan.guest.seed, plan.guest.user)
}

#[test_case("user-data")]
#[test_case("nocloud")]
#[test_case("ignition")]
fn a_copy_takes_these_seeds(seed: &str) {
    let plan = resolved(&clone("", &format!("[guest]\nseed = \"{seed}\""))).unwrap();
    assert_eq!(plan.guest.seed.to_string(), seed);
}

#[test_case("library-ovf", VsphereImageKind::LibraryOvf("images".into()))]
#[test_case("library-template", VsphereImageKind::LibraryTemplate("images".into()))]
fn a_library_gets_an_item(kept: &str, kind: VsphereImageKind) {
    let text = clone(
        "",
        &format!("vsphere = {{ as = \"{kept}\", library = \"images\", tags = {{ os = \"os:ubuntu\" }} }}"),
    );
    assert_eq!(resolved(&text).unwrap().vsphere.unwrap().kind, kind);
}

#[test]
fn a_file_may_be_beside_it_or_alone() {
    let both = resolved(&clone("", "[[output]]\nformat = \"ova\"")).unwrap();
    assert_eq!((both.outputs.len(), both.vsphere.unwrap().kind), (1, VsphereImageKind::Template));
    let alone = resolved(&clone("", "").replace("format = \"vsphere\"", "format = \"qcow2\"")).unwrap();
    let image = alone.vsphere.unwrap();
    assert_eq!((alone.outputs.len(), image.kind, image.name.as_str()), (1, VsphereImageKind::Nothing, "web"));
}

#[test]
fn a_new_machine_is_installed_by_keys_and_is_off_then() {
    let plan = resolved(&installed("ubuntu-24.04", "", "")).unwrap();
    assert_eq!(
        keys(&plan),
        [
            "c",
            "linux /casper/vmlinuz autoinstall ds=nocloud console=tty0 console=ttyS0,115200n8<enter>",
            "initrd /casper/initrd<enter>",
            "boot<enter>",
        ]
    );
    let InstallerBoot::Typed { steps } = &iso(&plan).boot else { panic!() };
    assert!(
        steps.iter().all(|step| matches!(step.wait, TypedWait::Time(_)) && typed::parse(&step.keys).is_ok())
    );
    assert_eq!(iso(&plan).answers.place, AnswerPlace::Volume("CIDATA".into()));
    let answers = iso(&plan).install.as_ref().unwrap();
    assert_eq!((answers.end, answers.seed), (InstallEnd::PowerOff, SeedKind::NoCloud));
    assert_eq!(
        (plan.guest.seed, plan.guest.user.as_str(), plan.provider),
        (SeedKind::NoCloud, "goldsmith", Provider::Vmware)
    );
    let machine = plan.machine.vsphere.unwrap();
    assert_eq!(
        (machine.cpus, machine.memory, machine.disk),
        (Some(2), Some(Size::gib(2)), Some(Size::gib(8)))
    );
    assert_eq!(
        (machine.guest_os.as_deref(), machine.firmware),
        (Some("ubuntu64Guest"), VsphereFirmware::Efi)
    );
}

#[test]
fn anacondas_media_are_started_by_the_same_commands() {
    let plan = resolved(&installed("rocky-9", "", "")).unwrap();
    assert!(
        keys(&plan)[1].starts_with(
            "linux /images/pxeboot/vmlinuz inst.ks=hd:LABEL=OEMDRV:/ks.cfg inst.cmdline console=tty0"
        ),
        "{:?}",
        keys(&plan)
    );
    // Under KVM it would have a system credential; there is none in a vCenter.
    let answers = iso(&plan).install.as_ref().unwrap();
    assert_eq!((answers.seed, plan.guest.user.as_str()), (SeedKind::NoCloud, "goldsmith"));
    let kickstart = &iso(&plan).answers.files[0].text;
    assert!(kickstart.contains("\npoweroff") && kickstart.contains("cloud-init"), "{kickstart}");
    assert_eq!(plan.machine.vsphere.unwrap().guest_os.as_deref(), Some("rockylinux_64Guest"));
}

#[test]
fn what_is_said_about_the_kernel_is_typed_as_grub_reads_it() {
    let text = installed("ubuntu-24.04", "", "").replace(
        "[source.iso.install]",
        "kernel = \"/casper/hwe-vmlinuz\"\narguments = [\"ds=nocloud;s=/x/\", \"a=<b>\", \"c=it's\"]\n[source.iso.install]",
    );
    let plan = resolved(&text).unwrap();
    let line = keys(&plan)[1];
    assert!(line.starts_with("linux /casper/hwe-vmlinuz autoinstall "), "{line}");
    assert!(line.ends_with(" 'ds=nocloud;s=/x/' 'a=<<On><<Off>b>' 'c=it'\\''s'<enter>"), "{line}");
    // What reaches the machine, as letters of a US keyboard: as many as were meant.
    let meant = line.replace("<<On><<Off>", "<").replace("<enter>", "\n");
    let pressed = typed::chords(&typed::parse(line).unwrap());
    assert_eq!(pressed.len(), meant.chars().count());
}

/// Their media have isolinux by BIOS: its prompt takes the kernel by its label, and arguments after it.
#[test_case("rhel-8")]
#[test_case("rhel-9.4")]
#[test_case("rocky-9")]
#[test_case("centos-9")]
fn anaconda_is_started_at_isolinux_prompt_by_bios(system: &str) {
    let plan = resolved(&installed(system, "firmware = \"bios\"", "")).unwrap();
    assert_eq!(plan.machine.vsphere.as_ref().unwrap().firmware, VsphereFirmware::Bios);
    let line =
        "linux inst.ks=hd:LABEL=OEMDRV:/ks.cfg inst.cmdline console=tty0 console=ttyS0,115200n8<enter>";
    assert_eq!(keys(&plan), ["<esc>", line]);
    // Another kernel has no label there.
    let other = installed(system, "firmware = \"bios\"", "")
        .replace("[source.iso.install]", "kernel = \"/x\"\n[source.iso.install]");
    refused(&other, "by BIOS, goldsmith knows no keys");
}

#[test]
fn a_new_machine_may_be_like_this() {
    let text = installed(
        "ubuntu-22.04",
        "cpus = 4\n[machine.vsphere]\ncores-per-socket = 4\nmore-disks = [\"1GiB\", \"2GiB\"]\ncontroller = \"nvme\"\nnic = \"e1000e\"\n\
         provisioning = \"eager-zeroed\"\ncd-bus = \"ide\"\nsecure-boot = true\ntpm = true\nguest-os = \"other5xLinux64Guest\"\nhardware-version = 20",
        "",
    );
    let machine = resolved(&text).unwrap().machine.vsphere.unwrap();
    assert_eq!((machine.controller, machine.nic), (VsphereController::Nvme, VsphereNic::E1000e));
    assert_eq!((machine.firmware, machine.tpm), (VsphereFirmware::EfiSecure, true));
    assert_eq!((machine.guest_os.as_deref(), machine.more_disks.len()), (Some("other5xLinux64Guest"), 2));
    let bios = resolved(&installed("ubuntu-24.04", "firmware = \"bios\"", "")).unwrap();
    assert_eq!(bios.machine.vsphere.as_ref().unwrap().firmware, VsphereFirmware::Bios);
    assert_eq!(keys(&bios)[0], "c");
}

#[test]
fn ones_own_keys_and_answers_stay_as_they_are() {
    let text = "name = \"own\"\narch = \"x86_64\"\n[source.iso]\npath = \"x.iso\"\n[[source.iso.type]]\nafter = \"10s\"\nkeys = \"<esc>\"\n\
                [source.iso.answers]\nfile = [{ name = \"preseed.cfg\", content = \"d-i\" }]\n\
                [machine.vsphere]\nguest-os = \"debian12_64Guest\"\n[[output]]\nformat = \"vsphere\"\n";
    let plan = resolved(text).unwrap();
    assert_eq!((keys(&plan), plan.guest.seed), (vec!["<esc>"], SeedKind::NoCloud));
}

/// With this in `[machine.vsphere]` of a copy.
#[test_case(
    "controller = \"pvscsi\"",
    "only a new machine has `controller`, and this one is a copy leave it out"
)]
#[test_case("nic = \"vmxnet3\"", "only a new machine has `nic`")]
#[test_case("cd-bus = \"sata\"", "only a new machine has `cd-bus`")]
#[test_case("secure-boot = true", "only a new machine has `secure-boot`")]
#[test_case("tpm = true", "only a new machine has `tpm`")]
#[test_case("guest-os = \"ubuntu64Guest\"", "only a new machine has `guest-os`")]
#[test_case("more-disks = [\"1GiB\"]", "a copy has the disks of its source")]
#[test_case("hardware-version = 9", "9 is not a hardware version: it goes from 10 to 30")]
#[test_case("cores-per-socket = 0", "a socket has at least one core")]
#[test_case("provisioning = \"fat\"", "`fat` is not a way to take the space of disks")]
#[test_case(
    "extra-config = { \"guestinfo.userdata\" = \"x\" }",
    "`guestinfo.userdata` is where the build's keys are"
)]
#[test_case("ip-networks = [\"10.0.0.0\"]", "`10.0.0.0` is not a network a network reads like")]
#[test_case("ssh-port = 0", "0 is no port")]
#[test_case("annotation = \"\\u0007\"", "is not plain text")]
#[test_case("disk = \"1GiB\"", "`disk` is not a key of `[machine.vsphere]`")]
fn a_copy_that_cannot_be_is_refused(machine: &str, expected: &str) {
    refused(&clone(machine, ""), expected);
}

/// With this in `[machine]` of a new machine.
#[test_case("[machine.vsphere]\nguest-os = \"Ubuntu Linux\"", "is not vSphere's name for a guest")]
#[test_case(
    "firmware = \"bios\"\n[machine.vsphere]\nsecure-boot = true",
    "Secure Boot needs `firmware = \"efi\"`"
)]
#[test_case("firmware = \"bios\"\n[machine.vsphere]\ntpm = true", "a TPM needs `firmware = \"efi\"`")]
#[test_case(
    "[machine.vsphere]\ntpm = true\nhardware-version = 13",
    "a TPM needs `firmware = \"efi\"` in `[machine]` and hardware version 14"
)]
#[test_case("[machine.vsphere]\ncores-per-socket = 3", "2 CPUs cannot be divided into sockets of 3")]
#[test_case("[machine.vsphere]\nmore-disks = [\"100B\"]", "in which vSphere counts disks")]
#[test_case("memory = \"1023MiB\"", "is no multiple of 4 MiB")]
#[test_case(
    "uri = \"qemu:///system\"",
    "`uri` is for libvirt, and this machine is in a vCenter `server` in `[vsphere]`"
)]
#[test_case("accelerator = \"kvm\"", "`accelerator` is for libvirt")]
#[test_case("[machine.ec2]\nspot = true", "`[machine.ec2]` is for `driver = \"ec2\"`")]
fn a_new_machine_that_cannot_be_is_refused(machine: &str, expected: &str) {
    refused(&installed("ubuntu-24.04", machine, ""), expected);
}

/// With this below the `[[output]]` of a copy.
#[test_case("path = \"x\"", "what stays in a vCenter has no `path`")]
#[test_case("level = 3", "what stays in a vCenter has no `level`")]
#[test_case("ova = { product = \"x\" }", "what stays in a vCenter has no `ova`")]
#[test_case("ami = { tpm = true }", "what stays in a vCenter has no `ami`")]
#[test_case(
    "vsphere = { as = \"library-ovf\" }",
    "an item of a content library needs `library` add `library = "
)]
#[test_case(
    "vsphere = { library = \"x\" }",
    "`library` is for items of content libraries write `as = \"library-ovf\"`"
)]
#[test_case(
    "vsphere = { as = \"library-ovf\", library = \"x\", snapshot = \"s\" }",
    "an item of a content library has no `snapshot`"
)]
#[test_case(
    "vsphere = { as = \"library-template\", library = \"x\", attributes = { a = \"b\" } }",
    "has no `attributes`"
)]
#[test_case(
    "vsphere = { as = \"library-template\", library = \"x\", replace = true }",
    "cannot be replaced give it another `name`"
)]
#[test_case("vsphere = { name = \"\" }", "`` is not a name")]
#[test_case("vsphere = { name = \"a/b\" }", "`a/b` cannot be the name")]
#[test_case("vsphere = { tags = { os = [] } }", "the category `os` has no tag")]
#[test_case("vsphere = { tags = { os = 7 } }", "takes a string, or a list of them")]
#[test_case("vsphere = { as = \"ova\" }", "`ova` is not a result in a vCenter")]
#[test_case(
    "[[output]]\nformat = \"vsphere\"\nvsphere.name = \"two\"",
    "a machine becomes one thing in its vCenter"
)]
#[test_case("[[output]]\nformat = \"ami\"", "`driver = \"vsphere\"` makes no `ami`")]
#[test_case("[[output]]\nformat = \"ova\"\nvsphere = { name = \"x\" }", "a file does not stay in a vCenter")]
#[test_case("[verify]\nfirmware = [\"bios\"]", "boots with the firmware of its own machine")]
#[test_case("[guest]\nseed = \"credentials\"", "a machine in a vCenter takes no `credentials` seed")]
fn a_result_that_cannot_be_is_refused(more: &str, expected: &str) {
    refused(&clone("", more), expected);
}

#[test]
fn a_name_that_is_too_long_is_refused() {
    let named = |length: usize, replace: bool| {
        clone("", &format!("vsphere = {{ name = \"{}\", replace = {replace} }}", "x".repeat(length)))
    };
    assert!(resolved(&named(80, false)).is_ok() && resolved(&named(63, true)).is_ok());
    refused(&named(81, false), "has 81 characters, and 80 are the most");
    refused(
        &named(64, true),
        "has 64 characters, and 63 are the most; with `replace` it gets longer for a while",
    );
    refused(&clone("", "").replace("\"web\"", &format!("\"{}\"", "x".repeat(81))), "80 are the most");
}

/// With `from` of a copy replaced by `to`.
#[test_case("server = \"vcenter.example.com\"", "server = \"a b\"", "`a b` is not the name of a server")]
#[test_case(
    "server = \"vcenter.example.com\"",
    "thumbprint = \"ab:cd\"",
    "is not the fingerprint of a certificate copy it"
)]
#[test_case(
    "server = \"vcenter.example.com\"",
    "thumbprint = \"ab\"\ninsecure = true",
    "a vCenter is recognised in one way"
)]
#[test_case(
    "server = \"vcenter.example.com\"",
    "insecure = true\nca-file = \"x\"",
    "a vCenter is recognised in one way"
)]
#[test_case(
    "server = \"vcenter.example.com\"",
    "password = \"hunter2\"",
    "`password` is the name of a secret, and there is none of this name add `[secret"
)]
#[test_case(
    "server = \"vcenter.example.com\"",
    "network = \"a\"\nnetworks = [\"b\"]",
    "either `network` or `networks`"
)]
#[test_case("server = \"vcenter.example.com\"", "networks = []", "`networks` names nothing")]
#[test_case(
    "clone = \"templates/ubuntu\"",
    "linked = true",
    "`[source.vsphere]` needs `clone`, `library` with `item` or `ova`"
)]
#[test_case("clone = \"templates/ubuntu\"", "clone = \"x\"\nova = \"y\"", "takes only one of")]
#[test_case("clone = \"templates/ubuntu\"", "library = \"x\"", "an item is named by `library` and `item`")]
#[test_case("clone = \"templates/ubuntu\"", "ova = \"x\"\nsnapshot = \"s\"", "`snapshot` goes with `clone`")]
#[test_case("[machine]", "[machine]\nfirmware = \"efi\"", "only a new machine has a `firmware`")]
#[test_case(
    "clone = \"templates/ubuntu\"\n[machine]",
    "clone = \"x\"\nlinked = true\n[machine]\ndisk = \"9GiB\"",
    "the disk of a linked copy"
)]
#[test_case(
    "driver = \"vsphere\"",
    "driver = \"libvirt\"",
    "`[machine.vsphere]` is for `driver = \"vsphere\"`"
)]
#[test_case("driver = \"vsphere\"", "driver = \"ec2\"", "`[machine.vsphere]` is for `driver = \"vsphere\"`")]
#[test_case(
    "[source.vsphere]\nclone = \"templates/ubuntu\"",
    "[source.bootstrap]\nsuite = \"bookworm\"",
    "a machine in a vCenter does not start from a `[source.bootstrap]`"
)]
#[test_case(
    "[source.vsphere]\nclone = \"templates/ubuntu\"",
    "[source.ami]\nid = \"ami-0123456789abcdef0\"",
    "does not start from a `[source.ami]`"
)]
fn a_definition_that_does_not_fit_a_vcenter_is_refused(from: &str, to: &str, expected: &str) {
    let text = clone("", "");
    assert!(text.contains(from), "{text}");
    let problems = refused(&text.replacen(from, to, 1), expected);
    assert!(problems.iter().all(|problem| !problem.contains("hunter2")), "{problems:#?}");
}

#[test_case("debian-12", "", "has its answers in its initial RAM disk")]
#[test_case("ubuntu-20.04", "", "has its answers in its initial RAM disk")]
#[test_case("photon-5", "", "the installer of photon restarts the machine")]
#[test_case(
    "rhel-10",
    "firmware = \"bios\"",
    "by BIOS, goldsmith knows no keys for the boot menu of rhel write `firmware = \"efi\"`"
)]
fn an_installer_that_cannot_be_started_there_is_refused(system: &str, machine: &str, expected: &str) {
    refused(&installed(system, machine, ""), expected);
}

/// With this in `[source.iso]` in place of `[source.iso.install]`.
#[test_case("", "a kernel cannot be started directly in a vCenter")]
#[test_case(
    "[[source.iso.type]]\nserial = \"login:\"\nkeys = \"x\"",
    "`serial` cannot be read of a machine in a vCenter wait for some time, with `after`"
)]
#[test_case("[[source.iso.type]]\nscreen = \"menu\"\nkeys = \"x\"", "`screen` cannot be read")]
#[test_case(
    "[[source.iso.type]]\nafter = \"1s\"\nkeys = \"{{ .HTTPIP }}\"\n[source.iso.answers]\nserve = true\nfile = []",
    "this host serves no answers to machines in a vCenter"
)]
#[test_case(
    "[source.iso.install]\nsystem = \"ubuntu-24.04\"\n[guest]\nseed = \"user-data\"",
    "takes no `user-data` seed: it takes `nocloud` or `login`"
)]
#[test_case(
    "menu-arguments = true\n[source.iso.install]\nsystem = \"ubuntu-24.04\"",
    "the arguments of the medium's boot menu cannot be kept"
)]
#[test_case(
    "arguments = [\"ü\"]\n[source.iso.install]\nsystem = \"ubuntu-24.04\"",
    "what starts the kernel cannot be typed"
)]
fn a_medium_that_cannot_be_used_is_refused(iso: &str, expected: &str) {
    let text = installed("x", "[machine.vsphere]\nguest-os = \"ubuntu64Guest\"", "")
        .replace("[source.iso.install]\nsystem = \"x\"", iso);
    refused(&text, expected);
}

#[test]
fn a_guest_that_nothing_names_is_refused() {
    let text = "name = \"own\"\narch = \"x86_64\"\nsource.iso = { path = \"x.iso\", type = [{ after = \"1s\", keys = \"x\" }] }\n\
                machine.driver = \"vsphere\"\n[[output]]\nformat = \"vsphere\"\n";
    refused(text, "a new machine needs vSphere's name for its guest add `guest-os = \"ubuntu64Guest\"`");
    refused(
        &installed("ubuntu-24.04", "", "").replace("x86_64", "aarch64"),
        "a new machine needs vSphere's name for its guest",
    );
}

#[test]
fn without_a_vcenter_there_is_nothing_to_start_from_or_to_leave_there() {
    let text =
        "name = \"web\"\narch = \"x86_64\"\nsource.vsphere.clone = \"x\"\n[[output]]\nformat = \"raw\"\n";
    refused(text, "a build from a machine or an image in a vCenter runs there add `driver = \"vsphere\"`");
    let text = "name = \"web\"\narch = \"x86_64\"\nsource.bootstrap.suite = \"bookworm\"\n[[output]]\nformat = \"vsphere\"\n";
    refused(text, "make an `ova`, then `goldsmith publish vsphere` brings it there");
}

/// The problems, one of which is the expected one; each has its line.
fn refused(text: &str, expected: &str) -> Vec<String> {
    let problems = resolved(text).expect_err(text);
    assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}\n{problems:#?}");
    assert!(problems.iter().all(|problem| !problem.starts_with("0:")), "each has its line: {problems:#?}");
    problems
}

/// As people see them; a vCenter is not asked for it. `vsphere.json` is the user's.
#[test_case("vsphere-clone")]
#[test_case("vsphere-iso")]
fn the_examples_show_what_is_built_where(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(format!("examples/{name}.toml"), folder.path().join("image.toml")).unwrap();
    std::fs::write(folder.path().join("vsphere.json"), "{}").unwrap();
    let out = assert_cmd::Command::cargo_bin("goldsmith")
        .unwrap()
        .current_dir(folder.path())
        .args(["plan", "image.toml"])
        .assert()
        .success();
    let text = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    let text = text.replace(&*folder.path().canonicalize().unwrap().to_string_lossy(), "/images");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(format!("plan-{name}"), text));
}
