//! `goldsmith.lock`: what every input was, so that a later build notices when one is another.
use super::{BundleError, BundleErrorKind, Gathered, index::address, make::beside};
use crate::{cx::Cx, plan::InputKind, value::Digest};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    path::Path,
};
use url::Url;

/// The file's name; it lies beside the definitions that it is of.
pub const LOCK: &str = "goldsmith.lock";
/// The format that is written, and the newest that is read.
const VERSION: u32 = 1;

/// The inputs of builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    inputs: BTreeMap<Url, Locked>,
}

/// What an input was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Locked {
    digest: Digest,
    bytes: u64,
    kind: InputKind,
    builds: BTreeSet<String>,
}

/// As it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    #[serde(default, rename = "input", skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<RawInput>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    url: Url,
    digest: Digest,
    bytes: u64,
    kind: InputKind,
    builds: Vec<String>,
}

/// How inputs differ from what is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "drift")]
pub enum Drift {
    /// It is another file.
    Changed {
        /// Its address.
        url: Url,
        /// What the lock says.
        locked: Digest,
        /// What it is.
        found: Digest,
    },
    /// The lock knows nothing of it.
    New {
        /// Its address.
        url: Url,
        /// What needs it.
        needed_by: String,
    },
    /// The build does not need it any more.
    Gone {
        /// Its address.
        url: Url,
    },
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { url, locked, found } => {
                write!(f, "`{url}` is another file: {locked} is locked, found {found}")
            }
            Self::New { url, needed_by } => write!(f, "`{url}` is not locked; {needed_by} needs it"),
            Self::Gone { url } => write!(f, "`{url}` is locked and not needed any more"),
        }
    }
}

impl Lock {
    /// The lock at `path`.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let attempt = || format!("read the lock `{}`", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| {
            let error = BundleError::new(BundleErrorKind::Usage, attempt()).because(error);
            error.hint("`goldsmith lock` writes it")
        })?;
        Self::parse(&text).map_err(|why| {
            BundleError::new(BundleErrorKind::Usage, attempt())
                .because(why)
                .hint("`goldsmith lock` writes it anew")
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        /// Enough to tell the version of a newer format.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let told: Version = toml::from_str(text).map_err(|error| error.to_string())?;
        if told.version != VERSION {
            return Err(format!("it has version {}, and this goldsmith reads {VERSION}", told.version));
        }
        let raw: Raw = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut inputs = BTreeMap::new();
        for RawInput { url, digest, bytes, kind, builds } in raw.inputs {
            let locked = Locked { digest, bytes, kind, builds: builds.into_iter().collect() };
            if inputs.insert(url.clone(), locked).is_some() {
                return Err(format!("`{url}` is in it twice"));
            }
        }
        Ok(Self { inputs })
    }

    /// The text of the file: the same for the same inputs.
    pub fn text(&self) -> Result<String, BundleError> {
        let raw = Raw {
            version: VERSION,
            inputs: self
                .inputs
                .iter()
                .map(|(url, locked)| RawInput {
                    url: url.clone(),
                    digest: locked.digest.clone(),
                    bytes: locked.bytes,
                    kind: locked.kind,
                    builds: locked.builds.iter().cloned().collect(),
                })
                .collect(),
        };
        let mut text = String::from(
            "# What every input of the builds was. `goldsmith lock` writes this file; `goldsmith build --locked` refuses other inputs.\n",
        );
        let toml = toml::to_string(&raw).map_err(|error| {
            BundleError::new(BundleErrorKind::Other, "write down the lock").because(error)
        })?;
        let _ = write!(text, "{toml}");
        Ok(text)
    }

    /// Writes it to `path`, which has the old text or the whole new one at any time.
    pub async fn write(&self, cx: &Cx, path: &Path) -> Result<(), BundleError> {
        let text = self.text()?;
        let part = beside(cx, path);
        let undo = cx.plan_path(&part)?;
        let failed = |error| BundleError::io("write", path, error);
        tokio::fs::write(&part, text).await.map_err(failed)?;
        tokio::fs::rename(&part, path).await.map_err(failed)?;
        cx.undo().keep(undo)?;
        Ok(())
    }

    /// An error that names how `build` differs from what is locked in `path`, if it does.
    pub fn check(&self, path: &Path, build: &str, gathered: &[&Gathered]) -> Result<(), BundleError> {
        /// So many are told in full.
        const TOLD: usize = 20;
        let attempt = || format!("build `{build}` as `{}` locks it", path.display());
        let hint = "if that is meant, `goldsmith lock FILE` locks what is there now";
        if !self.knows(build) && !gathered.is_empty() {
            return Err(BundleError::new(BundleErrorKind::Drift, attempt())
                .because("it says nothing of this build")
                .hint(hint));
        }
        let drift = self.drift(build, gathered);
        if drift.is_empty() {
            return Ok(());
        }
        let mut told: Vec<String> = drift.iter().take(TOLD).map(ToString::to_string).collect();
        if drift.len() > TOLD {
            told.push(format!("and {} more", drift.len() - TOLD));
        }
        Err(BundleError::new(BundleErrorKind::Drift, attempt()).because(told.join("; ")).hint(hint))
    }

    /// Replaces what `build` needs. Other builds keep what they need: if one of them needs the same file, it is what it is now.
    pub fn put(&mut self, build: &str, gathered: &[&Gathered]) {
        for locked in self.inputs.values_mut() {
            locked.builds.remove(build);
        }
        for one in gathered {
            let fresh = || Locked {
                digest: one.sha256.clone(),
                bytes: one.bytes,
                kind: one.input.kind,
                builds: BTreeSet::new(),
            };
            let locked = self.inputs.entry(address(&one.input.url)).or_insert_with(fresh);
            (locked.digest, locked.bytes, locked.kind) = (one.sha256.clone(), one.bytes, one.input.kind);
            locked.builds.insert(build.to_owned());
        }
        self.inputs.retain(|_, locked| !locked.builds.is_empty());
    }

    /// Whether it says anything of a build.
    pub fn knows(&self, build: &str) -> bool {
        self.inputs.values().any(|locked| locked.builds.contains(build))
    }

    /// How many inputs are in it.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// How what `build` needs now differs from what is locked.
    pub fn drift(&self, build: &str, gathered: &[&Gathered]) -> Vec<Drift> {
        let mut drift = Vec::new();
        let mut needed = BTreeSet::new();
        for one in gathered {
            let url = address(&one.input.url);
            match self.inputs.get(&url).filter(|locked| locked.builds.contains(build)) {
                None => drift.push(Drift::New { url: url.clone(), needed_by: one.needed_by.join(", ") }),
                Some(locked) if locked.digest != one.sha256 => drift.push(Drift::Changed {
                    url: url.clone(),
                    locked: locked.digest.clone(),
                    found: one.sha256.clone(),
                }),
                Some(_) => {}
            }
            needed.insert(url);
        }
        let gone =
            self.inputs.iter().filter(|(url, locked)| locked.builds.contains(build) && !needed.contains(url));
        drift.extend(gone.map(|(url, _)| Drift::Gone { url: url.clone() }));
        drift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Input;

    fn gathered(url: &str, byte: &str) -> Gathered {
        let input = Input {
            url: url.parse().unwrap(),
            digest: None,
            bytes: None,
            kind: InputKind::Package,
            needed_by: "step 1".into(),
        };
        Gathered {
            needed_by: vec!["step 1".into()],
            sha256: byte.repeat(64).parse().unwrap(),
            bytes: 7,
            path: "/x".into(),
            input,
        }
    }

    #[test]
    fn a_lock_round_trips_and_tells_each_drift() {
        let (a, b, c) =
            (gathered("https://h/a", "a"), gathered("https://u:p@h/b", "b"), gathered("https://h/c", "c"));
        let mut lock = Lock::default();
        lock.put("web", &[&b, &a]);
        lock.put("db", &[&a]);
        let text = lock.text().unwrap();
        assert!(!text.contains("u:p"));
        let mut again = Lock::parse(&text).unwrap();
        assert_eq!(again, lock);
        assert_eq!(lock.drift("web", &[&a, &b]), []);
        let changed = gathered("https://h/a", "d");
        let said: Vec<String> = lock.drift("web", &[&changed, &c]).iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3);
        assert!(
            said[0].contains("`https://h/a` is another file: sha256:aaaa")
                && said[0].contains("found sha256:dddd")
        );
        assert_eq!(said[1], "`https://h/c` is not locked; step 1 needs it");
        assert_eq!(said[2], "`https://h/b` is locked and not needed any more");
        // Another build is not touched.
        again.put("web", &[]);
        assert_eq!((again.len(), again.knows("db"), again.knows("web")), (1, true, false));
    }

    #[test]
    fn locks_of_another_format_and_broken_ones_are_refused() {
        for (text, why) in [
            ("version = 2\nnew = 1\n", "version 2"),
            ("", "version"),
            ("version = 1\nother = 1\n", "other"),
            ("version = 1\n[[input]]\nurl = \"https://h/a\"\n", "digest"),
        ] {
            let said = Lock::parse(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
