//! `goldsmith cloudstack download` against our cloud.
use super::{
    bench::{Bench, result, said},
    cloud::Fate,
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_template_comes_back_as_it_went() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let bytes = bench.image("web.qcow2", 8);
    result(&bench.publish(&server, &["web.qcow2", "--zone", "Zone-A", "--extractable", "--json"]));
    server.fault("extractTemplate", Fate::JobTakes(3));
    let download = ["cloudstack", "download", "WEB", "-o", "back.qcow2", "--json"];
    let made = result(&bench.command(&server, &download).output().unwrap());
    assert_eq!((&made["event"], &made["checksum-compared"]), (&"downloaded".into(), &true.into()));
    assert!(std::fs::read(bench.path("back.qcow2")).unwrap() == bytes);
    assert_eq!(bench.journals(), 0);

    server.cloud().templates[0].told_checksum = Some("0".repeat(64));
    let download = ["cloudstack", "download", "web", "-o", "other.qcow2"];
    let output = bench.command(&server, &download).output().unwrap();
    assert!(
        output.status.code() == Some(1) && said(&output).contains("0000 is told of it"),
        "{}",
        said(&output)
    );
    server.cloud().templates[0].params.insert("isextractable".into(), "false".into());
    let output = bench.command(&server, &download).output().unwrap();
    assert!(output.status.code() == Some(1) && said(&output).contains("--extractable"), "{}", said(&output));
    let left: Vec<_> =
        std::fs::read_dir(bench.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().contains("goldsmith-") || name == "other.qcow2"),
        "{left:?}"
    );
}
