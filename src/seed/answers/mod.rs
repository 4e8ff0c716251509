//! Answers to an installer's questions: what is on its medium so that it asks none.
//!
//! [`render`] makes the files of an [`AnswersPlan`] from the templates in `kickstart/` and `cloud-init/`, [`write_volume`] and
//! [`append_to_initrd`] put them where the installer looks. The files do the same for every installer: a user without a password who
//! lets exactly our key in, the host key by which we recognise the system, sshd at boot, root locked, and an end.
//!
//! What installers differ in is in their own language in one file. What they have in common is a script, `finish.sh`, which that
//! file starts as root in the installed system. It lies beside the private host key, which so never stands in a file that
//! installers copy to the installed system or print.
//!
//! The same plan and keys give the same bytes. [`AnswersKeys::placeholders`] stand for keys that are not made yet: they show people
//! what will be answered, and give a digest that says whether the answers changed.
mod escape;
mod medium;
mod render;
#[cfg(test)]
mod tests;

pub use medium::{append_answers, append_to_initrd, write_answers, write_volume};
pub use render::render;

use crate::{
    plan::{InstallEnd, Installer},
    value::{Digest, DigestAlgorithm, Secret},
};
use sha2::Digest as _;

/// The script that runs in the installed system.
pub(super) const FINISH: &str = "finish.sh";
/// Commands of the definition that run before the installer looks at disks, where they need a file.
const EARLY: &str = "early.sh";
/// The private host key.
pub(super) const HOST_KEY: &str = "ssh_host_ed25519_key";
/// Where the files are in the installed system while [`FINISH`] runs.
const FOLDER: &str = "/mnt/goldsmith";
/// Where they are in an initrd.
const IN_INITRD: &str = "goldsmith";

/// The keys of one build.
#[derive(Debug, Clone)]
pub struct AnswersKeys {
    /// The build user; not `root`.
    pub user: String,
    /// Line of `authorized_keys`.
    pub authorized_key: String,
    /// The private host key, PEM text.
    pub host_key_private: Secret,
    /// Line of `ssh_host_ed25519_key.pub`.
    pub host_key_public: String,
}

impl AnswersKeys {
    /// What stands for the keys of a build that has none yet.
    pub fn placeholders(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            authorized_key: "ssh-ed25519 THE-KEY-OF-THE-BUILD goldsmith".to_owned(),
            host_key_private: Secret::new("THE-HOST-KEY-OF-THE-BUILD\n"),
            host_key_public: "ssh-ed25519 THE-HOST-KEY-OF-THE-BUILD goldsmith".to_owned(),
        }
    }
}

/// What an installer is told, and how.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Who reads it.
    pub installer: Installer,
    /// The file in the installer's own language, then those that it refers to.
    pub files: Vec<AnswersFile>,
    /// Where they go.
    pub medium: AnswersMedium,
    /// Words for the installer's kernel, so that it finds the files, asks nothing and can be followed on the serial line.
    pub kernel_args: Vec<String>,
    /// What the machine does when the system is installed.
    pub end: InstallEnd,
}

/// One file of the answers.
#[derive(Debug, Clone)]
pub struct AnswersFile {
    /// Its path on the medium, without a leading `/`.
    pub name: String,
    /// What stands in it.
    pub text: Secret,
    /// Whether nobody may see it: the private host key.
    pub private: bool,
    /// Where messages say that it is: the user's template, or the built-in one's name.
    pub origin: String,
}

/// Where an installer looks for answers. A volume must be gone when the installed system boots for the first time: cloud-init in it
/// would take `CIDATA` for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswersMedium {
    /// A volume labelled `CIDATA`, which cloud-init reads in the live system.
    Cidata,
    /// A volume labelled `OEMDRV`, which Anaconda looks for by itself.
    Oemdrv,
    /// The root folder of the installer's initrd: Debian's reads a `preseed.cfg` there before its first question.
    Initrd,
}

impl Answers {
    /// The file in the installer's own language.
    pub fn main(&self) -> Option<&AnswersFile> {
        self.files.first()
    }

    /// SHA-256 of all that decides what the installer does. It names the result of answers made with
    /// [`AnswersKeys::placeholders`], whatever the keys will be.
    pub fn digest(&self) -> Option<Digest> {
        let mut state = sha2::Sha256::new();
        let mut add = |text: &str| {
            state.update((text.len() as u64).to_le_bytes());
            state.update(text);
        };
        for file in &self.files {
            add(&file.name);
            add(file.text.expose());
        }
        self.kernel_args.iter().for_each(|word| add(word));
        Digest::from_bytes(DigestAlgorithm::Sha256, &state.finalize())
    }
}
