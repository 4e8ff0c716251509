//! Ubuntu's installer: cloud-config with a key `autoinstall`, after its reference manual.
use super::{Does, Report, nearest};
use crate::{
    plan::InstallEnd,
    yaml::{Kind, Node, parse},
};
use std::collections::BTreeSet;

/// What a key takes.
#[derive(Clone, Copy)]
enum Takes {
    Text,
    TextOrNull,
    Bool,
    List,
    Texts,
    Commands,
    Map,
    Choice(&'static [&'static str]),
    /// Looked at elsewhere, or by the installer only.
    Any,
}

/// Keys of a map with what they take.
type Keys = &'static [(&'static str, Takes)];

/// The keys below `autoinstall`.
const KEYS: Keys = &[
    ("version", Takes::Any),
    ("interactive-sections", Takes::Texts),
    ("early-commands", Takes::Commands),
    ("late-commands", Takes::Commands),
    ("error-commands", Takes::Commands),
    ("locale", Takes::Text),
    ("refresh-installer", Takes::Map),
    ("keyboard", Takes::Map),
    ("source", Takes::Map),
    ("network", Takes::Map),
    ("proxy", Takes::TextOrNull),
    ("apt", Takes::Map),
    ("storage", Takes::Map),
    ("identity", Takes::Map),
    ("active-directory", Takes::Map),
    ("ubuntu-pro", Takes::Map),
    ("ubuntu-advantage", Takes::Map),
    ("ssh", Takes::Map),
    ("codecs", Takes::Map),
    ("drivers", Takes::Map),
    ("oem", Takes::Map),
    ("snaps", Takes::List),
    ("debconf-selections", Takes::Text),
    ("packages", Takes::Texts),
    ("kernel", Takes::Map),
    ("kernel-crash-dumps", Takes::Map),
    ("timezone", Takes::Text),
    ("updates", Takes::Choice(&["security", "all"])),
    ("shutdown", Takes::Choice(&["reboot", "poweroff"])),
    ("reporting", Takes::Map),
    ("user-data", Takes::Map),
    ("zdevs", Takes::List),
];

/// Keys of maps below those, and the ones that must be there. Maps that are not here may hold anything.
const INNER: &[(&str, Keys, &[&str])] = &[
    (
        "keyboard",
        &[("layout", Takes::Text), ("variant", Takes::Text), ("toggle", Takes::TextOrNull)],
        &["layout"],
    ),
    (
        "identity",
        &[
            ("realname", Takes::Text),
            ("username", Takes::Text),
            ("hostname", Takes::Text),
            ("password", Takes::Text),
            ("groups", Takes::Any),
        ],
        &["username", "hostname", "password"],
    ),
    (
        "ssh",
        &[("install-server", Takes::Bool), ("authorized-keys", Takes::Texts), ("allow-pw", Takes::Bool)],
        &[],
    ),
    ("refresh-installer", &[("update", Takes::Bool), ("channel", Takes::Text)], &[]),
    ("kernel", &[("package", Takes::Text), ("flavor", Takes::Text)], &[]),
    ("kernel-crash-dumps", &[("enabled", Takes::Any)], &["enabled"]),
];

const APT: Keys = &[
    ("preserve_sources_list", Takes::Bool),
    ("primary", Takes::List),
    ("mirror-selection", Takes::Map),
    ("geoip", Takes::Bool),
    ("sources", Takes::Map),
    ("preferences", Takes::List),
    ("fallback", Takes::Choice(&["abort", "continue-anyway", "offline-install"])),
];

pub(super) fn check(text: &str, report: &mut Report<'_>) -> Does {
    let mut does = Does::default();
    if text.lines().next().is_none_or(|first| first.trim_end() != "#cloud-config") {
        report.error(
            1,
            "the first line is not `#cloud-config`, so cloud-init would not read the file",
            "begin with that line, without blanks before it",
        );
    }
    let root = match parse(text) {
        Ok(Some(root)) => root,
        Ok(None) => {
            report.error(1, "there is nothing in it", "write a map with the key `autoinstall`");
            return does;
        }
        Err(error) => {
            report.error(
                error.line,
                format!("this is not YAML: {}", error.reason),
                "look for indentation and quotes in this line and the one before it",
            );
            return does;
        }
    };
    duplicates(&root, report);
    for (key, _) in root.pairs() {
        if let Some(name) = key.text()
            && name != "autoinstall"
            && name != "locale"
            && KEYS.iter().any(|(known, _)| *known == name)
        {
            report.error(
                key.line,
                format!("`{name}` is beside `autoinstall`, where the installer does not see it"),
                "indent it below `autoinstall`",
            );
        }
    }
    let Some(autoinstall) = root.get("autoinstall") else {
        report.error(1, "there is no key `autoinstall`, so the installer would ask everything", "write one");
        return does;
    };
    does.read = true;
    table("autoinstall", autoinstall, KEYS, report);
    match autoinstall.get("version") {
        Some(version) if version.number() == Some(1) => {}
        version => report.error(
            version.map_or(autoinstall.line, |version| version.line),
            "`version` is not the number 1, so the installer would stop at once",
            "write `version: 1`",
        ),
    }
    for (name, keys, required) in INNER {
        if let Some(map) = autoinstall.get(name) {
            table(name, map, keys, report);
            for key in
                required.iter().filter(|key| map.get(key).is_none() && !matches!(map.kind, Kind::Alias))
            {
                report.error(
                    map.line,
                    format!("`{name}` has no `{key}`"),
                    format!("write `{key}:` below it"),
                );
            }
        }
    }
    if let Some(apt) = autoinstall.get("apt") {
        // Other keys are curtin's.
        for (key, value) in apt.pairs() {
            if let Some((name, takes)) = APT.iter().find(|(name, _)| key.text() == Some(name)) {
                accept(name, value, *takes, report);
            }
        }
    }
    if let Some(sections) = autoinstall.get("interactive-sections")
        && !sections.items().is_empty()
    {
        report.error(
            sections.line,
            "`interactive-sections` makes the installer wait for somebody",
            "leave it out",
        );
    }
    does.disk = storage(autoinstall, report);
    access(autoinstall, &mut does, report);
    does.end = match autoinstall.get("shutdown").and_then(Node::text) {
        Some("poweroff") => Some(InstallEnd::PowerOff),
        // What is wrong with another text is said above.
        Some(_) | None => Some(InstallEnd::Reboot),
    };
    does
}

/// Keys and kinds of one map.
fn table(name: &str, map: &Node, keys: Keys, report: &mut Report<'_>) {
    if !matches!(map.kind, Kind::Map(_) | Kind::Alias) {
        report.error(
            map.line,
            format!("`{name}` takes a map, but this is {}", map.found()),
            "write its keys below it, indented",
        );
        return;
    }
    for (key, value) in map.pairs() {
        let Some(key_name) = key.text() else { continue };
        match keys.iter().find(|(known, _)| *known == key_name) {
            Some((_, takes)) => accept(key_name, value, *takes, report),
            None => report.warning(
                key.line,
                format!("the installer does not know `{key_name}` in `{name}`, and ignores it"),
                format!("leave it out{}", nearest(key_name, keys.iter().map(|(known, _)| *known))),
            ),
        }
    }
}

fn accept(name: &str, value: &Node, takes: Takes, report: &mut Report<'_>) {
    if matches!(value.kind, Kind::Alias) {
        return;
    }
    let is_text = |node: &Node| node.found() == "a text" || matches!(node.kind, Kind::Alias);
    let (good, wanted) = match takes {
        Takes::Any => return,
        Takes::Text => (is_text(value), "a text".to_owned()),
        Takes::TextOrNull => (is_text(value) || value.is_null(), "a text or nothing".to_owned()),
        Takes::Bool => (value.boolean().is_some(), "`true` or `false`".to_owned()),
        Takes::List => (matches!(value.kind, Kind::List(_)), "a list".to_owned()),
        Takes::Map => (matches!(value.kind, Kind::Map(_)), "a map".to_owned()),
        Takes::Choice(choices) => (
            value.text().is_some_and(|text| choices.contains(&text)),
            format!("`{}`", choices.join("` or `")),
        ),
        Takes::Texts | Takes::Commands => {
            let commands = matches!(takes, Takes::Commands);
            if matches!(value.kind, Kind::List(_)) {
                for item in value.items() {
                    let words = matches!(item.kind, Kind::List(_)) && item.items().iter().all(is_text);
                    if !(is_text(item) || commands && words) {
                        let wanted = if commands {
                            "a command is a text or a list of texts"
                        } else {
                            "an item is a text"
                        };
                        report.error(
                            item.line,
                            format!("in `{name}`, {wanted}, but this is {}", item.found()),
                            "put it in quotes; what has `: ` in it is a map otherwise",
                        );
                    }
                }
            }
            (matches!(value.kind, Kind::List(_)), "a list".to_owned())
        }
    };
    if !good {
        report.error(
            value.line,
            format!("`{name}` takes {wanted}, but this is {}", value.found()),
            "write it as that",
        );
    }
}

/// Keys that stand in a map twice, of which one is without effect.
fn duplicates(node: &Node, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for (key, value) in node.pairs() {
        if let Some(name) = key.text()
            && !seen.insert(name)
        {
            report.error(
                key.line,
                format!("`{name}` stands here for the second time, and only one counts"),
                "leave one out",
            );
        }
        duplicates(value, report);
    }
    node.items().iter().for_each(|item| duplicates(item, report));
}

/// Whether a disk is chosen, and whether the actions fit together.
fn storage(autoinstall: &Node, report: &mut Report<'_>) -> bool {
    let Some(storage) = autoinstall.get("storage") else { return false };
    if storage.get("layout").is_some() {
        return true;
    }
    let Some(config) = storage.get("config") else { return false };
    let mut ids = BTreeSet::new();
    let (mut disk, mut root) = (false, false);
    for action in config.items() {
        let text = |key: &str| action.get(key).and_then(Node::text);
        let (Some(kind), Some(id)) = (text("type"), text("id")) else {
            report.error(action.line, "an action of `storage` has no `type` or no `id`", "write both");
            continue;
        };
        disk |= kind == "disk";
        root |= kind == "mount" && text("path") == Some("/");
        for refers in ["device", "volume"] {
            if let Some(to) = action.get(refers)
                && let Some(name) = to.text()
                && !ids.contains(name)
            {
                report.error(
                    to.line,
                    format!("`{refers}` of `{id}` is `{name}`, and no action before it has this id"),
                    format!("write the id of an earlier action{}", nearest(name, ids.iter().copied())),
                );
            }
        }
        if !ids.insert(id) {
            report.error(action.line, format!("two actions have the id `{id}`"), "give each its own");
        }
    }
    if disk && !root {
        report.error(config.line, "no action mounts `/`", "add a `mount` whose `path` is `/`");
    }
    disk
}

/// How the build gets in.
fn access(autoinstall: &Node, does: &mut Does, report: &mut Report<'_>) {
    let ssh = autoinstall.get("ssh");
    let packages = autoinstall.get("packages").map(Node::items).unwrap_or_default();
    // Ubuntu's sshd starts when its package is there.
    does.server = ssh.and_then(|ssh| ssh.get("install-server")).and_then(Node::boolean) == Some(true)
        || packages.iter().any(|package| package.text() == Some("openssh-server"));
    does.sshd = does.server;
    let identity = autoinstall.get("identity");
    let data = autoinstall.get("user-data");
    if identity.is_none() && data.is_none() {
        report.error(
            autoinstall.line,
            "there is neither `identity` nor `user-data`, without which the installer stops",
            "write `user-data:` with `users: []` when no user is wanted",
        );
    }
    if let Some(password) = identity.and_then(|identity| identity.get("password"))
        && password.text().is_some_and(|text| !text.starts_with(['!', '*']))
    {
        report.password(password.line, "the user of `identity`");
    }
    for user in data.and_then(|data| data.get("users")).map(Node::items).unwrap_or_default() {
        for key in ["passwd", "plain_text_passwd", "hashed_passwd"] {
            if let Some(password) = user.get(key) {
                report.password(password.line, "a user of `user-data`");
            }
        }
    }
    for command in autoinstall.get("late-commands").map(Node::items).unwrap_or_default() {
        let words: Vec<&str> = match command.text() {
            Some(text) => vec![text],
            None => command.items().iter().filter_map(Node::text).collect(),
        };
        does.script(&words.join(" "));
    }
}
