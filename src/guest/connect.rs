//! Getting into a guest and back into it, with an account of what can be seen while it is not there yet.
use super::{
    CommError, Command, Credentials, Exit, Guest, Login, LoginError,
    auth::Identity,
    capture,
    ssh::{Denied, Session},
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
    reach(cx, addr, login, &login.into(), limit, trouble).await
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
    reach(cx, addr, &login, credentials, limit, trouble).await
}

async fn reach(
    cx: &Cx,
    addr: SocketAddr,
    login: &Login,
    credentials: &Credentials,
    limit: HumanDuration,
    trouble: Trouble<'_>,
) -> Result<Guest, GuestError> {
    let host = addr.ip().to_string();
    let identity = Identity::load(&host, credentials).map_err(GuestError::Login)?;
    let session = open(cx, "the guest's SSH login", addr, &identity, limit, trouble)
        .await
        .map_err(|(source, last)| unreachable(login, addr, source, last))?;
    Ok(Guest::new(addr, login.clone(), identity, session))
}

/// Which kind of obstacle was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Port,
    Banner,
    HostKey,
    Login,
    Handshake,
    Bastion,
}

/// The last attempt that failed.
struct Attempt {
    obstacle: Obstacle,
    sights: Vec<Sight>,
    at: Instant,
}

impl Attempt {
    /// Newer servers shut out an address that keeps failing (`PerSourcePenalties`: five seconds for a refused login, one
    /// for a connection without any, and a ban from fifteen on), so such attempts must be rare.
    fn rest(&self) -> Duration {
        match self.obstacle {
            Obstacle::Port | Obstacle::Banner => Duration::ZERO,
            Obstacle::HostKey | Obstacle::Handshake => Duration::from_secs(2),
            Obstacle::Login | Obstacle::Bastion => Duration::from_secs(6),
        }
    }
}

async fn open(
    cx: &Cx,
    what: &str,
    addr: SocketAddr,
    identity: &Identity,
    limit: HumanDuration,
    trouble: Trouble<'_>,
) -> Result<Session, (WaitError, Option<Obstacle>)> {
    let last: Mutex<Option<Attempt>> = Mutex::new(None);
    let last = &last;
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
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(attempt);
                    Look::NotYet(sights)
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

/// What is up and what is not, in the order of a connection.
fn describe(addr: SocketAddr, denied: Denied) -> (Obstacle, Vec<Sight>) {
    let port = Sight::yes(format!("port {}", addr.port()), "");
    let banner = Sight::yes("SSH server", "");
    match denied {
        Denied::Port(why) => (Obstacle::Port, vec![Sight { up: Some(false), detail: why, ..port }]),
        Denied::Banner(why) => (Obstacle::Banner, vec![port, Sight::no("SSH server", why)]),
        Denied::Handshake(why) => (Obstacle::Handshake, vec![port, banner, Sight::no("handshake", why)]),
        Denied::HostKey { shown } => {
            (Obstacle::HostKey, vec![port, banner, Sight::no("host key", format!("not ours: {shown}"))])
        }
        Denied::Bastion { host, why } => {
            let seen = match *why {
                Denied::Port(why) => why,
                why => Sight::line(&describe(addr, why).1[1..]),
            };
            (Obstacle::Bastion, vec![Sight::no(format!("jump host {host}"), seen)])
        }
        Denied::Login(why) => {
            (Obstacle::Login, vec![port, banner, Sight::yes("host key", ""), Sight::no("login", why)])
        }
    }
}

fn unreachable(login: &Login, addr: SocketAddr, source: WaitError, last: Option<Obstacle>) -> GuestError {
    if let WaitError::Cancelled(cancelled) = source {
        return GuestError::Cancelled(cancelled);
    }
    let hint = match (last, &source) {
        (_, WaitError::Hopeless { .. }) | (None, _) => None,
        (Some(Obstacle::Port | Obstacle::Banner), _) => {
            Some("the guest did not boot to an SSH server: look at the serial log and the screenshot".to_owned())
        }
        (Some(Obstacle::HostKey), _) if login.authorized_key.is_empty() => {
            Some("the image has another host key than `guest.login` says: is it of this image?".to_owned())
        }
        (Some(Obstacle::Login), _) if login.authorized_key.is_empty() => {
            Some(format!("the image has this host key but lets `{}` not in: try `ssh` to a copy of it", login.user))
        }
        (Some(Obstacle::HostKey), _) => Some(
            "the guest has a host key of its own, so it never took the seed: is cloud-init installed and enabled in \
             it, and does its kernel see the seed disk? (with `seed = \"credentials\"`: is its systemd 252 or newer?)"
                .to_owned(),
        ),
        (Some(Obstacle::Login), _) => Some(format!(
            "the guest took the host key but lets `{}` not in: look for errors of cloud-init in the serial log",
            login.user
        )),
        (Some(Obstacle::Bastion), _) => {
            Some("the jump host does not let us through: try `ssh` to it with the same key".to_owned())
        }
        (Some(Obstacle::Handshake), _) => {
            Some("something speaks SSH there, but breaks off: look for sshd in the serial log".to_owned())
        }
    };
    GuestError::Unreachable { user: login.user.clone(), addr, source, hint }
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
        let session = open(cx, "the guest's SSH login", self.addr(), self.identity(), limit, trouble)
            .await
            .map_err(|(source, last)| unreachable(self.login(), self.addr(), source, last))?;
        self.replace(session).await;
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
        self.settle(cx, limit, trouble).await?;
        if self.is_quiet() {
            self.quiesce(cx, limit, trouble).await?;
        }
        Ok(())
    }
}
