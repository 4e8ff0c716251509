//! FAI, Debian's Fully Automatic Installation: a complete installer that is not ours, from a CD that its own programs make.
use crate::support::{Home, beside, tool};
use std::path::Path;

#[test]
#[ignore = "takes six minutes, and root to make the CD: make test-slow"]
fn a_debian_that_fai_installed_is_provisioned_and_proved() {
    let _turn = beside();
    let home = Home::new("fai");
    let iso = home.root.join("fai.iso");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest/installers/fai.sh");
    if !iso.exists() {
        tool(script.to_str().unwrap(), &[iso.to_str().unwrap()], &home.root);
    }
    let definition = home.definition(
        "fai",
        &format!(
            r##"name = "fai"
[source.iso]
path = "{}"
kernel = "/boot/vmlinuz"
initrd = "/boot/initrd.img"
# Its menu is inside of its boot images.
menu-arguments = false
arguments = ["rd.live.image", "root=live:CDLABEL=FAI_CD", "FAI_ACTION=install", "FAI_FLAGS=verbose,reboot",
    "FAI_CONFIG_SRC=file:///var/lib/fai/config", "console=ttyS0,115200"]
timeout = "20m"
[source.iso.answers]
[[source.iso.answers.file]]
name = "classes"
content = "# none but the usual\n"
[[source.iso.answers.file]]
name = "variables"
content = "answer_hostname=golden\nanswer_motd='told by the second medium'\n"
[machine]
firmware = "bios"
memory = "2GiB"
disk = "3GiB"
[guest]
seed = "credentials"
[[provision]]
shell = "grep -q 'told by the second medium' /etc/motd && test $(hostname) = golden && ls /var/log/fai"
[[provision]]
file = {{ dest = "/etc/provisioned", content = "yes\n" }}
[[output]]
format = "raw.gz"
[verify]
commands = ["grep -q yes /etc/provisioned", "grep -q 'told by the second medium' /etc/motd"]
"##,
            iso.display()
        ),
    );
    home.run(&["build", definition.to_str().unwrap()]).expect_code(0);
    home.assert_clean("a build from FAI's CD");
    tool("gzip", &["-t", "fai.raw.gz"], &home.out());
}
