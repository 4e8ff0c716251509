//! The tables of steps that wait and that assert.
use crate::definition::{
    reader::{Key, Table},
    scalar::Text,
    table::table,
};

table! {
    /// Waits until something is there, at most as long as the step's `timeout`: one of `path`, `port`, `unit` and `run`.
    "`wait-for` of a `[[provision]]`", WaitFor {
        /// A path that exists.
        path: optional Text,
        /// A TCP port that takes connections.
        port: optional u32,
        /// Where the port is, seen from the guest. Default: `127.0.0.1`.
        host: optional Text,
        /// A systemd unit that is active.
        unit: optional Text,
        /// A command that succeeds.
        run: optional Text,
        /// Pause between two looks. Default: `2s`.
        every: optional Text,
    }
}

table! {
    /// An assertion about the booted result, which does nothing while the image is built. Without `equals` and `matches`, the
    /// exit code counts.
    "`check` of a `[[provision]]`", Check {
        /// What people read about it. Default: the command.
        name: optional Text,
        /// A shell command.
        run: required Text,
        /// What it prints, apart from blanks at both ends.
        equals: optional Text,
        /// Extended regular expression that a line of what it prints matches.
        matches: optional Text,
        /// Its exit code. Default: 0.
        exit_code: optional u32,
        /// Run as this user instead of root.
        as_user: optional Text,
    }
}

/// The tables of this file, by how people find them.
pub(super) const TABLES: &[(&str, &[Key])] =
    &[(WaitFor::HEADER, WaitFor::KEYS), (Check::HEADER, Check::KEYS)];
