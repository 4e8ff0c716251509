//! A guest that we are logged in to: one connection, as many channels as there are commands.
use super::{
    CommError, Command, Communicator, Content, Exit, GuestError, LineSink, Login, Target,
    auth::Identity,
    command, launch,
    output::{ByLine, COMPLAINT, Take},
    shell::{Connection, Finish, NotOpen},
    ssh::{Piece, Reader, Session, Writer},
    transfer::{Meter, feed},
    wire::{self, Mark},
};
use crate::cx::{Cx, Stream};
use async_trait::async_trait;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncWrite, sync::RwLock, time::Instant};

/// How long the guest may take to kill a command.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// A guest. Made by [`super::connect`].
#[derive(Debug)]
pub struct Guest {
    addr: SocketAddr,
    login: Login,
    identity: Identity,
    connection: RwLock<Arc<Connection>>,
    pub(super) quiet: AtomicBool,
    /// Where a port of its loopback leads, and which.
    led: Mutex<Option<(SocketAddr, u16)>>,
    /// Temporary files of transfers whose connection was lost.
    pub(super) abandoned: Mutex<Vec<String>>,
}

/// Standard input of a channel: the script, then the command's own.
pub(super) struct Input<'a> {
    pub(super) head: Vec<u8>,
    pub(super) content: Content<'a>,
    pub(super) meter: Option<Meter>,
}

/// Why reading a command's output ended early.
enum Broken {
    Cancelled,
    TimedOut,
    Local(std::io::Error),
}

impl Broken {
    fn of(self, command: &Command) -> CommError {
        let label = command.label.clone();
        match self {
            Self::Cancelled => CommError::Cancelled(crate::cx::Cancelled),
            Self::TimedOut => CommError::TimedOut { label, limit: command.timeout.into() },
            Self::Local(source) => CommError::Local { label, source },
        }
    }
}

impl Guest {
    pub(super) fn new(addr: SocketAddr, login: Login, identity: Identity, session: Session) -> Self {
        Self {
            addr,
            login,
            identity,
            connection: RwLock::new(Arc::new(Connection::new(session))),
            quiet: AtomicBool::new(false),
            led: Mutex::default(),
            abandoned: Mutex::default(),
        }
    }

    /// Where it is reached.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How we are logged in. The keys are empty when it was by something else than a build's keys.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Closes the shells of [`Communicator::run_script`] that are idle: the next script has a new login, with what has
    /// changed since in the environment, the groups or the limits of one.
    pub async fn new_login(&self) {
        let connection = Arc::clone(&*self.connection.read().await);
        connection.forget().await;
    }

    /// Whether [`Guest::quiesce`] stopped the guest's own package jobs.
    pub fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn led(&self) -> Option<(SocketAddr, u16)> {
        *self.led.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_led(&self, to: SocketAddr, port: u16) {
        *self.led.lock().unwrap_or_else(PoisonError::into_inner) = Some((to, port));
    }

    pub(super) async fn session_lead(
        &self,
        to: SocketAddr,
        port: u16,
    ) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
        let connection = Arc::clone(&*self.connection.read().await);
        Ok(connection.session.lead(to, port).await?)
    }

    pub(super) async fn replace(&self, session: Session) {
        let new = Arc::new(Connection::new(session));
        let old = std::mem::replace(&mut *self.connection.write().await, new);
        old.session.close().await;
    }

    /// Whether the connection is gone.
    pub async fn is_closed(&self) -> bool {
        self.connection.read().await.session.is_closed()
    }

    /// Says good-bye.
    pub async fn close(&self) {
        self.connection.read().await.session.close().await;
    }

    async fn start(&self, command: &Command) -> Result<(Reader, Writer, Vec<u8>), CommError> {
        let label = || command.label.clone();
        let body = launch::body(command).map_err(|reason| CommError::Invalid { label: label(), reason })?;
        let line = launch::line(&self.login.user, command.user.as_deref(), body.len());
        let connection = Arc::clone(&*self.connection.read().await);
        let (reader, writer) = connection
            .session
            .start(line)
            .await
            .map_err(|error| CommError::Channel { label: label(), source: Box::new(error) })?;
        Ok((reader, writer, body))
    }

    /// Runs `command` on a channel of its own with `content` as its input; `take` gets its output, byte for byte.
    pub(super) async fn run(
        &self,
        cx: &Cx,
        command: &Command,
        content: Content<'_>,
        meter: Option<Meter>,
        take: &mut (dyn Take + Send),
    ) -> Result<Exit, CommError> {
        cx.check()?;
        let deadline = Instant::now() + command.timeout;
        // A connection whose other end vanished without a word looks open until the keep-alive notices.
        let starting = tokio::time::timeout_at(deadline, self.start(command));
        let (mut reader, writer, head) = cx.stop().unless_cancelled(starting).await?.map_err(|_| {
            CommError::TimedOut { label: command.label.clone(), limit: command.timeout.into() }
        })??;
        let mut started = launch::Started::default();
        let mut early = String::new();
        let feed = feed(&writer, Input { head, content, meter });
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
            return Err(broken.of(command));
        }
        writer.close().await;
        let exit = reader.exit();
        if started.group().is_none() && exit != Exit::Disconnected {
            let said = cx.redactor().redact(&command::last_lines(&early, 5));
            return Err(CommError::NotStarted { label: command.label.clone(), exit, said });
        }
        Ok(exit)
    }

    /// Runs `command` in a persistent shell if that can be, else on a channel of its own.
    pub(super) async fn script(
        &self,
        cx: &Cx,
        command: &Command,
        take: &mut (dyn Take + Send),
    ) -> Result<Exit, CommError> {
        // Another user's shell would stay, and a step that removes the user would find it busy.
        if command.user.is_none()
            && command.stdin.is_empty()
            && let Some(exit) = self.run_in_shell(cx, command, take).await?
        {
            return Ok(exit);
        }
        self.run(cx, command, Content::Bytes(&command.stdin), None, take).await
    }

    /// Runs `command` in a persistent shell of root; `None` if it is too much for it.
    pub(super) async fn run_in_shell(
        &self,
        cx: &Cx,
        command: &Command,
        take: &mut (dyn Take + Send),
    ) -> Result<Option<Exit>, CommError> {
        cx.check()?;
        let label = || command.label.clone();
        let deadline = Instant::now() + command.timeout;
        let mark = Mark::random();
        let body =
            wire::script(command, &mark).map_err(|reason| CommError::Invalid { label: label(), reason })?;
        let connection = Arc::clone(&*self.connection.read().await);
        let mut again = true;
        loop {
            let opening = tokio::time::timeout_at(deadline, connection.shell(&self.login.user));
            let opened = cx.stop().unless_cancelled(opening).await?;
            let mut shell = match opened.map_err(|_| Broken::TimedOut.of(command))? {
                Ok(shell) => shell,
                Err(NotOpen::Channel(source)) => return Err(CommError::Channel { label: label(), source }),
                Err(NotOpen::Ended { exit: Exit::Disconnected, .. }) => return Ok(Some(Exit::Disconnected)),
                Err(NotOpen::Ended { exit, said }) => {
                    let said = cx.redactor().redact(&said);
                    return Err(CommError::NotStarted { label: label(), exit, said });
                }
            };
            if !shell.fits(&body, command.own_process || !command.variables.is_empty()) {
                connection.keep(shell).await;
                return Ok(None);
            }
            let ended = tokio::select! {
                biased;
                () = cx.stop().cancelled() => Err(Broken::Cancelled),
                result = shell.run(command, body.clone(), &mark, take) => result.map_err(Broken::Local),
                () = tokio::time::sleep_until(deadline) => Err(Broken::TimedOut),
            };
            let begun = match ended {
                Ok(Finish::Exit(exit)) => {
                    connection.keep(shell).await;
                    return Ok(Some(exit));
                }
                Ok(Finish::Gone { begun }) => begun,
                Err(broken) => {
                    self.kill(cx, shell.group()).await;
                    shell.close().await;
                    return Err(broken.of(command));
                }
            };
            let exit = shell.exit();
            if exit != Exit::Disconnected {
                // The script may go on without its shell.
                self.kill(cx, shell.group()).await;
            }
            shell.close().await;
            match exit {
                // Somebody ended it while it was idle.
                exit if !begun && again && exit != Exit::Disconnected => again = false,
                // Of the script's own end nobody knows.
                Exit::Code(0) => return Ok(Some(Exit::Disconnected)),
                exit => return Ok(Some(exit)),
            }
        }
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
                let input = Input { head, content: Content::Bytes(&[]), meter: None };
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

#[async_trait]
impl Communicator for Guest {
    async fn exec(&self, cx: &Cx, command: &Command, out: LineSink<'_>) -> Result<Exit, CommError> {
        self.run(cx, command, Content::Bytes(&command.stdin), None, &mut ByLine::new(out)).await
    }

    async fn run_script(&self, cx: &Cx, command: &Command, out: LineSink<'_>) -> Result<Exit, CommError> {
        self.script(cx, command, &mut ByLine::new(out)).await
    }

    async fn upload(&self, cx: &Cx, content: Content<'_>, target: &Target) -> Result<(), CommError> {
        self.put(cx, content, target).await
    }

    async fn download(
        &self,
        cx: &Cx,
        from: &str,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, CommError> {
        self.get(cx, from, to).await
    }
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
