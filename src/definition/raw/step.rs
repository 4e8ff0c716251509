//! The tables of steps.
use super::{
    Ansible, Archive, Check, Directory, Download, Group, Hosts, Image, Line, Link, Module, Mount, Repository,
    Sudoers, Swap, Sysctl, Unit, WaitFor,
};
use crate::{
    definition::{
        reader::{Key, Raw, Reader, Sort, Table},
        scalar::{ForEachChoice, Json, List, Map, Mode, One, SecretText, Text},
        table::table,
    },
    plan::ServiceState,
    value::HumanDuration,
};
use schemars::{Schema, SchemaGenerator, json_schema};
use toml::{Spanned, de::DeValue};

table! {
    /// One step in the guest, of exactly one kind.
    "a `[[provision]]`", Provision {
        /// What people read while it runs. Default: made from what the step does.
        name: optional Text,
        /// At most this long. Default: `30m`.
        timeout: optional HumanDuration,
        /// How often it is tried again after a failure. Default: 3 for what uses the network, else 0.
        retries: optional u32,
        /// Leave the step out unless this holds, such as `os.family == "debian"`.
        when: optional Text,
        /// Do the step once for each of these, which its texts know as `{{ item }}`: a list, or an expression that gives one.
        for_each: optional ForEachChoice,
        /// Do the step at the end of provisioning instead, and also when a step after it fails. Default: false.
        finally: optional bool,
        /// Run a script as root with `/bin/sh -eu`: the script itself, or a table.
        shell: optional ShellChoice,
        /// Put a file in place.
        file: optional File,
        /// Put a file in place whose content is a template.
        template: optional File,
        /// Install or remove packages.
        package: optional Package,
        /// Enable, disable, start or stop a systemd unit.
        service: optional Service,
        /// Make or remove a user.
        user: optional User,
        /// Restart the guest: `true`.
        reboot: optional bool,
        /// Make, empty or remove a folder.
        directory: optional Directory,
        /// Make or remove a symbolic link.
        link: optional Link,
        /// Put a line into a file, or take it out.
        line: optional Line,
        /// Write a systemd unit or a drop-in.
        unit: optional Unit,
        /// Set kernel parameters.
        sysctl: optional Sysctl,
        /// Load or forbid kernel modules.
        module: optional Module,
        /// Make or remove a group.
        group: optional Group,
        /// Write or remove rules for sudo.
        sudoers: optional Sudoers,
        /// Name the guest while it is built. The seal removes the name again, unless `sysprep` is off.
        hostname: optional Text,
        /// Name addresses in /etc/hosts.
        hosts: optional Hosts,
        /// Turn swap off, or make it.
        swap: optional Swap,
        /// Mount a file system at every boot.
        mount: optional Mount,
        /// Wait until something is there.
        wait_for: optional WaitFor,
        /// Assert something about the booted result.
        check: optional Check,
        /// Say where packages come from.
        repository: optional Repository,
        /// Get a file from elsewhere.
        download: optional Download,
        /// Unpack an archive.
        archive: optional Archive,
        /// Give container images to containerd.
        image: optional Image,
        /// Run a playbook of Ansible.
        ansible: optional Ansible,
        /// Do all steps of a role: one that is built in, or one from a folder of `roles`.
        role: optional Text,
        /// Parameters of the role.
        with: optional Map<Json>,
        /// In a role only: do all steps of the roles that this parameter of it lists, one after the other.
        roles_from: optional Text,
    }
}

table! {
    /// A script: one of `run` and `script-file`.
    "`shell` of a `[[provision]]`", Shell {
        /// The script itself.
        run: optional SecretText,
        /// A file with the script, relative to the definition's folder. It is taken as it is: nothing in it is replaced.
        script_file: optional Text,
        /// Environment of the script.
        env: optional Map<SecretText>,
        /// Run as this user instead of root.
        user: optional Text,
        /// Skip the step when this path exists in the guest. Afterwards it must exist.
        creates: optional Text,
        /// Exit codes that mean success. Default: 0.
        exit_codes: optional List<u32>,
    }
}

table! {
    /// A file in the guest: its content is one of `content` and `source`.
    "`file` of a `[[provision]]`", File {
        /// Absolute path in the guest. Missing parent folders are made.
        dest: required Text,
        /// What is in it.
        content: optional SecretText,
        /// A file on this host, relative to the definition's folder.
        source: optional Text,
        /// Permission bits, as a string of octal digits. Default: `0644`.
        mode: optional Mode,
        /// Owner, by name. Default: `root`.
        owner: optional Text,
        /// Group, by name. Default: `root`.
        group: optional Text,
    }
}

table! {
    /// Packages, by the guest's own package manager: apt, dnf, yum, tdnf or zypper.
    "`package` of a `[[provision]]`", Package {
        /// To be present: a name, `name=version`, the path of a package file in the guest, or its `https://` address.
        install: optional List<Text>,
        /// To be absent.
        remove: optional List<Text>,
        /// Not to be changed by upgrades any more. `["*"]` is all that is installed.
        hold: optional List<Text>,
        /// To be changed again, before anything else is done. `["*"]` is all that is held.
        unhold: optional List<Text>,
        /// Upgrade everything first. Default: false.
        upgrade: optional bool,
        /// Upgrade what `install` names, if it is there already. Default: false.
        latest: optional bool,
        /// Whether a version of `install` may be older than what is there. Default: false.
        downgrade: optional bool,
        /// Whether what `install` names brings along what it merely recommends; yum and tdnf know no recommendations. Default: true.
        recommends: optional bool,
        /// Whether signatures of packages are looked at. Default: true.
        gpg_check: optional bool,
    }
}

table! {
    /// A systemd unit. What is not said stays as it is.
    "`service` of a `[[provision]]`", Service {
        /// The unit. `.service` may be left out.
        name: required Text,
        /// Whether it starts at boot.
        enabled: optional bool,
        /// Whether it is forbidden to start at all.
        masked: optional bool,
        /// What it does now: `started`, `stopped` or `restarted`.
        state: optional One<ServiceState>,
    }
}

table! {
    /// A user of the image.
    "`user` of a `[[provision]]`", User {
        /// Login name.
        name: required Text,
        /// Remove the user instead. Default: false.
        absent: optional bool,
        /// User id. Default: the guest chooses.
        uid: optional u32,
        /// Supplementary groups. Missing ones are made.
        groups: optional List<Text>,
        /// Login shell.
        shell: optional Text,
        /// A system user. Default: false.
        system: optional bool,
        /// May use sudo without password. Default: false.
        sudo: optional bool,
        /// Public keys that may log in.
        authorized_keys: optional List<Text>,
    }
}

/// A script, or a table that says more about it.
#[derive(Debug)]
pub(in crate::definition) enum ShellChoice {
    Script(SecretText),
    Table(Box<Shell>),
}

impl Raw for ShellChoice {
    const EXPECTED: &'static str = "a script or a table";
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Form;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(_) => SecretText::decode(value, reader).map(Self::Script),
            DeValue::Table(_) => Shell::decode(value, reader).map(Box::new).map(Self::Table),
            _ => {
                reader.mismatch::<Self>(value);
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (script, table) = (SecretText::schema(generator), Shell::schema(generator));
        json_schema!({ "anyOf": [script, table] })
    }
}

/// The tables of steps, by how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Provision::HEADER, Provision::KEYS),
    (Shell::HEADER, Shell::KEYS),
    (File::HEADER, File::KEYS),
    (Package::HEADER, Package::KEYS),
    (Service::HEADER, Service::KEYS),
    (User::HEADER, User::KEYS),
];
