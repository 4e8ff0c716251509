//! The installers' own parsers, where there are any outside the installers.
use super::{
    answers,
    rows::{Row, rows},
};
use goldsmith::{
    plan::{AnswersTemplate, Installer},
    seed::{answers::render, lint},
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn peer(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin").join(name);
    assert!(path.exists(), "{} is missing: run `make setup-test`", path.display());
    path
}

/// The answers in files below `folder`, named as on their medium.
fn write(row: &Row, folder: &Path) -> PathBuf {
    let folder = folder.join(row.name);
    for file in answers(row) {
        let path = folder.join(&file.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file.text).unwrap();
    }
    folder
}

fn good(name: &str, out: &Output) {
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{name}: {said}");
}

fn of(installer: Installer) -> Vec<Row> {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.plan.installer == installer).collect();
    assert!(rows.len() > 2);
    rows
}

/// Red Hat's parser, which Anaconda itself uses, for the release that is installed.
#[test]
fn pykickstart_takes_every_kickstart_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut releases: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
    for row in of(Installer::Anaconda) {
        let path = write(&row, folder.path()).join("ks.cfg");
        let text = std::fs::read_to_string(&path).unwrap();
        // What %pre writes is read where it is included; here it is known already.
        let (_, after) = text.split_once("<<EOF\n").unwrap();
        let (disk, _) = after.split_once("\nEOF\n").unwrap();
        let disk = disk.replace("$disk", "vda").replace("${part}", "vda");
        let whole = text.replace("%include /tmp/goldsmith-disk.cfg", &disk);
        assert_ne!(whole, text);
        std::fs::write(&path, whole).unwrap();
        releases.entry(row.plan.major()).or_default().push(path);
    }
    assert_eq!(releases.keys().copied().collect::<Vec<_>>(), [8, 9, 10]);
    for (release, paths) in releases {
        let version = format!("RHEL{release}");
        let out = Command::new(peer("ksvalidator")).args(["-v", &version]).args(paths).output().unwrap();
        good(&version, &out);
    }
}

/// What is wrong for the parser is wrong here, so that the test above means something; and our own reader of kickstart finds it too.
#[test]
fn pykickstart_refuses_what_is_wrong_and_so_does_the_lint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ks.cfg");
    let mut plan = of(Installer::Anaconda).pop().unwrap().plan;
    plan.version = "10".into();
    for wrong in [
        "install\n",
        "autopart\npart / --size=1\n",
        "%packages\n",
        "timezone UTC --nontp\n",
        "nonsense\n",
        "lang \"en\n",
        "%nonsense\n%end\n",
    ] {
        std::fs::write(&path, wrong).unwrap();
        let out = Command::new(peer("ksvalidator")).args(["-v", "RHEL10"]).arg(&path).output().unwrap();
        assert!(!out.status.success(), "{wrong}");
        let text = format!("{{% raw %}}{wrong}{{% endraw %}}");
        plan.template = Some(AnswersTemplate { path: path.clone(), text });
        let answers = render(&plan).unwrap();
        let found = lint::check(&plan, &answers);
        assert!(found.iter().any(|finding| finding.line.is_some()), "{wrong}: {found:?}");
    }
}

#[test]
fn debconf_takes_every_preseed_file() {
    let folder = tempfile::tempdir().unwrap();
    for row in of(Installer::DebianInstaller) {
        let path = write(&row, folder.path()).join("preseed.cfg");
        good(row.name, &Command::new("debconf-set-selections").arg("-c").arg(path).output().unwrap());
    }
    let path = folder.path().join("wrong.cfg");
    std::fs::write(&path, "d-i time/zone\n").unwrap();
    assert!(!Command::new("debconf-set-selections").arg("-c").arg(path).status().unwrap().success());
}

/// The rules for autoinstall as a JSON schema, after the installer's documents, and PyYAML, which the installer reads with.
#[test]
fn jsonschema_takes_every_autoinstall_file() {
    let folder = tempfile::tempdir().unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/answers/autoinstall.schema.json");
    let program = "import json,sys,yaml,jsonschema\n\
                   v=jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))\n\
                   e=[f'{p}: {x.json_path}: {x.message}' for p in sys.argv[2:] for x in v.iter_errors(yaml.safe_load(open(p)))]\n\
                   print('\\n'.join(e))\n\
                   sys.exit(len(e)>0)";
    let check = |paths: &[PathBuf]| {
        Command::new(peer("python3")).args(["-c", program]).arg(&schema).args(paths).output().unwrap()
    };
    let paths: Vec<PathBuf> =
        of(Installer::Subiquity).iter().map(|row| write(row, folder.path()).join("user-data")).collect();
    good("autoinstall", &check(&paths));
    let text = std::fs::read_to_string(&paths[0]).unwrap();
    for (good, wrong) in [
        ("version: 1", "version: \"1\""),
        ("install-server: true", "install-server: yes please"),
        ("shutdown:", "shut-down:"),
    ] {
        assert!(text.contains(good));
        let path = folder.path().join("wrong");
        std::fs::write(&path, text.replacen(good, wrong, 1)).unwrap();
        assert!(!check(&[path]).status.success(), "{wrong}");
    }
}

/// cloud-init's own rules for the file that it hands to the installer, and for what the installed system's is told.
#[test]
fn cloud_init_takes_every_autoinstall_file() {
    let folder = tempfile::tempdir().unwrap();
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/cloud-init/usr/lib/python3/dist-packages");
    assert!(root.exists(), "{} is missing: run `make setup-test`", root.display());
    // Its command for each file, in one process.
    let program = "import sys\n\
                   from cloudinit.cmd.main import main\n\
                   for path in sys.argv[1:]:\n    \
                       try: code = main(['cloud-init', 'schema', '--config-file', path])\n    \
                       except SystemExit as e: code = e.code\n    \
                       if code: sys.exit(f'{path}: {code}')\n";
    let check = |paths: &[PathBuf]| {
        Command::new(peer("python3"))
            .args(["-c", program])
            .args(paths)
            .env("PYTHONPATH", &root)
            .output()
            .unwrap()
    };
    let paths: Vec<PathBuf> =
        of(Installer::Subiquity).iter().map(|row| write(row, folder.path()).join("user-data")).collect();
    good("cloud-init", &check(&paths));
    let path = folder.path().join("wrong");
    std::fs::write(&path, "#cloud-config\nruncmd: yes\n").unwrap();
    assert!(!check(&[path]).status.success());
}

/// The shells of the systems, and JSON's parser.
#[test]
fn every_script_is_a_script_and_photons_answers_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let mut checked = String::new();
    for row in rows() {
        let answers = answers(&row);
        for file in &answers {
            if Path::new(&file.name).extension().is_some_and(|extension| extension == "sh") {
                for shell in ["sh", "bash"] {
                    good(row.name, &Command::new(shell).args(["-n", "-c", &file.text]).output().unwrap());
                }
            }
        }
        let text = answers[0].text.as_str();
        match row.plan.installer {
            Installer::Photon => {
                serde_json::from_str::<serde_json::Value>(text).unwrap();
            }
            Installer::Anaconda => {
                for section in text.split("\n%end").filter_map(|part| part.rsplit_once("%p")) {
                    let (header, script) = section.1.split_once('\n').unwrap();
                    if !header.starts_with("ackages") {
                        good(row.name, &Command::new("bash").args(["-n", "-c", script]).output().unwrap());
                        writeln!(checked, "{header}").unwrap();
                    }
                }
            }
            Installer::Subiquity | Installer::DebianInstaller => {}
        }
    }
    assert!(
        checked.contains("re --interpreter=/bin/bash") && checked.contains("ost --erroronfail"),
        "{checked}"
    );
    drop(folder);
}
