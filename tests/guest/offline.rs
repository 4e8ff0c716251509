//! A build without a network, from a bundle: the whole process in a network namespace that has nothing but its own loopback.
use crate::support::{Home, Ran, beside, is_root};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Instant,
};

const AGENT: &[u8] = b"#!/bin/sh\necho golden\n";

/// A server of files that remembers who asked.
fn serve(files: BTreeMap<&'static str, &'static [u8]>) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            *count.lock().unwrap() += 1;
            let head = String::from_utf8_lossy(&head).into_owned();
            let (status, body) = match files.get(head.split(' ').nth(1).unwrap_or_default()) {
                Some(body) => ("200 OK", *body),
                None => ("404 Not Found", &b""[..]),
            };
            let body_sent = if head.starts_with("HEAD") { &b""[..] } else { body };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _gone = stream.write_all(&[answer.as_bytes(), body_sent].concat());
        }
    });
    (base, asked)
}

/// A small Debian: no cloud-init, one package by apt in the guest, a file that the guest is to fetch, and a look around.
fn definition(base: &str) -> String {
    let digest = {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(AGENT))
    };
    format!(
        r#"name = "air-gap"
arch = "x86_64"

[source.bootstrap]
suite = "bookworm"
mirror = "host"
kernel = "linux-image-cloud-amd64"
cloud-init = false

[machine]
firmware = "bios"
memory = "1GiB"
disk = "3GiB"

[[provision]]
package.install = ["tree"]

[[provision]]
download = {{ url = "{base}/agent", digest = "sha256:{digest}", dest = "/usr/local/bin/agent", mode = "0755", via = "guest" }}

[[provision]]
name = "look around"
[provision.shell]
run = """
test -z "$(ip route show default)" || {{ echo 'there is a way out'; exit 1; }}
if /usr/lib/apt/apt-helper download-file http://elsewhere.example.com/plain /tmp/plain; then echo 'plain came'; exit 1; fi
if /usr/lib/apt/apt-helper download-file https://elsewhere.example.com/tls /tmp/tls; then echo 'tls came'; exit 1; fi
test -s /var/lib/goldsmith-offline/ca.pem
"""

[[output]]
format = "qcow2"

[verify]
commands = ["test \"$(agent)\" = golden", "command -v tree", "! test -e /var/lib/goldsmith-offline", "! grep -rs goldsmith /etc/apt"]
"#
    )
}

/// Runs goldsmith where there is no network but a loopback of its own.
fn alone(home: &Home, arguments: &[&str]) -> Ran {
    let inner = home.command();
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    command.args(["--net", "--", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    command.arg(inner.get_program()).args(inner.get_args()).args(arguments);
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // The proxies of this host are in its network.
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    command.current_dir(&home.root);
    Ran::of(command, arguments)
}

#[test]
fn an_image_is_built_from_a_bundle_where_there_is_no_network() {
    let _turn = beside();
    let home = Home::new("offline");
    // What an earlier run left is no help: all must come out of the bundle.
    let fresh = |folder: &str| {
        let _not_there = std::fs::remove_dir_all(home.root.join(folder));
    };
    let (base, asked) = serve(BTreeMap::from([("/agent", AGENT)]));
    let image = home.definition("air-gap", &definition(&base));
    let bundle = home.root.join("site.bundle");
    let _not_there = std::fs::remove_file(&bundle);
    let start = Instant::now();
    let made = home.run(&["bundle", "create", path(&image), "-o", path(&bundle)]).expect_code(0);
    println!(
        "bundle of {} bytes after {:?}: {}",
        bundle.metadata().unwrap().len(),
        start.elapsed(),
        made.stderr()
    );
    // The same bundle with one input removed.
    let less = home.root.join("less.bundle");
    let _not_there = std::fs::remove_file(&less);
    let listed = home.run(&["inputs", "--json", path(&image)]).expect_code(0);
    let mut list: serde_json::Value = serde_json::from_slice(&listed.output.stdout).unwrap();
    let files = list["files"].as_array_mut().unwrap();
    let all = files.len();
    files.retain(|file| !file["url"].as_str().unwrap().contains("/tree_"));
    assert_eq!(files.len(), all - 1, "one package");
    let rest = home.root.join("less.json");
    std::fs::write(&rest, list.to_string()).unwrap();
    home.run(&["bundle", "create", "--list", path(&rest), "-o", path(&less)]).expect_code(0);
    fresh("cache");
    let before = *asked.lock().unwrap();
    assert!(before > 0, "the file was collected");

    // It is told before anything is made.
    let arguments = ["build", "--offline", "--bundle", path(&less), path(&image)];
    let refused = alone(&home, &arguments).expect_code(3);
    refused.expect_stderr(&[
        "missing from",
        "less.bundle",
        "1 file:",
        "/tree_",
        "air-gap.toml:",
        "goldsmith bundle create",
    ]);
    assert!(!home.out().join("air-gap.qcow2").exists());
    home.assert_clean("the refused build");

    let arguments = ["--json", "build", "--offline", "--bundle", path(&bundle), path(&image)];
    let built = alone(&home, &arguments).expect_code(0);
    let events = String::from_utf8_lossy(&built.output.stdout).into_owned();
    for needed in [
        "2 addresses were asked for that no bundle has: `http://elsewhere.example.com/plain`, `https://elsewhere.example.com/tls`",
        "no proxy of the build is left",
        "package `tree` is installed",
        "`/usr/local/bin/agent` is what was downloaded",
    ] {
        assert!(events.contains(needed), "{needed} is not in\n{events}");
    }
    assert!(home.out().join("air-gap.qcow2").exists());
    assert_eq!(*asked.lock().unwrap(), before, "nobody asked the server again");
    home.assert_clean("the offline build");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
