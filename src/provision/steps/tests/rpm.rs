//! The scripts for dnf, run by a real dnf: on stand-in packages, in a root of their own.
use super::{super::*, Etc, SHELLS, asking, checks, failed};
use crate::{
    guest::PackageManager,
    plan::{PackageStep, RepositoryStep, RpmRepository, StepKind},
};
use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path, process::Command};

/// Makes packages `tool` and `extra` in three versions, and a repository of them.
fn repository(folder: &Path) {
    for (name, version) in
        ["tool", "extra"].into_iter().flat_map(|name| ["1.0", "1.1", "2.0"].map(|version| (name, version)))
    {
        let spec = folder.join(format!("{name}-{version}.spec"));
        let text = format!(
            "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: stand-in\nLicense: none\nBuildArch: noarch\n\
             %description\nx\n%install\nmkdir -p %{{buildroot}}/opt\necho {version} >%{{buildroot}}/opt/{name}\n\
             %files\n/opt/{name}\n"
        );
        std::fs::write(&spec, text).unwrap();
        let out = Command::new("rpmbuild")
            .args(["--quiet", "-bb", "--define"])
            .arg(format!("_topdir {}", folder.join("top").display()))
            .arg("--define")
            .arg(format!("_rpmdir {}", folder.join("repo").display()))
            .arg(spec)
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
    }
    assert!(Command::new("createrepo_c").arg("-q").arg(folder.join("repo")).status().unwrap().success());
}

/// A guest of the other family: its dnf and rpm work in `folder`.
fn guest(folder: &Path) -> Etc {
    let etc = Etc::new();
    let w = folder.display();
    for sub in ["bin", "root", "log"] {
        std::fs::create_dir_all(folder.join(sub)).unwrap();
    }
    let program = |name: &str, line: String| {
        let path = folder.join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\nexec {line} \"$@\"\n")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    program(
        "dnf",
        format!(
            "/usr/bin/dnf -c /etc/dnf/dnf.conf --installroot={w}/root --releasever=1 --setopt=reposdir=/etc/yum.repos.d \
             --setopt=cachedir={w}/cache --setopt=logdir={w}/log"
        ),
    );
    program("rpm", format!("/usr/bin/rpm --root {w}/root"));
    std::fs::create_dir_all(etc.0.path().join("dnf")).unwrap();
    std::fs::create_dir_all(etc.0.path().join("yum.repos.d")).unwrap();
    etc.write(
        "dnf/dnf.conf",
        "[main]\nbest=True\nexclude=kept,\n  also\n[other]\nname=other\nbaseurl=file:///other\nenabled=0\n",
    );
    // The very file that a `repository` step writes.
    let step = RpmRepository {
        name: "stand-in".into(),
        baseurl: format!("file://{w}/repo"),
        options: BTreeMap::new(),
        gpg_check: false,
        gpg_key: None,
        key: None,
        enabled: true,
    };
    etc.write("yum.repos.d/stand-in.repo", &repository::rpm_content(&step));
    let specs = checks(StepKind::Repository(RepositoryStep::Rpm(step)));
    assert_eq!(specs.len(), 1);
    etc
}

struct Rpm<'a> {
    folder: &'a Path,
    etc: Etc,
    shell: &'a str,
}

impl Rpm<'_> {
    /// As a guest without dpkg sees it.
    fn script(&self, script: &str) -> String {
        let script = script.replace("dpkg-query", "no-dpkg-query").replace("apt-mark", "no-apt-mark");
        format!("PATH={}/bin:$PATH; export PATH\n{script}", self.folder.display())
    }

    #[track_caller]
    fn done(&self, step: &PackageStep) -> Vec<String> {
        let script = package::script(PackageManager::Dnf, step);
        self.etc.run(self.shell, &self.script(&script));
        self.wrong(step)
    }

    #[track_caller]
    fn wrong(&self, step: &PackageStep) -> Vec<String> {
        let specs = checks(StepKind::Package(step.clone()));
        failed(&specs, &self.etc.run(self.shell, &self.script(&asking(&specs))))
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn install(wanted: &[&str]) -> PackageStep {
    PackageStep { install: names(wanted), ..PackageStep::default() }
}

#[test]
fn dnf_installs_holds_goes_back_and_removes() {
    const NONE: [String; 0] = [];
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    for shell in SHELLS {
        let _none_of_the_last_time = std::fs::remove_dir_all(folder.path().join("root"));
        let rpm = Rpm { folder: folder.path(), etc: guest(folder.path()), shell };
        assert_eq!(rpm.done(&install(&["tool=1.1", "extra=1.*"])), NONE);
        assert_eq!(rpm.wrong(&install(&["extra=1.1-1"])), NONE);
        assert_eq!(
            rpm.wrong(&install(&["extra=1.0"])),
            ["package `extra=1.0` is installed: installed 1.1-1 (0)"]
        );
        assert_eq!(rpm.wrong(&install(&["other"])), ["package `other` is installed: absent (0)"]);

        // What is held stays when everything else is upgraded.
        let hold = PackageStep { hold: names(&["tool"]), ..PackageStep::default() };
        assert_eq!(rpm.wrong(&hold).len(), 1);
        assert_eq!(rpm.done(&hold), NONE);
        assert_eq!(
            rpm.etc.read("dnf/dnf.conf"),
            "[main]\nbest=True\nexcludepkgs=kept also tool\n[other]\nname=other\nbaseurl=file:///other\nenabled=0\n"
        );
        let upgrade = PackageStep { upgrade: true, ..PackageStep::default() };
        assert_eq!(rpm.done(&upgrade), NONE);
        assert_eq!(rpm.wrong(&install(&["tool=1.1", "extra=2.0"])), NONE);

        let back = PackageStep {
            downgrade: true,
            unhold: names(&["tool"]),
            ..install(&["tool=1.0", "extra=1.0-1"])
        };
        assert_eq!(rpm.done(&back), NONE);
        let latest = PackageStep { latest: true, ..install(&["tool"]) };
        assert_eq!(rpm.done(&latest), NONE);
        assert_eq!(rpm.wrong(&install(&["tool=2.0"])), NONE);
        let all = PackageStep { hold: names(&["*"]), ..PackageStep::default() };
        assert_eq!(rpm.done(&all), NONE);
        assert!(rpm.etc.read("dnf/dnf.conf").contains("excludepkgs=kept also "));
        assert_eq!(rpm.done(&upgrade), NONE);
        assert_eq!(rpm.wrong(&install(&["extra=1.0"])), NONE);
        assert_eq!(rpm.done(&PackageStep { unhold: names(&["*"]), ..PackageStep::default() }), NONE);

        let script = package::script(PackageManager::Dnf, &install(&["tool=3.0"]));
        assert_ne!(rpm.etc.try_run(shell, &rpm.script(&script)).0, Some(0), "there is no such version");
        let gone = PackageStep { remove: names(&["tool", "never-there"]), ..PackageStep::default() };
        assert_eq!(rpm.done(&gone), NONE);
        assert_eq!(rpm.wrong(&install(&["tool"])).len(), 1);
    }
}
