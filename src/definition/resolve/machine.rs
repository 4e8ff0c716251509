//! `[machine]` and `[guest]`.
use super::{check, cloudstack, ec2, login, nutanix, vsphere, which};
use crate::{
    definition::{
        problem::Span,
        raw::{Guest, Machine},
        reader::{At, Field, Reader},
        scalar::{Driver, One},
    },
    plan::{
        Accelerator, CloudStackMachinePlan, DEFAULT_LIBVIRT_URI, Ec2Plan, Firmware, GuestPlan, MachinePlan,
        NutanixMachinePlan, SeedKind, VsphereMachinePlan,
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
    pub(super) disk: Option<(Size, Option<Span>)>,
    accelerator: Option<Accelerator>,
    pub(super) ec2: Option<Box<Ec2Plan>>,
    pub(super) vsphere: Option<Box<VsphereMachinePlan>>,
    nutanix: Option<Box<NutanixMachinePlan>>,
    cloudstack: Option<Box<CloudStackMachinePlan>>,
}

/// What `[machine]` says, or its defaults; with the places of what it says.
#[derive(Debug, Clone)]
pub(super) struct Hardware {
    pub(super) cpus: u32,
    pub(super) cpus_at: Option<Span>,
    pub(super) memory: Size,
    pub(super) memory_at: Option<Span>,
    pub(super) disk: Size,
    pub(super) disk_at: Option<Span>,
    pub(super) firmware: Firmware,
    pub(super) firmware_at: Option<Span>,
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
            nutanix: self.nutanix,
            cloudstack: self.cloudstack,
        })
    }
}

/// `start`: what a machine in a vCenter starts as.
pub(super) fn machine(
    driver: Driver,
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
        nutanix: None,
        cloudstack: None,
    };
    let Some(At { value: machine, span: header }) = machine.maybe()? else { return Some(usual) };
    which::only_own_table(driver, &machine, reader)?;
    match driver {
        Driver::Libvirt => {}
        Driver::Ec2 => {
            ec2::only(&machine, reader)?;
            return Some(Parts { ec2: Some(Box::new(ec2::ec2(machine.ec2, arch, reader)?)), ..usual });
        }
        Driver::Vsphere => vsphere::only(&machine, start, reader)?,
        Driver::Nutanix => nutanix::only(&machine, reader)?,
        Driver::Cloudstack => cloudstack::only(&machine, reader)?,
    }
    let driver_at = machine.driver.span().cloned();
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
    let firmware_at = machine.firmware.span().cloned();
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
    let disk = disk.map(|disk| (disk, disk_place));
    let mut parts = Parts { uri, firmware, cpus, memory, disk, accelerator, ..usual };
    if driver == Driver::Libvirt {
        return Some(parts);
    }
    let (disk, disk_at) = parts.disk.clone()?;
    let hardware = Hardware {
        cpus: parts.cpus?,
        cpus_at,
        memory: parts.memory?,
        memory_at,
        disk,
        disk_at,
        firmware: parts.firmware?,
        firmware_at,
    };
    match driver {
        Driver::Libvirt | Driver::Ec2 => {}
        Driver::Vsphere => {
            let plan = vsphere::machine(machine.vsphere, hardware, start, reader)?;
            parts.vsphere = Some(Box::new(plan));
        }
        Driver::Nutanix => {
            parts.nutanix = Some(Box::new(nutanix::machine(machine.nutanix, &hardware, reader)?));
        }
        Driver::Cloudstack => {
            let place = driver_at.unwrap_or(header);
            let plan = cloudstack::machine(machine.cloudstack, &hardware, &place, reader)?;
            parts.cloudstack = Some(Box::new(plan));
        }
    }
    Some(parts)
}

/// Reports the keys of `[machine]` that are for libvirt. `place`: where the machine is; `server`: what says which one that is.
pub(super) fn of_libvirt(
    machine: &Machine,
    place: &str,
    server: &str,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let others = [
        ("uri", machine.uri.span(), server),
        ("accelerator", machine.accelerator.span(), "the host of the machine executes it"),
    ];
    let mut right = Some(());
    for (key, span, help) in others {
        if let Some(span) = span {
            reader.report(span, format!("`{key}` is for libvirt, and {place}")).help(help);
            right = None;
        }
    }
    right
}

/// The guest's SSH port.
pub(super) fn port(field: Field<u32>, reader: &mut Reader<'_>) -> Option<u16> {
    Some(port_of(field, reader)?.unwrap_or(SSH))
}

/// A port, if one is said.
#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
pub(super) fn port_of(field: Field<u32>, reader: &mut Reader<'_>) -> Option<Option<u16>> {
    let Some(At { value: port, span }) = field.maybe()? else { return Some(None) };
    match u16::try_from(port) {
        Ok(port) if port > 0 => Some(Some(port)),
        _ => {
            reader.report(&span, format!("{port} is no port: they go from 1 to 65535"));
            None
        }
    }
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
