//! The tables and keys of a definition: the one list from which the decoder, the schema and the hints are made.
mod ami;
mod aws;
mod cloudstack;
mod ec2;
mod files;
mod flow;
mod install;
mod iso;
mod nutanix;
mod role;
mod software;
mod step;
mod system;
mod vsphere;

pub(super) use ami::*;
pub(super) use aws::*;
pub(super) use cloudstack::*;
pub(super) use ec2::*;
pub(super) use files::*;
pub(super) use flow::*;
pub(super) use install::*;
pub(super) use iso::*;
pub(super) use nutanix::*;
pub(super) use role::*;
pub(super) use software::*;
pub(super) use step::*;
pub(super) use system::*;
pub(super) use vsphere::*;

use super::{
    early::{ImageArch, ImageName, Variables},
    matrix::Matrix,
    reader::{Key, Table},
    scalar::{Delivery, Driver, List, Literal, Map, MirrorChoice, One, SecretText, Text},
    table::table,
};
use crate::{
    plan::{Accelerator, Compression, Firmware, ImageFormat, PartitionSize, Provider, SeedKind},
    value::{Digest, HumanDuration, Size},
};
use url::Url;

table! {
    /// One image to build.
    "the top level", Definition {
        // The first four are read in this order, because all that follows may refer to them.
        /// Variables, used as `${var.NAME}` inside of strings. Values come from `--var`, `--var-file`, the environment
        /// variable `GOLDSMITH_VAR_NAME`, or the default, in this order.
        var: optional Variables,
        /// Axes, each a list of values: every combination is a build of its own, in which `${matrix.AXIS}` stands for the value. A value
        /// is a string, or a table with a `name` and further strings, used as `${matrix.AXIS.KEY}`. Builds are called by `name` if it
        /// contains a `${matrix.…}`, else by `name` and their values, joined by `-`. `exclude` and `include` are lists of tables with
        /// values of axes, as in workflows of GitHub: `exclude` takes combinations away, `include` adds values to those that it fits, or a
        /// build of its own if it fits none.
        matrix: optional Matrix,
        /// The guest's architecture: `x86_64` or `aarch64`. The default is this host's.
        arch: optional ImageArch,
        /// Name of the image, made of letters, digits, `.`, `_` and `-`. It is also the stem of its files.
        name: required ImageName,
        /// Secrets, used as `${secret.NAME}` in scripts and file contents. They are read when they are first needed.
        secret: optional Map<Secret>,
        /// Where the first disk comes from: `[source.bootstrap]`, `[source.disk]`, `[source.iso]`, `[source.ami]` on EC2,
        /// `[source.vsphere]` in a vCenter, `[source.nutanix]` in a Prism Central, or `[source.cloudstack]` in a cloud of CloudStack.
        source: required Source,
        /// The machine that the image is built in.
        machine: optional Machine,
        /// How the guest is reached.
        guest: optional Guest,
        /// What the image is for: `vmware`, `qemu`, `raw` (bare metal), `cloudstack`, `nutanix`, `aws` or `generic`. Roles choose
        /// agents and drivers by it. Default: `generic`, `aws` on EC2, `vmware` in a vCenter, `nutanix` and `cloudstack` there.
        provider: optional One<Provider>,
        /// Which Amazon account AMIs are published to.
        aws: optional Aws,
        /// Which vCenter is built in, and where in it.
        vsphere: optional Vcenter,
        /// Which Prism Central is built in, and where in it.
        nutanix: optional Prism,
        /// Which cloud of CloudStack is built in, and where in it.
        cloudstack: optional Cloud,
        /// Folders with roles of your own, relative to the definition's folder. They come before the ones that are built in.
        roles: optional List<Text>,
        /// What is done in the guest, in order.
        provision: optional List<Provision>,
        /// What is removed before the image is finished.
        seal: optional Seal,
        /// What to deliver: files, AMIs, and what stays with the hypervisor.
        output: required List<Output>,
        /// How the outputs are proved.
        verify: optional Verify,
    }
}

table! {
    /// A variable.
    "a `[var.NAME]`", Variable {
        /// The value when nothing else gives one. Without a default, the variable must be given.
        default: optional Literal,
        /// What the variable is for.
        description: optional Literal,
    }
}

table! {
    /// Where a secret comes from: one of these.
    "a `[secret.NAME]`", Secret {
        /// An environment variable of goldsmith.
        env: optional Text,
        /// A file. A final line end is dropped.
        file: optional Text,
        /// A command that prints it, run without a shell. A final line end is dropped.
        command: optional List<Text>,
        /// A text in a file of JSON, such as a var file of Packer's.
        json: optional JsonSecret,
    }
}

table! {
    /// A text in a file of JSON. It is taken as it is, and it must not be empty.
    "`json` of a `[secret.NAME]`", JsonSecret {
        /// The file, relative to the definition's folder.
        file: required Text,
        /// The key at the top level of the file.
        key: required Text,
    }
}

table! {
    /// Where the first disk comes from: one of these.
    "`[source]`", Source {
        /// A Debian-family system assembled from packages.
        bootstrap: optional Bootstrap,
        /// An existing disk image, such as a cloud image.
        disk: optional Disk,
        /// An installer's medium, which installs the system without questions.
        iso: optional Iso,
        /// An AMI, for `driver = "ec2"`.
        ami: optional SourceAmi,
        /// A machine or an image in a vCenter, for `driver = "vsphere"`.
        vsphere: optional SourceVsphere,
        /// An image of a Prism Central, for `driver = "nutanix"`.
        nutanix: optional SourceNutanix,
        /// A template or a medium of a cloud, for `driver = "cloudstack"`.
        cloudstack: optional SourceCloudstack,
    }
}

table! {
    /// A Debian-family system assembled from packages. It boots by BIOS and by UEFI.
    "`[source.bootstrap]`", Bootstrap {
        /// Code name of the release, such as `bookworm`.
        suite: required Text,
        /// Where packages come from: `host` for what this host's apt uses, or the URL of a mirror. Default: `host`.
        mirror: optional MirrorChoice,
        /// URL of the security archive. Only with a mirror that is a URL.
        security_mirror: optional Url,
        /// Components of the archive. Default: `main`.
        components: optional List<Text>,
        /// Whether the image has cloud-init, which tells a machine its keys and its name where it is deployed. Default: true.
        cloud_init: optional bool,
        /// Packages on top of what a bootable system needs.
        packages: optional List<Text>,
        /// The kernel package. Default: the distribution's own for the architecture.
        kernel: optional Text,
        /// Kernel command line besides `root=`. Default: `console=tty0 console=ttyS0,115200`.
        cmdline: optional Text,
        /// Kernel modules of the initramfs. Default: all that hardware may need.
        initramfs_modules: optional List<Text>,
        /// Size of the EFI system partition. Default: `64MiB`.
        esp_size: optional Size,
        /// File systems, in the order on the disk. Default: one at `/` that fills the disk.
        partition: optional List<Partition>,
    }
}

table! {
    /// One file system.
    "a `[[source.bootstrap.partition]]`", Partition {
        /// Where it is mounted, such as `/` or `/var`.
        mount: required Text,
        /// How large it is, or `rest` for all that is left.
        size: required PartitionSize,
        /// Label of the file system, at most 16 bytes.
        label: optional Text,
    }
}

table! {
    /// An existing disk image. It is at one of `path`, `url` and `urls`.
    "`[source.disk]`", Disk {
        /// A file on this host, relative to the definition's folder.
        path: optional Text,
        /// Where to download it: `http`, `https` or `file`.
        url: optional Url,
        /// Where to download it, several mirrors: the first that answers is used.
        urls: optional List<Url>,
        /// Digest of the file as downloaded: `sha256:…` or `sha512:…`. A download needs it, or `checksums`.
        digest: optional Digest,
        /// Where a list of digests is that names the file, such as `…/SHA256SUMS`.
        checksums: optional Url,
        /// Its format after decompression: `raw` or `qcow2`. Default: what its first bytes say.
        format: optional One<ImageFormat>,
    }
}

table! {
    /// The machine that the image is built in, and the ones that prove the result.
    "`[machine]`", Machine {
        /// The hypervisor: `libvirt`; `ec2`, which makes an AMI of a `[source.ami]`; `vsphere`, which builds in a vCenter;
        /// `nutanix`, in a cluster of Nutanix's; or `cloudstack`, in a cloud. Default: `libvirt`, or what has its table here.
        driver: optional One<Driver>,
        /// The instance, for `ec2`. No other key of `[machine]` is for it.
        ec2: optional Ec2,
        /// More about the machine, for `vsphere`.
        vsphere: optional MachineVsphere,
        /// More about the machine, for `nutanix`.
        nutanix: optional MachineNutanix,
        /// More about the machine, for `cloudstack`.
        cloudstack: optional MachineCloudstack,
        /// The libvirt connection, such as `qemu:///session`, or `qemu+ssh://user@host/system` for another host. Default: libvirt inside of goldsmith.
        uri: optional Text,
        /// What it boots with: `efi` or `bios`. In a vCenter a copy boots as its source does. Default: `efi`.
        firmware: optional One<Firmware>,
        /// Number of virtual CPUs. Default: 2, or what a copy in a vCenter has.
        cpus: optional u32,
        /// Memory. Default: `2GiB`, or what a copy in a vCenter has.
        memory: optional Size,
        /// Size of the disk. The source grows to it. Default: `8GiB`, or what a copy in a vCenter has.
        disk: optional Size,
        /// Who executes the guest's instructions: `auto`, `kvm` or `tcg`. Default: `auto`.
        accelerator: optional One<Accelerator>,
    }
}

table! {
    /// How the guest is reached and how long it may take.
    "`[guest]`", Guest {
        /// How the build's keys come into the guest: `nocloud`, a volume that cloud-init reads; `credentials`, which systemd 252
        /// and later read by themselves; or `login`, by a login that the image has. On EC2: `user-data`, which cloud-init reads, or
        /// `ignition`. In a vCenter: `nocloud` (a CD), `user-data` (in `guestinfo`, which cloud-init 21.3 and later read), `ignition`, or
        /// `login`. In a Prism Central and in a cloud of CloudStack: as on EC2, or `login`. Default: `nocloud`, `credentials` for a bootstrap without cloud-init, `login` with `[guest.login]`, `user-data` on
        /// EC2, for a `[source.vsphere]` and in clouds, or `ignition` for Flatcar and Fedora CoreOS there.
        seed: optional One<SeedKind>,
        /// A login that the image has, for images that take no seed. It is used once, to bring the build's own key in.
        login: optional GuestLogin,
        /// The user of the build, who is gone afterwards. `root` logs in as root, the only one with `credentials` and `login`.
        /// Default: `goldsmith`, or `root` with `credentials` and `login`, or `core` with `ignition`, who stays.
        user: optional Text,
        /// From power-on to a login. Default: `10m`.
        connect_timeout: optional HumanDuration,
        /// From the request to power off until it is off. Default: `3m`.
        shutdown_timeout: optional HumanDuration,
    }
}

table! {
    /// A login that the image has. At least one of `key`, `agent` and `password`, which are tried in this order. The seal removes the
    /// image's host keys, by which it is recognised, so such a build has no `sysprep`, or is not booted to prove it.
    "`[guest.login]`", GuestLogin {
        /// The user: `root`, or one who may use sudo without password. Default: `root`.
        user: optional Text,
        /// The image's public host key, as in `/etc/ssh/ssh_host_ed25519_key.pub`.
        host_key: required Text,
        /// A file on this host with a private key, ed25519 or ECDSA, relative to the definition's folder.
        key: optional Text,
        /// What the key is encrypted with, as `${secret.NAME}`.
        passphrase: optional SecretText,
        /// Use the keys of the SSH agent at `$SSH_AUTH_SOCK`. Default: false.
        agent: optional bool,
        /// The user's password, as `${secret.NAME}`.
        password: optional SecretText,
    }
}

table! {
    /// What is removed before the image is finished.
    "`[seal]`", Seal {
        /// Empty the machine id; remove host keys, logs, caches, cloud-init's state and the host name. Default: true.
        sysprep: optional bool,
        /// Overwrite free space with zeroes before that. Local disks need it not: they take back each block that the guest frees. Those of a
        /// vCenter, of Nutanix's and CloudStack's clusters take back larger pieces, or none, in which old content would stay, such as keys of
        /// the build. Default: with these drivers.
        zero: optional bool,
        /// Give freed blocks back, so that they become holes. Default: true.
        trim: optional bool,
    }
}

table! {
    /// One thing to deliver.
    "an `[[output]]`", Output {
        /// Its format: `raw`, `raw.gz`, `raw.zst`, `raw.xz`, `raw.lz4`, `qcow2`, `vmdk`, `ova` or `vhd`; or what is no file:
        /// `ami`, an image in an Amazon account, or `vsphere`, `nutanix` and `cloudstack`, what stays where it was built.
        format: required One<Delivery>,
        /// Its path, relative to the output folder (`--out`, or `out` where goldsmith is run). Default: the image's
        /// name with the format as extension.
        path: optional Text,
        /// Compression level: from 1 (fast) to 12 (small), for `raw.zst` to 19, for `raw.xz` from 0 to 9. `raw`, `raw.lz4` and
        /// `vhd` have none.
        level: optional u32,
        /// How a `qcow2` is compressed: `zlib`, or `zstd`, which QEMU 5.1 and later read. Default: `zlib` with a level, else not.
        compression: optional One<Compression>,
        /// What an `ova` says about its machine.
        ova: optional Ova,
        /// What Amazon is told about an `ami`.
        ami: optional Ami,
        /// What stays in the vCenter, for `vsphere`.
        vsphere: optional OutputVsphere,
        /// What stays in the Prism Central, for `nutanix`.
        nutanix: optional OutputNutanix,
        /// The template that stays in the cloud, for `cloudstack`.
        cloudstack: optional OutputCloudstack,
    }
}

table! {
    /// What an OVA says about its machine. Name, CPUs, memory, firmware and guest are those of the build.
    "`ova` of an `[[output]]`", Ova {
        /// vSphere's name for the guest, such as `debian12_64Guest`. Default: what the guest's os-release says.
        guest_os: optional Text,
        /// The virtual hardware that it needs, such as 15 for `vmx-15`. Default: 15, which vSphere 6.7 U2 and later have.
        hardware_version: optional u32,
        /// Whether the firmware boots signed code only; needs `efi`. Default: false.
        secure_boot: optional bool,
        /// Names of the networks, one adapter for each. Default: `VM Network`.
        networks: optional List<Text>,
        /// What the product is called.
        product: optional Text,
        /// Who made it. Needs `product`.
        vendor: optional Text,
        /// Its version. Needs `product`.
        version: optional Text,
        /// A text for people.
        annotation: optional Text,
        /// Facts about the image, by key.
        properties: optional Map<Text>,
    }
}

table! {
    /// How the outputs are proved.
    "`[verify]`", Verify {
        /// Boot every output and check it from inside. Default: true.
        boot: optional bool,
        /// With which firmware. Every output boots with each. Default: the machine's, which is the only one on EC2 and in a vCenter.
        firmware: optional List<One<Firmware>>,
        /// Shell commands that must succeed inside of the booted result.
        commands: optional List<Text>,
    }
}

/// The tables that are no step's, by how people find them.
const TABLES: &[(&str, &[Key])] = &[
    (Definition::HEADER, Definition::KEYS),
    (Variable::HEADER, Variable::KEYS),
    (Secret::HEADER, Secret::KEYS),
    (JsonSecret::HEADER, JsonSecret::KEYS),
    (Source::HEADER, Source::KEYS),
    (Bootstrap::HEADER, Bootstrap::KEYS),
    (Partition::HEADER, Partition::KEYS),
    (Disk::HEADER, Disk::KEYS),
    (Machine::HEADER, Machine::KEYS),
    (Guest::HEADER, Guest::KEYS),
    (GuestLogin::HEADER, GuestLogin::KEYS),
    (Seal::HEADER, Seal::KEYS),
    (Output::HEADER, Output::KEYS),
    (Ova::HEADER, Ova::KEYS),
    (Verify::HEADER, Verify::KEYS),
];

/// All tables, by how people find them.
pub(super) fn tables() -> impl Iterator<Item = (&'static str, &'static [Key])> {
    let more = [
        ami::TABLES,
        aws::TABLES,
        ec2::TABLES,
        step::TABLES,
        files::TABLES,
        system::TABLES,
        flow::TABLES,
        software::TABLES,
        install::TABLES,
        iso::TABLES,
        vsphere::TABLES,
        nutanix::TABLES,
        cloudstack::TABLES,
    ];
    TABLES.iter().chain(more.into_iter().flatten()).copied()
}

/// The only table that has the key `name`.
pub(super) fn home_of(name: &str) -> Option<&'static str> {
    let mut homes = tables().filter(|(_, keys)| keys.iter().any(|key| key.name() == name));
    match (homes.next(), homes.next()) {
        (Some((home, _)), None) => Some(home),
        _ => None,
    }
}
