//! Trouble with a cloud: no way of failing leaves anything there, and what helps is tried.
use super::{
    bench::{Bench, result, said},
    checks::check,
    cloud::{Fate, Sent},
    server::Server,
};
use serde_json::json;
use std::{
    process::Stdio,
    time::{Duration, Instant},
};
use test_case::test_case;

const WEB: [&str; 4] = ["web.qcow2", "--zone", "Zone-A", "--json"];

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_cloud_is_asked_again() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    server
        .fault("listZones", Fate::Refuse(429, "The given user has reached his/her account api limit".into()));
    server.fault("listZones", Fate::Answer(503, "<html>busy</html>".into()));
    server.fault("listTemplates", Fate::Answer(502, "<html>proxy</html>".into()));
    server.fault("listOsTypes", Fate::Lost);
    server.fault("getUploadParamsForTemplate", Fate::Answer(503, String::new()));
    server.fault("createTags", Fate::JobTakes(4));
    let made = result(&bench.publish(&server, &WEB));
    assert_eq!(made["repeated"], json!(0));
    assert_eq!((server.count("listZones"), server.count("getUploadParamsForTemplate")), (3, 2));
    assert_eq!(server.templates().len(), 1);
    check(&server.calls());
}

#[test_case(Fate::Refuse(535, "Maximum number of resources of type 'template' for account name=ops in domain id=1 has been exceeded.".into()), 1, &["has been exceeded. (error 535)", "listResourceLimits"]; "a quota")]
#[test_case(Fate::Refuse(531, "Caller has no permission".into()), 1, &["no permission", "administrator"]; "no permission")]
#[test_case(Fate::Refuse(401, "unable to verify user credentials".into()), 3, &["(error 401)", "secret key"]; "wrong keys")]
#[test_case(Fate::Skewed(3600), 3, &["60 min behind", "set the clock"]; "a wrong clock")]
#[test_case(Fate::Refuse(432, "The given command does not exist".into()), 1, &["(error 432)"]; "an old cloud")]
#[test_case(Fate::Answer(404, "<html></html>".into()), 1, &["HTTP 404", "client/api"]; "another server")]
#[test_case(Fate::Lost, 1, &["prepare the upload"]; "an answer that got lost")]
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_and_leaves_nothing(fate: Fate, code: i32, words: &[&str]) {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    let lost = matches!(fate, Fate::Lost);
    server.fault("getUploadParamsForTemplate", fate);
    let begun = Instant::now();
    if lost {
        // A place for an upload that never began is given up by the cloud some minutes later only.
        let child = bench
            .command(&server, &["publish", "cloudstack"])
            .args(WEB)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(|| server.templates().len() == 1 && server.count("deleteTemplate") > 0);
        server.cloud().templates[0].state = "UploadAbandoned";
        let output = child.wait_with_output().unwrap();
        assert!(words.iter().all(|word| said(&output).contains(word)), "{}", said(&output));
        assert_eq!((output.status.code(), server.templates().len(), bench.journals()), (Some(code), 0, 0));
        return;
    }
    let output = bench.publish(&server, &WEB[..3]);
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    assert!(words.iter().all(|word| said(&output).contains(word)), "{}", said(&output));
    assert_eq!(server.count("getUploadParamsForTemplate"), 1, "it would be the same again");
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_cut_begins_again_as_another_template() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let bytes = bench.image("web.qcow2", 8);
    server.sent(Sent::CutAfter(1 << 20));
    server.sent(Sent::CutAfter(300));
    let made = result(&bench.publish(&server, &WEB));
    assert_eq!(made["repeated"], json!(2));
    let [template] = &server.templates()[..] else {
        panic!("the first ones are gone: {:?}", server.templates().len())
    };
    assert!(template.bytes == bytes && template.id == made["id"].as_str().unwrap());
    assert_eq!((server.count("getUploadParamsForTemplate"), bench.journals()), (3, 0));
    check(&server.calls());
}

#[test_case(&[Sent::CutAfter(1000), Sent::CutAfter(1000), Sent::CutAfter(1000)], 1, "upload `"; "one that is always cut")]
#[test_case(&[Sent::Damaged], 1, "Checksum verification failed"; "one that arrives damaged")]
#[test_case(&[Sent::Fails], 1, "no space left on the secondary storage (DOWNLOAD_ERROR)"; "one that fails afterwards")]
#[test_case(&[Sent::Refused], 1, "the url has expired"; "one that is refused")]
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_leaves_nothing(sent: &[Sent], code: i32, word: &str) {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    for one in sent {
        server.sent(*one);
    }
    let output = bench.publish(&server, &WEB[..3]);
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    assert!(said(&output).contains(word), "{}", said(&output));
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_proxy_swallowed_does_not_matter() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    server.sent(Sent::Unanswered);
    let output = bench.publish(&server, &WEB);
    assert_eq!(result(&output)["repeated"], json!(0));
    assert!(said(&output).contains("did not come through (HTTP 502"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cloud_tells_of_it_is_compared() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    server.cloud().lie = Some("0".repeat(64));
    let output = bench.publish(&server, &WEB[..3]);
    assert!(
        output.status.code() == Some(1) && said(&output).contains("its SHA-256 is 0000"),
        "{}",
        said(&output)
    );
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
}

#[test_case("createTags"; "tagging")]
#[test_case("copyTemplate"; "copying")]
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_told_in_the_cloud_s_words(command: &str) {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    server.fault(command, Fate::JobFails(530, "the job went wrong on host 7".into()));
    let output = bench.publish(&server, &[&WEB[..3], &["--zone", "zone-b"]].concat());
    assert!(
        output.status.code() == Some(1) && said(&output).contains("the job went wrong on host 7 (error 530)"),
        "{}",
        said(&output)
    );
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
}

fn wait_for(mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_in_the_upload_leaves_nothing_after_gc() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    server.sent(Sent::Hangs);
    let mut child = bench
        .command(&server, &["publish", "cloudstack"])
        .args(WEB)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| server.templates().iter().any(|template| template.state == "UploadInProgress"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(server.templates().len(), 1);
    let without = bench.plain(&["gc", "--json"]).output().unwrap();
    assert!(said(&without).contains("\"clean\": false"), "{}", said(&without));
    let text = bench.gc(&server);
    assert!(text.contains("\"clean\": true"), "{text}");
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
    check(&server.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_undoes_everything_without_keys_in_the_environment() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    std::fs::write(bench.path("secret"), format!("{}\n", super::cloud::SECRET)).unwrap();
    server.sent(Sent::Hangs);
    let child = bench
        .plain(&["publish", "cloudstack", "web.qcow2", "--zone", "Zone-A", "--endpoint", &server.url()])
        .args(["--api-key", super::cloud::KEY, "--secret-file", "secret"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| server.templates().iter().any(|template| template.state == "UploadInProgress"));
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
}
