//! `[source.iso.install]`: the answers of an installer that goldsmith writes itself.
use crate::{
    definition::{
        reader::{Key, Table},
        scalar::{Choice, List, One, Text},
        table::table,
    },
    plan::{DiskLayout, RootFileSystem, Selinux, Updates},
    value::Size,
};
use url::Url;

table! {
    /// What the installer of a system is told, and how it is started. What is not said is the usual for the system, `provider` and
    /// firmware; `goldsmith plan` shows all of it. (docs/os-support.md)
    "`[source.iso.install]`", Install {
        /// The system on the medium and its version, such as `ubuntu-24.04`, `debian-12`, `rhel-9.4`, `rocky-9`, `almalinux-9`,
        /// `centos-10` or `photon-5`.
        system: required Text,
        /// Partitions: `root` (BIOS), `efi-root`, `efi-boot-root`, `root-efi` (`/` is the first of the table) or `automatic`.
        layout: optional One<DiskLayout>,
        /// What `/` is formatted with: `ext4` or `xfs`.
        filesystem: optional One<RootFileSystem>,
        /// Size of the EFI system partition.
        esp: optional Size,
        /// Size of `/boot`, in layouts that have one.
        boot: optional Size,
        /// Size of swap. Default: none.
        swap: optional Size,
        /// The disk that is overwritten, without `/dev/`: `vda`. Default: the first that is large enough.
        disk: optional Text,
        /// Default: `en_US.UTF-8`.
        locale: optional Text,
        /// Layout of the console's keyboard. Default: `us`.
        keyboard: optional Text,
        /// Default: `UTC`.
        timezone: optional Text,
        /// The system's name. Default: `goldsmith-build`.
        hostname: optional Text,
        /// A fixed address. Default: by DHCP.
        network: optional InstallNetwork,
        /// Proxy for the installer's downloads.
        proxy: optional Url,
        /// Where packages come from: `medium`, `distribution` (its own archive) or an address.
        mirror: optional Text,
        /// Debian's security archive, when `mirror` is an address.
        security_mirror: optional Url,
        /// More package repositories. Anaconda only.
        repository: optional List<InstallRepository>,
        /// Which updates are installed: `security` or `all`. Ubuntu and Debian only.
        updates: optional One<Updates>,
        /// The kernel's package. Ubuntu and Debian only.
        kernel_package: optional Text,
        /// More packages.
        packages: optional List<Text>,
        /// Packages that must not be there. Anaconda takes patterns.
        without: optional List<Text>,
        /// More units that start at boot.
        services: optional List<Text>,
        /// `enforcing`, `permissive` or `disabled`, where there is SELinux.
        selinux: optional One<Selinux>,
        /// Whether the distribution's firewall starts. Anaconda only. Default: false.
        firewall: optional bool,
        /// Users who stay in the image.
        user: optional List<InstallUser>,
        /// Shell commands in the installer before it looks at disks.
        early: optional List<Text>,
        /// Shell commands as root in the installed system, at the end.
        late: optional List<Text>,
        /// A file on this host with a template in place of the built-in one, or that extends it, relative to the definition's folder.
        template: optional Text,
    }
}

table! {
    /// A fixed address, while the system is installed and afterwards.
    "`network` of `[source.iso.install]`", InstallNetwork {
        /// The address with the bits of its network: `10.0.0.5/24`.
        address: required Text,
        /// The way out.
        gateway: optional Text,
        /// Name servers.
        dns: optional List<Text>,
    }
}

table! {
    /// One more package repository.
    "a `[[source.iso.install.repository]]`", InstallRepository {
        /// Its id, such as `AppStream`.
        name: required Text,
        /// Where its folder `repodata` is.
        url: required Url,
    }
}

table! {
    /// A user who stays in the image. Nobody has a password.
    "a `[[source.iso.install.user]]`", InstallUser {
        /// Login name.
        name: required Text,
        /// Groups that exist in the system, besides the user's own.
        groups: optional List<Text>,
        /// Whether the user may do everything with sudo, without a password. Default: false.
        sudo: optional bool,
        /// Lines of `authorized_keys`.
        authorized_keys: optional List<Text>,
    }
}

/// The tables of this file, by how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Install::HEADER, Install::KEYS),
    (InstallNetwork::HEADER, InstallNetwork::KEYS),
    (InstallRepository::HEADER, InstallRepository::KEYS),
    (InstallUser::HEADER, InstallUser::KEYS),
];

impl Choice for DiskLayout {
    const WHAT: &'static str = "a layout of a disk";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("root", Self::Root),
        ("efi-root", Self::EfiRoot),
        ("efi-boot-root", Self::EfiBootRoot),
        ("root-efi", Self::RootEfi),
        ("automatic", Self::Automatic),
    ];
}

impl Choice for RootFileSystem {
    const WHAT: &'static str = "a file system for `/`";
    const NAMES: &'static [(&'static str, Self)] = &[("ext4", Self::Ext4), ("xfs", Self::Xfs)];
}

impl Choice for Updates {
    const WHAT: &'static str = "a choice of updates";
    const NAMES: &'static [(&'static str, Self)] = &[("security", Self::Security), ("all", Self::All)];
}

impl Choice for Selinux {
    const WHAT: &'static str = "a mode of SELinux";
    const NAMES: &'static [(&'static str, Self)] =
        &[("enforcing", Self::Enforcing), ("permissive", Self::Permissive), ("disabled", Self::Disabled)];
}
