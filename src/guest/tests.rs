//! The communicator against a real OpenSSH server.
use super::{sshd::Sshd, *};
use crate::{
    cx::{Cx, Stream, WaitError, tests_support::cx},
    value::HumanDuration,
};
use std::{os::unix::fs::MetadataExt, time::Duration};
use test_case::test_case;

pub(super) const NO_TROUBLE: Trouble<'static> = &|| None;

pub(super) async fn guest(sshd: &Sshd, cx: &Cx) -> Guest {
    connect(cx, sshd.addr, &sshd.login(), HumanDuration::seconds(30), NO_TROUBLE).await.unwrap()
}

/// How a command gets there. What holds for one way holds for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Channel,
    Shell,
}

impl Way {
    async fn capture(self, guest: &Guest, cx: &Cx, command: &Command) -> Result<Captured, CommError> {
        if self == Self::Shell {
            return capture(guest, cx, command).await;
        }
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = guest
            .exec(cx, command, &mut |stream, line: &str| match stream {
                Stream::Stderr => stderr.push(line.to_owned()),
                _ => stdout.push(line.to_owned()),
            })
            .await?;
        Ok(Captured { exit, stdout: stdout.join("\n"), stderr: stderr.join("\n") })
    }

    async fn run(self, guest: &Guest, cx: &Cx, script: &str) -> Captured {
        self.capture(guest, cx, &Command::script("test", script)).await.unwrap()
    }
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_script_runs_with_its_output_on_both_streams_and_its_exit_code(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let said = way.run(&guest, &cx, "echo out; echo err >&2; printf 'no end'; exit 7").await;
    assert_eq!(said.exit, Exit::Code(7));
    assert_eq!(said.stdout, "out\nno end");
    assert_eq!(said.stderr, "err");
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_script_stops_at_its_first_error_and_at_unset_variables(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    assert_eq!(way.run(&guest, &cx, "false; echo on").await.stdout, "");
    let unset = way.run(&guest, &cx, "\necho \"$nope\"").await;
    assert!(!unset.exit.success());
    // The line number is the user's, in spite of what we put before the script.
    assert!(unset.stderr.contains(": 2: "), "{}", unset.stderr);
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_signal_is_told_from_an_exit_code(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    assert_eq!(way.run(&guest, &cx, "kill -SEGV $$").await.exit, Exit::Signal("SEGV".into()));
    assert_eq!(way.run(&guest, &cx, "exit 139").await.exit, Exit::Code(139));
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn standard_input_is_what_was_given_and_else_empty(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let command = Command::script("cat", "cat; echo; head -c 1 | wc -c").stdin("a\0b");
    assert_eq!(way.capture(&guest, &cx, &command).await.unwrap().stdout, "a\0b\n0");
    assert_eq!(way.run(&guest, &cx, "read -r x || echo nothing").await.stdout, "nothing");
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_command_that_ignores_its_input_does_not_hang(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let command = Command::script("ignore", "exit 3").stdin(vec![b'x'; 8 << 20]);
    assert_eq!(way.capture(&guest, &cx, &command).await.unwrap().exit, Exit::Code(3));
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn secrets_of_a_script_are_in_no_command_line_and_no_file(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let command = Command::script(
        "look",
        "x=in-the-script-4711; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; ls -a /dev/shm /tmp; ls /proc/$$/fd",
    )
    .env("SECRET", Secret::new("it's $secret `x` \n\"0815"));
    let said = way.capture(&guest, &cx, &command).await.unwrap();
    assert!(said.exit.success(), "{said:?}");
    let shown = if way == Way::Channel { "/proc/self/fd/3" } else { "/bin/sh" };
    assert!(said.stdout.contains(shown), "the shell is not in the list: {}", said.stdout);
    for secret in ["in-the-script-4711", "0815", "goldsmith.XXX"] {
        let shown = said.stdout.lines().any(|line| line.contains(secret) && !line.contains("mktemp"));
        assert!(!shown, "{secret} in {}", said.stdout);
    }
    let command =
        Command::script("env", "printf %s \"$SECRET\"").env("SECRET", Secret::new("it's $s `x`\n\"0815"));
    assert_eq!(way.capture(&guest, &cx, &command).await.unwrap().stdout, "it's $s `x`\n\"0815");
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn big_output_arrives_whole_and_in_order(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let said = way.run(&guest, &cx, "seq 1 400000").await;
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 400_000);
    assert_eq!((lines[0], lines[399_999]), ("1", "400000"));
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn two_commands_run_at_once_on_one_connection(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let pipe = sshd.path("pipe");
    let reader = format!("mkfifo {0}; cat {0}", pipe.display());
    let writer = format!("until [ -p {0} ]; do :; done; echo met > {0}", pipe.display());
    let (read, wrote) = tokio::join!(way.run(&guest, &cx, &reader), way.run(&guest, &cx, &writer));
    assert_eq!(read.stdout, "met");
    assert!(wrote.exit.success());
    let connections = sshd.log().lines().filter(|line| line.contains("Accepted publickey")).count();
    assert_eq!(connections, 1, "{}", sshd.log());
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_daemon_that_keeps_the_output_open_does_not_hold_us(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let start = std::time::Instant::now();
    let said = way.run(&guest, &cx, "sleep 60 & echo $!").await;
    assert!(said.exit.success());
    assert!(start.elapsed() < Duration::from_secs(20));
    way.run(&guest, &cx, &format!("kill {}", said.stdout)).await;
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_its_children(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let marker = sshd.path("pids");
    let script = format!("sleep 300 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", marker.display());
    let command = Command::script("sleep", script).timeout(Duration::from_secs(2));
    let error = way.capture(&guest, &cx, &command).await.unwrap_err();
    assert_eq!(error.to_string(), "`sleep` did not end within 2 s");
    let pids = std::fs::read_to_string(marker).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2);
    for pid in pids.split_whitespace() {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "process {pid} lives: {state}");
    }
    assert!(way.run(&guest, &cx, "true").await.exit.success(), "the connection is of no use any more");
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_cancelled_build_ends_its_command(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let started = std::sync::atomic::AtomicBool::new(false);
    let stop = cx.stop().clone();
    let command = Command::script("sleep", "echo on; sleep 300");
    let mut sink = |_: Stream, _: &str| {
        started.store(true, std::sync::atomic::Ordering::Relaxed);
        stop.cancel();
    };
    let ran = match way {
        Way::Channel => guest.exec(&cx, &command, &mut sink).await,
        Way::Shell => guest.run_script(&cx, &command, &mut sink).await,
    };
    let error = ran.unwrap_err();
    assert!(started.into_inner());
    assert!(matches!(error, CommError::Cancelled(_)), "{error:?}");
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_server_that_dies_in_the_middle_is_a_disconnect_and_we_come_back(way: Way) {
    let (mut sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let command = Command::script("sleep", "echo on; sleep 5");
    let mut sink = |_: Stream, _: &str| told.send(()).unwrap();
    let ran = async {
        match way {
            Way::Channel => guest.exec(&cx, &command, &mut sink).await,
            Way::Shell => guest.run_script(&cx, &command, &mut sink).await,
        }
    };
    let (exit, ()) = tokio::join!(ran, async {
        tell.recv().await.unwrap();
        sshd.crash();
    });
    assert_eq!(exit.unwrap(), Exit::Disconnected);
    assert!(guest.is_closed().await);
    let error = way.capture(&guest, &cx, &Command::script("more", "true")).await.unwrap_err();
    assert!(matches!(error, CommError::Channel { .. }), "{error:?}");
    sshd.run();
    guest.reconnect(&cx, HumanDuration::seconds(30), NO_TROUBLE).await.unwrap();
    assert!(way.run(&guest, &cx, "true").await.exit.success());
}

#[test_case(0; "empty")]
#[test_case(1; "one byte")]
#[test_case(10 << 20; "ten mebibytes")]
#[tokio::test]
async fn a_file_goes_there_and_back(size: usize) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let bytes: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
    let dest = sshd.path("a").join("new folder").join("it's \"$x\" *\n.bin");
    let mut target = Target::new(dest.to_str().unwrap(), 0o4751);
    target.owner = sshd::me();
    target.group = nix::unistd::getgid().to_string();
    guest.upload(&cx, Content::Bytes(&bytes), &target).await.unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), bytes);
    assert_eq!(std::fs::metadata(&dest).unwrap().mode() & 0o7777, 0o4751);
    // Replacing works through a reader as well, and leaves no temporary file.
    let mut reader = &bytes[..];
    guest.upload(&cx, Content::Reader(&mut reader, size as u64), &target).await.unwrap();
    assert_eq!(std::fs::read_dir(dest.parent().unwrap()).unwrap().count(), 1);
    let mut back = Vec::new();
    let n = guest.download(&cx, dest.to_str().unwrap(), &mut back).await.unwrap();
    assert_eq!((n, back.len()), (size as u64, size));
    assert!(back == bytes);
}

#[tokio::test]
async fn a_failed_upload_leaves_the_old_file_and_says_why() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let dest = sshd.path("motd");
    std::fs::write(&dest, "old").unwrap();
    let mut target = Target::new(dest.to_str().unwrap(), 0o644);
    target.owner = "nobody-of-that-name".into();
    let error = guest.upload(&cx, Content::Bytes(b"new"), &target).await.unwrap_err();
    assert!(error.to_string().contains("nobody-of-that-name"), "{error}");
    let mut short = &b"12"[..];
    let error = guest.upload(&cx, Content::Reader(&mut short, 5), &target).await.unwrap_err();
    assert!(matches!(error, CommError::Local { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&dest).unwrap(), "old");
    let left: Vec<_> = std::fs::read_dir(sshd.folder.path()).unwrap().filter_map(Result::ok).collect();
    assert!(
        !left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".goldsmith")),
        "{left:?}"
    );
}

#[tokio::test]
async fn an_upload_that_is_cut_says_how_far_it_was_and_its_rest_goes_with_the_next() {
    let (mut sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let folder = sshd.path("a");
    std::fs::create_dir(&folder).unwrap();
    let mut target = Target::new(folder.join("big").to_str().unwrap(), 0o644);
    (target.owner, target.group) = (sshd::me(), nix::unistd::getgid().to_string());
    let bytes = vec![7; 1 << 20];
    let names = || std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let (mut ours, mut theirs) = tokio::io::duplex(64 << 10);
    let upload = guest.upload(&cx, Content::Reader(&mut theirs, 2 << 20), &target);
    let (result, ()) = tokio::join!(upload, async {
        tokio::io::AsyncWriteExt::write_all(&mut ours, &bytes).await.unwrap();
        while names().count() == 0 {
            tokio::task::yield_now().await;
        }
        sshd.crash();
    });
    let error = result.unwrap_err();
    assert!(error.is_cut(), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("lost in the middle of `upload of ") && text.ends_with(" of 2 MiB were sent"),
        "{text}"
    );
    assert_eq!(names().count(), 1, "nobody in the guest could remove it");
    sshd.run();
    guest.reconnect(&cx, HumanDuration::seconds(30), NO_TROUBLE).await.unwrap();
    guest.upload(&cx, Content::Bytes(&bytes), &target).await.unwrap();
    assert_eq!(names().collect::<Vec<_>>(), ["big"]);
}

#[test_case("relative/path"; "relative")]
#[test_case("/folder/"; "no name")]
#[test_case("/a/.."; "dots")]
#[tokio::test]
async fn an_upload_needs_the_absolute_path_of_a_file(path: &str) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let error = guest.upload(&cx, Content::Bytes(b"x"), &Target::new(path, 0o644)).await.unwrap_err();
    assert!(matches!(error, CommError::Invalid { .. }), "{error:?}");
}

#[tokio::test]
async fn an_upload_onto_a_folder_is_refused() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let folder = sshd.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let error = guest
        .upload(&cx, Content::Bytes(b"x"), &Target::new(folder.to_str().unwrap(), 0o644))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("there is a folder at this path"), "{error}");
}

#[tokio::test]
async fn a_missing_file_cannot_be_downloaded() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let error = guest.download(&cx, "/does/not/exist", &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[tokio::test]
async fn another_host_key_is_never_trusted_and_named_when_the_wait_ends() {
    let (sshd, cx) = (Sshd::start(), cx());
    let mut login = sshd.login();
    login.host_key = BuildKeys::generate("other").unwrap().host_public().to_owned();
    let error = connect(&cx, sshd.addr, &login, HumanDuration::seconds(2), NO_TROUBLE).await.unwrap_err();
    let GuestError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("host key ✗ (not ours: SHA256:"), "{source}");
    assert!(error.hint().unwrap().contains("never took the seed"));
    assert!(!sshd.log().contains("Accepted"), "we logged in to a stranger");
}

#[tokio::test]
async fn a_refused_key_is_waited_for_and_named() {
    let (sshd, cx) = (Sshd::start(), cx());
    sshd.authorize("");
    let error =
        connect(&cx, sshd.addr, &sshd.login(), HumanDuration::seconds(2), NO_TROUBLE).await.unwrap_err();
    let GuestError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
    let expected = format!("host key ✓ · login ✗ (key refused for `{}`; offers publickey)", sshd::me());
    assert!(source.to_string().contains(&expected), "{source}");
    // cloud-init writes the key while we wait.
    let (login, key) = (sshd.login(), sshd.keys.authorized_key().to_owned());
    let (connected, ()) =
        tokio::join!(connect(&cx, sshd.addr, &login, HumanDuration::seconds(30), NO_TROUBLE), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sshd.authorize(&key);
        });
    connected.unwrap();
}

#[tokio::test]
async fn a_key_that_is_refused_for_too_long_ends_the_wait() {
    let (sshd, cx) = (Sshd::start(), cx());
    sshd.authorize("");
    let (login, limit) = (sshd.login(), HumanDuration::seconds(600));
    let error = super::connect::reach(
        &cx,
        sshd.addr,
        &login,
        &(&login).into(),
        limit,
        Some(Duration::ZERO),
        NO_TROUBLE,
    )
    .await
    .unwrap_err();
    let GuestError::Unreachable { silent: false, source: WaitError::Hopeless { source, .. }, .. } = &error
    else {
        panic!("{error:?}")
    };
    let expected = format!("the guest's sshd refused the key of this build for user `{}` once", sshd::me());
    assert!(source.to_string().starts_with(&expected), "{source}");
    assert!(error.hint().unwrap().contains("`AuthorizedKeysFile`"), "{:?}", error.hint());
}

#[tokio::test]
async fn a_port_that_accepts_but_never_speaks_is_told_from_a_server() {
    let cx = cx();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let login = BuildKeys::generate("test").unwrap().login("root");
    let error = connect(&cx, addr, &login, HumanDuration::seconds(3), NO_TROUBLE).await.unwrap_err();
    let GuestError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("SSH server ✗ (accepted, but silent)"), "{source}");
    drop(silent);
    let error = connect(&cx, addr, &login, HumanDuration::seconds(1), NO_TROUBLE).await.unwrap_err();
    let GuestError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains(&format!("port {} ✗", addr.port())), "{source}");
}

#[tokio::test]
async fn a_machine_that_died_ends_the_wait_at_once() {
    let cx = cx();
    let login = BuildKeys::generate("test").unwrap().login("root");
    let addr = "127.0.0.1:1".parse().unwrap();
    let dead = || Some("the machine is off".to_owned());
    let error = connect(&cx, addr, &login, HumanDuration::seconds(600), &dead).await.unwrap_err();
    let GuestError::Unreachable { source: WaitError::Hopeless { source, .. }, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(source.to_string(), "the machine is off");
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn what_cannot_start_is_told_from_what_fails(way: Way) {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let command = Command::script("as nobody", "true").user("no-such-user-here");
    let error = way.capture(&guest, &cx, &command).await.unwrap_err();
    assert!(matches!(error, CommError::NotStarted { .. }), "{error:?}");
    assert!(error.to_string().contains("no-such-user-here"), "{error}");
}

#[test_case(Way::Channel; "channel")]
#[test_case(Way::Shell; "shell")]
#[tokio::test]
async fn a_command_can_run_as_another_user(way: Way) {
    if !nix::unistd::getuid().is_root() {
        return;
    }
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    let command = Command::script("id", "id -un; echo $HOME").user("daemon");
    assert_eq!(way.capture(&guest, &cx, &command).await.unwrap().stdout, "daemon\n/usr/sbin");
}

#[tokio::test]
async fn a_host_without_cloud_init_is_settled_at_once() {
    let (sshd, cx) = (Sshd::start(), cx());
    let guest = guest(&sshd, &cx).await;
    guest.settle(&cx, HumanDuration::seconds(20), NO_TROUBLE).await.unwrap();
    let facts = Facts::gather(&cx, &guest).await.unwrap();
    assert!(!facts.os_id.is_empty());
}
