//! A real SSH server for tests: OpenSSH on a loopback port, as the current user, with files of its own.
use super::{BuildKeys, Login};
use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running sshd; it ends with this value.
#[derive(Debug)]
pub(crate) struct Sshd {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) addr: SocketAddr,
    pub(crate) keys: BuildKeys,
    child: Option<Child>,
}

/// Name of the user that runs the tests.
pub(crate) fn me() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

impl Sshd {
    /// Starts a server that accepts `keys` and shows their host key.
    pub(crate) fn start() -> Self {
        let keys = BuildKeys::generate("test").unwrap();
        // The port is free when we ask; a moment later sshd takes it. Nobody else binds ports that the kernel just gave out.
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut sshd = Self { folder, addr, keys, child: None };
        sshd.write("host_key", sshd.keys.host_private().expose());
        sshd.write("authorized_keys", sshd.keys.authorized_key());
        sshd.write("log", "");
        let at = |name: &str| sshd.folder.path().join(name).display().to_string();
        let config = format!(
            "ListenAddress {addr}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             LogLevel VERBOSE\n",
            at("host_key"),
            at("authorized_keys"),
            at("pid")
        );
        sshd.write("config", &config);
        sshd.run();
        sshd
    }

    /// Starts a server that takes only a password: at once, or by PAM's questions. Our own user has this password for it, by
    /// a /etc/shadow that nobody else sees; that takes root.
    pub(crate) fn start_with_password(password: &str, questions: bool) -> Self {
        let mut sshd = Self::start();
        sshd.crash();
        let crypt = Command::new("perl")
            .args(["-e", "print crypt($ARGV[0], q($6$salt$))", password])
            .output()
            .unwrap();
        let hash = String::from_utf8(crypt.stdout).unwrap();
        let shadow: String = std::fs::read_to_string("/etc/shadow")
            .unwrap()
            .lines()
            .map(|line| match line.split(':').collect::<Vec<_>>().split_first() {
                Some((name, [_, rest @ ..])) if *name == me() => {
                    format!("{name}:{hash}:{}\n", rest.join(":"))
                }
                _ => format!("{line}\n"),
            })
            .collect();
        sshd.write("shadow", &shadow);
        let config = std::fs::read_to_string(sshd.path("config")).unwrap();
        let way = if questions { "KbdInteractiveAuthentication" } else { "PasswordAuthentication" };
        let config = config
            .replace(&format!("{way} no"), &format!("{way} yes"))
            .replace("prohibit-password", "yes")
            .replace("UsePAM no", if questions { "UsePAM yes" } else { "UsePAM no" });
        sshd.write("config", &format!("{config}PubkeyAuthentication no\n"));
        sshd.run();
        sshd
    }

    /// Starts the server (again) and waits until it listens.
    pub(crate) fn run(&mut self) {
        if nix::unistd::getuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let shadow = self.path("shadow");
        let mut command = if shadow.exists() {
            let mut command = Command::new("unshare");
            command
                .args([
                    "--mount",
                    "sh",
                    "-c",
                    "mount --bind \"$0\" /etc/shadow && exec /usr/sbin/sshd \"$@\"",
                ])
                .arg(shadow);
            command
        } else {
            Command::new("/usr/sbin/sshd")
        };
        let child = command
            .args(["-D", "-E"])
            .arg(self.path("log"))
            .arg("-f")
            .arg(self.path("config"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let start = Instant::now();
        while std::net::TcpStream::connect(self.addr).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "sshd does not listen: {}", self.log());
            std::thread::yield_now();
        }
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn login(&self) -> Login {
        self.keys.login(me())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Replaces who may log in.
    pub(crate) fn authorize(&self, line: &str) {
        self.write("authorized_keys", line);
    }

    /// Stops the listener and every connection at once, as a crash would.
    pub(crate) fn crash(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let connections = descendants(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        for pid in connections {
            let _gone_already = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

/// Every process below `root`. How many there are to a connection depends on OpenSSH's version: 10 has two even for root.
fn descendants(root: u32) -> Vec<u32> {
    let table = Command::new("ps").args(["-eo", "pid=,ppid="]).output().unwrap();
    let table: Vec<(u32, u32)> = String::from_utf8_lossy(&table.stdout)
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter_map(|(pid, parent)| Some((pid.parse().ok()?, parent.trim().parse().ok()?)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(table.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.crash();
    }
}
