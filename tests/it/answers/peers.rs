//! The installers' own parsers, where there are any outside the installers.
use super::{
    answers,
    rows::{Row, rows},
};
use goldsmith::plan::Installer;
use std::{
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
    for file in &answers(row).files {
        let path = folder.join(&file.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file.text.expose()).unwrap();
    }
    folder
}

fn good(row: &Row, out: &Output) {
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}: {said}", row.name);
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
        let version = format!("RHEL{}", row.plan.major());
        let out = Command::new(peer("ksvalidator")).args(["-v", &version]).arg(&path).output().unwrap();
        good(&row, &out);
    }
}

/// What is wrong for the parser is wrong here, so that the test above means something.
#[test]
fn pykickstart_refuses_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ks.cfg");
    for wrong in
        ["install\n", "autopart\npart / --size=1\n", "%packages\n", "timezone UTC --nontp\n", "nonsense\n"]
    {
        std::fs::write(&path, wrong).unwrap();
        let out = Command::new(peer("ksvalidator")).args(["-v", "RHEL10"]).arg(&path).output().unwrap();
        assert!(!out.status.success(), "{wrong}");
    }
}

#[test]
fn debconf_takes_every_preseed_file() {
    let folder = tempfile::tempdir().unwrap();
    for row in of(Installer::DebianInstaller) {
        let path = write(&row, folder.path()).join("preseed.cfg");
        good(&row, &Command::new("debconf-set-selections").arg("-c").arg(path).output().unwrap());
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
                   d=yaml.safe_load(open(sys.argv[2]))\n\
                   e=[f'{x.json_path}: {x.message}' for x in v.iter_errors(d)]\n\
                   print('\\n'.join(e))\n\
                   sys.exit(len(e)>0)";
    let check = |path: &Path| {
        Command::new(peer("python3")).args(["-c", program]).arg(&schema).arg(path).output().unwrap()
    };
    for row in of(Installer::Subiquity) {
        let path = write(&row, folder.path()).join("user-data");
        good(&row, &check(&path));
        let text = std::fs::read_to_string(&path).unwrap();
        for (good, wrong) in [
            ("version: 1", "version: \"1\""),
            ("install-server: true", "install-server: yes please"),
            ("shutdown:", "shut-down:"),
        ] {
            let text = text.replacen(good, wrong, 1);
            let path = folder.path().join("wrong");
            std::fs::write(&path, text).unwrap();
            assert!(!check(&path).status.success(), "{wrong}");
        }
    }
}

/// cloud-init's own rules for the file that it hands to the installer, and for what the installed system's is told.
#[test]
fn cloud_init_takes_every_autoinstall_file() {
    let folder = tempfile::tempdir().unwrap();
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/cloud-init/usr/lib/python3/dist-packages");
    assert!(root.exists(), "{} is missing: run `make setup-test`", root.display());
    let check = |path: &Path| {
        Command::new("python3")
            .args(["-m", "cloudinit.cmd.main", "schema", "--config-file"])
            .arg(path)
            .env("PYTHONPATH", &root)
            .output()
            .unwrap()
    };
    for row in of(Installer::Subiquity) {
        good(&row, &check(&write(&row, folder.path()).join("user-data")));
    }
    let path = folder.path().join("wrong");
    std::fs::write(&path, "#cloud-config\nruncmd: yes\n").unwrap();
    assert!(!check(&path).status.success());
}

/// The shells of the systems, and JSON's parser.
#[test]
fn every_script_is_a_script_and_photons_answers_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let mut checked = String::new();
    for row in rows() {
        let answers = answers(&row);
        for file in &answers.files {
            if file.name.ends_with(".sh") {
                for shell in ["sh", "bash"] {
                    good(&row, &Command::new(shell).args(["-n", "-c", file.text.expose()]).output().unwrap());
                }
            }
        }
        let text = answers.main().unwrap().text.expose();
        match row.plan.installer {
            Installer::Photon => {
                serde_json::from_str::<serde_json::Value>(text).unwrap();
            }
            Installer::Anaconda => {
                for section in text.split("\n%end").filter_map(|part| part.rsplit_once("%p")) {
                    let (header, script) = section.1.split_once('\n').unwrap();
                    if !header.starts_with("ackages") {
                        good(&row, &Command::new("bash").args(["-n", "-c", script]).output().unwrap());
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
