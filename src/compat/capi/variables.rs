//! Packer's user variables: flat texts, the later one wins as a whole.
use super::super::CompatError;
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Variables whose texts must not be seen: they are never read here, only where they are is kept.
const SECRETS: &[&str] = &[
    "additional_s3_secret",
    "aws_secret_key",
    "aws_session_token",
    "encrypted_ssh_password",
    "nutanix_password",
    "password",
    "remote_password",
    "rhel_password",
    "rhsm_activation_key",
    "rhsm_password",
    "ssh_password",
];

/// Variables with where each is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, Value>,
    environment: BTreeMap<String, String>,
    started: Timestamp,
    properties: Vec<(String, String)>,
    files: Vec<AdditionalFile>,
    forced: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its text. That of a secret is not read here: see `secret`.
    pub text: String,
    /// The file or flag that it is from, for people.
    pub from: String,
    /// Where it is read from when a build needs it, if it is a secret.
    pub secret: Option<SecretPlace>,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// At the top level of a file of JSON.
    Json {
        /// The file; relative paths start in the folder that [`super::define`] is given.
        file: PathBuf,
        /// Its key there.
        key: String,
    },
    /// In an environment variable.
    Env(String),
}

/// A file of this host that goes into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdditionalFile {
    /// Here; relative paths start in the folder that [`super::define`] is given.
    pub src: PathBuf,
    /// There, absolute.
    pub dest: String,
    /// Who owns it.
    pub owner: String,
    /// Its group.
    pub group: String,
    /// Octal digits: `0744`.
    pub mode: String,
}

impl Variables {
    /// Sets one; the later one wins.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>, from: impl Into<String>) {
        self.values.insert(name.into(), Value { text: text.into(), from: from.into(), secret: None });
    }

    /// The same for one that is a secret: its text stays where it is.
    pub fn set_secret(&mut self, name: impl Into<String>, place: SecretPlace, from: impl Into<String>) {
        let value = Value { text: String::new(), from: from.into(), secret: Some(place) };
        self.values.insert(name.into(), value);
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Sets what `{{env …}}` means, and what image-builder looks up in the environment by itself.
    pub fn set_environment(&mut self, environment: BTreeMap<String, String>) {
        self.environment = environment;
    }

    /// A variable of the environment; an empty one is like none, as for Packer.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Sets what `{{timestamp}}` and `{{isotime}}` mean. Without it, it is the beginning of 1970.
    pub fn set_started(&mut self, started: Timestamp) {
        self.started = started;
    }

    /// When the build was begun.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Sets one more property of OVAs.
    pub fn set_property(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.properties.push((key.into(), value.into()));
    }

    /// More properties of OVAs.
    pub fn properties(&self) -> &[(String, String)] {
        &self.properties
    }

    /// One more file for the image.
    pub fn add_file(&mut self, file: AdditionalFile) {
        self.files.push(file);
    }

    /// More files for the image.
    pub fn files(&self) -> &[AdditionalFile] {
        &self.files
    }

    /// Sets whether what is there already is replaced (`-force`).
    pub fn set_forced(&mut self, forced: bool) {
        self.forced = forced;
    }

    /// Whether what is there already is replaced.
    pub fn is_forced(&self) -> bool {
        self.forced
    }

    /// Takes all of a var file's: a flat object of texts. `path` is how people know it, and where secrets are read from later.
    ///
    /// # Errors
    /// What is no such object, or has a value that is no text.
    pub fn read_file(&mut self, path: &Path, text: &str) -> Result<(), CompatError> {
        let wrong = |message: String| {
            CompatError::new(format!("Error reading variables in '{}': {message}", path.display()))
                .hint("a var file is one flat object of texts: write numbers and booleans in quotes")
        };
        // The parser's own words could quote a password.
        let object: serde_json::Value = serde_json::from_str(text).map_err(|error| {
            wrong(format!("it is no JSON at line {}, column {}", error.line(), error.column()))
        })?;
        let object = object.as_object().ok_or_else(|| wrong("it is not an object".to_owned()))?;
        for (name, value) in object {
            let text = match value {
                serde_json::Value::String(text) => text.as_str(),
                serde_json::Value::Null => "",
                other => return Err(wrong(format!("`{name}` is {}, not a text", kind(other)))),
            };
            let from = path.display().to_string();
            let hidden = is_secret(name) || (has_login(name, text) && !text.contains("{{"));
            if hidden && !text.is_empty() {
                self.set_secret(name, place(path, name, text).map_err(wrong)?, from);
            } else {
                self.set(name, text, from);
            }
        }
        Ok(())
    }

    /// Takes a `-var NAME=VALUE`.
    ///
    /// # Errors
    /// What has no `=`, and secrets: a definition can only say where one is.
    pub fn read_flag(&mut self, flag: &str, from: &str) -> Result<(), CompatError> {
        let Some((name, text)) = flag.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(CompatError::new(format!("`-var {flag}` in {from} is not NAME=VALUE")));
        };
        if !is_secret(name) || text.is_empty() {
            self.set(name, text, format!("-var in {from}"));
            return Ok(());
        }
        match only_env(text) {
            Some(variable) => {
                self.set_secret(name, SecretPlace::Env(variable.to_owned()), format!("-var in {from}"));
                Ok(())
            }
            None => Err(CompatError::new(format!("`-var {name}=…` in {from} is a secret on a command line"))
                .hint(format!("write `{name}` into a var file, which is read when the build needs it"))
                .hint(format!(
                    "or set an environment variable, and write `-var '{name}={{{{env `NAME`}}}}'`"
                ))),
        }
    }
}

/// Whether the text of this variable must not be seen.
pub(super) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Whether it is the address of a proxy with a password in it.
fn has_login(name: &str, text: &str) -> bool {
    matches!(name, "http_proxy" | "https_proxy") && text.contains('@')
}

/// `{{env `NAME`}}` and nothing else.
fn only_env(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let name = inner.strip_prefix("env")?.trim();
    let quote = name.chars().next().filter(|c| matches!(c, '`' | '"'))?;
    let name = name.strip_prefix(quote)?.strip_suffix(quote)?;
    (!name.is_empty() && !name.contains(quote)).then_some(name)
}

fn place(path: &Path, name: &str, text: &str) -> Result<SecretPlace, String> {
    if let Some(variable) = only_env(text) {
        return Ok(SecretPlace::Env(variable.to_owned()));
    }
    if text.contains("{{") {
        return Err(format!(
            "`{name}` is a secret, and may be written out or be `{{{{env `NAME`}}}}`, nothing between"
        ));
    }
    Ok(SecretPlace::Json { file: path.to_owned(), key: name.to_owned() })
}

fn kind(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
        serde_json::Value::Null | serde_json::Value::String(_) => "a text",
    }
}
