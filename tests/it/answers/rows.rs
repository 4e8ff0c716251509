//! The combinations of axes that are in use: those of image-builder's installations, EKS Anywhere's variations of them, and
//! one with everything for each installer.
use goldsmith::{
    plan::{
        AnswersPlan, DiskLayout, Firmware, InstallEnd, InstallMirror, InstallSystem, InstallUser,
        NetworkPlan, Provider, Repository, RootFileSystem, Selinux, TargetDisk, Updates,
    },
    value::{Arch, Size},
};

/// One combination.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) plan: AnswersPlan,
}

fn row(
    name: &'static str,
    system: InstallSystem,
    version: &str,
    provider: Provider,
    firmware: Firmware,
    change: impl FnOnce(&mut AnswersPlan),
) -> Row {
    let mut plan = AnswersPlan::new(system, version, Arch::X86_64, provider, firmware).unwrap();
    change(&mut plan);
    Row { name, plan }
}

fn same(_: &mut AnswersPlan) {}

pub(super) fn rows() -> Vec<Row> {
    use Firmware::{Bios, Efi};
    use InstallSystem::{Almalinux, Centos, Debian, Photon, Rhel, Rocky, Ubuntu};
    use Provider::{Cloudstack, Generic, Nutanix, Qemu, Raw, Vmware};
    let ubuntu_qemu = |plan: &mut AnswersPlan| {
        plan.mirror =
            InstallMirror::Url { main: "http://archive.ubuntu.com/ubuntu".parse().unwrap(), security: None };
        plan.packages.push("open-vm-tools".into());
    };
    let eks_a_ova = |plan: &mut AnswersPlan| {
        plan.filesystem = RootFileSystem::Ext4;
        if plan.layout == DiskLayout::Automatic {
            plan.layout = if plan.firmware == Efi { DiskLayout::EfiRoot } else { DiskLayout::Root };
        }
    };
    vec![
        row("ova-ubuntu-22.04", Ubuntu, "22.04", Vmware, Bios, same),
        row("ova-ubuntu-24.04", Ubuntu, "24.04", Vmware, Bios, same),
        row("ova-ubuntu-26.04", Ubuntu, "26.04", Vmware, Bios, same),
        row("ova-ubuntu-22.04-efi", Ubuntu, "22.04", Vmware, Efi, same),
        row("ova-ubuntu-24.04-efi", Ubuntu, "24.04", Vmware, Efi, same),
        row("ova-ubuntu-26.04-efi", Ubuntu, "26.04", Vmware, Efi, same),
        row("eks-a-ova-ubuntu-22.04", Ubuntu, "22.04", Vmware, Bios, eks_a_ova),
        row("eks-a-ova-ubuntu-24.04-efi", Ubuntu, "24.04", Vmware, Efi, eks_a_ova),
        row("qemu-ubuntu-24.04", Ubuntu, "24.04", Qemu, Bios, ubuntu_qemu),
        row("qemu-ubuntu-24.04-efi", Ubuntu, "24.04", Qemu, Efi, ubuntu_qemu),
        row("raw-ubuntu-22.04", Ubuntu, "22.04", Raw, Bios, same),
        row("raw-ubuntu-22.04-efi", Ubuntu, "22.04", Raw, Efi, same),
        row("raw-ubuntu-26.04-efi", Ubuntu, "26.04", Raw, Efi, same),
        row("ova-ubuntu-20.04", Ubuntu, "20.04", Vmware, Bios, |plan| plan.mirror = InstallMirror::Medium),
        row("ova-ubuntu-20.04-efi", Ubuntu, "20.04", Vmware, Efi, |plan| plan.mirror = InstallMirror::Medium),
        row("raw-ubuntu-20.04-efi", Ubuntu, "20.04", Raw, Efi, |plan| plan.mirror = InstallMirror::Medium),
        row("ova-rhel-9", Rhel, "9.4", Vmware, Efi, same),
        row("eks-a-ova-rhel-8", Rhel, "8.10", Vmware, Bios, eks_a_ova),
        row("eks-a-ova-rhel-9", Rhel, "9.4", Vmware, Bios, eks_a_ova),
        row("eks-a-ova-rhel-9-efi", Rhel, "9.4", Vmware, Efi, eks_a_ova),
        row("qemu-rhel-9", Rhel, "9.4", Qemu, Bios, same),
        row("cloudstack-rhel-8", Rhel, "8.10", Cloudstack, Bios, same),
        row("cloudstack-rhel-9", Rhel, "9.4", Cloudstack, Bios, same),
        row("nutanix-rhel-9", Rhel, "9.4", Nutanix, Bios, same),
        row("raw-rhel-8", Rhel, "8.10", Raw, Bios, same),
        row("raw-rhel-9-efi", Rhel, "9.4", Raw, Efi, same),
        row("eks-a-raw-rhel-9-efi", Rhel, "9.4", Raw, Efi, |plan| {
            plan.layout = DiskLayout::RootEfi;
            plan.esp = Size::mib(260);
        }),
        row("qemu-rhel-10", Rhel, "10.0", Qemu, Bios, same),
        row("qemu-centos-9", Centos, "9", Qemu, Bios, same),
        row("qemu-centos-10-efi", Centos, "10", Qemu, Efi, same),
        row("ova-rocky-8", Rocky, "8.10", Vmware, Efi, same),
        row("ova-rocky-9", Rocky, "9.6", Vmware, Efi, same),
        row("ova-rocky-10", Rocky, "10.0", Vmware, Efi, same),
        row("ova-almalinux-9", Almalinux, "9.4", Vmware, Efi, same),
        row("ova-photon-4", Photon, "4", Vmware, Bios, same),
        row("ova-photon-5", Photon, "5", Vmware, Bios, same),
        row("generic-debian-12", Debian, "12", Generic, Bios, same),
        row("generic-debian-13-efi", Debian, "13", Generic, Efi, same),
        row("everything-ubuntu", Ubuntu, "24.04", Generic, Efi, everything),
        row("everything-rhel", Rhel, "9", Generic, Efi, |plan| {
            everything(plan);
            plan.repositories = vec![Repository {
                name: "more".into(),
                url: "http://mirror.example.org/more/".parse().unwrap(),
            }];
            plan.firewall = true;
            plan.selinux = Selinux::Enforcing;
        }),
        row("everything-rhel-10", Rhel, "10", Generic, Efi, everything),
        row("everything-debian", Debian, "12", Generic, Efi, everything),
        row("everything-photon", Photon, "5", Generic, Efi, everything),
    ]
}

/// No axis at its usual place, where the installer has it.
fn everything(plan: &mut AnswersPlan) {
    let photon = plan.system == InstallSystem::Photon;
    plan.layout = DiskLayout::EfiBootRoot;
    plan.swap = Some(Size::gib(2));
    plan.disk = TargetDisk::Device("sda".into());
    plan.locale = "de_DE.UTF-8".into();
    plan.keyboard = "de".into();
    plan.timezone = "Europe/Berlin".into();
    plan.hostname = "node.example.org".into();
    plan.network = NetworkPlan::Static {
        address: "192.0.2.10".parse().unwrap(),
        prefix: 22,
        gateway: Some("192.0.2.1".parse().unwrap()),
        dns: vec!["192.0.2.2".parse().unwrap(), "2001:db8::53".parse().unwrap()],
    };
    plan.updates = Updates::All;
    plan.packages.extend(["tmux".into(), "vim".into()]);
    plan.users = vec![InstallUser {
        name: "ops".into(),
        groups: vec!["adm".into(), "systemd-journal".into()],
        sudo: true,
        authorized_keys: vec!["ssh-ed25519 AAAA ops' \"own\" key".into()],
    }];
    plan.late = vec!["echo \"it's late\" >/etc/motd\n".into(), "true".into()];
    if !photon {
        plan.proxy = Some("http://proxy.example.org:3128".parse().unwrap());
        plan.mirror = InstallMirror::Url {
            main: "http://mirror.example.org:8080/os/".parse().unwrap(),
            security: Some("http://mirror.example.org:8080/security/".parse().unwrap()),
        };
        plan.without = vec!["nano".into()];
        plan.early = vec![
            "echo early: \"$(uname -r)\"\nif true; then\n  echo deep # not a comment\nfi\n".into(),
            "true".into(),
        ];
        plan.end = InstallEnd::Reboot;
    }
}
