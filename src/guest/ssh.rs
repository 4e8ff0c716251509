//! One SSH connection. The only file, besides keys and proofs, that knows the SSH library.
use super::{
    Exit,
    auth::{Gatekeeper, Identity},
    lead::Lead,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, client};
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

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
    /// The server does not take our proofs.
    Login(String),
    /// The server on the way does not let us through.
    Bastion {
        /// Which.
        host: String,
        /// Why.
        why: Box<Denied>,
    },
    /// The handshake broke.
    Handshake(String),
}

/// An open connection, logged in.
pub(super) struct Session {
    handle: client::Handle<Gatekeeper>,
    lead: Lead,
    /// The connection that this one goes through; it lives as long.
    _through: Option<Box<Self>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("closed", &self.handle.is_closed()).finish_non_exhaustive()
    }
}

impl Session {
    /// One attempt to connect and log in; at most half a minute for each server on the way.
    pub(super) async fn open(addr: SocketAddr, identity: &Identity) -> Result<Self, Denied> {
        Self::reach(addr.ip().to_string(), addr.port(), identity).await
    }

    fn reach(host: String, port: u16, identity: &Identity) -> BoxFuture<'_, Result<Self, Denied>> {
        Box::pin(async move {
            let Some(hop) = &identity.bastion else {
                let stream = dial(&host, port).await?;
                return Self::log_in_soon(stream, &host, port, identity, None).await;
            };
            let through = Self::reach(hop.host.clone(), hop.port, &hop.identity)
                .await
                .map_err(|why| Denied::Bastion { host: hop.host.clone(), why: Box::new(why) })?;
            let (to, from) = (host.clone(), "127.0.0.1");
            let opening = through.handle.channel_open_direct_tcpip(to, port.into(), from, 0);
            let channel = match timeout(LOGIN_PATIENCE, opening).await {
                Ok(Ok(channel)) => channel,
                Ok(Err(error)) => return Err(Denied::Port(error.to_string())),
                Err(_) => return Err(Denied::Port("no answer".into())),
            };
            let stream = channel.into_stream();
            Self::log_in_soon(stream, &host, port, identity, Some(Box::new(through))).await
        })
    }

    async fn log_in_soon(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: &str,
        port: u16,
        identity: &Identity,
        through: Option<Box<Self>>,
    ) -> Result<Self, Denied> {
        let (handle, lead) = timeout(LOGIN_PATIENCE, log_in(stream, host, port, identity))
            .await
            .unwrap_or_else(|_| Err(Denied::Handshake(format!("no end after {LOGIN_PATIENCE:?}"))))?;
        Ok(Self { handle, lead, _through: through })
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

    /// Leads `port` of the server's loopback (0: one that it chooses) to `to` on this host. Returns the port.
    pub(super) async fn lead(&self, to: SocketAddr, port: u16) -> Result<u16, russh::Error> {
        self.lead.set(to);
        let given = timeout(LOGIN_PATIENCE, self.handle.tcpip_forward("127.0.0.1", port.into()))
            .await
            .unwrap_or(Err(russh::Error::ConnectionTimeout))?;
        // One that was said is not told again.
        Ok(u16::try_from(given).ok().filter(|given| *given != 0).unwrap_or(port))
    }

    /// Says good-bye. The other side may be gone already.
    pub(super) async fn close(&self) {
        let _gone_is_fine = self.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, Denied> {
    let stream = match timeout(BANNER_PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Denied::Port(error.to_string())),
        Err(_) => return Err(Denied::Port("no answer".into())),
    };
    peek_banner(&stream).await?;
    // Latency matters more than packet count: commands are short dialogues.
    stream.set_nodelay(true).map_err(|error| Denied::Handshake(error.to_string()))?;
    Ok(stream)
}

async fn log_in(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    port: u16,
    identity: &Identity,
) -> Result<(client::Handle<Gatekeeper>, Lead), Denied> {
    let mut config = client::Config {
        // A guest that stays silent for a minute and a half is gone; emulated ones pause for seconds at most.
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 6,
        // The library asks for a sign of life only between writes; a write that nobody takes must end as well. Answers to
        // those questions count as activity.
        inactivity_timeout: Some(Duration::from_secs(120)),
        nodelay: true,
        ..client::Config::default()
    };
    let algorithms = identity.algorithms(host, port);
    if !algorithms.is_empty() {
        config.preferred.key = algorithms.into();
    }
    let (gatekeeper, shown, lead) = Gatekeeper::new(identity, host, port);
    let connected = client::connect_stream(Arc::new(config), stream, gatekeeper).await;
    if let Some(shown) = shown.take() {
        return Err(Denied::HostKey { shown });
    }
    let mut handle = connected.map_err(|error| Denied::Handshake(error.to_string()))?;
    identity.prove(&mut handle).await?;
    Ok((handle, lead))
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
