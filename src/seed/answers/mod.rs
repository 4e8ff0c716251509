//! Answers to an installer's questions: what is on its medium so that it asks none.
//!
//! [`render`] makes the files of an [`AnswersPlan`](crate::plan::AnswersPlan) from the templates in `kickstart/` and `cloud-init/`;
//! [`write_answers`] and [`append_answers`] put them where the installer looks. They tell it no key: what it installs is kept for
//! other builds, and each brings its own at the next boot. The files do the same for every installer: sshd at boot, no password,
//! root locked, no swap, and an end.
//!
//! What installers differ in is in their own language in one file. What they have in common is a script, `finish.sh`, which that
//! file starts as root in the installed system.
//!
//! The same plan gives the same bytes.
mod escape;
mod medium;
mod render;
#[cfg(test)]
mod tests;

pub use medium::{append_answers, write_answers};
pub use render::render;

/// The script that runs in the installed system.
pub(super) const FINISH: &str = "finish.sh";
/// Commands of the definition that run before the installer looks at disks, where they need a file.
const EARLY: &str = "early.sh";
/// Where the files are in the installed system while [`FINISH`] runs.
const FOLDER: &str = "/mnt/goldsmith";
/// Where they are in an initrd.
const IN_INITRD: &str = "goldsmith";

/// One file of the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Its path on the medium, without a leading `/`.
    pub name: String,
    /// What stands in it.
    pub text: String,
    /// Where messages say that it is: the user's template, or the built-in one's name.
    pub origin: String,
}
