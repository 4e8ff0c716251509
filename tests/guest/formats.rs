//! Every way to pack a disk is proved by what was packed: QEMU boots the VMDK that was in the OVA.
use crate::support::{Home, beside, over_base, tool};

#[test]
fn an_ova_a_vhd_and_a_packed_disk_boot() {
    let _turn = beside();
    let home = Home::new("formats");
    let rest = r#"
[guest]
seed = "credentials"
[[provision]]
shell = "echo built > /etc/built"
[[output]]
format = "ova"
[output.ova]
product = "Test"
version = "1"
properties = { BUILD_TIMESTAMP = "now" }
[[output]]
format = "vhd"
[[output]]
format = "raw.zst"
[verify]
commands = ["test $(cat /etc/built) = built"]
"#;
    let definition = home.definition("formats", &over_base("formats", "firmware = \"bios\"", rest));
    home.run(&["build", definition.to_str().unwrap()]).expect_code(0);
    home.assert_clean("a build of several formats");
    let out = home.out();
    let digests = ["formats.ova.sha256", "formats.vhd.sha256", "formats.raw.zst.sha256"];
    tool("sha256sum", &[&["--strict", "-c"], &digests[..]].concat(), &out);
    // The description says what is known about the machine and its guest.
    let listed = tool("tar", &["-tf", "formats.ova"], &out);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["formats.ovf", "formats.mf", "formats-disk1.vmdk"]);
    let ovf = tool("tar", &["-xOf", "formats.ova", "formats.ovf"], &out);
    for said in ["debian12_64Guest", "BUILD_TIMESTAMP", "<rasd:VirtualQuantity>1024</rasd:VirtualQuantity>"] {
        assert!(ovf.contains(said), "no {said} in\n{ovf}");
    }
    // All three hold the same disk.
    tool("tar", &["-xf", "formats.ova", "formats-disk1.vmdk"], &out);
    tool("qemu-img", &["compare", "-f", "vmdk", "-F", "vpc", "formats-disk1.vmdk", "formats.vhd"], &out);
    tool("zstd", &["-q", "-d", "formats.raw.zst"], &out);
    tool("qemu-img", &["compare", "-f", "vmdk", "-F", "raw", "formats-disk1.vmdk", "formats.raw"], &out);
}
