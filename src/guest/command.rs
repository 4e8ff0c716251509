//! What can be asked of a guest, whatever the transport: run a script, put a file, get a file.
use crate::{
    cx::{Cancelled, Cx, Stream},
    value::{HumanDuration, Secret, Size},
};
use async_trait::async_trait;
use std::{collections::BTreeMap, fmt, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};

/// Takes the lines of a running command, without their ends.
pub type LineSink<'a> = &'a mut (dyn FnMut(Stream, &str) + Send);

/// A way into a guest.
#[async_trait]
pub trait Communicator: fmt::Debug + Send + Sync {
    /// Runs `command` and gives its lines to `out` as they come. Any exit code is `Ok`: what it means is the caller's.
    async fn exec(&self, cx: &Cx, command: &Command, out: LineSink<'_>) -> Result<Exit, CommError>;

    /// Like [`Communicator::exec`], but much cheaper for most commands: they run in a subshell of a root shell that stays. So
    /// `$$` and `$0` are that shell's (but see [`Command::own_process`]), and so is the login's environment, from when it was
    /// opened; when time is over, it is killed with what earlier scripts left in the background. With input, as another
    /// user or when it is large, it is the same as `exec`.
    async fn run_script(&self, cx: &Cx, command: &Command, out: LineSink<'_>) -> Result<Exit, CommError>;

    /// Puts `content` at `target`, atomically: readers see the old file or the whole new one.
    async fn upload(&self, cx: &Cx, content: Content<'_>, target: &Target) -> Result<(), CommError>;

    /// Reads a file of the guest as root; the number of bytes.
    async fn download(
        &self,
        cx: &Cx,
        from: &str,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, CommError>;
}

/// A script to run with `/bin/sh -eu` in the guest. Nothing of it is ever on a command line or on a disk there: it goes
/// through standard input into memory.
#[derive(Debug, Clone)]
pub struct Command {
    pub(super) label: String,
    pub(super) script: Secret,
    pub(super) stdin: Vec<u8>,
    pub(super) env: BTreeMap<String, Secret>,
    /// Shell variables, not exported; only for a persistent shell.
    pub(super) variables: BTreeMap<&'static str, Secret>,
    pub(super) user: Option<String>,
    pub(super) own_process: bool,
    pub(super) timeout: Duration,
}

impl Command {
    /// A script; `label` names it in errors.
    pub fn script(label: impl Into<String>, script: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            script: Secret::new(script),
            stdin: Vec::new(),
            env: BTreeMap::new(),
            variables: BTreeMap::new(),
            user: None,
            own_process: false,
            timeout: Duration::from_secs(300),
        }
    }

    /// One program with its arguments, free of any quoting.
    pub fn argv<S: AsRef<str>>(label: impl Into<String>, argv: impl IntoIterator<Item = S>) -> Self {
        Self::script(label, format!("exec {}", super::quote_all(argv)))
    }

    /// What the script reads from standard input; otherwise it reads nothing.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets an environment variable. The name must be one for a shell, or the command is refused.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.env.insert(name.into(), value);
        self
    }

    /// Runs as this user instead of root.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Where it shares a root shell ([`Communicator::run_script`]), it gets a process of its own all the same: `$$`, `$0` and
    /// line numbers are what the author of a script expects. It costs three times as much as a subshell.
    #[must_use]
    pub fn own_process(mut self) -> Self {
        self.own_process = true;
        self
    }

    /// At most this long (default: 5 minutes); then it is killed in the guest.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What it is called in errors.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself.
    Code(u32),
    /// A signal ended it; the name without `SIG`.
    Signal(String),
    /// The connection ended first: the guest rebooted, crashed or lost its network.
    Disconnected,
}

impl Exit {
    /// Whether it is exit code 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "killed by SIG{name}"),
            Self::Disconnected => f.write_str("connection lost"),
        }
    }
}

/// Bytes to put into a file.
#[expect(missing_debug_implementations, reason = "a reader has no useful Debug, and content may be secret")]
pub enum Content<'a> {
    /// These.
    Bytes(&'a [u8]),
    /// So many from a reader.
    Reader(&'a mut (dyn AsyncRead + Send + Unpin), u64),
}

impl Content<'_> {
    /// The number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Reader(_, size) => *size,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where an upload goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Absolute path; missing parent folders are made (mode 0755, root).
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner, by name or number.
    pub owner: String,
    /// Group, by name or number.
    pub group: String,
    /// At most this long.
    pub timeout: Duration,
}

impl Target {
    /// A file of root with this mode.
    pub fn new(path: impl Into<String>, mode: u32) -> Self {
        Self {
            path: path.into(),
            mode,
            owner: "root".into(),
            group: "root".into(),
            timeout: Duration::from_secs(600),
        }
    }
}

/// Something could not be asked of the guest, or its answer did not come.
#[derive(Debug, thiserror::Error)]
pub enum CommError {
    /// The request itself makes no sense.
    #[error("could not run `{label}` in the guest: {reason}")]
    Invalid {
        /// The command.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection is closed, or it takes no further command.
    #[error("could not start `{label}` in the guest")]
    Channel {
        /// The command.
        label: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The guest took the command, but its script never began: sudo refused, no space, no shell.
    #[error("the guest could not start `{label}` ({exit}): {said}")]
    NotStarted {
        /// The command.
        label: String,
        /// How the attempt ended.
        exit: Exit,
        /// What it said.
        said: String,
    },
    /// A helper command of ours failed.
    #[error("`{label}` failed in the guest ({exit}): {said}")]
    Failed {
        /// The command.
        label: String,
        /// How it ended.
        exit: Exit,
        /// What it said last.
        said: String,
    },
    /// The connection ended in the middle of a transfer, which is to be made again.
    #[error("the connection to the guest was lost in the middle of `{label}`{}", far(sent.as_ref()))]
    Cut {
        /// The transfer.
        label: String,
        /// How far it was.
        sent: Option<Sent>,
    },
    /// The time was over in the middle of a transfer.
    #[error("`{label}` did not end within {limit}{}", far(sent.as_ref()))]
    TooSlow {
        /// The transfer.
        label: String,
        /// How long it had.
        limit: HumanDuration,
        /// How far it was.
        sent: Option<Sent>,
    },
    /// The time was over; the command was killed.
    #[error("`{label}` did not end within {limit}")]
    TimedOut {
        /// The command.
        label: String,
        /// How long it had.
        limit: HumanDuration,
    },
    /// The bytes to send or receive failed on this side.
    #[error("could not read or write the content of `{label}` on this host")]
    Local {
        /// The transfer.
        label: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The user interrupted the build.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl CommError {
    /// Whether the connection is to blame: over a new one, it may work.
    pub fn is_cut(&self) -> bool {
        match self {
            Self::Channel { .. } | Self::Cut { .. } => true,
            Self::NotStarted { exit, .. } | Self::Failed { exit, .. } => *exit == Exit::Disconnected,
            _ => false,
        }
    }
}

/// How far a transfer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// So much was on its way.
    pub done: Size,
    /// Of so much.
    pub total: Size,
}

fn far(sent: Option<&Sent>) -> String {
    sent.map(|sent| format!(": {} of {} were sent", sent.done, sent.total)).unwrap_or_default()
}

/// What a command printed, when it is little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// How it ended.
    pub exit: Exit,
    /// Standard output, lines joined by `\n`.
    pub stdout: String,
    /// Standard error, lines joined by `\n`.
    pub stderr: String,
}

impl Captured {
    /// Standard output of a command that must succeed.
    pub fn ok(self, label: &str) -> Result<String, CommError> {
        if self.exit.success() {
            return Ok(self.stdout);
        }
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        Err(CommError::Failed { label: label.to_owned(), exit: self.exit.clone(), said: last_lines(said, 5) })
    }
}

/// Runs `command` and keeps what it prints.
pub async fn capture(guest: &dyn Communicator, cx: &Cx, command: &Command) -> Result<Captured, CommError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = guest
        .run_script(cx, command, &mut |stream, line: &str| match stream {
            Stream::Stderr => stderr.push(line.to_owned()),
            Stream::Stdout | Stream::Serial => stdout.push(line.to_owned()),
        })
        .await?;
    Ok(Captured { exit, stdout: stdout.join("\n"), stderr: stderr.join("\n") })
}

/// The last `count` non-empty lines, in one line.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(count);
    if lines.is_empty() { "no output".to_owned() } else { lines[from..].join(" | ") }
}
