//! Places where others may look into a running build: `--debug`, `--on-error shell`, and injected faults.
use super::BuildError;
use crate::cx::{Cx, Onlooker};
use async_trait::async_trait;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// How to log into the guest of a build that stopped.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where its SSH is: a port of this host that leads there, or its own address.
    pub address: SocketAddr,
    /// Login name.
    pub user: String,
    /// Private key, readable by its owner only; inside the build's work folder.
    pub key: PathBuf,
    /// A known_hosts file that pins the guest's key.
    pub known_hosts: PathBuf,
}

impl Access {
    /// The command that logs in, word by word.
    pub fn command(&self) -> Vec<String> {
        vec![
            "ssh".to_owned(),
            "-i".to_owned(),
            self.key.display().to_string(),
            "-o".to_owned(),
            format!("UserKnownHostsFile={}", self.known_hosts.display()),
            "-o".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "-p".to_owned(),
            self.address.port().to_string(),
            format!("{}@{}", self.user, self.address.ip()),
        ]
    }
}

/// What an observer of a build may do.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Before a stage begins. An error fails the build there.
    async fn before(&self, _cx: &Cx, _stage: &str, _access: Option<&Access>) -> Result<(), BuildError> {
        Ok(())
    }

    /// After a stage ended well. An error fails the build there.
    async fn after(&self, _cx: &Cx, _stage: &str) -> Result<(), BuildError> {
        Ok(())
    }

    /// Who looks at the guest after each step, if anyone.
    fn onlooker(&self) -> Option<Arc<dyn Onlooker>> {
        None
    }

    /// After a failure and before anything is undone, when the user asked for a shell. `access` is `None` when there is no
    /// guest to log into.
    async fn failed(&self, _cx: &Cx, _error: &BuildError, _access: Option<&Access>) {}
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

#[async_trait]
impl Hooks for NoHooks {}
