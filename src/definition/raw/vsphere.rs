//! `[vsphere]`, `[source.vsphere]`, `[machine.vsphere]` and `vsphere` of an `[[output]]`: a build in a vCenter.
use crate::{
    definition::{
        reader::{At, Key, Raw, Reader, Sort, Table},
        scalar::{Choice, List, Map, One, Text},
        table::table,
    },
    plan::{VsphereCdBus, VsphereController, VsphereNic, VsphereProvisioning},
    value::{HumanDuration, Size},
};
use schemars::{Schema, SchemaGenerator, json_schema};
use toml::{Spanned, de::DeValue};

table! {
    /// Which vCenter, and where in it, for `driver = "vsphere"`. What is not said comes from `config`, then from the environment
    /// (`VSPHERE_SERVER`, `VSPHERE_USER`, `VSPHERE_PASSWORD`, or govc's variables); of the inventory, what there is one of.
    "`[vsphere]`", Vcenter {
        /// Name or address of the vCenter.
        server: optional Text,
        /// Who logs in.
        user: optional Text,
        /// The name of the `[secret.NAME]` that is their password.
        password: optional Text,
        /// A file with the authorities (PEM) that are trusted, and no others; relative to the definition's folder.
        ca_file: optional Text,
        /// The fingerprint of the certificate that is trusted, SHA-1 or SHA-256 in hexadecimal, and no other.
        thumbprint: optional Text,
        /// Trust any certificate: whoever is on the way can read the password. Default: false.
        insecure: optional bool,
        /// The file of EKS Anywhere's image-builder (`vsphere.json`), relative to the definition's folder.
        config: optional Text,
        /// The datacenter, by name or path.
        datacenter: optional Text,
        /// The cluster, or a host that is in none.
        cluster: optional Text,
        /// The host.
        host: optional Text,
        /// The resource pool, by name or path. Default: the cluster's own.
        resource_pool: optional Text,
        /// The folder; made if it is missing. Default: the datacenter's folder of machines.
        folder: optional Text,
        /// The datastore, or the datastore cluster.
        datastore: optional Text,
        /// Where the cable of the network card goes.
        network: optional Text,
        /// Where the cables of several network cards go, one card each.
        networks: optional List<Text>,
    }
}

table! {
    /// A machine or an image in a vCenter to start from, for `driver = "vsphere"`: by one of `clone`, `library` with `item`, and `ova`.
    "`[source.vsphere]`", SourceVsphere {
        /// The machine or the template that is copied, by name or path.
        clone: optional Text,
        /// Whether the copy has only the difference to a snapshot of it, and needs it for ever. Default: false.
        linked: optional bool,
        /// The snapshot that is copied, by name. Default: the machine as it is; for a linked copy, the current snapshot.
        snapshot: optional Text,
        /// The content library that has the item.
        library: optional Text,
        /// The item: an OVF package or a template.
        item: optional Text,
        /// An OVA on this host, which is imported; relative to the definition's folder.
        ova: optional Text,
    }
}

table! {
    /// The machine in a vCenter. `cpus`, `memory` and `disk` of `[machine]` hold for it too; of a copy, what is not said stays as it is in
    /// the source. A new machine is one that an `[source.iso]` is installed on.
    "`[machine.vsphere]`", MachineVsphere {
        /// How many of the CPUs are in one socket. Default: as the vCenter does it.
        cores_per_socket: optional u32,
        /// Sizes of further disks of a new machine.
        more_disks: optional List<Size>,
        /// What a new machine's disks are connected to: `pvscsi`, `lsilogic` or `nvme`. Default: `pvscsi`.
        controller: optional One<VsphereController>,
        /// How the space of disks is taken: `thin` (as it is written to), `thick` (at once) or `eager-zeroed` (at once, and zeroed).
        /// Default: `thin`.
        provisioning: optional One<VsphereProvisioning>,
        /// The network cards of a new machine: `vmxnet3` or `e1000e`. Default: `vmxnet3`.
        nic: optional One<VsphereNic>,
        /// What a new machine's CD drives are connected to: `sata` or `ide`. Default: `sata`.
        cd_bus: optional One<VsphereCdBus>,
        /// Whether a new machine's firmware starts signed boot loaders only; needs `efi`. Default: false.
        secure_boot: optional bool,
        /// Whether a new machine has a TPM; needs `efi`, and a key provider in the vCenter. Default: false.
        tpm: optional bool,
        /// vSphere's name for the guest of a new machine, such as `ubuntu64Guest`. Default: what `[source.iso.install]` says; without
        /// that, it must be said.
        guest_os: optional Text,
        /// The virtual hardware, such as 19 for `vmx-19`. Default: for a new machine the newest that its host knows, for a copy that of
        /// its source. A copy is upgraded.
        hardware_version: optional u32,
        /// What people read about the machine.
        annotation: optional Text,
        /// More of its configuration, such as `{ "disk.EnableUUID" = "TRUE" }`.
        extra_config: optional Map<Text>,
        /// For how long its address must stay the same before it is believed. Default: `5s`.
        ip_settle: optional HumanDuration,
        /// Networks that its address must be in, such as `192.0.2.0/24`. Default: any but link-local ones.
        ip_networks: optional List<Text>,
        /// The guest's SSH port. Default: 22.
        ssh_port: optional u32,
    }
}

table! {
    /// What becomes of the machine in the vCenter, for `format = "vsphere"`.
    "`vsphere` of an `[[output]]`", OutputVsphere {
        /// What it is called, in at most 80 characters, or 63 with `replace`. Default: the image's name.
        name: optional Text,
        /// What it is: `machine` (which is off), `template`, or an item of a content library: `library-ovf` (an OVF package) or
        /// `library-template`. Default: `template`.
        r#as: optional One<KeptAs>,
        /// The content library that the item is in.
        library: optional Text,
        /// Make a snapshot of this name, for linked clones. Items of libraries have none.
        snapshot: optional Text,
        /// Tags by their categories, such as `{ os = "os:ubuntu" }`, or several with a list. Made if there are none.
        tags: optional Map<Several>,
        /// Custom attributes and their values. Items of libraries have none.
        attributes: optional Map<Text>,
        /// What people read about it.
        description: optional Text,
        /// Take the place of what an earlier build made; a `library-ovf` gets a new version. A `library-template` cannot. Default: false.
        replace: optional bool,
    }
}

/// By how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Vcenter::HEADER, Vcenter::KEYS),
    (SourceVsphere::HEADER, SourceVsphere::KEYS),
    (MachineVsphere::HEADER, MachineVsphere::KEYS),
    (OutputVsphere::HEADER, OutputVsphere::KEYS),
];

/// What a result in a vCenter is, whatever its library is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::definition) enum KeptAs {
    Machine,
    Template,
    LibraryOvf,
    LibraryTemplate,
}

impl Choice for KeptAs {
    const WHAT: &'static str = "a result in a vCenter";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("template", Self::Template),
        ("machine", Self::Machine),
        ("library-ovf", Self::LibraryOvf),
        ("library-template", Self::LibraryTemplate),
    ];
}

/// A text, or a list of them.
#[derive(Debug, Clone)]
pub(in crate::definition) struct Several(pub(in crate::definition) List<Text>);

impl Raw for Several {
    const EXPECTED: &'static str = "a string, or a list of them";
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Form;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(_) => {
                let text = Text::decode(value, reader)?;
                Some(Self(vec![At { value: text, span: value.span() }]))
            }
            DeValue::Array(_) => List::<Text>::decode(value, reader).map(Self),
            _ => {
                reader.mismatch::<Self>(value);
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (text, list) = (Text::schema(generator), List::<Text>::schema(generator));
        json_schema!({ "anyOf": [text, list] })
    }
}

impl Choice for VsphereController {
    const WHAT: &'static str = "a controller of disks";
    const NAMES: &'static [(&'static str, Self)] =
        &[("pvscsi", Self::Pvscsi), ("lsilogic", Self::Lsilogic), ("nvme", Self::Nvme)];
}

impl Choice for VsphereProvisioning {
    const WHAT: &'static str = "a way to take the space of disks";
    const NAMES: &'static [(&'static str, Self)] =
        &[("thin", Self::Thin), ("thick", Self::Thick), ("eager-zeroed", Self::EagerZeroed)];
}

impl Choice for VsphereNic {
    const WHAT: &'static str = "a network card";
    const NAMES: &'static [(&'static str, Self)] = &[("vmxnet3", Self::Vmxnet3), ("e1000e", Self::E1000e)];
}

impl Choice for VsphereCdBus {
    const WHAT: &'static str = "a bus of CD drives";
    const NAMES: &'static [(&'static str, Self)] = &[("sata", Self::Sata), ("ide", Self::Ide)];
}
