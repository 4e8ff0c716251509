//! What people read: a summary in Markdown for a CI system's page, and a message for a channel.
use super::Row;
use crate::publish::ami::{Copied, CopyReport, CopyState};
use std::fmt::Write as _;

/// A page in Markdown: what is where, and what is not done yet and why. `again` is the command that goes on.
pub fn summary(reports: &[CopyReport], rows: &[Row], again: &str) -> String {
    let mut text = String::new();
    for report in reports {
        let (done, all) = counts(report);
        let _ = writeln!(text, "### {} {}\n", if done == all { "✅" } else { "⚠️" }, report.source.name);
        let _ = writeln!(
            text,
            "{done} of {all} regions are done; the source is `{}` in {}.\n",
            report.source.id, report.source.region
        );
    }
    if !rows.is_empty() {
        let _ = writeln!(text, "| Distribution | Version | Region | AMI ID | Arch |\n|---|---|---|---|---|");
        for row in rows {
            let cells = [&row.distribution, &row.version, &row.region, &format!("`{}`", row.ami), &row.arch];
            let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
        }
        text.push('\n');
    }
    if reports.iter().any(|report| !report.is_done()) {
        let _ = writeln!(text, "Not done:\n");
        for copied in reports.iter().flat_map(CopyReport::undone) {
            let _ = writeln!(text, "- {}", line(copied));
        }
        let _ = writeln!(text, "\nThe same command goes on:\n\n```\n{again}\n```\n");
    }
    text
}

/// A message for a channel: short, and readable where Markdown's tables are not drawn.
pub fn message(reports: &[CopyReport]) -> String {
    let mut text = String::new();
    for report in reports {
        let (done, all) = counts(report);
        let mark = if done == all { ":white_check_mark:" } else { ":warning:" };
        let _ = writeln!(text, "{mark} {}: {done} of {all} regions are done", report.source.name);
        for copied in report.regions.iter().filter(|copied| copied.state == CopyState::Done) {
            let _ = writeln!(text, "- {}: `{}`", copied.region, copied.ami.as_deref().unwrap_or("?"));
        }
        for copied in report.undone() {
            let _ = writeln!(text, "- {}", line(copied));
        }
    }
    text.trim_end().to_owned()
}

fn counts(report: &CopyReport) -> (usize, usize) {
    (report.regions.len() - report.undone().count(), report.regions.len())
}

fn line(copied: &Copied) -> String {
    let state = match copied.state {
        CopyState::Done => "done",
        CopyState::Pending => "EC2 copies on",
        CopyState::Failed => "failed",
        CopyState::Held => "not begun",
    };
    let why = if copied.error.is_empty() { String::new() } else { format!(": {}", copied.error.join(": ")) };
    format!("{}: {state}{why}", copied.region)
}
