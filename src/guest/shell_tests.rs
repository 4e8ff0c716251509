//! Persistent shells and transfers against a real OpenSSH server.
use super::{
    sshd::Sshd,
    tests::{NO_TROUBLE, guest},
    *,
};
use crate::{
    cx::{Cx, Event, Events, Record, Sink, tests_support::cx},
    value::HumanDuration,
};
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::{Duration, Instant},
};
use test_case::test_case;

async fn run(guest: &Guest, cx: &Cx, script: &str) -> Captured {
    capture(guest, cx, &Command::script("test", script)).await.unwrap()
}

#[tokio::test]
async fn scripts_share_a_shell_and_nothing_else() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let first = run(&guest, &cx, "echo $$; a=1; cd /usr; umask 077; set -- x; exec 2>&-").await;
    let second =
        run(&guest, &cx, "echo $$; echo \"${a-unset} $(umask) $#\" >&2; [ \"$PWD\" = \"$HOME\" ]").await;
    assert_eq!(first.stdout, second.stdout);
    assert_eq!((second.exit, second.stderr.as_str()), (Exit::Code(0), "unset 0022 0"));
}

#[tokio::test]
async fn a_no_op_costs_little() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    run(&guest, &cx, "true").await;
    for _ in 0..100 {
        assert!(run(&guest, &cx, ":").await.exit.success());
    }
}

#[test_case("kill -KILL $$; sleep 60", &Exit::Signal("KILL".into()); "the shell")]
#[test_case("kill -TERM 0; sleep 60", &Exit::Signal("TERM".into()); "the group")]
#[test_case("sh -c 'kill -KILL $PPID'; sleep 60", &Exit::Signal("KILL".into()); "the script")]
#[test_case("sh -c 'exit 137'", &Exit::Code(137); "nobody")]
#[tokio::test]
async fn who_kills_its_shell_gets_a_new_one(script: &str, expected: &Exit) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let start = Instant::now();
    let marker = sshd.path("pid");
    let all = format!("sh -c 'echo $PPID' >{}; {script}", marker.display());
    assert_eq!(run(&guest, &cx, &all).await.exit, *expected);
    assert!(start.elapsed() < Duration::from_secs(20));
    let pid = std::fs::read_to_string(marker).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "the script goes on: {state}");
    assert_eq!(run(&guest, &cx, "echo on").await.stdout, "on");
}

#[tokio::test]
async fn a_shell_that_was_killed_while_idle_is_replaced() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    for pause in [0, 200] {
        let pid = run(&guest, &cx, "echo $$").await.stdout;
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let again = run(&guest, &cx, "echo $$").await;
        assert!(again.exit.success());
        assert_ne!(again.stdout, pid);
    }
}

#[tokio::test]
async fn a_daemon_that_prints_for_ever_is_not_heard_and_holds_nobody() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let noise = "while :; do echo noise; echo noise >&2; done & echo $!";
    let said = run(&guest, &cx, noise).await.stdout;
    let pid: u32 = said.lines().find_map(|line| line.parse().ok()).unwrap();
    // It would fill what the connection buffers in a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let command = Command::script("own channel", "echo mine");
    let mut lines = Vec::new();
    guest.exec(&cx, &command, &mut |_, line: &str| lines.push(line.to_owned())).await.unwrap();
    assert_eq!(lines, ["mine"]);
    let said = run(&guest, &cx, &format!("kill {pid}; echo mine")).await;
    assert!(said.exit.success() && said.stdout.lines().any(|line| line == "mine"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let said = run(&guest, &cx, "echo out; echo err >&2").await;
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("out", "err"));
}

#[tokio::test]
async fn garbage_is_output_and_nothing_more() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let script = "printf '\\036E0123'; printf '\\036\\036E' >&2; head -c 50000 /dev/urandom | tr -d '\\r\\n'; printf '\\036'; exit 3";
    for _ in 0..10 {
        let said = run(&guest, &cx, script).await;
        assert_eq!(said.exit, Exit::Code(3));
        assert!(said.stdout.starts_with("\u{1e}E0123") && said.stdout.ends_with('\u{1e}'));
        assert_eq!(said.stderr, "\u{1e}\u{1e}E");
    }
}

#[tokio::test]
async fn many_at_once_have_a_shell_each() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    for _ in 0..3 {
        let scripts: Vec<String> = (0..6).map(|n| format!("sleep 0.1; echo {n}")).collect();
        let all = scripts.iter().map(|script| run(&guest, &cx, script));
        let said: Vec<String> =
            futures_util::future::join_all(all).await.into_iter().map(|said| said.stdout).collect();
        assert_eq!(said, ["0", "1", "2", "3", "4", "5"]);
    }
}

#[tokio::test]
async fn a_script_beyond_all_measure_takes_the_other_way() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let big = "x".repeat(3 << 20);
    let said = run(&guest, &cx, &format!("x={big}; echo ${{#x}} $0")).await;
    assert_eq!(said.stdout, format!("{} /proc/self/fd/3", big.len()));
}

#[tokio::test]
async fn a_server_that_gives_no_shell_is_told_from_a_script_that_fails() {
    let (sshd, cx) = (Sshd::start(), cx());
    let forced = format!("command=\"echo you may not >&2; exit 1\" {}", sshd.keys.authorized_key());
    sshd.authorize(&forced);
    let guest = guest(&sshd, &cx).await;
    let error = capture(&guest, &cx, &Command::script("test", "true")).await.unwrap_err();
    assert_eq!(error.to_string(), "the guest could not start `test` (exit code 1): you may not");
}

#[tokio::test]
async fn a_new_connection_has_new_shells() {
    let (mut sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let before = run(&guest, &cx, "echo $$").await.stdout;
    sshd.crash();
    sshd.run();
    guest.reconnect(&cx, HumanDuration::seconds(30), NO_TROUBLE).await.unwrap();
    let after = run(&guest, &cx, "echo $$").await.stdout;
    assert_ne!(after, before);
    guest.new_login().await;
    assert_ne!(run(&guest, &cx, "echo $$").await.stdout, after);
}

#[test_case("text with 'quotes', \"$dollars\" and\nno end"; "text")]
#[test_case("nul \0 in it"; "nul")]
#[test_case("'"; "one quote")]
#[test_case(""; "empty")]
#[tokio::test]
async fn a_small_file_is_exactly_what_was_sent(text: &str) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let dest = sshd.path("new").join("file");
    let mut target = Target::new(dest.to_str().unwrap(), 0o640);
    (target.owner, target.group) = ("daemon".into(), "2".into());
    for text in [text.to_owned(), text.repeat(1000)] {
        guest.upload(&cx, Content::Bytes(text.as_bytes()), &target).await.unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), text.as_bytes());
        let metadata = std::fs::metadata(&dest).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1, 2, 0o640));
    }
    assert_eq!(std::fs::read_dir(dest.parent().unwrap()).unwrap().count(), 1);
    // A folder that gives its group away does not change what was asked for.
    std::fs::set_permissions(dest.parent().unwrap(), PermissionsExt::from_mode(0o2775)).unwrap();
    std::os::unix::fs::chown(dest.parent().unwrap(), None, Some(3)).unwrap();
    guest.upload(&cx, Content::Bytes(b"x"), &Target::new(dest.to_str().unwrap(), 0o4755)).await.unwrap();
    let metadata = std::fs::metadata(&dest).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (0, 0, 0o4755));
}

#[tokio::test]
async fn bytes_that_are_no_text_arrive_whole() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let dest = sshd.path("file");
    guest.upload(&cx, Content::Bytes(&bytes), &Target::new(dest.to_str().unwrap(), 0o600)).await.unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), bytes);
}

#[tokio::test]
async fn a_large_upload_says_how_far_it_is() {
    #[derive(Default)]
    struct Memory(std::sync::Mutex<Vec<Event>>);
    impl Sink for Memory {
        fn take(&self, record: &Record) {
            self.0.lock().unwrap().push(record.event.clone());
        }
    }
    let (sshd, deaf) = (Sshd::start(), cx());
    let memory = std::sync::Arc::new(Memory::default());
    let events = Events::new(deaf.id().clone(), "test", vec![memory.clone()]);
    let (work, logs) = (deaf.work().to_owned(), deaf.logs().to_owned());
    let cx = Cx::new(deaf.id().clone(), work, logs, events, deaf.stop().clone(), deaf.undo().clone());
    let guest = guest(&sshd, &cx).await;
    let bytes = vec![1; 64 << 20];
    let dest = sshd.path("large");
    guest.upload(&cx, Content::Bytes(&bytes), &Target::new(dest.to_str().unwrap(), 0o600)).await.unwrap();
    let seen = memory.0.lock().unwrap();
    let what = format!("upload {}", dest.display());
    assert!(seen.iter().any(
        |event| matches!(event, Event::Progress { what: of, total: Some(67_108_864), .. } if *of == what)
    ));
    assert!(matches!(seen.last(), Some(Event::ProgressFinished { what: of }) if *of == what));
}

#[tokio::test]
async fn a_thousand_files_arrive_at_once() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let from = tempfile::tempdir().unwrap();
    for n in 0..1000 {
        let folder = from.path().join(format!("folder {}", n % 10));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("file-{n}")), format!("content {n}")).unwrap();
    }
    std::fs::create_dir(from.path().join("lib")).unwrap();
    std::fs::write(from.path().join("lib/so"), "new").unwrap();
    std::os::unix::fs::symlink("folder 0/file-0", from.path().join("link")).unwrap();
    std::fs::set_permissions(from.path().join("folder 1/file-1"), PermissionsExt::from_mode(0o755)).unwrap();

    // A folder that is there keeps its mode, its other files, and its links to folders.
    let to = sshd.path("parent").join("it's to");
    std::fs::create_dir_all(to.join("usr-lib")).unwrap();
    std::fs::write(to.join("usr-lib/so"), "old").unwrap();
    std::os::unix::fs::symlink("usr-lib", to.join("lib")).unwrap();
    std::fs::set_permissions(&to, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::create_dir(to.join("folder 2")).unwrap();
    std::fs::set_permissions(to.join("folder 2"), PermissionsExt::from_mode(0o711)).unwrap();

    let target =
        TreeTarget { owner: "daemon".into(), file_mode: 0o640, ..TreeTarget::new(to.to_str().unwrap()) };
    let size = guest.upload_tree(&cx, from.path(), &target).await.unwrap();
    assert_eq!((size.files, size.folders), (1002, 11));
    for n in 0..1000 {
        let file = to.join(format!("folder {}/file-{n}", n % 10));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("content {n}"));
        let metadata = std::fs::metadata(&file).unwrap();
        let mode = if n == 1 { 0o750 } else { 0o640 };
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1, 0, mode), "{n}");
    }
    assert_eq!(std::fs::read_link(to.join("link")).unwrap().to_str(), Some("folder 0/file-0"));
    assert_eq!(std::fs::read_link(to.join("lib")).unwrap().to_str(), Some("usr-lib"));
    assert_eq!(std::fs::read_to_string(to.join("usr-lib/so")).unwrap(), "new");
    let mode = |path: &str| std::fs::metadata(to.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode(""), mode("folder 2"), mode("folder 3")), (0o700, 0o711, 0o755));
}

#[tokio::test]
async fn a_new_folder_is_the_trees_and_its_parents_are_roots() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let from = tempfile::tempdir().unwrap();
    std::fs::write(from.path().join("file"), "x").unwrap();
    let to = sshd.path("a").join("b");
    let target = TreeTarget {
        owner: "1".into(),
        group: "daemon".into(),
        folder_mode: 0o750,
        ..TreeTarget::new(format!("{}/", to.display()))
    };
    guest.upload_tree(&cx, from.path(), &target).await.unwrap();
    let of = |path: &std::path::Path| {
        let metadata = std::fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    assert_eq!(of(&to), (1, 1, 0o750));
    assert_eq!(of(to.parent().unwrap()), (0, 0, 0o755));
    // Sent again, it is the same.
    guest.upload_tree(&cx, from.path(), &target).await.unwrap();
    assert_eq!(of(&to.join("file")), (1, 1, 0o644));
}

#[tokio::test]
async fn a_tree_that_cannot_be_sent_says_why() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let from = tempfile::tempdir().unwrap();
    std::fs::write(from.path().join("file"), "x").unwrap();
    let missing =
        guest.upload_tree(&cx, &from.path().join("no"), &TreeTarget::new("/tmp/x")).await.unwrap_err();
    assert!(matches!(missing, CommError::Local { .. }), "{missing:?}");
    let relative = guest.upload_tree(&cx, from.path(), &TreeTarget::new("x")).await.unwrap_err();
    assert!(matches!(relative, CommError::Invalid { .. }), "{relative:?}");
    let to = sshd.path("file");
    std::fs::write(&to, "there").unwrap();
    let target = TreeTarget::new(to.to_str().unwrap());
    let file = guest.upload_tree(&cx, from.path(), &target).await.unwrap_err().to_string();
    assert!(file.contains("there is a file at this path"), "{file}");
    let target = TreeTarget { owner: "nobody-of-that-name".into(), ..TreeTarget::new("/tmp/x") };
    let owner = guest.upload_tree(&cx, from.path(), &target).await.unwrap_err().to_string();
    assert!(owner.contains("nobody-of-that-name"), "{owner}");
}
