//! Tests of the axes: what is usual, what there is not, what is no value.
use super::*;
use crate::plan::{Firmware, Provider, SeedKind};
use test_case::test_case;

fn plan(system: InstallSystem, version: &str, provider: Provider, firmware: Firmware) -> AnswersPlan {
    AnswersPlan::new(system, version, Arch::X86_64, provider, firmware).unwrap()
}

fn problem(plan: &AnswersPlan) -> String {
    plan.check().unwrap_err().to_string()
}

#[test_case(InstallSystem::Ubuntu, "24.04", Provider::Vmware, Firmware::Bios => (Installer::Subiquity, DiskLayout::Root, RootFileSystem::Xfs))]
#[test_case(InstallSystem::Ubuntu, "22.04", Provider::Raw, Firmware::Efi => (Installer::Subiquity, DiskLayout::EfiRoot, RootFileSystem::Ext4))]
#[test_case(InstallSystem::Ubuntu, "20.04", Provider::Raw, Firmware::Efi => (Installer::DebianInstaller, DiskLayout::EfiBootRoot, RootFileSystem::Ext4))]
#[test_case(InstallSystem::Rhel, "9.4", Provider::Vmware, Firmware::Efi => (Installer::Anaconda, DiskLayout::Automatic, RootFileSystem::Xfs))]
#[test_case(InstallSystem::Rhel, "8", Provider::Raw, Firmware::Bios => (Installer::Anaconda, DiskLayout::Root, RootFileSystem::Ext4))]
#[test_case(InstallSystem::Photon, "5", Provider::Vmware, Firmware::Bios => (Installer::Photon, DiskLayout::Root, RootFileSystem::Xfs))]
#[test_case(InstallSystem::Debian, "13", Provider::Generic, Firmware::Efi => (Installer::DebianInstaller, DiskLayout::EfiRoot, RootFileSystem::Ext4))]
fn the_usual_disk_depends_on_installer_platform_and_firmware(
    system: InstallSystem,
    version: &str,
    provider: Provider,
    firmware: Firmware,
) -> (Installer, DiskLayout, RootFileSystem) {
    let plan = plan(system, version, provider, firmware);
    assert_eq!(plan.swap, None);
    (plan.installer, plan.layout, plan.filesystem)
}

#[test_case(InstallSystem::Debian, "12" => SeedKind::Credentials)]
#[test_case(InstallSystem::Rocky, "9" => SeedKind::Credentials)]
#[test_case(InstallSystem::Rhel, "8" => SeedKind::NoCloud; "its systemd is too old")]
#[test_case(InstallSystem::Ubuntu, "24.04" => SeedKind::NoCloud)]
#[test_case(InstallSystem::Photon, "5" => SeedKind::NoCloud)]
fn the_usual_seed_is_what_the_system_takes(system: InstallSystem, version: &str) -> SeedKind {
    let mut plan = plan(system, version, Provider::Generic, Firmware::Bios);
    let usual = plan.seed;
    plan.seed = SeedKind::Credentials;
    let takes = plan.check().is_ok();
    assert!(takes == (usual == SeedKind::Credentials) || system == InstallSystem::Ubuntu);
    usual
}

#[test_case(InstallSystem::Ubuntu, "18.04")]
#[test_case(InstallSystem::Debian, "11")]
#[test_case(InstallSystem::Rhel, "7.9")]
#[test_case(InstallSystem::Centos, "8")]
#[test_case(InstallSystem::Photon, "")]
fn another_version_is_refused_with_those_that_are_known(system: InstallSystem, version: &str) {
    let error = AnswersPlan::new(system, version, Arch::X86_64, Provider::Qemu, Firmware::Bios).unwrap_err();
    assert!(error.to_string().contains(": it knows "), "{error}");
}

#[test]
fn layouts_that_an_installer_does_not_make_or_that_do_not_boot_are_refused() {
    let mut ubuntu = plan(InstallSystem::Ubuntu, "24.04", Provider::Qemu, Firmware::Bios);
    ubuntu.layout = DiskLayout::RootEfi;
    assert_eq!(
        problem(&ubuntu),
        "the installer subiquity does not make the disk layout `root-efi`: it makes root, efi-root, efi-boot-root and automatic"
    );
    ubuntu.layout = DiskLayout::EfiRoot;
    assert_eq!(
        problem(&ubuntu),
        "a disk with the layout `efi-root` does not boot by bios: its boot loader is for EFI; choose `root`"
    );
    ubuntu.firmware = Firmware::Efi;
    assert_eq!(ubuntu.check(), Ok(()));
}

#[test_case(|plan| plan.locale = "C".into() => "the locale `C` is not one: Debian's installer needs a country; write `en_US.UTF-8`"; "locale without a country")]
#[test_case(|plan| plan.hostname = "a b".into() => "the host name `a b` is not one: write letters, digits, `-` and `.`"; "host name")]
#[test_case(|plan| plan.packages = vec!["vim curl".into()] => "the package name `vim curl` is not one: a name has no blanks and begins with a letter, a digit or `@`"; "two packages")]
#[test_case(|plan| plan.disk = TargetDisk::Device("/dev/sda".into()) => "the disk `/dev/sda` is not one: write its name without `/dev/`, such as `sda`"; "disk")]
#[test_case(|plan| plan.repositories = vec![Repository { name: "x".into(), url: "http://x".parse().unwrap() }] => "the installer debian-installer cannot be told of more repositories; add them with a `repository` step"; "repositories")]
fn values_that_no_installer_takes_are_refused(change: fn(&mut AnswersPlan)) -> String {
    let mut plan = plan(InstallSystem::Debian, "12", Provider::Generic, Firmware::Bios);
    change(&mut plan);
    problem(&plan)
}
