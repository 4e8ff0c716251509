//! Systems that installers put on the disk, each from a medium that the test assembles.
//!
//! debian-installer is the real one, as Debian packages it; it cannot finish where the mirror lacks its packages, so it goes as far as
//! its look at the mirror. A whole installation from end to end is done by a stand-in of ours, and, in a tier of its own, by FAI.
mod broken;
mod debian;
mod fai;
mod media;
mod stand_in;

use crate::support::tool;
use std::path::{Path, PathBuf};

/// Makes an ISO of `tree`, labelled `label`.
fn iso(tree: &Path, label: &str, more: &[&str]) -> PathBuf {
    let path = tree.with_extension("iso");
    let output = path.to_str().unwrap().to_owned();
    let fixed = ["-as", "mkisofs", "-quiet", "-R", "-J", "-V", label, "-o", &output];
    tool("xorriso", &[&fixed, more, &["."]].concat(), tree);
    path
}
