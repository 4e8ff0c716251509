//! Tests of the lint: what is wrong is found where it is, what is right is left alone, and whatever stands there is answered.
use super::*;
use crate::{
    plan::{AnswersTemplate, Firmware, InstallSystem, InstallUser, Provider},
    seed::answers::render,
    value::Arch,
};
use proptest::prelude::*;
use test_case::test_case;

fn plan(system: InstallSystem, version: &str) -> AnswersPlan {
    AnswersPlan::new(system, version, Arch::X86_64, Provider::Qemu, Firmware::Bios).unwrap()
}

const ALL: [(InstallSystem, &str); 6] = [
    (InstallSystem::Ubuntu, "24.04"),
    (InstallSystem::Rhel, "8"),
    (InstallSystem::Rhel, "9"),
    (InstallSystem::Rhel, "10"),
    (InstallSystem::Debian, "12"),
    (InstallSystem::Photon, "5"),
];

/// The built-in answers with one text in the place of another.
fn findings(system: InstallSystem, version: &str, from: &str, to: &str) -> Vec<Finding> {
    let mut plan = plan(system, version);
    let text = text(&plan);
    assert!(text.contains(from), "{from}");
    // Raw, so that nothing in it is taken for a part of the template.
    let own = format!("{{% raw %}}{}{{% endraw %}}", text.replacen(from, to, 1));
    plan.template = Some(AnswersTemplate { path: "/images/mine".into(), text: own });
    check(&plan, &render(&plan).unwrap())
}

fn text(plan: &AnswersPlan) -> String {
    render(plan).unwrap().swap_remove(0).text
}

/// The first finding, and whether its line is the one with `mark`.
fn first(system: InstallSystem, version: &str, from: &str, to: &str) -> String {
    let found = findings(system, version, from, to);
    let finding = found.first().unwrap_or_else(|| panic!("nothing is found in {to}"));
    assert_eq!(finding.origin, "/images/mine");
    assert!(!finding.advice.is_empty());
    if let Some(line) = finding.line {
        let plan = plan(system, version);
        let text = text(&plan).replacen(from, to, 1);
        assert!(line >= 1 && line <= text.lines().count() + 1, "{finding}");
    }
    finding.problem.clone()
}

#[test]
fn built_in_answers_are_right() {
    for (system, version) in ALL {
        let plan = plan(system, version);
        let found = check(&plan, &render(&plan).unwrap());
        assert!(found.is_empty(), "{system} {version}: {found:#?}");
    }
}

#[test_case("#cloud-config\n", "" => "the first line is not `#cloud-config`, so cloud-init would not read the file"; "no header")]
#[test_case("  version: 1", "  version: \"1\"" => "`version` is not the number 1, so the installer would stop at once"; "version")]
#[test_case("install-server: true", "install-server: maybe" => "`install-server` takes `true` or `false`, but this is a text"; "boolean")]
#[test_case("install-server: true", "install-server: no" => "these answers never install OpenSSH's server, so nobody could log in"; "no sshd")]
#[test_case("shutdown: poweroff", "shutdown: halt" => "`shutdown` takes `reboot` or `poweroff`, but this is a text"; "shutdown")]
#[test_case("shutdown: poweroff", "shutdown: reboot" => "the build expects that the machine powers off at the end, and these answers say reboot"; "other end")]
#[test_case("  user-data:\n    users: []\n", "" => "there is neither `identity` nor `user-data`, without which the installer stops"; "no user data")]
#[test_case("fallback: abort", "fallback: give-up" => "`fallback` takes `abort` or `continue-anyway` or `offline-install`, but this is a text"; "fallback")]
#[test_case("    - rmdir /target/mnt/goldsmith", "    - echo a: b" => "in `late-commands`, a command is a text or a list of texts, but this is a map"; "map as command")]
#[test_case("        volume: partition-root", "        volume: partition-rot" => "`volume` of `format-root` is `partition-rot`, and no action before it has this id"; "reference")]
#[test_case("  updates: all", "  interactive-sections: [network]" => "`interactive-sections` makes the installer wait for somebody"; "interactive")]
#[test_case("  updates: all", "  locale: again" => "`locale` stands here for the second time, and only one counts"; "twice")]
#[test_case("  updates: all\n", "late-commands: []\n" => "this is not YAML: while parsing a block mapping, did not find expected key"; "indentation")]
#[test_case("finish.sh", "start.sh" => "these answers give a system in which no cloud-init takes the build's key, so nobody could log in"; "no finish")]
fn autoinstall(from: &str, to: &str) -> String {
    let from = if from == "finish.sh" { "curtin in-target -- sh /mnt/goldsmith/finish.sh" } else { from };
    first(InstallSystem::Ubuntu, "24.04", from, to)
}

#[test]
fn an_unknown_key_of_autoinstall_is_named_with_its_line_and_the_nearest() {
    let found = findings(InstallSystem::Ubuntu, "24.04", "  late-commands:", "  late-command:");
    let unknown = found.iter().find(|finding| finding.severity == Severity::Warning).unwrap();
    assert_eq!(
        unknown.problem,
        "the installer does not know `late-command` in `autoinstall`, and ignores it"
    );
    assert_eq!(unknown.advice, "leave it out; did you mean `late-commands`?");
    let line = unknown.line.unwrap();
    let shown = unknown.to_string();
    assert!(shown.starts_with(&format!("user-data (from /images/mine), line {line}: ")), "{shown}");
    let text = text(&plan(InstallSystem::Ubuntu, "24.04"));
    assert_eq!(text.lines().nth(line - 1), Some("  late-commands:"));
}

#[test_case("8", "\ncloud-init\n", "\n" => "these answers give a system in which no cloud-init takes the build's key, so nobody could log in"; "no cloud-init")]
#[test_case("9", "skipx", "skipy" => "there is no kickstart command `skipy`"; "unknown")]
#[test_case("9", "skipx", "install" => "RHEL 9 and later no longer have the command `install`; these answers are for 9"; "removed")]
#[test_case("8", "skipx", "timesource --ntp-disable" => "only RHEL 9 and later have the command `timesource`; these answers are for 8"; "too new")]
#[test_case("10", "UTC --utc", "UTC --isUtc" => "RHEL 10 and later no longer have `--isUtc` of `timezone`"; "option")]
#[test_case("9", "poweroff", "halt" => "`halt` leaves the machine running"; "halt")]
#[test_case("9", "poweroff", "" => "these answers never power off or reboot, so the build would wait for ever"; "no end")]
#[test_case("9", "skipx", "autopart\npart / --size=1" => "`autopart` and partitions of one's own exclude each other (lines 7 and 8)"; "both")]
#[test_case("9", "skipx", "lang \"en" => "a double quote is never closed"; "quote")]
#[test_case("9", "skipx", "%end" => "`%end` ends nothing: no section is open"; "end too many")]
#[test_case("9", "sudo\n", "sudo vim\n" => "`sudo vim` is more than one package"; "two packages")]
#[test_case("9", "%include /tmp/goldsmith-disk.cfg", "" => "a disk is never chosen, so the installer would ask for one"; "no disk")]
#[test_case("9", "%include /tmp/goldsmith-disk.cfg", "%include /tmp/other.cfg" => "`/tmp/other.cfg` is included, and no `%pre` writes it"; "include of nothing")]
#[test_case("9", "%packages", "%package" => "there is no section `%package`"; "section")]
fn kickstart(version: &str, from: &str, to: &str) -> String {
    first(InstallSystem::Rhel, version, from, to)
}

#[test]
fn a_section_without_an_end_is_named_by_its_first_line() {
    let found = findings(InstallSystem::Rhel, "9", "%end\n\n%addon", "\n%addon");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].problem.starts_with("`%addon` begins inside the section `%packages` of line "),
        "{}",
        found[0]
    );
    let end = "rmdir /mnt/goldsmith\n%end\n";
    let found = findings(InstallSystem::Rhel, "9", end, "rmdir /mnt/goldsmith\n");
    assert_eq!(found[0].problem, "the section `%post` is never ended");
}

#[test_case("d-i time/zone string UTC", "d-i time/zone" => "this is no preseeded answer: it has less than an owner, a question and a type"; "short")]
#[test_case("d-i time/zone string UTC", "d-i time/zone sting UTC" => "there are no questions of the type `sting`"; "kind")]
#[test_case("d-i time/zone string UTC", "d-i timezone string UTC" => "`timezone` is no question: its name has no `/`"; "question")]
#[test_case("clock-setup/utc boolean true", "clock-setup/utc boolean yes" => "`clock-setup/utc` takes `true` or `false`, not `yes`"; "boolean")]
#[test_case("locale string en_US.UTF-8", "locale string C" => "with the locale `C` the installer asks for a country, whatever the priority"; "locale")]
#[test_case("d-i partman/confirm boolean true\n", "" => "`partman/confirm` is not answered with `true`, so the installer asks before it writes to the disk"; "confirm")]
#[test_case("d-i finish-install/reboot_in_progress note\n", "" => "these answers never power off or reboot, so the build would wait for ever"; "end")]
#[test_case("d-i debian-installer/exit/poweroff boolean true", "" => "the build expects that the machine powers off at the end, and these answers say reboot"; "reboot")]
#[test_case("d-i partman-auto/method string regular", "" => "a disk is never chosen, so the installer would ask for one"; "disk")]
#[test_case("openssh-server sudo", "sudo" => "these answers never install OpenSSH's server, so nobody could log in"; "sshd")]
#[test_case("d-i preseed/late_command", "# d-i preseed/late_command" => "there are no questions of the type `/target/mnt/goldsmith`"; "comment before a continuation")]
#[test_case("  mkdir -p /target/mnt/goldsmith && \\", "  # first \\" => "this comment is a part of the value that begins in line 49"; "comment in a value")]
fn preseed(from: &str, to: &str) -> String {
    first(InstallSystem::Debian, "12", from, to)
}

#[test_case("\"cloud-init\",", "" => "these answers give a system in which no cloud-init takes the build's key, so nobody could log in"; "no cloud-init")]
#[test_case("\"sudo\",", "\"sudo\"" => "this is not JSON: expected `,` or `]` at line 11 column 5"; "comma")]
#[test_case("\"hostname\"", "\"host\"" => "the installer does not know `host`, and would stop"; "unknown")]
#[test_case("\"disk\": \"/dev/vda\",", "" => "a disk is never chosen, so the installer would ask for one"; "disk")]
#[test_case("\"#!/bin/sh\"", "1" => "`postinstall` takes a list of texts"; "script")]
fn photon(from: &str, to: &str) -> String {
    first(InstallSystem::Photon, "5", from, to)
}

/// A login of the image's own has to be made by its installer.
#[test]
fn the_user_of_a_login_is_made() {
    let mut plan = plan(InstallSystem::Debian, "12");
    (plan.seed, plan.login) = (SeedKind::Login, Some("ops".into()));
    let found = check(&plan, &render(&plan).unwrap());
    assert_eq!(found[0].problem, "these answers create no user `ops`, as whom `[guest.login]` logs in");
    plan.users.push(InstallUser { name: "ops".into(), groups: vec![], sudo: true, authorized_keys: vec![] });
    assert_eq!(check(&plan, &render(&plan).unwrap()), []);
}

#[test]
fn passwords_that_stay_are_warned_of() {
    for (system, version, from, to) in [
        (InstallSystem::Rhel, "9", "rootpw --lock", "rootpw secret"),
        (InstallSystem::Debian, "12", "root-password-crypted password !", "root-password password secret"),
        (InstallSystem::Photon, "5", "\"text\": \"*\"", "\"text\": \"secret\""),
        (
            InstallSystem::Ubuntu,
            "24.04",
            "    users: []",
            "    users:\n      - name: x\n        passwd: secret",
        ),
    ] {
        let found = findings(system, version, from, to);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(found[0].problem.ends_with("stays in the image"), "{}", found[0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a user's template gives is answered, with lines that there are.
    #[test]
    fn whatever_stands_there_is_answered(text in any::<String>(), at in 0usize..4000, cut in 0usize..200, which in 0usize..6) {
        let (system, version) = ALL[which];
        let mut plan = plan(system, version);
        let whole = super::tests::text(&plan);
        let from = whole.floor_char_boundary(at.min(whole.len()));
        let to = whole.floor_char_boundary((from + cut).min(whole.len()));
        let changed = format!("{}{text}{}", &whole[..from], &whole[to..]);
        if !changed.contains("endraw") {
            plan.template = Some(AnswersTemplate {
                path: "/images/mine".into(),
                text: format!("{{% raw %}}{changed}{{% endraw %}}"),
            });
            let lines = changed.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
            for finding in check(&plan, &render(&plan).unwrap()) {
                prop_assert!(finding.line.is_none_or(|line| line <= lines + 1), "{finding}");
            }
        }
    }
}

#[test]
fn deep_documents_are_refused() {
    for depth in [70, 100_000] {
        let deep = format!("  updates: {}", "[".repeat(depth));
        let found = findings(InstallSystem::Ubuntu, "24.04", "  updates: all", &deep);
        assert!(found[0].problem.starts_with("this is not YAML: "), "{}", found[0]);
    }
}
