//! What is found out before anything is made.
use super::{
    connection::{Connection, failed},
    firmware::{UefiFirmware, find_uefi},
    kvm_probe::{KvmProbe, kvm_probe},
    place::Place,
};
use crate::{
    driver::{Boot, DriverError, DriverErrorKind, MachineSpec, Readiness},
    plan::{Accelerator, Firmware},
    value::Arch,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    path::Path,
};

/// Who will execute the guest, and why not KVM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// KVM or TCG.
    pub(super) kvm: bool,
    /// For people.
    pub(super) notice: Option<String>,
}

/// Looks whether `spec` can work over `connection`. Blocks.
pub(super) fn look(
    connection: &Connection,
    place: Place,
    spec: &MachineSpec,
) -> Result<Readiness, DriverError> {
    let choice = choose(connection, place, spec)?;
    let hypervisor = versions(connection);
    let mut notice = choice.notice;
    let pc = spec.arch == Arch::X86_64;
    if !choice.kvm && pc && spec.cpus > 1 && distrusts_emulation(connection) {
        let why = format!(
            "{hypervisor} emulates several CPUs unreliably, so the guest gets one; QEMU 8 and later do not"
        );
        notice = Some(notice.map_or_else(|| why.clone(), |before| format!("{before}. {why}")));
    }
    Ok(Readiness {
        hypervisor,
        accelerator: if choice.kvm { Accelerator::Kvm } else { Accelerator::Tcg },
        notice,
    })
}

/// What needs no connection: the disks.
pub(super) fn check_files(spec: &MachineSpec) -> Result<(), DriverError> {
    for disk in &spec.disks {
        let open = OpenOptions::new().read(true).write(!disk.read_only).open(&disk.path);
        open.map_err(|error| unusable(&disk.path, !disk.read_only, error))?;
        for below in &disk.backing {
            File::open(below).map_err(|error| unusable(below, false, error))?;
        }
        for path in std::iter::once(&disk.path).chain(&disk.backing) {
            check_name(path)?;
        }
    }
    let kernel = match &spec.boot {
        Boot::Kernel(boot) => vec![&boot.kernel, &boot.initrd],
        Boot::Disk | Boot::Optical => Vec::new(),
        Boot::Image(id) => {
            return Err(DriverError::new(
                DriverErrorKind::Unsupported,
                format!("start from the image `{id}`"),
            )
            .because("libvirt starts from files of this host"));
        }
        Boot::Made(machine) => {
            return Err(DriverError::new(DriverErrorKind::Unsupported, format!("go on with {machine}"))
                .because("libvirt starts from files of this host"));
        }
    };
    for path in kernel.into_iter().chain(spec.optical.iter().map(|medium| &medium.path)) {
        File::open(path).map_err(|error| unusable(path, false, error))?;
        check_name(path)?;
    }
    for credential in &spec.credentials {
        let path = &credential.path;
        File::open(path).map_err(|error| {
            DriverError::new(DriverErrorKind::NotFound, format!("read the credential `{}`", path.display()))
                .because(error)
        })?;
    }
    Ok(())
}

/// libvirt is told in XML, which cannot hold every path.
fn check_name(path: &Path) -> Result<(), DriverError> {
    if path.to_str().is_some_and(|path| !path.contains(char::is_control)) {
        return Ok(());
    }
    let why = io::Error::new(ErrorKind::InvalidFilename, "its path is not UTF-8 or has control characters");
    Err(unusable(path, false, why))
}

fn unusable(path: &Path, write: bool, error: io::Error) -> DriverError {
    let verb = if write { "read and write" } else { "read" };
    let kind = match error.kind() {
        ErrorKind::NotFound => DriverErrorKind::NotFound,
        ErrorKind::PermissionDenied => DriverErrorKind::Permission,
        ErrorKind::InvalidFilename => DriverErrorKind::Unsupported,
        _ => DriverErrorKind::Other,
    };
    DriverError::new(kind, format!("{verb} the disk `{}`", path.display())).because(error)
}

/// The UEFI build for `spec`, when it wants one.
pub(super) fn uefi(spec: &MachineSpec) -> Result<Option<UefiFirmware>, DriverError> {
    match (spec.firmware, spec.arch) {
        (Firmware::Bios, Arch::X86_64) => Ok(None),
        (Firmware::Bios, Arch::Aarch64) => {
            Err(DriverError::new(DriverErrorKind::Unsupported, "start an aarch64 machine with BIOS")
                .because("machines of this architecture have UEFI only")
                .hint("set firmware = \"efi\""))
        }
        (Firmware::Efi, arch) => find_uefi(arch).map(Some).ok_or_else(|| {
            let package = match arch {
                Arch::X86_64 => "ovmf",
                Arch::Aarch64 => "qemu-efi-aarch64",
            };
            DriverError::new(DriverErrorKind::Unavailable, format!("find an UEFI build for {arch} machines"))
                .because("no descriptor in `/usr/share/qemu/firmware` and no usual path has one without Secure Boot")
                .hint(format!("sudo apt-get install {package}"))
        }),
    }
}

/// Chooses the accelerator: KVM only when this host proves it and libvirt offers it. Another host cannot be asked for a proof, so
/// what its libvirt offers is believed there. Blocks.
pub(super) fn choose(
    connection: &Connection,
    place: Place,
    spec: &MachineSpec,
) -> Result<Choice, DriverError> {
    offers(connection, spec.arch, false)?;
    let tcg = |notice: Option<String>| Ok(Choice { kvm: false, notice });
    if spec.accelerator == Accelerator::Tcg {
        return tcg(None);
    }
    let demanded = spec.accelerator == Accelerator::Kvm;
    let (reason, hint) = match proof(place, spec.arch) {
        KvmProbe::Usable => match offers(connection, spec.arch, true) {
            Ok(()) => return Ok(Choice { kvm: true, notice: None }),
            Err(error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                (format!("libvirt does not offer it: {why}"), None)
            }
        },
        KvmProbe::Unusable { reason, hint } => (reason, hint),
    };
    if !demanded {
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        return tcg(Some(format!(
            "KVM is not usable, so the guest is emulated, which is slow: {reason}{hint}"
        )));
    }
    let error = DriverError::new(DriverErrorKind::Unavailable, "use KVM").because(reason);
    Err(error.hint(hint.unwrap_or_else(|| "set accelerator = \"auto\" to emulate instead".to_owned())))
}

fn proof(place: Place, arch: Arch) -> KvmProbe {
    if place == Place::Remote {
        return KvmProbe::Usable;
    }
    if Arch::host() == Some(arch) {
        return kvm_probe().clone();
    }
    KvmProbe::Unusable { reason: format!("this host does not execute {arch} code"), hint: None }
}

/// Whether libvirt has a QEMU for `arch` with this accelerator. Blocks.
fn offers(connection: &Connection, arch: Arch, kvm: bool) -> Result<(), DriverError> {
    let (machine, package) = match arch {
        Arch::X86_64 => ("q35", "qemu-system-x86"),
        Arch::Aarch64 => ("virt", "qemu-system-arm"),
    };
    let kind = if kvm { "kvm" } else { "qemu" };
    let arch_name = arch.to_string();
    connection
        .connect()
        .get_domain_capabilities(None, Some(&arch_name), Some(machine), Some(kind), 0)
        .map(drop)
        .map_err(|error| {
            failed(&format!("find a QEMU that runs {arch} machines"), &error)
                .hint(format!("sudo apt-get install --no-install-recommends {package}"))
        })
}

/// Whether this QEMU emulates wrongly. Seen with 7.2.22 and not with 10.0.2: with the vector instructions of its best CPU, half of a
/// Debian's services fail at boot; with two CPUs, a kernel now and then hangs at an instruction that the other CPU rewrites.
/// Such a QEMU emulates one CPU without AVX. Blocks.
pub(super) fn distrusts_emulation(connection: &Connection) -> bool {
    const FIRST_TRUSTED: u32 = 8_000_000;
    connection.connect().get_hyp_version().is_ok_and(|version| version > 0 && version < FIRST_TRUSTED)
}

/// `QEMU 10.0.2, libvirt 11.3.0`. Blocks.
fn versions(connection: &Connection) -> String {
    let connect = connection.connect();
    let qemu = connect.get_hyp_version().ok().filter(|version| *version > 0);
    let libvirt = connect.get_lib_version().ok();
    let parts = [("QEMU", qemu), ("libvirt", libvirt)];
    let named =
        parts.iter().filter_map(|(name, version)| version.map(|number| format!("{name} {}", dotted(number))));
    named.collect::<Vec<_>>().join(", ")
}

/// libvirt packs versions as major · 1 000 000 + minor · 1000 + release.
fn dotted(version: u32) -> String {
    format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        driver::{DiskAttachment, DiskFormat},
        value::Size,
    };

    fn spec(path: &Path) -> MachineSpec {
        MachineSpec {
            role: "build".into(),
            image: "demo".into(),
            arch: Arch::X86_64,
            firmware: Firmware::Bios,
            cpus: 1,
            memory: Size::mib(256),
            accelerator: Accelerator::Tcg,
            disks: vec![DiskAttachment {
                path: path.to_owned(),
                format: DiskFormat::Raw,
                read_only: false,
                backing: vec![],
            }],
            credentials: vec![],
            boot: crate::driver::Boot::Disk,
            optical: Vec::new(),
            ends_at_restart: false,
            isolated: false,
            instance: crate::driver::InstanceSeed::default(),
        }
    }

    #[test]
    fn versions_are_written_with_dots() {
        assert_eq!(dotted(10_000_002), "10.0.2");
        assert_eq!(dotted(9_000_000), "9.0.0");
        assert_eq!(dotted(7_002_022), "7.2.22");
    }

    #[test]
    fn a_disk_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk.raw");
        let error = check_files(&spec(&disk)).unwrap_err();
        assert!(error.to_string().contains(&disk.display().to_string()), "{error}");
        assert_eq!(error.kind(), DriverErrorKind::NotFound);
        std::fs::write(&disk, b"x").unwrap();
        check_files(&spec(&disk)).unwrap();
        let mut overlay = spec(&disk);
        overlay.disks[0].backing.push(dir.path().join("base.qcow2"));
        assert!(check_files(&overlay).unwrap_err().to_string().contains("base.qcow2"));
    }

    #[test]
    fn a_path_that_xml_cannot_hold_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk\u{7}.raw");
        std::fs::write(&disk, b"x").unwrap();
        assert_eq!(check_files(&spec(&disk)).unwrap_err().kind(), DriverErrorKind::Unsupported);
    }

    #[test]
    fn an_arm_machine_with_bios_is_refused() {
        let mut arm = spec(Path::new("/dev/null"));
        arm.arch = Arch::Aarch64;
        let error = uefi(&arm).unwrap_err();
        assert_eq!(error.kind(), DriverErrorKind::Unsupported);
        assert!(error.hint_text().is_some());
    }
}
