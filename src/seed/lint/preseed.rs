//! Debian's installer: lines of `owner question type value`, after the appendix on preseeding of its manual.
use super::{Does, Report, nearest};
use crate::plan::InstallEnd;
use std::collections::BTreeMap;

const TYPES: &[&str] =
    &["string", "boolean", "select", "multiselect", "note", "text", "password", "title", "error"];

/// One answer.
struct Answer<'a> {
    line: usize,
    owner: &'a str,
    kind: &'a str,
    value: String,
}

pub(super) fn check(text: &str, report: &mut Report<'_>) -> Does {
    let mut answers: BTreeMap<&str, Answer<'_>> = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let number = at + 1;
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A value goes on in the next line after a backslash.
        let mut parts = vec![line.trim_end_matches('\\')];
        let mut last = line;
        while last.ends_with('\\') {
            match lines.next() {
                None => {
                    report.error(
                        number,
                        "the value goes on in a line that is not there",
                        "leave out the last backslash",
                    );
                    break;
                }
                Some((at, next)) => {
                    if next.trim_start().starts_with('#') {
                        report.error(
                            at + 1,
                            format!("this comment is a part of the value that begins in line {number}"),
                            "put the comment before that line",
                        );
                    }
                    parts.push(next.trim_end_matches('\\'));
                    last = next;
                }
            }
        }
        let mut fields =
            parts[0].splitn(4, |c: char| c.is_ascii_whitespace()).filter(|field| !field.is_empty());
        let (Some(owner), Some(question), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
            report.error(
                number,
                "this is no preseeded answer: it has less than an owner, a question and a type",
                "write one like `d-i time/zone string UTC`",
            );
            continue;
        };
        let mut value = fields.next().unwrap_or_default().to_owned();
        parts[1..].iter().for_each(|part| value.push_str(part));
        let value = value.trim().to_owned();
        if !TYPES.contains(&kind) && kind != "seen" {
            report.error(
                number,
                format!("there are no questions of the type `{kind}`"),
                format!("write owner, question, type and value{}", nearest(kind, TYPES.iter().copied())),
            );
        }
        if !question.contains('/') {
            report.error(
                number,
                format!("`{question}` is no question: its name has no `/`"),
                "write one like `d-i time/zone string UTC`",
            );
        }
        if kind == "boolean" && value != "true" && value != "false" {
            report.error(
                number,
                format!("`{question}` takes `true` or `false`, not `{value}`"),
                "write one of them",
            );
        }
        if let Some(before) = answers.get(question)
            && before.owner == owner
            && before.value != value
        {
            report.warning(
                number,
                format!("`{question}` was answered otherwise in line {}; this answer counts", before.line),
                "leave one of them out",
            );
        }
        answers.insert(question, Answer { line: number, owner, kind, value });
    }
    judge(&answers, report)
}

fn judge(answers: &BTreeMap<&str, Answer<'_>>, report: &mut Report<'_>) -> Does {
    let mut does = Does { read: true, ..Does::default() };
    let value = |question: &str| answers.get(question).map(|answer| answer.value.as_str());
    if let Some(locale) = answers.get("debian-installer/locale")
        && matches!(locale.value.as_str(), "C" | "POSIX" | "C.UTF-8")
    {
        report.error(
            locale.line,
            format!(
                "with the locale `{}` the installer asks for a country, whatever the priority",
                locale.value
            ),
            "write `en_US.UTF-8`",
        );
    }
    for (question, answer) in answers {
        let password = question.starts_with("passwd/") && answer.kind == "password";
        if password && !answer.value.starts_with(['!', '*']) && !answer.value.is_empty() {
            report.password(answer.line, if question.contains("root") { "root" } else { "a user" });
        }
    }
    let scripts: Vec<&str> = ["preseed/late_command", "preseed/early_command", "partman/early_command"]
        .iter()
        .filter_map(|question| value(question))
        .collect();
    does.script(&scripts.join("\n"));
    let packages = value("pkgsel/include").unwrap_or_default();
    let tasks = value("tasksel/first").unwrap_or_default();
    does.cloud_init |= packages.split([' ', ',']).any(|package| package == "cloud-init");
    // Debian's sshd starts when its package is there.
    does.server =
        packages.split([' ', ',']).any(|package| package == "openssh-server") || tasks.contains("ssh-server");
    does.sshd |= does.server;
    let disk = value("partman-auto/disk").is_some()
        || scripts.iter().any(|script| script.contains("partman-auto/disk"));
    does.disk = disk && value("partman-auto/method").is_some();
    if does.disk {
        for question in ["partman/confirm", "partman/confirm_nooverwrite"] {
            if value(question) != Some("true") {
                report.error(
                    answers.get(question).map(|answer| answer.line),
                    format!("`{question}` is not answered with `true`, so the installer asks before it writes to the disk"),
                    format!("write `d-i {question} boolean true`"),
                );
            }
        }
    }
    if value("finish-install/reboot_in_progress").is_none() {
        return does;
    }
    does.end = match value("debian-installer/exit/poweroff") {
        Some("true") => Some(InstallEnd::PowerOff),
        _ if value("debian-installer/exit/halt") == Some("true") => None,
        _ => Some(InstallEnd::Reboot),
    };
    does
}
