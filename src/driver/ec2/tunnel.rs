//! SSH through Systems Manager's session manager: each connection is a session of its own, which Amazon's plugin speaks.
//!
//! The protocol between the plugin and Amazon is published as the plugin's source only, so the plugin is run, as `aws ssm start-session` does
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-getting-started-enable-ssh-connections.html>).
//! We listen on loopback; what comes in goes to a plugin's standard input.
use super::Ec2;
use crate::{
    aws::AwsError,
    driver::{DriverError, DriverErrorKind},
};
use std::{net::SocketAddr, process::Stdio, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinHandle,
};

/// The plugin's program.
const PLUGIN: &str = "session-manager-plugin";
/// Amazon's document for sessions that carry SSH.
const DOCUMENT: &str = "AWS-StartSSHSession";
/// By this variable the plugin is told the session's token, which must not be on a command line.
const RESPONSE: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// The first version that takes it so.
const LEAST: [u32; 3] = [1, 2, 500];
/// The longest that the plugin may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between a session that ended badly and the next.
const BETWEEN: Duration = Duration::from_secs(2);

/// A port of this host that leads to an instance's SSH. It closes with this value.
#[derive(Debug)]
pub(super) struct Tunnel {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks whether the plugin is there, and new enough.
pub(super) async fn check() -> Result<(), DriverError> {
    let missing = |why: Box<dyn std::error::Error + Send + Sync>| {
        DriverError::new(DriverErrorKind::Unavailable, format!("run `{PLUGIN} --version`")).because(why).hint(
            "`ssh = \"session-manager\"` needs Amazon's plugin: \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
        )
    };
    let asked = Command::new(PLUGIN).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let told =
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| missing("it does not answer".into()))?;
    let told = told.map_err(|error| missing(error.into()))?;
    let text = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    match version(&text) {
        Some(version) if version >= LEAST => Ok(()),
        _ => Err(missing(
            format!(
                "it is version `{}`, and only 1.2.500 and later take a token that others cannot read",
                text.escape_debug()
            )
            .into(),
        )),
    }
}

/// `1.2.707.0`.
fn version(text: &str) -> Option<[u32; 3]> {
    let mut numbers = text.split('.').map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

impl Tunnel {
    /// Listens. A session is begun with each connection.
    pub(super) async fn open(ec2: &Ec2, instance: &str) -> Result<Self, DriverError> {
        let failed = |error: std::io::Error| {
            DriverError::new(DriverErrorKind::Other, "listen on loopback for the session manager")
                .because(error)
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (ec2, instance) = (ec2.clone(), instance.to_owned());
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while open.try_join_next().is_some() {}
                let (ec2, instance) = (ec2.clone(), instance.clone());
                open.spawn(async move {
                    // Who connected sees the end of the connection, and tries again: an agent needs a while after the start.
                    if carry(&ec2, &instance, stream).await.is_err() {
                        tokio::time::sleep(BETWEEN).await;
                    }
                });
            }
        });
        Ok(Self { address, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One connection, from its begin to its end.
async fn carry(ec2: &Ec2, instance: &str, mut stream: TcpStream) -> Result<(), DriverError> {
    let attempt = || format!("start a session with the instance `{instance}` in {}", ec2.aws.region());
    let parameters = [("portNumber".to_owned(), vec![ec2.plan.ssh_port.to_string()])];
    let started = ec2
        .aws
        .ssm()
        .start_session()
        .target(instance)
        .document_name(DOCUMENT)
        .set_parameters(Some(parameters.clone().into()))
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "StartSession", error))?;
    let session = started.session_id().unwrap_or_default().to_owned();
    let response = serde_json::json!({
        "SessionId": session,
        "TokenValue": started.token_value(),
        "StreamUrl": started.stream_url(),
    });
    let request = serde_json::json!({
        "Target": instance,
        "DocumentName": DOCUMENT,
        "Parameters": { (&parameters[0].0): &parameters[0].1 },
    });
    let account = ec2.aws.account();
    let failed = |error: std::io::Error| {
        DriverError::new(DriverErrorKind::Unavailable, format!("run `{PLUGIN}`")).because(error)
    };
    let mut plugin = Command::new(PLUGIN)
        .arg(RESPONSE)
        .arg(ec2.aws.region())
        .arg("StartSession")
        .arg(account.profile.as_deref().unwrap_or_default())
        .arg(request.to_string())
        .arg(
            account
                .endpoint
                .clone()
                .unwrap_or_else(|| format!("https://ssm.{}.amazonaws.com", ec2.aws.region())),
        )
        .env(RESPONSE, response.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(input), Some(output)) = (plugin.stdin.take(), plugin.stdout.take()) else {
        return Err(failed(std::io::Error::other("it has no standard input")));
    };
    let mut pipe = tokio::io::join(output, input);
    // Either side may end it.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut pipe).await;
    let _ = plugin.kill().await;
    // The session would stay open for its idle time otherwise.
    let _ = ec2.aws.ssm().terminate_session().session_id(&session).send().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("1.2.707.0"), Some([1, 2, 707]));
        assert!(version("1.10.0.0") > Some(LEAST));
        assert!(version("1.2.497.0") < Some(LEAST));
        assert_eq!(version("The plugin was installed"), None);
    }
}
