//! A storage VM that really fetches what is registered.
use super::cloud::{Cloud, Fetches};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Mutex,
    time::Duration,
};

/// What a storage VM does with a registered template, a moment later.
#[allow(clippy::disallowed_methods, reason = "it is a thread of its own, that nobody interrupts")]
pub(super) fn fetch(cloud: &Mutex<Cloud>, id: &str, url: &str, how: Fetches) {
    if how == Fetches::Never {
        return;
    }
    std::thread::sleep(Duration::from_millis(200));
    let head = ask(url, "HEAD", "");
    let length: usize = header(&head.0, "content-length").parse().unwrap();
    assert!(head.1.is_empty(), "HEAD has no body");
    let bytes = if how == Fetches::Whole {
        ask(url, "GET", "").1
    } else {
        let middle = length / 2;
        let one = ask(url, "GET", &format!("Range: bytes=0-{}\r\n", middle - 1));
        let two = ask(url, "GET", &format!("Range: bytes={middle}-\r\n"));
        assert!(one.0.starts_with("HTTP/1.1 206 ") && two.0.starts_with("HTTP/1.1 206 "));
        [one.1, two.1].concat()
    };
    assert_eq!(bytes.len(), length);
    cloud.lock().unwrap().arrived(id, bytes).unwrap();
}

/// Head and body of an answer.
fn ask(url: &str, method: &str, more: &str) -> (String, Vec<u8>) {
    let url = url::Url::parse(url).unwrap();
    let mut stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).unwrap();
    write!(stream, "{method} {} HTTP/1.1\r\nHost: here\r\n{more}\r\n", url.path()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("{head}")).split_once(':').unwrap().1.trim().to_owned()
}
