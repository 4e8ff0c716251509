//! The proxy against curl and apt, which are what asks it.
use super::*;
use crate::fetch::{AllowedHost, Fetcher, Gate, tests_stock::Shelf};
use std::{process::Command as Process, sync::Arc};

static LONG: [u8; 700_000] = [7; 700_000];

/// A proxy over a shelf, and a folder with its certificate.
async fn proxy(shelf: Shelf, hosts: Vec<AllowedHost>) -> (Proxy, Arc<Fetcher>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::closed(vec![Arc::new(shelf)], hosts);
    let fetcher = Arc::new(Fetcher::new(folder.path().join("cache")).behind(gate));
    let proxy = Proxy::start(Arc::clone(&fetcher)).await.unwrap();
    std::fs::write(folder.path().join("ca.pem"), proxy.detour().ca).unwrap();
    (proxy, fetcher, folder)
}

/// curl through the proxy: what it printed, head included, and its exit code.
async fn curl(proxy: &Proxy, folder: &tempfile::TempDir, arguments: &[&str]) -> (i32, String) {
    let mut command = Process::new("curl");
    command
        .args([
            "-sS",
            "-i",
            "--max-time",
            "20",
            "-x",
            &format!("http://{}", proxy.detour().proxy),
            "--cacert",
        ])
        .arg(folder.path().join("ca.pem"))
        .args(arguments)
        .env_remove("no_proxy")
        .env_remove("NO_PROXY");
    let out = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    (out.status.code().unwrap(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_schemes_are_answered_from_what_is_collected() {
    let shelf = Shelf::of(&[
        ("http://deb.example.com/a?x=1", b"0123456789"),
        ("https://get.example.com/b", b"secure"),
        ("https://get.example.com:8443/c", b"port"),
        ("https://10.1.2.3/d", b"number"),
        ("http://deb.example.com/long", &LONG),
    ]);
    let (proxy, fetcher, folder) = proxy(shelf, Vec::new()).await;
    let plain = curl(&proxy, &folder, &["http://deb.example.com/a?x=1"]).await.1;
    assert!(plain.starts_with("HTTP/1.1 200 OK\r\n") && plain.ends_with("\r\n\r\n0123456789"), "{plain}");
    for (url, body) in [
        ("https://get.example.com/b", "secure"),
        ("https://get.example.com:8443/c", "port"),
        ("https://10.1.2.3/d", "number"),
    ] {
        let (code, text) = curl(&proxy, &folder, &[url]).await;
        assert!(code == 0 && text.ends_with(&format!("\r\n\r\n{body}")), "{url}: {text}");
    }
    let part = curl(&proxy, &folder, &["-r", "2-4", "http://deb.example.com/a?x=1"]).await.1;
    assert!(part.starts_with("HTTP/1.1 206 ") && part.contains("content-range: bytes 2-4/10\r\n"), "{part}");
    assert!(part.ends_with("\r\n\r\n234"), "{part}");
    let beyond = curl(&proxy, &folder, &["-r", "10-", "http://deb.example.com/a?x=1"]).await.1;
    assert!(beyond.starts_with("HTTP/1.1 416 "), "{beyond}");
    let head = curl(&proxy, &folder, &["-I", "http://deb.example.com/a?x=1"]).await.1;
    assert!(head.contains("content-length: 10\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let date = head.lines().find_map(|line| line.strip_prefix("last-modified: ")).unwrap().to_owned();
    let again = |date: String| format!("If-Modified-Since: {date}");
    let same = curl(&proxy, &folder, &["-H", &again(date.clone()), "http://deb.example.com/a?x=1"]).await.1;
    assert!(same.starts_with("HTTP/1.1 304 "), "{same}");
    let newer = again("Sun, 01 Jan 2040 00:00:00 GMT".into());
    let other = curl(&proxy, &folder, &["-H", &newer, "http://deb.example.com/a?x=1"]).await.1;
    assert!(other.starts_with("HTTP/1.1 200 "), "a later date is no proof: {other}");
    let rest = ["-r", "2-", "-H", "If-Range: \"another\"", "http://deb.example.com/a?x=1"];
    assert!(curl(&proxy, &folder, &rest).await.1.starts_with("HTTP/1.1 200 "));
    let file = folder.path().join("long");
    let long = ["-o", file.to_str().unwrap(), "http://deb.example.com/long"];
    let mut plain = long.to_vec();
    plain.push("--no-include");
    assert_eq!(curl(&proxy, &folder, &plain).await.0, 0);
    assert_eq!(std::fs::read(&file).unwrap(), &LONG[..]);
    assert!(fetcher.gate().take_refused().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_else_is_refused_and_remembered() {
    let (proxy, fetcher, folder) = proxy(Shelf::of(&[("http://deb.example.com/a", b"a")]), Vec::new()).await;
    for url in ["http://deb.example.com/b?token=x", "https://other.example.com/c"] {
        let (code, text) = curl(&proxy, &folder, &[url]).await;
        assert!(code == 0 && text.contains("HTTP/1.1 403 Goldsmith Is Offline"), "{url}: {text}");
    }
    // What an archive may have or not.
    let optional = "http://deb.example.com/dists/x/main/i18n/Translation-de.xz";
    assert!(curl(&proxy, &folder, &[optional]).await.1.starts_with("HTTP/1.1 404 "));
    assert!(
        curl(&proxy, &folder, &["-X", "POST", "http://deb.example.com/a"])
            .await
            .1
            .starts_with("HTTP/1.1 405 ")
    );
    assert_eq!(fetcher.gate().take_refused(), ["http://deb.example.com/b", "https://other.example.com/c"]);
    // It is no server of its own.
    let direct =
        Process::new("curl").args(["-sS", "-i", &format!("http://{}/a", proxy.detour().proxy)]).output();
    assert!(String::from_utf8_lossy(&direct.unwrap().stdout).starts_with("HTTP/1.1 400 "));
    let address = proxy.detour().proxy;
    drop(proxy);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it ends with the value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_collection_ends_the_answer_early() {
    let mut shelf = Shelf::of(&[("http://deb.example.com/long", &LONG)]);
    shelf.broken = true;
    let (proxy, _fetcher, folder) = proxy(shelf, Vec::new()).await;
    let (code, _) = curl(&proxy, &folder, &["-o", "/dev/null", "http://deb.example.com/long"]).await;
    assert_ne!(code, 0, "a file that is cut off must not pass for whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_hosts_are_asked_and_may_not_send_elsewhere() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let n = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..n]).to_ascii_lowercase();
            let answer = if head.contains("/away") {
                "HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example.com/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            } else if head.contains("range: bytes=1-") {
                "HTTP/1.1 206 Partial\r\ncontent-range: bytes 1-3/4\r\ncontent-length: 3\r\nconnection: close\r\n\r\nite"
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-odd: 1\r\nconnection: close\r\n\r\nsite"
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let (proxy, fetcher, folder) = proxy(Shelf::default(), vec![host.to_string().parse().unwrap()]).await;
    // curl leaves proxies out for the loopback unless it is told otherwise.
    let ask = |path: &str| format!("http://{host}{path}");
    let whole = curl(&proxy, &folder, &["--noproxy", "none.example", &ask("/x")]).await.1;
    assert!(whole.ends_with("\r\n\r\nsite") && !whole.contains("x-odd"), "{whole}");
    let part = curl(&proxy, &folder, &["--noproxy", "none.example", "-r", "1-", &ask("/x")]).await.1;
    assert!(part.starts_with("HTTP/1.1 206 ") && part.ends_with("ite"), "{part}");
    let away = curl(&proxy, &folder, &["--noproxy", "none.example", &ask("/away")]).await.1;
    assert!(away.starts_with("HTTP/1.1 403 "), "{away}");
    assert_eq!(fetcher.gate().take_refused(), ["http://elsewhere.example.com/x"]);
    let cx = crate::cx::tests_support::cx();
    let site: url::Url = ask("/x").parse().unwrap();
    assert_eq!(fetcher.small(&cx, &site, 100).await.unwrap(), b"site");
    let away: url::Url = ask("/away").parse().unwrap();
    let error = fetcher.small(&cx, &away, 100).await.unwrap_err();
    let mut said = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = next {
        said.push_str(&format!("{error}; "));
        next = error.source();
    }
    assert!(said.contains("goldsmith is offline") && said.contains("elsewhere.example.com"), "{said}");
}
