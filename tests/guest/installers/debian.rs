//! debian-installer, as Debian packages it for network boots.
use super::iso;
use crate::support::{Home, beside, tool};
use std::path::{Path, PathBuf};

/// Where the package debian-installer-12-netboot-amd64 has it.
const IMAGES: &str = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64";

fn medium(home: &Home) -> PathBuf {
    let tree = home.root.join("debian");
    for folder in ["install.amd", ".disk", "isolinux"] {
        std::fs::create_dir_all(tree.join(folder)).unwrap();
    }
    for (from, to) in [("linux", "vmlinuz"), ("initrd.gz", "initrd.gz")] {
        let from = Path::new(IMAGES).join(from);
        std::fs::copy(&from, tree.join("install.amd").join(to))
            .unwrap_or_else(|error| panic!("{}: {error}; run scripts/setup.sh test", from.display()));
    }
    std::fs::write(tree.join(".disk/info"), "Debian GNU/Linux 12 \"Bookworm\" - a test's medium\n").unwrap();
    // It also prints to the serial console, so that a test can wait for its prompt.
    let menu = "serial 0 115200\nprompt 1\ntimeout 0\ndefault install\nlabel install\n  menu label ^Install\n  kernel /install.amd/vmlinuz\n  \
                append vga=788 initrd=/install.amd/initrd.gz --- quiet\n";
    std::fs::write(tree.join("isolinux/isolinux.cfg"), menu).unwrap();
    for (folder, file) in [("ISOLINUX", "isolinux.bin"), ("syslinux/modules/bios", "ldlinux.c32")] {
        let from = Path::new("/usr/lib").join(folder).join(file);
        std::fs::copy(&from, tree.join("isolinux").join(file))
            .unwrap_or_else(|error| panic!("{}: {error}; run scripts/setup.sh test", from.display()));
    }
    let boots = [
        "-b",
        "isolinux/isolinux.bin",
        "-c",
        "isolinux/boot.cat",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
        "-boot-info-table",
    ];
    iso(&tree, "DEBIAN_TEST", &boots)
}

/// The mirror that this host's apt uses.
fn mirror() -> String {
    let known = tool("apt-get", &["indextargets", "--format", "$(REPO_URI)|$(RELEASE)"], Path::new("/"));
    let mut mirrors = known.lines().filter_map(|line| line.split_once('|'));
    let found = mirrors.find_map(|(uri, release)| (release == "bookworm").then_some(uri));
    found.expect("this host's apt has a mirror of Debian 12").to_owned()
}

/// The built-in answers, extended: where the mirror has everything, the installation would go on.
const TEMPLATE: &str = r#"{% extends "preseed.cfg" %}
{% block storage %}
{{ super() | replace("debconf-set", "poweroff; debconf-set") }}
{% endblock %}
"#;

#[test]
fn debian_installer_reads_its_answers_and_says_what_the_mirror_lacks() {
    let _turn = beside();
    let home = Home::new("debian-installer");
    let iso = medium(&home);
    std::fs::write(home.root.join("own.cfg"), TEMPLATE).unwrap();
    let definition = home.definition(
        "direct",
        &format!(
            "name = \"direct\"\n[source.iso]\npath = \"{}\"\ntimeout = \"6m\"\n\
             [source.iso.install]\nsystem = \"debian-12\"\nmirror = \"{}\"\ntemplate = \"own.cfg\"\n\
             early = [\"echo the answers were read >/dev/console\"]\n\
             [machine]\nfirmware = \"bios\"\nmemory = \"1GiB\"\ndisk = \"2GiB\"\n[[output]]\nformat = \"raw\"\n",
            iso.display(),
            mirror()
        ),
    );
    let ran =
        home.run(&["build", definition.to_str().unwrap()]).expect_code(1).expect_stderr(&["the installer"]);
    let told = ran.stderr();
    let console = serial_log(&home);
    for said in ["the answers were read", "Checking the Debian archive mirror"] {
        assert!(console.contains(said), "no {said:?} in\n{console}\n{told}");
    }
    // Either the mirror lacks parts of the installer, or the installer powered off as it was told to.
    let lacks = told.contains("cannot download a file from the mirror");
    assert!(lacks || told.contains("there is no partition on the disk"), "{told}");
    home.assert_clean("an installer that cannot go on");
}

/// The installer is typed to: it fetches its answers from this host, and they tell it to power off.
#[test]
fn debian_installer_is_told_by_keys_where_its_answers_are() {
    let _turn = beside();
    let home = Home::new("debian-typed");
    let iso = medium(&home);
    // The notation is Packer's, the server is goldsmith's own.
    let keys = "install auto=true priority=critical DEBIAN_FRONTEND=text console=ttyS0,115200 url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg<enter>";
    let definition = home.definition(
        "typed",
        &format!(
            "name = \"typed\"\n[source.iso]\npath = \"{}\"\ntimeout = \"5m\"\n\
             [[source.iso.type]]\nname = \"the boot prompt\"\nscreen = \"boot:\"\nkeys = \"{keys}\"\n\
             [source.iso.answers]\nserve = true\n[[source.iso.answers.file]]\nname = \"preseed.cfg\"\n\
             content = \"d-i preseed/early_command string poweroff -f\\n\"\n\
             [machine]\nfirmware = \"bios\"\nmemory = \"1GiB\"\ndisk = \"2GiB\"\n[guest]\nseed = \"credentials\"\n[[output]]\nformat = \"raw\"\n",
            iso.display()
        ),
    );
    home.run(&["build", definition.to_str().unwrap()]).expect_code(1).expect_stderr(&[
        "typing: the boot prompt",
        "the installer fetches `preseed.cfg`",
        "there is no partition on the disk",
    ]);
    let logs = log_folder(&home);
    for picture in ["typed-1-before.png", "typed-1-after.png"] {
        assert!(std::fs::read(logs.join(picture)).unwrap().starts_with(b"\x89PNG"), "{picture}");
    }
    home.assert_clean("an installer that was typed to");
}

fn log_folder(home: &Home) -> PathBuf {
    let mut logs = std::fs::read_dir(home.root.join("s/logs")).unwrap();
    logs.next().expect("a build has logs").unwrap().path()
}

fn serial_log(home: &Home) -> String {
    let bytes = std::fs::read(log_folder(home).join("serial-install.log")).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
