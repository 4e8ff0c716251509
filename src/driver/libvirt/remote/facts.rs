//! What libvirt's descriptions of another host say, as far as the driver asks. The texts come from libvirt itself and have its
//! fixed shape, so they are searched and not parsed.
use crate::{driver::libvirt::firmware::UefiFirmware, value::Arch};
use std::path::PathBuf;

/// Content of the first element `name` in `xml`, whatever its attributes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let open = format!("<{name}");
    let mut rest = xml;
    loop {
        let at = rest.find(&open)?;
        let after = &rest[at + open.len()..];
        // Not the beginning of a longer name.
        if after.starts_with(['>', ' ', '/', '\n']) {
            let (attributes, content) = after.split_once('>')?;
            if attributes.ends_with('/') {
                return Some("");
            }
            return content.split_once(&format!("</{name}>")).map(|(content, _)| content);
        }
        rest = after;
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&apos;", "'")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// Text as content of an element.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The folder of a storage pool, when it is one of the kind that is a folder.
pub(super) fn dir_of_pool(xml: &str) -> Option<PathBuf> {
    let is_folder = xml.contains("<pool type='dir'>") || xml.contains("<pool type='fs'>");
    let path = element(element(xml, "target").filter(|_| is_folder)?, "path")?;
    Some(PathBuf::from(unescape(path.trim())))
}

/// User and group that the system's QEMU runs as: the label that libvirt's file permissions model gives a machine, `+64055:+106`.
pub(super) fn qemu_user(capabilities: &str) -> Option<(u32, u32)> {
    let model =
        capabilities.split("<secmodel>").skip(1).find(|model| element(model, "model") == Some("dac"))?;
    let (user, group) = element(model, "baselabel")?.trim().split_once(':')?;
    Some((user.trim_start_matches('+').parse().ok()?, group.trim_start_matches('+').parse().ok()?))
}

/// A UEFI build for `arch` without Secure Boot among those that a host offers. libvirt knows which variables belong to it.
pub(super) fn uefi(domain_capabilities: &str, arch: Arch) -> Option<UefiFirmware> {
    let start = match arch {
        Arch::X86_64 => "OVMF",
        Arch::Aarch64 => "AAVMF",
    };
    let os = element(domain_capabilities, "os")?;
    let loader = element(os, "loader")?;
    let listed = loader
        .split("<value>")
        .skip(1)
        .filter_map(|rest| Some(unescape(rest.split_once("</value>")?.0.trim())));
    let fits = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let enrolled = [".secboot.", ".ms.", ".snakeoil."].iter().any(|word| name.contains(word));
        // The suffix tells flash images as they are from those that are qcow2 files.
        let raw = [".fd", ".bin", ".raw"].iter().any(|suffix| name.ends_with(suffix));
        path.starts_with('/') && (name.contains(start) || name.contains("QEMU_EFI")) && raw && !enrolled
    };
    listed
        .filter(fits)
        .min_by_key(|path| !path.contains("CODE"))
        .map(|code| UefiFirmware { code: code.into(), variables: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_users_of_a_host_are_read_from_its_capabilities() {
        let xml = "<host><secmodel>\n<model>apparmor</model>\n<doi>0</doi>\n</secmodel>\n<secmodel>\n <model>dac</model>\n <doi>0</doi>\n \
                   <baselabel type='kvm'>+64055:+106</baselabel>\n</secmodel></host>";
        assert_eq!(qemu_user(xml), Some((64055, 106)));
        assert_eq!(qemu_user("<secmodel><model>none</model><doi>0</doi></secmodel>"), None);
    }

    #[test]
    fn a_firmware_with_secure_boot_or_in_another_format_is_passed_over() {
        let xml = |values: &[&str]| {
            let values =
                values.iter().map(|value| format!("<value>{value}</value>\n")).collect::<Vec<_>>().concat();
            format!(
                "<os supported='yes'><enum name='firmware'><value>efi</value></enum><loader supported='yes'>{values}<enum name='type'><value>rom</value></enum></loader></os>"
            )
        };
        let found = |values: &[&str]| uefi(&xml(values), Arch::X86_64).map(|firmware| firmware.code);
        let all = [
            "/f/OVMF_CODE_4M.ms.fd",
            "/f/OVMF_CODE.secboot.fd",
            "/f/OVMF_CODE_4M.qcow2",
            "/f/OVMF_CODE_4M.fd",
        ];
        assert_eq!(found(&all).as_deref(), Some(Path::new("/f/OVMF_CODE_4M.fd")));
        assert_eq!(found(&all[..3]), None);
        assert_eq!(found(&[]), None);
        assert_eq!(uefi("<os supported='yes'><loader supported='no'/></os>", Arch::X86_64), None);
    }

    #[test]
    fn a_pool_is_where_its_target_says() {
        let xml = "<pool type='dir'>\n<name>default</name><source>\n</source><target>\n<path>/srv/a&amp;b</path></target></pool>";
        assert_eq!(dir_of_pool(xml), Some("/srv/a&b".into()));
        assert_eq!(dir_of_pool(&xml.replace("'dir'", "'logical'")), None);
    }
}
