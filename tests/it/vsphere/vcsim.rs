//! A vCenter for tests: starts `target/peers/vcsim`, and knows its admin door and its trace.
#![allow(dead_code, reason = "some of it is for tests that come with the client")]
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

/// The Python of the peers.
pub(crate) fn python() -> PathBuf {
    peer("bin/python")
}

fn peer(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(name);
    assert!(path.exists(), "{} is missing: run `make setup-test`", path.display());
    path
}

/// What it prints when it is ready.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ready {
    url: String,
    admin: String,
    ca: PathBuf,
    thumbprint_sha1: String,
    thumbprint_sha256: String,
    datastore: PathBuf,
    trace: PathBuf,
    user: String,
    password: String,
}

/// One request with its answer, as the trace has it. The bytes of disks and files are counted only.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Exchange {
    /// Requests are numbered as they come, and stand in the trace as they end.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// The name of a SOAP call, or nothing.
    #[serde(default)]
    pub(crate) soap: String,
    /// The object that was called: `VirtualMachine:vm-12`.
    #[serde(default)]
    pub(crate) object: String,
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    /// Of the request's body.
    pub(crate) bytes: u64,
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) answer: String,
    /// Bytes of the answer's body.
    pub(crate) sent: u64,
    /// Which trouble a test asked for.
    #[serde(default)]
    pub(crate) fault: String,
}

/// A lease on a machine, as the fixture knows it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Lease {
    pub(crate) vm: String,
    pub(crate) state: String,
    pub(crate) imports: bool,
    /// Every percentage that was told.
    pub(crate) progress: Vec<i32>,
}

/// A vCenter of its own; it ends with this value, and with this process.
#[derive(Debug)]
pub(crate) struct Vcsim {
    child: Child,
    stdin: Option<ChildStdin>,
    ready: Ready,
}

impl Vcsim {
    /// Starts one with these options (tests/vcsim/main.go): `-api`, `-vm 1`, `-lease-timeout 2s`, `-lease-host`.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut child = Command::new(peer("vcsim"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).expect("vcsim says how it is reached");
        let stdin = child.stdin.take();
        Self { child, stdin, ready }
    }

    /// `https://127.0.0.1:PORT`, without a path.
    pub(crate) fn url(&self) -> &str {
        &self.ready.url
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> &str {
        self.ready.url.trim_start_matches("https://")
    }

    /// The admin door: `127.0.0.1:PORT`.
    pub(crate) fn admin(&self) -> &str {
        self.ready.admin.trim_start_matches("http://")
    }

    /// A PEM file with its certificate, which is its own authority.
    pub(crate) fn ca(&self) -> &Path {
        &self.ready.ca
    }

    /// Of the certificate: `AA:BB:...`.
    pub(crate) fn thumbprint_sha1(&self) -> &str {
        &self.ready.thumbprint_sha1
    }

    /// Of the certificate: `AA:BB:...`.
    pub(crate) fn thumbprint_sha256(&self) -> &str {
        &self.ready.thumbprint_sha256
    }

    pub(crate) fn user(&self) -> &str {
        &self.ready.user
    }

    pub(crate) fn password(&self) -> &str {
        &self.ready.password
    }

    /// The folder that holds the files of the datastore `LocalDS_0`.
    pub(crate) fn datastore(&self) -> &Path {
        &self.ready.datastore
    }

    /// The trace's file: JSON lines.
    pub(crate) fn trace_file(&self) -> &Path {
        &self.ready.trace
    }

    /// What was requested so far, in the order in which it came.
    pub(crate) fn trace(&self) -> Vec<Exchange> {
        let text = std::fs::read_to_string(&self.ready.trace).unwrap();
        // The last line may be in the making.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut trace: Vec<Exchange> =
            whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        trace.sort_by_key(|one| one.number);
        trace
    }

    /// The SOAP calls of a name so far.
    pub(crate) fn calls(&self, name: &str) -> Vec<Exchange> {
        self.trace().into_iter().filter(|one| one.soap == name).collect()
    }

    /// Asks for trouble (tests/vcsim/faults.go): `json!({"match": "CreateVM_Task", "task": {"type": "NoDiskSpace"}})`.
    pub(crate) fn fault(&self, rule: &Value) {
        self.ask("POST", "/fixture/faults", rule);
    }

    /// How many requests are still to get trouble.
    pub(crate) fn faults_left(&self) -> u64 {
        self.ask("GET", "/fixture/faults", &Value::Null)["left"].as_u64().unwrap()
    }

    /// Forgets the trouble that did not happen yet.
    pub(crate) fn forget_faults(&self) {
        self.ask("DELETE", "/fixture/faults", &Value::Null);
    }

    /// Ends all sessions, of SOAP and of REST.
    pub(crate) fn expire(&self) {
        self.ask("POST", "/fixture/expire", &json!({}));
    }

    /// Brings the leases that are held into their error state; says how many those were.
    pub(crate) fn fail_leases(&self, message: &str) -> u64 {
        self.ask("POST", "/fixture/lease", &json!({"message": message}))["failed"].as_u64().unwrap()
    }

    /// All leases so far.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        serde_json::from_value(self.ask("GET", "/fixture/leases", &Value::Null)).unwrap()
    }

    /// Gives a machine (its name or id) the bytes that an export of a disk of it serves.
    pub(crate) fn disk(&self, vm: &str, disk: usize, file: &Path) {
        self.ask("POST", "/fixture/disk", &json!({"vm": vm, "disk": disk, "path": file}));
    }

    /// Makes a machine's guest (its name or id, or `*` for those that are powered on from now) tell an address after a time.
    pub(crate) fn guest(&self, vm: &str, ip: &str, after: Duration) {
        let after = u64::try_from(after.as_millis()).unwrap();
        self.ask("POST", "/fixture/guest", &json!({"vm": vm, "ip": ip, "after_ms": after}));
    }

    /// Takes these privileges from its user, by the type of object; all others are held.
    pub(crate) fn deny(&self, privileges: &Value) {
        self.ask("POST", "/fixture/deny", privileges);
    }

    /// How often each SOAP method and each address was requested.
    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.ask("GET", "/fixture/counters", &Value::Null)).unwrap()
    }

    /// One request at the admin door, which is plain HTTP.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let host = self.admin();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(host).unwrap();
        // In one piece: who answers before all of it is there resets the connection.
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        // It removes its folder when its standard input ends.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// The one that tests share which do not mind each other's objects. Names must be a test's own.
pub(crate) fn shared() -> &'static Vcsim {
    static SHARED: LazyLock<Vcsim> = LazyLock::new(|| Vcsim::start(&[]));
    &SHARED
}
