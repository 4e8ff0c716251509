//! `[nutanix]`, `[source.nutanix]`, `[machine.nutanix]` and `nutanix` of an `[[output]]`: a build in a cluster of Nutanix's.
use super::Several;
use crate::{
    definition::{
        reader::{Key, Table},
        scalar::{Choice, List, Map, One, Text},
        table::table,
    },
    value::{Digest, HumanDuration},
};
use url::Url;

table! {
    /// Which Prism Central, and where in it, for `driver = "nutanix"`. What is not said comes from `config`, then from the environment
    /// (`NUTANIX_ENDPOINT`, `NUTANIX_PORT`, `NUTANIX_USER`, `NUTANIX_PASSWORD`, `NUTANIX_INSECURE`).
    "`[nutanix]`", Prism {
        /// Name or address of the Prism Central.
        endpoint: optional Text,
        /// Its port. Default: 9440.
        port: optional u32,
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
        /// The file of EKS Anywhere's image-builder (`nutanix.json`), relative to the definition's folder.
        config: optional Text,
        /// Which form of the interface is spoken, `v3` or `v4`. Default: `v4` if the server has it.
        api: optional Text,
        /// The cluster, by name or UUID. Default: the only one.
        cluster: optional Text,
        /// The subnet of the network card, by name or UUID.
        subnet: optional Text,
        /// The subnets of several network cards, one card each.
        subnets: optional List<Text>,
        /// The project that the machine belongs to, by name or UUID.
        project: optional Text,
    }
}

table! {
    /// An image of a Prism Central to start from, for `driver = "nutanix"`: by `image` or `url`, or the one of `config` in `[nutanix]`.
    "`[source.nutanix]`", SourceNutanix {
        /// An image that is there, by name or UUID.
        image: optional Text,
        /// What the server fetches, to make an image of it for this build.
        url: optional Url,
        /// SHA-256 of what is at `url`. The server compares it, and an image that has it already is used instead.
        digest: optional Digest,
    }
}

table! {
    /// The machine in a cluster of Nutanix's. `cpus`, `memory`, `disk` and `firmware` of `[machine]` hold for it too; `disk` is that of the
    /// image when it is not said, and `firmware` is `bios`.
    "`[machine.nutanix]`", MachineNutanix {
        /// How many of the CPUs are in one socket. Default: 1.
        cores_per_socket: optional u32,
        /// Whether the firmware starts signed boot loaders only; needs `efi`. Default: false.
        secure_boot: optional bool,
        /// Categories of the machine while it exists, such as `{ Environment = "Build" }`, or several values with a list. They must be
        /// there: a category that is made for it would stay.
        categories: optional Map<Several>,
        /// For how long its address must stay the same before it is believed. Default: `5s`.
        ip_settle: optional HumanDuration,
        /// Networks that its address must be in, such as `192.0.2.0/24`. Default: any but link-local ones.
        ip_networks: optional List<Text>,
        /// The guest's SSH port. Default: 22.
        ssh_port: optional u32,
    }
}

table! {
    /// What is made of the machine in the Prism Central, for `format = "nutanix"`.
    "`nutanix` of an `[[output]]`", OutputNutanix {
        /// What it is called. Default: `image_name` of `config` in `[nutanix]`, or the image's name.
        name: optional Text,
        /// What it is: `image`, of its disk, `template` or `ova`. The latter two need version 4 of the interface. Default: `image`.
        r#as: optional One<NutanixKept>,
        /// Categories, such as `{ OS = "ubuntu" }`, or several values with a list; made if there are none.
        categories: optional Map<Several>,
        /// What people read about it.
        description: optional Text,
        /// Take the place of what an earlier build made. Default: false.
        replace: optional bool,
    }
}

/// By how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Prism::HEADER, Prism::KEYS),
    (SourceNutanix::HEADER, SourceNutanix::KEYS),
    (MachineNutanix::HEADER, MachineNutanix::KEYS),
    (OutputNutanix::HEADER, OutputNutanix::KEYS),
];

/// What a result in a Prism Central is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::definition) enum NutanixKept {
    Image,
    Template,
    Ova,
}

impl Choice for NutanixKept {
    const WHAT: &'static str = "a result in a Prism Central";
    const NAMES: &'static [(&'static str, Self)] =
        &[("image", Self::Image), ("template", Self::Template), ("ova", Self::Ova)];
}
