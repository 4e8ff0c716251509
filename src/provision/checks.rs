//! What must hold inside the booted result. Every step kind says what its effect looks like; later steps win over earlier
//! ones about the same thing.
use super::steps;
use crate::{
    guest::{Facts, quote},
    plan::{Plan, Step},
    value::Size,
};
use std::path::PathBuf;

/// One assertion: a script that prints what it finds, and what that must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSpec {
    /// For people.
    pub name: String,
    /// The thing it is about; a later assertion about the same thing replaces it.
    pub(super) subject: String,
    /// What else was said before and no longer holds.
    pub(super) voids: Vec<Voided>,
    pub(super) script: String,
    pub(super) expect: Expect,
    /// Files of this host whose digests the script gets on its standard input.
    pub(super) tree: Option<Tree>,
}

/// A folder of this host that was put into a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) local: PathBuf,
    /// Where it went, without a slash at the end.
    pub(super) dest: String,
    /// Paths in the guest that a later step changed, with what is below them.
    pub(super) except: Vec<String>,
}

impl Tree {
    /// Leaves out what `later` is about.
    fn leave_out(&mut self, later: &CheckSpec) {
        let Some(path) = later.subject.strip_prefix("path ") else { return };
        let path = path.split(LINE).next().unwrap_or_default().trim_end_matches("/*");
        let inside = path.strip_prefix(self.dest.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if inside && !self.except.iter().any(|known| known == path) {
            self.except.push(path.to_owned());
        }
    }

    /// Whether the file at `path` in the guest is still as it was sent.
    pub(super) fn counts(&self, path: &str) -> bool {
        !self.except.iter().any(|gone| {
            path.strip_prefix(gone.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// Earlier assertions that a step makes untrue, although they are about something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Voided {
    /// Those about this subject.
    Subject(String),
    /// Those about this path, what is below it, and its lines.
    Below(String),
    /// Those about subjects that start like this.
    StartingWith(String),
}

impl Voided {
    fn hits(&self, subject: &str) -> bool {
        match self {
            Self::Subject(own) => subject == own,
            Self::StartingWith(start) => subject.starts_with(start.as_str()),
            Self::Below(path) => {
                let rest = subject.strip_prefix("path ").and_then(|rest| rest.strip_prefix(path.as_str()));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with(LINE))
            }
        }
    }
}

/// Between a path and a line of its file, in a subject.
const LINE: &str = "\nline ";

/// The subject of an assertion about a line of the file at `path`.
pub(super) fn line_subject(path: &str, line: &str) -> String {
    format!("path {path}{LINE}{line}")
}

/// What a check's script must print, or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// Exactly this.
    Text(String),
    /// This, then the digest of a file of this host, which is read when the check runs.
    TextAndDigestOf(String, PathBuf),
    /// One of these.
    AnyOf(Vec<String>),
    /// 32 hexadecimal digits, but not these.
    OtherId(String),
    /// A number, at least this.
    AtLeast(u64),
    /// Exit code 0, whatever it prints.
    Success,
}

impl CheckSpec {
    pub(super) fn new(
        subject: impl Into<String>,
        name: impl Into<String>,
        script: impl Into<String>,
        expect: Expect,
    ) -> Self {
        Self {
            name: name.into(),
            subject: subject.into(),
            voids: Vec::new(),
            script: script.into(),
            expect,
            tree: None,
        }
    }

    /// The same about files of a folder.
    #[must_use]
    pub(super) fn of_tree(mut self, tree: Tree) -> Self {
        self.tree = Some(tree);
        self
    }

    /// The same, which also makes earlier assertions void.
    #[must_use]
    pub(super) fn voiding(mut self, voided: Voided) -> Self {
        self.voids.push(voided);
        self
    }

    fn replaces(&self, old: &Self) -> bool {
        old.subject == self.subject || self.voids.iter().any(|voided| voided.hits(&old.subject))
    }
}

/// The assertions that follow from these steps.
pub fn checks(all: &[Step]) -> Vec<CheckSpec> {
    let mut found: Vec<CheckSpec> = Vec::new();
    for step in all {
        let new = steps::checks(&step.kind);
        // All that was said about a subject before is void.
        found.retain(|old| !new.iter().any(|new| new.replaces(old)));
        for tree in found.iter_mut().filter_map(|old| old.tree.as_mut()) {
            new.iter().for_each(|new| tree.leave_out(new));
        }
        found.extend(new);
    }
    found
}

/// Whether the path outlives a reboot and the seal.
pub(super) fn lasts(path: &str) -> bool {
    !["/tmp/", "/var/tmp/", "/run/", "/var/run/", "/dev/", "/proc/", "/sys/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// Assertions about any booted result. `build` are the facts of the machine it was built in, if these are `known`; else its own,
/// with which it cannot be compared.
pub fn general_checks(plan: &Plan, build: &Facts, known: bool) -> Vec<CheckSpec> {
    let mut specs = Vec::new();
    if known {
        specs.push(CheckSpec::new(
            "os",
            "the operating system is the one that was built",
            ". /etc/os-release; echo \"${ID-} ${VERSION_ID-}\"",
            Expect::Text(format!("{} {}", build.os_id, build.os_version).trim_end().to_owned()),
        ));
    }
    if build.systemd() {
        // `--wait` returns when the start-up is over; a stuck job must not hold us for ever.
        specs.push(CheckSpec::new(
            "boot",
            "the boot ended without failed units",
            "s=$(timeout 300 systemctl is-system-running --wait 2>/dev/null || true)\n\
             case $s in\n\
             running) echo running;;\n\
             degraded) echo degraded: $(systemctl --failed --plain --no-legend list-units | awk '{ print $1 }');;\n\
             *) echo \"${s:-not ready after 5 min}\": $(systemctl list-jobs --plain --no-legend | awk '{ print $2 }');;\n\
             esac",
            Expect::Text("running".into()),
        ));
    }
    if plan.seal.sysprep && known {
        specs.push(CheckSpec::new(
            "machine-id",
            "the machine has an id of its own",
            "cat /etc/machine-id",
            Expect::OtherId(build.machine_id.clone()),
        ));
    }
    if known {
        // A little less, since file systems round.
        let least = build.root_bytes - build.root_bytes / 50;
        specs.push(CheckSpec::new(
            "root",
            format!(
                "the root file system is not smaller than in the build ({})",
                Size::bytes(build.root_bytes)
            ),
            "set -- $(stat -f -c '%b %S' /); echo $(($1 * $2))",
            Expect::AtLeast(least),
        ));
    }
    for command in &plan.verify.commands {
        specs.push(CheckSpec::new(
            format!("command {command}"),
            format!("`{command}` succeeds"),
            format!("timeout 300 /bin/sh -euc {}", quote(command)),
            Expect::Success,
        ));
    }
    specs
}
