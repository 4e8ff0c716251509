//! The tables of steps about repositories, downloads, archives, images and playbooks.
use crate::{
    definition::{
        reader::{Key, Table},
        scalar::{List, Map, Mode, One, SecretText, Text},
        table::table,
    },
    plan::Via,
};

table! {
    /// A package repository. `uris` make one for apt, `baseurl` one for dnf, yum, tdnf or zypper, `source` copies a file as it is,
    /// and `public` turns on or off what came with the system.
    "`repository` of a `[[provision]]`", Repository {
        /// Name of its file, without extension.
        name: optional Text,
        /// Where it is, for apt.
        uris: optional List<SecretText>,
        /// Releases, or paths that end with `/`, for apt.
        suites: optional List<Text>,
        /// Parts of the releases, for apt.
        components: optional List<Text>,
        /// For apt: `deb`, `deb-src`. Default: `deb`.
        types: optional List<Text>,
        /// Where it is, for dnf, yum, tdnf and zypper.
        baseurl: optional SecretText,
        /// Whether signatures of packages are looked at, with `baseurl`. Default: true.
        gpg_check: optional bool,
        /// Addresses of public keys, separated by blanks, with `baseurl`.
        gpg_key: optional Text,
        /// The public key that it is signed with, as ASCII-armoured text.
        key: optional Text,
        /// A file on this host with that key, relative to the definition's folder.
        key_source: optional Text,
        /// More settings by name, such as `Architectures` for apt or `priority`.
        options: optional Map<SecretText>,
        /// Whether it is used. Default: true.
        enabled: optional bool,
        /// Remove it. Default: false.
        absent: optional bool,
        /// `disabled` turns off all that came with the system, `enabled` turns it on again.
        public: optional Text,
        /// A file on this host to copy, relative to the definition's folder.
        source: optional Text,
        /// Where `source` goes. Default: to the other files of the guest's package manager.
        dest: optional Text,
    }
}

table! {
    /// A file from elsewhere. One of `digest` and `digest-url` says what it must be.
    "`download` of a `[[provision]]`", Download {
        /// Where it is: `http` or `https`.
        url: required SecretText,
        /// Absolute path in the guest. Missing parent folders are made.
        dest: required Text,
        /// Digest of the file: `sha256:…` or `sha512:…`.
        digest: optional Text,
        /// Address of a file with the digest, alone or as `DIGEST  NAME` lines.
        digest_url: optional Text,
        /// Who downloads it: `host`, into its cache, or `guest`, with curl or wget. Default: `host`.
        via: optional One<Via>,
        /// Permission bits, as a string of octal digits. Default: `0644`.
        mode: optional Mode,
        /// Owner, by name. Default: `root`.
        owner: optional Text,
        /// Group, by name. Default: `root`.
        group: optional Text,
    }
}

table! {
    /// An archive to unpack: `tar`, packed with gzip, xz, zstd or bzip2, or `zip`. It is at one of `url`, `path` and `source`.
    "`archive` of a `[[provision]]`", Archive {
        /// Where it is: `http` or `https`. Needs a `digest` or `digest-url`.
        url: optional SecretText,
        /// Where it is in the guest.
        path: optional Text,
        /// A file on this host, relative to the definition's folder.
        source: optional Text,
        /// Digest of the archive: `sha256:…` or `sha512:…`.
        digest: optional Text,
        /// Address of a file with the digest, alone or as `DIGEST  NAME` lines.
        digest_url: optional Text,
        /// Who downloads it: `host`, into its cache, or `guest`, with curl or wget. Default: `host`.
        via: optional One<Via>,
        /// The folder that it is unpacked in. It is made.
        dest: required Text,
        /// So many leading folders of each name are left out; like tar, a `.` in front counts as one. Default: 0.
        strip: optional u32,
        /// Only what matches one of these patterns. Default: all.
        include: optional List<Text>,
        /// Not what matches one of these patterns.
        exclude: optional List<Text>,
        /// Owner of what is unpacked. Default: as packed.
        owner: optional Text,
        /// Group of what is unpacked. Default: as packed.
        group: optional Text,
        /// Permission bits of the files that are unpacked. Default: as packed.
        mode: optional Mode,
        /// Skip the step when this path exists in the guest. Afterwards it must exist.
        creates: optional Text,
    }
}

table! {
    /// Container images for containerd: an archive at one of `url`, `path` and `source`, or names to `pull`.
    "`image` of a `[[provision]]`", Image {
        /// Where it is: `http` or `https`. Needs a `digest` or `digest-url`.
        url: optional SecretText,
        /// Where it is in the guest. It is removed afterwards.
        path: optional Text,
        /// A file on this host, relative to the definition's folder.
        source: optional Text,
        /// Digest of the archive: `sha256:…` or `sha512:…`.
        digest: optional Text,
        /// Address of a file with the digest, alone or as `DIGEST  NAME` lines.
        digest_url: optional Text,
        /// Who downloads it: `host`, into its cache, or `guest`, with curl or wget. Default: `host`.
        via: optional One<Via>,
        /// Names to pull, such as `registry.k8s.io/pause:3.10`.
        pull: optional List<Text>,
        /// containerd's namespace. Default: `k8s.io`.
        namespace: optional Text,
        /// Whether the images are unpacked into snapshots, too. Default: false.
        unpack: optional bool,
        /// An architecture to be taken out of the names: `amd64` makes `pause:3` of `pause-amd64:3`.
        strip_arch: optional Text,
        /// More names: the new one by the old one.
        tag: optional Map<Text>,
    }
}

table! {
    /// A playbook of Ansible, run by this host's `ansible-playbook` over the build's own connection.
    "`ansible` of a `[[provision]]`", Ansible {
        /// The playbook, relative to the definition's folder.
        playbook: required Text,
        /// Folder of roles, relative to the definition's folder.
        roles_path: optional Text,
        /// Variables by name.
        extra_vars: optional Map<SecretText>,
        /// More arguments of `ansible-playbook`.
        args: optional List<Text>,
        /// The user that tasks run as. Default: `root`.
        user: optional Text,
    }
}

/// The tables of this file, by how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Repository::HEADER, Repository::KEYS),
    (Download::HEADER, Download::KEYS),
    (Archive::HEADER, Archive::KEYS),
    (Image::HEADER, Image::KEYS),
    (Ansible::HEADER, Ansible::KEYS),
];
