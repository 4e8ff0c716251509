//! The seal: what the build left in the guest is removed, by one script that also removes the user it runs for.
use crate::{
    cx::{Cx, Event},
    guest::{CommError, Command, Communicator, Exit, Guest},
    plan::{Plan, SeedKind},
    value::{Secret, Size},
};
use serde::Serialize;
use std::time::Duration;

const SCRIPT: &str = include_str!("seal.sh");
/// Trimming and removing packages take long on slow disks and under emulation.
const LIMIT: Duration = Duration::from_secs(1800);

/// What the seal did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SealReport {
    /// What was removed, for people, in order.
    pub removed: Vec<String>,
    /// Bytes that went back to the disk; `None` when nothing was to be trimmed.
    pub trimmed: Option<u64>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The guest could not be sealed. It must not be shipped.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The guest could not be asked.
    #[error("could not seal the guest")]
    Comm(#[from] CommError),
    /// The script failed.
    #[error("the seal failed in the guest ({exit}); it said last: {}", last.join(" | "))]
    Failed {
        /// How it ended.
        exit: Exit,
        /// What it said, redacted.
        last: Vec<String>,
    },
}

/// Seals the guest. Afterwards nobody can log in any more, us included: the machine is to be shut down next.
pub async fn seal(cx: &Cx, guest: &Guest, plan: &Plan) -> Result<SealReport, SealError> {
    let yes = |flag: bool| Secret::new(if flag { "yes" } else { "no" });
    let key = guest.login().authorized_key.split_whitespace().nth(1).unwrap_or_default();
    let command = Command::script("seal", SCRIPT)
        .env("BUILD_USER", Secret::new(&guest.login().user))
        .env("KEY", Secret::new(key))
        .env("SYSPREP", yes(plan.seal.sysprep))
        .env("ZERO", yes(plan.seal.zero))
        .env("TRIM", yes(plan.seal.trim))
        .env("OWN_HOST_KEY", yes(plan.guest.seed == SeedKind::Login))
        // Whom Ignition gave our key, the system has anyway.
        .env("KEEP_USER", yes(plan.guest.seed == SeedKind::Ignition && guest.login().user == "core"))
        .timeout(LIMIT);
    let mut report = SealReport::default();
    let mut last = Vec::new();
    let exit = guest
        .exec(cx, &command, &mut |stream, line: &str| {
            if let Some(said) = line.strip_prefix("@seal ") {
                report.take(said);
                return;
            }
            last.push(cx.redactor().redact(line));
            if last.len() > 10 {
                last.remove(0);
            }
            cx.emit(Event::Output { source: "seal".into(), stream, line: line.to_owned() });
        })
        .await?;
    if !exit.success() {
        return Err(SealError::Failed { exit, last });
    }
    for note in &report.notes {
        cx.events().warn(format!("seal: {note}"), None);
    }
    let trimmed = report.trimmed.map(|bytes| format!(", {} trimmed", Size::bytes(bytes))).unwrap_or_default();
    cx.events().notice(format!("sealed: {} things removed{trimmed}", report.removed.len()));
    Ok(report)
}

impl SealReport {
    fn take(&mut self, said: &str) {
        match said.split_once(' ') {
            Some(("removed", what)) => self.removed.push(what.to_owned()),
            Some(("trimmed", bytes)) => self.trimmed = bytes.trim().parse().ok(),
            Some(("note", text)) => self.notes.push(text.to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_script_parses_in_every_shell_that_may_be_sh() {
        for shell in ["dash", "bash"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("seal.sh");
            std::fs::write(&path, SCRIPT).unwrap();
            let out = Command::new(shell).arg("-n").arg(&path).output().unwrap();
            assert!(out.status.success() && out.stderr.is_empty(), "{shell}: {out:?}");
        }
    }

    #[test]
    fn the_report_is_read_from_marked_lines() {
        let mut report = SealReport::default();
        for line in ["removed /var/lib/cloud/*", "trimmed 123456", "note look out", "odd"] {
            report.take(line);
        }
        assert_eq!(report.removed, ["/var/lib/cloud/*"]);
        assert_eq!(report.trimmed, Some(123_456));
        assert_eq!(report.notes, ["look out"]);
    }
}
