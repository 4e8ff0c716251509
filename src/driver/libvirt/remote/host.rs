//! Which host a `qemu+ssh://` URI means, and how `ssh` gets there: libvirt runs the host's own `ssh` for its connection, and the
//! tunnel to a guest must go the same way, with the same keys, agent, configuration and known hosts.
use crate::driver::{DriverError, DriverErrorKind};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Another host whose libvirt is reached through SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Host {
    /// As the user wrote it.
    uri: String,
    name: String,
    user: Option<String>,
    port: Option<u16>,
    keyfile: Option<PathBuf>,
    program: PathBuf,
    no_verify: bool,
    says_tty: bool,
    system: bool,
}

impl Host {
    /// Reads a URI that names a host.
    pub(in super::super) fn parse(uri: &str) -> Result<Self, DriverError> {
        const USUAL: &str =
            "write `qemu+ssh://user@host/system`, or `/session` for the user's own machines there";
        let wrong = |why: String, hint: &str| {
            DriverError::new(DriverErrorKind::Unsupported, format!("use the libvirt connection `{uri}`"))
                .because(why)
                .hint(hint)
        };
        let parsed = url::Url::parse(uri).map_err(|error| wrong(error.to_string(), USUAL))?;
        if parsed.scheme() != "qemu+ssh" {
            let why = format!("`{}` cannot carry the guest's SSH; only `qemu+ssh` can", parsed.scheme());
            return Err(wrong(why, USUAL));
        }
        let system = match parsed.path() {
            "/system" => true,
            "/session" => false,
            path => return Err(wrong(format!("it has no instance `{path}`"), USUAL)),
        };
        if parsed.password().is_some() {
            return Err(wrong(
                "it holds a password".to_owned(),
                "load a key into ssh-agent, or name its file with `?keyfile=`",
            ));
        }
        let name =
            parsed.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let user = Some(decoded(parsed.username())).filter(|user| !user.is_empty());
        let mut host = Self {
            uri: uri.to_owned(),
            name,
            user,
            port: parsed.port(),
            keyfile: None,
            program: PathBuf::from("ssh"),
            no_verify: false,
            says_tty: false,
            system,
        };
        // In a URI of libvirt, a plus sign is one.
        let query = parsed.query().unwrap_or_default().replace('+', "%2B");
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let on = value.parse::<i32>().is_ok_and(|number| number != 0);
            match key.as_ref() {
                "keyfile" => host.keyfile = Some(PathBuf::from(&*value)),
                "command" => host.program = PathBuf::from(&*value),
                "no_verify" => host.no_verify = on,
                "no_tty" => host.says_tty = true,
                // About the far end of libvirt's own connection; a tunnel has no use for them.
                "socket" | "netcat" | "mode" | "proxy" => {}
                // libvirt reads it with its other SSH transports and ignores it with this one, which would be no check at all.
                "known_hosts" | "known_hosts_verify" | "sshauth" => {
                    let why = format!("libvirt's `ssh` transport ignores the parameter `{key}`");
                    return Err(wrong(
                        why,
                        "set `UserKnownHostsFile`, `IdentityFile` and the like for this host in `~/.ssh/config`",
                    ));
                }
                other => {
                    return Err(wrong(
                        format!("it has the unknown parameter `{other}`"),
                        "known are keyfile, command, no_verify, no_tty, socket, netcat, mode, proxy",
                    ));
                }
            }
        }
        Ok(host)
    }

    /// What libvirt is given: `ssh` must not ask questions, because nobody sees them.
    pub(in super::super) fn open_uri(&self) -> String {
        match (self.says_tty, self.uri.contains('?')) {
            (true, _) => self.uri.clone(),
            (false, true) => format!("{}&no_tty=1", self.uri),
            (false, false) => format!("{}?no_tty=1", self.uri),
        }
    }

    /// Whether its system daemon is meant, and not the user's own.
    pub(super) fn is_system(&self) -> bool {
        self.system
    }

    /// For people: `user@host`.
    pub(in super::super) fn login(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.name),
            None => self.name.clone(),
        }
    }

    /// `ssh` to this host, as libvirt starts it, up to the options of the caller. [`Self::target`] ends the command.
    pub(super) fn ssh(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(user) = &self.user {
            command.arg("-l").arg(user);
        }
        if let Some(keyfile) = &self.keyfile {
            command.arg("-i").arg(keyfile);
        }
        command.args(["-T", "-e", "none", "-o", "BatchMode=yes"]);
        if self.no_verify {
            command.args(["-o", "StrictHostKeyChecking=no"]);
        }
        command
    }

    /// What the command line of `ssh` ends with.
    pub(super) fn target(&self) -> [&str; 2] {
        ["--", &self.name]
    }

    /// The program, for messages.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }
}

fn decoded(text: &str) -> String {
    // The name alone, as if it were a key of a query, in which a plus sign would be a blank.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

/// What to do when the connection does not open.
pub(in super::super) fn explain(host: &Host, message: &str) -> Option<(DriverErrorKind, String)> {
    let login = host.login();
    let has = |needle: &str| message.contains(needle);
    let by_hand = format!("`ssh -o BatchMode=yes {login} true` must work without a question");
    Some(match () {
        () if has("Host key verification failed") => (
            DriverErrorKind::Auth,
            format!("the host's key is unknown or has changed: connect once by hand, `ssh {login}`, and compare the fingerprint"),
        ),
        () if has("virt-ssh-helper") || has("nc: not found") || has("nc: command not found") || has("'nc'") => (
            DriverErrorKind::Unavailable,
            "neither libvirt's `virt-ssh-helper` nor netcat is on that host; there: sudo apt-get install libvirt-daemon-system".to_owned(),
        ),
        () if has("libvirt") && has("sock") && has("Permission denied") => (
            DriverErrorKind::Permission,
            format!("that user may not use the host's libvirt; there: sudo usermod -aG libvirt {}", host.user.as_deref().unwrap_or("USER")),
        ),
        () if has("Permission denied") => (
            DriverErrorKind::Auth,
            format!("{by_hand}: load the key into ssh-agent, or name its file with `?keyfile=`"),
        ),
        () if has("Failed to connect socket") => (
            DriverErrorKind::Unavailable,
            "libvirt's daemon does not run on that host; there: sudo apt-get install libvirt-daemon-system, and sudo systemctl start libvirtd".to_owned(),
        ),
        () if ["resolve hostname", "Connection refused", "timed out", "No route to host", "unreachable"].iter().any(|needle| has(needle)) => {
            (DriverErrorKind::Unavailable, format!("{by_hand}: check the name, the port and the network"))
        }
        () if has("Connection reset by peer") || has("End of file") || has("Cannot recv data") => (DriverErrorKind::Unavailable, by_hand),
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn arguments(uri: &str) -> String {
        let host = Host::parse(uri).unwrap();
        let mut command = host.ssh();
        command.args(host.target());
        let command = command.as_std();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test_case("qemu+ssh://farm/system", "ssh -T -e none -o BatchMode=yes -- farm"; "a host of ssh_config")]
    #[test_case("qemu+ssh://ci@[::1]:2222/session?keyfile=/k%20ey&no_verify=1", "ssh -p 2222 -l ci -i /k ey -T -e none -o BatchMode=yes -o StrictHostKeyChecking=no -- ::1"; "all options")]
    #[test_case("qemu+ssh://a%2Bb@farm/system?command=/opt/a+b/ssh&socket=/run/x", "/opt/a+b/ssh -l a+b -T -e none -o BatchMode=yes -- farm"; "odd characters")]
    #[test_case("qemu+ssh://-oProxyCommand=x/system", "ssh -T -e none -o BatchMode=yes -- -oProxyCommand=x"; "a name that looks like an option")]
    fn ssh_is_called_as_libvirt_calls_it(uri: &str, expected: &str) {
        assert_eq!(arguments(uri), expected);
    }

    #[test_case("qemu+tls://farm/system", "cannot carry"; "another transport")]
    #[test_case("qemu+ssh://farm/embed", "no instance"; "an unknown instance")]
    #[test_case("qemu+ssh://u:secret@farm/system", "password"; "a password")]
    #[test_case("qemu+ssh://farm/system?known_hosts=/x", "ignores"; "a check that libvirt would not make")]
    #[test_case("qemu+ssh://farm/system?pkipath=/x", "unknown parameter"; "an unknown parameter")]
    fn what_would_not_work_is_refused_with_the_reason(uri: &str, reason: &str) {
        let error = Host::parse(uri).unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains(reason) && error.hint_text().is_some(), "{why}");
    }

    #[test]
    fn ssh_is_told_not_to_ask_unless_the_user_said_something_about_it() {
        let open = |uri| Host::parse(uri).unwrap().open_uri();
        assert_eq!(open("qemu+ssh://farm/system"), "qemu+ssh://farm/system?no_tty=1");
        assert_eq!(open("qemu+ssh://farm/system?mode=legacy"), "qemu+ssh://farm/system?mode=legacy&no_tty=1");
        assert_eq!(open("qemu+ssh://farm/system?no_tty=0"), "qemu+ssh://farm/system?no_tty=0");
    }

    #[test_case("Cannot recv data: ci@farm: Permission denied (publickey).: Connection reset by peer", DriverErrorKind::Auth, "ssh-agent"; "no key")]
    #[test_case("Cannot recv data: Host key verification failed.: Connection reset by peer", DriverErrorKind::Auth, "fingerprint"; "unknown host key")]
    #[test_case("Cannot recv data: sh: 1: nc: not found: Connection reset by peer", DriverErrorKind::Unavailable, "virt-ssh-helper"; "nothing to talk to the daemon with")]
    #[test_case("Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied", DriverErrorKind::Permission, "usermod"; "not in the group")]
    #[test_case("Cannot recv data: ssh: connect to host farm port 22: Connection refused: Connection reset by peer", DriverErrorKind::Unavailable, "network"; "nobody listens")]
    fn a_connection_that_fails_says_what_to_do(message: &str, kind: DriverErrorKind, hint: &str) {
        let (found, text) = explain(&Host::parse("qemu+ssh://ci@farm/system").unwrap(), message).unwrap();
        assert_eq!(found, kind, "{text}");
        assert!(text.contains(hint), "{text}");
    }
}
