//! Runs steps one after the other, shows what they print, and says which one failed, where it stands and how it ended.
use super::{
    Secrets,
    explain::{explain, is_in_vain, ran_out, while_alive},
    secrets::SecretError,
    steps, together,
};
use crate::{
    cx::{Cancelled, Cx, Event},
    fetch::{FetchError, Fetcher, RegistryError},
    guest::{CommError, Command, Communicator, Exit, Facts, Guest, GuestError, Target, Trouble},
    plan::{Step, StepKind},
    value::{HumanDuration, SumsError},
};
use std::{collections::VecDeque, path::PathBuf, time::Duration};
use tokio::time::Instant;

/// So many of the last lines go into an error.
pub(super) const LAST_LINES: usize = 15;
/// How long the guest may stay away between two tries of a step, or of a transfer.
pub(super) const COME_BACK: HumanDuration = HumanDuration::seconds(120);

/// A step failed.
#[derive(Debug, thiserror::Error)]
#[error("step {number} (`{label}`, {at}) failed")]
pub struct ProvisionError {
    /// From 1.
    pub number: usize,
    /// What it was to do.
    pub label: String,
    /// Where it stands, `file:line`.
    pub at: String,
    /// Why.
    #[source]
    pub source: StepError,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Its command ended badly.
    #[error("{exit}; it said last:{}", indent(last))]
    Exit {
        /// How.
        exit: Exit,
        /// What it printed last, redacted.
        last: Vec<String>,
    },
    /// The guest could not be asked.
    #[error(transparent)]
    Comm(#[from] CommError),
    /// The guest did not come back, or is not ready for it.
    #[error(transparent)]
    Guest(Box<GuestError>),
    /// The connection was lost, and there was no other.
    #[error("{cut}; the guest could not be reached again")]
    Lost {
        /// What was lost.
        cut: Box<CommError>,
        /// Why it could not be had again.
        #[source]
        source: Box<GuestError>,
    },
    /// The machine died or stopped.
    #[error("{why} while the step ran")]
    Machine {
        /// What happened to it.
        why: String,
        /// How the step ended by that.
        #[source]
        source: Option<Box<StepError>>,
    },
    /// There is no room in the guest.
    #[error("{what}")]
    Full {
        /// Which file system, and how large it is.
        what: String,
        /// Whether it is memory.
        memory: bool,
        /// How the step ended by that.
        #[source]
        source: Box<StepError>,
    },
    /// A secret is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A file of this host cannot be read.
    #[error("could not read `{}`", path.display())]
    Local {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The guest has no package manager that we know.
    #[error("the guest (`{os}`) has none of apt-get, dnf, yum, tdnf and zypper")]
    NoPackageManager {
        /// What it is.
        os: String,
    },
    /// A file could not be had.
    #[error(transparent)]
    Fetch(Box<FetchError>),
    /// A container image could not be had.
    #[error(transparent)]
    Image(Box<RegistryError>),
    /// A file of digests does not say the one that is needed.
    #[error("could not take a digest from `{url}`")]
    Sums {
        /// Where it is.
        url: String,
        /// Why.
        #[source]
        source: SumsError,
    },
    /// Ansible is not there.
    #[error("`ansible-playbook` is not installed on this host")]
    NoAnsible,
    /// Ansible could not be run.
    #[error("could not run `ansible-playbook`")]
    Ansible {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A value that is only known now cannot be used.
    #[error("`{value}` cannot be the {what}: {reason}")]
    Value {
        /// What it is for.
        what: &'static str,
        /// The value.
        value: String,
        /// Why.
        reason: String,
    },
    /// A template that was not resolved first, which is a mistake of goldsmith's.
    #[error("the template of `{dest}` was not resolved")]
    Unresolved {
        /// Where it was to go.
        dest: String,
    },
    /// It did not do what it promised.
    #[error("it succeeded, but `{path}` is not there afterwards")]
    NotCreated {
        /// The path of `creates`.
        path: String,
    },
    /// The step is about the user that the build itself uses and removes.
    #[error("`{user}` is the build's own user, which is removed at the end: set another `guest.user`")]
    BuildUser {
        /// The user.
        user: String,
    },
    /// The user interrupted the build.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<GuestError> for StepError {
    fn from(error: GuestError) -> Self {
        Self::Guest(Box::new(error))
    }
}

fn indent(lines: &[String]) -> String {
    if lines.is_empty() { " nothing".to_owned() } else { format!("\n    {}", lines.join("\n    ")) }
}

impl From<FetchError> for StepError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(Box::new(error))
    }
}

impl StepError {
    /// That `value` cannot be the `what` of a step.
    pub(super) fn value(what: &'static str, value: &str, reason: String) -> Self {
        Self::Value { what, value: value.to_owned(), reason }
    }

    pub(super) fn ansible(source: std::io::Error) -> Self {
        Self::Ansible { source }
    }

    /// Whether trying again could help. A timeout counts: mirrors hang.
    fn may_pass(&self) -> bool {
        match self {
            // Publishers replace both files, one after the other.
            Self::Exit { last, .. } => !is_in_vain(last),
            Self::Fetch(_) | Self::Sums { .. } => true,
            Self::Full { source, .. } => !ran_out(source) && source.may_pass(),
            Self::Comm(error) => !matches!(
                error,
                CommError::Invalid { .. } | CommError::Cancelled(_) | CommError::Local { .. }
            ),
            _ => false,
        }
    }
}

/// What steps take from outside of the guest.
#[derive(Debug, Clone, Copy)]
pub struct Supplies<'a> {
    /// Secrets of the definition.
    pub secrets: &'a Secrets,
    /// Gets files from elsewhere.
    pub fetcher: &'a Fetcher,
}

/// The first step that lacks something on this host. Of steps that may be left out, only the guest knows.
pub fn preflight(steps: &[Step]) -> Option<ProvisionError> {
    let mut sure = steps.iter().enumerate().filter(|(_, step)| step.rules.when.is_none());
    sure.find_map(|(index, step)| {
        let source = steps::missing(&step.kind)?;
        Some(ProvisionError { number: index + 1, label: step.label.clone(), at: step.at.clone(), source })
    })
}

/// Runs all steps: those that are for the end last, newest first, even after a failure if the run came to where they stand.
pub async fn run(
    cx: &Cx,
    guest: &Guest,
    facts: &Facts,
    steps: &[Step],
    supplies: Supplies<'_>,
    trouble: Trouble<'_>,
) -> Result<(), ProvisionError> {
    let total = steps.len();
    let last = steps.iter().filter(|step| step.rules.finally).count();
    let mut number = 0;
    let mut end: Vec<&Step> = Vec::with_capacity(last);
    let mut result = Ok(());
    let mut rest = steps;
    while let Some((step, after)) = rest.split_first() {
        if step.rules.finally {
            end.push(step);
            rest = after;
            continue;
        }
        let neighbours = if cx.is_watched() { 1 } else { together::neighbours(rest) };
        let (now, later) = rest.split_at(neighbours.min(rest.len()));
        let place = (number + 1, total);
        result = match now {
            [_, _, ..] => together::run(cx, guest, facts, place, now, supplies, trouble).await,
            _ => run_step(cx, guest, facts, place, step, supplies, trouble).await,
        };
        if result.is_err() {
            break;
        }
        number += now.len();
        rest = later;
    }
    number = total - last;
    for step in end.into_iter().rev() {
        number += 1;
        if let Err(error) = &result
            && error.source.is_final()
        {
            let left = total + 1 - number;
            cx.events().warn(format!("{left} of the last steps did not run, since the guest is gone"), None);
            break;
        }
        if result.is_err() && guest.is_closed().await {
            // The step that failed may have taken the connection with it.
            let _the_step_reports_it = guest.reconnect(cx, COME_BACK, trouble).await;
        }
        let done = run_step(cx, guest, facts, (number, total), step, supplies, trouble).await;
        match (&result, done) {
            (Ok(()), done) => result = done,
            (Err(_), Err(error)) => {
                cx.events().warn(format!("{error} as well: {}", error.source), error.source.hint());
            }
            (Err(_), Ok(())) => {}
        }
    }
    result
}

/// Runs one step: number `number.0` of `number.1`.
pub async fn run_step(
    cx: &Cx,
    guest: &Guest,
    facts: &Facts,
    number: (usize, usize),
    step: &Step,
    supplies: Supplies<'_>,
    trouble: Trouble<'_>,
) -> Result<(), ProvisionError> {
    let (index, total) = number;
    let label = step.label.clone();
    let failed = |source| ProvisionError { number: index, label: label.clone(), at: step.at.clone(), source };
    cx.check().map_err(|cancelled| failed(cancelled.into()))?;
    cx.emit(Event::StepStarted { index, total, label: label.clone() });
    let start = Instant::now();
    let mut tries = 0;
    loop {
        let tried = Box::pin(try_step(cx, guest, facts, step, supplies, trouble)).await;
        let Err(error) = tried else { break };
        let error = explain(cx, guest, trouble, error).await;
        if tries >= step.retries || !error.may_pass() || cx.stop().is_cancelled() {
            return Err(failed(error));
        }
        tries += 1;
        let pause = Duration::from_secs(2 << (tries - 1).min(5));
        cx.events().warn(
            format!(
                "step {index} (`{label}`) failed, trying again in {} (retry {tries} of {}): {}",
                HumanDuration::from(pause),
                step.retries,
                brief(&error)
            ),
            None,
        );
        cx.stop().unless_cancelled(tokio::time::sleep(pause)).await.map_err(|error| failed(error.into()))?;
        if guest.is_closed().await {
            guest.reconnect(cx, COME_BACK, trouble).await.map_err(|error| failed(error.into()))?;
        }
    }
    let step_done = format!("step {index} of {total}: {label}");
    cx.emit(Event::StepFinished { index, label: label.clone(), seconds: start.elapsed().into() });
    cx.after_step(&step_done).await.map_err(|cancelled| failed(cancelled.into()))
}

fn brief(error: &StepError) -> String {
    match error {
        StepError::Exit { exit, last } => match last.iter().rfind(|line| !line.trim().is_empty()) {
            Some(line) => format!("{exit}; it said last: {}", line.trim()),
            None => exit.to_string(),
        },
        other => other.to_string(),
    }
}

async fn try_step(
    cx: &Cx,
    guest: &Guest,
    facts: &Facts,
    step: &Step,
    supplies: Supplies<'_>,
    trouble: Trouble<'_>,
) -> Result<(), StepError> {
    let worker = Worker::of(cx, guest, facts, step, supplies, trouble);
    let work = steps::run(&worker, &step.kind, supplies.secrets);
    match step.kind {
        // It looks at the machine itself, and knows what it means.
        StepKind::Reboot(_) => work.await,
        _ => while_alive(trouble, work).await,
    }
}

/// What a step kind works with.
#[derive(Clone, Copy)]
pub(super) struct Worker<'a> {
    pub(super) cx: &'a Cx,
    pub(super) guest: &'a Guest,
    pub(super) facts: &'a Facts,
    pub(super) fetcher: &'a Fetcher,
    pub(super) label: &'a str,
    pub(super) timeout: HumanDuration,
    pub(super) trouble: Trouble<'a>,
}

impl<'a> Worker<'a> {
    /// What `step` works with.
    pub(super) fn of(
        cx: &'a Cx,
        guest: &'a Guest,
        facts: &'a Facts,
        step: &'a Step,
        supplies: Supplies<'a>,
        trouble: Trouble<'a>,
    ) -> Self {
        let (label, timeout) = (step.label.as_str(), step.timeout);
        Self { cx, guest, facts, fetcher: supplies.fetcher, label, timeout, trouble }
    }

    /// Runs a script of ours that must succeed, in the shell that our scripts share.
    pub(super) async fn script(&self, script: String) -> Result<(), StepError> {
        self.attend(Command::script(self.label, script), &[0]).await
    }

    /// Where an upload for this step goes.
    pub(super) fn target(&self, path: &str, mode: u32) -> Target {
        Target { timeout: self.timeout.get(), ..Target::new(path, mode) }
    }

    /// Runs `command` in a process of its own, shows what it prints, and wants one of these exit codes.
    pub(super) async fn expect(&self, command: Command, codes: &[u32]) -> Result<(), StepError> {
        self.attend(command.own_process(), codes).await
    }

    async fn attend(&self, command: Command, codes: &[u32]) -> Result<(), StepError> {
        let command = command.timeout(self.timeout.get());
        let mut last: VecDeque<String> = VecDeque::with_capacity(LAST_LINES);
        let mut show = |stream, line: &str| {
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(self.cx.redactor().redact(line));
            let (source, line) = (self.label.to_owned(), line.to_owned());
            self.cx.emit(Event::Output { source, stream, line });
        };
        let exit = self.guest.run_script(self.cx, &command, &mut show).await?;
        match exit {
            Exit::Code(code) if codes.contains(&code) => Ok(()),
            exit => Err(StepError::Exit { exit, last: last.into() }),
        }
    }
}
