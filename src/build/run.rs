//! One run of the recipe with everything around it: journal, folders, log, undo, failure bundle.
use super::{
    AmiTest, BuildError, Dirs, Hooks, LocalUndoer, Outcome, World, bundle,
    dirs::make_private,
    kept,
    prove::{self, PROOF_STAGES},
    recipe::{self, Live},
    stage::{self, Stages},
};
use crate::{
    cx::{BuildId, Cx, Event, Events, Header, Journal, Sink, Stop, Undo, UndoLog, UnwindReport},
    plan::Plan,
};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Instant,
};

/// What happens to the machine and the files of a build that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// They are removed.
    #[default]
    Cleanup,
    /// They stay, until `goldsmith gc`.
    Keep,
    /// A shell in the guest first, then they are removed.
    Shell,
}

/// One image to build.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to build.
    pub plan: Arc<Plan>,
    /// Prove this image instead of building one.
    pub image: Option<PathBuf>,
    /// Prove this AMI instead of building one.
    pub ami: Option<AmiTest>,
    /// What to do after a failure.
    pub on_error: OnError,
}

/// Builds one image. Whatever happens, what it made is removed, delivered, or named in the outcome.
pub async fn run(
    world: &dyn World,
    job: &Job,
    dirs: &Dirs,
    sinks: Vec<Arc<dyn Sink>>,
    stop: &Stop,
    hooks: &dyn Hooks,
) -> Result<Outcome, BuildError> {
    let start = Instant::now();
    let plan = &*job.plan;
    let cx = open(&plan.name, &plan.definition, dirs, sinks, stop)
        .map_err(|error| error.kind_unless_interrupted(super::BuildErrorKind::Preflight))?
        .watched_by(hooks.onlooker());
    let proves = job.image.is_some() || job.ami.is_some();
    let names = if proves { PROOF_STAGES.to_vec() } else { stage::of(plan) };
    cx.emit(Event::BuildStarted {
        definition: plan.definition.clone(),
        logs: cx.logs().to_owned(),
        stages: names.iter().map(|stage| (*stage).to_owned()).collect(),
    });
    let undoer = LocalUndoer::new(world);
    let mut live = Live::default();
    let mut stages = Stages::new(&cx, hooks);
    // On the heap, because they hold all that a build holds.
    let result = match (&job.image, &job.ami) {
        (None, None) => Box::pin(recipe::build(&cx, world, plan, &undoer, &mut stages, &mut live)).await,
        (Some(image), _) => {
            Box::pin(prove::image(&cx, world, plan, image, &undoer, &mut stages, &mut live)).await
        }
        (None, Some(ami)) => {
            Box::pin(kept::test(&cx, world, plan, ami, &undoer, &mut stages, &mut live)).await
        }
    };
    let mut result =
        result.map_err(|error| if cx.stop().is_cancelled() { error.interrupted() } else { error });
    let failed_stage = stages.current().to_owned();
    let stages = stages.into_times();

    let mut kept = None;
    let mut keep = false;
    if let Err(error) = &mut result {
        bundle::collect(&cx, plan, &failed_stage, error, &mut live).await;
        match job.on_error {
            OnError::Cleanup => {}
            OnError::Shell => hooks.failed(&cx, error, live.access.as_ref()).await,
            OnError::Keep => {
                keep = true;
                kept.clone_from(&live.access);
            }
        }
    }
    drop(live);
    let unwound = if keep { UnwindReport::default() } else { cx.unwind(&undoer).await };
    let mut result = result.map_err(|error| (failed_stage.clone(), error));
    if !keep && let Err(error) = cx.undo().close() {
        result = result.and(Err((failed_stage, BuildError::because("could not close the journal", error))));
    }
    let seconds = start.elapsed().into();
    match &result {
        Ok(_) => cx.emit(Event::BuildFinished { seconds }),
        Err((stage, error)) => cx.emit(Event::BuildFailed {
            stage: stage.clone(),
            error: error.chain(),
            bundle: cx.logs().to_owned(),
        }),
    }
    Ok(Outcome {
        id: cx.id().clone(),
        name: plan.name.clone(),
        matrix: plan.matrix.clone(),
        logs: cx.logs().to_owned(),
        seconds,
        stages,
        result,
        unwound,
        kept,
    })
}

/// Makes the journal first, then everything that the journal says how to remove.
pub(super) fn open(
    name: &str,
    subject: &Path,
    dirs: &Dirs,
    mut sinks: Vec<Arc<dyn Sink>>,
    stop: &Stop,
) -> Result<Cx, BuildError> {
    let id = BuildId::random();
    let because =
        |error: super::DirError| BuildError::because("could not prepare the build's folders", error);
    let logs = dirs.logs(name, &id);
    let work = dirs.work(&id);
    make_private(&dirs.journals()).map_err(because)?;
    make_private(dirs.work_root()).map_err(because)?;
    make_private(&logs).map_err(because)?;
    let header = Header {
        build: id.clone(),
        name: name.to_owned(),
        definition: subject.to_owned(),
        created: jiff::Timestamp::now(),
        pid: std::process::id(),
    };
    let undo = UndoLog::new(Journal::create(&dirs.journal(&id), &header)?);
    // The work folder goes last: everything in it may still be needed by what is undone before.
    let _ = undo.plan(Undo::Path { path: work.clone() })?;
    make_private(&work).map_err(because)?;
    sinks.push(Arc::new(
        BuildLog::create(&logs)
            .map_err(|error| BuildError::because("could not open the build log", error))?,
    ));
    let events = Events::new(id.clone(), name, sinks);
    Ok(Cx::new(id, work, logs, events, stop.clone(), undo))
}

/// Writes every event as a JSON line to `build.jsonl`.
struct BuildLog(Mutex<File>);

impl BuildLog {
    fn create(logs: &Path) -> std::io::Result<Self> {
        Ok(Self(Mutex::new(File::create(logs.join("build.jsonl"))?)))
    }
}

impl Sink for BuildLog {
    fn take(&self, record: &crate::cx::Record) {
        let Ok(mut bytes) = serde_json::to_vec(record) else { return };
        bytes.push(b'\n');
        // A full disk must not end a build that may still succeed elsewhere; the renderers show the same events.
        let _ = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).write_all(&bytes);
    }
}
