//! `goldsmith ami copy`.
use super::{text, work};
use crate::{
    cli::{
        args::{AmiCopy, AudienceArgs},
        commands::pretty,
        console::Console,
        exit::Exit,
        failure,
        problem::Problem,
        theme::{Theme, Tone},
        words::count,
    },
    cx::Cx,
    publish::{
        ami::{self, Audience, Copied, CopyPlan, CopyReport, CopyState, Patience, Protection},
        notify::notify,
        table::{self, Row},
    },
    value::Secret,
};
use jiff::Timestamp;
use std::{collections::BTreeMap, io::Write, path::Path};

pub(super) fn run(arguments: &AmiCopy, console: &Console) -> Result<Exit, Problem> {
    arguments.tables.check()?;
    let plans = plans(arguments)?;
    let webhook = webhook(arguments)?;
    let again = text::again();
    let subject = arguments.amis.join(", ");
    let (made, exit) = work(console, &arguments.account, "ami-copy", &subject, async |cx, aws| {
        let copies = plans.iter().map(|plan| ami::copy(cx, aws, plan));
        // What is wrong with one image is told before others of the same release are public.
        let reports = futures_util::future::try_join_all(copies).await?;
        if let Some(url) = &webhook {
            tell(cx, url, &reports).await;
        }
        Ok(reports)
    })?;
    let Some(reports) = made else { return Ok(exit) };
    let rows = table::rows(&reports, &arguments.tables.words());
    if console.json() {
        console.out(&pretty(&serde_json::json!({ "images": reports, "rows": rows }))?);
    } else {
        console.out(&shown(console.out_theme(), &reports));
    }
    arguments.tables.write(&rows)?;
    step_summary(&reports, &rows, &again)?;
    told_again(console, &reports, &again);
    let any = reports.iter().flat_map(|report| &report.regions).any(|one| one.state == CopyState::Done);
    Ok(if reports.iter().any(|report| report.interrupted) {
        Exit::Interrupted
    } else if reports.iter().all(CopyReport::is_done) {
        exit
    } else {
        exit.max(if any { Exit::Partial } else { Exit::Failed })
    })
}

fn plans(arguments: &AmiCopy) -> Result<Vec<CopyPlan>, Problem> {
    let mut keys = BTreeMap::new();
    for (region, key) in &arguments.kms {
        if keys.insert(region.clone(), key.clone()).is_some() {
            return Err(Problem::usage(format!("two keys were given for {region}")));
        }
    }
    let deprecate = match (arguments.deprecate_at, arguments.deprecate_after) {
        (Some(at), _) if at <= Timestamp::now() => {
            return Err(Problem::usage(format!("{at} is over: images cannot be deprecated in the past")));
        }
        (Some(at), _) => Some(at),
        (None, Some(after)) => Some(
            Timestamp::now()
                .checked_add(jiff::SignedDuration::try_from(after.get()).unwrap_or(jiff::SignedDuration::MAX))
                .map_err(|error| {
                    Problem::host("could not count the days until the images are deprecated", error)
                })?,
        ),
        (None, None) => None,
    };
    let protection = if arguments.protect_cooldown { Protection::Cooldown } else { Protection::Plain };
    let plan = CopyPlan {
        ami: String::new(),
        to: arguments.regions.which().unwrap_or_default(),
        encrypt: arguments.encrypt,
        keys,
        audience: arguments.audience.audience(),
        snapshots: !arguments.audience.no_snapshots,
        lift: arguments.audience.lift_public_access_block,
        restore: arguments.audience.restore_public_access_block,
        deprecate,
        protect: arguments.protect.then_some(protection),
        patience: Patience { limit: arguments.timeout.get(), ..Patience::default() },
    };
    Ok(arguments.amis.iter().map(|ami| CopyPlan { ami: ami.clone(), ..plan.clone() }).collect())
}

impl AudienceArgs {
    fn audience(&self) -> Audience {
        Audience {
            public: self.public,
            accounts: self.account.iter().cloned().collect(),
            organizations: self.organization.iter().cloned().collect(),
            units: self.unit.iter().cloned().collect(),
        }
    }
}

fn webhook(arguments: &AmiCopy) -> Result<Option<Secret>, Problem> {
    if let Some(path) = &arguments.webhook_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::host(format!("could not read `{}`", path.display()), error))?;
        return Ok(Some(Secret::new(text.trim())));
    }
    Ok(arguments.webhook.clone().filter(|url| !url.expose().is_empty()))
}

/// Nobody's copies are worse because nobody heard of them.
async fn tell(cx: &Cx, url: &Secret, reports: &[CopyReport]) {
    cx.redactor().learn(url);
    if let Err(error) = notify(url, &table::message(reports)).await {
        let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        let text = cx.redactor().redact(&format!("could not tell the webhook: {error}{why}"));
        cx.events().warn(text, None);
    }
}

/// Adds a page to what GitHub shows of a job.
fn step_summary(reports: &[CopyReport], rows: &[Row], again: &str) -> Result<(), Problem> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let text = table::summary(reports, rows, again);
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Problem::host(format!("could not write `{}`", Path::new(&path).display()), error))
}

fn shown(theme: &Theme, reports: &[CopyReport]) -> String {
    let mut parts = Vec::new();
    for report in reports {
        let done = report.regions.iter().filter(|copied| copied.state == CopyState::Done).count();
        let head = format!(
            "{} {}: {done} of {} are done",
            theme.mark(report.is_done()),
            theme.paint(Tone::Strong, &report.source.name),
            count(report.regions.len(), "region"),
        );
        let rows: Vec<Vec<String>> = report.regions.iter().map(|copied| row(theme, report, copied)).collect();
        let mut part = format!("{head}\n\n{}", text::grid(theme, &["region", "AMI", "", ""], &rows));
        if !report.not_enabled.is_empty() {
            part.push_str(&format!(
                "\n\n{}",
                theme.paint(
                    Tone::Dim,
                    format!("not enabled for the account: {}", report.not_enabled.join(", "))
                )
            ));
        }
        parts.push(part);
    }
    parts.join("\n\n")
}

fn row(theme: &Theme, report: &CopyReport, copied: &Copied) -> Vec<String> {
    let state = match copied.state {
        CopyState::Done => theme.paint(Tone::Good, "done"),
        CopyState::Pending => theme.paint(Tone::Warn, "copied on by EC2"),
        CopyState::Failed => theme.paint(Tone::Bad, "failed"),
        CopyState::Held => theme.paint(Tone::Warn, "not done"),
    };
    let note = if !copied.error.is_empty() {
        copied.error.join(": ")
    } else if copied.region == report.source.region {
        "the source".to_owned()
    } else if copied.found {
        "was there".to_owned()
    } else {
        String::new()
    };
    vec![
        copied.region.clone(),
        copied.ami.clone().unwrap_or_else(|| "-".to_owned()),
        state,
        theme.paint(Tone::Dim, theme.prose(&note)),
    ]
}

/// What is left to do, on stderr: the result on stdout stays a result.
fn told_again(console: &Console, reports: &[CopyReport], again: &str) {
    let theme = console.err_theme();
    let undone: Vec<&Copied> = reports.iter().flat_map(CopyReport::undone).collect();
    if undone.is_empty() {
        return;
    }
    let mut hints: Vec<&String> = undone.iter().filter_map(|copied| copied.hint.as_ref()).collect();
    hints.dedup();
    for hint in hints {
        console.err(&failure::hint(theme, hint));
    }
    if undone.iter().any(|copied| copied.state == CopyState::Pending) {
        console.err(&failure::hint(theme, "EC2 goes on with copies that were begun; nothing was removed"));
    }
    console.err(&failure::hint(theme, &format!("the same command goes on with what is not done: `{again}`")));
}
