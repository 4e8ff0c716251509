//! Accounts, names, mounts and kernel parameters, with an /etc of their own.
use super::{super::*, Etc, SHELLS, asking, checks, failed};
use crate::plan::{
    Awaited, CheckStep, Expected, GroupStep, HostnameStep, HostsStep, ModuleStep, MountStep, StepKind,
    SudoersStep, SwapStep, SysctlStep, WaitForStep,
};
use std::collections::BTreeMap;
use test_case::test_case;

const NONE: Vec<String> = Vec::new();

/// Runs the script of a step and then asks what follows from it, all inside of `etc`.
#[track_caller]
fn done(shell: &str, etc: &Etc, script: &str, kind: StepKind) -> Vec<String> {
    let specs = checks(kind);
    failed(&specs, &etc.run(shell, &format!("({script})\n{}", asking(&specs))))
}

#[test]
fn a_group_is_made_changed_and_removed() {
    for shell in SHELLS {
        let etc = Etc::new();
        let step = |gid, absent| GroupStep { name: "ops-team".into(), gid, system: false, absent };
        for step in [step(None, false), step(Some(4711), false), step(Some(4712), false), step(None, false)] {
            assert_eq!(done(shell, &etc, &group::script(&step), StepKind::Group(step.clone())), NONE);
        }
        assert!(etc.read("group").contains("\nops-team:x:4712:"));
        let gone = step(None, true);
        let specs = checks(StepKind::Group(gone.clone()));
        assert_eq!(
            failed(&specs, &etc.run(shell, &asking(&specs))),
            ["group `ops-team` does not exist: 4712 (0)"]
        );
        for _ in 0..2 {
            assert_eq!(done(shell, &etc, &group::script(&gone), StepKind::Group(gone.clone())), NONE);
        }
    }
}

#[test]
fn rules_for_sudo_get_in_only_when_they_are_valid() {
    for shell in SHELLS {
        let etc = Etc::new();
        let step = |content: &str| SudoersStep {
            name: "ops".into(),
            content: content.into(),
            absent: content.is_empty(),
        };
        let good = step("Defaults:ops !requiretty\n%ops ALL=(ALL) NOPASSWD: /bin/sh -c 'a b'");
        assert_eq!(done(shell, &etc, &sudoers::script(&good), StepKind::Sudoers(good.clone())), NONE);
        let (code, said) = etc.try_run(shell, &sudoers::script(&step("ops ALL=nonsense nonsense (")));
        assert!(code != Some(0) && said.contains("ops ALL=nonsense"), "{said}");
        let specs = checks(StepKind::Sudoers(good));
        assert_eq!(failed(&specs, &etc.run(shell, &asking(&specs))), NONE, "the good ones are still there");
        let gone = step("");
        assert_eq!(done(shell, &etc, &sudoers::script(&gone), StepKind::Sudoers(gone.clone())), NONE);
        assert_eq!(
            failed(&specs, &etc.run(shell, &asking(&specs))),
            ["sudo rules `ops` are there and valid: missing (0)"]
        );
    }
}

#[test]
fn the_guest_has_its_name_now() {
    for shell in SHELLS {
        let etc = Etc::new();
        let script = hosts::hostname(&HostnameStep { name: "golden-1".into() });
        assert_eq!(etc.run(shell, &format!("{script}\ncat /proc/sys/kernel/hostname")), "golden-1\n");
        assert_eq!(etc.read("hostname"), "golden-1\n");
    }
}

#[test]
fn an_address_has_the_names_that_it_is_given() {
    for shell in SHELLS {
        let etc = Etc::new();
        etc.write("hosts", "127.0.0.1 localhost\n10.0.0.1\told a\n# 10.0.0.1 comment\n10.0.0.10 ten");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let entries = [("10.0.0.1", names(&["a", "b"])), ("10.0.0.10", vec![]), ("::1", names(&["six"]))];
        let entries = entries.into_iter().map(|(address, names)| (address.to_owned(), names)).collect();
        let step = HostsStep { entries };
        for _ in 0..2 {
            assert_eq!(done(shell, &etc, &hosts::script(&step), StepKind::Hosts(step.clone())), NONE);
        }
        assert_eq!(etc.read("hosts"), "127.0.0.1 localhost\n# 10.0.0.1 comment\n10.0.0.1\ta b\n::1\tsix\n");
        etc.write("hosts", "10.0.0.1 a\n");
        let specs = checks(StepKind::Hosts(step));
        assert_eq!(failed(&specs, &etc.run(shell, &asking(&specs))).len(), 2);
    }
}

#[test]
fn parameters_are_set_and_written_once() {
    for shell in SHELLS {
        let etc = Etc::new();
        let step = |value: &str, apply| SysctlStep {
            file: "/etc/sysctl.d/99-goldsmith.conf".into(),
            values: BTreeMap::from([("kernel.domainname".to_owned(), value.to_owned())]),
            apply,
        };
        // The domain name is of the namespace, so that no test changes the host.
        for value in ["example.org", "it's \"b\""] {
            let step = step(value, true);
            assert_eq!(done(shell, &etc, &sysctl::script(&step), StepKind::Sysctl(step.clone())), NONE);
        }
        etc.run(
            shell,
            &sysctl::script(&SysctlStep {
                values: BTreeMap::from([("vm.swappiness".to_owned(), "10".to_owned())]),
                ..step("", false)
            }),
        );
        assert_eq!(
            etc.read("sysctl.d/99-goldsmith.conf"),
            "kernel.domainname = it's \"b\"\nvm.swappiness = 10\n"
        );
        let unknown =
            SysctlStep { values: BTreeMap::from([("no.such".to_owned(), "1".to_owned())]), ..step("", true) };
        let (code, said) = etc.try_run(shell, &sysctl::script(&unknown));
        assert!(code == Some(1) && said.contains("no parameter no.such"), "{said}");
        let specs = checks(StepKind::Sysctl(unknown));
        assert_eq!(failed(&specs, &etc.run(shell, &asking(&specs))).len(), 1);
    }
}

#[test]
fn modules_are_listed_once() {
    for shell in SHELLS {
        let etc = Etc::new();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let step = ModuleStep {
            load: names(&["br_netfilter", "no-such-module"]),
            blacklist: names(&["no-such-floppy"]),
            file: "/etc/modules-load.d/k8s.conf".into(),
            now: false,
        };
        etc.run(shell, "mkdir /etc/modules-load.d; printf %s overlay >/etc/modules-load.d/k8s.conf");
        for _ in 0..2 {
            etc.run(shell, &module::script(&step));
        }
        assert_eq!(etc.read("modules-load.d/k8s.conf"), "overlay\nbr_netfilter\nno-such-module\n");
        assert_eq!(etc.read("modprobe.d/goldsmith-blacklist.conf"), "blacklist no-such-floppy\n");
        let specs = checks(StepKind::Module(step));
        let wrong = failed(&specs, &etc.run(shell, &asking(&specs)));
        assert_eq!(wrong.last().unwrap(), "kernel module `no-such-module` is loaded: missing (0)");
    }
}

#[test]
fn swap_is_gone_from_the_table_of_mounts() {
    for shell in SHELLS {
        let etc = Etc::new();
        etc.write("fstab", "# none swap swap sw 0 0\n/dev/vda1 / ext4 defaults 0 1\nUUID=1 none  swap\tsw 0 0\n/swapfile swap swap defaults\n");
        let script = swap::script(&SwapStep::Off {}).unwrap();
        assert_eq!(done(shell, &etc, &script, StepKind::Swap(SwapStep::Off {})), NONE);
        assert_eq!(etc.read("fstab"), "# none swap swap sw 0 0\n/dev/vda1 / ext4 defaults 0 1\n");
    }
}

#[test]
fn a_file_to_swap_to_has_the_size_and_a_line() {
    for shell in SHELLS {
        let (etc, folder) = (Etc::new(), tempfile::tempdir().unwrap());
        let file = folder.path().join("a b").display().to_string();
        let script = swap::script(&SwapStep::File { file: file.clone(), size: "2MiB".into() }).unwrap();
        // Nobody in a user namespace may swap, so all but that is proved here.
        let all_but = script.replace("swapon \"$s\"", "[ \"$(stat -c '%s %a' \"$s\")\" = '2097152 600' ]");
        assert_ne!(all_but, script);
        etc.run(shell, &all_but);
        etc.run(shell, &all_but);
        assert_eq!(etc.read("fstab"), format!("{} none swap sw 0 0\n", file.replace(' ', "\\040")));
        let said = crate::provision::StepError::value("x", "y", "z".into()).to_string();
        assert_eq!(said, "`y` cannot be the x: z");
        assert!(swap::script(&SwapStep::File { file, size: "many".into() }).is_err());
    }
}

#[test]
fn a_mount_is_there_now_and_in_the_table() {
    for shell in SHELLS {
        let (etc, folder) = (Etc::new(), tempfile::tempdir().unwrap());
        etc.write("fstab", "/dev/vda1 / ext4 defaults 0 1\n");
        let path = folder.path().join("it's here").display().to_string();
        let step = |options: &str, absent| MountStep {
            device: "none".into(),
            path: path.clone(),
            fs: "tmpfs".into(),
            options: options.into(),
            now: true,
            absent,
        };
        let (first, second, gone) =
            (step("size=1m", false), step("size=2m,mode=0700", false), step("", true));
        // Mounts end with the namespace, so all of it is one script.
        let script = format!(
            "({})\n{}({})\n{}grep -c 'size=2048k' /proc/self/mounts\n({})\n{}",
            mount::script(&first),
            asking(&checks(StepKind::Mount(first.clone()))),
            mount::script(&second),
            asking(&checks(StepKind::Mount(second.clone()))),
            mount::script(&gone),
            asking(&checks(StepKind::Mount(gone.clone())))
        );
        let said = etc.run(shell, &script);
        let specs: Vec<_> =
            [first, second, gone].into_iter().flat_map(|step| checks(StepKind::Mount(step))).collect();
        // The count of lines with the new size is in the answer to the second.
        let said = said.replacen("mounted\n1\n", "mounted\n", 1);
        assert_eq!(failed(&specs, &said), NONE);
        assert_eq!(etc.read("fstab"), "/dev/vda1 / ext4 defaults 0 1\n");
    }
}

#[test_case(Awaited::Path("/etc/late".into()), ": >/etc/late"; "a path")]
#[test_case(Awaited::Run("test -e /etc/late".into()), ": >/etc/late"; "a command")]
fn what_comes_late_is_waited_for(what: Awaited, brings: &str) {
    for shell in SHELLS {
        let etc = Etc::new();
        let script = wait_for::script(&WaitForStep { what: what.clone(), every: "50ms".into() }).unwrap();
        etc.run(shell, &format!("(sleep 0.3; {brings}) &\n{script}"));
    }
}

#[test]
fn a_port_is_there_when_somebody_listens() {
    for shell in SHELLS {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = u32::from(listener.local_addr().unwrap().port());
        let what = Awaited::Port { host: "127.0.0.1".into(), port };
        let script = wait_for::script(&WaitForStep { what, every: "50ms".into() }).unwrap();
        super::run(shell, &script);
        drop(listener);
        let limited = format!("timeout 1 {shell} -eu {{}}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &script).unwrap();
        let (code, said) = super::try_run("sh", &limited.replace("{}", &file.path().display().to_string()));
        assert_eq!(
            (code, said.as_str()),
            (Some(124), &*format!("127.0.0.1:{port} takes no connections yet\n"))
        );
    }
}

#[test_case("echo ' a b '", Expected::Equals("a b".into()), true; "equals")]
#[test_case("echo a", Expected::Equals("b".into()), false; "equals not")]
#[test_case("echo a; false", Expected::Equals("a".into()), false; "equal but it failed")]
#[test_case("echo x; echo v1.2", Expected::Matches("^v[0-9]+".into()), true; "matches")]
#[test_case("echo x", Expected::Matches("^v".into()), false; "matches not")]
#[test_case("echo x", Expected::Matches("(".into()), false; "no expression")]
#[test_case("exit 3", Expected::ExitCode(3), true; "exit code")]
#[test_case("echo why; exit 4", Expected::ExitCode(3), false; "another exit code")]
#[test_case("true", Expected::ExitCode(0), true; "success")]
fn assertions_are_judged_by_what_comes_of_them(run: &str, expect: Expected, holds: bool) {
    for shell in SHELLS {
        let step = CheckStep { name: "it".into(), run: run.into(), expect: expect.clone(), as_user: None };
        let specs = checks(StepKind::Check(step));
        let wrong = failed(&specs, &super::run(shell, &asking(&specs)));
        assert_eq!(wrong.is_empty(), holds, "{wrong:?}");
    }
}
