//! The tables of steps about kernel, accounts, names and mounts.
use crate::definition::{
    reader::{Key, Table},
    scalar::{List, Map, Text},
    table::table,
};

table! {
    /// Kernel parameters, now and at every boot.
    "`sysctl` of a `[[provision]]`", Sysctl {
        /// The file that they are written to, beside what is in it. Default: `/etc/sysctl.d/99-goldsmith.conf`.
        file: optional Text,
        /// Value by name, such as `{ "net.ipv4.ip_forward" = "1" }`.
        values: required Map<Text>,
        /// Set them now, too. Default: true.
        apply: optional bool,
    }
}

table! {
    /// Kernel modules, now and at every boot.
    "`module` of a `[[provision]]`", Module {
        /// To be loaded.
        load: optional List<Text>,
        /// Not to be loaded for hardware that wants them, by /etc/modprobe.d/goldsmith-blacklist.conf. An initramfs is not made anew.
        blacklist: optional List<Text>,
        /// The file that says what is loaded, beside what is in it. Default: `/etc/modules-load.d/goldsmith.conf`.
        file: optional Text,
        /// Load and unload them now, too. Default: true.
        now: optional bool,
    }
}

table! {
    /// A group of the image.
    "`group` of a `[[provision]]`", Group {
        /// Its name.
        name: required Text,
        /// Group id. Default: the guest chooses.
        gid: optional u32,
        /// A system group. Default: false.
        system: optional bool,
        /// Remove the group instead. Default: false.
        absent: optional bool,
    }
}

table! {
    /// A file in /etc/sudoers.d. `visudo` looks at it before it gets there.
    "`sudoers` of a `[[provision]]`", Sudoers {
        /// Its name, without dots, which sudo ignores.
        name: required Text,
        /// The rules.
        content: optional Text,
        /// Remove the file. Default: false.
        absent: optional bool,
    }
}

table! {
    /// Names in /etc/hosts.
    "`hosts` of a `[[provision]]`", Hosts {
        /// Names by address, such as `{ "10.0.0.1" = ["registry"] }`. An address has these names only; one without names is removed.
        entries: required Map<List<Text>>,
    }
}

table! {
    /// Swap: `off`, or a `file` of some `size`.
    "`swap` of a `[[provision]]`", Swap {
        /// No swap now and at any boot: out of /etc/fstab, and its units masked. `true`.
        off: optional bool,
        /// Path of a file to swap to, now and at every boot.
        file: optional Text,
        /// Its size, such as `2GiB`.
        size: optional Text,
    }
}

table! {
    /// A line of /etc/fstab.
    "`mount` of a `[[provision]]`", Mount {
        /// What is mounted: a device, `UUID=…`, `LABEL=…`, `host:/path` and the like. Required unless `absent`.
        device: optional Text,
        /// Where. The folder is made.
        path: required Text,
        /// Type of the file system. Required unless `absent`.
        fs: optional Text,
        /// Options, separated by commas. Default: `defaults`.
        options: optional Text,
        /// Mount it now, too. Default: true.
        now: optional bool,
        /// Unmount it and remove its line. Default: false.
        absent: optional bool,
    }
}

/// The tables of this file, by how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Sysctl::HEADER, Sysctl::KEYS),
    (Module::HEADER, Module::KEYS),
    (Group::HEADER, Group::KEYS),
    (Sudoers::HEADER, Sudoers::KEYS),
    (Hosts::HEADER, Hosts::KEYS),
    (Swap::HEADER, Swap::KEYS),
    (Mount::HEADER, Mount::KEYS),
];
