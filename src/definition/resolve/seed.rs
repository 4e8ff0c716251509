//! How the build's keys may come into a guest, by where it runs.
use super::check;
use crate::{
    definition::{problem::Span, reader::Reader},
    plan::SeedKind,
};

/// Where the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Libvirt,
    Ec2,
    Vcenter,
}

/// Whether a name is one of systems that read Ignition.
pub(super) fn is_coreos(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("flatcar") || name.contains("fedora-coreos")
}

/// Reports a seed that the machine cannot take. `installs`: goldsmith writes the answers of an installer.
pub(super) fn fits(
    place: Place,
    seed: SeedKind,
    installs: bool,
    span: &Span,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let of_clouds = matches!(seed, SeedKind::UserData | SeedKind::Ignition);
    let fits = match place {
        _ if seed == SeedKind::Login => true,
        Place::Libvirt => !of_clouds,
        Place::Ec2 => of_clouds,
        Place::Vcenter if installs => seed == SeedKind::NoCloud,
        Place::Vcenter => seed != SeedKind::Credentials,
    };
    check::holds(span, fits, reader, || match place {
        Place::Libvirt => format!("a `{seed}` seed is for EC2 and vCenters"),
        Place::Ec2 => {
            format!("an instance takes no `{seed}` seed: it takes `user-data`, `ignition`, or `login`")
        }
        Place::Vcenter if installs => {
            format!(
                "what `[source.iso.install]` makes in a vCenter takes no `{seed}` seed: it takes `nocloud` or `login`"
            )
        }
        Place::Vcenter => format!(
            "a machine in a vCenter takes no `{seed}` seed: it takes `user-data`, `nocloud`, `ignition`, or `login`"
        ),
    })
}
