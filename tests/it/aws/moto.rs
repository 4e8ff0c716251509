//! moto: a server that plays Amazon's EC2, EBS, S3, SSM and IAM.
use goldsmith::{
    aws::{Account, Aws},
    value::Secret,
};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::LazyLock,
};

/// The Python of the peers.
pub(crate) fn python() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python");
    assert!(path.exists(), "{} is missing: run `make setup-test`", path.display());
    path
}

/// A server of its own; it ends with this value, and with this process.
#[derive(Debug)]
pub(crate) struct Moto {
    child: Child,
    _stdin: ChildStdin,
    port: u16,
}

impl Moto {
    /// Starts one with these variables in its environment.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/aws/serve_moto.py"))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("moto prints its port");
        let stdin = child.stdin.take().unwrap();
        Self { child, _stdin: stdin, port }
    }

    /// Without Amazon's own images, which take it a second to load.
    pub(crate) fn bare() -> Self {
        Self::start(&[("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")])
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes it check no signature of the next `calls` calls, however it was started.
    pub(crate) async fn trust(&self, calls: usize) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let body = calls.to_string();
        let head =
            "POST /moto-api/reset-auth HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ";
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }

    /// For `--endpoint-url`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server that tests share which do not mind each other's images. Names must be a test's own.
pub(crate) fn shared() -> &'static Moto {
    static SHARED: LazyLock<Moto> = LazyLock::new(Moto::bare);
    &SHARED
}

/// Puts credentials that moto takes, and nothing of this host's, into the environment of a command.
pub(crate) fn isolate(command: &mut Command) -> &mut Command {
    command
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_ENDPOINT_URL")
}

/// A session of the library's own, with the same credentials.
pub(crate) async fn session(url: &str) -> Aws {
    let account =
        Account { profile: None, region: Some("us-east-1".to_owned()), endpoint: Some(url.to_owned()) };
    Aws::with_keys(&account, "testing", &Secret::new("testing")).await.unwrap()
}
