//! The file in which `cs`, the client from PyPI, keeps its keys: sections, one for each cloud, with `endpoint`, `key` and `secret`.
use super::{CloudStackError, CloudStackErrorKind};
use crate::value::Secret;
use std::{collections::BTreeMap, path::Path};

/// One cloud of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    pub(super) endpoint: Option<String>,
    pub(super) key: Option<Secret>,
    pub(super) secret: Option<Secret>,
    /// A file with authorities.
    pub(super) verify: Option<String>,
    /// Any certificate is taken.
    pub(super) insecure: bool,
}

impl Section {
    /// What is not in this one is taken from `other`.
    fn or(self, other: Self) -> Self {
        Self {
            endpoint: self.endpoint.or(other.endpoint),
            key: self.key.or(other.key),
            secret: self.secret.or(other.secret),
            verify: self.verify.or(other.verify),
            insecure: self.insecure || other.insecure,
        }
    }
}

/// Sections by their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Ini(pub(super) BTreeMap<String, Section>);

impl Ini {
    /// Reads a file; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, CloudStackError> {
        let failed = |verb: &str| {
            CloudStackError::new(CloudStackErrorKind::Usage, format!("{verb} `{}`", path.display()))
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map(Some).map_err(|why| failed("understand").because(why)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read").because(error)),
        }
    }

    /// As Python's `configparser` reads it, without continued lines and references.
    fn parse(text: &str) -> Result<Self, String> {
        let mut made = Self::default();
        let mut current: Option<String> = None;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                made.0.entry(name.trim().to_owned()).or_default();
                current = Some(name.trim().to_owned());
                continue;
            }
            let (Some(section), Some((key, value))) = (&current, line.split_once(['=', ':'])) else {
                // The line may be a secret.
                return Err(format!("line {} is neither `[section]` nor `name = value` in one", at + 1));
            };
            let section = made.0.entry(section.clone()).or_default();
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match key.trim().to_lowercase().as_str() {
                "endpoint" => section.endpoint = value,
                "key" => section.key = value.map(Secret::new),
                "secret" => section.secret = value.map(Secret::new),
                "verify" => section.verify = value,
                "dangerous_no_tls_verify" => section.insecure = value.is_some_and(|value| is_true(&value)),
                // Timeouts and colours of `cs`.
                _ => {}
            }
        }
        Ok(made)
    }

    /// Both; what is in this one wins.
    pub(super) fn over(mut self, other: Self) -> Self {
        for (name, section) in other.0 {
            let own = self.0.remove(&name).unwrap_or_default();
            self.0.insert(name, own.or(section));
        }
        self
    }
}

/// As `cs` reads it.
pub(super) fn is_true(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "y" | "yes" | "t" | "true" | "on" | "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_cs_is_read() {
        let ini = Ini::parse(
            "# clouds\n[cloudstack]\nendpoint = https://a/client/api\nkey: k\nsecret = a=b:c\ntimeout = 30\n\n[exo]\nendpoint=https://b\ndangerous_no_tls_verify = yes\n",
        )
        .unwrap();
        let one = &ini.0["cloudstack"];
        assert_eq!(one.endpoint.as_deref(), Some("https://a/client/api"));
        assert_eq!(one.key.as_ref().unwrap().expose(), "k");
        assert_eq!(one.secret.as_ref().unwrap().expose(), "a=b:c");
        assert!(ini.0["exo"].insecure && ini.0["exo"].key.is_none());
        let over = Ini::parse("[cloudstack]\nkey = other\n").unwrap().over(ini);
        assert_eq!(over.0["cloudstack"].key.as_ref().unwrap().expose(), "other");
        assert_eq!(over.0["cloudstack"].secret.as_ref().unwrap().expose(), "a=b:c");
    }

    #[test]
    fn what_is_wrong_with_it_is_said_without_its_secrets() {
        let why = Ini::parse("[a]\nkey = k\nverysecret\n").unwrap_err();
        assert!(why.contains("line 3") && !why.contains("verysecret"), "{why}");
        assert!(Ini::parse("key = k\n").unwrap_err().contains("line 1"));
    }
}
