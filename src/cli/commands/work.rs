//! Work on disks in a command: on a thread of its own, with progress and signals, and what opens its source.
use super::block_on;
#[cfg(feature = "tuf")]
use crate::cx::Cx;
use crate::{
    cli::{
        args,
        console::Console,
        problem::Problem,
        render::{self, Show},
        signals,
    },
    cx::{BuildId, Event, Events, Stop, Unit},
    disk::{BackingPolicy, DiskError, Format, Input, InputOptions, OpenOptions, Progress, Zeroes},
    value::HumanDuration,
};
use std::{
    fs::File,
    io::IsTerminal,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Events about one piece of work come so often at most; more would only fill logs.
const EVERY: Duration = Duration::from_millis(100);

/// What work on disks gets: a way to report, and whether to stop.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) events: Events,
    stop: Stop,
}

impl Work {
    /// Work that is a part of a task.
    #[cfg(feature = "tuf")]
    pub(super) fn of(cx: &Cx) -> Self {
        Self { events: cx.events().clone(), stop: cx.stop().clone() }
    }

    pub(super) fn cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Runs `work` as a stage called `name`, with a callback for its progress.
    pub(super) fn stage<T>(
        &self,
        name: &str,
        work: impl FnOnce(&(dyn Fn(Progress) + Sync)) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let begun = Instant::now();
        self.events.emit(Event::StageStarted { stage: name.to_owned() });
        let last = Mutex::new(None::<Instant>);
        let result = work(&|progress: Progress| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let complete = progress.total > 0 && progress.done >= progress.total;
            if last.is_some_and(|last| last.elapsed() < EVERY) && !complete {
                return;
            }
            *last = Some(Instant::now());
            self.events.emit(Event::Progress {
                what: name.to_owned(),
                done: progress.done,
                total: (progress.total > 0).then_some(progress.total),
                unit: Unit::Bytes,
            });
        });
        self.events.emit(Event::ProgressFinished { what: name.to_owned() });
        let (stage, seconds) = (name.to_owned(), HumanDuration::from(begun.elapsed()));
        self.events.emit(match &result {
            Ok(_) => Event::StageFinished { stage, seconds },
            Err(error) => Event::StageFailed { stage, seconds, error: error.to_string() },
        });
        result
    }
}

/// Runs `work` to its end, or until a signal stops it.
pub(super) fn run<T: Send + 'static>(
    console: &Console,
    show: Arc<dyn Show>,
    name: &str,
    work: impl FnOnce(&Work) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let stop = Stop::default();
    let events = Events::new(BuildId::random(), name, vec![Arc::clone(&show).sink()]);
    let context = Work { events, stop: stop.clone() };
    block_on(async move {
        let _watch = signals::watch_work(stop, Arc::clone(&show), console.err_theme().clone())
            .map_err(|error| Problem::host("could not listen for signals", error))?;
        let result = tokio::task::spawn_blocking(move || work(&context)).await;
        show.close();
        result.map_err(|error| Problem::Internal(error.to_string()))?
    })?
}

/// The renderer for work on one disk.
pub(super) fn show(console: &Console, name: &str) -> Arc<dyn Show> {
    render::choose(console, &[name])
}

/// Whether a path stands for stdin or stdout.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens the source that the user named.
pub(super) fn open<'a>(
    source: &args::Source,
    zeroes: Zeroes,
    cancelled: &'a (dyn Fn() -> bool + Sync),
) -> Result<Input<'a>, Problem> {
    let backing =
        if source.allow_backing_outside { BackingPolicy::Anywhere } else { BackingPolicy::SameFolder };
    let options = InputOptions {
        stated: source.input_format,
        open: OpenOptions { backing, disk: source.disk.map(usize::from), ..OpenOptions::default() },
        zeroes,
    };
    let attempt = || format!("could not read `{}`", source.image.display());
    if !is_dash(&source.image) {
        let input = Input::open(&source.image, &options, cancelled)
            .map_err(|error| Problem::disk(attempt(), error))?;
        if let (Some(number), Input::Disk(disk)) = (source.disk, &input)
            && disk.layers().first().is_none_or(|layer| layer.format != Format::Ova)
        {
            return Err(Problem::usage(format!("`--disk {number}` is for an OVA, and this is none")));
        }
        return Ok(input);
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Problem::usage("stdin is a terminal, not a disk")
            .hint("`goldsmith convert - … < IMAGE`, or the path of an image instead of `-`"));
    }
    let file = stdin
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|error| Problem::host("could not use stdin", error))?;
    Input::from_pipe(file, &source.image, &options, cancelled)
        .map_err(|error| Problem::disk("could not read stdin", error))
}

/// Where a disk is unpacked: what the user says, or beside the output, where there is room for a disk.
pub(super) fn temp_dir(source: &args::Source, output: Option<&Path>) -> PathBuf {
    let named = source
        .temp_dir
        .clone()
        .or_else(|| std::env::var_os("TMPDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from));
    let beside = || match output.and_then(Path::parent) {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        Some(folder) => folder.to_owned(),
        None => PathBuf::from("/var/tmp"),
    };
    named.unwrap_or_else(beside)
}
