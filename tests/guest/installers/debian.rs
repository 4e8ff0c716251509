//! debian-installer, as Debian packages it for network boots.
use super::iso;
use crate::support::{Home, tool};
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
    let menu = "path\nprompt 1\ntimeout 0\ndefault install\nlabel install\n  menu label ^Install\n  kernel /install.amd/vmlinuz\n  \
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

/// Answers up to the look at the mirror, which is the one that this host's apt uses.
fn preseed() -> String {
    let known = tool("apt-get", &["indextargets", "--format", "$(REPO_URI)|$(RELEASE)"], Path::new("/"));
    let mirror = known
        .lines()
        .filter_map(|line| line.split_once('|'))
        .find_map(|(uri, release)| (release == "bookworm").then_some(uri))
        .expect("this host's apt has a mirror of Debian 12");
    let (host, directory) = mirror.strip_prefix("http://").unwrap().split_once('/').unwrap();
    [
        "debian-installer/locale string en_US.UTF-8",
        "keyboard-configuration/xkb-keymap select us",
        "netcfg/choose_interface select auto",
        "netcfg/get_hostname string golden",
        "netcfg/get_domain string",
        "mirror/country string manual",
        "mirror/protocol string http",
        &format!("mirror/http/hostname string {host}"),
        &format!("mirror/http/directory string /{}", directory.trim_end_matches('/')),
        "mirror/http/proxy string",
        "preseed/early_command string echo the answers were read >/dev/console",
        // Where the mirror has everything, the installation would go on.
        "partman/early_command string poweroff",
    ]
    .iter()
    .map(|line| format!("d-i {line}\n"))
    .collect()
}

#[test]
fn debian_installer_reads_its_answers_and_says_what_the_mirror_lacks() {
    let home = Home::new("debian-installer");
    let iso = medium(&home);
    std::fs::write(home.root.join("preseed.cfg"), preseed()).unwrap();
    let definition = home.definition(
        "direct",
        &format!(
            "name = \"direct\"\n[source.iso]\npath = \"{}\"\ntimeout = \"6m\"\n\
             arguments = [\"auto=true\", \"priority=critical\", \"file=/preseed.cfg\", \"DEBIAN_FRONTEND=text\", \"console=ttyS0,115200\"]\n\
             [source.iso.answers]\ninitrd = true\n[[source.iso.answers.file]]\nname = \"preseed.cfg\"\nsource = \"preseed.cfg\"\n\
             [machine]\nfirmware = \"bios\"\nmemory = \"1GiB\"\ndisk = \"2GiB\"\n[guest]\nseed = \"credentials\"\n[[output]]\nformat = \"raw\"\n",
            iso.display()
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

fn serial_log(home: &Home) -> String {
    let logs = std::fs::read_dir(home.root.join("s/logs")).unwrap();
    let file = logs.map(|entry| entry.unwrap().path().join("serial-install.log")).find(|path| path.exists());
    String::from_utf8_lossy(&std::fs::read(file.expect("the installer's console is kept")).unwrap())
        .into_owned()
}
