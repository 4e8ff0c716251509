//! What apt prints: the files that it would get, what it would remove, and what is known of packages.
use crate::value::Digest;
use std::collections::BTreeMap;

/// A file that apt would get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its address, as apt writes it.
    pub(super) uri: String,
    /// Its size.
    pub(super) bytes: u64,
    /// Its digest.
    pub(super) digest: Option<Digest>,
}

/// Reads `--print-uris`: `'URI' NAME SIZE SHA256:HEX`.
pub(super) fn wanted(text: &str) -> Vec<Wanted> {
    let line = |line: &str| {
        let (uri, rest) = line.strip_prefix('\'')?.split_once('\'')?;
        let mut words = rest.split_whitespace().skip(1);
        let bytes = words.next()?.parse().ok()?;
        let digest = words.next().and_then(|word| word.to_ascii_lowercase().parse().ok());
        Some(Wanted { uri: uri.to_owned(), bytes, digest })
    };
    text.lines().filter_map(line).collect()
}

/// What would be done to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It would be there, in this version.
    Installed { name: String, version: String },
    /// It would not be there any more.
    Removed { name: String },
}

/// Reads `--simulate`: `Inst NAME [OLD] (VERSION SUITES [ARCH])`, `Remv NAME [VERSION]`.
pub(super) fn changes(text: &str) -> Vec<Change> {
    let line = |line: &str| {
        let (verb, rest) = line.split_once(' ')?;
        let name = rest.split([' ', '\t']).next()?.to_owned();
        match verb {
            "Inst" => {
                let version = rest.split_once('(')?.1.split([' ', ')']).next()?.to_owned();
                Some(Change::Installed { name, version })
            }
            "Remv" | "Purg" => Some(Change::Removed { name }),
            _ => None,
        }
    };
    text.lines().filter_map(line).collect()
}

/// Reads `apt-cache show`: each package's own paragraph by its name, without what only archives know.
pub(super) fn paragraphs(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let Some(name) = field(paragraph, "Package") else { continue };
        let mut kept = String::new();
        let mut keeps = true;
        for line in paragraph.trim_matches('\n').lines() {
            if !line.starts_with([' ', '\t']) {
                let key = line.split(':').next().unwrap_or_default();
                keeps = !matches!(
                    key,
                    "Filename"
                        | "Size"
                        | "MD5sum"
                        | "SHA1"
                        | "SHA256"
                        | "SHA512"
                        | "Status"
                        | "Description-md5"
                        | "Tag"
                ) && !key.starts_with("Description");
            }
            if keeps {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        found.entry(name.to_owned()).or_insert(kept);
    }
    found
}

/// A field of a paragraph that is on one line.
pub(super) fn field<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    paragraph
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        .filter(|value| !value.is_empty())
}

/// The lines in which apt says what is wrong.
pub(super) fn complaints(text: &str) -> Vec<String> {
    const MOST: usize = 12;
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    // What depends on what in vain stands before the error itself, indented.
    let said: Vec<String> = lines
        .iter()
        .filter(|line| {
            ["E:", "W: GPG error"].iter().any(|head| line.starts_with(head))
                || (line.starts_with(' ') && line.contains(" : "))
        })
        .map(|line| (*line).trim().to_owned())
        .collect();
    let last = || lines.iter().rev().take(3).rev().map(|line| (*line).to_owned()).collect();
    let mut said = if said.is_empty() { last() } else { said };
    said.truncate(MOST);
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_and_changes_are_read() {
        let digest = "1896a2aacf4ad681ff5eacc24a5b0ca4d5d9c9b9c9e4b6de5197bc1e116ea619";
        let text = format!("W: some warning\n'file:/m/pool/g/g%2b1.deb' g+1.deb 37596 SHA256:{digest}\n");
        let wanted = wanted(&text);
        assert_eq!((wanted[0].uri.as_str(), wanted[0].bytes), ("file:/m/pool/g/g%2b1.deb", 37596));
        assert_eq!(wanted[0].digest.as_ref().unwrap().hex(), digest);
        let text = "Inst libc6 (2.36-9 Debian:12/oldstable [amd64]) []\nInst tar [1.0] (1.34 Debian:12 [amd64])\n\
                    Conf tar (1.34 x)\nRemv nano [7.2] [x]\n";
        let installed =
            |name: &str, version: &str| Change::Installed { name: name.into(), version: version.into() };
        assert_eq!(
            changes(text),
            [installed("libc6", "2.36-9"), installed("tar", "1.34"), Change::Removed { name: "nano".into() }]
        );
    }

    #[test]
    fn a_paragraph_loses_what_only_archives_know() {
        let text = "Package: a\nVersion: 1\nDepends: b,\n c\nDescription: x\n more\nFilename: pool/a.deb\nSHA256: 00\n\n\
                    Package: a\nVersion: 2\n\nnoise\n";
        let found = paragraphs(text);
        assert_eq!(found["a"], "Package: a\nVersion: 1\nDepends: b,\n c\n");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn errors_are_taken_with_what_depends_in_vain() {
        let text = "Reading…\nThe following packages have unmet dependencies:\n a : Depends: b but it is not installable\n\
                    E: Unable to correct problems, you have held broken packages.\n";
        assert_eq!(complaints(text).len(), 2);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(text in "(?s)(['(:\\[] ?|Inst |Remv |E:|\n|.){0,60}") {
            let _ = (wanted(&text), changes(&text), paragraphs(&text), complaints(&text));
        }
    }
}
