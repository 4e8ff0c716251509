//! Files to the guest and back.
//!
//! What is small and text goes to a persistent shell together with the script that puts it into place; everything else
//! streams through a channel of its own. Both end alike: beside its final place, complete, with owner and mode, renamed.
use super::{
    CommError, Command, Content, Exit, Guest, Target, output::IntoWriter, quote, session::Input, ssh::Writer,
};
use crate::{
    cx::{Cx, Event, Events, Unit},
    value::Secret,
};
use bytes::Bytes;
use std::{
    io,
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
}

impl Meter {
    pub(super) fn new(cx: &Cx, what: impl Into<String>, total: u64) -> Self {
        Self { events: cx.events().clone(), what: what.into(), total, reported: None }
    }

    fn at(&mut self, done: u64) {
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
            let mut command = Command::script(&label, place.put_text(target)).timeout(target.timeout);
            command.variables.insert("goldsmith", Secret::new(text));
            let mut sink = tokio::io::sink();
            let mut complaint = IntoWriter::new(&mut sink);
            if let Some(exit) = self.run_in_shell(cx, &command, &mut complaint).await? {
                return done(label, exit, &complaint);
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
        let command = Command::script(label, place.put_stream(target, size)).timeout(target.timeout);
        let meter = (size > SMALL).then(|| Meter::new(cx, format!("upload {}", target.path), size));
        let mut sink = tokio::io::sink();
        let mut complaint = IntoWriter::new(&mut sink);
        let exit = self.run(cx, &command, content, meter, &mut complaint).await?;
        done(label.to_owned(), exit, &complaint)
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
        let exit = self.script(cx, &command, &mut into).await?;
        let bytes = into.bytes;
        done(label, exit, &into).map(|()| bytes)
    }
}

pub(super) fn done(label: String, exit: Exit, output: &IntoWriter<'_>) -> Result<(), CommError> {
    if exit.success() { Ok(()) } else { Err(CommError::Failed { label, exit, said: output.said() }) }
}

/// Where a file goes.
struct Place {
    folder: String,
    path: String,
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
            owner: format!("{}:{}", target.owner, target.group),
        })
    }

    /// Makes the folder, and knows `$dest` and `$tmp`.
    fn before(&self) -> String {
        let name = format!(".goldsmith.{:016x}", rand::random::<u64>());
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
            tmp = quote(&format!("{}/{name}", self.folder.trim_end_matches('/'))),
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
