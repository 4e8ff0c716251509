//! Getting into a guest and back into it, with an account of what can be seen while it is not there yet.
use super::{
    CommError, Command, Credentials, Exit, Guest, Login, LoginError,
    auth::Identity,
    capture,
    obstacle::{Attempt, Obstacle, Refusals, describe, hint, patience},
    ssh::Session,
};
use crate::{
    cx::{Cancelled, Cx, Look, Sight, WaitError},
    value::{HumanDuration, Secret},
};
use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Asked at every look: `Some` says why waiting is pointless, because the machine died.
pub type Trouble<'a> = &'a (dyn Fn() -> Option<String> + Sync);

/// Between two attempts to connect.
const BETWEEN: Duration = Duration::from_millis(500);

/// The guest cannot be reached, or is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// Something that the login needs cannot be had.
    #[error("could not prepare the SSH login")]
    Login(#[source] LoginError),
    /// It did not come in time, or cannot come any more.
    #[error("could not get into the guest as `{user}` at {addr}")]
    Unreachable {
        /// The login name.
        user: String,
        /// The address on this host.
        addr: SocketAddr,
        /// Whether no SSH server ever spoke there.
        silent: bool,
        /// What was seen last.
        #[source]
        source: WaitError,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The login works, but it is not root's, and sudo does not make it so.
    #[error("`{user}` is logged in to the guest but cannot become root there (`sudo -n`: {exit}): {said}")]
    NoRoot {
        /// The login name.
        user: String,
        /// How the attempt ended.
        exit: Exit,
        /// What sudo said.
        said: String,
    },
    /// It was restarted and did not come back.
    #[error("the guest did not come back from its restart")]
    NotBack(#[source] WaitError),
    /// The guest did not get into the state that provisioning needs.
    #[error("the guest did not settle")]
    Unsettled(#[source] WaitError),
    /// Another program of the guest holds on to the package manager.
    #[error("another program of the guest uses its package manager")]
    Busy(#[source] WaitError),
    /// A question to the guest failed.
    #[error("could not ask the guest")]
    Comm(#[from] CommError),
    /// The guest answered something else than was asked.
    #[error("could not understand the guest's answer to `{question}`: {reason}")]
    Answer {
        /// What was asked.
        question: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The user interrupted the build.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl GuestError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { hint, .. } => hint.as_deref(),
            Self::NoRoot { .. } => Some(
                "steps run as root: let this user use sudo without a password in the image (a line `USER ALL=(ALL) NOPASSWD: ALL` \
                 that no later rule in /etc/sudoers or /etc/sudoers.d takes back, and no `requiretty`), or log in as root \
                 (`guest.user = \"root\"`)",
            ),
            Self::NotBack(WaitError::Hopeless { .. }) => Some(
                "a restart must not power the machine off: the serial log among the records shows what happened",
            ),
            Self::NotBack(_) => Some(
                "the serial log and the screenshot among the records show where it hangs; if it is only slow, raise the \
                 step's `timeout`",
            ),
            Self::Busy(_) => {
                Some("end or stop that program in a step before; a `shell` step may also wait for it")
            }
            _ => None,
        }
    }

    /// Whether the guest is gone, rather than not as it should be.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NotBack(_))
    }
}

/// Waits until `login` works at `addr`, at most for `limit`.
pub async fn connect(
    cx: &Cx,
    addr: SocketAddr,
    login: &Login,
    limit: HumanDuration,
    trouble: Trouble<'_>,
) -> Result<Guest, GuestError> {
    reach(cx, addr, login, &login.into(), limit, patience(login), trouble).await
}

/// Like [`connect`], for a machine that we did not seed.
pub async fn connect_with(
    cx: &Cx,
    addr: SocketAddr,
    credentials: &Credentials,
    limit: HumanDuration,
    trouble: Trouble<'_>,
) -> Result<Guest, GuestError> {
    let login = Login {
        user: credentials.user.clone(),
        key: Secret::new(""),
        authorized_key: String::new(),
        host_key: String::new(),
    };
    reach(cx, addr, &login, credentials, limit, None, trouble).await
}

/// A server that knows us and refuses for longer than `patience` is not waited for.
pub(super) async fn reach(
    cx: &Cx,
    addr: SocketAddr,
    login: &Login,
    credentials: &Credentials,
    limit: HumanDuration,
    patience: Option<Duration>,
    trouble: Trouble<'_>,
) -> Result<Guest, GuestError> {
    let host = addr.ip().to_string();
    let identity = Identity::load(&host, credentials).map_err(GuestError::Login)?;
    let session = open(cx, "the guest's SSH login", addr, &identity, limit, patience, trouble)
        .await
        .map_err(|(source, last)| unreachable(login, addr, source, last))?;
    Ok(Guest::new(addr, login.clone(), identity, session))
}

async fn open(
    cx: &Cx,
    what: &str,
    addr: SocketAddr,
    identity: &Identity,
    limit: HumanDuration,
    patience: Option<Duration>,
    trouble: Trouble<'_>,
) -> Result<Session, (WaitError, Option<Obstacle>)> {
    let last: Mutex<Option<Attempt>> = Mutex::new(None);
    let refusals = Mutex::new(Refusals::default());
    let (last, refusals) = (&last, &refusals);
    let result = cx
        .wait_for(what, limit.get(), BETWEEN, || async move {
            if let Some(trouble) = trouble() {
                return Look::Hopeless(trouble.into());
            }
            {
                let last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(attempt) = last.as_ref().filter(|attempt| attempt.at.elapsed() < attempt.rest()) {
                    return Look::NotYet(attempt.sights.clone());
                }
            }
            match Session::open(addr, identity).await {
                Ok(session) => Look::Ready(session),
                Err(denied) => {
                    let (obstacle, sights) = describe(addr, denied);
                    let attempt = Attempt { obstacle, sights: sights.clone(), at: Instant::now() };
                    let mut refusals = refusals.lock().unwrap_or_else(PoisonError::into_inner);
                    let refused = patience.and_then(|limit| refusals.take(&attempt, &identity.user, limit));
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(attempt);
                    refused.map_or(Look::NotYet(sights), |refused| Look::Hopeless(refused.into()))
                }
            }
        })
        .await;
    let obstacle = last.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|last| last.obstacle);
    result.map_err(|error| (error, obstacle))
}

/// All that an error says, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let first = Some(error);
    let all = std::iter::successors(first, |error| error.source()).map(ToString::to_string);
    all.collect::<Vec<_>>().join(": ")
}

fn unreachable(login: &Login, addr: SocketAddr, source: WaitError, last: Option<Obstacle>) -> GuestError {
    if let WaitError::Cancelled(cancelled) = source {
        return GuestError::Cancelled(cancelled);
    }
    let silent = matches!(last, Some(Obstacle::Port | Obstacle::Banner));
    let hint = hint(login, &source, last);
    GuestError::Unreachable { user: login.user.clone(), addr, silent, source, hint }
}

impl Guest {
    /// Sees that scripts run as root. The shell that this opens serves the next one.
    pub async fn become_root(&self, cx: &Cx) -> Result<(), GuestError> {
        const QUESTION: &str = "become root";
        let command = Command::script(QUESTION, "test \"$(id -u)\" = 0").timeout(Duration::from_secs(60));
        match capture(self, cx, &command).await {
            Err(CommError::NotStarted { exit, said, .. }) if self.login().user != "root" => {
                Err(GuestError::NoRoot { user: self.login().user.clone(), exit, said })
            }
            captured => Ok(captured?.ok(QUESTION).map(drop)?),
        }
    }

    /// Connects again after the connection was lost.
    pub async fn reconnect(
        &self,
        cx: &Cx,
        limit: HumanDuration,
        trouble: Trouble<'_>,
    ) -> Result<(), GuestError> {
        let patience = patience(self.login());
        let session =
            open(cx, "the guest's SSH login", self.addr(), self.identity(), limit, patience, trouble)
                .await
                .map_err(|(source, last)| unreachable(self.login(), self.addr(), source, last))?;
        self.replace(session).await;
        self.lead_again(cx).await;
        Ok(())
    }

    /// Restarts the guest and waits until it is back: when its boot id is another, not when a port answers. Then lets it
    /// settle again, and quiesces it if it was quiesced.
    pub async fn reboot(
        &self,
        cx: &Cx,
        limit: HumanDuration,
        trouble: Trouble<'_>,
    ) -> Result<(), GuestError> {
        let before = self.boot_id(cx).await?;
        let ask = Command::script(
            "restart the guest",
            "if command -v systemctl >/dev/null; then systemctl reboot; else reboot; fi",
        )
        .timeout(Duration::from_secs(60));
        // The connection may end before the answer; the boot id is the proof. A refusal is one, though.
        let asked = capture(self, cx, &ask).await;
        if let Ok(captured) = asked
            && matches!(captured.exit, Exit::Code(1..))
        {
            captured.ok("restart the guest")?;
        }
        let what = "the guest to restart";
        let result = cx
            .wait_for(what, limit.get(), Duration::from_secs(1), || async {
                if let Some(trouble) = trouble() {
                    return Look::Hopeless(trouble.into());
                }
                let session = match Session::open(self.addr(), self.identity()).await {
                    Ok(session) => session,
                    Err(denied) => return Look::NotYet(describe(self.addr(), denied).1),
                };
                self.replace(session).await;
                match self.boot_id(cx).await {
                    Ok(now) if now != before => Look::Ready(()),
                    Ok(now) => Look::NotYet(vec![Sight::no("boot id", format!("still {now}"))]),
                    Err(error) => Look::NotYet(vec![Sight::no("boot id", causes(&error))]),
                }
            })
            .await;
        result.map_err(|error| match error {
            WaitError::Cancelled(cancelled) => GuestError::Cancelled(cancelled),
            other => GuestError::NotBack(other),
        })?;
        self.lead_again(cx).await;
        self.settle(cx, limit, trouble).await?;
        if self.is_quiet() {
            self.quiesce(cx, limit, trouble).await?;
        }
        Ok(())
    }
}
