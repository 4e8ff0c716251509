//! Photon OS: JSON, after the documents of its installer.
use super::{Does, Report, nearest};
use crate::plan::InstallEnd;
use serde_json::Value;

/// The keys that the installers of Photon 4 and 5 know; at another they stop.
const KEYS: &[&str] = &[
    "additional_files",
    "additional_packages",
    "additional_rpms_path",
    "ansible",
    "arch",
    "autopartition",
    "bootmode",
    "disk",
    "disks",
    "docker",
    "dps",
    "eject_cdrom",
    "environment",
    "hostname",
    "insecure_installation",
    "insecure_repo",
    "install_linux_esx",
    "linux_flavor",
    "live",
    "log_level",
    "manifest_file",
    "network",
    "no_clean",
    "no_unmount",
    "ostree",
    "packagelist_file",
    "packagelist_files",
    "packages",
    "partition_type",
    "partitions",
    "password",
    "photon_docker_image",
    "photon_release_version",
    "plugins",
    "postinstall",
    "postinstallscripts",
    "preinstall",
    "preinstallscripts",
    "prepkgsinstall",
    "prepkgsinstallscripts",
    "public_key",
    "repos",
    "search_path",
    "services",
    "setup_grub_script",
    "shadow_password",
    "type",
    "ui",
    "user_grub_cfg_file",
];

pub(super) fn check(text: &str, report: &mut Report<'_>) -> Does {
    let mut does = Does::default();
    let root: Value = match serde_json::from_str(text) {
        Ok(root) => root,
        Err(error) => {
            report.error(
                error.line(),
                format!("this is not JSON: {error}"),
                "look for a comma or a quote in this line and the one before it",
            );
            return does;
        }
    };
    let Value::Object(map) = &root else {
        report.error(1, "this is JSON, but not an object", "write `{` and `}` around keys and values");
        return does;
    };
    does.read = true;
    // JSON's reader does not tell lines; a key stands in the first line that has it in quotes before a colon.
    let line = |key: &str| {
        let quoted = format!("\"{key}\"");
        text.lines()
            .position(|line| {
                line.split(&quoted).nth(1).is_some_and(|rest| rest.trim_start().starts_with(':'))
            })
            .map(|at| at + 1)
    };
    for key in map.keys() {
        let arch = key.strip_suffix("_x86_64").or_else(|| key.strip_suffix("_aarch64"));
        if !KEYS.contains(&key.as_str())
            && !arch.is_some_and(|key| ["packages", "linux_flavor"].contains(&key))
        {
            report.error(
                line(key),
                format!("the installer does not know `{key}`, and would stop"),
                format!("leave it out{}", nearest(key, KEYS.iter().copied())),
            );
        }
    }
    for key in ["postinstall", "preinstall", "prepkgsinstall", "packages"] {
        if let Some(value) = map.get(key)
            && !value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
        {
            report.error(
                line(key),
                format!("`{key}` takes a list of texts"),
                "write each line as a text of its own",
            );
        }
    }
    does.disk = map.get("disk").is_some_and(Value::is_string)
        || map.get("disks").is_some_and(|disks| disks.get("default").is_some());
    if let Some(password) = map.get("password")
        && password.get("text").and_then(Value::as_str).is_some_and(|text| !text.starts_with(['*', '!']))
    {
        report.password(line("password").unwrap_or(1), "root");
    }
    let script: Vec<&str> = map
        .get("postinstall")
        .and_then(Value::as_array)
        .map(|lines| lines.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    does.script(&script.join("\n"));
    let elsewhere = ["packagelist_file", "packagelist_files"].iter().any(|key| map.contains_key(*key));
    let installs = |name: &str| {
        elsewhere
            || ["packages", "additional_packages"]
                .iter()
                .filter_map(|key| map.get(*key))
                .filter_map(Value::as_array)
                .flatten()
                .any(|package| package == name)
    };
    does.server = installs("openssh-server");
    does.cloud_init |= installs("cloud-init");
    // It knows no other end.
    does.end = Some(InstallEnd::Reboot);
    does
}
