//! Runs the binary in a home of its own and looks for what it leaves.
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc},
    time::{Duration, Instant},
};

/// The user as whom root's tests run goldsmith without privileges; `scripts/setup.sh test` adds it.
pub(crate) const ORDINARY_USER: &str = "goldsmith-test";

/// One guest seldom keeps two cores busy, so two tests run at once. Those that start several guests, or that give a guest little time,
/// have the machine for themselves.
static MACHINE: RwLock<()> = RwLock::new(());

/// For the length of a test beside others.
pub(crate) fn beside() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// For the length of a test that has the machine for itself.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Folder of everything that this run of the tests makes. Removed at the end by whoever started the tests; named so that it is
/// easy to find.
pub(crate) fn playground() -> &'static Path {
    static PLAYGROUND: OnceLock<PathBuf> = OnceLock::new();
    PLAYGROUND.get_or_init(|| {
        // Leftovers of an earlier run that was killed would only fill the disk.
        let path = std::env::temp_dir().join("gs-tests");
        if !reuse() {
            let _ = std::fs::remove_dir_all(&path);
        }
        std::fs::create_dir_all(&path).unwrap();
        open_to_all(&path);
        let binary = path.join("goldsmith");
        std::fs::copy(env!("CARGO_BIN_EXE_goldsmith"), &binary).unwrap();
        open_to_all(&binary);
        path
    })
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// For whoever works on these tests: `GOLDSMITH_TEST_REUSE=1` takes the demo's image from the last run.
fn reuse() -> bool {
    std::env::var_os("GOLDSMITH_TEST_REUSE").is_some()
}

/// The folders of one goldsmith installation, and the user who owns it.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) root: PathBuf,
    user: Option<&'static str>,
}

impl Home {
    pub(crate) fn new(name: &str) -> Self {
        let root = playground().join(name);
        std::fs::create_dir_all(&root).unwrap();
        open_to_all(&root);
        Self { root, user: None }
    }

    /// A home of an ordinary user. When the tests run as one, that is us.
    pub(crate) fn ordinary(name: &str) -> Self {
        let mut home = Self::new(name);
        if is_root() {
            let status = Command::new("chown")
                .arg(ORDINARY_USER)
                .arg(&home.root)
                .status()
                .expect("chown is essential");
            assert!(status.success(), "the user {ORDINARY_USER} is missing: run scripts/setup.sh test");
            home.user = Some(ORDINARY_USER);
        }
        home
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// Writes a definition into the home.
    pub(crate) fn definition(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The binary, in this home, as its user.
    pub(crate) fn command(&self) -> Command {
        let binary = playground().join("goldsmith");
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command
            .current_dir(&self.root)
            .env("HOME", &self.root)
            .env("GOLDSMITH_STATE_DIR", self.root.join("s"))
            .env("GOLDSMITH_CACHE_DIR", self.root.join("cache"))
            .env("XDG_RUNTIME_DIR", self.root.join("x"))
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .env("TMPDIR", self.tmp())
            .env_remove("GOLDSMITH_WORK_DIR");
        command
    }

    /// `TMPDIR` of the home: must be empty in the end as well.
    fn tmp(&self) -> PathBuf {
        let tmp = self.root.join("t");
        if !tmp.exists() {
            std::fs::create_dir_all(&tmp).unwrap();
            let runtime = self.root.join("x");
            std::fs::create_dir_all(&runtime).unwrap();
            for folder in [&tmp, &runtime] {
                if let Some(user) = self.user {
                    assert!(Command::new("chown").arg(user).arg(folder).status().unwrap().success());
                }
                std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
            }
        }
        tmp
    }

    /// Runs goldsmith to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(arguments);
        Ran::of(command, arguments)
    }

    /// Starts `goldsmith --json …` and reads its events.
    pub(crate) fn start(&self, arguments: &[&str]) -> Building {
        let stderr = std::fs::File::create(self.root.join("stderr.txt")).unwrap();
        let mut child = self
            .command()
            .arg("--json")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().unwrap();
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("not JSON: {error}: {line}"));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Building { child, events, seen: Vec::new(), stderr: self.root.join("stderr.txt") }
    }

    /// Ends the libvirt daemons that the client library started for this home; they would end by themselves in two minutes.
    pub(crate) fn stop_session_daemons(&self) {
        let needle = format!("XDG_RUNTIME_DIR={}", self.root.join("x").display());
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
            let command = String::from_utf8_lossy(&read("cmdline")).into_owned();
            let daemon = ["virtqemud", "libvirtd", "virtlogd"].iter().any(|name| command.contains(name));
            if daemon
                && read("environ").split(|byte| *byte == 0).any(|variable| variable == needle.as_bytes())
            {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
    }

    /// No process, no journal, no temporary file. Logs may stay.
    pub(crate) fn assert_clean(&self, case: &str) {
        let mut wrong = Vec::new();
        for folder in ["s/journal", "s/run", "cache/work", "t"] {
            let mut names = names(&self.root.join(folder));
            // What libvirt knows about QEMU; a cache, kept for the next build.
            names.retain(|name| folder != "s/run" || name != "capabilities");
            if !names.is_empty() {
                wrong.push(format!("{folder}: {names:?}"));
            }
        }
        for name in names(&self.out()).iter().filter(|name| name.starts_with('.')) {
            wrong.push(format!("out: {name}"));
        }
        // Other homes may have longer names.
        let needle = self.root.display().to_string();
        let ours = |line: &str| {
            line.split(&needle)
                .skip(1)
                .any(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        };
        let strays: Vec<String> = processes().into_iter().filter(|line| ours(line)).collect();
        if !strays.is_empty() {
            wrong.push(format!("processes: {strays:#?}"));
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        wrong.extend(mounts.lines().filter(|line| ours(line)).map(|line| format!("mount: {line}")));
        assert!(wrong.is_empty(), "{case} left behind:\n{}", wrong.join("\n"));
    }
}

/// Command lines of all processes but our own and those that only look.
fn processes() -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        if let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) {
            lines.push(format!("{pid} {}", String::from_utf8_lossy(&bytes).replace('\0', " ")));
        }
    }
    lines
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: Output,
    arguments: String,
}

impl Ran {
    /// Runs `command`, which is goldsmith with `arguments`, to its end.
    pub(crate) fn of(mut command: Command, arguments: &[&str]) -> Self {
        let start = Instant::now();
        let output = command.stdin(Stdio::null()).output().expect("the binary starts");
        let ran = Self { output, arguments: arguments.join(" ") };
        println!(
            "goldsmith {}: {} after {:.0} s",
            ran.arguments,
            ran.output.status,
            start.elapsed().as_secs_f64()
        );
        ran
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.output.status.code(),
            Some(code),
            "goldsmith {}\n--- stdout\n{}\n--- stderr\n{}",
            self.arguments,
            String::from_utf8_lossy(&self.output.stdout),
            self.stderr()
        );
        self
    }

    #[track_caller]
    pub(crate) fn expect_stderr(self, words: &[&str]) -> Self {
        let stderr = self.stderr();
        for word in words {
            assert!(stderr.contains(word), "goldsmith {}: no {word:?} in\n{stderr}", self.arguments);
        }
        self
    }
}

/// A running build.
#[derive(Debug)]
pub(crate) struct Building {
    pub(crate) child: Child,
    events: mpsc::Receiver<Value>,
    pub(crate) seen: Vec<Value>,
    stderr: PathBuf,
}

impl Building {
    /// Reads events until one fits.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, limit: Duration, fits: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    let found = fits(&event);
                    self.seen.push(event);
                    if found {
                        return;
                    }
                }
                Err(error) => panic!(
                    "never saw {what} ({error}); last events: {:#?}\n{}",
                    self.seen.iter().rev().take(5).collect::<Vec<_>>(),
                    std::fs::read_to_string(&self.stderr).unwrap_or_default()
                ),
            }
        }
    }

    #[track_caller]
    pub(crate) fn wait_for_stage(&mut self, stage: &str) {
        self.wait_for(&format!("stage {stage}"), Duration::from_secs(600), |event| {
            event["event"] == "stage-started" && event["stage"] == stage
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Kills goldsmith itself, also when `runuser` stands between us and it.
    pub(crate) fn kill_goldsmith(&self) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let child = std::fs::read_to_string(children).unwrap();
        let target = match child.split_whitespace().next() {
            Some(pid) if is_root() => pid.parse().unwrap(),
            _ => i32::try_from(self.child.id()).unwrap(),
        };
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(target), Signal::SIGKILL).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            while let Ok(event) = self.events.try_recv() {
                self.seen.push(event);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                while let Ok(event) = self.events.recv_timeout(Duration::from_millis(200)) {
                    self.seen.push(event);
                }
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        panic!(
            "the build did not end within {limit:?}\n{}",
            std::fs::read_to_string(&self.stderr).unwrap_or_default()
        );
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The base image that the tests share: the demo's own qcow2, built and proved once.
pub(crate) fn base() -> &'static Demo {
    static BASE: OnceLock<Demo> = OnceLock::new();
    BASE.get_or_init(Demo::build)
}

/// The demo build and what it delivered.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) home: Home,
    /// Its run; `None` when the image is an earlier run's.
    pub(crate) ran: Option<Ran>,
}

impl Demo {
    fn build() -> Self {
        let home = Home::new("demo");
        if reuse() && home.out().join("debian-12.qcow2").exists() {
            return Self { home, ran: None };
        }
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/debian-12.toml");
        let ran = home.run(&["build", example]).expect_code(0);
        Self { home, ran: Some(ran) }
    }

    pub(crate) fn qcow2(&self) -> PathBuf {
        self.home.out().join("debian-12.qcow2")
    }

    pub(crate) fn result(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.home.out().join("result.json")).unwrap()).unwrap()
    }
}

/// A definition over the base image, with more of your own.
pub(crate) fn over_base(name: &str, machine: &str, rest: &str) -> String {
    format!(
        "name = \"{name}\"\n[source.disk]\npath = \"{}\"\n[machine]\nmemory = \"1GiB\"\ndisk = \"5GiB\"\n{machine}\n{rest}\n",
        base().qcow2().display()
    )
}

/// Runs a program of the host and returns its output.
#[track_caller]
pub(crate) fn tool(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; run scripts/setup.sh test"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
