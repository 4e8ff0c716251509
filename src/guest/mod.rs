//! The way into a guest: keys, connection, commands, files, facts.
//!
//! ```text
//!   connect ──> Guest ── settle, quiesce, grow, reboot     bring it to rest, restart it
//!                 │
//!                 ├─ Communicator: exec, run_script, upload, download     (the only seam that provisioning knows)
//!                 │       │           │
//!                 │     launch      shell ── wire     how a script gets in and its output out: by a channel of its own,
//!                 │       │           │               or through a root shell that stays
//!                 ├─ upload_tree ── tar               a folder in one channel
//!                 │       │           │
//!                 └──── ssh ──────────┘               one connection; the only file that knows the SSH library
//! ```
//!
//! A guest is recognised by a host key that we made and put into its seed: until it shows that key it is somebody else.
//! Scripts run as root, through `sudo -n` unless the login is root's. What they hold never touches a command line or a
//! disk of the guest.
mod adopt;
mod auth;
mod command;
mod connect;
mod facts;
mod grow;
mod keys;
mod launch;
mod lead;
mod login;
#[cfg(test)]
mod login_tests;
mod obstacle;
mod output;
mod quote;
mod session;
mod settle;
mod shell;
#[cfg(test)]
mod shell_tests;
mod space;
mod ssh;
#[cfg(test)]
pub(crate) mod sshd;
mod tar;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;
mod wire;

pub use adopt::adopt;
pub use command::{
    Captured, CommError, Command, Communicator, Content, Exit, LineSink, Sent, Target, capture,
};
pub use connect::{GuestError, Trouble, connect, connect_with};
pub use facts::{Facts, Family, PackageManager};
pub use grow::Growth;
pub use keys::{BuildKeys, KeyError};
pub use login::{Bastion, Credentials, HostKey, LoginError, Proof};
pub use quote::{quote, quote_all};
pub use session::Guest;
pub use settle::APT_JOBS;
pub use space::FileSystem;
pub use tree::{TreeEntry, TreeKind, TreeSize, TreeTarget, tree};

use crate::value::Secret;

/// How to log in to a guest, and by what it is recognised.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Its private key, as OpenSSH PEM text.
    pub key: Secret,
    /// Its public key, as a line of `authorized_keys`.
    pub authorized_key: String,
    /// The guest's public host key, as a line of `ssh_host_ed25519_key.pub`.
    pub host_key: String,
}
