//! `goldsmith build`: plans in, outcomes out, with everything a person sees in between.
use super::{
    block_on, capi, dirs,
    door::{self, For},
    load,
};
use crate::{
    build::{self, BuildError, BuildErrorKind, BuildResult, Dirs, Job, OnError, Outcome, RealWorld},
    cli::{
        args::{self, WhenFailed},
        console::{Console, Verbosity},
        exit::Exit,
        failure,
        interact::Interactive,
        problem::Problem,
        render::{self, Show},
        signals, summary,
    },
    cx::Stop,
    fetch::{Fetcher, Gate},
    plan::Plan,
    report,
};
use futures_util::StreamExt;
use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(super) fn run(arguments: &args::Build, console: &Console) -> Result<Exit, Problem> {
    person_wanted(arguments, console)?;
    let manner = Manner { debug: arguments.debug, parallel: arguments.parallel };
    let on_error = arguments.on_error.into();
    let gate = super::offline::gate(&arguments.offline)?;
    if arguments.definitions.door.is_open() {
        let node = match door::node(&arguments.definitions, For::Build, gate.clone(), console)? {
            Ok(node) => node,
            Err(exit) => return Ok(exit),
        };
        let plans = door::plans(&node, &arguments.definitions, arguments.out.as_deref())?;
        // What is done with AMIs is a task of its own, when the build has ended.
        let amis = RefCell::new(Vec::new());
        let after = |plan: &Plan, made: &BuildResult| {
            amis.borrow_mut().extend(made.amis.iter().map(|artifact| (&node, artifact.ami.id.clone())));
            door::after(&node, plan, made)
        };
        let plans = changed(plans, arguments);
        if let Some(exit) = locked(&plans, arguments, &gate, console)? {
            return Ok(exit);
        }
        let exit = carry_out(plans, on_error, manner, gate, &after, console)?;
        return capi::published(&amis.into_inner(), exit, console);
    }
    let inputs = load::inputs(&arguments.definitions.inputs, arguments.out.as_deref());
    let plans = load::all(&arguments.definitions.files, &inputs, &arguments.definitions.selection)?;
    let plans = changed(plans, arguments);
    load::distinct(&plans)?;
    if let Some(exit) = locked(&plans, arguments, &gate, console)? {
        return Ok(exit);
    }
    carry_out(plans, on_error, manner, gate, &|_, _| Ok(()), console)
}

/// With `--locked`: how the command ends when inputs are not those of the lock.
fn locked(
    plans: &[Plan],
    arguments: &args::Build,
    gate: &Gate,
    console: &Console,
) -> Result<Option<Exit>, Problem> {
    if !arguments.locked {
        return Ok(None);
    }
    let fetcher = Fetcher::new(dirs()?.cache()).behind(gate.clone());
    super::bundle::lock::check(plans, arguments.guest.as_deref(), &fetcher, console)
}

/// Plans with what options say instead of definitions.
fn changed(mut plans: Vec<Plan>, arguments: &args::Build) -> Vec<Plan> {
    for plan in &mut plans {
        if let Some(accelerator) = arguments.accelerator {
            plan.machine.accelerator = accelerator.into();
        }
        if arguments.no_verify {
            plan.verify.boot = false;
        }
        plan.offline = arguments.offline.offline;
    }
    plans
}

/// What else is done with the result of a build that went well.
pub(super) type After<'a> = &'a dyn Fn(&Plan, &BuildResult) -> Result<(), Problem>;

/// Carries out plans, whichever definitions they are from.
pub(super) fn carry_out(
    plans: Vec<Plan>,
    on_error: OnError,
    manner: Manner,
    gate: Gate,
    after: After<'_>,
    console: &Console,
) -> Result<Exit, Problem> {
    load::distinct(&plans)?;
    let jobs: Vec<Job> = plans
        .into_iter()
        .map(|plan| Job { plan: Arc::new(plan), image: None, ami: None, on_error })
        .collect();
    let dirs = dirs()?;
    block_on(all_and_then(&jobs, manner, gate, &dirs, after, console))?
}

/// How builds are run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Pause before each stage and after each step.
    pub(super) debug: bool,
    /// So many at once.
    pub(super) parallel: u16,
}

fn person_wanted(arguments: &args::Build, console: &Console) -> Result<(), Problem> {
    somebody(arguments.debug, arguments.on_error, arguments.parallel, console)
}

/// Questions need someone to answer them.
pub(super) fn somebody(
    debug: bool,
    on_error: WhenFailed,
    parallel: u16,
    console: &Console,
) -> Result<(), Problem> {
    let wanted = match (debug, on_error) {
        (true, _) => "--debug",
        (false, WhenFailed::Shell) => "--on-error shell",
        _ => return Ok(()),
    };
    if !console.is_interactive() {
        return Err(Problem::usage(format!("`{wanted}` needs a terminal"))
            .hint("`--on-error keep` leaves the machine running and says how to log in"));
    }
    if parallel > 1 {
        return Err(Problem::usage(format!("`{wanted}` and `--parallel {parallel}` do not go together"))
            .hint("a person can only look at one build at a time"));
    }
    Ok(())
}

/// Carries out all jobs, and shows how they end.
pub(super) async fn all(
    jobs: &[Job],
    manner: Manner,
    gate: Gate,
    dirs: &Dirs,
    console: &Console,
) -> Result<Exit, Problem> {
    all_and_then(jobs, manner, gate, dirs, &|_, _| Ok(()), console).await
}

async fn all_and_then(
    jobs: &[Job],
    manner: Manner,
    gate: Gate,
    dirs: &Dirs,
    after: After<'_>,
    console: &Console,
) -> Result<Exit, Problem> {
    let names: Vec<&str> = jobs.iter().map(|job| job.plan.name.as_str()).collect();
    let show = render::choose(console, &names);
    let stop = Stop::default();
    let _watch = signals::watch(stop.clone(), Arc::clone(&show), console.err_theme().clone())
        .map_err(|error| Problem::host("could not listen for signals", error))?;
    let world = RealWorld::new(dirs.clone()).behind(gate);
    let hooks = Interactive::new(console, &show, manner.debug);
    // Builds share this task: what takes time in them waits or runs on a thread of its own.
    let mut running = futures_util::stream::iter(jobs)
        .map(|job| {
            let (world, hooks, show, stop) = (&world, &hooks, &show, &stop);
            async move {
                // Interrupted between two builds: the next one is not begun.
                stop.check()?;
                let outcome =
                    build::run(world, job, dirs, vec![Arc::clone(show).sink()], stop, hooks).await?;
                Ok::<_, BuildError>((job, outcome))
            }
        })
        .buffer_unordered(usize::from(manner.parallel));
    let mut exits = Vec::new();
    let mut outcomes = Vec::new();
    while let Some(ended) = running.next().await {
        match ended {
            Ok((job, outcome)) => {
                exits.push(exit(&outcome, job.on_error));
                if outcome.result.is_err() || !outcome.unwound.leftovers.is_empty() {
                    show.say(&format!("\n{}", failure::build(console.err_theme(), &outcome, job.on_error)));
                }
                outcomes.push((job, outcome));
            }
            Err(error) => {
                if error.kind() != BuildErrorKind::Interrupted {
                    show.say(&failure::error(console.err_theme(), &error));
                }
                exits.push(Problem::Build(error).exit());
            }
        }
    }
    drop(running);
    world.close().await;
    show.close();
    // Reports and lists have the order of the definitions, whichever build was done first.
    outcomes.sort_by_key(|(job, _)| jobs.iter().position(|other| std::ptr::eq(*job, other)));
    for (job, outcome) in &outcomes {
        if let Ok(made) = &outcome.result
            && let Err(problem) = after(&job.plan, made)
        {
            show.say(&format!("\n{}", problem.render(console.err_theme(), console.err_width())));
            exits.push(Exit::Failed);
        }
    }
    Ok(finish(jobs, outcomes, exits, console, &*show))
}

/// Writes `result.json`, and shows what was made.
fn finish(
    jobs: &[Job],
    ended: Vec<(&Job, Outcome)>,
    exits: Vec<Exit>,
    console: &Console,
    show: &dyn Show,
) -> Exit {
    let (jobs_ended, outcomes): (Vec<&Job>, Vec<Outcome>) = ended.into_iter().unzip();
    // A proof alone delivers nothing.
    let delivers = jobs.iter().all(|job| job.image.is_none() && job.ami.is_none());
    let report = if delivers { write_report(jobs, &outcomes, console, show) } else { None };
    let quiet = console.json() || console.verbosity() == Verbosity::Quiet;
    for (job, outcome) in jobs_ended.iter().zip(&outcomes) {
        let Ok(made) = &outcome.result else { continue };
        if !quiet {
            let (theme, width) = (console.err_theme(), console.err_width());
            let text = summary::success(theme, width, outcome, made, &job.plan, report.as_deref());
            show.say(&format!("\n{text}"));
        }
        if delivers {
            deliver(made, console);
        }
    }
    exits.into_iter().max().unwrap_or(Exit::Ok)
}

/// Scripts get the paths of what was made, and the ids of AMIs, one a line.
fn deliver(made: &BuildResult, console: &Console) {
    if !console.json() && !console.out_is_terminal() {
        for artifact in &made.artifacts {
            console.out(&artifact.path.display().to_string());
        }
        for ami in &made.amis {
            console.out(&ami.ami.id);
        }
        for kept in &made.kept {
            console.out(&kept.image.id);
        }
    }
}

/// The report goes next to the first image, or to the logs of the first build where there are only AMIs. It must not fail a build whose images are there.
fn write_report(jobs: &[Job], outcomes: &[Outcome], console: &Console, show: &dyn Show) -> Option<PathBuf> {
    let beside = jobs.iter().flat_map(|job| &job.plan.outputs).find_map(|output| output.path.parent());
    // AMIs have no folder.
    let folder = beside.or(outcomes.first().map(|outcome| outcome.logs.as_path()))?;
    if outcomes.is_empty() || !worth_a_report(outcomes, folder) {
        return None;
    }
    match report::write(&report::of(outcomes, jiff::Timestamp::now()), folder) {
        Ok(path) => Some(path),
        Err(error) => {
            let chain =
                [format!("could not write `{}`", folder.join("result.json").display()), error.to_string()];
            show.say(&failure::chain(console.err_theme(), &chain, &[]));
            None
        }
    }
}

/// A build that failed before it made anything does not make the output folder either.
fn worth_a_report(outcomes: &[Outcome], folder: &Path) -> bool {
    folder.is_dir() || outcomes.iter().any(|outcome| outcome.result.is_ok())
}

/// How a build ends the process.
fn exit(outcome: &Outcome, on_error: OnError) -> Exit {
    let left =
        !outcome.unwound.leftovers.is_empty() || (outcome.result.is_err() && on_error == OnError::Keep);
    match (&outcome.result, left) {
        (Ok(_), false) => Exit::Ok,
        (Err((_, error)), false) => match error.kind() {
            BuildErrorKind::Preflight => Exit::Preflight,
            BuildErrorKind::Failed | BuildErrorKind::Unproven => Exit::Failed,
            BuildErrorKind::Interrupted => Exit::Interrupted,
        },
        (Err((_, error)), true) if error.kind() == BuildErrorKind::Interrupted => Exit::InterruptedLeftovers,
        (_, true) => Exit::Leftovers,
    }
}
