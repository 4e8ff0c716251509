//! Programs of this host: found, run, listened to, and killed with all their descendants.
use super::SourceError;
use crate::cx::{Cx, Event, Stop, Stream, Undo, UndoError, UndoHandle, Undoer};
use async_trait::async_trait;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    collections::VecDeque,
    ffi::OsString,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
    sync::mpsc,
};

/// Lines of output that an error shows.
const TAIL: usize = 20;

/// How long after a program's end its output may still come; longer only when a descendant keeps the pipe.
const AFTERMATH: Duration = Duration::from_secs(3);

/// Variables that programs get to see: a token in our environment is none of a maintainer script's business.
const ENVIRONMENT: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The search path, with the folders that ordinary users do not have in theirs.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    for folder in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        if !path.is_empty() {
            path.push(":");
        }
        path.push(folder);
    }
    path
}

/// Where `program` is.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(program))
        .find(|path| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}

/// `program` in a process group of its own, with a clean environment.
pub(super) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().env("PATH", search_path()).env("LC_ALL", "C.UTF-8");
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.process_group(0).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a short program that makes nothing, within `limit`. Returns whether it succeeded and all that it printed.
pub(super) async fn ask(mut command: Command, limit: Duration) -> std::io::Result<(bool, String)> {
    let child = command.stdin(Stdio::null()).spawn()?;
    let mut group = Group::of(&child);
    match tokio::time::timeout(limit, child.wait_with_output()).await {
        Ok(output) => {
            let output = output?;
            group.ended();
            let text = [output.stdout, output.stderr].concat();
            Ok((output.status.success(), String::from_utf8_lossy(&text).trim().to_owned()))
        }
        Err(_elapsed) => Ok((false, format!("no answer within {} s", limit.as_secs()))),
    }
}

/// Runs `command` to its end. Every line goes to the log as output of `name` and to `listen`. Its standard input is a pipe
/// that stays open as long as we live, so that it can notice our death. On cancellation the whole group is killed.
///
/// `attempt` completes "could not …".
pub(super) async fn run(
    cx: &Cx,
    name: &str,
    attempt: &str,
    mut command: Command,
    mut listen: impl FnMut(&str),
) -> Result<(), SourceError> {
    cx.check()?;
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let spawn_error = |source| SourceError::Spawn { program: program.clone(), source };
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(spawn_error)?;
    let alive = child.stdin.take();
    let mut group = Group::of(&child);
    let handle = match child.id().map(|pid| (pid, started(pid))) {
        Some((pid, Some(started))) => {
            Some(cx.undo().plan(Undo::Process { pid, started, what: name.to_owned() })?)
        }
        // It has ended already.
        _ => None,
    };
    let (sender, mut lines) = mpsc::channel(256);
    let readers = [
        child.stdout.take().map(|pipe| tokio::spawn(read_lines(pipe, Stream::Stdout, sender.clone()))),
        child.stderr.take().map(|pipe| tokio::spawn(read_lines(pipe, Stream::Stderr, sender))),
    ];
    let mut tail = VecDeque::new();
    let mut take = |stream, line: String| {
        listen(&line);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(cx.redactor().redact(&line));
        cx.emit(Event::Output { source: name.to_owned(), stream, line });
    };
    let mut status: Option<ExitStatus> = None;
    let mut cancelled = false;
    let aftermath = tokio::time::sleep(Duration::MAX / 2);
    tokio::pin!(aftermath);
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some((stream, line)) => take(stream, line),
                None if status.is_some() => break,
                None => status = Some(child.wait().await.map_err(spawn_error)?),
            },
            ended = child.wait(), if status.is_none() => {
                status = Some(ended.map_err(spawn_error)?);
                aftermath.as_mut().reset(tokio::time::Instant::now() + AFTERMATH);
            }
            () = &mut aftermath, if status.is_some() => break,
            () = cx.stop().cancelled(), if !cancelled && status.is_none() => {
                cancelled = true;
                group.kill();
            }
        }
    }
    // Whatever the leader left behind goes too.
    group.kill();
    group.ended();
    drop(alive);
    for reader in readers.into_iter().flatten() {
        reader.abort();
    }
    if let Some(handle) = handle {
        settled(cx, handle).await;
    }
    if cancelled {
        return Err(crate::cx::Cancelled.into());
    }
    match status {
        Some(status) if status.success() => Ok(()),
        status => Err(SourceError::Tool {
            attempt: attempt.to_owned(),
            status: status.map_or_else(|| "it vanished".to_owned(), |status| status.to_string()),
            tail: tail.into(),
        }),
    }
}

async fn read_lines(pipe: impl AsyncRead + Unpin, stream: Stream, lines: mpsc::Sender<(Stream, String)>) {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&bytes);
        // Of a line that was drawn over itself, the last state counts.
        let line = text.trim_end().rsplit('\r').next().unwrap_or_default();
        if !line.is_empty() && lines.send((stream, line.to_owned())).await.is_err() {
            return;
        }
    }
}

/// A process group that does not outlive this value.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        Self(child.id().map(|pid| Pid::from_raw(pid as i32)))
    }

    fn kill(&self) {
        if let Some(leader) = self.0 {
            // ESRCH: nobody is left, which is what we want.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }

    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Notes that what `handle` would remove is gone already. Failing to note it costs a later look at nothing, no more.
pub(super) async fn settled(cx: &Cx, handle: UndoHandle) {
    let _ = cx.undo().undo_now(handle, &Ended, cx.stop()).await;
}

/// Undoes what is gone already.
struct Ended;

#[async_trait]
impl Undoer for Ended {
    async fn undo(&self, _: &Undo, _: &Stop) -> Result<(), UndoError> {
        Ok(())
    }
}

/// Start time of a process in clock ticks since boot: field 22 of `/proc/<pid>/stat` (proc(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in field 2 may hold blanks and parentheses.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}
