//! `result.json`: what a run made, for machines. The schema is described in `docs/result.md`.
use crate::build::{AmiArtifact, Artifact, BuildErrorKind, KeptArtifact, Outcome, StageTime};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Version of the file's schema. Grows when a field changes its meaning or goes, not when one is added.
pub const SCHEMA: u32 = 1;

/// The whole file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of goldsmith.
    pub goldsmith: &'static str,
    /// When the run ended, in UTC.
    pub finished: jiff::Timestamp,
    /// One entry per build, in the order of the definitions.
    pub builds: Vec<BuildReport>,
}

/// How a build ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Every output is delivered and proved as far as the definition asked.
    Succeeded,
    /// It failed; nothing was delivered, unless `artifacts` says otherwise.
    Failed,
    /// The image was built but a check of it did not hold; nothing was delivered.
    Unproven,
    /// The user interrupted it.
    Interrupted,
}

/// One build.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildReport {
    /// Its id.
    pub id: String,
    /// The image's name.
    pub name: String,
    /// Which of its definition's builds it is: the values of its `[matrix]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub matrix: BTreeMap<String, String>,
    /// How it ended.
    pub status: Status,
    /// Wall time.
    pub seconds: f64,
    /// Folder with its records.
    pub logs: PathBuf,
    /// Wall time per stage.
    pub stages: Vec<StageTime>,
    /// The delivered files.
    pub artifacts: Vec<Artifact>,
    /// The AMIs that were made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amis: Vec<AmiArtifact>,
    /// What was made in vCenters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptArtifact>,
    /// Hypervisor and accelerator.
    pub machine: serde_json::Value,
    /// Facts about the guest.
    pub guest: serde_json::Value,
    /// What the first disk was.
    pub source: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
    /// What could not be removed; `goldsmith gc` tries again.
    pub leftovers: Vec<String>,
}

/// Why a build failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ErrorReport {
    /// Stage that failed.
    pub stage: String,
    /// Messages, outermost first.
    pub chain: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The last lines of the machine's console, when the guest did not answer any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub console: Vec<String>,
}

/// The report of a run.
pub fn of(outcomes: &[Outcome], finished: jiff::Timestamp) -> RunReport {
    RunReport {
        schema: SCHEMA,
        goldsmith: env!("CARGO_PKG_VERSION"),
        finished,
        builds: outcomes.iter().map(build).collect(),
    }
}

fn build(outcome: &Outcome) -> BuildReport {
    let (status, error) = match &outcome.result {
        Ok(_) => (Status::Succeeded, None),
        Err((stage, error)) => {
            let status = match error.kind() {
                BuildErrorKind::Interrupted => Status::Interrupted,
                BuildErrorKind::Unproven => Status::Unproven,
                BuildErrorKind::Preflight | BuildErrorKind::Failed => Status::Failed,
            };
            let report = ErrorReport {
                stage: stage.clone(),
                chain: error.chain(),
                hints: error.hints().to_vec(),
                console: error.console().to_vec(),
            };
            (status, Some(report))
        }
    };
    let made = outcome.result.as_ref().ok();
    BuildReport {
        id: outcome.id.to_string(),
        name: outcome.name.clone(),
        matrix: outcome.matrix.clone(),
        status,
        seconds: outcome.seconds.get().as_secs_f64(),
        logs: outcome.logs.clone(),
        stages: outcome.stages.clone(),
        artifacts: made.map(|made| made.artifacts.clone()).unwrap_or_default(),
        amis: made.map(|made| made.amis.clone()).unwrap_or_default(),
        kept: made.map(|made| made.kept.clone()).unwrap_or_default(),
        machine: made.and_then(|made| serde_json::to_value(&made.machine).ok()).unwrap_or_default(),
        guest: made.map(|made| made.guest.clone()).unwrap_or_default(),
        source: made.map(|made| made.source.clone()),
        error,
        leftovers: outcome.unwound.leftovers.iter().map(|left| left.undo.to_string()).collect(),
    }
}

/// Writes the report as `result.json` into `folder`, whole or not at all; returns its path.
pub fn write(report: &RunReport, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("result.json");
    let mut file = tempfile::Builder::new().prefix(".result-").tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut file, report)?;
    file.write_all(b"\n")?;
    // Temporary files are private; the report is for everyone who may enter the folder.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(path)
}
