//! One SSH connection. The only file, besides the keys, that knows the SSH library.
use super::{Exit, Login};
use bytes::Bytes;
use russh::{
    ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, MethodKind,
    client::{self, AuthResult},
    keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate},
};
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// A listener that speaks does so at once. QEMU's user network accepts connections before the guest listens, and then
/// says nothing; a short patience and a new attempt finds the guest as soon as it is there.
const BANNER_PATIENCE: Duration = Duration::from_secs(2);
/// Key exchange and login of a guest under emulation take seconds when it is busy booting.
const LOGIN_PATIENCE: Duration = Duration::from_secs(30);
/// After the command ended, for output that is still under way. Daemons that it started may hold the channel open for ever.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no connection, in the order in which it fails.
#[derive(Debug)]
pub(super) enum Denied {
    /// Nothing accepts connections.
    Port(String),
    /// Something accepts, but no SSH server speaks.
    Banner(String),
    /// A server speaks SSH, but its host key is another.
    HostKey {
        /// Fingerprint of what it showed.
        shown: String,
    },
    /// The server does not take our key.
    Login(String),
    /// The handshake broke.
    Handshake(String),
}

/// Our keys in the library's form.
#[derive(Clone)]
pub(super) struct Credentials {
    user: String,
    key: Arc<PrivateKey>,
    host_key: PublicKey,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    pub(super) fn parse(login: &Login) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self {
            user: login.user.clone(),
            key: Arc::new(PrivateKey::from_openssh(login.key.expose())?),
            host_key: PublicKey::from_openssh(&login.host_key)?,
        })
    }
}

/// An open connection, logged in.
pub(super) struct Session {
    handle: client::Handle<Pinned>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("closed", &self.handle.is_closed()).finish()
    }
}

/// Accepts the one host key, and remembers any other.
struct Pinned {
    expected: PublicKey,
    shown: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, server: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let shown = match server {
            PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.expected.key_data() => {
                return Ok(true);
            }
            PublicKeyOrCertificate::PublicKey { key, .. } => key.fingerprint(HashAlg::Sha256).to_string(),
            PublicKeyOrCertificate::Certificate(_) => "a certificate".to_owned(),
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(false)
    }
}

impl Session {
    /// One attempt to connect and log in; at most half a minute.
    pub(super) async fn open(addr: SocketAddr, credentials: &Credentials) -> Result<Self, Denied> {
        let stream = match timeout(BANNER_PATIENCE, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Denied::Port(error.to_string())),
            Err(_) => return Err(Denied::Port("no answer".into())),
        };
        peek_banner(&stream).await?;
        // Latency matters more than packet count: commands are short dialogues.
        stream.set_nodelay(true).map_err(|error| Denied::Handshake(error.to_string()))?;
        timeout(LOGIN_PATIENCE, Self::log_in(stream, credentials))
            .await
            .unwrap_or_else(|_| Err(Denied::Handshake(format!("no end after {LOGIN_PATIENCE:?}"))))
    }

    async fn log_in(stream: TcpStream, credentials: &Credentials) -> Result<Self, Denied> {
        let config = client::Config {
            // A guest that stays silent for a minute and a half is gone; emulated ones pause for seconds at most.
            keepalive_interval: Some(Duration::from_secs(15)),
            keepalive_max: 6,
            nodelay: true,
            ..client::Config::default()
        };
        let shown = Arc::new(Mutex::new(None));
        let pinned = Pinned { expected: credentials.host_key.clone(), shown: Arc::clone(&shown) };
        let connected = client::connect_stream(Arc::new(config), stream, pinned).await;
        if let Some(shown) = shown.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(Denied::HostKey { shown });
        }
        let mut handle = connected.map_err(|error| Denied::Handshake(error.to_string()))?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&credentials.key), None);
        match handle.authenticate_publickey(&credentials.user, key).await {
            Ok(AuthResult::Success) => Ok(Self { handle }),
            Ok(AuthResult::Failure { remaining_methods, .. }) => {
                let offers = remaining_methods.iter().map(<&str>::from).collect::<Vec<_>>().join(", ");
                let refused =
                    if remaining_methods.contains(&MethodKind::PublicKey) { "key" } else { "login" };
                Err(Denied::Login(format!("{refused} refused for `{}`; offers {offers}", credentials.user)))
            }
            Err(error) => Err(Denied::Login(error.to_string())),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Starts `command` (for the user's login shell) on a channel of its own.
    pub(super) async fn start(&self, command: String) -> Result<(Reader, Writer), russh::Error> {
        let channel = self.handle.channel_open_session().await?;
        channel.exec(true, command).await?;
        let (read, write) = channel.split();
        Ok((Reader { read, exit: None }, Writer { write }))
    }

    /// Says good-bye. The other side may be gone already.
    pub(super) async fn close(&self) {
        let _gone_is_fine = self.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}

/// Waits until the server introduced itself, without taking its words away from the library.
async fn peek_banner(stream: &TcpStream) -> Result<(), Denied> {
    let mut start = [0u8; 64];
    match timeout(BANNER_PATIENCE, stream.peek(&mut start)).await {
        Err(_) => Err(Denied::Banner("accepted, but silent".into())),
        Ok(Err(error)) => Err(Denied::Banner(error.to_string())),
        Ok(Ok(0)) => Err(Denied::Banner("closed at once".into())),
        Ok(Ok(n)) if start[..n].starts_with(b"SSH-") => Ok(()),
        Ok(Ok(n)) => {
            let said = String::from_utf8_lossy(&start[..n]);
            let line = said.lines().next().unwrap_or_default();
            Err(Denied::Banner(format!("not SSH, it says `{}`", line.escape_debug())))
        }
    }
}

/// What comes out of a running command.
#[derive(Debug)]
pub(super) enum Piece {
    /// Standard output.
    Out(Bytes),
    /// Standard error.
    Err(Bytes),
}

/// The receiving half of a running command.
pub(super) struct Reader {
    read: ChannelReadHalf,
    exit: Option<Exit>,
}

/// The sending half of a running command.
pub(super) struct Writer {
    write: ChannelWriteHalf<client::Msg>,
}

impl Reader {
    /// The next piece of output; `None` when the command is over, see [`Reader::exit`].
    pub(super) async fn next(&mut self) -> Option<Piece> {
        loop {
            let message = if self.exit.is_some() {
                timeout(DRAIN_PATIENCE, self.read.wait()).await.unwrap_or(None)?
            } else {
                self.read.wait().await?
            };
            match message {
                ChannelMsg::Data { data } => return Some(Piece::Out(data)),
                ChannelMsg::ExtendedData { data, ext: 1 } => return Some(Piece::Err(data)),
                ChannelMsg::ExitStatus { exit_status } => self.exit = Some(Exit::Code(exit_status)),
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    self.exit = Some(Exit::Signal(match signal_name {
                        russh::Sig::Custom(name) => name,
                        known => format!("{known:?}"),
                    }));
                }
                // The server refuses to run commands at all.
                ChannelMsg::Failure => return None,
                _ => {}
            }
        }
    }

    /// How it ended; a channel that closed without a word means that the connection did.
    pub(super) fn exit(&self) -> Exit {
        self.exit.clone().unwrap_or(Exit::Disconnected)
    }
}

impl Writer {
    /// Sends to standard input, as fast as the command reads.
    pub(super) async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), russh::Error> {
        self.write.data_bytes(bytes).await
    }

    /// Ends standard input.
    pub(super) async fn end(&self) -> Result<(), russh::Error> {
        self.write.eof().await
    }

    /// Gives the channel up.
    pub(super) async fn close(&self) {
        let _gone_is_fine = self.write.close().await;
    }
}
