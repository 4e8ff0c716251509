//! Ways to log in, and by what a server is recognised.
use super::Login;
use crate::value::Secret;
use std::path::PathBuf;

/// How to log in to a machine that is not seeded by us.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// Ways to prove that we are this user, tried in order. A server that wants several gets several.
    pub proofs: Vec<Proof>,
    /// By what the server is recognised.
    pub host_key: HostKey,
    /// The machine to go through, if the server cannot be reached from here.
    pub bastion: Option<Box<Bastion>>,
}

/// One way to prove who we are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Proof {
    /// A private key: ed25519 or ECDSA.
    Key {
        /// As text, in OpenSSH's format or PKCS#8.
        pem: Secret,
        /// What it is encrypted with, if it is.
        passphrase: Option<Secret>,
    },
    /// A private key in a file of this host.
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What it is encrypted with, if it is.
        passphrase: Option<Secret>,
    },
    /// The keys of an SSH agent.
    Agent {
        /// Its socket; by default that of `$SSH_AUTH_SOCK`.
        socket: Option<PathBuf>,
    },
    /// A password. It answers keyboard-interactive questions too.
    Password(Secret),
}

/// By what a server is recognised. There is no way to trust just anybody.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HostKey {
    /// Its public key, as a line of `ssh_host_ed25519_key.pub`.
    Pinned(String),
    /// A line about it in a file in the format of `~/.ssh/known_hosts`.
    KnownHosts(PathBuf),
}

/// A machine that leads our connection on.
#[derive(Debug, Clone)]
pub struct Bastion {
    /// Name or address.
    pub host: String,
    /// Its port, mostly 22.
    pub port: u16,
    /// How to log in to it.
    pub credentials: Credentials,
}

/// Something that a login needs cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A file cannot be read.
    #[error("could not read `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no private key of a kind that we know, or the passphrase is wrong.
    #[error(
        "could not use the SSH key {name}: it is none in OpenSSH's format or PKCS#8, or its passphrase is another"
    )]
    Key {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is RSA, for whose signatures there is no code here.
    #[error(
        "the SSH key {name} is RSA, which goldsmith does not sign with (RUSTSEC-2023-0071): make another with \
         `ssh-keygen -t ed25519`, or have an agent hold it"
    )]
    Rsa {
        /// Which.
        name: String,
    },
    /// It is encrypted.
    #[error("the SSH key {name} is encrypted, and no passphrase is given")]
    Locked {
        /// Which.
        name: String,
    },
    /// Nobody says where the agent is.
    #[error("there is no SSH agent: SSH_AUTH_SOCK is not set")]
    NoAgent,
    /// The pinned host key is none.
    #[error("could not read the host key of `{host}`")]
    HostKey {
        /// Whose.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<&Login> for Credentials {
    fn from(login: &Login) -> Self {
        Self {
            user: login.user.clone(),
            proofs: vec![Proof::Key { pem: login.key.clone(), passphrase: None }],
            host_key: HostKey::Pinned(login.host_key.clone()),
            bastion: None,
        }
    }
}
