//! The way to a guest on another host: a port of this host's loopback, from which every connection goes through an `ssh` of its
//! own to the port that QEMU has on that host's loopback. We hold the port ourselves, so nobody can take it in between.
use super::host::Host;
use crate::cx::Events;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// An open tunnel; it closes with this value, and its connections with it.
#[derive(Debug)]
pub(in super::super) struct Tunnel {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Tunnel {
    /// Opens one to `port` of the loopback of `host`. What `ssh` complains about goes to `events`, once.
    pub(in super::super) async fn open(host: Host, port: u16, events: Events) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let way = Arc::new(Way { host, port, events, said: Mutex::new(String::new()) });
        let accepting = tokio::spawn(async move {
            // Ends its tasks, and these end their processes, when it is dropped.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((connection, _)) = accepted else { break };
                        connections.spawn(carry(Arc::clone(&way), connection));
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

struct Way {
    host: Host,
    port: u16,
    events: Events,
    said: Mutex<String>,
}

/// Carries one connection to its end.
async fn carry(way: Arc<Way>, mut connection: TcpStream) {
    /// For the last words of the other side, after this one has said its own.
    const FAREWELL: Duration = Duration::from_secs(2);
    let mut command = way.host.ssh();
    command.arg("-W").arg(format!("127.0.0.1:{}", way.port)).args(way.host.target());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut ssh = match command.spawn() {
        Ok(ssh) => ssh,
        Err(error) => return way.complain(&format!("{}: {error}", way.host.program().display())),
    };
    let (Some(mut input), Some(mut output), Some(mut errors)) =
        (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take())
    else {
        return;
    };
    let (mut reader, mut writer) = connection.split();
    let up = async {
        let _ = tokio::io::copy(&mut reader, &mut input).await;
        let _ = input.shutdown().await;
        drop(input);
        tokio::time::sleep(FAREWELL).await;
    };
    let down = async {
        let carried = tokio::io::copy(&mut output, &mut writer).await.unwrap_or(0);
        let _ = writer.shutdown().await;
        carried
    };
    // One side that has ended is the end: SSH has no use for half a connection.
    tokio::select! {
        () = up => {}
        carried = down => {
            let mut text = Vec::new();
            let complaint = async {
                let _ = (&mut errors).take(16 << 10).read_to_end(&mut text).await;
                ssh.wait().await
            };
            let ended = tokio::time::timeout(FAREWELL, complaint).await;
            // With status 255, ssh speaks for itself and not for the other side.
            if carried == 0 && matches!(ended, Ok(Ok(status)) if status.code() == Some(255)) {
                let text = String::from_utf8_lossy(&text);
                way.complain(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("ssh ended with status 255"));
            }
        }
    }
}

impl Way {
    /// Tells it to the user, unless it is what was told last: the guest's login is tried again and again.
    fn complain(&self, what: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != what {
            what.clone_into(&mut said);
            let login = self.host.login();
            let hint = format!(
                "the guest is reached through `ssh -W` over {login}: its sshd must allow TCP forwarding to its own loopback"
            );
            self.events.warn(format!("the tunnel through {login} fails: {what}"), Some(hint));
        }
    }
}
