//! Scaffold: the finished parts of `build`, until the recipe is merged.
#![allow(missing_docs, unreachable_pub, dead_code)]
#[path = "build/dirs.rs"]
mod dirs;
#[path = "build/hooks.rs"]
mod hooks;
#[path = "build/outcome.rs"]
mod outcome;
#[path = "build/stage.rs"]
mod stage;

pub use dirs::{DirError, Dirs};
pub use hooks::{Access, Hooks, NoHooks};
pub use outcome::{Artifact, BuildError, BuildErrorKind, BuildResult, Outcome, StageTime, Verified};
pub use stage::STAGES;

use crate::{cx::{Event, Header, Sink, Stop, Undo, UnwindReport}, plan::Plan};
use std::{path::PathBuf, sync::Arc};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError { #[default] Cleanup, Keep, Shell }

#[derive(Debug, Clone)]
pub struct Job { pub plan: Arc<Plan>, pub on_error: OnError }

#[async_trait::async_trait]
pub trait World: Send + Sync {}

pub async fn run(_: &dyn World, _: &Job, _: &Dirs, _: Vec<Arc<dyn Sink>>, _: &Stop, _: &dyn Hooks) -> Result<Outcome, BuildError> {
    Err(BuildError::new(BuildErrorKind::Failed, "scaffold"))
}

#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeadBuild { pub journal: PathBuf, pub header: Option<Header>, pub owed: Vec<Undo> }
#[derive(Debug, Default)]
pub struct Collected { pub builds: Vec<(DeadBuild, UnwindReport)>, pub strays: Vec<PathBuf>, pub failures: Vec<(PathBuf, String)> }
impl Collected {
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.builds.iter().all(|(_, report)| report.leftovers.is_empty())
    }
}
pub fn dead_builds(_: &Dirs) -> Result<Vec<DeadBuild>, BuildError> { Ok(Vec::new()) }
pub async fn collect(_: &dyn World, _: &Dirs, _: &Stop, _: &(dyn Fn(&DeadBuild, Event) + Sync)) -> Result<Collected, BuildError> { Ok(Collected::default()) }

#[derive(Debug)]
pub struct RealWorld(Dirs);
impl RealWorld { pub fn new(dirs: Dirs) -> Self { Self(dirs) } }
impl World for RealWorld {}
