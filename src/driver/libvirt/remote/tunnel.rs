//! The way to a guest on another host: a port of this host's loopback, from which connections go through one `ssh` to the port that
//! QEMU has on that host's loopback. We hold the port ourselves, so nobody can take it in between; `ssh` listens on a socket in a
//! private folder. One `ssh` for all, because logging in takes longer than a guest that is asked for its banner may.
use super::host::Host;
use crate::cx::Events;
use std::{
    fs::DirBuilder,
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UnixStream},
    process::Child,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

/// The socket in the folder.
const SOCKET: &str = "s";

/// An open tunnel; it closes with this value, and its connections with it.
#[derive(Debug)]
pub(in super::super) struct Tunnel {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Tunnel {
    /// Opens one to `port` of the loopback of `host`, with its socket in the new folder `folder`, whose undo the caller has planned.
    pub(in super::super) async fn open(
        host: Host,
        port: u16,
        folder: &Path,
        events: Events,
    ) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(folder)?;
        let mut way = Way { host, port, folder: folder.to_owned(), events, ssh: None };
        way.start().await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // Its connections end with it, and so does `ssh`.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((near, _)) = accepted else { break };
                        if let Ok(far) = way.connect().await {
                            connections.spawn(carry(near, far));
                        }
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, accepting })
    }

    /// The port on this host.
    pub(in super::super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one connection until one side has ended: SSH has no use for half a connection.
async fn carry(mut near: TcpStream, mut far: UnixStream) {
    /// For the last words of the other side, after this one has said its own.
    const FAREWELL: Duration = Duration::from_secs(2);
    let (mut near_in, mut near_out) = near.split();
    let (mut far_in, mut far_out) = far.split();
    let up = async {
        let _ = tokio::io::copy(&mut near_in, &mut far_out).await;
        let _ = far_out.shutdown().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let down = async {
        let _ = tokio::io::copy(&mut far_in, &mut near_out).await;
        let _ = near_out.shutdown().await;
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

struct Way {
    host: Host,
    port: u16,
    folder: PathBuf,
    events: Events,
    ssh: Option<Child>,
}

impl Way {
    /// Through `ssh`, which is started anew when the network ended it.
    async fn connect(&mut self) -> io::Result<UnixStream> {
        let socket = self.folder.join(SOCKET);
        if let Ok(far) = UnixStream::connect(&socket).await {
            return Ok(far);
        }
        self.start().await?;
        UnixStream::connect(&socket).await
    }

    /// Starts `ssh` and waits until it listens.
    async fn start(&mut self) -> io::Result<()> {
        const LIMIT: Duration = Duration::from_secs(60);
        let socket = self.folder.join(SOCKET);
        let mut command = self.host.ssh();
        // A connection of its own: a shared one would go on forwarding after this program.
        command.args(["-S", "none", "-o", "StreamLocalBindUnlink=yes", "-L"]);
        command.arg(format!("{}:127.0.0.1:{}", socket.display(), self.port)).args(self.host.target());
        // Ends when its input does, which is when this process does, however that happens.
        command.arg("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut ssh = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.host.program().display()))
        })?;
        let (said, mut last) = tokio::sync::watch::channel(String::new());
        if let Some(errors) = ssh.stderr.take() {
            let (events, login) = (self.events.clone(), self.host.login());
            tokio::spawn(async move {
                let mut lines = BufReader::new(errors).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    // What else it says is about single connections, and a guest that is not up yet refuses many.
                    if line.contains("prohibited") && !said.borrow().contains("prohibited") {
                        let hint = format!(
                            "the guest is reached over {login}: its sshd must allow TCP forwarding to its own loopback"
                        );
                        events.warn(format!("the tunnel through {login} fails: {line}"), Some(hint));
                    }
                    said.send_replace(line);
                }
            });
        }
        let start = Instant::now();
        while UnixStream::connect(&socket).await.is_err() {
            if ssh.try_wait()?.is_some() || start.elapsed() >= LIMIT {
                // Its last line may be a moment behind.
                let _ =
                    tokio::time::timeout(Duration::from_millis(200), last.wait_for(|line| !line.is_empty()))
                        .await;
                let said = last.borrow().clone();
                return Err(io::Error::other(format!(
                    "ssh to {} does not forward: {said}",
                    self.host.login()
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.ssh = Some(ssh);
        Ok(())
    }
}
