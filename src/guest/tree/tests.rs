//! Packing: against every tar that is there.
use super::*;
use std::process::Command as Process;

fn tree(folder: &Path) {
    let long = "long-".repeat(30);
    std::fs::create_dir_all(folder.join("b/empty")).unwrap();
    std::fs::create_dir_all(folder.join(&long).join(&long)).unwrap();
    std::fs::write(folder.join("b/file"), vec![b'x'; 1025]).unwrap();
    std::fs::write(folder.join("b.file"), b"").unwrap();
    std::fs::write(folder.join("-a b\n'\"*"), b"odd name").unwrap();
    std::fs::write(folder.join(&long).join(&long).join(&long), b"deep").unwrap();
    std::fs::write(folder.join("run"), b"#!/bin/sh\n").unwrap();
    std::fs::set_permissions(folder.join("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("../nowhere", folder.join("link")).unwrap();
    std::os::unix::fs::symlink(format!("/{}", "far-".repeat(40)), folder.join("far")).unwrap();
}

fn archive(folder: &Path, target: &TreeTarget) -> Vec<u8> {
    let entries = walk(folder).unwrap();
    let ids = Ids { user: 0, group: 0 };
    let mut bytes = Vec::new();
    pack(folder, &entries, target, ids, &mut bytes).unwrap();
    let planned: u64 = entries.iter().map(|entry| entry.packed(target, ids)).sum();
    assert_eq!(bytes.len() as u64, planned + tar::END as u64);
    bytes
}

/// Modes, kinds, names, sizes and targets.
fn listing(folder: &Path) -> String {
    let script = "cd \"$1\" && find . -mindepth 1 -printf '%P %y %m %s %l\\0' | sed -z 's/ d \\([0-7]*\\) [0-9]*/ d \\1/' | sort -z | tr '\\0' '\\n'";
    let out = Process::new("bash").args(["-c", script, "sh"]).arg(folder).output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn every_tar_unpacks_what_we_pack() {
    let from = tempfile::tempdir().unwrap();
    tree(from.path());
    let bytes = archive(from.path(), &TreeTarget::new("/x"));
    let mut seen = Vec::new();
    for tar in [&["tar"][..], &["busybox", "tar"], &["bsdtar"]] {
        if Process::new(tar[0]).arg("--help").output().is_err() {
            // GNU's is always there.
            assert_ne!(tar[0], "tar");
            continue;
        }
        let to = tempfile::tempdir().unwrap();
        let archive = to.path().join("archive");
        std::fs::write(&archive, &bytes).unwrap();
        let folder = to.path().join("to");
        std::fs::create_dir(&folder).unwrap();
        let options = ["-x", "-p", "-m", "--numeric-owner", "-f"];
        let out = Process::new(tar[0])
            .args(&tar[1..])
            .args(options)
            .arg(&archive)
            .arg("-C")
            .arg(&folder)
            .output()
            .unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{tar:?}: {out:?}");
        seen.push(listing(&folder));
    }
    for other in &seen[1..] {
        assert_eq!(*other, seen[0]);
    }
    // The same as here, but for the modes, which are ours.
    let strip =
        |text: &str| text.replace(" f 700 ", " f M ").replace(" f 755 ", " f M ").replace(" f 644 ", " f M ");
    std::fs::set_permissions(from.path().join("b"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(strip(&seen[0]), strip(&listing(from.path())));
    assert!(seen[0].contains("run f 755 10"), "{}", seen[0]);
    assert!(seen[0].contains("b/file f 644 1025"), "{}", seen[0]);
}

#[test]
fn the_order_is_that_of_the_names_and_modes_follow_the_rules() {
    let from = tempfile::tempdir().unwrap();
    for name in ["z", "a", "B", "a.b"] {
        std::fs::write(from.path().join(name), name).unwrap();
    }
    std::fs::create_dir(from.path().join("a.d")).unwrap();
    let names: Vec<String> =
        walk(from.path()).unwrap().iter().map(|entry| entry.path.display().to_string()).collect();
    assert_eq!(names, ["B", "a", "a.b", "a.d", "z"]);
    let target = TreeTarget { file_mode: 0o640, ..TreeTarget::new("/x") };
    let ids = Ids { user: 1, group: 2 };
    let program = Entry { path: "p".into(), what: What::File { size: 0, program: true } };
    assert_eq!(&program.header(&target, ids)[100..107], b"0000750");
    assert_eq!(archive(from.path(), &target), archive(from.path(), &target));
}

#[test]
fn a_guest_without_tar_and_unknown_owners_are_named() {
    let sh = |path: &str, target: &TreeTarget| {
        let out = Process::new("/bin/sh").args(["-euc", &look(target)]).env("PATH", path).output().unwrap();
        (out.status.success(), String::from_utf8([out.stdout, out.stderr].concat()).unwrap())
    };
    let target = TreeTarget::new("/tmp");
    assert_eq!(sh("/usr/bin:/bin", &target), (true, "0 0 gnu\n".into()));
    let (good, said) = sh("/nowhere", &target);
    assert!(!good && said.contains("there is no `tar` in the guest"), "{said}");
    let target = TreeTarget { owner: "daemon".into(), group: "4711".into(), ..target };
    assert_eq!(sh("/usr/bin:/bin", &target), (true, "1 4711 gnu\n".into()));
    let target = TreeTarget { group: "no such group".into(), ..target };
    let (good, said) = sh("/usr/bin:/bin", &target);
    assert!(!good && said.contains("group of the guest has no no such group"), "{said}");
}

#[test]
fn what_is_no_file_is_named() {
    let from = tempfile::tempdir().unwrap();
    let pipe = from.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = walk(from.path()).unwrap_err().to_string();
    assert!(error.contains("pipe: it is neither"), "{error}");
    assert!(walk(&from.path().join("missing")).unwrap_err().to_string().contains("missing"));
}
