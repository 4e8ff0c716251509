//! Files to the guest and back.
//!
//! What is small and text goes to a persistent shell together with the script that puts it into place; everything else
//! streams through a channel of its own. Both end alike: beside its final place, complete, with owner and mode, renamed.
use super::{
    CommError, Command, Content, Exit, Guest, Sent, Target, output::IntoWriter, quote, quote_all,
    session::Input, ssh::Writer,
};
use crate::{
    cx::{Cx, Event, Events, Unit},
    value::{Secret, Size},
};
use bytes::Bytes;
use std::{
    io,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Up to this size a text is part of a script.
const SMALL: u64 = 64 << 10;
/// Pieces of a stream.
const CHUNK: usize = 64 << 10;
/// Between two reports of progress.
const REPORT: Duration = Duration::from_millis(200);

/// Reports how far a transfer is.
pub(super) struct Meter {
    events: Events,
    what: String,
    total: u64,
    reported: Option<Instant>,
    count: Count,
}

/// What [`Meter`] counts; it is still there when the transfer has failed.
#[derive(Debug, Clone)]
pub(super) struct Count {
    done: Arc<AtomicU64>,
    total: u64,
}

impl Count {
    fn sent(&self) -> Sent {
        Sent { done: Size::bytes(self.done.load(Ordering::Relaxed)), total: Size::bytes(self.total) }
    }
}

impl Meter {
    pub(super) fn new(cx: &Cx, what: impl Into<String>, total: u64) -> Self {
        let count = Count { done: Arc::default(), total };
        Self { events: cx.events().clone(), what: what.into(), total, reported: None, count }
    }

    pub(super) fn count(&self) -> Count {
        self.count.clone()
    }

    fn at(&mut self, done: u64) {
        self.count.done.store(done, Ordering::Relaxed);
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT) {
            self.reported = Some(Instant::now());
            let (what, total) = (self.what.clone(), Some(self.total));
            self.events.emit(Event::Progress { what, done, total, unit: Unit::Bytes });
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.reported.is_some() {
            self.events.emit(Event::ProgressFinished { what: std::mem::take(&mut self.what) });
        }
    }
}

/// Sends all of `input`, then waits for ever: the command's end ends it. Only a failure to read the content returns.
pub(super) async fn feed(writer: &Writer, input: Input<'_>) -> io::Error {
    let Input { head, content, mut meter } = input;
    // A command may end without reading its input, so failures to send are no errors.
    let sent = match writer.send(head).await {
        Err(_) => false,
        Ok(()) => match content {
            Content::Bytes(mut bytes) => {
                let size = bytes.len() as u64;
                match send_all(writer, &mut bytes, size, meter.as_mut()).await {
                    Ok(sent) => sent,
                    Err(error) => return error,
                }
            }
            Content::Reader(reader, size) => match send_all(writer, reader, size, meter.as_mut()).await {
                Ok(sent) => sent,
                Err(error) => return error,
            },
        },
    };
    drop(meter);
    if sent {
        let _ended_already = writer.end().await;
    }
    std::future::pending().await
}

async fn send_all(
    writer: &Writer,
    reader: &mut (dyn AsyncRead + Send + Unpin),
    size: u64,
    mut meter: Option<&mut Meter>,
) -> io::Result<bool> {
    let mut left = size;
    while left > 0 {
        let mut buffer = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
        let n = reader.read(&mut buffer).await?;
        if n == 0 {
            return Err(ended_early(left));
        }
        buffer.truncate(n);
        left -= n as u64;
        if writer.send(Bytes::from(buffer)).await.is_err() {
            return Ok(false);
        }
        if let Some(meter) = &mut meter {
            meter.at(size - left);
        }
    }
    Ok(true)
}

fn ended_early(left: u64) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the content ended {left} bytes early"))
}

impl Guest {
    pub(super) async fn put(&self, cx: &Cx, content: Content<'_>, target: &Target) -> Result<(), CommError> {
        let label = format!("upload of {}", target.path);
        let place = Place::of(&label, target)?;
        if content.len() > SMALL {
            return self.stream(cx, &label, content, target, &place).await;
        }
        let mut held = Vec::new();
        let bytes = match content {
            Content::Bytes(bytes) => bytes,
            Content::Reader(reader, size) => {
                let read = reader.take(size).read_to_end(&mut held).await;
                let local = |source| CommError::Local { label: label.clone(), source };
                let n = read.map_err(local)? as u64;
                if n < size {
                    return Err(local(ended_early(size - n)));
                }
                &held
            }
        };
        if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) {
            let script = format!("{}{}", self.tidy(), place.put_text(target));
            let mut command = Command::script(&label, script).timeout(target.timeout);
            command.variables.insert("goldsmith", Secret::new(text));
            let mut sink = tokio::io::sink();
            let mut complaint = IntoWriter::new(&mut sink);
            if let Some(exit) = self.run_in_shell(cx, &command, &mut complaint).await? {
                return done(label, Ok(exit), None, &complaint).map_err(|error| self.abandon(error, &place));
            }
        }
        self.stream(cx, &label, Content::Bytes(bytes), target, &place).await
    }

    async fn stream(
        &self,
        cx: &Cx,
        label: &str,
        content: Content<'_>,
        target: &Target,
        place: &Place,
    ) -> Result<(), CommError> {
        let size = content.len();
        let script = format!("{}{}", self.tidy(), place.put_stream(target, size));
        let command = Command::script(label, script).timeout(target.timeout);
        let meter = (size > SMALL).then(|| Meter::new(cx, format!("upload {}", target.path), size));
        let count = meter.as_ref().map(Meter::count);
        let mut sink = tokio::io::sink();
        let mut complaint = IntoWriter::new(&mut sink);
        let exit = self.run(cx, &command, content, meter, &mut complaint).await;
        done(label.to_owned(), exit, count.as_ref(), &complaint).map_err(|error| self.abandon(error, place))
    }

    /// Remembers what a transfer may have left: where only the network is gone, nothing in the guest has noticed.
    fn abandon(&self, error: CommError, place: &Place) -> CommError {
        if error.is_cut() || matches!(error, CommError::TooSlow { .. }) {
            self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(place.tmp.clone());
        }
        error
    }

    /// The command that removes what earlier transfers left.
    fn tidy(&self) -> String {
        let left = std::mem::take(&mut *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner));
        if left.is_empty() { String::new() } else { format!("rm -f -- {}\n", quote_all(left)) }
    }

    pub(super) async fn get(
        &self,
        cx: &Cx,
        from: &str,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, CommError> {
        let label = format!("download of {from}");
        let command = Command::script(&label, format!("exec cat -- {}", quote(from)));
        let mut into = IntoWriter::new(to);
        let exit = self.script(cx, &command, &mut into).await;
        let bytes = into.bytes;
        done(label, exit, None, &into).map(|()| bytes)
    }
}

/// What became of a transfer.
pub(super) fn done(
    label: String,
    exit: Result<Exit, CommError>,
    count: Option<&Count>,
    output: &IntoWriter<'_>,
) -> Result<(), CommError> {
    let sent = count.map(Count::sent);
    match exit {
        Ok(exit) if exit.success() => Ok(()),
        Ok(Exit::Disconnected) => Err(CommError::Cut { label, sent }),
        Ok(exit) => Err(CommError::Failed { label, exit, said: output.said() }),
        Err(CommError::TimedOut { limit, .. }) => Err(CommError::TooSlow { label, limit, sent }),
        Err(error) => Err(error),
    }
}

/// Where a file goes.
struct Place {
    folder: String,
    path: String,
    tmp: String,
    owner: String,
}

impl Place {
    fn of(label: &str, target: &Target) -> Result<Self, CommError> {
        let invalid =
            |reason: &str| CommError::Invalid { label: label.to_owned(), reason: reason.to_owned() };
        let path = &target.path;
        if path.contains('\0') {
            return Err(invalid("the path holds a NUL byte"));
        }
        let (folder, name) = path.rsplit_once('/').ok_or_else(|| invalid("the path is not absolute"))?;
        if !path.starts_with('/') || matches!(name, "" | "." | "..") {
            return Err(invalid("the path is not that of a file, or not absolute"));
        }
        Ok(Self {
            folder: if folder.is_empty() { "/" } else { folder }.to_owned(),
            path: path.clone(),
            tmp: format!("{folder}/.goldsmith.{:016x}", rand::random::<u64>()),
            owner: format!("{}:{}", target.owner, target.group),
        })
    }

    /// Makes the folder, and knows `$dest` and `$tmp`.
    fn before(&self) -> String {
        format!(
            "if [ ! -d {folder} ]; then umask 022; mkdir -p -- {folder}; fi\n\
             dest={dest}\n\
             if [ -d \"$dest\" ] && [ ! -L \"$dest\" ]; then echo 'there is a folder at this path' >&2; exit 1; fi\n\
             tmp={tmp}\n\
             umask 077\n\
             set -C\n\
             trap 'rm -f -- \"$tmp\"' EXIT\n",
            folder = quote(&self.folder),
            dest = quote(&self.path),
            tmp = quote(&self.tmp),
        )
    }

    fn after(&self, target: &Target) -> String {
        let chown = format!("chown -- {} \"$tmp\"", quote(&self.owner));
        // What root makes is root's, unless the folder gives its own group away.
        let is_root = |name: &str| matches!(name, "root" | "0");
        let chown = if is_root(&target.owner) && is_root(&target.group) {
            format!("if [ ! -O \"$tmp\" ] || [ ! -G \"$tmp\" ]; then {chown}; fi")
        } else {
            chown
        };
        format!(
            "{chown}\n\
             chmod {mode:04o} \"$tmp\"\n\
             mv -f -T -- \"$tmp\" \"$dest\"\n\
             trap - EXIT\n\
             if command -v restorecon >/dev/null; then restorecon -- \"$dest\" || true; fi\n",
            mode = target.mode & 0o7777,
        )
    }

    /// Writes the variable `goldsmith`. Nothing but the last steps are programs; `printf` is the shell's own.
    fn put_text(&self, target: &Target) -> String {
        format!("{}printf %s \"$goldsmith\" >\"$tmp\"\n{}", self.before(), self.after(target))
    }

    /// Writes standard input.
    fn put_stream(&self, target: &Target, size: u64) -> String {
        format!(
            "{}cat >\"$tmp\"\n\
             n=$(wc -c <\"$tmp\")\n\
             if [ \"$n\" -ne {size} ]; then echo \"only $n of {size} bytes arrived\" >&2; exit 1; fi\n\
             {}",
            self.before(),
            self.after(target)
        )
    }
}
