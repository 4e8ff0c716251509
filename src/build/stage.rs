//! The stages of the recipe, by name, and the clock that runs with them.
use super::{Access, BuildError, Hooks, StageTime};
use crate::{
    cx::{Cx, Event},
    plan::{Plan, SourcePlan},
};
use std::time::Instant;

/// Names of the stages, in order; "install" is there only when an installer has work to do. Stable: scripts and dashboards read them.
pub const STAGES: [&str; 13] = [
    "preflight",
    "source",
    "install",
    "seed",
    "create",
    "power-on",
    "connect",
    "provision",
    "seal",
    "shut-down",
    "convert",
    "verify",
    "publish",
];

/// The stages of a build whose disk stays with the hypervisor, which makes the image itself. "install" and "convert" are among them, as in
/// [`STAGES`], where a machine of a vCenter is installed and where its disk is brought here.
pub const KEPT_STAGES: [&str; 12] = [
    "preflight",
    "source",
    "seed",
    "create",
    "power-on",
    "connect",
    "provision",
    "seal",
    "shut-down",
    "image",
    "verify",
    "publish",
];

/// The stages of a build of `plan`: an installer is only run where there is one.
pub(super) fn of(plan: &Plan) -> Vec<&'static str> {
    let installs = matches!(plan.source, SourcePlan::Iso(_));
    if plan.machine.keeps_its_disks() {
        let mut stages = KEPT_STAGES.to_vec();
        let mut before = |next: &str, stage| {
            if let Some(at) = stages.iter().position(|known| *known == next) {
                stages.insert(at, stage);
            }
        };
        if installs {
            before("seed", "install");
        }
        if !plan.outputs.is_empty() {
            before("image", "convert");
        }
        return stages;
    }
    STAGES.into_iter().filter(|stage| installs || *stage != "install").collect()
}

/// Runs stages: reports them, times them, gives the hooks their say, and remembers which one failed.
pub(super) struct Stages<'a> {
    cx: &'a Cx,
    hooks: &'a dyn Hooks,
    times: Vec<StageTime>,
    current: &'static str,
}

impl<'a> Stages<'a> {
    pub(super) fn new(cx: &'a Cx, hooks: &'a dyn Hooks) -> Self {
        Self { cx, hooks, times: Vec::new(), current: STAGES[0] }
    }

    /// The stage that runs, or that ran last.
    pub(super) fn current(&self) -> &'static str {
        self.current
    }

    pub(super) fn into_times(self) -> Vec<StageTime> {
        self.times
    }

    /// Runs `work` as stage `name`.
    pub(super) async fn run<T>(
        &mut self,
        name: &'static str,
        access: Option<Access>,
        work: impl Future<Output = Result<T, BuildError>>,
    ) -> Result<T, BuildError> {
        debug_assert!(
            STAGES.contains(&name) || KEPT_STAGES.contains(&name),
            "stage `{name}` is not in a table"
        );
        self.current = name;
        self.cx.check()?;
        self.hooks.before(self.cx, name, access.as_ref()).await?;
        self.cx.emit(Event::StageStarted { stage: name.to_owned() });
        let start = Instant::now();
        let result = work.await;
        let seconds = start.elapsed().into();
        self.times.push(StageTime { stage: name.to_owned(), seconds });
        match result {
            Ok(value) => {
                self.cx.emit(Event::StageFinished { stage: name.to_owned(), seconds });
                self.hooks.after(self.cx, name).await?;
                Ok(value)
            }
            Err(error) => {
                self.cx.emit(Event::StageFailed {
                    stage: name.to_owned(),
                    seconds,
                    error: error.to_string(),
                });
                Err(error)
            }
        }
    }
}
