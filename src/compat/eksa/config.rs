//! The JSON file of a hypervisor: flat, all texts.
use super::{Hypervisor, keys, proxy::host_and_port};
use crate::{compat::CompatError, definition::nearest_name};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// What a configuration file says. Values of secrets are not kept: a definition names the file and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file, absolute.
    pub path: PathBuf,
    values: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
    unknown: Vec<String>,
    proxy: Option<(String, String)>,
    hypervisor: Hypervisor,
}

impl Config {
    /// Reads the file's bytes. `path` is absolute.
    pub(super) fn read(path: &Path, bytes: &[u8], hypervisor: Hypervisor) -> Result<Self, CompatError> {
        let map = object(path, bytes, &format!("{hypervisor} config file"))?;
        let known = keys::known(hypervisor);
        let (mut values, mut secrets, mut unknown) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let mut proxy = None;
        for (key, value) in map {
            if !known.contains(&key.as_str()) {
                unknown.push(key);
                continue;
            }
            if let ("http_proxy", Value::String(text)) = (key.as_str(), &value) {
                proxy = host_and_port(text);
            }
            match value {
                // As good as absent.
                Value::Null => {}
                Value::String(text) if keys::is_secret(&key) || has_password(&key, &text) => {
                    if !text.is_empty() {
                        secrets.insert(key);
                    }
                }
                Value::String(text) => {
                    values.insert(key, text);
                }
                other => return Err(not_a_text(path, &key, &other)),
            }
        }
        unknown.sort();
        Ok(Self { path: path.to_owned(), values, secrets, unknown, proxy, hypervisor })
    }

    /// What a key says; nothing for a key that is not there, and for a secret.
    pub fn get(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// Whether a key says something; also a secret.
    pub fn says(&self, key: &str) -> bool {
        !self.get(key).is_empty() || self.is_secret(key)
    }

    /// Whether a key is there, even with an empty text.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key) || self.is_secret(key)
    }

    /// Whether what a key says is not to be seen.
    pub fn is_secret(&self, key: &str) -> bool {
        self.secrets.contains(key)
    }

    /// Host and port of `http_proxy`, if it has both.
    pub(super) fn proxy(&self) -> Option<&(String, String)> {
        self.proxy.as_ref()
    }

    /// All keys that are there, with what they say; none for a secret.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let plain = self.values.iter().map(|(key, text)| (key.as_str(), Some(text.as_str())));
        plain.chain(self.secrets.iter().map(|key| (key.as_str(), None)))
    }

    /// Its name for people.
    pub(super) fn called(&self) -> String {
        format!("`{}`", self.path.display())
    }

    /// What is said about keys that nobody knows, if there are any.
    pub(super) fn unknown(&self) -> Option<String> {
        if self.unknown.is_empty() {
            return None;
        }
        let mut text = format!(
            "Warning: ignoring unrecognized key(s) in {}-config: {}. These values are dropped and will not be passed to Packer.",
            self.hypervisor,
            self.unknown.join(", ")
        );
        let known = keys::known(self.hypervisor);
        for key in &self.unknown {
            if let Some(near) = nearest_name(&key.to_lowercase(), known.iter().copied()) {
                text.push_str(&format!(" Did you mean `{near}`, not `{key}`?"));
            }
        }
        Some(text)
    }
}

/// A file whose text is one JSON object.
pub(super) fn object(
    path: &Path,
    bytes: &[u8],
    what: &str,
) -> Result<serde_json::Map<String, Value>, CompatError> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => {
            Err(CompatError::new(format!("Error reading {what}: `{}` is {}", path.display(), kind(&other)))
                .hint("it must be an object: `{ \"key\": \"value\" }`"))
        }
        // The error tells line and column and quotes nothing of the file.
        Err(error) => {
            Err(CompatError::new(format!("Error reading {what}: `{}` is no JSON", path.display()))
                .because(error))
        }
    }
}

/// What a value is, for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn not_a_text(path: &Path, key: &str, value: &Value) -> CompatError {
    let error = CompatError::new(format!(
        "`{}`: `{key}` is {}, and all values of this file are texts",
        path.display(),
        kind(value)
    ));
    match value {
        Value::Number(_) | Value::Bool(_) if !keys::is_secret(key) => {
            error.hint(format!("write `\"{key}\": \"{value}\"`"))
        }
        Value::Array(_) => error.hint("several are separated by blanks in one text"),
        _ => error,
    }
}

/// Whether a proxy's address has a password in it.
fn has_password(key: &str, text: &str) -> bool {
    matches!(key, "http_proxy" | "https_proxy")
        && url::Url::parse(text).is_ok_and(|url| url.password().is_some())
}
