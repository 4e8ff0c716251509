//! Tests of the answers: what goes where, what is refused, what is the same every time. The texts themselves are in
//! `tests/it/answers`.
use super::*;
use crate::{
    plan::{
        AnswerFile, AnswerPlace, AnswersPlan, AnswersTemplate, DiskLayout, Firmware, InstallSystem,
        InstallUser, NetworkPlan, Provider,
    },
    value::Arch,
};
use std::{path::Path, process::Command};
use test_case::test_case;

fn plan(system: InstallSystem, version: &str) -> AnswersPlan {
    AnswersPlan::new(system, version, Arch::X86_64, Provider::Qemu, Firmware::Bios).unwrap()
}

fn answers(plan: &AnswersPlan) -> Vec<AnswerFile> {
    let file = |file: RenderedFile| AnswerFile { name: file.name, text: file.text };
    render(plan).unwrap().into_iter().map(file).collect()
}

fn output(program: &str, arguments: &[&str], path: &Path) -> String {
    let out = Command::new(program).args(arguments).arg(path).output().unwrap();
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test_case(InstallSystem::Ubuntu, "24.04", "CIDATA")]
#[test_case(InstallSystem::Rhel, "9", "OEMDRV")]
#[test_case(InstallSystem::Photon, "5", "OEMDRV")]
fn other_tools_read_the_volume_by_its_label(system: InstallSystem, version: &str, label: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let plan = plan(system, version);
    assert_eq!(plan.place(), AnswerPlace::Volume(label.to_owned()));
    let answers = answers(&plan);
    write_answers(&one, label, &answers).unwrap();
    write_answers(&two, label, &answers).unwrap();
    assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap());
    let probed = output("blkid", &["-p", "-o", "export"], &one);
    assert!(probed.contains(&format!("LABEL={label}\n")) && probed.contains("TYPE=vfat\n"), "{probed}");
    for file in &answers {
        let read =
            Command::new("mtype").arg("-i").arg(&one).arg(format!("::{}", file.name)).output().unwrap();
        assert_eq!(String::from_utf8(read.stdout).unwrap(), file.text, "{}", file.name);
    }
    let mode = std::fs::metadata(&one).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
}

#[test]
fn an_initrd_is_the_installers_with_the_answers_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("initrd");
    let mut plan = plan(InstallSystem::Debian, "12");
    plan.early = vec!["echo early\n".into()];
    let answers = answers(&plan);
    // Three bytes too many for the archive to follow at once.
    std::fs::write(&path, [7; 4097]).unwrap();
    append_answers(&path, &answers).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[..4097], [7; 4097]);
    assert_eq!(bytes[4097..4106], *b"\0\0\x00070701");
    let archive = folder.path().join("archive");
    std::fs::write(&archive, &bytes[4100..]).unwrap();
    let listed = output("sh", &["-c", "cpio -t --quiet <\"$0\""], &archive);
    assert_eq!(listed, "preseed.cfg\ngoldsmith\ngoldsmith/finish.sh\ngoldsmith/early.sh\n");
    assert_eq!(plan.place(), AnswerPlace::Initrd);
}

#[test]
fn a_template_of_the_users_own_extends_the_built_in_one() {
    let mut plan = plan(InstallSystem::Rhel, "9");
    plan.template = Some(AnswersTemplate {
        path: "/images/mine.cfg.j2".into(),
        text: "{% extends \"anaconda.cfg\" %}{% block packages %}{{ super() }}tmux\n{% endblock %}".into(),
    });
    let main = render(&plan).unwrap().swap_remove(0);
    assert_eq!(main.origin, "/images/mine.cfg.j2");
    assert!(main.text.contains("openssh-server\nsudo\n-iwl*-firmware\ntmux\n%end"), "{}", main.text);
    plan.template =
        Some(AnswersTemplate { path: "/images/mine.cfg.j2".into(), text: "lang {{ language }}\n".into() });
    let error = render(&plan).unwrap_err();
    assert_eq!(error.to_string(), "could not fill the template `/images/mine.cfg.j2`");
}

/// Commands of the definition that an installer's language cannot hold are refused with the reason.
#[test]
fn what_a_language_cannot_hold_is_refused() {
    let mut plan = plan(InstallSystem::Rhel, "9");
    plan.early = vec!["echo\n%end\nrm -rf /\n".into()];
    let error = render(&plan).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("line 2 of the script begins with `%end`"), "{source}");
}

/// The script that every installer runs, on a root of its own with real tools.
#[test]
fn the_finish_script_parses_and_quotes_hostile_values() {
    let hostile = "it's $(touch /pwned) `id` \\ \"q\" # {{ user }} %end";
    for (system, version) in [
        (InstallSystem::Ubuntu, "24.04"),
        (InstallSystem::Rhel, "9"),
        (InstallSystem::Debian, "12"),
        (InstallSystem::Photon, "5"),
    ] {
        let mut plan = plan(system, version);
        plan.late = vec![format!("printf '%s\\n' \"{}\"\n", "late"), hostile.into()];
        plan.users = vec![InstallUser {
            name: "ops".into(),
            groups: vec!["wheel".into()],
            sudo: true,
            authorized_keys: vec![hostile.into()],
        }];
        plan.network = NetworkPlan::Dhcp;
        let answers = answers(&plan);
        let finish = &answers.iter().find(|file| file.name.ends_with(FINISH)).unwrap().text;
        for shell in ["sh", "bash"] {
            let out = Command::new(shell).args(["-n", "-c", finish]).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
        // What the functions are called with, when they and all commands only print.
        let users: String = finish
            .lines()
            .filter(|line| line.starts_with("add_user "))
            .flat_map(|line| [line, "\n"])
            .collect();
        let (_, late) = finish.split_once("# --- Late command 1").unwrap();
        let (late, _) = late.split_once("# SELinux").unwrap();
        let calls = format!("{users}#{late}");
        let script =
            format!("add_user() {{ printf '%s|' \"$@\"; }}; sh() {{ printf '%s|' \"$3\"; }}\n{calls}");
        let out = Command::new("bash").args(["-c", &script]).output().unwrap();
        let read = String::from_utf8(out.stdout).unwrap();
        assert!(read.starts_with(&format!("ops|{hostile}|")), "{read}");
        assert!(read.ends_with(&format!("{hostile}|")), "{read}");
    }
}

#[test]
fn every_layout_is_partitioned_for_every_installer_that_makes_it() {
    for (system, version) in [
        (InstallSystem::Ubuntu, "24.04"),
        (InstallSystem::Rhel, "9"),
        (InstallSystem::Debian, "12"),
        (InstallSystem::Photon, "5"),
    ] {
        for layout in [
            DiskLayout::Root,
            DiskLayout::EfiRoot,
            DiskLayout::EfiBootRoot,
            DiskLayout::RootEfi,
            DiskLayout::Automatic,
        ] {
            let mut plan = plan(system, version);
            plan.layout = layout;
            plan.firmware = if layout == DiskLayout::Root { Firmware::Bios } else { Firmware::Efi };
            if plan.check().is_ok() {
                answers(&plan);
            }
        }
    }
}
