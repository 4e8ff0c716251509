//! Which installer a medium has, and how it is booted without its boot loader.
use super::{
    BootEntry, BootImage, Iso, IsoError, Kind,
    entries::{self, Source, TreeInfo, stage2},
};
use std::fmt;

/// More of a menu is not read; the largest have some dozen KiB.
const LONGEST_TEXT: u64 = 1 << 20;
/// How much of the top of the tree an error shows.
const MOST_NAMES: usize = 30;

/// Whose installer it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// Subiquity (`autoinstall`), or the installer of Debian in older ones.
    Ubuntu,
    /// The installer of Debian (preseed).
    Debian,
    /// Anaconda (kickstart): Red Hat Enterprise Linux, its relatives, Fedora.
    RedHat {
        /// The product: `Rocky Linux`.
        name: String,
    },
    /// FAI, Fully Automatic Installation.
    Fai,
    /// Photon OS.
    Photon,
    /// Flatcar Container Linux.
    Flatcar,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ubuntu => "Ubuntu",
            Self::Debian => "Debian",
            Self::RedHat { name } => name,
            Self::Fai => "FAI",
            Self::Photon => "Photon OS",
            Self::Flatcar => "Flatcar",
        })
    }
}

/// An installer medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medium {
    /// The volume's name.
    pub label: String,
    /// Whose installer it is, if it is known here.
    pub family: Option<Family>,
    /// The version of the system that it installs.
    pub version: Option<String>,
    /// Every way to boot it that its menus and other files name, in their order. Kernel and initrd of each are on the medium.
    pub entries: Vec<BootEntry>,
    /// What firmware starts (El Torito).
    pub el_torito: Vec<BootImage>,
    /// Names at the top of its tree; folders end with `/`.
    pub top: Vec<String>,
    /// What its menus name and the medium does not have.
    pub missing: Vec<String>,
}

/// Kernels, and what is loaded with them, at the places where installers have them, should no menu name them.
const KNOWN: &[(&str, &str, &str)] = &[
    ("/casper/vmlinuz", "/casper/initrd", "---"),
    ("/casper/vmlinuz", "/casper/initrd.gz", "---"),
    ("/install.amd/vmlinuz", "/install.amd/initrd.gz", "--- quiet"),
    ("/install.a64/vmlinuz", "/install.a64/initrd.gz", "--- quiet"),
    ("/install/vmlinuz", "/install/initrd.gz", "--- quiet"),
    ("/images/pxeboot/vmlinuz", "/images/pxeboot/initrd.img", STAGE2),
    ("/flatcar/vmlinuz", "/flatcar/cpio.gz", ""),
];
/// Stands for the argument that depends on the label.
const STAGE2: &str = "inst.stage2";

impl Medium {
    /// Looks at the medium.
    pub fn read(iso: &Iso) -> Result<Self, IsoError> {
        let text = |path: &str| iso.text(path, LONGEST_TEXT);
        let has =
            |path: &str| Ok::<_, IsoError>(iso.entry(path)?.is_some_and(|entry| entry.kind == Kind::File));
        let source = Source { text: &text, label: iso.label(), uuid: iso.uuid() };
        let mut found = entries::all(&source)?;
        let tree = text(TreeInfo::PATH)?.map(|text| TreeInfo::parse(&text));
        found.extend(tree.as_ref().and_then(|tree| tree.entry(iso.label())));
        for (kernel, initrd, arguments) in KNOWN {
            if !found.iter().any(|entry| entry.kernel == *kernel) && has(kernel)? && has(initrd)? {
                found.push(known(kernel, initrd, arguments, iso.label()));
            }
        }
        let (mut whole, mut missing) = (Vec::new(), Vec::new());
        for entry in found {
            let mut absent = None;
            for path in entry.initrd.iter().chain([&entry.kernel]) {
                if !has(path)? {
                    absent = Some(path.clone());
                }
            }
            match absent {
                None => whole.push(entry),
                Some(path) => missing.push(format!("`{path}` of `{}` ({})", entry.title, entry.from)),
            }
        }
        let info = text("/.disk/info")?.unwrap_or_default();
        let (family, version) = identify(iso, &whole, &info, tree.as_ref())?;
        let top = iso.list("/")?.unwrap_or_default();
        let folder = |kind: &Kind| if *kind == Kind::Folder { "/" } else { "" };
        let mut top: Vec<String> =
            top.into_iter().map(|entry| format!("{}{}", entry.name, folder(&entry.kind))).collect();
        top.sort();
        Ok(Self {
            label: iso.label().to_owned(),
            family,
            version,
            entries: whole,
            el_torito: iso.boot_images().to_vec(),
            top,
            missing,
        })
    }
}

fn known(kernel: &str, initrd: &str, arguments: &str, label: &str) -> BootEntry {
    let arguments = match arguments {
        STAGE2 => vec![stage2(label)],
        words => words.split_whitespace().map(str::to_owned).collect(),
    };
    BootEntry {
        title: "Install".to_owned(),
        kernel: kernel.to_owned(),
        initrd: vec![initrd.to_owned()],
        arguments,
        from: kernel.to_owned(),
    }
}

/// Family and version, by what only one of them has.
fn identify(
    iso: &Iso,
    entries: &[BootEntry],
    info: &str,
    tree: Option<&TreeInfo>,
) -> Result<(Option<Family>, Option<String>), IsoError> {
    // `Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)`, `Debian GNU/Linux 12.7.0 "Bookworm" - …`
    let version = || {
        let mut words = info.split_whitespace();
        words.find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
    };
    if iso.entry("/FAI-CD")?.is_some() || iso.label().starts_with("FAI") {
        return Ok((Some(Family::Fai), None));
    }
    if info.starts_with("Ubuntu") {
        return Ok((Some(Family::Ubuntu), version()));
    }
    if info.starts_with("Debian") {
        return Ok((Some(Family::Debian), version()));
    }
    let uses =
        |what: &str| entries.iter().any(|entry| entry.arguments.iter().any(|word| word.starts_with(what)));
    if iso.label().starts_with("PHOTON") || uses("photon.") {
        return Ok((Some(Family::Photon), None));
    }
    if entries.iter().any(|entry| entry.kernel.starts_with("/flatcar/")) {
        return Ok((Some(Family::Flatcar), None));
    }
    // openSUSE has the file too, and another installer.
    if uses("inst.") && entries.iter().any(|entry| entry.kernel.ends_with("/vmlinuz")) {
        let name = tree.and_then(TreeInfo::name).unwrap_or(iso.label()).to_owned();
        return Ok((Some(Family::RedHat { name }), tree.and_then(TreeInfo::version).map(str::to_owned)));
    }
    Ok((None, version()))
}

/// No entry installs by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not tell how the installer of the ISO `{label}` is booted: {why}")]
pub struct NoEntry {
    /// The volume's name.
    pub label: String,
    /// What was looked for, and what is there.
    pub why: String,
}

impl NoEntry {
    /// What to write into the definition.
    pub fn hint(&self) -> String {
        "name them in the definition, in `[source.iso]`: `kernel = \"/path/in/the/iso\"`, `initrd = \"/path/in/the/iso\"`, \
         `arguments = [\"…\"]`, and `menu-arguments = false`, for there is no menu to take more from; or let a boot command be typed at the medium's own menu with `[[source.iso.type]]`"
            .to_owned()
    }
}

/// What an entry's title or arguments have if it is not for an unattended installation, and why.
const OTHERWISE: &[&str] = &[
    "rescue",
    "memtest",
    "memory test",
    "test memory",
    // Without the drivers of the graphics card; for people at screens.
    "nomodeset",
    "safe graphics",
    "basic graphics",
    "compatible",
    // Debian's: graphical, for experts, for who cannot see.
    "graphical",
    "/gtk/",
    "priority=low",
    "speech",
    "speakup",
    "theme=dark",
    // Ubuntu's: another kernel, for makers of hardware, a look at the medium only.
    "hwe",
    "oem install",
    "oem-config",
    "integrity-check",
    // Systems that run from the medium.
    "boot=live",
    "persistent",
    "toram",
];

/// The entry for an unattended installation, with the medium's own arguments, but without the check of the medium: its digest is
/// known.
pub fn direct(medium: &Medium) -> Result<BootEntry, NoEntry> {
    let fits = |entry: &&BootEntry| {
        let all = [&entry.title, &entry.kernel].into_iter().chain(&entry.initrd).chain(&entry.arguments);
        let all = all.map(|word| word.to_ascii_lowercase()).collect::<Vec<_>>().join(" ");
        !OTHERWISE.iter().any(|word| all.contains(word))
    };
    let fitting: Vec<&BootEntry> = medium.entries.iter().filter(fits).collect();
    let installs = |entry: &&&BootEntry| {
        entry.title.to_ascii_lowercase().contains("install") || has(entry, "FAI_ACTION=install")
    };
    let asks = |entry: &&BootEntry| {
        entry.arguments.iter().any(|word| word.starts_with("FAI_FLAGS=") && word.contains("menu"))
    };
    let choices: Vec<&BootEntry> = fitting.iter().filter(installs).copied().collect();
    let chosen = choices
        .iter()
        .find(|entry| !checks(entry) && !asks(entry))
        .or_else(|| choices.iter().find(|entry| !asks(entry)))
        .or_else(|| choices.first())
        // Only of an installer that is known it is known that whatever it boots installs.
        .or_else(|| medium.family.as_ref().and_then(|_| fitting.first()));
    let mut entry = chosen.copied().cloned().ok_or_else(|| nothing(medium))?;
    entry.arguments.retain(|word| !is_check(word));
    Ok(entry)
}

fn has(entry: &BootEntry, argument: &str) -> bool {
    entry.arguments.iter().any(|word| word == argument)
}

fn checks(entry: &BootEntry) -> bool {
    entry.arguments.iter().any(|word| is_check(word))
}

fn is_check(argument: &str) -> bool {
    argument == "rd.live.check" || argument.starts_with("rd.live.check=") || argument == "mediacheck"
}

fn nothing(medium: &Medium) -> NoEntry {
    let mut why = if medium.entries.is_empty() {
        let menus = entries::GRUB.iter().chain(entries::ISOLINUX).chain([&TreeInfo::PATH]);
        let mut kernels: Vec<&str> = KNOWN.iter().map(|(kernel, _, _)| *kernel).collect();
        kernels.dedup();
        let menus = menus.copied().collect::<Vec<_>>().join(", ");
        format!("no menu ({menus}) names a kernel that is there, and it has none of {}", kernels.join(", "))
    } else {
        let titles = medium.entries.iter().map(|entry| format!("`{}` ({})", entry.title, entry.from));
        format!("none of its menu's entries is known to install unattended: {}", some(titles.collect()))
    };
    if !medium.missing.is_empty() {
        why.push_str(&format!("; its menus name what it does not have: {}", some(medium.missing.clone())));
    }
    let top = medium.top.iter().map(|name| format!("`{name}`")).collect();
    why.push_str(&format!("; at the top of its tree are {}", some(top)));
    NoEntry { label: medium.label.clone(), why }
}

/// As many as fit into a message.
fn some(names: Vec<String>) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let more = names.len().saturating_sub(MOST_NAMES);
    let shown = names.into_iter().take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
