//! `goldsmith convert`: one read of a disk, every format out.
use super::work::{self, Work, is_dash};
use crate::{
    cli::{
        args,
        console::{Console, Verbosity},
        conversion::{self, Conversion},
        exit::Exit,
        outputs::OutputArg,
        problem::Problem,
    },
    cx::Event,
    disk::{self, ConvertOptions, Format, Input, OutputFormat, Packing, Qcow2Compression, Target, Zeroes},
};
use std::{fs::File, io::IsTerminal, num::NonZero, os::fd::AsFd, path::PathBuf, sync::Arc, time::Instant};

pub(super) fn run(arguments: &args::Convert, console: &Console) -> Result<Exit, Problem> {
    let targets = targets(arguments)?;
    let to_stdout = targets.iter().any(|target| target.stream.is_some());
    if to_stdout {
        stdout_is_free(&targets, console)?;
    }
    let name = arguments.source.image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let show = work::show(console, &name);
    let job = Job::new(arguments, targets);
    let done = match work::run(console, Arc::clone(&show), &name, move |work| job.run(work)) {
        Ok(done) => done,
        // Who interrupts a conversion knows why it ended.
        Err(problem) if problem.exit() == Exit::Interrupted => return Ok(Exit::Interrupted),
        Err(problem) => return Err(problem),
    };
    if console.json() {
        let line = serde_json::to_string(&done).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(Exit::Ok);
    }
    if console.verbosity() != Verbosity::Quiet {
        show.say(&conversion::summary(console.err_theme(), &done));
    }
    if !to_stdout && !console.out_is_terminal() {
        for output in &done.outputs {
            console.out(&output.path.display().to_string());
        }
    }
    Ok(Exit::Ok)
}

/// What a thread needs to do the work.
struct Job {
    source: args::Source,
    targets: Vec<Target>,
    threads: usize,
    zeroes: Zeroes,
}

impl Job {
    fn new(arguments: &args::Convert, targets: Vec<Target>) -> Self {
        let cores = || std::thread::available_parallelism().map_or(2, NonZero::get);
        Self {
            source: arguments.source.clone(),
            targets,
            threads: arguments.threads.map_or_else(cores, usize::from),
            zeroes: if arguments.zeroes_are_holes { Zeroes::Holes } else { Zeroes::Data },
        }
    }

    fn run(&self, work: &Work) -> Result<Conversion, Problem> {
        let begun = Instant::now();
        let cancelled = || work.cancelled();
        let attempt =
            |error| Problem::disk(format!("could not convert `{}`", self.source.image.display()), error);
        let input = work::open(&self.source, self.zeroes, &cancelled)?;
        let (format, packing) = kind(&input);
        if format == Format::Ova && matches!(input, Input::Disk(_)) && !work::is_dash(&self.source.image) {
            // Before anything is made of it.
            work.stage("check digests", |progress| {
                disk::ova::Ova::open_path(&self.source.image)?.check_manifest(progress, &cancelled)
            })
            .map_err(attempt)?;
        }
        let converted = match input {
            Input::Stream(mut stream) if format == Format::Raw && self.takes_streams() => work
                .stage("convert", |progress| {
                    disk::convert_stream(&mut stream, &self.targets, &self.options(progress, &cancelled))
                })
                .map_err(attempt)?,
            input => {
                let disk = match input {
                    Input::Disk(_) if self.zeroes == Zeroes::Holes => {
                        return Err(Problem::usage(
                            "`--zeroes-are-holes` is for sources without a map of holes, and this one has a map",
                        )
                        .hint("what the map calls data was written, also where it is zeroes"));
                    }
                    Input::Disk(disk) => disk,
                    stream @ Input::Stream(_) => {
                        let beside = self.targets.iter().find(|target| target.stream.is_none());
                        let folder = work::temp_dir(&self.source, beside.map(|target| target.path.as_path()));
                        let limit = self.source.max_unpacked.as_bytes();
                        work.stage("unpack", |progress| stream.into_disk(&folder, limit, progress))
                            .map_err(attempt)?
                    }
                };
                work.stage("convert", |progress| {
                    disk::convert(&*disk, &self.targets, &self.options(progress, &cancelled))
                })
                .map_err(attempt)?
            }
        };
        for output in &converted.outputs {
            work.events.emit(Event::Artifact {
                path: output.path.clone(),
                format: output.format.to_string(),
                bytes: output.file_bytes,
                sha256: output.sha256.clone(),
            });
        }
        let input = self.source.image.clone();
        Ok(Conversion::new(input, format, packing, converted, begun.elapsed()))
    }

    fn options<'a>(
        &self,
        progress: &'a (dyn Fn(disk::Progress) + Sync),
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> ConvertOptions<'a> {
        ConvertOptions { threads: self.threads, needles: &[], progress, cancelled }
    }

    fn takes_streams(&self) -> bool {
        self.targets.iter().all(|target| target.format.takes_streams())
    }
}

/// What a source is, as far as it is known before it is read.
fn kind(input: &Input<'_>) -> (Format, Option<Packing>) {
    match input {
        Input::Disk(disk) => (disk.layers().first().map_or(Format::Raw, |layer| layer.format), None),
        Input::Stream(stream) => (stream.format(), stream.packing()),
    }
}

fn targets(arguments: &args::Convert) -> Result<Vec<Target>, Problem> {
    let mut targets = Vec::new();
    for output in &arguments.outputs {
        targets.push(target(arguments, output)?);
    }
    if arguments.level.is_some() && targets.iter().all(|target| target.level.is_none()) {
        return Err(Problem::usage("`--level` is given, and no output has a compression level")
            .hint("qcow2 has one with `--qcow2-compression zlib` or `zstd`"));
    }
    Ok(targets)
}

fn target(arguments: &args::Convert, output: &OutputArg) -> Result<Target, Problem> {
    let stdout = is_dash(&output.path);
    let by_name = if stdout { None } else { OutputFormat::of_path(&output.path) };
    let Some(format) = output.format.or(by_name).or(arguments.format) else {
        let known: Vec<&str> = OutputFormat::ALL.iter().map(|format| format.extension()).collect();
        let what = if stdout { "stdout".to_owned() } else { format!("`{}`", output.path.display()) };
        return Err(Problem::usage(format!("the format of {what} is not said"))
            .hint(format!("`--format FORMAT` says it: {}", known.join(", "))));
    };
    let mut target = Target::new(format, &output.path);
    target.sha512 = arguments.sha512;
    if format == OutputFormat::Qcow2 {
        target.qcow2 = output.compression.unwrap_or(arguments.qcow2_compression);
    } else if let Some(compression) = output.compression {
        target.qcow2 = compression;
    }
    target.level = output.level.or(arguments.level.filter(|_| has_level(&target)));
    if stdout {
        if !format.is_sequential() {
            return Err(Problem::usage(format!(
                "{format} cannot be written to stdout: it is not written from front to end"
            ))
            .hint("write it to a file"));
        }
        let file = std::io::stdout().as_fd().try_clone_to_owned().map(File::from);
        target.path = PathBuf::from("stdout");
        target.stream = Some(Arc::new(file.map_err(|error| Problem::host("could not use stdout", error))?));
    }
    Ok(target)
}

fn has_level(target: &Target) -> bool {
    match target.format {
        OutputFormat::Raw | OutputFormat::RawLz4 | OutputFormat::Vhd => false,
        OutputFormat::Qcow2 => target.qcow2 != Qcow2Compression::None,
        _ => true,
    }
}

/// A disk on stdout must be alone there, and nobody wants it on a terminal.
fn stdout_is_free(targets: &[Target], console: &Console) -> Result<(), Problem> {
    if targets.iter().filter(|target| target.stream.is_some()).count() > 1 {
        return Err(Problem::usage("two outputs go to stdout"));
    }
    if console.json() {
        return Err(Problem::usage("`--json` and an output to stdout do not go together"));
    }
    if std::io::stdout().is_terminal() {
        return Err(
            Problem::usage("a disk does not belong on a terminal").hint("redirect stdout, or name a file")
        );
    }
    Ok(())
}
