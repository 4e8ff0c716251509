//! `[machine]` and `[guest]`.
use super::{check, ec2, login, vsphere};
use crate::{
    definition::{
        raw::{Guest, Machine},
        reader::{At, Field, Reader},
        scalar::{Driver, One},
    },
    plan::{
        Accelerator, DEFAULT_LIBVIRT_URI, Ec2Plan, Firmware, GuestPlan, MachinePlan, SeedKind,
        VsphereMachinePlan,
    },
    value::{Arch, HumanDuration, Size},
};

/// Below this, the initramfs of an ordinary distribution does not unpack.
const LEAST_MEMORY: Size = Size::mib(256);
/// More CPUs than any one machine has; a number above is a slip.
const MOST_CPUS: u32 = 512;
/// Disks are made of sectors.
const SECTOR: u64 = 512;
const SSH: u16 = 22;

/// The machine as far as it is known, for checks that need parts of it. `None`: wrong, and reported.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    uri: Option<String>,
    pub(super) firmware: Option<Firmware>,
    cpus: Option<u32>,
    memory: Option<Size>,
    /// With its place, if the definition says it.
    pub(super) disk: Option<(Size, Option<crate::definition::problem::Span>)>,
    accelerator: Option<Accelerator>,
    pub(super) ec2: Option<Box<Ec2Plan>>,
    pub(super) vsphere: Option<Box<VsphereMachinePlan>>,
}

impl Parts {
    pub(super) fn plan(self) -> Option<MachinePlan> {
        Some(MachinePlan {
            uri: self.uri?,
            firmware: self.firmware?,
            cpus: self.cpus?,
            memory: self.memory?,
            disk: self.disk?.0,
            accelerator: self.accelerator?,
            ec2: self.ec2,
            vsphere: self.vsphere,
        })
    }
}

/// `start`: what a machine in a vCenter starts as.
pub(super) fn machine(
    machine: Field<Machine>,
    arch: Option<Arch>,
    start: vsphere::Start,
    reader: &mut Reader<'_>,
) -> Option<Parts> {
    let usual = Parts {
        uri: Some(DEFAULT_LIBVIRT_URI.to_owned()),
        firmware: Some(Firmware::Efi),
        cpus: Some(2),
        memory: Some(Size::gib(2)),
        disk: Some((Size::gib(8), None)),
        accelerator: Some(Accelerator::Auto),
        ec2: None,
        vsphere: None,
    };
    let in_vcenter = vsphere::is_meant(&machine);
    let on_ec2 = ec2::is_meant(&machine);
    let Some(At { value: machine, .. }) = machine.maybe()? else { return Some(usual) };
    if on_ec2 {
        ec2::only(&machine, reader)?;
        return Some(Parts { ec2: Some(Box::new(ec2::ec2(machine.ec2, arch, reader)?)), ..usual });
    }
    if in_vcenter {
        vsphere::only(&machine, start, reader)?;
    } else {
        let others = [("ec2", machine.ec2.span()), ("vsphere", machine.vsphere.span())];
        if let Some((name, Some(span))) = others.iter().find(|(_, span)| span.is_some()) {
            reader.report(span, format!("`[machine.{name}]` is for `driver = \"{name}\"`"));
            return None;
        }
    }
    let driver = machine.driver.or(One(Driver::Libvirt)).map(drop);
    let uri = match machine.uri.maybe() {
        Some(None) => Some(DEFAULT_LIBVIRT_URI.to_owned()),
        Some(Some(uri)) => check::text(
            uri,
            reader,
            |uri| {
                check::is_line(uri) && url::Url::parse(uri).is_ok_and(|url| url.scheme().starts_with("qemu"))
            },
            "is not the URI of a libvirt connection to QEMU",
            "write `qemu:///embed`, `qemu:///session`, `qemu:///system` or `qemu+ssh://host/system`",
        ),
        None => None,
    };
    let firmware = match machine.firmware.maybe() {
        Some(None) => Some(Firmware::Efi),
        Some(Some(firmware)) => available(firmware, arch, reader),
        None => None,
    };
    let (cpus_at, memory_at) = (machine.cpus.span().cloned(), machine.memory.span().cloned());
    let cpus = checked(machine.cpus, 2, reader, |cpus| {
        (!(1..=MOST_CPUS).contains(cpus)).then(|| format!("a machine cannot have {cpus} CPUs"))
    });
    let memory = checked(machine.memory, Size::gib(2), reader, |memory| {
        (*memory < LEAST_MEMORY)
            .then(|| format!("{memory} of memory is too little: it must be at least {LEAST_MEMORY}"))
    });
    let disk_place = machine.disk.span().cloned();
    let disk = checked(machine.disk, Size::gib(8), reader, |disk| {
        let bytes = disk.as_bytes();
        (bytes == 0 || bytes % SECTOR != 0)
            .then(|| format!("a disk of {bytes} bytes is not made of 512-byte sectors"))
    });
    let accelerator = machine.accelerator.or(One(Accelerator::Auto)).map(|One(accelerator)| accelerator);
    driver?;
    let disk = disk.map(|disk| (disk, disk_place));
    let mut parts = Parts { uri, firmware, cpus, memory, disk, accelerator, ec2: None, vsphere: None };
    if in_vcenter {
        // Of a copy, what is not said stays as it is.
        let is_new = start == vsphere::Start::New;
        let hardware = vsphere::Hardware {
            cpus: Some((parts.cpus?, cpus_at)).filter(|(_, place)| is_new || place.is_some()),
            memory: Some((parts.memory?, memory_at)).filter(|(_, place)| is_new || place.is_some()),
            disk: Some(parts.disk.clone()?).filter(|(_, place)| is_new || place.is_some()),
            firmware: parts.firmware?,
        };
        parts.vsphere = Some(Box::new(vsphere::machine(machine.vsphere, hardware, start, reader)?));
    }
    Some(parts)
}

/// The guest's SSH port.
pub(super) fn port(field: Field<u32>, reader: &mut Reader<'_>) -> Option<u16> {
    let place = field.span().cloned().unwrap_or_default();
    field.or(SSH.into()).and_then(|port| match u16::try_from(port) {
        Ok(port) if port > 0 => Some(port),
        _ => {
            reader.report(&place, format!("{port} is no port: they go from 1 to 65535"));
            None
        }
    })
}

/// The firmware, if machines of this architecture have it.
pub(super) fn available(
    firmware: At<One<Firmware>>,
    arch: Option<Arch>,
    reader: &mut Reader<'_>,
) -> Option<Firmware> {
    let One(value) = firmware.value;
    let exists = !(value == Firmware::Bios && arch == Some(Arch::Aarch64));
    check::holds(&firmware.span, exists, reader, || {
        "an `aarch64` machine has no `bios`: it boots by `efi`".to_owned()
    })?;
    Some(value)
}

/// The value or the default, unless `fault` finds something wrong with the value.
fn checked<T>(
    field: Field<T>,
    default: T,
    reader: &mut Reader<'_>,
    fault: impl FnOnce(&T) -> Option<String>,
) -> Option<T> {
    let Some(at) = field.maybe()? else { return Some(default) };
    match fault(&at.value) {
        None => Some(at.value),
        Some(message) => {
            let is_bare_number =
                reader.file.slice(&at.span).trim_matches('"').bytes().all(|b| b.is_ascii_digit());
            let problem = reader.report(&at.span, message);
            if is_bare_number && std::any::type_name::<T>() == std::any::type_name::<Size>() {
                problem.help("a number without a unit counts bytes: write `MiB` or `GiB` after it");
            }
            None
        }
    }
}

/// `without_cloud_init`: the source is known to have none. `installed`: what suits the system that is installed.
pub(super) fn guest(
    guest: Field<Guest>,
    without_cloud_init: bool,
    installed: Option<SeedKind>,
    reader: &mut Reader<'_>,
) -> Option<GuestPlan> {
    let usual =
        installed.unwrap_or(if without_cloud_init { SeedKind::Credentials } else { SeedKind::NoCloud });
    let user = match usual {
        SeedKind::Credentials => "root",
        // Whom the systems that read it have anyway.
        SeedKind::Ignition => "core",
        _ => "goldsmith",
    };
    let seed = usual;
    let default = GuestPlan {
        user: user.to_owned(),
        seed,
        login: None,
        connect_timeout: HumanDuration::seconds(10 * 60),
        shutdown_timeout: HumanDuration::seconds(3 * 60),
    };
    let Some(At { value: guest, .. }) = guest.maybe()? else { return Some(default) };
    let seed_place = guest.seed.span().cloned();
    let login_place = guest.login.span().cloned();
    let login = match guest.login.maybe() {
        Some(None) => Some(None),
        Some(Some(at)) => login::login(at, reader).map(Some),
        None => None,
    };
    let usual = if login_place.is_some() { SeedKind::Login } else { default.seed };
    let seed = guest.seed.or(One(usual)).and_then(|One(seed)| {
        let place = seed_place.or(login_place.clone()).unwrap_or_default();
        let fits = (seed == SeedKind::Login) == login_place.is_some();
        check::holds(&place, fits, reader, || {
            "`[guest.login]` and `seed = \"login\"` belong together".to_owned()
        })?;
        check::holds(&place, !(without_cloud_init && seed == SeedKind::NoCloud), reader, || {
            "the source has no cloud-init that could read a `nocloud` seed".to_owned()
        })
        .map(|()| seed)
    });
    let user = match guest.user.maybe() {
        Some(None) if matches!(seed, Some(SeedKind::Credentials | SeedKind::Login)) => {
            Some("root".to_owned())
        }
        Some(None) if seed == Some(SeedKind::Ignition) => Some("core".to_owned()),
        Some(None) if default.user == "core" => Some("goldsmith".to_owned()),
        Some(None) => Some(default.user),
        Some(Some(At { value, span })) => {
            let only_root = match seed {
                Some(SeedKind::Credentials) if value.0.text != "root" => {
                    Some("credentials let only `root` in")
                }
                Some(SeedKind::Login) if value.0.text != "root" => Some(
                    "a `[guest.login]` lets the build in as `root`; who it is itself, its own `user` says",
                ),
                _ => None,
            };
            let message = || only_root.unwrap_or_default().to_owned();
            check::holds(&span, only_root.is_none(), reader, message).and_then(|()| {
                let at = At { value, span };
                check::text(at, reader, check::is_account, "cannot be the name of a user", check::ACCOUNT)
            })
        }
        None => None,
    };
    let connect_timeout = timeout(guest.connect_timeout, default.connect_timeout, reader);
    let shutdown_timeout = timeout(guest.shutdown_timeout, default.shutdown_timeout, reader);
    Some(GuestPlan {
        user: user?,
        seed: seed?,
        login: login?,
        connect_timeout: connect_timeout?,
        shutdown_timeout: shutdown_timeout?,
    })
}

/// A time limit; none is not one.
pub(super) fn timeout(
    field: Field<HumanDuration>,
    default: HumanDuration,
    reader: &mut Reader<'_>,
) -> Option<HumanDuration> {
    checked(field, default, reader, |limit| {
        limit.get().is_zero().then(|| "a time limit of zero always fails".to_owned())
    })
}
