//! What this host's apt is configured to do: sources.list(5) in both styles, and apt.conf(5) by `apt-config dump`.
use std::path::{Path, PathBuf};

/// One archive with some of its suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Entry {
    /// Base address.
    pub(in crate::source) uri: String,
    /// Suites to use.
    pub(in crate::source) suites: Vec<String>,
    /// Components to use.
    pub(in crate::source) components: Vec<String>,
    /// Further deb822 fields, such as `Signed-By`; a value may have several lines.
    pub(in crate::source) fields: Vec<(String, String)>,
}

impl Entry {
    /// A field, by its name in any case.
    pub(in crate::source) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Files that `Signed-By` names. Fingerprints and keys written out are no files.
    pub(in crate::source) fn keyrings(&self) -> Vec<PathBuf> {
        let value = self.field("Signed-By").unwrap_or_default();
        value.split([' ', ',', '\t', '\n']).filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
    }

    /// As a deb822 stanza.
    pub(in crate::source) fn stanza(&self) -> String {
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\n",
            self.uri,
            self.suites.join(" "),
            self.components.join(" ")
        );
        for (key, value) in &self.fields {
            text.push_str(&format!("{key}: {value}\n"));
        }
        text
    }
}

/// Enabled binary-package entries of a `.sources` file.
pub(in crate::source) fn parse_deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            entries.extend(from_stanza(std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim_end());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            fields.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    entries
}

fn from_stanza(mut fields: Vec<(String, String)>) -> Vec<Entry> {
    let mut take = |name: &str| {
        let at = fields.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(fields.remove(at).1)
    };
    let words = |value: Option<String>| -> Vec<String> {
        value.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let enabled = take("Enabled").is_none_or(|value| is_true(&value));
    let types = words(take("Types"));
    let (uris, suites, components) = (words(take("URIs")), words(take("Suites")), words(take("Components")));
    if !enabled || !types.iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    fields.retain(|(key, _)| !key.to_ascii_lowercase().starts_with("x-"));
    uris.into_iter()
        .map(|uri| Entry {
            uri,
            suites: suites.clone(),
            components: components.clone(),
            fields: fields.clone(),
        })
        .collect()
}

/// As apt reads a truth value; what it does not know counts as true.
fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "no" | "false" | "without" | "off" | "disable" | "0")
}

/// Binary-package entries of a one-line-style `.list` file.
pub(in crate::source) fn parse_list(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uri, suite) = (words.next()?, words.next()?);
    let fields = options
        .split_whitespace()
        .filter_map(|option| option.split_once('='))
        .map(|(key, value)| (deb822_name(key), value.replace(',', " ")))
        .collect();
    Some(Entry { uri, suites: vec![suite], components: words.collect(), fields })
}

/// `signed-by` is `Signed-By` in deb822, and a few are abbreviations.
fn deb822_name(option: &str) -> String {
    match option.trim_end_matches(['+', '-']) {
        "arch" => "Architectures".to_owned(),
        "lang" => "Languages".to_owned(),
        "target" => "Targets".to_owned(),
        other => other
            .split('-')
            .map(|word| {
                let mut chars = word.chars();
                chars.next().map_or_else(String::new, |c| c.to_ascii_uppercase().to_string() + chars.as_str())
            })
            .collect::<Vec<_>>()
            .join("-"),
    }
}

/// All entries below an apt configuration folder, usually `/etc/apt`. Files that cannot be read are skipped, as apt would
/// stop at them for good reason and this host's apt works.
pub(super) fn host_entries(folder: &Path) -> Vec<Entry> {
    let mut entries = read(&folder.join("sources.list")).map_or_else(Vec::new, |text| parse_list(&text));
    let mut parts: Vec<PathBuf> = std::fs::read_dir(folder.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    parts.sort();
    for path in parts {
        let parse = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => parse_list,
            Some("sources") => parse_deb822,
            _ => continue,
        };
        entries.extend(read(&path).map_or_else(Vec::new, |text| parse(&text)));
    }
    entries
}

fn read(path: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(path).ok()?).ok()
}

/// Lines of `apt-config dump` that decide how archives are reached and what is believed of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AptConfig {
    /// For the bootstrap only: proxies, CAs, time-outs belong to this host.
    pub(super) transport: Vec<String>,
    /// For the guest too: an archive whose Release files expired needs it wherever it is used.
    pub(super) validity: Vec<String>,
}

/// Picks from the output of `apt-config dump`.
pub(super) fn parse_apt_config(dump: &str) -> AptConfig {
    let mut config = AptConfig::default();
    for line in dump.lines() {
        let Some((key, value)) = line.split_once(' ') else { continue };
        let key = key.to_ascii_lowercase();
        // Every list has an empty head that says nothing.
        if value == "\"\";" {
            continue;
        }
        if matches!(
            key.as_str(),
            "acquire::check-valid-until"
                | "acquire::check-date"
                | "acquire::max-validtime"
                | "acquire::min-validtime"
        ) {
            config.validity.push(line.to_owned());
        } else if ["acquire::http::", "acquire::https::", "acquire::retries", "acquire::forceipv"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
        {
            config.transport.push(line.to_owned());
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deb822_stanzas_are_read_without_comments_and_disabled_ones() {
        let entries = parse_deb822(
            "# Suites: commented\nTypes: deb deb-src\nURIs: http://deb.example.org/debian http://b.example.org/debian\n\
             Suites: bookworm\n bookworm-updates\n# in between\nComponents: main contrib\n\
             Signed-By: /usr/share/keyrings/k.gpg\nX-Repolib-Name: x\n\n\n\
             Enabled: no\nTypes: deb\nURIs: http://off.example.org\nSuites: bookworm\nComponents: main\n\n\
             Types: deb-src\nURIs: http://src.example.org\nSuites: bookworm\nComponents: main\n",
        );
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].uri, "http://deb.example.org/debian");
        assert_eq!(entries[1].uri, "http://b.example.org/debian");
        assert_eq!(entries[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(entries[0].components, ["main", "contrib"]);
        assert_eq!(entries[0].keyrings(), [PathBuf::from("/usr/share/keyrings/k.gpg")]);
        assert_eq!(entries[0].fields.len(), 1);
    }

    #[test]
    fn a_key_written_out_survives_the_round_trip() {
        let text = "Types: deb\nURIs: http://deb.example.org/debian\nSuites: bookworm\nComponents: main\n\
                    Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY\n -----END PGP PUBLIC KEY BLOCK-----\n";
        let entries = parse_deb822(text);
        assert!(entries[0].keyrings().is_empty());
        assert_eq!(parse_deb822(&entries[0].stanza()), entries);
        assert!(entries[0].stanza().contains("\n .\n mDMEY\n"));
    }

    #[test]
    fn one_line_entries_become_the_same() {
        let entries = parse_list(
            "# deb http://commented.example.org/debian bookworm main\n\
             deb [arch=amd64,i386 signed-by=/k/a.gpg check-valid-until=no] http://deb.example.org/debian bookworm main contrib # why\n\
             deb-src http://deb.example.org/debian bookworm main\n\
             deb http://deb.example.org/debian-security bookworm-security main\n",
        );
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].field("architectures"), Some("amd64 i386"));
        assert_eq!(entries[0].field("Signed-By"), Some("/k/a.gpg"));
        assert_eq!(entries[0].field("Check-Valid-Until"), Some("no"));
        assert_eq!(entries[0].components, ["main", "contrib"]);
        assert_eq!(entries[1].suites, ["bookworm-security"]);
    }

    #[test]
    fn proxies_stay_on_this_host_and_expired_releases_are_known_to_the_guest() {
        let config = parse_apt_config(
            "APT \"\";\nAcquire \"\";\nAcquire::http \"\";\nAcquire::http::Proxy \"http://proxy.example.org:3128\";\n\
             Acquire::Check-Valid-Until \"false\";\nAcquire::Languages \"\";\nAPT::Sandbox::User \"root\";\n",
        );
        assert_eq!(config.transport, ["Acquire::http::Proxy \"http://proxy.example.org:3128\";"]);
        assert_eq!(config.validity, ["Acquire::Check-Valid-Until \"false\";"]);
    }
}
