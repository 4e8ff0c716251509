//! The build's secrets: read when they are first needed, known to the redactor before anybody else, put into texts at the
//! moment of use.
use crate::{cx::Cx, plan::SecretSource, value::Secret};
use std::{collections::BTreeMap, path::PathBuf};
use tokio::sync::Mutex;

const OPEN: &str = "${secret.";

/// All secrets of a plan, by name.
#[derive(Debug)]
pub struct Secrets {
    sources: BTreeMap<String, SecretSource>,
    loaded: Mutex<BTreeMap<String, Secret>>,
}

/// A secret could not be had or not be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nothing of this name is defined.
    #[error("there is no secret called `{0}` in the definition")]
    Unknown(String),
    /// The environment variable is not set.
    #[error(
        "could not read the secret `{name}`: the environment variable `{variable}` is not set or no text"
    )]
    Env {
        /// The secret.
        name: String,
        /// The variable.
        variable: String,
    },
    /// The file cannot be read.
    #[error("could not read the secret `{name}` from `{}`", path.display())]
    File {
        /// The secret.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The command cannot be run.
    #[error("could not run `{program}` for the secret `{name}`")]
    Command {
        /// The secret.
        name: String,
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The command failed or printed no text.
    #[error("the command `{program}` gave no secret `{name}` ({status})")]
    CommandFailed {
        /// The secret.
        name: String,
        /// The program.
        program: String,
        /// How it ended.
        status: String,
    },
    /// The file is no JSON, or has no such text.
    #[error("could not read the secret `{name}` from `{}`: {what}", path.display())]
    Json {
        /// The secret.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong, without any of its text.
        what: String,
    },
    /// Put into a script as it is, the shell would change it.
    #[error(
        "the secret `{0}` holds characters that mean something to a shell: give it to the script as an environment \
         variable (`env.NAME = \"${{secret.{0}}}\"`) and write \"$NAME\" there"
    )]
    NotForScripts(String),
    /// The text begins a placeholder that has no end.
    #[error("a `${{secret.…` in the text has no closing brace or an impossible name")]
    Malformed,
    /// The user interrupted the build.
    #[error(transparent)]
    Cancelled(#[from] crate::cx::Cancelled),
}

/// What a text becomes when its placeholders are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Source text of a shell script: only values that are inert there.
    Script,
    /// Anything that nobody interprets: values of variables, contents of files.
    Text,
}

impl Secrets {
    /// The secrets that `sources` describe. Nothing is read yet.
    pub fn load(sources: &BTreeMap<String, SecretSource>) -> Self {
        Self { sources: sources.clone(), loaded: Mutex::default() }
    }

    /// One secret.
    pub async fn get(&self, cx: &Cx, name: &str) -> Result<Secret, SecretError> {
        let mut loaded = self.loaded.lock().await;
        if let Some(secret) = loaded.get(name) {
            return Ok(secret.clone());
        }
        let source = self.sources.get(name).ok_or_else(|| SecretError::Unknown(name.to_owned()))?;
        let secret = read(cx, name, source).await?;
        // Before anything can print it.
        cx.redactor().learn(&secret);
        loaded.insert(name.to_owned(), secret.clone());
        Ok(secret)
    }

    /// Every secret that was used so far: what must not be found where it does not belong.
    pub async fn used(&self) -> Vec<Secret> {
        self.loaded.lock().await.values().cloned().collect()
    }

    /// `text` with its placeholders filled.
    pub(super) async fn fill(&self, cx: &Cx, text: &str, place: Place) -> Result<Secret, SecretError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(OPEN) {
            filled.push_str(&rest[..at]);
            let after = &rest[at + OPEN.len()..];
            let end = after.find('}').ok_or(SecretError::Malformed)?;
            let name = &after[..end];
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
                return Err(SecretError::Malformed);
            }
            let secret = self.get(cx, name).await?;
            if place == Place::Script && !inert(secret.expose()) {
                return Err(SecretError::NotForScripts(name.to_owned()));
            }
            filled.push_str(secret.expose());
            rest = &after[end + 1..];
        }
        filled.push_str(rest);
        Ok(Secret::new(filled))
    }
}

/// Whether `text` holds a placeholder.
pub(super) fn has_secret(text: &str) -> bool {
    text.contains(OPEN)
}

/// Whether a shell leaves `text` alone, quoted or not.
fn inert(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b))
}

async fn read(cx: &Cx, name: &str, source: &SecretSource) -> Result<Secret, SecretError> {
    let name = name.to_owned();
    match source {
        SecretSource::Env(variable) => std::env::var(variable)
            .map(Secret::new)
            .map_err(|_| SecretError::Env { name, variable: variable.clone() }),
        SecretSource::File(path) => tokio::fs::read_to_string(path)
            .await
            .map(|text| Secret::new(chomp(&text)))
            .map_err(|source| SecretError::File { name, path: path.clone(), source }),
        SecretSource::Json { file, key } => {
            let text = tokio::fs::read_to_string(file).await.map_err(|source| SecretError::File {
                name: name.clone(),
                path: file.clone(),
                source,
            })?;
            of_json(&text, key).map_err(|what| SecretError::Json { name, path: file.clone(), what })
        }
        SecretSource::Command(argv) => {
            let program = argv.first().cloned().unwrap_or_default();
            let mut command = tokio::process::Command::new(&program);
            command.args(argv.iter().skip(1)).stdin(std::process::Stdio::null());
            // Standard error stays with the user: password managers ask and complain there.
            command.stderr(std::process::Stdio::inherit()).kill_on_drop(true);
            let out = cx.stop().unless_cancelled(command.output()).await?;
            let out = out.map_err(|source| SecretError::Command {
                name: name.clone(),
                program: program.clone(),
                source,
            })?;
            match String::from_utf8(out.stdout) {
                Ok(text) if out.status.success() && !chomp(&text).is_empty() => Ok(Secret::new(chomp(&text))),
                Ok(_) if out.status.success() => {
                    Err(SecretError::CommandFailed { name, program, status: "it printed nothing".into() })
                }
                Ok(_) => Err(SecretError::CommandFailed { name, program, status: out.status.to_string() }),
                Err(_) => {
                    Err(SecretError::CommandFailed { name, program, status: "it printed no text".into() })
                }
            }
        }
    }
}

/// The text at `key`. What is wrong is said without the parser's words, which may quote the file.
fn of_json(text: &str, key: &str) -> Result<Secret, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("line {} is no JSON", error.line()))?;
    let object = value.as_object().ok_or("it is not an object")?;
    match object.get(key) {
        Some(serde_json::Value::String(text)) if !text.is_empty() => Ok(Secret::new(text.as_str())),
        Some(serde_json::Value::String(_)) => Err(format!("`{key}` is empty")),
        Some(_) => Err(format!("`{key}` is not a text")),
        None => Err(format!("it has no `{key}`")),
    }
}

/// Without one final line end.
fn chomp(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::tests_support::cx;

    fn secrets(pairs: &[(&str, SecretSource)]) -> Secrets {
        Secrets::load(&pairs.iter().map(|(name, source)| ((*name).to_owned(), source.clone())).collect())
    }

    fn echo(text: &str) -> SecretSource {
        SecretSource::Command(vec!["printf".into(), "%s\\n".into(), text.into()])
    }

    #[tokio::test]
    async fn a_secret_is_redacted_from_the_moment_it_is_read() {
        let cx = cx();
        let secrets = secrets(&[("token", echo("abc-123"))]);
        assert_eq!(cx.redactor().redact("abc-123"), "abc-123");
        assert_eq!(secrets.get(&cx, "token").await.unwrap().expose(), "abc-123");
        assert_eq!(cx.redactor().redact("x abc-123"), "x ••••••");
        assert_eq!(secrets.used().await.len(), 1);
    }

    #[tokio::test]
    async fn secrets_are_read_once_and_only_when_needed() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> {}; echo value", count.display());
        let source = SecretSource::Command(vec!["sh".into(), "-c".into(), script]);
        let (cx, secrets) = (cx(), secrets(&[("a", source)]));
        assert!(!count.exists());
        for _ in 0..3 {
            secrets.get(&cx, "a").await.unwrap();
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
    }

    #[tokio::test]
    async fn placeholders_are_filled_everywhere_in_a_text() {
        let (cx, secrets) = (cx(), secrets(&[("a", echo("one")), ("b-2", echo("it's $two"))]));
        let filled = secrets.fill(&cx, "${secret.a}:${secret.b-2}:$a ${a}", Place::Text).await.unwrap();
        assert_eq!(filled.expose(), "one:it's $two:$a ${a}");
        assert_eq!(secrets.fill(&cx, "${secret.a}", Place::Script).await.unwrap().expose(), "one");
    }

    #[tokio::test]
    async fn a_secret_that_a_shell_would_change_is_refused_in_scripts_with_the_way_out() {
        let (cx, secrets) = (cx(), secrets(&[("pw", echo("a$b"))]));
        let error = secrets.fill(&cx, "echo \"${secret.pw}\"", Place::Script).await.unwrap_err();
        assert!(matches!(error, SecretError::NotForScripts(_)));
        assert!(error.to_string().contains("env.NAME = \"${secret.pw}\""), "{error}");
        assert!(!error.to_string().contains("a$b"));
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let cx = cx();
        let secrets = secrets(&[
            ("env", SecretSource::Env("GOLDSMITH_NO_SUCH_VARIABLE".into())),
            ("file", SecretSource::File("/no/such/file".into())),
            ("fails", SecretSource::Command(vec!["false".into()])),
            ("silent", SecretSource::Command(vec!["true".into()])),
            ("none", SecretSource::Command(vec!["/no/such/program".into()])),
        ]);
        for (name, part) in [
            ("env", "GOLDSMITH_NO_SUCH_VARIABLE"),
            ("file", "/no/such/file"),
            ("fails", "exit status: 1"),
            ("silent", "printed nothing"),
            ("none", "/no/such/program"),
            ("other", "no secret called `other`"),
        ] {
            let error = secrets.get(&cx, name).await.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for text in ["${secret.}", "${secret.a", "${secret.a b}"] {
            assert!(
                matches!(secrets.fill(&cx, text, Place::Text).await, Err(SecretError::Malformed)),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_key_of_json_is_taken_as_it_is_and_what_is_wrong_is_said_without_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vsphere.json");
        std::fs::write(&path, r#"{"password": "it's $two\n", "empty": "", "port": 22}"#).unwrap();
        let bad = folder.path().join("bad.json");
        std::fs::write(&bad, "{\n\"password\": hunter2}").unwrap();
        let of =
            |file: &std::path::Path, key: &str| SecretSource::Json { file: file.into(), key: key.into() };
        let secrets = secrets(&[
            ("good", of(&path, "password")),
            ("empty", of(&path, "empty")),
            ("port", of(&path, "port")),
            ("gone", of(&path, "passwort")),
            ("bad", of(&bad, "password")),
            ("nowhere", of(&folder.path().join("none"), "password")),
        ]);
        assert_eq!(secrets.get(&cx(), "good").await.unwrap().expose(), "it's $two\n");
        for (name, part) in [
            ("empty", "`empty` is empty"),
            ("port", "`port` is not a text"),
            ("gone", "it has no `passwort`"),
            ("bad", "line 2 is no JSON"),
            ("nowhere", "none"),
        ] {
            let error = secrets.get(&cx(), name).await.unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_file_loses_one_line_end_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "line one\nline two\n\n").unwrap();
        let secrets = secrets(&[("key", SecretSource::File(path))]);
        assert_eq!(secrets.get(&cx(), "key").await.unwrap().expose(), "line one\nline two\n");
    }
}
