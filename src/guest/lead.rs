//! Connections that begin in the guest and end on this host: one port of the guest's loopback, through the SSH session.
use super::{CommError, Guest};
use crate::cx::Cx;
use russh::{Channel, client};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpStream;

/// Where connections that the server hands to us are led; nowhere unless we asked for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lead(Arc<Mutex<Option<SocketAddr>>>);

impl Lead {
    pub(super) fn get(&self) -> Option<SocketAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, to: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }
}

/// Carries bytes between the guest's end of a connection and `to`, until both have said all.
pub(super) fn carry(channel: Channel<client::Msg>, to: SocketAddr) {
    tokio::spawn(async move {
        // One whose other end is gone ends, and the guest's program sees that.
        let Ok(mut there) = TcpStream::connect(to).await else { return };
        let _ = tokio::io::copy_bidirectional(&mut channel.into_stream(), &mut there).await;
    });
}

impl Guest {
    /// Leads a port of the guest's loopback to `to` on this host, and keeps it so over restarts. Returns the port.
    pub async fn lead(&self, to: SocketAddr) -> Result<u16, CommError> {
        const LABEL: &str = "lead a port of the guest to this host";
        let asked = self.led().map_or(0, |(_, port)| port);
        let port = self
            .session_lead(to, asked)
            .await
            .map_err(|source| CommError::Channel { label: LABEL.to_owned(), source })?;
        self.set_led(to, port);
        Ok(port)
    }

    /// The same again, through a new connection. Failing to is told: what needs it says so, too, and less clearly.
    pub(super) async fn lead_again(&self, cx: &Cx) {
        let Some((to, _)) = self.led() else { return };
        if let Err(error) = self.lead(to).await {
            let cause = std::error::Error::source(&error).map(|why| format!(": {why}")).unwrap_or_default();
            cx.events().warn(
                format!("{error}{cause}"),
                Some("the guest's sshd must allow TCP forwarding while the image is built (`AllowTcpForwarding`)".to_owned()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        cx::tests_support::cx,
        guest::{connect, sshd::Sshd},
        value::HumanDuration,
    };
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Says hello to the server behind `port` and returns the answer.
    async fn ask(port: u16) -> std::io::Result<String> {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_port_of_the_guest_leads_here_also_after_the_connection_was_lost() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut said = String::new();
                stream.read_to_string(&mut said).await.unwrap();
                stream.write_all(format!("you said {said}").as_bytes()).await.unwrap();
            }
        });
        let (mut sshd, cx) = (Sshd::start(), cx());
        let limit = HumanDuration::seconds(30);
        let guest = connect(&cx, sshd.addr, &sshd.login(), limit, &|| None).await.unwrap();
        let port = guest.lead(here).await.unwrap();
        assert!(port != 0 && port != here.port());
        for _ in 0..3 {
            assert_eq!(ask(port).await.unwrap(), "you said hello");
        }
        sshd.crash();
        sshd.run();
        guest.reconnect(&cx, limit, &|| None).await.unwrap();
        assert_eq!(ask(port).await.unwrap(), "you said hello", "the port is the same");
        guest.close().await;
    }
}
