//! `goldsmith inspect` of media that xorriso and genisoimage make.
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const MENU: &str = "label install\n menu label ^Install\n kernel /install.amd/vmlinuz\n append vga=788 initrd=/install.amd/initrd.gz --- quiet\n\
                    label rescue\n menu label ^Rescue mode\n kernel /install.amd/vmlinuz\n append rescue/enable=true initrd=/install.amd/initrd.gz\n\
                    label lost\n menu label ^Lost\n kernel /install.amd/gone\n";

/// Puts `files` and two boot images onto a medium.
fn medium(tool: &str, options: &[&str], files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files.iter().chain(&[("bios.img", "b"), ("efi.img", "e")]) {
        let path = folder.path().join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut command = Command::new(tool);
    if tool == "xorriso" {
        command.args(["-as", "mkisofs"]);
    }
    let made = command
        .args(["-quiet", "-o", "a.iso"])
        .args(options)
        .arg("tree")
        .current_dir(folder.path())
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}: run `make setup-test`"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

fn inspect(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
    command.arg("inspect").args(arguments).current_dir(folder).env("LANG", "C.UTF-8").output().unwrap()
}

fn shown(folder: &Path, arguments: &[&str]) -> String {
    let output = inspect(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const BOOT: &[&str] =
    &["-b", "bios.img", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-eltorito-alt-boot"];

fn debian(tool: &str) -> tempfile::TempDir {
    let efi = if tool == "xorriso" { "-e" } else { "-efi-boot" };
    let said = ["-V", "Debian 12", "-publisher", "THE PUBLISHER", "-p", "SOMEBODY", "-A", "A \u{1b}[2JTEST"];
    medium(
        tool,
        &[&["-R"], BOOT, &[efi, "efi.img", "-no-emul-boot"], &said].concat(),
        &[
            (".disk/info", "Debian GNU/Linux 12.8.0 \"Bookworm\" - Official amd64 NETINST\n"),
            ("isolinux/isolinux.cfg", MENU),
            ("install.amd/vmlinuz", "k"),
            ("install.amd/initrd.gz", "i"),
        ],
    )
}

#[test]
fn a_medium_is_shown_with_its_firmware_its_installer_and_its_menus() {
    for tool in ["xorriso", "genisoimage"] {
        let folder = debian(tool);
        let text = shown(folder.path(), &["a.iso"]);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| {
                !["  size", "  created", "  application"].iter().any(|label| line.starts_with(label))
            })
            .collect();
        let expected = "a.iso
  format      ISO 9660, names of Rock Ridge
  label       Debian 12
  publisher   THE PUBLISHER
  preparer    SOMEBODY
  boots by    BIOS, UEFI
  installer   Debian 12.8.0
  entry       Install (in /isolinux/isolinux.cfg): what a build starts
    kernel    /install.amd/vmlinuz
    initrd    /install.amd/initrd.gz
    arguments vga=788 --- quiet
  entry       Rescue mode (in /isolinux/isolinux.cfg)
    kernel    /install.amd/vmlinuz
    initrd    /install.amd/initrd.gz
    arguments rescue/enable=true
  missing     `/install.amd/gone` of `Lost` (/isolinux/isolinux.cfg)";
        assert_eq!(lines.join("\n"), expected, "{tool}");
        assert!(!text.contains('\u{1b}') && text.contains("  created     20"), "{text}");
    }
}

#[test]
fn scripts_get_all_of_it() {
    let folder = debian("xorriso");
    let found: serde_json::Value = serde_json::from_str(&shown(folder.path(), &["--json", "a.iso"])).unwrap();
    assert_eq!(found["path"], "a.iso");
    let iso = &found["iso"];
    assert_eq!((&iso["label"], &iso["publisher"]), (&"Debian 12".into(), &"THE PUBLISHER".into()));
    assert_eq!(iso["installer"], serde_json::json!({"name": "Debian", "version": "12.8.0"}));
    assert_eq!((&iso["boot"][0]["platform"], &iso["boot"][1]["platform"]), (&"bios".into(), &"efi".into()));
    assert_eq!((&iso["entries"][0]["chosen"], &iso["entries"][1]["chosen"]), (&true.into(), &false.into()));
    assert_eq!(iso["entries"][0]["initrd"], serde_json::json!(["/install.amd/initrd.gz"]));
    assert_eq!(iso["entries"][0]["arguments"], serde_json::json!(["vga=788", "---", "quiet"]));
    assert_eq!(iso["file_bytes"], fs::metadata(folder.path().join("a.iso")).unwrap().len());
    assert_eq!(iso["names"], "rock-ridge");
    let created = iso["created"].as_str().unwrap();
    let shape: String = created.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape.replace('-', "+"), "0000+00+00T00:00:00+00:00", "{created}");
    assert_eq!(iso["note"], serde_json::Value::Null);
}

#[test]
fn a_medium_with_data_has_no_installer_and_can_be_seen_as_a_disk() {
    let folder =
        medium("xorriso", &["-J", "--norock", "-V", "cidata"], &[("user-data", "x"), ("meta-data", "y")]);
    let text = shown(folder.path(), &["a.iso"]);
    for part in
        ["names of Joliet", "cidata", "boots by    no firmware", "installer   none that is known here"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(!text.contains("note"), "{text}");
    let disk = shown(folder.path(), &["--input-format", "raw", "a.iso"]);
    assert!(disk.contains("iso9660, without partitions"), "{disk}");
}

#[test]
fn a_menu_of_which_nothing_installs_says_so() {
    let folder = medium(
        "xorriso",
        &["-R"],
        &[("isolinux/isolinux.cfg", "label x\n kernel /k\n append initrd=/i\n"), ("k", ""), ("i", "")],
    );
    let text = shown(folder.path(), &["a.iso"]);
    assert!(text.contains("note        none of its menu's entries is known to install unattended"), "{text}");
    assert!(text.contains("`[source.iso]`"), "{text}");
}

#[test]
fn a_medium_that_was_cut_off_is_refused() {
    let folder = debian("xorriso");
    let path = folder.path().join("a.iso");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100 << 10).unwrap();
    let output = inspect(folder.path(), &["a.iso"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("a.iso") && said.contains("download it again"), "{said}");
}
