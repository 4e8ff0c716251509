//! Parameters of a call, as texts.

/// Parameters of a call.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(pub(super) Vec<(String, String)>);

/// Only names are shown: what machines are told has keys in it.
impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Params {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// With this one if there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a map of `key` and `value`, as tags have it: `tags[0].key=…&tags[0].value=…`.
    #[must_use]
    pub fn pairs(mut self, name: &str, pairs: &[(String, String)]) -> Self {
        for (at, (key, value)) in pairs.iter().enumerate() {
            self = self.with(format!("{name}[{at}].key"), key).with(format!("{name}[{at}].value"), value);
        }
        self
    }

    /// With a map as details have it: `details[0].rootDiskController=scsi`.
    #[must_use]
    pub fn details(mut self, name: &str, pairs: &[(String, String)]) -> Self {
        for (key, value) in pairs {
            self = self.with(format!("{name}[0].{key}"), value);
        }
        self
    }
}
