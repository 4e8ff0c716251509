//! All that can be said of an installer medium without booting it.
use super::{BootEntry, BootImage, Iso, IsoError, Medium, Names, Origin, direct};
use serde::Serialize;

/// What was found on a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The volume's name.
    pub label: String,
    /// What Linux and GRUB take for its UUID: a time.
    pub uuid: Option<String>,
    /// Bytes of the volume.
    pub volume_bytes: u64,
    /// Bytes of the file; of hybrid media it is longer.
    pub file_bytes: u64,
    /// By which of its names it is read.
    pub names: Names,
    /// What it says of its making.
    #[serde(flatten)]
    pub origin: Origin,
    /// What firmware starts (El Torito), in its order.
    pub boot: Vec<BootImage>,
    /// Whose installer is on it.
    pub installer: Option<Installer>,
    /// Its menus' entries, in their order.
    pub entries: Vec<Choice>,
    /// What its menus name and it does not have.
    pub missing: Vec<String>,
    /// Names at the top of its tree; folders end with `/`.
    pub top: Vec<String>,
    /// Why no entry is one that a build would start, and what to do about it.
    pub note: Option<String>,
}

/// An installer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installer {
    /// Of which system: `Debian`.
    pub name: String,
    /// Of which version, if it says so.
    pub version: Option<String>,
}

/// An entry of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The entry.
    #[serde(flatten)]
    pub entry: BootEntry,
    /// Whether a build starts this one if its definition does not say otherwise.
    pub chosen: bool,
}

/// Looks at a medium.
pub fn inspect(iso: &Iso) -> Result<Inspection, IsoError> {
    let medium = Medium::read(iso)?;
    let chosen = direct(&medium);
    // The chosen one may have lost arguments.
    let is_chosen = |entry: &BootEntry| {
        chosen.as_ref().is_ok_and(|chosen| {
            (&chosen.from, &chosen.title, &chosen.kernel, &chosen.initrd)
                == (&entry.from, &entry.title, &entry.kernel, &entry.initrd)
        })
    };
    let first = medium.entries.iter().position(is_chosen);
    // Of a medium with data nobody expects that it boots.
    let silent = medium.family.is_none() && medium.entries.is_empty() && medium.missing.is_empty();
    let note = chosen.as_ref().err().filter(|_| !silent);
    let note = note.map(|error| format!("{}; {}", error.why, error.hint()));
    Ok(Inspection {
        uuid: iso.uuid().map(str::to_owned),
        volume_bytes: iso.size(),
        file_bytes: iso.file_size(),
        names: iso.names(),
        origin: iso.origin().clone(),
        boot: medium.el_torito,
        installer: medium
            .family
            .map(|family| Installer { name: family.to_string(), version: medium.version }),
        entries: medium
            .entries
            .into_iter()
            .enumerate()
            .map(|(at, entry)| Choice { entry, chosen: Some(at) == first })
            .collect(),
        missing: medium.missing,
        top: medium.top,
        label: medium.label,
        note,
    })
}
