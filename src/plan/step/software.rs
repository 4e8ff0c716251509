//! Where packages come from, and files from elsewhere.
use super::{Content, Step, StepKind};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// A package repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryStep {
    /// One for apt.
    Apt(AptRepository),
    /// One for dnf, yum, tdnf or zypper.
    Rpm(RpmRepository),
    /// No longer there, whatever it was for.
    Absent {
        /// Its name.
        name: String,
    },
    /// All that came with the system, on or off.
    Public {
        /// `enabled` or `disabled`.
        state: String,
    },
    /// A file of the user's own.
    File {
        /// What is in it.
        content: Content,
        /// Name of the file.
        name: String,
        /// Where it goes; the folder of the guest's package manager when not said.
        dest: Option<String>,
    },
}

/// A repository for apt. Texts may hold `${secret.NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AptRepository {
    /// Name of its file, without extension.
    pub name: String,
    /// Where it is.
    pub uris: Vec<String>,
    /// Releases, or paths that end with `/`.
    pub suites: Vec<String>,
    /// Parts of the releases.
    pub components: Vec<String>,
    /// `deb`, `deb-src`.
    pub types: Vec<String>,
    /// More fields, such as `Architectures`.
    pub options: BTreeMap<String, String>,
    /// The public key that it is signed with, ASCII-armoured.
    pub key: Option<Content>,
    /// Whether it is used.
    pub enabled: bool,
}

/// A repository for the family of rpm. Texts may hold `${secret.NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RpmRepository {
    /// Its id, and the name of its file without extension.
    pub name: String,
    /// Where it is.
    pub baseurl: String,
    /// More settings, such as `priority`.
    pub options: BTreeMap<String, String>,
    /// Whether signatures of packages are looked at.
    pub gpg_check: bool,
    /// Addresses of public keys, separated by blanks.
    pub gpg_key: Option<String>,
    /// A public key, ASCII-armoured.
    pub key: Option<Content>,
    /// Whether it is used.
    pub enabled: bool,
}

/// How a file from elsewhere comes into the guest, and how it is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Transfer {
    /// Where it is.
    pub origin: FileOrigin,
    /// `sha256:…` or `sha512:…`; empty is as good as none.
    pub digest: Option<String>,
    /// Address of a file with the digest; empty is as good as none.
    pub digest_url: Option<String>,
    /// Who downloads it.
    pub via: Via,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileOrigin {
    /// An address; may hold `${secret.NAME}`.
    Url(String),
    /// In the guest already.
    Guest(String),
    /// On this host, absolute.
    Host(PathBuf),
}

/// Who downloads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// This host, into its cache; then it is sent to the guest.
    Host,
    /// The guest.
    Guest,
}

/// Download a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DownloadStep {
    /// Which.
    pub from: Transfer,
    /// Absolute path in the guest.
    pub dest: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner, by name.
    pub owner: String,
    /// Group, by name.
    pub group: String,
}

/// Unpack an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArchiveStep {
    /// Which.
    pub from: Transfer,
    /// The folder that it is unpacked in.
    pub dest: String,
    /// So many leading folders of each name are left out.
    pub strip: u32,
    /// Only what matches one of these patterns; all when empty.
    pub include: Vec<String>,
    /// Not what matches one of these patterns.
    pub exclude: Vec<String>,
    /// Owner of what is unpacked.
    pub owner: Option<String>,
    /// Group of what is unpacked.
    pub group: Option<String>,
    /// Permission bits of the files that are unpacked.
    pub mode: Option<u32>,
    /// Skipped when this path exists in the guest; afterwards it must exist.
    pub creates: Option<String>,
}

/// Container images for containerd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageStep {
    /// An archive to import.
    pub from: Option<Transfer>,
    /// Names to pull.
    pub pull: Vec<String>,
    /// containerd's namespace.
    pub namespace: String,
    /// Whether the images are unpacked, too.
    pub unpack: bool,
    /// An architecture to be taken out of the names: `amd64` makes `pause:3` of `pause-amd64:3`.
    pub strip_arch: Option<String>,
    /// More names: the new one by the old one.
    pub tag: BTreeMap<String, String>,
}

/// Run a playbook of Ansible on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AnsibleStep {
    /// The playbook, absolute.
    pub playbook: PathBuf,
    /// Where its roles are, absolute.
    pub roles_path: Option<PathBuf>,
    /// Variables; values may hold `${secret.NAME}`.
    pub extra_vars: BTreeMap<String, String>,
    /// More arguments of `ansible-playbook`.
    pub args: Vec<String>,
    /// The user that tasks run as; root when not said.
    pub user: Option<String>,
}

/// Something that a step downloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Input {
    /// Its address.
    pub url: String,
    /// Its digest, if the definition says it.
    pub digest: Option<String>,
    /// Where its digest is, if the definition does not say it.
    pub digest_url: Option<String>,
    /// Who downloads it.
    pub via: Via,
    /// Where the step stands, `file:line`.
    pub at: String,
}

/// Every address that `steps` name as one file to get. What package managers and containerd get by themselves is not here.
pub fn inputs(steps: &[Step]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for step in steps {
        let transfer = match &step.kind {
            StepKind::Download(download) => Some(&download.from),
            StepKind::Archive(archive) => Some(&archive.from),
            StepKind::Image(image) => image.from.as_ref(),
            StepKind::Package(package) => {
                for url in package.install.iter().filter(|wanted| wanted.contains("://")) {
                    let (url, at) = (url.clone(), step.at.clone());
                    inputs.push(Input { url, digest: None, digest_url: None, via: Via::Guest, at });
                }
                None
            }
            _ => None,
        };
        let Some(Transfer { origin: FileOrigin::Url(url), digest, digest_url, via }) = transfer else {
            continue;
        };
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (digest, digest_url) = (some(digest), some(digest_url));
        inputs.push(Input { url: url.clone(), digest, digest_url, via: *via, at: step.at.clone() });
    }
    inputs
}
