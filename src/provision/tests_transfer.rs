//! Downloads, archives, lines, folders and units through a real OpenSSH server and a real HTTP server.
use super::{
    checks, run_checks,
    tests::{Bench, step},
};
use crate::{
    guest::sshd,
    plan::{
        ArchiveStep, Content, DirectoryStep, DownloadStep, FileOrigin, FileStep, LineStep, Step, StepKind,
        Transfer, Via,
    },
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    error::Error as _,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
};
use test_case::test_case;

/// Serves these files, by path, to whoever asks; the base of their addresses.
pub(super) fn serve(files: BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let answer = match files.get(path) {
                Some(body) => {
                    let mut answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    )
                    .into_bytes();
                    answer.extend_from_slice(body);
                    answer
                }
                None => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
            };
            let _the_other_side_may_be_gone = stream.write_all(&answer);
        }
    });
    base
}

pub(super) fn transfer(
    url: String,
    digest: Option<String>,
    digest_url: Option<String>,
    via: Via,
) -> Transfer {
    Transfer { origin: FileOrigin::Url(url), digest, digest_url, via }
}

fn download(from: Transfer, dest: &str) -> Step {
    let group = nix::unistd::getgid().to_string();
    let kind = DownloadStep { from, dest: dest.into(), mode: 0o750, owner: sshd::me(), group };
    step("get", StepKind::Download(kind))
}

#[test_case(Via::Host; "by this host")]
#[test_case(Via::Guest; "by the guest")]
#[tokio::test]
async fn a_download_arrives_or_says_why(via: Via) {
    let bench = Bench::new().await;
    let body = b"golden\n".to_vec();
    let hex = hex::encode(Sha256::digest(&body));
    let base = serve(BTreeMap::from([
        ("/d/tool".to_owned(), body.clone()),
        ("/d/SUMS".to_owned(), format!("{}  other\n{hex}  tool\n", "0".repeat(64)).into_bytes()),
        ("/d/tool.sha256".to_owned(), hex.clone().into_bytes()),
        ("/d/other".to_owned(), "0".repeat(64).into_bytes()),
    ]));
    let dest = bench.path("a/it's here");
    let url = || format!("{base}/d/tool");
    for (digest, sums) in [
        (Some(format!("sha256:{hex}")), None),
        (None, Some(format!("{base}/d/SUMS"))),
        (Some(String::new()), Some(format!("{base}/d/tool.sha256"))),
    ] {
        let _not_there_the_first_time = std::fs::remove_file(&dest);
        bench.run(&[download(transfer(url(), digest, sums, via), &dest)]).await.unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), body);
        assert_eq!(std::fs::metadata(&dest).unwrap().permissions().mode() & 0o7777, 0o750);
    }
    let wrong = transfer(url(), None, Some(format!("{base}/d/other")), via);
    let error = bench.run(&[download(wrong, &bench.path("never"))]).await.unwrap_err();
    let why = format!("{:?}", error.source());
    assert!(why.contains(&hex) || why.contains("Digest"), "{why}");
    assert!(!bench.sshd.path("never").exists());
    let none = transfer(url(), None, None, via);
    let error = bench.run(&[download(none, &bench.path("never"))]).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("neither `digest` nor `digest-url`"));
}

#[tokio::test]
async fn an_archive_is_fetched_unpacked_and_skipped_when_it_is_there() {
    if sshd::me() != "root" {
        eprintln!("skipped: what is unpacked passes through a file that only root can make");
        return;
    }
    let bench = Bench::new().await;
    let tree = bench.sshd.path("tree");
    std::fs::create_dir_all(tree.join("top")).unwrap();
    std::fs::write(tree.join("top/tool"), "x").unwrap();
    let packed = bench.sshd.path("a.tar.gz");
    let out =
        std::process::Command::new("tar").arg("-czf").arg(&packed).arg("-C").arg(&tree).arg("top").status();
    assert!(out.unwrap().success());
    let body = std::fs::read(&packed).unwrap();
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&body)));
    let base = serve(BTreeMap::from([("/a.tar.gz?x=y".to_owned(), body)]));
    let dest = bench.path("dest");
    let archive = |url: String| ArchiveStep {
        from: transfer(url, Some(digest.clone()), None, Via::Host),
        dest: dest.clone(),
        strip: 1,
        include: vec![],
        exclude: vec![],
        owner: None,
        group: None,
        mode: None,
        creates: Some(format!("{dest}/tool")),
    };
    let good = step("unpack", StepKind::Archive(archive(format!("{base}/a.tar.gz?x=y"))));
    bench.run(&[good]).await.unwrap();
    assert_eq!(std::fs::read_to_string(format!("{dest}/tool")).unwrap(), "x");
    // There is nothing at this address, and nobody asks.
    bench.run(&[step("again", StepKind::Archive(archive(format!("{base}/none"))))]).await.unwrap();
}

#[tokio::test]
async fn a_secret_gets_into_a_line_and_nowhere_else() {
    let bench = Bench::new().await;
    let path = bench.path("conf");
    let line = LineStep {
        path: path.clone(),
        line: "password = ${secret.pw}".into(),
        matching: Some("^password".into()),
        after: None,
        absent: false,
        create: true,
    };
    bench.run(&[step("line", StepKind::Line(line))]).await.unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "password = pa$$'\"word\n");
    assert!(!bench.memory.json().contains("'\\\"word"), "a secret got into an event");
}

fn folder(path: &str, source: std::path::PathBuf) -> DirectoryStep {
    DirectoryStep {
        path: path.into(),
        mode: None,
        owner: Some(sshd::me()),
        group: Some(nix::unistd::getgid().to_string()),
        absent: false,
        empty: false,
        source: Some(source),
        file_mode: None,
        delete: false,
    }
}

#[tokio::test]
async fn a_folder_arrives_whole_and_what_is_too_much_goes() {
    if sshd::me() != "root" {
        eprintln!("skipped: folders that last, which alone are checked, are root's");
        return;
    }
    let bench = Bench::new().await;
    let source = bench.sshd.path("source");
    for name in ["a", "it's/deep/b\\c", "line\nend", "-"] {
        std::fs::create_dir_all(source.join(name).parent().unwrap()).unwrap();
        std::fs::write(source.join(name), name).unwrap();
    }
    std::fs::set_permissions(source.join("a"), PermissionsExt::from_mode(0o744)).unwrap();
    std::os::unix::fs::symlink("nowhere", source.join("link")).unwrap();
    std::fs::create_dir(source.join("lib")).unwrap();
    std::fs::write(source.join("lib/x"), "x").unwrap();
    // Where tests put their files, nothing lasts; a link to the folder is a place that does.
    let lasting = format!("/var/lib/goldsmith-test-tree-{}", std::process::id());
    std::os::unix::fs::symlink(bench.sshd.folder.path(), &lasting).unwrap();
    let dest = format!("{lasting}/dest");
    let there = |name: &str| bench.sshd.path("dest").join(name);
    std::fs::create_dir_all(there("real/sub")).unwrap();
    std::fs::create_dir_all(there("it's/old")).unwrap();
    std::fs::write(there("it's/old/\nodd name "), "old").unwrap();
    std::fs::write(there("real/sub/kept"), "kept").unwrap();
    std::os::unix::fs::symlink("real", there("lib")).unwrap();
    // A folder in the way of a file.
    std::fs::create_dir_all(there("a/b")).unwrap();

    let plain = DirectoryStep { mode: Some(0o750), file_mode: Some(0o640), ..folder(&dest, source.clone()) };
    let clean = DirectoryStep { delete: true, ..plain.clone() };
    let kept = DirectoryStep { path: format!("{lasting}/other"), ..plain.clone() };
    bench.run(&[step("copy", StepKind::Directory(clean.clone()))]).await.unwrap();
    assert_eq!(std::fs::read_to_string(there("it's/deep/b\\c")).unwrap(), "it's/deep/b\\c");
    assert!(!there("it's/old").exists() && !there("real").exists());
    assert_eq!(std::fs::read_link(there("link")).unwrap().to_str(), Some("nowhere"));
    let mode = |name: &str| std::fs::symlink_metadata(there(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("a"), mode("-"), mode("it's/deep")), (0o750, 0o640, 0o750));

    std::fs::write(there("more"), "").unwrap();
    bench.run(&[step("again", StepKind::Directory(plain.clone()))]).await.unwrap();
    assert!(there("more").exists(), "without `delete`, the rest stays");

    let own = FileStep {
        dest: format!("{dest}/lib/x"),
        content: Content::Text("changed".into()),
        mode: 0o640,
        owner: sshd::me(),
        group: nix::unistd::getgid().to_string(),
    };
    let steps = [
        step("other", StepKind::Directory(kept)),
        step("early", StepKind::File(FileStep { dest: format!("{dest}/a"), ..own.clone() })),
        step("copy", StepKind::Directory(plain)),
        step("late", StepKind::File(own)),
    ];
    bench.run(&steps).await.unwrap();
    let specs = checks(&steps);
    let found = run_checks(&bench.cx, &bench.guest, "raw", &specs).await.unwrap();
    assert_eq!(specs.len(), 5, "{specs:#?}");
    assert!(found.iter().all(|check| check.passed), "{found:#?}");
    std::fs::write(there("it's/deep/b\\c"), "forged").unwrap();
    std::fs::remove_file(there("line\nend")).unwrap();
    let found = run_checks(&bench.cx, &bench.guest, "raw", &specs).await.unwrap();
    std::fs::remove_file(lasting).unwrap();
    let failed: Vec<_> = found.iter().filter(|check| !check.passed).collect();
    assert_eq!(failed.len(), 1, "{found:#?}");
    assert!(failed[0].found.contains("deep/b") && failed[0].found.contains("end"), "{failed:#?}");
}
