//! One build: the recipe, and what surrounds it: folders, undo, failure bundle, collection of what dead builds left.
//!
//! Start reading at [`recipe`]. This module knows hypervisors, guests and sources only through [`World`], so that the
//! same recipe runs against QEMU and against the in-memory fake that the fault-injection tests use.
mod amis;
mod bundle;
mod clouds;
mod console;
mod convert;
mod dirs;
mod gc;
mod hooks;
mod inputs;
mod install;
mod install_there;
mod kept;
mod login;
mod offline;
mod opened;
mod outcome;
mod preflight;
mod preview;
mod prisms;
mod prove;
mod real;
mod recipe;
mod relaunch;
mod run;
mod serve;
mod stage;
mod task;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_amis;
mod trust;
mod typing;
mod undoer;
mod vcenters;
mod verify;
mod view;
mod watch;
mod world;

pub use dirs::{DirError, Dirs};
pub use gc::{Collected, DeadBuild, collect, dead_builds};
pub use hooks::{Access, Hooks, NoHooks};
pub use inputs::{Inputs, Unknowable, inputs};
pub use kept::AmiTest;
pub use offline::lacking;
pub use outcome::{
    AmiArtifact, AmiId, Artifact, BuildError, BuildErrorKind, BuildResult, KeptArtifact, Outcome, StageTime,
    Verified,
};
pub use preview::{PreviewError, preview};
pub use real::RealWorld;
pub use run::{Job, OnError, run};
pub use stage::{KEPT_STAGES, STAGES};
pub use task::{TaskOutcome, task};
pub use undoer::LocalUndoer;
pub use world::{Session, Upload, World};
