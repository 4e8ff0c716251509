//! Names of managed objects.
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A managed object of a server, by type and id: `VirtualMachine:vm-42`. Only that server knows what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moref {
    /// Its type: `VirtualMachine`.
    pub kind: String,
    /// Its id: `vm-42`.
    pub id: String,
}

impl Moref {
    /// Names one.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

impl fmt::Display for Moref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl FromStr for Moref {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => Ok(Self::new(kind, id)),
            _ => Err(format!("`{text}` is no reference to a managed object, such as `VirtualMachine:vm-42`")),
        }
    }
}

impl TryFrom<String> for Moref {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Moref> for String {
    fn from(moref: Moref) -> Self {
        moref.to_string()
    }
}
