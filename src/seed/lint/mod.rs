//! Reads answers before anything boots: an installer that stumbles over its answers waits for somebody who is not there.
//!
//! [`check`] reads the rendered texts, so it judges templates of users as it judges ours: what the installer's language does not have,
//! and what every installation of a build must do, in whatever way: bring cloud-init where the build's key comes by it, make the user
//! whom the build logs in as, start sshd, choose a disk, and end.
//!
//! The rules are after the installers' documents; `tests/it/answers` holds them against the installers' own parsers.
mod autoinstall;
mod kickstart;
mod photon;
mod preseed;
mod script;
#[cfg(test)]
mod tests;

use super::answers::{FINISH, RenderedFile};
use crate::plan::{AnswersPlan, InstallEnd, Installer, SeedKind};
use std::fmt;

/// Something that is wrong with answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the installation would fail or wait for ever, or only be other than somebody thinks.
    pub severity: Severity,
    /// The file's name on the medium.
    pub file: String,
    /// Where its text is from: the user's template, or a built-in one.
    pub origin: String,
    /// The line of the rendered text, from 1; none when something is nowhere.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The installation works, perhaps not as it was meant.
    Warning,
    /// The installation fails, asks, or gives a system that the build cannot use.
    Error,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} (from {}), line {line}: {}", self.file, self.origin, self.problem),
            None => write!(f, "{} (from {}): {}", self.file, self.origin, self.problem),
        }
    }
}

/// What is wrong with `files`, the answers to `plan`; errors first, then by line. Nothing when they can be tried.
pub fn check(plan: &AnswersPlan, files: &[RenderedFile]) -> Vec<Finding> {
    let Some(main) = files.first() else { return vec![] };
    let mut report = Report { file: main, findings: vec![] };
    let text = &*main.text;
    let mut does = match plan.installer {
        Installer::Subiquity => autoinstall::check(text, &mut report),
        Installer::Anaconda => kickstart::check(text, plan.major(), &mut report),
        Installer::DebianInstaller => preseed::check(text, &mut report),
        Installer::Photon => photon::check(text, &mut report),
    };
    if does.finish
        && let Some(finish) = files.iter().find(|file| file.name.ends_with(FINISH))
    {
        does.script(&finish.text);
    }
    must(plan, files, &does, &mut report);
    let mut findings = report.findings;
    // What is nowhere is often the consequence of what is wrong somewhere.
    findings
        .sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.line.is_none(), finding.line));
    findings
}

/// What every installation of a build must do.
fn must(plan: &AnswersPlan, files: &[RenderedFile], does: &Does, report: &mut Report<'_>) {
    // A text that could not be read tells nothing about what it does.
    if report.findings.iter().any(|finding| finding.severity == Severity::Error) && !does.read {
        return;
    }
    let start = "start the script `finish.sh` from the medium as the built-in template does";
    if !does.server {
        report.error(
            None,
            "these answers never install OpenSSH's server, so nobody could log in",
            "install it as the built-in template does",
        );
    } else if !does.sshd {
        report.error(None, "these answers never enable sshd, so nobody could log in", start);
    }
    if plan.seed == SeedKind::NoCloud && !does.cloud_init {
        let advice = match plan.installer {
            Installer::Subiquity => start,
            Installer::Anaconda | Installer::DebianInstaller | Installer::Photon => {
                "install the package `cloud-init`, or choose another `[guest] seed`"
            }
        };
        report.error(
            None,
            "these answers give a system in which no cloud-init takes the build's key, so nobody could log in",
            advice,
        );
    }
    if let Some(user) = &plan.login
        && user != "root"
        && !files.iter().any(|file| mentions(&file.text, user))
    {
        report.error(
            None,
            format!("these answers create no user `{user}`, as whom `[guest.login]` logs in"),
            "add a `[[source.iso.install.user]]` of this name, with the key",
        );
    }
    if !does.disk {
        report.error(
            None,
            "a disk is never chosen, so the installer would ask for one",
            "say which disk and which partitions, as the built-in template does in its block `storage`",
        );
    }
    match does.end {
        None => report.error(
            None,
            "these answers never power off or reboot, so the build would wait for ever",
            "end with what the built-in template has in its block `end`",
        ),
        Some(end) if end != plan.end => {
            let (wanted, says) = match plan.end {
                InstallEnd::PowerOff => ("powers off", "reboot"),
                InstallEnd::Reboot => ("reboots", "power off"),
            };
            report.error(
                None,
                format!(
                    "the build expects that the machine {wanted} at the end, and these answers say {says}"
                ),
                "end with what the built-in template has in its block `end`",
            );
        }
        Some(_) => {}
    }
}

/// Findings of one file.
struct Report<'a> {
    file: &'a RenderedFile,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn error(
        &mut self,
        line: impl Into<Option<usize>>,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Severity::Error, line.into(), problem.into(), advice.into());
    }

    fn warning(
        &mut self,
        line: impl Into<Option<usize>>,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Severity::Warning, line.into(), problem.into(), advice.into());
    }

    fn add(&mut self, severity: Severity, line: Option<usize>, problem: String, advice: String) {
        let (file, origin) = (self.file.name.clone(), self.file.origin.clone());
        self.findings.push(Finding { severity, file, origin, line, problem, advice });
    }

    /// A password that anybody with the image could find out.
    fn password(&mut self, line: usize, whose: &str) {
        self.warning(
            line,
            format!("a password for {whose} stays in the image"),
            "leave passwords out: the build and users of the image log in with keys",
        );
    }
}

/// What answers do, as far as their text tells.
#[derive(Debug, Default)]
struct Does {
    /// Whether the text could be read to its end.
    read: bool,
    finish: bool,
    /// Whether OpenSSH's server is installed.
    server: bool,
    /// Whether it starts at boot.
    sshd: bool,
    /// Whether cloud-init is there and may look for a seed.
    cloud_init: bool,
    disk: bool,
    end: Option<InstallEnd>,
}

/// Whether a line of `text` that is no comment has `name` as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).any(|line| {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').any(|word| word == name)
    })
}

/// The nearest of `known` to `word`, as the end of a sentence.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}
