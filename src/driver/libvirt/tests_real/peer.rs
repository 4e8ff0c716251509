//! Another host for the tests: an OpenSSH server on a loopback port, behind which libvirt's session daemon of a user starts. When the
//! tests run as root, that is an ordinary user, who cannot read the builds' folders: what reaches it was sent. For root there is also
//! one with a system daemon, in namespaces in which libvirt's folders are empty.
#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "two test binaries use different parts; a test says what it did"
)]
use std::{
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Root's tests use this user; `scripts/setup.sh test` adds it.
const USER: &str = "goldsmith-test";

/// The other host; it ends with this value, with everything that runs there.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) folder: PathBuf,
    port: u16,
    sshd: Option<Child>,
    system: bool,
}

/// The other host with a system daemon. libvirt's folders are its own, and it has no KVM, which libvirt would find usable for root and
/// unusable for QEMU's user, over and over.
const SYSTEM: &str = r#"set -e
mount --make-rprivate /
for folder in etc/libvirt var/lib/libvirt run/libvirt var/cache/libvirt var/log/libvirt; do
  mkdir -p /$folder
  mount -t tmpfs -o mode=755 tmpfs /$folder
done
mkdir -p "$1/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for node in null zero full random urandom tty; do touch "$1/dev/$node"; mount --bind "/dev/$node" "$1/dev/$node"; done
mkdir "$1/dev/pts" "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
mount -t tmpfs tmpfs "$1/dev/shm"
mount --move "$1/dev" /dev
printf 'stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
' >/etc/libvirt/qemu.conf
printf 'auth_unix_rw = "none"
auth_unix_ro = "none"
' >/etc/libvirt/libvirtd.conf
libvirtd -f /etc/libvirt/libvirtd.conf -p "$1/libvirtd.pid" 2>"$1/libvirtd.log" &
mkdir -p /run/sshd
while [ ! -S /run/libvirt/libvirt-sock ]; do sleep 0.1; done
exec /usr/sbin/sshd -D -E "$1/log" -f "$1/config"
"#;

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn user() -> String {
    if is_root() {
        return USER.to_owned();
    }
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

fn run(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/setup.sh test"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Peer {
    /// Starts it, for the session daemon of its user.
    pub(crate) fn start() -> Self {
        Self::new(false)
    }

    /// Starts it with a system daemon. Only for root.
    pub(crate) fn start_system() -> Self {
        Self::new(true)
    }

    /// Its folder is short, because socket paths end there.
    fn new(system: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("gsp").tempdir_in("/tmp").unwrap().keep();
        // The port is free when we ask; a moment later sshd takes it. Nobody else binds ports that the kernel just gave out.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut peer = Self { folder, port, sshd: None, system };
        Self::mode(&peer.folder, 0o755);
        for name in ["key", "host_key", "wrong_key"] {
            run(Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(peer.path(name)));
        }
        let public = |name: &str| std::fs::read_to_string(peer.path(name)).unwrap();
        peer.write("authorized_keys", &public("key.pub"), 0o644);
        peer.write("known_hosts", &format!("[127.0.0.1]:{port} {}", public("host_key.pub")), 0o644);
        peer.write("log", "", 0o666);
        // OpenSSH takes its files from the password database and not from `HOME`, so ours come by the command line. Each call
        // leaves a line, and the host key is really checked.
        peer.write("calls", "", 0o666);
        let at = |name: &str| peer.path(name).display().to_string();
        peer.write(
            "ssh",
            &format!(
                "#!/bin/sh\necho \"$@\" >>{}\nexec ssh -F none -o UserKnownHostsFile={} -o StrictHostKeyChecking=yes \"$@\"\n",
                at("calls"),
                at("known_hosts")
            ),
            0o755,
        );
        let mut environment = String::new();
        for (variable, name) in [
            ("XDG_RUNTIME_DIR", "x"),
            ("XDG_CONFIG_HOME", "c"),
            ("XDG_CACHE_HOME", "k"),
            ("XDG_DATA_HOME", "d"),
        ] {
            std::fs::create_dir(peer.path(name)).unwrap();
            Self::mode(&peer.path(name), 0o700);
            environment.push_str(&format!(" {variable}={}", at(name)));
        }
        // Without a daemon for logs; it would only be one more to stop.
        std::fs::create_dir(peer.path("c/libvirt")).unwrap();
        peer.write("c/libvirt/qemu.conf", "stdio_handler = \"file\"\n", 0o644);
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\nMaxStartups 100\nSetEnv{environment}\n",
            at("host_key"),
            at("authorized_keys"),
        );
        peer.write("config", &config, 0o644);
        if is_root() && !system {
            // sshd refuses to let into a locked account, unless it runs as that account and cannot know.
            for name in ["host_key", "x", "c", "c/libvirt", "k", "d"] {
                run(Command::new("chown").arg(USER).arg(peer.path(name)));
            }
        }
        peer.listen();
        peer
    }

    /// Starts its SSH server (again).
    pub(crate) fn listen(&mut self) {
        let mut command = if self.system {
            let mut command = Command::new("unshare");
            command.args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "bash",
                "-c",
                SYSTEM,
                "peer",
            ]);
            command.arg(&self.folder);
            command
        } else {
            let mut command = self.as_user("/usr/sbin/sshd");
            command.args(["-D", "-E"]).arg(self.path("log")).arg("-f").arg(self.path("config"));
            command
        };
        self.sshd = Some(command.stdin(Stdio::null()).spawn().expect("runuser is essential"));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "sshd does not listen: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// Cuts it off: no new connections, and the open ones end.
    pub(crate) fn cut_off(&mut self) {
        let Some(mut sshd) = self.sshd.take() else { return };
        if self.system {
            // All processes there end with the first.
            let _ = sshd.kill();
            let _ = sshd.wait();
            return;
        }
        // Runuser may stand before the server. The programs of a connection end with it; a daemon that one of them started does not.
        for pid in descendants(sshd.id()) {
            let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if title.contains("sshd") {
                end(pid);
            }
        }
        let _ = sshd.kill();
        let _ = sshd.wait();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The arguments of each `ssh` that was started to it.
    pub(crate) fn calls(&self) -> String {
        std::fs::read_to_string(self.path("calls")).unwrap()
    }

    /// The connection to its libvirt.
    pub(crate) fn uri(&self) -> String {
        self.uri_with("key")
    }

    /// The same with another key.
    pub(crate) fn uri_with(&self, key: &str) -> String {
        let (user, instance) = if self.system { ("root".to_owned(), "system") } else { (user(), "session") };
        let (port, key, ssh) = (self.port, self.path(key), self.path("ssh"));
        format!(
            "qemu+ssh://{user}@127.0.0.1:{port}/{instance}?keyfile={}&command={}",
            key.display(),
            ssh.display()
        )
    }

    /// Gives its libvirt the pool `default`, which is where disks go then; returns the folder.
    pub(crate) fn disks(&self) -> PathBuf {
        let folder = self.path("d/disks");
        self.virsh(&["pool-create-as", "default", "dir", "--build", "--target", folder.to_str().unwrap()]);
        folder
    }

    /// virsh on that host.
    pub(crate) fn virsh(&self, arguments: &[&str]) -> String {
        run(self.as_user("virsh").args(["-q", "-c", "qemu:///session"]).args(arguments))
    }

    /// Gives the daemon time to notice that a client died, after which it may lock up, and then ends it.
    pub(crate) fn notice_a_death(&self) {
        for _ in 0..3 {
            run(Command::new("sleep").arg("3"));
            if self.end_locked_daemon() {
                break;
            }
        }
    }

    /// Ends a daemon that answers nobody any more, as that host's owner would; whether there was one. libvirtd 11.3 was seen locked up
    /// for good (its main thread waits for a mutex) some time after a client had died in the middle of sending.
    pub(crate) fn end_locked_daemon(&self) -> bool {
        let mut asked = self.as_user("timeout");
        let asked = asked.args(["20", "virsh", "-q", "-c", "qemu:///session", "version"]).output().unwrap();
        if asked.status.success() || !is_root() {
            return false;
        }
        println!("the other host's libvirtd answered nobody, and was ended");
        Command::new("pkill").args(["-KILL", "-u", USER, "libvirtd"]).status().unwrap().success()
    }

    /// Asserts that no machine and no pool is left there.
    pub(crate) fn assert_clean(&self) {
        for list in [["list", "--all", "--name"], ["pool-list", "--all", "--name"]] {
            let left = self.virsh(&list);
            let ours: Vec<_> = left.lines().filter(|line| line.contains("goldsmith-")).collect();
            assert!(ours.is_empty(), "left on the other host: {ours:?}");
        }
    }

    /// A program on that host.
    fn as_user(&self, program: &str) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--", program]);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        for (variable, name) in [
            ("XDG_RUNTIME_DIR", "x"),
            ("XDG_CONFIG_HOME", "c"),
            ("XDG_CACHE_HOME", "k"),
            ("XDG_DATA_HOME", "d"),
        ] {
            command.env(variable, self.path(name));
        }
        command
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        std::fs::write(self.path(name), text).unwrap();
        Self::mode(&self.path(name), mode);
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Processes that were started by `pid`, by those, and so on.
fn descendants(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut found = Vec::new();
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        found.push(child);
        found.extend(descendants(child));
    }
    found
}

fn end(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    // It may be gone already.
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.cut_off();
        // The daemon and what it started have the environment of this host.
        let runtime = format!("XDG_RUNTIME_DIR={}", self.path("x").display());
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|variable| variable == runtime.as_bytes()) {
                end(pid);
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
