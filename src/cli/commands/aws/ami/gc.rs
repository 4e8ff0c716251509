//! `goldsmith ami gc`.
use super::{ask, text, work};
use crate::{
    aws::{self, Aws, AwsError},
    cli::{
        args::AmiGc,
        commands::{dirs, pretty},
        console::Console,
        exit::Exit,
        failure,
        problem::Problem,
        theme::{Theme, Tone},
        words::count,
    },
    cx::{Cx, Replay, causes},
    publish::ami::{self, Fate, Judged, Leftover, Query, Retired, Rules, Usage},
    value::HumanDuration,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

pub(super) fn run(arguments: &AmiGc, console: &Console) -> Result<Exit, Problem> {
    if arguments.leftovers { leftovers(arguments, console) } else { images(arguments, console) }
}

/// What was found in a region, or why it could not be looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Place<T> {
    region: String,
    found: Vec<T>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    error: Vec<String>,
}

/// What is shown, and with `--execute` what was done.
#[derive(Debug, Serialize)]
struct Report<T> {
    regions: Vec<Place<T>>,
    executed: bool,
    removed: Vec<Retired>,
}

impl<T> Report<T> {
    fn exit(&self) -> Exit {
        let failed = self.regions.iter().any(|region| !region.error.is_empty())
            || self.removed.iter().any(|one| !one.error.is_empty());
        if failed { Exit::Partial } else { Exit::Ok }
    }
}

/// Looks at all regions at once. One that cannot be looked at spoils no other.
async fn each<T>(
    aws: &Aws,
    arguments: &AmiGc,
    look: impl AsyncFn(&Aws) -> Result<Vec<T>, AwsError>,
) -> Result<Vec<Place<T>>, AwsError> {
    let regions = ami::regions(aws, &arguments.regions.which().unwrap_or_default()).await?.chosen;
    let look = &look;
    let mut asked: FuturesUnordered<_> = regions
        .into_iter()
        .map(|region| {
            let aws = aws.at(&region);
            async move {
                match look(&aws).await {
                    Ok(found) => Place { region, found, error: Vec::new() },
                    Err(error) => {
                        let hint = error.hint_text().map(|hint| format!("hint: {hint}"));
                        let error = causes(&error).into_iter().chain(hint).collect();
                        Place { region, found: Vec::new(), error }
                    }
                }
            }
        })
        .collect();
    let mut all = Vec::new();
    while let Some(region) = asked.next().await {
        all.push(region);
    }
    all.sort_by(|a, b| a.region.cmp(&b.region));
    Ok(all)
}

fn images(arguments: &AmiGc, console: &Console) -> Result<Exit, Problem> {
    let rules = rules(arguments)?;
    let now = Timestamp::now();
    if !arguments.execute {
        let regions = ask(&arguments.account, async |aws| judged(aws, arguments, &rules, now).await)?;
        let report = Report { regions, executed: false, removed: Vec::new() };
        return told(console, &report, now);
    }
    let names = "ami-gc";
    let (made, exit) = work(console, &arguments.account, names, &subject(arguments), async |cx, aws| {
        let regions = judged(aws, arguments, &rules, now).await?;
        let mut removed = Vec::new();
        for region in &regions {
            let there = aws.at(&region.region);
            for judged in region.found.iter().filter(|judged| judged.fate == Fate::Remove) {
                removed.push(ami::retire(cx, &there, judged).await?);
            }
        }
        Ok(Report { regions, executed: true, removed })
    })?;
    made.map_or(Ok(exit), |report| Ok(exit.max(told(console, &report, now)?)))
}

fn subject(arguments: &AmiGc) -> String {
    let tags = arguments.tag.iter().map(|(key, value)| format!("{key}={value}"));
    arguments.name.iter().cloned().chain(tags).collect::<Vec<_>>().join(", ")
}

fn rules(arguments: &AmiGc) -> Result<Rules, Problem> {
    if arguments.name.is_empty() && arguments.tag.is_empty() {
        return Err(Problem::usage("no images are meant")
            .hint("say which: `--name 'web-*'` or `--tag KEY=VALUE`; `--name '*'` means all"));
    }
    if arguments.keep.is_none() && arguments.keep_minors.is_none() {
        return Err(Problem::usage("nothing says how many images stay").hint(
            "`--keep N` keeps the newest N of each name, `--keep-minors TAG=N` the newest N minor versions",
        ));
    }
    Ok(Rules {
        names: arguments.name.clone(),
        tags: arguments.tag.iter().cloned().collect(),
        keep: arguments.keep,
        minors: arguments.keep_minors.clone(),
        older_than: arguments.older_than.map_or(Duration::ZERO, HumanDuration::get),
        not_ours: arguments.not_ours,
    })
}

async fn judged(
    aws: &Aws,
    arguments: &AmiGc,
    rules: &Rules,
    now: Timestamp,
) -> Result<Vec<Place<Judged>>, AwsError> {
    each(aws, arguments, async |aws| {
        let all = ami::own(aws, Query::All).await?;
        // Who uses what takes many calls: only where something would go.
        let first = ami::judge(&all, &Usage::default(), rules, now);
        if first.iter().all(|judged| judged.fate == Fate::Keep) {
            return Ok(first);
        }
        let used = ami::usage(aws).await?;
        Ok(ami::judge(&all, &used, rules, now))
    })
    .await
}

fn told(console: &Console, report: &Report<Judged>, now: Timestamp) -> Result<Exit, Problem> {
    if console.json() {
        console.out(&pretty(report)?);
        return Ok(report.exit());
    }
    let theme = console.out_theme();
    let mut rows = Vec::new();
    let (mut gone, mut stay) = (0, 0);
    for judged in report.regions.iter().flat_map(|region| &region.found) {
        let ami = &judged.ami;
        let failed = report.removed.iter().find(|one| one.ami == ami.id && one.region == ami.region);
        let failed = failed.filter(|one| !one.error.is_empty());
        let (word, tone) = match (judged.fate, report.executed, failed) {
            (Fate::Keep, ..) => ("stays", Tone::Good),
            (Fate::Remove, false, _) => ("would go", Tone::Warn),
            (Fate::Remove, true, None) => ("removed", Tone::Warn),
            (Fate::Remove, true, Some(_)) => ("failed", Tone::Bad),
        };
        if judged.fate == Fate::Keep {
            stay += 1;
        } else {
            gone += 1;
        }
        let snapshots = match (judged.fate, ami.snapshots.len() - judged.shared_snapshots.len()) {
            (Fate::Keep, _) => String::new(),
            (Fate::Remove, own) => count(own, "snapshot"),
        };
        let why = failed.map_or_else(|| judged.why.clone(), |one| one.error.join(": "));
        rows.push(vec![
            ami.region.clone(),
            ami.id.clone(),
            ami.name.clone(),
            ami.created.map_or_else(String::new, |created| age(now, created)),
            theme.paint(tone, word),
            snapshots,
            theme.paint(Tone::Dim, theme.prose(&why)),
        ]);
    }
    console.out(&text::grid(theme, &["region", "AMI", "name", "age", "", "with", "why"], &rows));
    let verb = if report.executed { "were to go" } else { "would go" };
    verdict(console, &report.regions, &format!("{} {verb}, {stay} stay", count(gone, "image")));
    if !report.executed && gone > 0 {
        console.note(&failure::hint(console.err_theme(), "nothing was removed; `--execute` does it"));
    }
    Ok(report.exit())
}

fn verdict<T>(console: &Console, regions: &[Place<T>], text: &str) {
    let theme = console.err_theme();
    for region in regions.iter().filter(|region| !region.error.is_empty()) {
        console.err(&format!(
            "{} {}: {}",
            theme.mark(false),
            region.region,
            theme.prose(&region.error.join(": "))
        ));
    }
    console.note(text);
}

/// An age in one unit.
fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 2 * 86_400 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

fn leftovers(arguments: &AmiGc, console: &Console) -> Result<Exit, Problem> {
    let older = arguments.older_than.map_or(Duration::MAX, HumanDuration::get);
    let now = Timestamp::now();
    let here = journals()?;
    let look = async |aws: &Aws| {
        each(aws, arguments, async |aws| ami::leftovers(aws, now, older, &here).await).await
    };
    if !arguments.execute {
        let regions = ask(&arguments.account, look)?;
        return told_leftovers(console, &Report { regions, executed: false, removed: Vec::new() }, now);
    }
    let names = "ami-gc-leftovers";
    let (made, exit) = work(console, &arguments.account, names, "leftovers", async |cx, aws| {
        let regions = look(aws).await?;
        let mut removed = Vec::new();
        for one in regions.iter().flat_map(|region| &region.found).filter(|one| one.stays.is_none()) {
            removed.push(remove(cx, one).await?);
        }
        Ok(Report { regions, executed: true, removed })
    })?;
    made.map_or(Ok(exit), |report| Ok(exit.max(told_leftovers(console, &report, now)?)))
}

/// Builds and uploads of this host that are alive, or whose journal says what they left: those have a way of their own.
fn journals() -> Result<BTreeSet<String>, Problem> {
    let dirs = dirs()?;
    let mut found = BTreeSet::new();
    for path in files(&dirs.journals())? {
        found.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    for path in files(&dirs.uploads())? {
        // The others in there are records of blocks. A journal that died before its first line began nothing.
        if path.extension().is_some_and(|extension| extension == "journal") {
            let replay = Replay::read(&path).map_err(|error| {
                Problem::host(format!("could not tell whose upload `{}` is", path.display()), error)
            })?;
            found.extend(replay.header.map(|header| header.build.to_string()));
        }
    }
    Ok(found)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error| Problem::host(format!("could not read `{}`", folder.display()), error);
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unreadable(error)),
    }
}

async fn remove(cx: &Cx, leftover: &Leftover) -> Result<Retired, AwsError> {
    cx.check()?;
    let removed = aws::remove(&leftover.resource, cx.stop()).await;
    Ok(Retired {
        region: leftover.region.clone(),
        ami: leftover.id.clone(),
        removed: removed.is_ok(),
        snapshots: Vec::new(),
        error: removed.err().map(|error| causes(&error)).unwrap_or_default(),
    })
}

fn told_leftovers(console: &Console, report: &Report<Leftover>, now: Timestamp) -> Result<Exit, Problem> {
    if console.json() {
        console.out(&pretty(report)?);
        return Ok(report.exit());
    }
    let theme = console.out_theme();
    let all: Vec<&Leftover> = report.regions.iter().flat_map(|region| &region.found).collect();
    let rows: Vec<Vec<String>> = all.iter().map(|one| row(theme, one, report, now)).collect();
    console.out(&text::grid(theme, &["region", "what", "id", "build", "state", "age", "", "why"], &rows));
    let gone = all.iter().filter(|one| one.stays.is_none()).count();
    let verb = if report.executed { "were to go" } else { "would go" };
    verdict(console, &report.regions, &format!("{} {verb}, {} stay", count(gone, "thing"), all.len() - gone));
    if !report.executed && gone > 0 {
        console.note(&failure::hint(console.err_theme(), "nothing was removed; `--execute` does it"));
    }
    Ok(report.exit())
}

fn row(theme: &Theme, one: &Leftover, report: &Report<Leftover>, now: Timestamp) -> Vec<String> {
    let failed = report.removed.iter().find(|gone| gone.ami == one.id && !gone.error.is_empty());
    let (word, tone, why) = match (&one.stays, report.executed, failed) {
        (Some(why), ..) => ("stays", Tone::Good, why.clone()),
        (None, false, _) => ("would go", Tone::Warn, "no build of this host, and old enough".to_owned()),
        (None, true, None) => ("removed", Tone::Warn, String::new()),
        (None, true, Some(failed)) => ("failed", Tone::Bad, failed.error.join(": ")),
    };
    vec![
        one.region.clone(),
        one.kind.clone(),
        one.id.clone(),
        one.build.clone(),
        one.state.clone(),
        one.created.map_or_else(String::new, |created| age(now, created)),
        theme.paint(tone, word),
        theme.paint(Tone::Dim, theme.prose(&why)),
    ]
}
