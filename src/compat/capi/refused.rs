//! What image-builder has and goldsmith has not, and why.

/// What names begin with, and why nothing of it is built. The first that fits counts.
const GROUPS: &[(&str, &str)] = &[
    (
        "node-ova-local-vmx-",
        "it starts from a machine of VMware Workstation or Fusion; start from a disk instead, with a definition of your own",
    ),
    (
        "node-ova-local-base-",
        "a system without Kubernetes is a definition of its own: `goldsmith init --from iso`",
    ),
    (
        "node-ova-vsphere-base-",
        "a system without Kubernetes is a definition of its own: `goldsmith init --from iso`",
    ),
    ("azure-", "goldsmith has no driver for Azure"),
    ("do-", "goldsmith has no driver for DigitalOcean"),
    ("gce-", "goldsmith has no driver for Google's cloud"),
    ("hcloud-", "goldsmith has no driver for Hetzner's cloud"),
    ("huaweicloud-", "goldsmith has no driver for Huawei's cloud"),
    ("maas-", "goldsmith does not make images for MAAS"),
    ("oci-", "goldsmith has no driver for Oracle's cloud"),
    ("openstack-", "goldsmith has no driver for OpenStack"),
    ("osc-", "goldsmith has no driver for Outscale"),
    ("oxide-", "goldsmith has no driver for Oxide"),
    ("powervs-", "goldsmith has no driver for IBM's Power Virtual Servers"),
    ("proxmox-", "goldsmith has no driver for Proxmox"),
    ("scaleway-", "goldsmith has no driver for Scaleway"),
    ("vultr-", "goldsmith has no driver for Vultr"),
];

/// Systems that are in names after the group.
const SYSTEMS: &[(&str, &str)] = &[
    ("windows-", "goldsmith does not build Windows"),
    (
        "photon-",
        "the roles that make a node do not know Photon OS; `[source.iso.install]` installs it for steps of your own",
    ),
    (
        "ubuntu-2004",
        "the roles that make a node know Ubuntu from 22.04 on, not 20.04, which is out of support",
    ),
    (
        "-immutable",
        "goldsmith's answers make no disk with a data partition that is bound over a read-only root",
    ),
    ("amazon-2", "the roles that make a node know Amazon Linux 2023, not Amazon Linux 2"),
    (
        "flatcar",
        "Flatcar is told the build's keys by Ignition, which goldsmith does in EC2, in vCenters and in Prism Centrals, and for a machine here not; nor does it write Flatcar to a disk from its live medium",
    ),
];

/// Groups of ours, in whose names systems are looked for.
const OURS: &[&str] = &["qemu-", "kubevirt-qemu-", "raw-", "node-ova-", "nutanix-", "ami-"];

/// Why a target of image-builder is not built; `None` for what it does not have.
pub(super) fn why(name: &str) -> Option<&'static str> {
    let group = GROUPS.iter().find(|(prefix, _)| name.starts_with(prefix));
    if let Some((_, why)) = group {
        return Some(why);
    }
    if !OURS.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    SYSTEMS.iter().find(|(part, _)| name.contains(part)).map(|(_, why)| *why)
}

/// Whether names of image-builder's begin with this.
pub(super) fn is_group(prefix: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == prefix)
}

/// What is not built: how names look, and why.
pub fn refusals() -> Vec<(String, &'static str)> {
    let groups = GROUPS.iter().map(|(prefix, why)| (format!("{prefix}*"), *why));
    let systems = SYSTEMS.iter().map(|(part, why)| (format!("*-{}*", part.trim_start_matches('-')), *why));
    groups.chain(systems).collect()
}
