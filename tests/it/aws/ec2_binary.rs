//! The binary on EC2: what it refuses, what a killed build leaves, and what `goldsmith gc` makes of it.
use super::{
    ec2_world::{AMI, definition, left, proxy},
    moto::isolate,
    proxy::{Fate, Proxy},
};
use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The binary in a home of its own, with moto's credentials.
fn goldsmith(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("LANG", "C.UTF-8");
    isolate(&mut command);
    command
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn write(home: &Path, proxy: &Proxy, text: &str) {
    let account = format!("[aws]\nregion = \"us-east-1\"\nendpoint-url = \"{}\"\n", proxy.url());
    std::fs::write(home.join("web.toml"), format!("{text}\n{account}")).unwrap();
}

/// Ids of all builds that asked for an instance.
fn builds(proxy: &Proxy) -> Vec<String> {
    let tokens = proxy.calls().into_iter().filter(|call| call.action() == "RunInstances");
    tokens.filter_map(|call| Some(call.parameter("ClientToken")?.split('-').next()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_never_speaks_is_told_with_its_console_and_removed() {
    let jpeg = "<GetConsoleScreenshotResponse><imageData>/9j/4AAQ</imageData></GetConsoleScreenshotResponse>";
    let proxy = proxy(move |call| {
        (call.action() == "GetConsoleScreenshot").then(|| Fate::Answer(200, jpeg.to_owned()))
    })
    .await;
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let home = tempfile::tempdir().unwrap();
    write(
        home.path(),
        &proxy,
        &definition("ec2-silent", &format!("ssh-port = {port}"), "[guest]\nconnect-timeout = \"3s\""),
    );
    let mut command = goldsmith(home.path());
    command.args(["build", "web.toml"]);
    let out = output(command).await;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    let [build] = builds(&proxy).try_into().unwrap();
    assert_eq!(left(&build).await, [""; 0]);
    let logs = std::fs::read_dir(home.path().join(".local/state/goldsmith/logs")).unwrap().next().unwrap();
    let logs = logs.unwrap().path();
    // moto's console has always the same text.
    assert!(std::fs::read_to_string(logs.join("serial-build.log")).unwrap().contains("Linux version"));
    assert!(std::fs::read(logs.join("screenshot.jpg")).unwrap().starts_with(b"\xff\xd8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_build_leaves_is_removed_by_gc() {
    // Killed while the answer of this call is on its way, or while it waits for the guest.
    let kill_at = ["ImportKeyPair", "CreateSecurityGroup", "RunInstances", "GetConsoleOutput"];
    for action in kill_at {
        let proxy = proxy(move |call| {
            let hit = call.action() == action && action != "GetConsoleOutput";
            // moto does it, but nobody hears of it for a minute.
            hit.then(|| Fate::Hold(Duration::from_secs(60)))
        })
        .await;
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let home = tempfile::tempdir().unwrap();
        write(home.path(), &proxy, &definition("ec2-killed", &format!("ssh-port = {port}"), ""));
        let mut child = goldsmith(home.path())
            .args(["build", "web.toml"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let done = || {
            let calls = proxy.calls();
            match action {
                // Two looks at the instance: it runs, and its address is known.
                "GetConsoleOutput" => {
                    calls.iter().filter(|call| call.action() == "DescribeInstances").count() >= 2
                }
                action => calls.iter().any(|call| call.action() == action),
            }
        };
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(60), "{action} never came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // moto has heard of it by then.
        tokio::time::sleep(Duration::from_millis(500)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let key = proxy.calls().into_iter().find_map(|call| call.parameter("KeyName")).unwrap();
        let build = key.split('-').nth(1).unwrap().to_owned();
        let before = left(&build).await;
        assert!(!before.is_empty(), "{action}: something is there");
        let mut command = goldsmith(home.path());
        command.arg("gc");
        let out = output(command).await;
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{action}: {text}");
        assert_eq!(left(&build).await, [""; 0], "{action}: {before:?} {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ami_is_tested_without_a_definition() {
    let proxy = proxy(|_| None).await;
    let home = tempfile::tempdir().unwrap();
    let test = |arguments: &[&str]| {
        let mut command = goldsmith(home.path());
        command.args(["ami", "test"]).args(arguments).args(["--endpoint-url", &proxy.url()]);
        command
    };
    let out = output(test(&["ami-00000000000000000"])).await;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        !out.status.success() && text.contains("look at the AMI `ami-00000000000000000` in us-east-1"),
        "{text}"
    );
    assert_eq!(builds(&proxy), [""; 0]);
    // Nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command =
        test(&[AMI, "--ssh-port", &closed, "--ssh-from", "192.0.2.1/32", "--instance-type", "t3.nano"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while proxy.calls().iter().filter(|call| call.action() == "DescribeInstances").count() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "it never looked at the instance");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // As Ctrl-C does: it undoes what it made.
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(!status.success());
    let [build] = builds(&proxy).try_into().unwrap();
    assert_eq!(left(&build).await, [""; 0]);
    let run = proxy.calls().into_iter().find(|call| call.action() == "RunInstances").unwrap();
    assert_eq!(run.parameter("InstanceType").as_deref(), Some("t3.nano"));
    assert_eq!(run.parameter("ImageId").as_deref(), Some(AMI));
}

/// Its first argument is the name of the variable with the session; it leads on to where the test listens.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import json, os, socket, sys, threading
if sys.argv[1] == "--version":
    print("1.2.707.0"); sys.exit()
session = json.loads(os.environ[sys.argv[1]])
assert session["TokenValue"] == "very-secret" and "very-secret" not in " ".join(sys.argv)
assert sys.argv[2:5] == ["us-east-1", "StartSession", ""]
assert json.loads(sys.argv[5])["DocumentName"] == "AWS-StartSSHSession"
to = socket.create_connection(("127.0.0.1", int(os.environ["LEADS_TO"])))
def up():
    while data := os.read(0, 4096): to.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := to.recv(4096): os.write(1, data)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn through_the_session_manager_the_plugin_carries_ssh() {
    let proxy = proxy(|call| match call.action().as_str() {
        "StartSession" => Some(Fate::Answer(
            200,
            r#"{"SessionId":"s-1","TokenValue":"very-secret","StreamUrl":"wss://127.0.0.1/none"}"#.to_owned(),
        )),
        "TerminateSession" => Some(Fate::Answer(200, "{}".to_owned())),
        "RunInstances" => Some(Fate::Rewrite(
            // moto wants profiles to exist.
            url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(
                    url::form_urlencoded::parse(&call.body)
                        .filter(|(key, _)| !key.starts_with("IamInstanceProfile")),
                )
                .finish()
                .into_bytes(),
            true,
        )),
        _ => None,
    })
    .await;
    let guest = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = guest.local_addr().unwrap().port();
    let home = tempfile::tempdir().unwrap();
    let text = definition(
        "ec2-ssm",
        "ssh = \"session-manager\"\ninstance-profile = \"agents\"",
        "[guest]\nconnect-timeout = \"20s\"",
    )
    .replace("ssh-from = [\"192.0.2.1/32\"]\n", "");
    write(home.path(), &proxy, &text);
    let without = output({
        let mut command = goldsmith(home.path());
        command.args(["build", "web.toml"]);
        command
    })
    .await;
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(
        said.contains("session-manager-plugin --version") && said.contains("install-plugin.html"),
        "{said}"
    );

    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let plugin = bin.join("session-manager-plugin");
    std::fs::write(&plugin, PLUGIN).unwrap();
    std::fs::set_permissions(&plugin, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = goldsmith(home.path());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    command.args(["build", "web.toml"]).env("PATH", path).env("LEADS_TO", port.to_string());
    let ended = tokio::spawn(output(command));
    let (mut stream, _) =
        tokio::time::timeout(Duration::from_secs(60), guest.accept()).await.unwrap().unwrap();
    // The guest speaks first; what comes back went through the plugin both ways.
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-guest\r\n").await.unwrap();
    let mut hello = [0; 8];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await.unwrap();
    assert_eq!(&hello, b"SSH-2.0-");
    drop((stream, guest));
    let out = ended.await.unwrap();
    assert!(!out.status.success());
    let [build] = builds(&proxy).try_into().unwrap();
    assert_eq!(left(&build).await, [""; 0]);
    let calls = proxy.calls();
    assert!(!calls.iter().any(|call| call.action() == "AuthorizeSecurityGroupIngress"), "nothing is open");
    assert!(calls.iter().any(|call| call.action() == "TerminateSession"), "sessions end");
}
