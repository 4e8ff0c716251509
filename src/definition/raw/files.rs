//! The tables of steps about folders, links, lines and units.
use crate::{
    definition::{
        reader::{Key, Table},
        scalar::{Mode, One, SecretText, Text},
        table::table,
    },
    plan::ServiceState,
};

table! {
    /// A folder. What is not said stays as it is.
    "`directory` of a `[[provision]]`", Directory {
        /// Absolute path in the guest. Missing parent folders are made.
        path: required Text,
        /// A folder on this host, relative to the definition's folder: what is in it is put into the one in the guest, symbolic links as
        /// links. It replaces what has the same names; the rest stays (see `delete`).
        source: optional Text,
        /// Permission bits, as a string of octal digits. Default: `0755` for a new folder. With `source`, also of the folders that it
        /// brings; those that are there keep theirs.
        mode: optional Mode,
        /// Owner, by name. Default: `root` for a new folder. With `source`, also of all that it brings.
        owner: optional Text,
        /// Group, by name. Default: `root` for a new folder. With `source`, also of all that it brings.
        group: optional Text,
        /// Permission bits of the files of `source`. Files that their owner may execute on this host get an `x` wherever there is an `r`.
        /// Default: `0644`.
        file_mode: optional Mode,
        /// Remove what is in the folder and not in `source`. Default: false.
        delete: optional bool,
        /// Remove the folder with all that is in it. Default: false.
        absent: optional bool,
        /// Remove what is in it. Default: false.
        empty: optional bool,
    }
}

table! {
    /// A symbolic link. What is at its place is replaced, unless it is a folder.
    "`link` of a `[[provision]]`", Link {
        /// Where the link is. Missing parent folders are made.
        path: required Text,
        /// What it points to. It need not be there.
        to: optional Text,
        /// Remove the link. Default: false.
        absent: optional bool,
    }
}

table! {
    /// A line in a file. The rest of the file, its owner and mode stay as they are.
    "`line` of a `[[provision]]`", Line {
        /// The file. Links are followed.
        path: required Text,
        /// The line, which is there once afterwards.
        line: optional SecretText,
        /// Extended regular expression: the last line that matches is replaced. With `absent`, every line that matches is removed.
        r#match: optional Text,
        /// Extended regular expression: a new line comes after the last line that matches. Default: at the end.
        after: optional Text,
        /// Remove the line. Default: false.
        absent: optional bool,
        /// Make the file when it is not there. Default: false.
        create: optional bool,
    }
}

table! {
    /// A systemd unit, or a drop-in that changes one: its content is one of `content` and `source`. The rest is as in `service`.
    "`unit` of a `[[provision]]`", Unit {
        /// The unit. `.service` may be left out.
        name: required Text,
        /// What is in it.
        content: optional SecretText,
        /// A file on this host, relative to the definition's folder.
        source: optional Text,
        /// Name of a drop-in, such as `10-limits.conf`, which changes the unit instead of being it.
        drop_in: optional Text,
        /// Whether it starts at boot.
        enabled: optional bool,
        /// Whether it is forbidden to start at all. Only with `drop-in`.
        masked: optional bool,
        /// What it does now: `started`, `stopped` or `restarted`.
        state: optional One<ServiceState>,
        /// Permission bits of the file. Default: `0644`.
        mode: optional Mode,
    }
}

/// The tables of this file, by how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (Directory::HEADER, Directory::KEYS),
    (Link::HEADER, Link::KEYS),
    (Line::HEADER, Line::KEYS),
    (Unit::HEADER, Unit::KEYS),
];
