//! How the build's keys may come into a guest, by where it runs.
use super::check;
use crate::{
    definition::{problem::Span, reader::Reader, scalar::Driver},
    plan::SeedKind,
};

/// Whether a name is one of systems that read Ignition.
pub(super) fn is_coreos(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("flatcar") || name.contains("fedora-coreos")
}

/// Reports a seed that the machine cannot take. `installs`: goldsmith writes the answers of an installer.
pub(super) fn fits(
    driver: Driver,
    seed: SeedKind,
    installs: bool,
    span: &Span,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let of_clouds = matches!(seed, SeedKind::UserData | SeedKind::Ignition);
    let fits = match driver {
        _ if seed == SeedKind::Login => true,
        Driver::Libvirt => !of_clouds,
        Driver::Ec2 | Driver::Nutanix | Driver::Cloudstack => of_clouds,
        Driver::Vsphere if installs => seed == SeedKind::NoCloud,
        Driver::Vsphere => seed != SeedKind::Credentials,
    };
    check::holds(span, fits, reader, || match driver {
        Driver::Libvirt => format!("a `{seed}` seed is for EC2, vCenters and clouds"),
        Driver::Ec2 => {
            format!("an instance takes no `{seed}` seed: it takes `user-data`, `ignition`, or `login`")
        }
        Driver::Nutanix | Driver::Cloudstack => {
            format!(
                "a machine in a cloud takes no `{seed}` seed: it takes `user-data`, `ignition`, or `login`"
            )
        }
        Driver::Vsphere if installs => {
            format!(
                "what `[source.iso.install]` makes in a vCenter takes no `{seed}` seed: it takes `nocloud` or `login`"
            )
        }
        Driver::Vsphere => format!(
            "a machine in a vCenter takes no `{seed}` seed: it takes `user-data`, `nocloud`, `ignition`, or `login`"
        ),
    })
}
