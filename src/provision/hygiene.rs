//! What must not be in a finished image, looked for in its files before anything booted it.
use crate::{cx::Check, guest::Login, plan::Plan, value::Size};
use std::{collections::BTreeSet, io};

/// More log than this is somebody's mistake.
const LOGS: Size = Size::mib(200);
/// Folders in /var/log deeper than this are not followed.
const DEEPEST: usize = 8;

/// The files of an image, as its guest would see them.
pub trait ImageView {
    /// Content of a file; `None` when there is none. Symbolic links are followed inside the image.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// What is in a folder, without `.` and `..`; empty when there is no such folder.
    fn list(&self, path: &str) -> io::Result<Vec<Entry>>;
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name alone.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: EntryKind,
    /// Size in bytes, of files.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a socket, a pipe.
    Other,
}

/// Looks through the finished image. An error means that it could not be read; what is wrong with it is in the checks.
pub fn hygiene(view: &dyn ImageView, plan: &Plan, login: &Login) -> io::Result<Vec<Check>> {
    let mut checks = vec![
        build_user(view, login)?,
        build_key(view, login)?,
        cloud_init(view)?,
        host_keys(view, plan, login)?,
    ];
    if plan.offline {
        checks.push(offline(view)?);
    }
    if plan.seal.sysprep {
        checks.extend([machine_id(view)?, histories(view)?, core_dumps(view)?, logs(view)?]);
    }
    Ok(checks)
}

/// A check that passes when nothing was found.
fn nothing(name: impl Into<String>, found: Vec<String>) -> Check {
    Check {
        name: name.into(),
        passed: found.is_empty(),
        expected: "nothing".into(),
        found: if found.is_empty() { "nothing".into() } else { found.join(", ") },
    }
}

fn text(view: &dyn ImageView, path: &str) -> io::Result<Option<String>> {
    Ok(view.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn machine_id(view: &dyn ImageView) -> io::Result<Check> {
    let found = text(view, "/etc/machine-id")?;
    let passed = found.as_deref().is_some_and(|id| matches!(id.trim(), "" | "uninitialized"));
    let found = match found {
        None => "no file".to_owned(),
        Some(id) if id.trim().is_empty() => "an empty file".to_owned(),
        Some(id) => id.trim().to_owned(),
    };
    let name = "the machine id is left to the first boot";
    Ok(Check { name: name.into(), passed, expected: "an empty file".into(), found })
}

fn host_keys(view: &dyn ImageView, plan: &Plan, login: &Login) -> io::Result<Check> {
    let mut found = Vec::new();
    let ours = login.host_key.split_whitespace().nth(1).unwrap_or("\0");
    for entry in view.list("/etc/ssh")? {
        let path = format!("/etc/ssh/{}", entry.name);
        if !entry.name.starts_with("ssh_host_") {
            continue;
        }
        let is_ours = text(view, &path)?.is_some_and(|key| key.contains(ours));
        if is_ours || (plan.seal.sysprep && entry.name.contains("_key")) {
            found.push(path);
        }
    }
    Ok(nothing("there is no SSH host key of the build", found))
}

fn build_user(view: &dyn ImageView, login: &Login) -> io::Result<Check> {
    let user = login.user.as_str();
    let mut found = Vec::new();
    if user != "root" {
        for name in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
            // The previous versions that the tools keep count as well.
            for path in [format!("/etc/{name}"), format!("/etc/{name}-")] {
                let Some(content) = text(view, &path)? else { continue };
                let named = |line: &str| {
                    let mut fields = line.split(':');
                    let first = fields.next() == Some(user);
                    // Members are the last field of the group files.
                    let member = name.ends_with("group") || name == "gshadow";
                    first
                        || (member
                            && fields.next_back().is_some_and(|list| list.split(',').any(|m| m == user)))
                };
                if content.lines().any(named) {
                    found.push(path);
                }
            }
        }
        let mut rules = vec!["/etc/sudoers".to_owned()];
        rules.extend(
            view.list("/etc/sudoers.d")?.into_iter().map(|entry| format!("/etc/sudoers.d/{}", entry.name)),
        );
        for path in rules {
            let Some(content) = text(view, &path)? else { continue };
            if content.lines().any(|line| line.split_whitespace().next() == Some(user)) {
                found.push(path);
            }
        }
        if view.list("/home")?.iter().any(|entry| entry.name == user) {
            found.push(format!("/home/{user}"));
        }
    }
    Ok(nothing(format!("nothing is left of the build user `{user}`"), found))
}

/// Every folder that is somebody's home, by the user database and by habit.
fn homes(view: &dyn ImageView) -> io::Result<BTreeSet<String>> {
    let mut homes = BTreeSet::from(["/root".to_owned()]);
    if let Some(passwd) = text(view, "/etc/passwd")? {
        homes.extend(passwd.lines().filter_map(|line| line.split(':').nth(5)).map(str::to_owned));
    }
    homes.extend(view.list("/home")?.into_iter().map(|entry| format!("/home/{}", entry.name)));
    homes.retain(|home| home.starts_with('/') && home != "/nonexistent");
    Ok(homes.into_iter().map(|home| home.trim_end_matches('/').to_owned()).collect())
}

fn build_key(view: &dyn ImageView, login: &Login) -> io::Result<Check> {
    let key = login.authorized_key.split_whitespace().nth(1).unwrap_or("\0");
    let mut found = Vec::new();
    for home in homes(view)? {
        for name in ["authorized_keys", "authorized_keys2"] {
            let path = format!("{home}/.ssh/{name}");
            if text(view, &path)?.is_some_and(|keys| keys.contains(key)) {
                found.push(path);
            }
        }
    }
    Ok(nothing("the build's key may not log in", found))
}

fn cloud_init(view: &dyn ImageView) -> io::Result<Check> {
    let found = view
        .list("/var/lib/cloud")?
        .into_iter()
        .filter(|entry| matches!(entry.name.as_str(), "instance" | "instances" | "data" | "sem" | "seed"))
        .map(|entry| format!("/var/lib/cloud/{}", entry.name))
        .collect();
    Ok(nothing("cloud-init remembers no instance", found))
}

/// What an offline build tells its guest's package managers is for its time only.
fn offline(view: &dyn ImageView) -> io::Result<Check> {
    let mut found = Vec::new();
    for folder in ["/etc/apt/apt.conf.d", "/var/lib"] {
        let ours = view.list(folder)?.into_iter().filter(|entry| entry.name.contains("goldsmith-offline"));
        found.extend(ours.map(|entry| format!("{folder}/{}", entry.name)));
    }
    for path in ["/etc/dnf/dnf.conf", "/etc/yum.conf", "/etc/tdnf/tdnf.conf"] {
        if text(view, path)?.is_some_and(|conf| conf.contains("goldsmith-offline")) {
            found.push(path.to_owned());
        }
    }
    Ok(nothing("no proxy of the build is left", found))
}

fn histories(view: &dyn ImageView) -> io::Result<Check> {
    const NAMES: [&str; 6] =
        [".bash_history", ".ash_history", ".zsh_history", ".python_history", ".lesshst", ".viminfo"];
    let mut found = Vec::new();
    for home in homes(view)?.into_iter().filter(|home| home == "/root" || home.starts_with("/home/")) {
        let entries = view.list(&home)?.into_iter().filter(|entry| NAMES.contains(&entry.name.as_str()));
        found.extend(entries.map(|entry| format!("{home}/{}", entry.name)));
    }
    Ok(nothing("there are no shell histories", found))
}

fn core_dumps(view: &dyn ImageView) -> io::Result<Check> {
    let mut found = Vec::new();
    for folder in ["/var/lib/systemd/coredump", "/var/crash"] {
        let files = view.list(folder)?.into_iter().filter(|entry| entry.kind == EntryKind::File);
        found.extend(files.map(|entry| format!("{folder}/{}", entry.name)));
    }
    found
        .extend(view.list("/")?.into_iter().filter(|entry| entry.name == "core").map(|_| "/core".to_owned()));
    Ok(nothing("there are no core dumps", found))
}

fn logs(view: &dyn ImageView) -> io::Result<Check> {
    let mut total = 0;
    let mut todo = vec![("/var/log".to_owned(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        for entry in view.list(&folder)? {
            match entry.kind {
                EntryKind::File => total += entry.size,
                EntryKind::Folder if depth < DEEPEST => {
                    todo.push((format!("{folder}/{}", entry.name), depth + 1));
                }
                _ => {}
            }
        }
    }
    Ok(Check {
        name: "the logs are small".into(),
        passed: total <= LOGS.as_bytes(),
        expected: format!("at most {LOGS}"),
        found: Size::bytes(total).to_string(),
    })
}
