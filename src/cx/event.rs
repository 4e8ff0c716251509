//! What a build reports: typed, serialisable events. Renderers, the build log and the tests are all listeners.
use super::{BuildId, clean_line};
use crate::value::{HumanDuration, Redactor};
use serde::Serialize;
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// One event with its time and its build. `--json` prints one of these a line.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// When, in UTC.
    pub at: jiff::Timestamp,
    /// Which build.
    pub build: BuildId,
    /// The definition's name.
    pub name: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know.
    Notice,
    /// Something the user may want to change.
    Warning,
}

/// The unit of a progress figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Countable things.
    Items,
}

/// Where a line of guest or tool output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output of a command.
    Stdout,
    /// Standard error of a command.
    Stderr,
    /// The guest's serial console.
    Serial,
}

/// One thing seen while waiting: `port 22 ✓`, `login ✗ (publickey refused)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sight {
    /// What was looked at.
    pub label: String,
    /// Whether it is up; `None` while unknown.
    pub up: Option<bool>,
    /// More about it, may be empty.
    pub detail: String,
}

impl Sight {
    /// It is up.
    pub fn yes(label: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { label: label.into(), up: Some(true), detail: detail.into() }
    }

    /// It is not up.
    pub fn no(label: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { label: label.into(), up: Some(false), detail: detail.into() }
    }

    /// Nobody knows yet.
    pub fn unknown(label: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { label: label.into(), up: None, detail: detail.into() }
    }

    /// Several sights in one line for people.
    pub fn line(seen: &[Self]) -> String {
        if seen.is_empty() {
            return "nothing".to_owned();
        }
        seen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" · ")
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.up {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "…",
        };
        write!(f, "{} {mark}", self.label)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

/// The outcome of one check inside a booted result, or of one look into its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was asserted, for people: "file `/etc/motd` has the content of step 2".
    pub name: String,
    /// Whether it holds.
    pub passed: bool,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// What happens in a build. Stage names are the recipe's; they are stable.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The build begins.
    BuildStarted {
        /// The user's file.
        definition: PathBuf,
        /// Where the records go.
        logs: PathBuf,
        /// Names of the stages to come, in order.
        stages: Vec<String>,
    },
    /// A stage begins.
    StageStarted {
        /// Its name.
        stage: String,
    },
    /// A stage ended well.
    StageFinished {
        /// Its name.
        stage: String,
        /// How long it took.
        seconds: HumanDuration,
    },
    /// A stage failed.
    StageFailed {
        /// Its name.
        stage: String,
        /// How long it took.
        seconds: HumanDuration,
        /// The outermost message.
        error: String,
    },
    /// Progress of long work; `total` is unknown at times.
    Progress {
        /// What is worked on, stable while the work lasts; one stage may have several.
        what: String,
        /// Done so far.
        done: u64,
        /// Out of.
        total: Option<u64>,
        /// Unit of both.
        unit: Unit,
    },
    /// The work called `what` is over; its bar can go.
    ProgressFinished {
        /// As in [`Event::Progress`].
        what: String,
    },
    /// A wait goes on.
    Waiting {
        /// For what.
        what: String,
        /// What can be seen.
        seen: Vec<Sight>,
        /// For how long already.
        elapsed: HumanDuration,
        /// At most.
        limit: HumanDuration,
    },
    /// A provisioning step begins.
    StepStarted {
        /// From 1.
        index: usize,
        /// Of how many.
        total: usize,
        /// What it does, for people.
        label: String,
    },
    /// A provisioning step ended well.
    StepFinished {
        /// From 1.
        index: usize,
        /// What it did.
        label: String,
        /// How long it took.
        seconds: HumanDuration,
    },
    /// A line of output from the guest or a tool, redacted.
    Output {
        /// Who printed it: a step, a tool, the console.
        source: String,
        /// Through which stream.
        stream: Stream,
        /// The line without its end.
        line: String,
    },
    /// Something to tell the user.
    Message {
        /// How much it matters.
        level: Level,
        /// One sentence.
        text: String,
        /// What to do about it, if anything.
        hint: Option<String>,
    },
    /// A check was made.
    Checked {
        /// Which artifact or stage.
        subject: String,
        /// Its outcome.
        check: Check,
    },
    /// An artifact is in its final place.
    Artifact {
        /// Its path.
        path: PathBuf,
        /// Its format, as in the definition.
        format: String,
        /// Its size in bytes.
        bytes: u64,
        /// SHA-256 of the file.
        sha256: String,
    },
    /// An AMI is there.
    Ami {
        /// `ami-…`
        id: String,
        /// Its name.
        name: String,
        /// Where it is.
        region: String,
        /// What it was made of.
        snapshots: Vec<String>,
    },
    /// An image is there that a hypervisor keeps, other than an AMI.
    Kept {
        /// Its path.
        id: String,
        /// Where it is, such as a vCenter.
        place: String,
        /// Its name.
        name: String,
    },
    /// The undo begins.
    UndoStarted {
        /// Number of things to undo.
        count: usize,
    },
    /// Something was undone.
    Undone {
        /// What.
        what: String,
    },
    /// Something could not be undone.
    UndoFailed {
        /// What.
        what: String,
        /// Why.
        error: String,
    },
    /// The build succeeded.
    BuildFinished {
        /// How long it took.
        seconds: HumanDuration,
    },
    /// The build failed; everything that could be undone is undone.
    BuildFailed {
        /// Stage that failed.
        stage: String,
        /// The chain of messages, outermost first.
        error: Vec<String>,
        /// The failure bundle.
        bundle: PathBuf,
    },
}

/// A listener. It must return quickly and must not fail.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn take(&self, record: &Record);
}

/// The way to report: stamps events and hands them to all listeners, in order.
#[derive(Clone)]
pub struct Events {
    build: BuildId,
    name: String,
    sinks: Arc<[Arc<dyn Sink>]>,
    order: Arc<Mutex<()>>,
    redactor: Redactor,
}

impl Events {
    /// Events of build `build` called `name` go to `sinks`.
    pub fn new(build: BuildId, name: impl Into<String>, sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self {
            build,
            name: name.into(),
            sinks: sinks.into(),
            order: Arc::default(),
            redactor: Redactor::default(),
        }
    }

    /// The filter that output lines pass.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Reports `event`. Lines of output are redacted and cleaned of control characters here, so that no caller can forget.
    pub fn emit(&self, event: Event) {
        let event = match event {
            Event::Output { source, stream, line } => {
                Event::Output { source, stream, line: clean_line(&self.redactor.redact(&line)) }
            }
            other => other,
        };
        let record =
            Record { at: jiff::Timestamp::now(), build: self.build.clone(), name: self.name.clone(), event };
        // A poisoned lock only means that a listener panicked; order is all that it protects.
        let _order = self.order.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for sink in self.sinks.iter() {
            sink.take(&record);
        }
    }

    /// Reports a notice.
    pub fn notice(&self, text: impl Into<String>) {
        self.emit(Event::Message { level: Level::Notice, text: text.into(), hint: None });
    }

    /// Reports a warning with what to do about it.
    pub fn warn(&self, text: impl Into<String>, hint: Option<String>) {
        self.emit(Event::Message { level: Level::Warning, text: text.into(), hint });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("build", &self.build)
            .field("sinks", &self.sinks.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Secret;

    #[derive(Default)]
    struct Memory(Mutex<Vec<Record>>);
    impl Sink for Memory {
        fn take(&self, record: &Record) {
            self.0.lock().unwrap().push(record.clone());
        }
    }

    #[test]
    fn output_is_redacted_and_cannot_control_the_terminal() {
        let memory = Arc::new(Memory::default());
        let events = Events::new(BuildId::random(), "demo", vec![memory.clone()]);
        events.redactor().learn(&Secret::new("s3cret-word"));
        events.emit(Event::Output {
            source: "step 1".into(),
            stream: Stream::Stdout,
            line: "\u{1b}[31mred\u{1b}[0m s3cret-word\r\u{1b}]0;title\u{7}!".into(),
        });
        let records = memory.0.lock().unwrap();
        let Event::Output { line, .. } = &records[0].event else { panic!("not output") };
        assert_eq!(line, "red ••••••!");
    }

    #[test]
    fn a_record_is_one_flat_json_object() {
        let memory = Arc::new(Memory::default());
        let events = Events::new(BuildId::random(), "demo", vec![memory.clone()]);
        events.emit(Event::StageStarted { stage: "fetch".into() });
        let json = serde_json::to_value(&memory.0.lock().unwrap()[0]).unwrap();
        assert_eq!(json["event"], "stage-started");
        assert_eq!(json["stage"], "fetch");
        assert_eq!(json["name"], "demo");
    }
}
