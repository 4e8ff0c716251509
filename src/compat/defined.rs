//! What comes out of a front door.

/// A definition, and what its reader is to know about how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// The definition, TOML. Paths in it are absolute, secrets are named only.
    pub text: String,
    /// What was understood differently from the original, or has no meaning here: one sentence each, for people.
    pub notes: Vec<String>,
    /// Variables that nothing here knows, sorted, with the file or flag that each is from: they have no effect, and that is said.
    pub unknown: Vec<(String, String)>,
}
