//! An operating system that its installer puts on the disk.
use super::{AnswersPlan, Origin};
use crate::value::{Digest, HumanDuration};
use serde::Serialize;
use url::Url;

/// An installer's medium, and what is told to the installer so that it asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct IsoPlan {
    /// Where the medium is: the first that answers is used.
    pub origins: Vec<Origin>,
    /// How the medium is known to be the right one.
    pub digest: IsoDigest,
    /// How the installer is started.
    pub boot: InstallerBoot,
    /// The answers to what it would ask.
    pub answers: Answers,
    /// What the answers were made of, when goldsmith wrote them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<AnswersPlan>,
    /// What is odd about the answers without being wrong, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// From power-on until the installer restarts or powers off its machine.
    pub timeout: HumanDuration,
}

/// How a medium is known to be the right one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsoDigest {
    /// By its digest.
    Known(Digest),
    /// By its line in a list such as `SHA256SUMS`, which is fetched for it.
    Listed(Url),
    /// It is a file of this host, and is taken as it is.
    Trusted,
}

/// How an installer is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallerBoot {
    /// Its kernel is taken out of the medium and started directly.
    Direct {
        /// Path of the kernel on the medium. Without it: what the medium's boot menu says.
        kernel: Option<String>,
        /// Path of the initial RAM disk on the medium. Without it: what the medium's boot menu says.
        initrd: Option<String>,
        /// Arguments of the kernel, after those of the medium's boot menu.
        arguments: Vec<String>,
        /// Whether the arguments of the medium's boot menu are kept.
        keep_menu: bool,
    },
    /// From the CD-ROM, with keys pressed for it.
    Typed {
        /// What is done, in order.
        steps: Vec<TypedStep>,
    },
}

/// One thing done to an installer that starts from its CD-ROM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TypedStep {
    /// For people.
    pub label: String,
    /// What must have happened before.
    pub wait: TypedWait,
    /// Keys, in the notation of Packer's `boot_command`.
    pub keys: String,
}

/// What must have happened before keys are pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TypedWait {
    /// So much time passed.
    Time(HumanDuration),
    /// The screen shows this text. It can be read in text mode only, in which BIOS and most of its boot loaders are.
    Screen {
        /// The text.
        text: String,
        /// At most so long.
        limit: HumanDuration,
    },
    /// The serial console printed this text.
    Serial {
        /// The text.
        text: String,
        /// At most so long.
        limit: HumanDuration,
    },
}

/// Files that answer what an installer would ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Answers {
    /// Where the installer finds them.
    pub place: AnswerPlace,
    /// The files.
    pub files: Vec<AnswerFile>,
}

/// Where an installer finds its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerPlace {
    /// In the root folder of a second medium with this label.
    Volume(String),
    /// On a server of ours, which runs as long as the installer. Its arguments or keys say where, by placeholders
    /// ([`with_server`](super::with_server)).
    Served,
    /// In the initial RAM disk, at its root. Only with a kernel that is started directly.
    Initrd,
}

/// One file of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AnswerFile {
    /// Its name; without folders, but in an initial RAM disk.
    pub name: String,
    /// Its text.
    pub text: String,
}
