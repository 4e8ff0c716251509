//! A guest that we are logged in to: one connection, as many channels as there are commands.
use super::{
    CommError, Command, Communicator, Content, Exit, GuestError, LineSink, Login, Target, command, launch,
    quote,
    ssh::{Credentials, Piece, Reader, Session, Writer},
};
use crate::cx::{Cx, Stream};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::RwLock,
};

/// How long the guest may take to kill a command.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// Of an upload's or download's complaints, this much is kept.
const COMPLAINT: usize = 4096;

/// A guest. Made by [`super::connect`].
#[derive(Debug)]
pub struct Guest {
    addr: SocketAddr,
    login: Login,
    credentials: Credentials,
    session: RwLock<Arc<Session>>,
    pub(super) quiet: AtomicBool,
}

/// Standard input of a channel: the script, then the command's own.
struct Input<'a> {
    head: Vec<u8>,
    content: Content<'a>,
}

/// Why reading a command's output ended early.
enum Broken {
    Cancelled,
    TimedOut,
    Local(std::io::Error),
}

impl Guest {
    pub(super) fn new(addr: SocketAddr, login: Login, credentials: Credentials, session: Session) -> Self {
        Self {
            addr,
            login,
            credentials,
            session: RwLock::new(Arc::new(session)),
            quiet: AtomicBool::new(false),
        }
    }

    /// Where it is reached.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How we are logged in.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Whether [`Guest::quiesce`] stopped the guest's own package jobs.
    pub fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) async fn replace(&self, session: Session) {
        let old = std::mem::replace(&mut *self.session.write().await, Arc::new(session));
        old.close().await;
    }

    /// Whether the connection is gone.
    pub async fn is_closed(&self) -> bool {
        self.session.read().await.is_closed()
    }

    /// Says good-bye.
    pub async fn close(&self) {
        self.session.read().await.close().await;
    }

    async fn start(&self, command: &Command) -> Result<(Reader, Writer, Vec<u8>), CommError> {
        let label = || command.label.clone();
        let body = launch::body(command).map_err(|reason| CommError::Invalid { label: label(), reason })?;
        let line = launch::line(&self.login.user, command.user.as_deref(), body.len());
        let session = Arc::clone(&*self.session.read().await);
        let (reader, writer) = session
            .start(line)
            .await
            .map_err(|error| CommError::Channel { label: label(), source: Box::new(error) })?;
        Ok((reader, writer, body))
    }

    /// Runs `command` with `content` as its input; `take` gets its output, byte for byte.
    async fn run(
        &self,
        cx: &Cx,
        command: &Command,
        content: Content<'_>,
        take: &mut (dyn Take + Send),
    ) -> Result<Exit, CommError> {
        cx.check()?;
        let deadline = tokio::time::Instant::now() + command.timeout;
        // A connection whose other end vanished without a word looks open until the keep-alive notices.
        let starting = tokio::time::timeout_at(deadline, self.start(command));
        let (mut reader, writer, head) = cx.stop().unless_cancelled(starting).await?.map_err(|_| {
            CommError::TimedOut { label: command.label.clone(), limit: command.timeout.into() }
        })??;
        let mut started = launch::Started::default();
        let mut early = String::new();
        let feed = feed(&writer, Input { head, content });
        let read = async {
            while let Some(piece) = reader.next().await {
                match piece {
                    Piece::Out(bytes) => {
                        let bytes = started.strip(&bytes);
                        if !bytes.is_empty() {
                            take.take(Stream::Stdout, &bytes).await?;
                        }
                    }
                    Piece::Err(bytes) => {
                        if started.group().is_none() && early.len() < COMPLAINT {
                            early.push_str(&String::from_utf8_lossy(&bytes));
                        }
                        take.take(Stream::Stderr, &bytes).await?;
                    }
                }
            }
            take.end().await
        };
        let ended = tokio::select! {
            biased;
            () = cx.stop().cancelled() => Err(Broken::Cancelled),
            result = read => result.map_err(Broken::Local),
            error = feed => Err(Broken::Local(error)),
            () = tokio::time::sleep_until(deadline) => Err(Broken::TimedOut),
        };
        if let Err(broken) = ended {
            if let Some(group) = started.group() {
                self.kill(cx, group).await;
            }
            writer.close().await;
            let label = command.label.clone();
            return Err(match broken {
                Broken::Cancelled => CommError::Cancelled(crate::cx::Cancelled),
                Broken::TimedOut => CommError::TimedOut { label, limit: command.timeout.into() },
                Broken::Local(source) => CommError::Local { label, source },
            });
        }
        writer.close().await;
        let exit = reader.exit();
        if started.group().is_none() && exit != Exit::Disconnected {
            let said = cx.redactor().redact(&command::last_lines(&early, 5));
            return Err(CommError::NotStarted { label: command.label.clone(), exit, said });
        }
        Ok(exit)
    }

    /// Ends a process group for good. A command that was interrupted must not go on in the guest; if that fails, the
    /// machine is about to be removed or the caller reports the timeout anyway.
    async fn kill(&self, cx: &Cx, group: u32) {
        let patience = if cx.stop().is_hurried() { Duration::from_secs(1) } else { KILL_PATIENCE };
        // Written so that dash and bash both understand it.
        let script =
            format!("kill -s TERM -- -{group} || exit 0; sleep 1; kill -s KILL -- -{group} || exit 0");
        let command = Command::script("end a command", script);
        let killed = async {
            if let Ok((mut reader, writer, head)) = self.start(&command).await {
                let input = Input { head, content: Content::Bytes(&[]) };
                tokio::select! {
                    _never = feed(&writer, input) => {}
                    () = async { while reader.next().await.is_some() {} } => {}
                }
                writer.close().await;
            }
        };
        let _too_slow_is_reported_by_the_caller = tokio::time::timeout(patience, killed).await;
    }
}

/// Sends all of `input`, then waits for ever: the command's end ends it. Only a failure to read the content returns.
async fn feed(writer: &Writer, input: Input<'_>) -> std::io::Error {
    const CHUNK: usize = 64 * 1024;
    // A command may end without reading its input, so failures to send are no errors.
    let sent = match writer.send(input.head).await {
        Err(_) => false,
        Ok(()) => match input.content {
            Content::Bytes(bytes) => writer.send(Bytes::copy_from_slice(bytes)).await.is_ok(),
            Content::Reader(reader, size) => match send_all(writer, reader, size, CHUNK).await {
                Ok(sent) => sent,
                Err(error) => return error,
            },
        },
    };
    if sent {
        let _ended_already = writer.end().await;
    }
    std::future::pending().await
}

async fn send_all(
    writer: &Writer,
    reader: &mut (dyn AsyncRead + Send + Unpin),
    size: u64,
    chunk: usize,
) -> std::io::Result<bool> {
    let mut left = size;
    while left > 0 {
        let mut buffer = vec![0; chunk.min(usize::try_from(left).unwrap_or(chunk))];
        let n = reader.read(&mut buffer).await?;
        if n == 0 {
            let message = format!("the content ended {left} bytes early");
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, message));
        }
        buffer.truncate(n);
        left -= n as u64;
        if writer.send(buffer).await.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the output of a command, byte for byte.
#[async_trait]
trait Take {
    async fn take(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()>;

    async fn end(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct ByLine<'a> {
    out: LineSink<'a>,
    stdout: launch::Lines,
    stderr: launch::Lines,
}

#[async_trait]
impl Take for ByLine<'_> {
    async fn take(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
        let lines = if stream == Stream::Stderr { &mut self.stderr } else { &mut self.stdout };
        lines.push(stream, bytes, self.out);
        Ok(())
    }

    async fn end(&mut self) -> std::io::Result<()> {
        self.stdout.finish(Stream::Stdout, self.out);
        self.stderr.finish(Stream::Stderr, self.out);
        Ok(())
    }
}

struct IntoWriter<'a> {
    to: &'a mut (dyn AsyncWrite + Send + Unpin),
    bytes: u64,
    complaint: String,
}

#[async_trait]
impl Take for IntoWriter<'_> {
    async fn take(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
        if stream == Stream::Stderr {
            if self.complaint.len() < COMPLAINT {
                self.complaint.push_str(&String::from_utf8_lossy(bytes));
            }
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes).await
    }

    async fn end(&mut self) -> std::io::Result<()> {
        self.to.flush().await
    }
}

#[async_trait]
impl Communicator for Guest {
    async fn exec(&self, cx: &Cx, command: &Command, out: LineSink<'_>) -> Result<Exit, CommError> {
        let mut by_line = ByLine { out, stdout: launch::Lines::default(), stderr: launch::Lines::default() };
        self.run(cx, command, Content::Bytes(&command.stdin), &mut by_line).await
    }

    async fn upload(&self, cx: &Cx, content: Content<'_>, target: &Target) -> Result<(), CommError> {
        let label = format!("upload of {}", target.path);
        let command =
            Command::script(&label, upload_script(&label, target, content.len())?).timeout(target.timeout);
        let mut complaint = IntoWriter { to: &mut tokio::io::sink(), bytes: 0, complaint: String::new() };
        let exit = self.run(cx, &command, content, &mut complaint).await?;
        if exit.success() {
            return Ok(());
        }
        Err(CommError::Failed { label, exit, said: command::last_lines(&complaint.complaint, 5) })
    }

    async fn download(
        &self,
        cx: &Cx,
        from: &str,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, CommError> {
        let label = format!("download of {from}");
        let command = Command::script(&label, format!("exec cat -- {}", quote(from)));
        let mut into = IntoWriter { to, bytes: 0, complaint: String::new() };
        let exit = self.run(cx, &command, Content::Bytes(&[]), &mut into).await?;
        if exit.success() {
            return Ok(into.bytes);
        }
        Err(CommError::Failed { label, exit, said: command::last_lines(&into.complaint, 5) })
    }
}

/// Receives standard input beside its final place, then renames: nobody ever sees half a file.
fn upload_script(label: &str, target: &Target, size: u64) -> Result<String, CommError> {
    let invalid = |reason: &str| CommError::Invalid { label: label.to_owned(), reason: reason.to_owned() };
    let path = &target.path;
    if path.contains('\0') {
        return Err(invalid("the path holds a NUL byte"));
    }
    let (folder, name) = path.rsplit_once('/').ok_or_else(|| invalid("the path is not absolute"))?;
    if !path.starts_with('/') || matches!(name, "" | "." | "..") {
        return Err(invalid("the path is not that of a file, or not absolute"));
    }
    let folder = if folder.is_empty() { "/" } else { folder };
    Ok(format!(
        "umask 022; mkdir -p -- {folder}\n\
         dest={dest}\n\
         if [ -d \"$dest\" ] && [ ! -L \"$dest\" ]; then echo 'there is a folder at this path' >&2; exit 1; fi\n\
         tmp=$(mktemp {template})\n\
         trap 'rm -f -- \"$tmp\"' EXIT\n\
         cat >\"$tmp\"\n\
         n=$(wc -c <\"$tmp\")\n\
         if [ \"$n\" -ne {size} ]; then echo \"only $n of {size} bytes arrived\" >&2; exit 1; fi\n\
         chown -- {owner} \"$tmp\"\n\
         chmod {mode:04o} \"$tmp\"\n\
         mv -f -T -- \"$tmp\" \"$dest\"\n\
         if command -v restorecon >/dev/null; then restorecon -- \"$dest\" || true; fi\n",
        folder = quote(folder),
        dest = quote(path),
        template = quote(&format!("{}/.goldsmith.XXXXXXXX", folder.trim_end_matches('/'))),
        owner = quote(&format!("{}:{}", target.owner, target.group)),
        mode = target.mode & 0o7777,
    ))
}

impl Guest {
    /// One look at the guest through a new connection, used after a reboot: its boot id.
    pub(super) async fn boot_id(&self, cx: &Cx) -> Result<String, GuestError> {
        let command = Command::script("read the boot id", "cat /proc/sys/kernel/random/boot_id")
            .timeout(Duration::from_secs(15));
        let captured = command::capture(self, cx, &command).await?;
        Ok(captured.ok("read the boot id")?.trim().to_owned())
    }
}
