//! Packer's user variables: flat texts, the later one wins as a whole.
use std::collections::BTreeMap;

/// Variables with where each is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, Value>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its text. That of a secret is not read here: see `secret`.
    pub text: String,
    /// The file or flag that it is from, for people.
    pub from: String,
}

impl Variables {
    /// Sets one; the later one wins.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>, from: impl Into<String>) {
        self.values.insert(name.into(), Value { text: text.into(), from: from.into() });
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}
