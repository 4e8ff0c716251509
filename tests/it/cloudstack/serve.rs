//! `publish cloudstack --serve`: a storage VM that really fetches from this host.
use super::{
    bench::{Bench, result, said},
    checks,
    cloud::Fetches,
    server::Server,
};
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

const SERVE: [&str; 5] = ["web.qcow2", "--zone", "Zone-A", "--serve=127.0.0.1:0", "--json"];

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_fetches_the_file_from_this_host() {
    for how in [Fetches::Whole, Fetches::Parts] {
        let (bench, server) = (Bench::new(), Server::start().await);
        let bytes = bench.image("web.qcow2", 8);
        server.cloud().fetches = Some(how);
        let output = bench.publish(&server, &SERVE);
        let made = result(&output);
        assert_eq!(made["event"], "published");
        assert_eq!((&made["bytes-sent"], &made["checksum-compared"]), (&bytes.len().into(), &true.into()));
        let templates = server.templates();
        assert_eq!(templates.len(), 1);
        assert!(templates[0].bytes == bytes, "{how:?}: other bytes came");
        let param = |name: &str| templates[0].params.get(name).cloned().unwrap_or_default();
        assert!(param("url").starts_with("http://127.0.0.1:") && param("url").ends_with("/web.qcow2"));
        assert_eq!(param("checksum"), format!("{{SHA-256}}{}", made["sha256"].as_str().unwrap()));
        assert_eq!((server.count("getUploadParamsForTemplate"), bench.journals()), (0, 0));
        // How much came is shown, and nobody serves it any more.
        assert!(said(&output).contains("fetched of web.qcow2"), "{}", said(&output));
        let url = url::Url::parse(&param("url")).unwrap();
        assert!(TcpStream::connect(("127.0.0.1", url.port().unwrap())).is_err());
        let (problems, _) = checks::look(&server.calls());
        assert_eq!(problems, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nobody_came_is_said_and_nothing_stays() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    for (how, more) in [(Fetches::Fails, &[][..]), (Fetches::Never, &["--timeout", "4s"])] {
        server.cloud().fetches = Some(how);
        let output = bench.publish(&server, &[&SERVE[..], more].concat());
        assert_ne!(output.status.code(), Some(0));
        // Messages are broken into lines.
        let told = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("nobody ever asked for http://127.0.0.1:"), "{told}");
        assert_eq!((server.templates().len(), bench.journals()), (0, 0), "{told}");
    }
    let output = bench.publish(&server, &["web.qcow2", "--zone", "Zone-A", "--serve=host:80"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_takes_the_template_with_it() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    server.cloud().fetches = Some(Fetches::Never);
    let mut command = bench.command(&server, &["publish", "cloudstack"]);
    let mut child = command.args(SERVE).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while server.templates().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was registered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success());
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
}
