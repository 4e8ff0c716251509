//! Boot menus: which kernel, initrd and arguments an entry boots with. Texts in, values out.
mod grub;
mod isolinux;
mod treeinfo;

pub(super) use treeinfo::{TreeInfo, stage2};

use super::IsoError;
use serde::Serialize;
use std::collections::BTreeSet;

/// Where GRUB's menus are, in the order in which they are believed.
pub(super) const GRUB: &[&str] = &[
    "/boot/grub/grub.cfg",
    "/EFI/BOOT/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub/x86_64-efi/grub.cfg",
    "/EFI/debian/grub.cfg",
    "/grub/grub.cfg",
    "/flatcar/grub/grub.cfg",
];
/// Where the menus of ISOLINUX and its relatives are.
pub(super) const ISOLINUX: &[&str] = &[
    "/isolinux/isolinux.cfg",
    "/boot/isolinux/isolinux.cfg",
    "/isolinux.cfg",
    "/syslinux/syslinux.cfg",
    "/syslinux/isolinux.cfg",
    "/boot/syslinux/syslinux.cfg",
    "/syslinux.cfg",
];
/// A menu that includes more files than this includes itself.
const MOST_FILES: usize = 32;
/// No menu has more entries.
const MOST_ENTRIES: usize = 200;
/// No command is longer, in bytes; the kernel takes 4096 at most.
const LONGEST_COMMAND: usize = 16 << 10;

/// A way to boot the medium.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BootEntry {
    /// As the menu shows it.
    pub title: String,
    /// Path of the kernel in the ISO.
    pub kernel: String,
    /// Paths of what is loaded with it, in this order.
    pub initrd: Vec<String>,
    /// The kernel's arguments, without quotes. `---` is among them where the medium has it.
    pub arguments: Vec<String>,
    /// The file of the ISO that says so.
    pub from: String,
}

impl BootEntry {
    /// The kernel's command line with more arguments. They come before `---`: what stands behind it is for the installed
    /// system, and installers of Debian and Ubuntu copy it there.
    pub fn command_line(&self, more: &[String]) -> String {
        let border = self.arguments.iter().position(|word| word == "---" || word == "--");
        let (medium, installed) = self.arguments.split_at(border.unwrap_or(self.arguments.len()));
        medium.iter().chain(more).chain(installed).map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// As the kernel reads it: quotes around an argument are taken off.
fn quoted(word: &str) -> String {
    if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.to_owned() }
}

/// The texts of a medium, and what GRUB can ask about it.
pub(super) struct Source<'a> {
    /// The text of a file; `None` if there is none.
    pub(super) text: &'a dyn Fn(&str) -> Result<Option<String>, IsoError>,
    pub(super) label: &'a str,
    pub(super) uuid: Option<&'a str>,
}

/// The entries of all menus of the medium, in their order.
pub(super) fn all(source: &Source<'_>) -> Result<Vec<BootEntry>, IsoError> {
    let mut entries = Vec::new();
    for path in GRUB {
        entries.extend(grub::read(source, path)?);
    }
    for path in ISOLINUX {
        entries.extend(isolinux::read(source, path)?);
    }
    // Menus for BIOS and EFI have the same entries mostly.
    let mut seen = BTreeSet::new();
    entries.retain(|entry| seen.insert((entry.title.clone(), entry.kernel.clone(), entry.arguments.clone())));
    Ok(entries)
}

/// `path` as an absolute path; a relative one begins in `folder`.
fn absolute(folder: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The folder of a file.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every file of the medium has this text.
    fn entries(text: &str) -> Vec<BootEntry> {
        let text = |_: &str| Ok(Some(text.to_owned()));
        all(&Source { text: &text, label: "A label", uuid: None }).unwrap()
    }

    #[test]
    fn a_menu_cannot_grow_without_bounds() {
        let double = format!("set a=12345678\n{}", "set a=$a$a\n".repeat(100));
        let many =
            format!("{double}menuentry x {{\nlinux /k {}\n}}\n", "$a \"$a\" ".repeat(20_000)).repeat(3);
        for entry in entries(&many) {
            assert!(entry.command_line(&[]).len() < 4 * LONGEST_COMMAND);
        }
        let labels = format!("append {}\n{}", "x ".repeat(50_000), "label l\nkernel k\n".repeat(5000));
        let found = entries(&labels);
        assert!(found.len() <= MOST_ENTRIES * ISOLINUX.len());
        assert!(found.iter().all(|entry| entry.command_line(&[]).len() <= LONGEST_COMMAND));
    }

    #[test]
    fn a_menu_that_includes_itself_ends() {
        assert!(entries("include isolinux.cfg\nsource /boot/grub/grub.cfg\nconfigfile /x\n").is_empty());
    }

    proptest! {
        #[test]
        fn any_menu_is_read(
            text in "((menuentry|submenu|set|linux|initrd|source|probe -s|-u|label|kernel|append|include|menu label|text help|\
                     endtext|a=b|\\$a|[{}'\"/=,;-]|[a-z]|\\PC)[ \n]?)*",
        ) {
            for entry in entries(&text) {
                prop_assert!(entry.kernel.starts_with('/'));
                prop_assert!(entry.initrd.iter().all(|path| path.starts_with('/')));
            }
        }
    }
}
