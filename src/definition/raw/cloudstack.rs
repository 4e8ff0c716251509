//! `[cloudstack]`, `[source.cloudstack]`, `[machine.cloudstack]` and `cloudstack` of an `[[output]]`: a build in a cloud of CloudStack.
use crate::{
    definition::{
        reader::{Key, Table},
        scalar::{Choice, List, Map, One, Text},
        table::table,
    },
    plan::CloudStackBoot,
    value::HumanDuration,
};

table! {
    /// Which cloud of CloudStack, as whom, and where in it, for `driver = "cloudstack"`. What is not said comes from the environment
    /// (`CLOUDSTACK_ENDPOINT`, `CLOUDSTACK_KEY`, `CLOUDSTACK_SECRET`), then from the files of the client `cs`.
    "`[cloudstack]`", Cloud {
        /// The address of its interface, such as `https://cloud.example.com/client/api`.
        endpoint: optional Text,
        /// The name of the `[secret.NAME]` that is the API key.
        key: optional Text,
        /// The name of the `[secret.NAME]` that is the secret key.
        secret: optional Text,
        /// A file as the client `cs` has it, relative to the definition's folder.
        config: optional Text,
        /// A section of that file. Default: `cloudstack`.
        region: optional Text,
        /// A file with the authorities (PEM) that are trusted, and no others; relative to the definition's folder.
        ca_file: optional Text,
        /// The fingerprint of the certificate that is trusted, SHA-1 or SHA-256 in hexadecimal, and no other.
        thumbprint: optional Text,
        /// Trust any certificate: whoever is on the way can make calls in your name. Default: false.
        insecure: optional bool,
        /// The zone, by name or identifier. Default: the only one.
        zone: optional Text,
        /// The project that everything belongs to, by name or identifier.
        project: optional Text,
    }
}

table! {
    /// What a machine in a cloud starts from, for `driver = "cloudstack"`: one of these.
    "`[source.cloudstack]`", SourceCloudstack {
        /// A template, by name or identifier.
        template: optional Text,
        /// A medium that the cloud has, by name or identifier. What it starts must let the build in by itself, and leave the system on
        /// the disk: a cloud has no keyboard to type on.
        iso: optional Text,
    }
}

table! {
    /// The machine in a cloud. `disk` of `[machine]` is the size of its root disk, and `cpus` and `memory` are for offerings without fixed
    /// numbers.
    "`[machine.cloudstack]`", MachineCloudstack {
        /// The service offering, by name or identifier.
        offering: required Text,
        /// The disk offering of the root disk, for a medium; by name or identifier.
        disk_offering: optional Text,
        /// Networks, by name or identifier. Default: the account's only one.
        networks: optional List<Text>,
        /// Security groups, by name or identifier, where the zone has such.
        security_groups: optional List<Text>,
        /// The hypervisor, for a medium, such as `KVM`. Default: the zone's only one.
        hypervisor: optional Text,
        /// What starts it: `bios`, `uefi` or `uefi-secure`. Default: as the cloud does it.
        boot: optional One<CloudStackBoot>,
        /// More about it, such as `{ rootDiskController = "scsi" }`.
        details: optional Map<Text>,
        /// How it is reached: `address`, at its own, or `port-forward`, by a port of a public address. Default: `address`.
        ssh_by: optional One<CloudStackSshBy>,
        /// The public address for a port forward, by identifier or as it is written. Default: one is acquired and released afterwards.
        public_address: optional Text,
        /// The port of the public address. Default: one that nobody uses.
        public_port: optional u32,
        /// Networks that its own address must be in, such as `192.0.2.0/24`. Default: any.
        ip_networks: optional List<Text>,
        /// From where the port forward may be used, such as `192.0.2.0/24`. It must be said for a port forward: `0.0.0.0/0` is everybody.
        allowed_from: optional List<Text>,
        /// The guest's SSH port. Default: 22.
        ssh_port: optional u32,
        /// How long the cloud may take to start it. Default: `20m`.
        start_timeout: optional HumanDuration,
    }
}

table! {
    /// The template that is made of the machine's root disk, for `format = "cloudstack"`.
    "`cloudstack` of an `[[output]]`", OutputCloudstack {
        /// What it is called. Default: the image's name.
        name: optional Text,
        /// What people read about it. Default: its name.
        description: optional Text,
        /// What CloudStack calls its system. Default: that of the source.
        os_type: optional Text,
        /// Whether all accounts may use it. Default: false.
        public: optional bool,
        /// Whether the cloud shows it first; takes rights. Default: false.
        featured: optional bool,
        /// Whether it can be downloaded. Default: false.
        extractable: optional bool,
        /// Whether passwords can be set for its machines. Default: false.
        password_enabled: optional bool,
        /// Zones that it is copied to besides that of the build.
        zones: optional List<Text>,
        /// Tags.
        tags: optional Map<Text>,
        /// Accounts of the same domain that may use it.
        share_with: optional List<Text>,
        /// Take the place of what an earlier build made. Default: false.
        replace: optional bool,
    }
}

/// By how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Cloud::HEADER, Cloud::KEYS),
    (SourceCloudstack::HEADER, SourceCloudstack::KEYS),
    (MachineCloudstack::HEADER, MachineCloudstack::KEYS),
    (OutputCloudstack::HEADER, OutputCloudstack::KEYS),
];

/// How a machine in a cloud is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::definition) enum CloudStackSshBy {
    Address,
    PortForward,
}

impl Choice for CloudStackSshBy {
    const WHAT: &'static str = "a way to a machine in a cloud";
    const NAMES: &'static [(&'static str, Self)] =
        &[("address", Self::Address), ("port-forward", Self::PortForward)];
}

impl Choice for CloudStackBoot {
    const WHAT: &'static str = "a firmware of a machine in a cloud";
    const NAMES: &'static [(&'static str, Self)] =
        &[("bios", Self::Bios), ("uefi", Self::Uefi), ("uefi-secure", Self::UefiSecure)];
}
