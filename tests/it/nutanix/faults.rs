//! Trouble: what is done about it, what is said about it, and that nothing is left.
use super::{
    bench::{Bench, said},
    fixture::{Call, Fate, Fixture},
    prism::state,
};
use std::{
    process::Stdio,
    time::{Duration, Instant},
};

/// Runs a test in both dialects, with a small disk `a.qcow2`.
fn both(test: impl Fn(&Bench, &Fixture, &str)) {
    for (v4, api) in [(false, "v3"), (true, "v4")] {
        let (bench, prism) = (Bench::new(), Fixture::start(state(v4)));
        bench.qcow2("a", 4);
        test(&bench, &prism, api);
    }
}

fn is_create(call: &Call) -> bool {
    call.method == "POST" && call.path.ends_with("/images")
}

#[allow(clippy::disallowed_methods, reason = "a test watches a process of its own")]
pub(super) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn nothing_is_left(prism: &Fixture, api: &str) {
    let state = prism.state();
    assert!(state.images.is_empty(), "{api}: an image is left");
    assert!(state.objects.is_empty() && state.uploads.is_empty(), "{api}: an object is left");
    assert!(state.categories.is_empty() && state.keys.is_empty(), "{api}: a category is left");
}

#[test]
fn a_wrong_password_is_said_before_anything_is_made() {
    both(|bench, prism, api| {
        let output = bench
            .command(prism, &["publish", "nutanix", "a.qcow2", "--api", api])
            .env("NUTANIX_PASSWORD", "wrong-word")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        let text = said(&output);
        assert!(
            text.contains("401") && text.contains("user or password") && !text.contains("wrong-word"),
            "{text}"
        );
        assert_eq!(prism.calls().iter().filter(|call| is_create(call)).count(), 0);
    });
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    both(|bench, prism, api| {
        prism.trouble(|call| match call.number {
            0 if is_create(call) => Fate::Answer(
                429,
                r#"{"message_list": [{"reason": "TOO_MANY_REQUESTS", "message": "slowly"}]}"#.into(),
            ),
            1 if is_create(call) => Fate::Answer(503, "<html>".into()),
            0 if call.path.contains("/tasks/") => Fate::Answer(502, String::new()),
            _ => Fate::Forward,
        });
        bench.published(prism, &["a.qcow2"]);
        let creates: Vec<Call> = prism.calls().into_iter().filter(is_create).collect();
        assert_eq!(creates.len(), 3, "{api}");
        if api == "v4" {
            let ids: Vec<_> = creates.iter().map(|call| call.header("ntnx-request-id").unwrap()).collect();
            assert!(ids[0] == ids[1] && ids[1] == ids[2], "the same request has the same id: {ids:?}");
        }
    });
}

#[test]
fn an_answer_that_gets_lost_makes_no_second_image() {
    both(|bench, prism, api| {
        prism.trouble(|call| if is_create(call) && call.number == 0 { Fate::Lost } else { Fate::Forward });
        bench.published(prism, &["a.qcow2"]);
        assert_eq!(prism.state().images.len(), 1, "{api}");
    });
}

#[test]
fn a_task_that_fails_says_why_and_leaves_nothing() {
    for (word, v3) in [("ABORTED", true), ("CANCELED", false), ("FAILED", true), ("FAILED", false)] {
        let (bench, prism) = (Bench::new(), Fixture::start(state(!v3)));
        bench.qcow2("a", 4);
        prism.state().fail = Some("Image creation quota exceeded for the project".to_owned());
        prism.state().failed = Some(word);
        let why = bench.refused(&prism, 1, &["a.qcow2", "--category", "OS=Ubuntu"]);
        assert!(why.contains("quota exceeded for the project") && why.contains(word), "{why}");
        assert!(why.contains("raise the quota"), "{why}");
        nothing_is_left(&prism, word);
    }
}

#[test]
fn a_refusal_is_told_in_the_server_s_words() {
    both(|bench, prism, api| {
        prism.trouble(|call| {
            if !is_create(call) {
                return Fate::Forward;
            }
            let v3 = r#"{"code": 403, "message_list": [{"message": "You may not create images.", "reason": "ACCESS_DENIED"}]}"#;
            let v4 = r#"{"data": {"error": [{"message": "You may not create images.", "code": "ACCESS_DENIED"}]}}"#;
            Fate::Answer(403, if call.path.contains("/v3/") { v3 } else { v4 }.to_owned())
        });
        let why = bench.refused(prism, 1, &["a.qcow2"]);
        assert!(why.contains("403: You may not create images. (ACCESS_DENIED)"), "{why}");
        assert!(why.contains("Create, View and Delete Image"), "{why}");
        nothing_is_left(prism, api);
    });
}

#[test]
fn other_bytes_than_were_sent_are_found() {
    both(|bench, prism, api| {
        prism.state().spoil = true;
        let why = bench.refused(prism, 1, &["a.qcow2"]).to_lowercase();
        assert!(why.contains("checksum"), "{api}: {why}");
        nothing_is_left(prism, api);
    });
    // A server that does not compare them tells another digest.
    let (bench, prism) = (Bench::new(), Fixture::start(state(false)));
    bench.qcow2("a", 4);
    prism.state().spoil_later = true;
    let why = bench.refused(&prism, 1, &["a.qcow2"]);
    assert!(why.contains("could not verify the image `a`") && why.contains("has the SHA-256"), "{why}");
    nothing_is_left(&prism, "v3");
}

#[test]
fn an_upload_that_is_cut_begins_again_in_v3() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(false)));
    let bytes = bench.qcow2("a", 20);
    let cut = std::sync::atomic::AtomicUsize::new(0);
    prism.trouble(move |call| {
        // The first image is another one than the second.
        let first = call.is_upload() && cut.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        if first { Fate::Cut } else { Fate::Forward }
    });
    let line = bench.published(&prism, &["a.qcow2"]);
    assert_eq!(line["repeated"], 1);
    let state = prism.state();
    assert!(state.images.len() == 1 && state.images[0].bytes == bytes, "other bytes arrived");
    drop(state);
    assert_eq!(prism.count("DELETE", "/api/nutanix/v3/images/"), 1);
}

#[test]
fn a_part_that_is_cut_is_sent_again_alone_in_v4() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(true)));
    let bytes = bench.raw("big.raw", 50);
    prism.trouble(|call| match (call.is_upload(), call.number) {
        (true, 1) => Fate::Cut,
        (true, 2) => Fate::Answer(503, "<Error><Code>SlowDown</Code></Error>".into()),
        // The end of the upload is heard, and nobody hears that.
        (false, 1) if call.method == "POST" && call.path.contains("/objects/") => Fate::Lost,
        _ => Fate::Forward,
    });
    let line = bench.published(&prism, &["big.raw"]);
    assert_eq!(line["repeated"], 2);
    assert!(prism.state().images[0].bytes == bytes, "other bytes arrived");
    let parts = prism.calls().iter().filter(|call| call.is_upload()).count();
    assert_eq!(parts, 4 + 2, "four parts, and two again");
}

#[test]
fn clusters_that_are_not_clear_are_listed() {
    both(|bench, prism, api| {
        let twin = ("0005b0f1-8f43-a0f2-02b7-3cecef193799".to_owned(), "pe-cluster".to_owned(), "AOS");
        prism.state().clusters.push(twin);
        let why = bench.refused(prism, 2, &["a.qcow2", "--cluster", "PE-CLUSTER"]);
        assert!(
            why.contains("3cecef193712") && why.contains("3cecef193799") && why.contains("UUID"),
            "{why}"
        );
        let why = bench.refused(prism, 1, &["a.qcow2", "--cluster", "ncn-dev-pc"]);
        assert!(
            why.contains("`PE-cluster`") && !why.contains("`ncn-dev-pc`,"),
            "the Prism Central is none: {why}"
        );
        nothing_is_left(prism, api);
    });
}

#[test]
fn what_a_killed_publish_left_is_removed_by_gc_and_nothing_else() {
    both(|bench, prism, api| {
        bench.raw("big.raw", 40);
        bench.published(prism, &["a.qcow2"]);
        prism.trouble(
            |call| if call.is_upload() { Fate::Late(Duration::from_secs(60)) } else { Fate::Forward },
        );
        let before = prism.calls().iter().filter(|call| call.is_upload()).count();
        let mut child = bench
            .command(prism, &["publish", "nutanix", "big.raw", "--category", "OS=Ubuntu"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let uploads = || prism.calls().iter().filter(|call| call.is_upload()).count();
        until("an upload", || uploads() > before);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(bench.journals(), 1);
        let half = |prism: &Fixture| {
            let state = prism.state();
            state.images.len() - 1 + state.uploads.len()
        };
        assert_eq!(half(prism), 1, "{api}");
        // Without the password it stays, and says what to do.
        let output = bench.plain(&["gc"]).output().unwrap();
        assert!(!output.status.success() && said(&output).contains("NUTANIX_PASSWORD"), "{}", said(&output));
        prism.trouble(|_| Fate::Forward);
        bench.gc();
        assert_eq!((half(prism), bench.journals()), (0, 0), "{api}");
        assert_eq!(prism.state().images[0].name, "a");
        assert!(prism.state().categories.is_empty() && prism.state().keys.is_empty(), "{api}");
        assert_eq!(prism.wrongs(), Vec::<String>::new());
    });
}

#[test]
fn an_interruption_leaves_nothing() {
    both(|bench, prism, api| {
        prism.state().slowness = 1000;
        let child = bench
            .command(prism, &["publish", "nutanix", "a.qcow2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let looks = ["/api/nutanix/v3/tasks", "/api/prism/v4.0/config/tasks"];
        until("a task", || looks.iter().any(|path| prism.count("GET", path) > 0));
        prism.state().slowness = 0;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", said(&output));
        // What the server was still at is ours, too.
        prism.state().finish_all();
        nothing_is_left(prism, api);
    });
}
