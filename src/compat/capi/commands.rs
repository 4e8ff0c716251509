//! Packer's command line and make's switches: which variables they set, in which order.
use super::{CompatError, Variables, settings::words};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What the environment and the command line ask for, before any file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands {
    /// Var files, the later one wins: those of `PACKER_FLAGS`, then those of `PACKER_VAR_FILES`, then `--var-file`.
    pub files: Vec<PathBuf>,
    /// `-var`, which wins over every file: `NAME=VALUE`, and where it was written.
    pub vars: Vec<(String, String)>,
    /// What happens when a step fails.
    pub on_error: Option<OnError>,
    /// Pause between the steps.
    pub debug: bool,
    /// What is there already is replaced.
    pub force: bool,
    /// What was understood and does nothing here.
    pub notes: Vec<String>,
}

/// Packer's `-on-error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Everything is removed.
    Cleanup,
    /// The machine is left.
    Abort,
    /// A person is asked.
    Ask,
}

impl Commands {
    /// What `PACKER_FLAGS`, `PACKER_VAR_FILES` and make's switches say, and goldsmith's own flags after them.
    ///
    /// # Errors
    /// A flag of Packer's that is not known, or has no value.
    pub fn read(
        environment: &BTreeMap<String, String>,
        files: &[PathBuf],
        vars: &[String],
    ) -> Result<Self, CompatError> {
        let mut commands = Self::default();
        let get =
            |name: &str| environment.get(name).map(String::as_str).filter(|text| !text.trim().is_empty());
        if let Some(flags) = get("PACKER_FLAGS") {
            commands.flags(flags)?;
        }
        let listed = get("PACKER_VAR_FILES").unwrap_or_default();
        commands.files.extend(listed.split_whitespace().map(PathBuf::from));
        commands.files.extend(files.iter().cloned());
        commands.vars.extend(vars.iter().map(|var| (var.clone(), "--var".to_owned())));
        if get("ON_ERROR_ASK") == Some("1") {
            commands.on_error = Some(OnError::Ask);
        }
        commands.debug |= get("DEBUG") == Some("1");
        for name in [
            "FOREGROUND",
            "PACKER_COLOR",
            "PACKER_LOG",
            "IB_OVFTOOL",
            "IB_OVFTOOL_ARGS",
            "SSH_PRIVATE_KEY_FILE",
            "SSH_PUBLIC_KEY_FILE",
        ] {
            if get(name).is_some() {
                commands.notes.push(format!(
                    "the environment variable `{name}` is without effect: {}",
                    meaningless(name)
                ));
            }
        }
        Ok(commands)
    }

    fn flags(&mut self, text: &str) -> Result<(), CompatError> {
        const FROM: &str = "PACKER_FLAGS";
        let wrong = |why: String| CompatError::new(format!("`PACKER_FLAGS` cannot be used: {why}"));
        let words = words(text).ok_or_else(|| wrong("a quote has no end".to_owned()))?;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                return Err(wrong(format!("`{word}` is no flag")));
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (flag.to_owned(), None),
            };
            match name.as_str() {
                "force" | "debug" if value.as_deref().is_none_or(|value| value == "true") => {
                    self.force |= name == "force";
                    self.debug |= name == "debug";
                }
                "force" | "debug" => {}
                "var" | "var-file" | "on-error" => {
                    let value = value.or_else(|| words.next());
                    let value = value.ok_or_else(|| wrong(format!("`-{name}` has no value")))?;
                    match name.as_str() {
                        "var" => self.vars.push((value, FROM.to_owned())),
                        "var-file" => self.files.push(PathBuf::from(value)),
                        _ => {
                            self.on_error = Some(on_error(&value).ok_or_else(|| {
                                wrong(format!("`-on-error={value}` is none of `cleanup`, `abort` and `ask`"))
                            })?);
                        }
                    }
                }
                "color"
                | "timestamp-ui"
                | "machine-readable"
                | "parallel-builds"
                | "only"
                | "except"
                | "warn-on-undeclared-var" => {
                    if value.is_none() && matches!(name.as_str(), "parallel-builds" | "only" | "except") {
                        words.next();
                    }
                    self.notes.push(format!("`-{name}` in `PACKER_FLAGS` is without effect here"));
                }
                _ => {
                    return Err(wrong(format!("`{word}` is no flag of `packer build` that goldsmith knows"))
                        .hint("it knows -var, -var-file, -on-error, -debug and -force"));
                }
            }
        }
        Ok(())
    }

    /// The variables of all of it. `read` gives the text of a var file, whose path is relative to `folder`.
    ///
    /// # Errors
    /// What `read` says, and what is wrong in a file or a flag.
    pub fn variables(
        &self,
        environment: &BTreeMap<String, String>,
        folder: &Path,
        read: &dyn Fn(&Path) -> Result<String, CompatError>,
    ) -> Result<Variables, CompatError> {
        let mut variables = Variables::default();
        variables.set_environment(environment.clone());
        for file in &self.files {
            let path = folder.join(file);
            variables.read_file(&path, &read(&path)?)?;
        }
        for (var, from) in &self.vars {
            variables.read_flag(var, from)?;
        }
        if let Some(text) = environment.get("OVF_CUSTOM_PROPERTIES").filter(|path| !path.trim().is_empty()) {
            let path = folder.join(text.trim());
            for (key, value) in properties(&path, &read(&path)?)? {
                variables.set_property(key, value);
            }
        }
        variables.set_forced(self.force);
        Ok(variables)
    }
}

fn on_error(value: &str) -> Option<OnError> {
    match value {
        "cleanup" => Some(OnError::Cleanup),
        "abort" => Some(OnError::Abort),
        "ask" => Some(OnError::Ask),
        _ => None,
    }
}

fn meaningless(name: &str) -> &'static str {
    match name {
        "FOREGROUND" => "machines here have no window; `goldsmith build --debug` stops before each stage",
        "PACKER_COLOR" => "`--color` says it",
        "PACKER_LOG" => "each build has a log",
        "IB_OVFTOOL" | "IB_OVFTOOL_ARGS" => "goldsmith writes OVAs by itself",
        _ => "each build has a key of its own",
    }
}

/// `OVF_CUSTOM_PROPERTIES`: a file with one flat object.
fn properties(path: &Path, text: &str) -> Result<Vec<(String, String)>, CompatError> {
    let wrong = |what: String| {
        CompatError::new(format!("cannot use `{}` (OVF_CUSTOM_PROPERTIES): {what}", path.display()))
            .hint("it is one flat object of texts")
    };
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    object
        .into_iter()
        .map(|(key, value)| match value {
            serde_json::Value::String(text) => Ok((key, text)),
            serde_json::Value::Number(number) => Ok((key, number.to_string())),
            serde_json::Value::Bool(flag) => Ok((key, flag.to_string())),
            _ => Err(wrong(format!("`{key}` is no text"))),
        })
        .collect()
}
