//! Waiting, and what must hold at the end.
use serde::{Deserialize, Serialize};

/// Wait until something is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WaitForStep {
    /// What.
    pub what: Awaited,
    /// Pause between two looks, such as `2s`.
    pub every: String,
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// A path that exists.
    Path(String),
    /// A TCP port that takes connections.
    Port {
        /// Where.
        host: String,
        /// Which.
        port: u32,
    },
    /// A systemd unit that is active.
    Unit(String),
    /// A command that succeeds.
    Run(String),
}

/// An assertion about the booted result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckStep {
    /// For people.
    pub name: String,
    /// The command.
    pub run: String,
    /// What must come of it.
    pub expect: Expected,
    /// Run as this user instead of root.
    pub as_user: Option<String>,
}

/// What must come of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// It prints exactly this, apart from blanks at both ends.
    Equals(String),
    /// It prints a line that matches this extended regular expression.
    Matches(String),
    /// It ends with this exit code.
    ExitCode(u32),
}
