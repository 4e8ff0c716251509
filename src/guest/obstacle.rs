//! What stands between us and a guest, as one attempt to connect shows it, and what to do about it.
use super::{Login, ssh::Denied};
use crate::{
    cx::{Sight, WaitError},
    value::HumanDuration,
};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

/// Which kind of obstacle was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    Port,
    Banner,
    HostKey,
    Login,
    Handshake,
    Bastion,
}

/// The last attempt that failed.
pub(super) struct Attempt {
    pub(super) obstacle: Obstacle,
    pub(super) sights: Vec<Sight>,
    pub(super) at: Instant,
}

impl Attempt {
    /// Newer servers shut out an address that keeps failing (`PerSourcePenalties`: five seconds for a refused login, one
    /// for a connection without any, and a ban from fifteen on), so such attempts must be rare.
    pub(super) fn rest(&self) -> Duration {
        match self.obstacle {
            Obstacle::Port | Obstacle::Banner => Duration::ZERO,
            Obstacle::HostKey | Obstacle::Handshake => Duration::from_secs(2),
            Obstacle::Login | Obstacle::Bastion => Duration::from_secs(6),
        }
    }
}

/// What is up and what is not, in the order of a connection.
pub(super) fn describe(addr: SocketAddr, denied: Denied) -> (Obstacle, Vec<Sight>) {
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

/// A server that shows the build's host key has taken the seed, and keys come with it, but it may let nobody in before its system
/// is up: for so long. Only root need not wait for that.
pub(super) fn patience(login: &Login) -> Option<Duration> {
    const ROOT: Duration = Duration::from_secs(30);
    const OTHERS: Duration = Duration::from_secs(120);
    // A login that the image has already may come later than its host key.
    if login.authorized_key.is_empty() {
        return None;
    }
    Some(if login.user == "root" { ROOT } else { OTHERS })
}

/// The server of a guest that took the seed refuses its key again and again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest's sshd refused the key of this build for user `{user}` {} within {within}: {said}", often(*.times))]
pub(super) struct Refused {
    user: String,
    times: u32,
    within: HumanDuration,
    said: String,
}

fn often(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// Refusals without anything else between them.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    first: Option<Instant>,
    times: u32,
}

impl Refusals {
    /// Takes note of `attempt`; says when it was refused for longer than `patience`.
    pub(super) fn take(&mut self, attempt: &Attempt, user: &str, patience: Duration) -> Option<Refused> {
        if attempt.obstacle != Obstacle::Login {
            *self = Self::default();
            return None;
        }
        self.times += 1;
        let within = attempt.at.duration_since(*self.first.get_or_insert(attempt.at));
        let said = || attempt.sights.last().map(|sight| sight.detail.clone()).unwrap_or_default();
        (within >= patience).then(|| Refused {
            user: user.to_owned(),
            times: self.times,
            within: Duration::from_secs(within.as_secs()).into(),
            said: said(),
        })
    }
}

/// What to do when `last` was in the way, and `source` ended the wait.
pub(super) fn hint(login: &Login, source: &WaitError, last: Option<Obstacle>) -> Option<String> {
    let refused = matches!(source, WaitError::Hopeless { source, .. } if source.is::<Refused>());
    match (last, source) {
        (Some(Obstacle::Login), _) if refused => Some(refusal_hint(&login.user)),
        (_, WaitError::Hopeless { .. }) | (None, _) => None,
        (Some(Obstacle::Port | Obstacle::Banner), _) => {
            Some("no SSH server answers: the serial log and the screenshot show how far the guest came".to_owned())
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
        (Some(Obstacle::Login), _) => Some(refusal_hint(&login.user)),
        (Some(Obstacle::Bastion), _) => {
            Some("the jump host does not let us through: try `ssh` to it with the same key".to_owned())
        }
        (Some(Obstacle::Handshake), _) => {
            Some("something speaks SSH there, but breaks off: look for sshd in the serial log".to_owned())
        }
    }
}

fn refusal_hint(user: &str) -> String {
    let made = if user == "root" {
        String::new()
    } else {
        format!("; and in the serial log for errors of cloud-init, which makes `{user}`")
    };
    format!(
        "the guest took the seed, for it shows the host key of this build, but its sshd does not want this login: look in \
         /etc/ssh/sshd_config and /etc/ssh/sshd_config.d of the image for `PermitRootLogin`, `AuthorizedKeysFile`, \
         `PubkeyAuthentication`, `AllowUsers` and `AllowGroups`{made}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(obstacle: Obstacle, start: Instant, seconds: u64) -> Attempt {
        let sights = vec![Sight::yes("host key", ""), Sight::no("login", "key refused")];
        Attempt { obstacle, sights, at: start + Duration::from_secs(seconds) }
    }

    #[test]
    fn only_a_server_that_does_nothing_but_refuse_is_believed() {
        let (start, patience) = (Instant::now(), Duration::from_secs(30));
        let mut refusals = Refusals::default();
        let mut take =
            |obstacle, seconds| refusals.take(&attempt(obstacle, start, seconds), "root", patience);
        assert_eq!(take(Obstacle::Login, 0), None);
        assert_eq!(take(Obstacle::Login, 29), None);
        // It restarts: what it said before counts no more.
        assert_eq!(take(Obstacle::Port, 31), None);
        assert_eq!(take(Obstacle::Login, 40), None);
        assert_eq!(take(Obstacle::Login, 60), None);
        let refused = take(Obstacle::Login, 71).unwrap();
        assert_eq!(
            refused.to_string(),
            "the guest's sshd refused the key of this build for user `root` 3 times within 31 s: key refused"
        );
    }

    #[test]
    fn only_a_key_that_came_with_the_seed_must_be_there() {
        let login = |user: &str, authorized_key: &str| Login {
            user: user.to_owned(),
            key: crate::value::Secret::new(""),
            authorized_key: authorized_key.to_owned(),
            host_key: String::new(),
        };
        assert!(patience(&login("root", "ssh-ed25519 x")) < patience(&login("goldsmith", "ssh-ed25519 x")));
        assert_eq!(patience(&login("admin", "")), None);
    }
}
