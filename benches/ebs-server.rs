//! A server that takes EBS blocks as fast as it can read them, each after a stated time: for `ebs-vs-coldsnap.sh`.
//!
//!   rustc -O --edition 2024 benches/ebs-server.rs -o ebs-server && ./ebs-server 100
//!
//! Its argument is the time from the last byte of a call to its answer, in milliseconds. It prints its port, and ends with its standard
//! input. It keeps nothing, and answers just enough for an upload and the registration of an AMI; moto is what proves correctness.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

fn main() {
    let late = Duration::from_millis(std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    println!("{}", listener.local_addr().expect("it is bound").port());
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    for stream in listener.incoming().flatten() {
        // A connection that breaks is its client's business.
        thread::spawn(move || drop(serve(stream, late)));
    }
}

fn serve(stream: TcpStream, late: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::with_capacity(1 << 20, stream);
    let mut body = Vec::new();
    loop {
        let (mut first, mut length, mut checksum, mut expects) = (String::new(), 0, String::new(), false);
        if input.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "x-amz-checksum" => checksum = value.trim().to_owned(),
                "expect" => expects = true,
                _ => {}
            }
        }
        if expects {
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        body.resize(length, 0);
        input.read_exact(&mut body)?;
        thread::sleep(late);
        let path = first.split(' ').nth(1).unwrap_or_default();
        let (status, headers, text) = answer(path, &body, &checksum);
        write!(out, "HTTP/1.1 {status} OK\r\nContent-Length: {}\r\n{headers}\r\n{text}", text.len())?;
    }
}

fn answer(path: &str, body: &[u8], checksum: &str) -> (u16, String, String) {
    let json = "Content-Type: application/json\r\n".to_owned();
    if path.contains("/blocks/") {
        let echo = format!("{json}x-amz-Checksum: {checksum}\r\nx-amz-Checksum-Algorithm: SHA256\r\n");
        return (201, echo, "{}".to_owned());
    }
    if path.contains("/completion/") {
        return (202, json, r#"{"Status":"completed"}"#.to_owned());
    }
    if path == "/snapshots" {
        let text = r#"{"SnapshotId":"snap-0123456789abcdef0","Status":"pending","VolumeSize":1,"BlockSize":524288}"#;
        return (201, json, text.to_owned());
    }
    let said = String::from_utf8_lossy(body);
    let text = if said.contains("Action=DescribeSnapshots") {
        "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-0123456789abcdef0</snapshotId>\
         <status>completed</status></item></snapshotSet></DescribeSnapshotsResponse>"
    } else if said.contains("Action=DescribeImages") && said.contains("ImageId.1=") {
        "<DescribeImagesResponse><imagesSet><item><imageId>ami-1</imageId><imageState>available</imageState></item>\
         </imagesSet></DescribeImagesResponse>"
    } else if said.contains("Action=DescribeImages") {
        "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>"
    } else if said.contains("Action=RegisterImage") {
        "<RegisterImageResponse><imageId>ami-1</imageId></RegisterImageResponse>"
    } else {
        "<Response><return>true</return></Response>"
    };
    (200, "Content-Type: text/xml\r\n".to_owned(), text.to_owned())
}
