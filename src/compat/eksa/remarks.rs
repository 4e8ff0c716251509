//! What is said about words that have no meaning here, or another one: a sentence each.
use super::{Asked, Builder, Flags, Hypervisor, Os, keys};

/// What the checks passed over.
pub(super) struct Ignored<'a> {
    pub(super) flags: &'a Flags,
    pub(super) unknown_of_files: &'a [String],
}

/// All remarks, in the order of what they are about.
pub(super) fn about(asked: &Asked, ignored: &Ignored<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let flags = ignored.flags;
    for (hypervisor, path) in flags.configs.iter().filter(|(other, _)| **other != asked.hypervisor) {
        notes.push(format!(
            "`--{hypervisor}-config {}` is not read: the image is for {}",
            path.display(),
            asked.hypervisor
        ));
    }
    if flags.ansible_verbosity > 0 {
        notes.push("`--ansible-verbosity` has no effect: there is no Ansible; `--verbose` shows what the guest prints".to_owned());
    }
    if flags.force {
        notes.push("`--force` has no effect on builds: nothing is left over, and results are replaced only when they are proved".to_owned());
    }
    if flags.dev {
        notes.push("`--dev` has no effect: it would allow Ubuntu 20.04, which is not built here".to_owned());
    }
    if let Some(config) = &asked.config {
        notes.extend(config.unknown());
        of_config(asked, &mut notes);
    }
    if !ignored.unknown_of_files.is_empty() {
        notes.push(format!(
            "Warning: ignoring unrecognized key(s) in files-config: {}",
            ignored.unknown_of_files.join(", ")
        ));
    }
    if asked.hypervisor == Hypervisor::Ami {
        notes.push(
            "`image-builder` also puts its scripts for Snow, `bootstrap.sh` and `logging.sh`, into /etc/eks; goldsmith does not have them: \
             name yours with `--files-config` if the image is for Snow"
                .to_owned(),
        );
    }
    notes
}

fn of_config(asked: &Asked, notes: &mut Vec<String>) {
    let Some(config) = &asked.config else { return };
    let tools: Vec<&str> = config
        .all()
        .map(|(key, _)| key)
        .filter(|key| keys::is_of_the_site(key) && config.says(key))
        .filter(|key| !asked.air_gapped || key.ends_with("_repo_url"))
        .collect();
    if !tools.is_empty() {
        notes.push(if asked.air_gapped {
            format!(
                "{} must be set, as in `image-builder`, and have no effect: nothing is cloned",
                tools.join(" and ")
            )
        } else {
            format!("{} count with `--air-gapped` only", tools.join(", "))
        });
    }
    if asked.hypervisor == Hypervisor::CloudStack
        && !matches!(config.get("ansible_user_vars"), "" | "provider=cloudstack")
    {
        notes.push("`ansible_user_vars` is `provider=cloudstack`, whatever the file says".to_owned());
    }
    if asked.os == Os::Ubuntu {
        let red: Vec<&str> = config
            .all()
            .map(|(key, _)| key)
            .filter(|key| {
                config.says(key)
                    && (key.starts_with("rhel_")
                        || key.starts_with("rhsm_")
                        || key.ends_with("epel_rpm")
                        || key.starts_with("epel_"))
            })
            .collect();
        if !red.is_empty() {
            notes.push(format!("{} are for redhat", red.join(", ")));
        }
    }
    if asked.builder == Builder::Clone && config.says("iso_url") {
        notes.push("`iso_url` has no effect with `--builder clone`".to_owned());
    }
    if config.says("ssh_handshake_attempts") {
        notes.push(
            "`ssh_handshake_attempts` has no effect: a login is tried until `ssh_timeout` is over".to_owned(),
        );
    }
    if asked.os == Os::RedHat
        && config.proxy().is_some()
        && (config.says("rhsm_server_proxy_hostname") || config.says("rhsm_server_proxy_port"))
    {
        notes.push("`http_proxy` counts for the subscription manager, not `rhsm_server_proxy_hostname` and `rhsm_server_proxy_port`, unless `no_proxy` names `rhsm_server_hostname`".to_owned());
    }
}

/// Variables of the environment that `image-builder` or its scripts look at and that mean nothing here: what is set is told.
pub fn about_environment(env: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let mut notes = Vec::new();
    for (name, why) in [
        ("PACKER_HTTP_SERVER_IP", "an installer gets its answers on a medium, not by HTTP"),
        ("PACKER_ACTIVE_INTERFACE", "an installer gets its answers on a medium, not by HTTP"),
        ("EKSA_SKIP_VALIDATE_DEPENDENCIES", "no tools are needed whose versions could be wrong"),
        ("CODEBUILD_CI", "nothing is cloned"),
        ("CODEBUILD_SRC_DIR", "nothing is cloned"),
        ("CLONE_URL", "nothing is cloned"),
    ] {
        if set(name) {
            notes.push(format!("`{name}` has no effect: {why}"));
        }
    }
    notes
}
