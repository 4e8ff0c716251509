//! Anaconda: kickstart, after pykickstart's documents for the releases of RHEL.
use super::{Does, Report, nearest};
use crate::plan::InstallEnd;

/// Commands of RHEL 8, most of which there are ever since.
const COMMANDS: &[&str] = &[
    "auth",
    "authconfig",
    "authselect",
    "autopart",
    "autostep",
    "bootloader",
    "btrfs",
    "cdrom",
    "clearpart",
    "cmdline",
    "device",
    "deviceprobe",
    "dmraid",
    "driverdisk",
    "eula",
    "fcoe",
    "firewall",
    "firstboot",
    "graphical",
    "group",
    "halt",
    "harddrive",
    "hmc",
    "ignoredisk",
    "install",
    "iscsi",
    "iscsiname",
    "keyboard",
    "lang",
    "liveimg",
    "logging",
    "logvol",
    "mediacheck",
    "method",
    "module",
    "mount",
    "multipath",
    "network",
    "nfs",
    "nvdimm",
    "ostreesetup",
    "part",
    "partition",
    "poweroff",
    "raid",
    "realm",
    "reboot",
    "repo",
    "reqpart",
    "rescue",
    "rhsm",
    "rootpw",
    "selinux",
    "services",
    "shutdown",
    "skipx",
    "snapshot",
    "sshkey",
    "sshpw",
    "syspurpose",
    "text",
    "timezone",
    "updates",
    "url",
    "user",
    "vnc",
    "volgroup",
    "xconfig",
    "zerombr",
    "zfcp",
    "zipl",
];
/// Since when there are more.
const ADDED: &[(&str, u32)] = &[("timesource", 9), ("ostreecontainer", 9), ("bootc", 10), ("rdp", 10)];
/// Since when some are errors.
const REMOVED: &[(&str, u32)] = &[
    ("device", 9),
    ("deviceprobe", 9),
    ("dmraid", 9),
    ("install", 9),
    ("multipath", 9),
    ("auth", 10),
    ("authconfig", 10),
    ("autostep", 10),
    ("btrfs", 10),
    ("method", 10),
    ("nvdimm", 10),
];
/// Options that RHEL 10 removed from commands that it still has.
const REMOVED_OPTIONS: &[(&str, &str, u32)] =
    &[("timezone", "--nontp", 10), ("timezone", "--ntpservers", 10), ("timezone", "--isUtc", 10)];

const SECTIONS: &[&str] = &[
    "%packages",
    "%pre",
    "%pre-install",
    "%post",
    "%onerror",
    "%traceback",
    "%addon",
    "%anaconda",
    "%certificate",
];

/// What is known after the whole file.
#[derive(Default)]
struct Seen<'a> {
    autopart: Option<usize>,
    part: Option<usize>,
    includes: Vec<(usize, String)>,
    /// Texts of scripts.
    scripts: String,
    packages: Vec<(usize, &'a str)>,
}

pub(super) fn check(text: &str, release: u32, report: &mut Report<'_>) -> Does {
    let mut does = Does { read: true, ..Does::default() };
    let mut seen = Seen::default();
    let mut section: Option<(&str, usize)> = None;
    for (at, line) in text.lines().enumerate() {
        let (number, trimmed) = (at + 1, line.trim());
        let first = trimmed.split_whitespace().next().unwrap_or_default();
        match section {
            Some((name, begun)) if first.starts_with('%') && SECTIONS.contains(&first) => {
                report.error(
                    number,
                    format!("`{first}` begins inside the section `{name}` of line {begun}"),
                    format!("end `{name}` with a line `%end` first"),
                );
                section = Some((first, number));
            }
            Some((name, _)) => {
                if first == "%end" {
                    section = None;
                } else if name == "%packages" {
                    if !trimmed.is_empty() && !trimmed.starts_with('#') {
                        seen.packages.push((number, trimmed));
                    }
                } else {
                    seen.scripts.push_str(line);
                    seen.scripts.push('\n');
                }
            }
            None if trimmed.is_empty() || trimmed.starts_with('#') => {}
            None if first == "%end" => {
                report.error(
                    number,
                    "`%end` ends nothing: no section is open",
                    "leave it out, or look for one too many",
                );
            }
            None => match split(line) {
                Err(reason) => report.error(number, reason, "close the quote in the same line"),
                Ok(words) => {
                    if first == "%include" {
                        seen.includes.push((number, words.get(1).cloned().unwrap_or_default()));
                    } else if first == "%ksappend" {
                        // Anaconda fetches it; what is in it cannot be seen here.
                        seen.includes.push((number, String::new()));
                    } else if first.starts_with('%') {
                        if !SECTIONS.contains(&first) {
                            report.error(
                                number,
                                format!("there is no section `{first}`"),
                                format!("leave it out{}", nearest(first, SECTIONS.iter().copied())),
                            );
                        }
                        section = Some((
                            SECTIONS.iter().find(|name| **name == first).copied().unwrap_or("%pre"),
                            number,
                        ));
                    } else {
                        command(&words, number, release, &mut seen, &mut does, report);
                    }
                }
            },
        }
    }
    if let Some((name, begun)) = section {
        report.error(begun, format!("the section `{name}` is never ended"), "end it with a line `%end`");
        does.read = false;
    }
    finish(&seen, &mut does, report);
    does
}

fn command(
    words: &[String],
    line: usize,
    release: u32,
    seen: &mut Seen<'_>,
    does: &mut Does,
    report: &mut Report<'_>,
) {
    let Some(name) = words.first().map(String::as_str) else { return };
    let has = |option: &str| words.iter().any(|word| word == option);
    let known = || {
        COMMANDS
            .iter()
            .copied()
            .chain(ADDED.iter().filter(|(_, since)| *since <= release).map(|(name, _)| *name))
    };
    if let Some((_, since)) = REMOVED.iter().find(|(removed, since)| *removed == name && *since <= release) {
        report.error(
            line,
            format!(
                "RHEL {since} and later no longer have the command `{name}`; these answers are for {release}"
            ),
            "leave it out",
        );
    } else if let Some((_, since)) = ADDED.iter().find(|(added, since)| *added == name && *since > release) {
        report.error(
            line,
            format!("only RHEL {since} and later have the command `{name}`; these answers are for {release}"),
            "leave it out",
        );
    } else if !known().any(|known| known == name) {
        report.error(
            line,
            format!("there is no kickstart command `{name}`"),
            format!("leave it out{}", nearest(name, known())),
        );
    }
    for (of, option, since) in REMOVED_OPTIONS {
        if *of == name && *since <= release && words.iter().any(|word| word.split('=').next() == Some(option))
        {
            report.error(
                line,
                format!("RHEL {since} and later no longer have `{option}` of `{name}`"),
                "leave it out",
            );
        }
    }
    match name {
        "autopart" => seen.autopart = seen.autopart.or(Some(line)),
        "part" | "partition" | "logvol" | "mount" | "ostreesetup" => seen.part = seen.part.or(Some(line)),
        "poweroff" | "shutdown" => does.end = Some(InstallEnd::PowerOff),
        "reboot" => does.end = Some(InstallEnd::Reboot),
        "halt" => report.error(line, "`halt` leaves the machine running", "write `poweroff`"),
        "graphical" | "vnc" | "rdp" => {
            report.error(line, format!("`{name}` is for somebody who looks"), "write `cmdline`");
        }
        "services" => {
            does.sshd |= words.iter().any(|word| {
                word.strip_prefix("--enabled=").is_some_and(|list| {
                    list.split(',').any(|unit| matches!(unit.trim(), "sshd" | "sshd.service"))
                })
            });
        }
        "user" if words.iter().any(|word| word.starts_with("--password=")) && !has("--lock") => {
            report.password(line, "a user");
        }
        "rootpw" if !has("--lock") => report.password(line, "root"),
        _ => {}
    }
}

/// What only the whole file tells.
fn finish(seen: &Seen<'_>, does: &mut Does, report: &mut Report<'_>) {
    if let (Some(autopart), Some(part)) = (seen.autopart, seen.part) {
        report.error(
            autopart.max(part),
            format!(
                "`autopart` and partitions of one's own exclude each other (lines {autopart} and {part})"
            ),
            "leave one of them out",
        );
    }
    does.disk = seen.autopart.is_some() || seen.part.is_some();
    for (line, path) in &seen.includes {
        if path.is_empty() || path.contains("://") {
            // What is fetched cannot be seen here.
            does.disk = true;
        } else if !seen.scripts.contains(path.as_str()) {
            report.error(
                *line,
                format!("`{path}` is included, and no `%pre` writes it"),
                "write it in a `%pre`, or leave the line out",
            );
        } else {
            let words = ["autopart", "part ", "partition ", "logvol ", "mount "];
            does.disk |=
                seen.scripts.lines().any(|line| words.iter().any(|word| line.trim_start().starts_with(word)));
        }
    }
    does.script(&seen.scripts);
    does.cloud_init |= seen.packages.iter().any(|(_, package)| *package == "cloud-init");
    // RHEL's group `core` has it, which every environment has.
    does.server = seen.packages.iter().any(|(_, package)| {
        package.starts_with("openssh-server") || package.starts_with("@^") || package.starts_with("@core")
    });
    for (line, package) in &seen.packages {
        if package.contains(char::is_whitespace) && !package.starts_with('@') && !package.contains('#') {
            report.error(*line, format!("`{package}` is more than one package"), "write one in a line");
        }
        if *package == "-openssh-server" {
            report.error(*line, "without openssh-server the build cannot get in", "leave the line out");
        }
    }
}

/// A line's words as Python's `shlex` splits them, with comments.
fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '#' if word.is_none() => break,
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err("a single quote is never closed"),
                        Some('\'') => break,
                        Some(c) => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err("a double quote is never closed"),
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            None => return Err("a double quote is never closed"),
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                        },
                        Some(c) => word.push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                None => {
                    return Err("a backslash is the last of the line, where kickstart has no continuation");
                }
                Some(c) => word.get_or_insert_default().push(c),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}
