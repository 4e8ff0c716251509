//! A root shell that stays: what a script costs in it is a message there and one back.
//!
//! A new channel would cost sshd a process, the login shell, sudo and the launcher with its five programs, which is a tenth
//! of a second under emulation. Shells belong to one connection; what is idle is listened to all the same, since a
//! daemon that some script left behind may go on printing, and output that nobody takes would hold up the connection.
use super::{
    Command, Exit,
    command::last_lines,
    launch,
    output::{COMPLAINT, Take},
    ssh::{Piece, Reader, Session, Writer},
    wire::{self, Hello, Mark, Scanner, Token},
};
use crate::cx::Stream;
use std::{
    error::Error,
    io,
    sync::{Mutex, PoisonError},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// The largest script for a shell; others go through the launcher.
const LARGEST: usize = 1 << 20;
/// The same for a shell that reads byte by byte: so much takes it as long as the launcher takes.
const LARGEST_SLOW: usize = 16 << 10;
/// So many idle shells are kept. Servers allow ten channels on a connection.
const IDLE: usize = 3;

/// A shell that waits for a script, or runs one.
pub(super) struct Shell {
    reader: Reader,
    writer: Writer,
    hello: Hello,
}

/// Why there is no shell.
pub(super) enum NotOpen {
    /// The connection takes no channel.
    Channel(Box<dyn Error + Send + Sync>),
    /// It ended before it could say anything.
    Ended { exit: Exit, said: String },
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finish {
    /// The shell is ready for the next one.
    Exit(Exit),
    /// The shell is gone, and the script perhaps not.
    Gone {
        /// Whether the script had begun.
        begun: bool,
    },
}

impl Shell {
    async fn open(session: &Session, login: &str) -> Result<Self, NotOpen> {
        let line = launch::as_user(login, None, "/bin/sh");
        let (mut reader, writer) =
            session.start(line).await.map_err(|error| NotOpen::Channel(Box::new(error)))?;
        let mark = Mark::random();
        // If it does not get there, the channel is about to end.
        let _ends_soon = writer.send(wire::opening(&mark)).await;
        let mut scanner = Scanner::new(&mark);
        let mut complaint = String::new();
        while let Some(piece) = reader.next().await {
            match piece {
                // Other text comes from the user's shell profile.
                Piece::Out(bytes) => {
                    for token in scanner.push(&bytes) {
                        if let Token::Said { word, .. } = token
                            && let Some(hello) = Hello::parse(&word)
                        {
                            return Ok(Self { reader, writer, hello });
                        }
                    }
                }
                Piece::Err(bytes) if complaint.len() < COMPLAINT => {
                    complaint.push_str(&String::from_utf8_lossy(&bytes));
                }
                Piece::Err(_) => {}
            }
        }
        writer.close().await;
        Err(NotOpen::Ended { exit: reader.exit(), said: last_lines(&complaint, 5) })
    }

    /// Its process group, and that of its scripts.
    pub(super) fn group(&self) -> u32 {
        self.hello.group
    }

    /// How it ended.
    pub(super) fn exit(&self) -> Exit {
        self.reader.exit()
    }

    /// Whether it may get the commands `body`; `needs_printf` when its own must not be a program with arguments.
    pub(super) fn fits(&self, body: &[u8], needs_printf: bool) -> bool {
        let largest = if self.hello.slow { LARGEST_SLOW } else { LARGEST };
        body.len() <= largest && (self.hello.printf || !needs_printf)
    }

    /// Runs `body`, made of `command` by [`wire::script`] with `mark`. If this is dropped, the shell is of no more use.
    pub(super) async fn run(
        &mut self,
        command: &Command,
        body: Vec<u8>,
        mark: &Mark,
        take: &mut (dyn Take + Send),
    ) -> io::Result<Finish> {
        let Self { reader, writer, .. } = self;
        let send = async {
            // If it does not get there, the channel is about to end, and that is noticed below.
            let _ends_soon = writer.send(body).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            finish = listen(reader, command, mark, take) => finish,
            () = send => Ok(Finish::Gone { begun: false }),
        }
    }

    pub(super) async fn close(self) {
        self.writer.close().await;
    }
}

async fn listen(
    reader: &mut Reader,
    command: &Command,
    mark: &Mark,
    take: &mut (dyn Take + Send),
) -> io::Result<Finish> {
    let (mut out, mut err) = (Scanner::new(mark), Scanner::new(mark));
    let (mut begun, mut by_itself) = (false, false);
    let (mut code, mut silent) = (None, false);
    while let Some(piece) = reader.next().await {
        match piece {
            Piece::Out(bytes) => {
                for token in out.push(&bytes) {
                    match token {
                        Token::Text(text) if begun && code.is_none() => {
                            take.take(Stream::Stdout, &text).await?;
                        }
                        Token::Said { kind: b'B', .. } => begun = true,
                        Token::Said { kind: b'E', word } => code = word.parse::<u32>().ok(),
                        // What a daemon of an earlier script says.
                        Token::Text(_) | Token::Said { .. } => {}
                    }
                }
            }
            Piece::Err(bytes) => {
                for token in err.push(&bytes) {
                    match token {
                        Token::Text(text) if !silent => take.take(Stream::Stderr, &text).await?,
                        Token::Said { kind: b'S', .. } => by_itself = true,
                        Token::Said { kind: b'E', .. } => silent = true,
                        Token::Text(_) | Token::Said { .. } => {}
                    }
                }
            }
        }
        if let Some(code) = code
            && silent
        {
            take.end().await?;
            return Ok(Finish::Exit(exit(command, code, by_itself)));
        }
    }
    if begun {
        take.take(Stream::Stdout, &out.rest()).await?;
        take.take(Stream::Stderr, &err.rest()).await?;
    }
    take.end().await?;
    Ok(Finish::Gone { begun })
}

/// A shell says 128 and the number when a signal ended its child. So it does when the child ended by itself with such a
/// code, but then our trap has said so, unless the script has one of its own.
fn exit(command: &Command, code: u32, by_itself: bool) -> Exit {
    let signal = code.checked_sub(128).and_then(|number| i32::try_from(number).ok());
    match signal.map(nix::sys::signal::Signal::try_from) {
        Some(Ok(signal)) if !by_itself && !command.script.expose().contains("trap") => {
            Exit::Signal(signal.as_str().trim_start_matches("SIG").to_owned())
        }
        _ => Exit::Code(code),
    }
}

/// One connection and its idle shells.
pub(super) struct Connection {
    pub(super) session: Session,
    idle: Mutex<Vec<Idle>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(session: Session) -> Self {
        Self { session, idle: Mutex::new(Vec::new()) }
    }

    /// A shell of root; a new one if none is idle.
    pub(super) async fn shell(&self, login: &str) -> Result<Shell, NotOpen> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(idle) = idle else { return Shell::open(&self.session, login).await };
            if let Some(shell) = idle.wake().await {
                return Ok(shell);
            }
        }
    }

    /// Closes the idle shells.
    pub(super) async fn forget(&self) {
        let all = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for idle in all {
            if let Some(shell) = idle.wake().await {
                shell.close().await;
            }
        }
    }

    /// Keeps a shell for the next script.
    pub(super) async fn keep(&self, shell: Shell) {
        let too_many = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(Idle::new(shell));
                None
            } else {
                Some(shell)
            }
        };
        if let Some(shell) = too_many {
            shell.close().await;
        }
    }
}

/// A shell that waits. A task throws away what comes out of it.
struct Idle {
    woken: oneshot::Sender<()>,
    task: JoinHandle<Option<Shell>>,
}

impl Idle {
    fn new(mut shell: Shell) -> Self {
        let (woken, mut wake) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    _ = &mut wake => return Some(shell),
                    piece = shell.reader.next() => drop(piece?),
                }
            }
        });
        Self { woken, task }
    }

    /// `None` if it ended meanwhile.
    async fn wake(self) -> Option<Shell> {
        let _ended_meanwhile = self.woken.send(());
        self.task.await.ok().flatten()
    }
}
