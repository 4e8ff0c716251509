//! The identity of one run.
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Id of one build. Prints as twelve hexadecimal digits: short enough for socket paths and names, unique enough for ever.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildId(String);

impl BuildId {
    /// A new random id.
    pub fn random() -> Self {
        let mut text = uuid::Uuid::new_v4().simple().to_string();
        text.truncate(12);
        Self(text)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A UUID that belongs to this build and to `what`, the same each time: drivers name things with it before they exist.
    pub fn uuid(&self, what: &str) -> uuid::Uuid {
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("goldsmith/{}/{what}", self.0).as_bytes())
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "build {}", self.0)
    }
}

/// The text is no build id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a build id: twelve hexadecimal digits")]
pub struct BuildIdError(String);

impl FromStr for BuildId {
    type Err = BuildIdError;

    fn from_str(text: &str) -> Result<Self, BuildIdError> {
        let fits = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err(BuildIdError(text.to_owned())) }
    }
}
