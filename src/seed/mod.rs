//! Seeds: what a guest reads at its first boot so that the build can get in.
//!
//! A NoCloud seed is a small FAT volume labelled `CIDATA` with `user-data` and `meta-data`. It has no `network-config` on
//! purpose: cloud-init then configures DHCP on the first connected interface, by its real name. A version 2 document
//! that matches `e*` would be shorter to explain, but cloud-init 22.4 renders such a match for ifupdown and networkd as an
//! interface that is called like the entry, and the guest has no network.
//!
//! Answers of installers travel like that too: in a volume with a label of theirs, or in their initial RAM disk.
//!
//! A guest with systemd 252 or later needs neither cloud-init nor a volume: it takes the same keys from a system credential.
//!
//! Where a machine takes its seed as a CD-ROM only, and for installers, there are ISO 9660 volumes.
//!
//! Instances in a cloud are handed user data instead: the same for cloud-init, or a configuration for Ignition.
//!
//! What an installer is told is in [`answers`], and [`lint`] reads it before anything boots.
//!
//! The same input gives the same bytes.
pub mod answers;
mod cpio;
mod credentials;
mod fat;
mod iso;
pub mod lint;
mod nocloud;
mod user_data;

pub use answers::{append_answers, write_answers};
pub use credentials::{CREDENTIAL, write_credential};
pub use iso::write_iso;
pub use nocloud::{write_nocloud, write_nocloud_iso};
pub use user_data::{CORE, USER_DATA_LIMIT, write_ignition, write_user_data};

use crate::{plan::AnswersProblem, value::Secret};
use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What the guest is told.
#[derive(Debug)]
pub struct SeedSpec<'a> {
    /// Another instance than any before, or cloud-init does nothing.
    pub instance_id: &'a str,
    /// The guest's name while it is built.
    pub hostname: &'a str,
    /// The build user; `root` logs in as root.
    pub user: &'a str,
    /// Line of `authorized_keys`.
    pub authorized_key: &'a str,
    /// The guest's private host key, PEM text.
    pub host_key_private: &'a Secret,
    /// Line of `ssh_host_ed25519_key.pub`.
    pub host_key_public: &'a str,
}

/// The seed could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A template is wrong.
    #[error("could not fill the template `{name}`")]
    Template {
        /// Which: the user's file, or the name of a built-in one.
        name: String,
        /// Why.
        #[source]
        source: minijinja::Error,
    },
    /// The volume could not be made.
    #[error("could not make the seed volume")]
    Volume(#[source] io::Error),
    /// No installer can be told this.
    #[error("could not make answers for the installer")]
    Answers(#[source] AnswersProblem),
    /// The file could not be written.
    #[error("could not write the seed to `{}`", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes a new file that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), SeedError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)
    };
    write().map_err(|source| SeedError::Write { path: path.to_owned(), source })
}
