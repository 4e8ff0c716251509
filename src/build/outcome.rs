//! How a build ended.
use crate::{
    cx::{BuildId, Cancelled, Check, Event, JournalError, UnwindReport, WaitError, causes},
    driver::{DriverError, DriverErrorKind, KeptImage, Readiness},
    plan::{Firmware, OutputFormat},
    value::{HumanDuration, Size},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// One delivered file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Artifact {
    /// Its place.
    pub path: PathBuf,
    /// Its format.
    pub format: OutputFormat,
    /// Size of the file.
    pub file_bytes: Size,
    /// What the file occupies on the disk; smaller than its size when it is sparse.
    pub allocated_bytes: Size,
    /// Size of the disk inside.
    pub virtual_bytes: Size,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// How it was proved.
    pub verified: Vec<Verified>,
}

/// Which AMI it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AmiId {
    /// `ami-0123456789abcdef0`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub region: String,
    /// What its volumes are made of.
    pub snapshots: Vec<String>,
}

impl AmiId {
    /// Says that it is there.
    pub(super) fn event(&self) -> Event {
        let Self { id, name, region, snapshots } = self.clone();
        Event::Ami { id, name, region, snapshots }
    }
}

/// One AMI, in the account that it was made in.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AmiArtifact {
    /// Which.
    #[serde(flatten)]
    pub ami: AmiId,
    /// Size of the disk, where it was made of one; that of the volume is in whole GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_bytes: Option<Size>,
    /// How it was proved.
    pub verified: Vec<Verified>,
}

/// One image that a hypervisor keeps, other than an AMI.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeptArtifact {
    /// Which.
    #[serde(flatten)]
    pub image: KeptImage,
    /// How it was proved.
    pub verified: Vec<Verified>,
}

/// One proof of an artifact.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verified {
    /// Booted with this firmware; `None` for the look into its bytes.
    pub firmware: Option<Firmware>,
    /// Power-on to login, when it was booted.
    pub boot_seconds: Option<HumanDuration>,
    /// Every check that was made.
    pub checks: Vec<Check>,
}

/// Time that a stage took.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageTime {
    /// Its name.
    pub stage: String,
    /// Wall time.
    pub seconds: HumanDuration,
}

/// What a successful build made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildResult {
    /// The files, in the order of the definition.
    pub artifacts: Vec<Artifact>,
    /// The AMIs, in the order of the definition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amis: Vec<AmiArtifact>,
    /// Images that other hypervisors keep.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptArtifact>,
    /// Hypervisor and accelerator.
    pub machine: Readiness,
    /// The guest, as it was gathered before provisioning.
    pub guest: serde_json::Value,
    /// What the source was, for people.
    pub source: String,
}

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildErrorKind {
    /// Something the build needs is missing; nothing was made.
    Preflight,
    /// The guest, the hypervisor or a tool said no.
    Failed,
    /// A check of the result did not hold.
    Unproven,
    /// The user interrupted it.
    Interrupted,
}

/// Why a build failed.
#[derive(Debug)]
pub struct BuildError {
    kind: BuildErrorKind,
    attempt: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    hints: Vec<String>,
    console: Vec<String>,
}

impl BuildError {
    /// `attempt` is a whole message: "step 2 (`install jq`) failed".
    pub fn new(kind: BuildErrorKind, attempt: impl Into<String>) -> Self {
        Self { kind, attempt: attempt.into(), source: None, hints: Vec::new(), console: Vec::new() }
    }

    /// A failure with its cause; an interruption anywhere in the chain stays an interruption.
    pub fn because(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = source.into();
        let kind = if is_interruption(source.as_ref()) {
            BuildErrorKind::Interrupted
        } else {
            BuildErrorKind::Failed
        };
        Self { kind, attempt: attempt.into(), source: Some(source), hints: Vec::new(), console: Vec::new() }
    }

    /// The same with another kind, unless it was an interruption.
    #[must_use]
    pub fn kind_unless_interrupted(mut self, kind: BuildErrorKind) -> Self {
        if self.kind != BuildErrorKind::Interrupted {
            self.kind = kind;
        }
        self
    }

    /// The same as an interruption: whatever a stage says after the user stopped it, that is why it ended.
    #[must_use]
    pub(super) fn interrupted(mut self) -> Self {
        self.kind = BuildErrorKind::Interrupted;
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> BuildErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// What the machine's console said last, if the guest could not be asked any more.
    pub fn console(&self) -> &[String] {
        &self.console
    }

    pub(super) fn set_console(&mut self, lines: Vec<String>) {
        self.console = lines;
    }

    /// All messages, outermost first.
    pub fn chain(&self) -> Vec<String> {
        causes(self)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempt)
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<DriverError> for BuildError {
    fn from(error: DriverError) -> Self {
        let hint = error.hint_text().map(str::to_owned);
        let kind = match error.kind() {
            DriverErrorKind::Cancelled => BuildErrorKind::Interrupted,
            _ => BuildErrorKind::Failed,
        };
        let mut built = Self::because("the hypervisor failed", error).kind_unless_interrupted(kind);
        built.hints.extend(hint);
        built
    }
}

impl From<Cancelled> for BuildError {
    fn from(cancelled: Cancelled) -> Self {
        Self {
            kind: BuildErrorKind::Interrupted,
            attempt: cancelled.to_string(),
            source: None,
            hints: Vec::new(),
            console: Vec::new(),
        }
    }
}

impl From<JournalError> for BuildError {
    fn from(error: JournalError) -> Self {
        Self::because("could not record how to undo the next step", error)
    }
}

/// Whether `error` or one of its causes says that the user interrupted the build.
fn is_interruption(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let wait = error.downcast_ref::<WaitError>().is_some_and(|e| matches!(e, WaitError::Cancelled(_)));
        let driver =
            error.downcast_ref::<DriverError>().is_some_and(|e| e.kind() == DriverErrorKind::Cancelled);
        if error.is::<Cancelled>() || wait || driver {
            return true;
        }
        next = error.source();
    }
    false
}

/// How a build ended, in full.
#[derive(Debug)]
pub struct Outcome {
    /// Which build.
    pub id: BuildId,
    /// The image's name.
    pub name: String,
    /// Which of its definition's builds it is; see [`crate::plan::Plan::matrix`].
    pub matrix: BTreeMap<String, String>,
    /// Its records; the failure bundle when it failed.
    pub logs: PathBuf,
    /// Wall time.
    pub seconds: HumanDuration,
    /// Time per stage, in order.
    pub stages: Vec<StageTime>,
    /// What it made, or the stage that failed and why.
    pub result: Result<BuildResult, (String, BuildError)>,
    /// What the undo did and what is left.
    pub unwound: UnwindReport,
    /// The machine was left on purpose (`--on-error keep`); this is how to log in.
    pub kept: Option<super::Access>,
}
