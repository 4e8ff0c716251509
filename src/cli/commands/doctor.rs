//! `goldsmith doctor`.
use super::{block_on, dirs, load, pretty};
use crate::{
    cli::{
        args,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone, pad, wrap},
    },
    doctor::{self, Facts, Finding, Status, Subject},
};

pub(super) fn run(arguments: &args::Doctor, console: &Console) -> Result<Exit, Problem> {
    if arguments.vsphere {
        return super::vsphere::doctor::run(arguments, console);
    }
    if arguments.nutanix {
        return super::nutanix::doctor::run(arguments, console);
    }
    if arguments.cloudstack {
        return super::cloudstack::doctor::run(arguments, console);
    }
    #[cfg(feature = "aws")]
    if arguments.aws {
        return super::aws::permissions(arguments, console);
    }
    let plans = load::all(&arguments.files, &load::inputs(&arguments.inputs, None), &arguments.selection)?;
    let dirs = dirs()?;
    let facts = block_on(async move {
        let mut subjects = Vec::new();
        for plan in plans {
            subjects.push(Subject::look(plan, &dirs).await);
        }
        tokio::task::spawn_blocking(move || Facts::gather(&dirs, subjects)).await
    })?
    .map_err(|error| Problem::Internal(error.to_string()))?;
    let findings = doctor::examine(&facts);
    let all = doctor::install_all(&facts, &findings);
    let worst = doctor::worst(&findings);
    if console.json() {
        console.out(&pretty(&serde_json::json!({ "status": worst, "checks": findings, "install": all }))?);
    } else {
        let quiet = console.verbosity() == Verbosity::Quiet;
        let ready = "this host is ready";
        let text = text(console.out_theme(), ready, &findings, all.as_deref(), console.out_width(), quiet);
        if !text.is_empty() {
            console.out(&text);
        }
    }
    Ok(if worst == Status::Failure { Exit::Preflight } else { Exit::Ok })
}

/// Shows what was found of a server, and how the command ends.
pub(super) fn told(console: &Console, ready: &str, findings: &[Finding]) -> Result<Exit, Problem> {
    let worst = doctor::worst(findings);
    if console.json() {
        console.out(&pretty(&serde_json::json!({ "status": worst, "checks": findings }))?);
    } else {
        let quiet = console.verbosity() == Verbosity::Quiet;
        let text = text(console.out_theme(), ready, findings, None, console.out_width(), quiet);
        if !text.is_empty() {
            console.out(&text);
        }
    }
    Ok(if worst == Status::Failure { Exit::Preflight } else { Exit::Ok })
}

/// The table, with what is said below it when all is well. `quiet` leaves out what is as it should be.
pub(in crate::cli) fn text(
    theme: &Theme,
    ready: &str,
    findings: &[Finding],
    install: Option<&str>,
    width: usize,
    quiet: bool,
) -> String {
    let label = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for finding in findings.iter().filter(|finding| !quiet || finding.status != Status::Ok) {
        let mark = match finding.status {
            Status::Ok => theme.mark(true),
            Status::Warning => theme.paint(Tone::Warn, "!"),
            Status::Failure => theme.mark(false),
        };
        let check = pad(finding.check, label);
        let check = if finding.status == Status::Ok { theme.paint(Tone::Dim, check) } else { check };
        let indent = label + 4;
        for (index, line) in
            wrap(&theme.prose(&finding.detail), width.saturating_sub(indent)).iter().enumerate()
        {
            let head = if index == 0 { format!("{mark} {check}  ") } else { " ".repeat(indent) };
            lines.push(format!("{head}{line}"));
        }
        // Commands stay whole: they are there to be copied.
        for mend in &finding.mend {
            lines.push(format!("{:indent$}{}", "", theme.paint(Tone::Accent, mend)));
        }
    }
    if !quiet {
        lines.push(String::new());
        lines.push(verdict(theme, ready, findings));
    }
    if let Some(install) = install {
        lines.push(format!(
            "{} {}",
            theme.paint(Tone::Strong, "all of it:"),
            theme.paint(Tone::Accent, install)
        ));
    }
    lines.join("\n")
}

fn verdict(theme: &Theme, ready: &str, findings: &[Finding]) -> String {
    let count = |status: Status| findings.iter().filter(|finding| finding.status == status).count();
    let plural = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    match (count(Status::Failure), count(Status::Warning)) {
        (0, 0) => theme.paint(Tone::Good, ready),
        (0, warnings) => {
            format!("{}, {}", theme.paint(Tone::Good, ready), plural(warnings, "warning"))
        }
        (failures, 0) => theme.paint(Tone::Bad, plural(failures, "problem")),
        (failures, warnings) => {
            format!(
                "{}, {}",
                theme.paint(Tone::Bad, plural(failures, "problem")),
                plural(warnings, "warning")
            )
        }
    }
}
