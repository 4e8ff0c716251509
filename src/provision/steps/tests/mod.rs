//! Scripts of steps and of their checks, run by the shells of this host: on files of their own, and with an /etc of their own in
//! a mount namespace.
mod files;
mod rpm;
mod system;

use crate::{
    guest::{quote, quote_all},
    plan::StepKind,
    provision::checks::{CheckSpec, Expect},
};
use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

/// Guests have one of these as /bin/sh.
pub(super) const SHELLS: [&str; 3] = ["/bin/sh", "dash", "bash"];

/// What a script printed; it must succeed.
#[track_caller]
pub(super) fn run(shell: &str, script: &str) -> String {
    let (code, said) = try_run(shell, script);
    assert_eq!(code, Some(0), "{shell}: {said}\n{script}");
    said
}

/// How a script ended, and all that it printed.
pub(super) fn try_run(shell: &str, script: &str) -> (Option<i32>, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let out = Command::new(shell).arg("-eu").arg(file.path()).output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// A script that asks `specs` like the machine that proves an image does; see [`failed`].
fn asking(specs: &[CheckSpec]) -> String {
    let mut script = String::new();
    for spec in specs {
        script.push_str(&format!(
            "r=0; o=$(/bin/sh -euc {} 2>&1 </dev/null) || r=$?\nprintf '@check %s\\n@said %s\\n@end\\n' \"$r\" \"$o\"\n",
            quote(&spec.script)
        ));
    }
    script
}

/// Of the answers to [`asking`], those that are not what `specs` want.
fn failed(specs: &[CheckSpec], answers: &str) -> Vec<String> {
    let answers: Vec<&str> = answers.split("@check ").skip(1).collect();
    assert_eq!(answers.len(), specs.len(), "{answers:?}");
    let wrong = specs.iter().zip(answers).filter_map(|(spec, answer)| {
        // What the script under test said elsewhere may follow.
        let answer = answer.split("\n@end").next().unwrap();
        let (code, said) = answer.split_once("\n@said ").unwrap();
        let right = match &spec.expect {
            Expect::Text(expected) => expected == said.trim(),
            Expect::AnyOf(words) => words.iter().any(|word| word == said.trim()),
            Expect::Success => true,
            other => panic!("{other:?}"),
        };
        (code != "0" || !right).then(|| format!("{}: {} ({code})", spec.name, said.trim()))
    });
    wrong.collect()
}

/// What follows from one step.
fn checks(kind: StepKind) -> Vec<CheckSpec> {
    super::checks(&kind)
}

/// An /etc of one's own.
struct Etc(tempfile::TempDir);

impl Etc {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["passwd", "group", "login.defs", "nsswitch.conf", "ld.so.cache"] {
            std::fs::copy(Path::new("/etc").join(name), folder.path().join(name)).unwrap();
        }
        // Where Debian's awk and its like are found.
        let copied =
            Command::new("cp").args(["-a", "/etc/alternatives"]).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        let etc = Self(folder);
        etc.write("shadow", "root:*:19000:0:99999:7:::\n");
        etc.write("gshadow", "root:*::\n");
        etc.write("sudoers", "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n");
        etc
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
        std::fs::set_permissions(self.0.path().join(name), PermissionsExt::from_mode(0o644)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// What a script printed that saw this /etc, a host name of its own, and no swap; it must succeed.
    #[track_caller]
    fn run(&self, shell: &str, script: &str) -> String {
        let (code, said) = self.try_run(shell, script);
        assert_eq!(code, Some(0), "{shell}: {said}\n{script}");
        said
    }

    fn try_run(&self, shell: &str, script: &str) -> (Option<i32>, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script).unwrap();
        let swaps = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(swaps.path(), "Filename\tType\tSize\tUsed\tPriority\n").unwrap();
        let words = [
            "mount --bind \"$1\" /etc\nmount --bind \"$2\" /proc/swaps\n",
            // No test may ask the host's systemd.
            "if [ -d /run/systemd ]; then mount -t tmpfs none /run/systemd; fi\nexec ",
            &quote_all([shell, "-eu", &file.path().display().to_string()]),
        ];
        let out = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "--uts", "sh", "-euc", &words.concat(), "sh"])
            .arg(self.0.path())
            .arg(swaps.path())
            .output()
            .unwrap();
        let said = [out.stdout, out.stderr].concat();
        (out.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}
