//! What was typed, checked in the order of `image-builder` and told in its words, so that who knows those finds them.
use super::{
    Builder, Config, Firmware, Hypervisor, Os, files, proxy,
    remarks::{self, Ignored},
};
use crate::{
    compat::{CompatError, capi::AdditionalFile},
    eksa::Channel,
    value::Digest,
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// What was typed, as it was typed.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--os`
    pub os: String,
    /// `--os-version`
    pub os_version: String,
    /// `--hypervisor`
    pub hypervisor: String,
    /// `--release-channel`
    pub release_channel: String,
    /// `--vsphere-config` and its like.
    pub configs: BTreeMap<Hypervisor, PathBuf>,
    /// `--files-config`
    pub files_config: Option<PathBuf>,
    /// `--firmware`
    pub firmware: String,
    /// `--builder`
    pub builder: String,
    /// `--manifest-tarball` was given.
    pub manifest_tarball: bool,
    /// `--air-gapped`
    pub air_gapped: bool,
    /// `--ansible-verbosity`
    pub ansible_verbosity: i64,
    /// `--force`
    pub force: bool,
    /// `--dev`
    pub dev: bool,
}

/// What is to be built, and all that was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The system.
    pub os: Os,
    /// Its version, with a dot if it has one: `22.04`.
    pub version: String,
    /// What the image is for.
    pub hypervisor: Hypervisor,
    /// The release channel.
    pub channel: Channel,
    /// What starts the machine.
    pub firmware: Firmware,
    /// What a machine in a vCenter is made from.
    pub builder: Builder,
    /// Only addresses of the site are to be used.
    pub air_gapped: bool,
    /// The hypervisor's file; without one, for those that need none.
    pub config: Option<Config>,
    /// Files that are put into the image.
    pub files: Vec<AdditionalFile>,
    /// What has no meaning here, or is understood differently: a sentence each.
    pub notes: Vec<String>,
}

impl Asked {
    /// Checks flags and the files that they name. Relative paths start in `folder`; `read` reads a file.
    pub fn check(
        flags: &Flags,
        folder: &Path,
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, CompatError> {
        let os = Os::ALL.into_iter().find(|os| os.name() == flags.os).ok_or_else(|| {
            let small = flags.os.to_lowercase();
            let error = CompatError::new("Invalid OS type. Please choose ubuntu or redhat");
            let meant = Os::ALL.iter().find(|os| os.name() == small);
            match meant {
                Some(os) => error.hint(format!("write it in small letters: `--os {}`", os.name())),
                None => error.hint(format!("`--os {}` was given", flags.os)),
            }
        })?;
        let hypervisor =
            Hypervisor::ALL.into_iter().find(|known| known.name() == flags.hypervisor).ok_or_else(|| {
                let names = Hypervisor::ALL.map(Hypervisor::name).join(",");
                CompatError::new(format!(
                    "{} is not supported yet. Please select one of {names}",
                    flags.hypervisor
                ))
            })?;
        pair(os, hypervisor)?;
        if !(0..=6).contains(&flags.ansible_verbosity) {
            return Err(CompatError::new(
                "Invalid Ansible verbosity level. Please provide a value in the range 0 to 6",
            )
            .hint("it has no effect here: `--verbose` shows what a guest prints"));
        }
        let version = if flags.os_version.is_empty() { os.default_version() } else { &flags.os_version };
        let builder = Builder::ALL.into_iter().find(|known| known.name() == flags.builder);
        known_version(os, version, hypervisor, builder, flags.dev)?;
        let firmware = firmware(&flags.firmware, os, version, hypervisor)?;
        if flags.air_gapped {
            may_be_air_gapped(os, hypervisor, flags.manifest_tarball)?;
        }
        let builder = builder.or(flags.builder.is_empty().then_some(Builder::Iso)).ok_or_else(|| {
            CompatError::new("Invalid builder type. Please choose iso or clone")
                .hint(format!("`--builder {}` was given", flags.builder))
        })?;
        let config = match flags.configs.get(&hypervisor) {
            Some(path) => Some(Config::read(
                &folder.join(path),
                &bytes(&format!("{hypervisor} config file"), &folder.join(path), &read)?,
                hypervisor,
            )?),
            None => None,
        };
        let may_be_missing =
            matches!((hypervisor, os), (Hypervisor::Ami, _) | (Hypervisor::Baremetal, Os::Ubuntu));
        if config.is_none() && !may_be_missing {
            return Err(CompatError::new(format!(
                "{hypervisor}-config is a required flag for {hypervisor} hypervisor or when os is redhat"
            ))
            .hint(format!("name its JSON file: `--{hypervisor}-config FILE`")));
        }
        if let Some(config) = &config {
            config_fits(config, os, hypervisor, builder, flags.air_gapped)?;
            proxy::of_subscriptions(os, config)?;
        } else if flags.air_gapped {
            return Err(CompatError::new(
                "eksa_build_tooling_repo_url must be set when using air-gapped mode",
            )
            .hint(format!("`--{hypervisor}-config FILE` says where the site's servers are")));
        }
        let mut unknown_of_files = Vec::new();
        let files = match &flags.files_config {
            None => Vec::new(),
            Some(path) => {
                let path = folder.join(path);
                let (files, unknown) =
                    files::read(&path, &bytes("additional files config path", &path, &read)?, folder)?;
                unknown_of_files = unknown;
                files
            }
        };
        let channel = flags.release_channel.parse::<Channel>().map_err(|error| {
            CompatError::new("--release-channel is a channel of EKS Distro").because(error)
        })?;
        let mut asked = Self {
            os,
            version: version.to_owned(),
            hypervisor,
            channel,
            firmware,
            builder,
            air_gapped: flags.air_gapped,
            config,
            files,
            notes: Vec::new(),
        };
        let ignored = Ignored { flags, unknown_of_files: &unknown_of_files };
        asked.notes = remarks::about(&asked, &ignored);
        Ok(asked)
    }

    /// What a key of the configuration file says.
    pub(super) fn said(&self, key: &str) -> &str {
        self.config.as_ref().map_or("", |config| config.get(key))
    }
}

/// A file of the user's.
fn bytes(
    what: &str,
    path: &Path,
    read: &impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, CompatError> {
    read(path).map_err(|error| {
        CompatError::new(format!("Error reading {what}: `{}`", path.display())).because(error)
    })
}

fn pair(os: Os, hypervisor: Hypervisor) -> Result<(), CompatError> {
    match (os, hypervisor) {
        (Os::Ubuntu, Hypervisor::CloudStack) => {
            Err(CompatError::new("Invalid OS type. Only redhat OS is supported for CloudStack"))
        }
        (Os::RedHat, Hypervisor::Ami) => {
            Err(CompatError::new("Invalid OS type. Only ubuntu OS is supported for AMI"))
        }
        _ => Ok(()),
    }
}

fn known_version(
    os: Os,
    version: &str,
    hypervisor: Hypervisor,
    builder: Option<Builder>,
    dev: bool,
) -> Result<(), CompatError> {
    let known = os.versions().contains(&version);
    if os == Os::RedHat && hypervisor == Hypervisor::Vsphere && !known {
        return Err(CompatError::new("Invalid OS version for RedHat. Please choose 8 or 9"));
    }
    if builder == Some(Builder::Clone) && hypervisor != Hypervisor::Vsphere {
        return Err(CompatError::new("Clone builder is only supported for vSphere hypervisor"));
    }
    let list = os.versions().join(",");
    match os {
        _ if known => Ok(()),
        Os::Ubuntu if version == "20.04" && dev => Err(CompatError::new(
            "Ubuntu 20.04 is not built by this command, not even with --dev",
        )
        .hint(
            "its support ended in 2025; a definition of your own can still install it: docs/os-support.md",
        )),
        Os::Ubuntu => Err(CompatError::new(format!(
            "{version} is not a supported version of Ubuntu. Please select one of {list}"
        ))),
        Os::RedHat => Err(CompatError::new(format!(
            "{version} is not a supported version of Redhat. Please select one of {list}"
        ))),
    }
}

/// The firmware that is asked for, or the usual one.
fn firmware(text: &str, os: Os, version: &str, hypervisor: Hypervisor) -> Result<Firmware, CompatError> {
    let raw = hypervisor == Hypervisor::Baremetal;
    let efi_can_be = raw || hypervisor == Hypervisor::Vsphere;
    let refused = |why: &str| Err(CompatError::new(why));
    if text.is_empty() {
        let efi = raw && (os == Os::Ubuntu || version == "9");
        return Ok(if efi { Firmware::Efi } else { Firmware::Bios });
    }
    let Some(firmware) = Firmware::ALL.into_iter().find(|known| known.name() == text) else {
        return refused(&format!("{text} is not a firmware. Please select one of bios,efi"));
    };
    match (firmware, os) {
        (Firmware::Efi, Os::Ubuntu) if !efi_can_be => {
            refused("For Ubuntu, EFI firmware is only supported for OVA and Raw builds")
        }
        (Firmware::Efi, Os::RedHat) if !efi_can_be => {
            refused("For RedHat, EFI firmware is only supported for OVA and Raw builds")
        }
        (Firmware::Efi, Os::RedHat) if version != "9" => {
            refused("Only RedHat version 9 supports EFI firmware")
        }
        (Firmware::Bios, Os::Ubuntu) if raw => refused("Ubuntu Raw builds only support EFI firmware"),
        (Firmware::Bios, Os::RedHat) if raw && version == "9" => {
            refused("RedHat version 9 Raw builds only support EFI firmware")
        }
        _ => Ok(firmware),
    }
}

fn may_be_air_gapped(os: Os, hypervisor: Hypervisor, tarball: bool) -> Result<(), CompatError> {
    if !tarball {
        return Err(CompatError::new("Please provide --manifest-tarball when running air-gapped builds")
            .hint("`goldsmith download manifests` makes one, where there is a network"));
    }
    if os != Os::Ubuntu {
        return Err(CompatError::new("Only Ubuntu os is supported for air-gapped builds"));
    }
    if hypervisor == Hypervisor::Ami {
        return Err(CompatError::new("AMI hypervisor not supported for air-gapped builds"));
    }
    Ok(())
}

/// The checks of a hypervisor's file.
fn config_fits(
    config: &Config,
    os: Os,
    hypervisor: Hypervisor,
    builder: Builder,
    air_gapped: bool,
) -> Result<(), CompatError> {
    if hypervisor == Hypervisor::Ami {
        return Ok(());
    }
    let has_iso = hypervisor != Hypervisor::Nutanix;
    if os == Os::RedHat {
        let hosted = !config.says("rhsm_server_hostname");
        if hosted && !(config.says("rhel_username") && config.says("rhel_password")) {
            return refuse(
                config,
                "\"rhel_username\" and \"rhel_password\" are required fields in config when os is redhat",
            );
        }
        if has_iso && builder == Builder::Iso && !config.says("iso_url") {
            return refuse(config, "\"iso_url\" is a required field in config when os is redhat");
        }
    }
    if has_iso && config.says("iso_url") {
        medium(config)?;
    }
    if hypervisor == Hypervisor::Baremetal && config.says("disk_size") {
        whole(config, "disk_size").map_err(|why| {
            CompatError::new(format!("parsing disk_size in baremetal config: {why}"))
                .hint(format!("it is in MiB: `\"8192\"` in {}", config.called()))
        })?;
    }
    subscription(config, os)?;
    if hypervisor == Hypervisor::Nutanix
        && !(config.says("nutanix_username") && config.says("nutanix_password"))
    {
        return refuse(
            config,
            "\"nutanix_username\" and \"nutanix_password\" are required fields in nutanix-config",
        );
    }
    if air_gapped {
        site(config, has_iso)?;
    }
    match hypervisor {
        Hypervisor::Nutanix if config.says("image_size_gb") => {
            let size = whole(config, "image_size_gb").map_err(|why| {
                CompatError::new(format!("invalid image size: {why}"))
                    .hint(format!("`image_size_gb` in {} is in GiB", config.called()))
            })?;
            if size < 0 {
                return refuse(config, "image size must be a positive integer");
            }
        }
        Hypervisor::Vsphere => {
            if builder == Builder::Clone && !config.says("template") {
                return refuse(config, "Error: When using vsphere-clone, template cannot be empty");
            }
            if config.says("vmx_version") {
                let version = whole(config, "vmx_version").map_err(|why| {
                    CompatError::new(format!("Error parsing vmx_version in vsphere config: {why}"))
                        .hint(format!("write `\"19\"` in {}", config.called()))
                })?;
                if version < 15 {
                    return refuse(
                        config,
                        &format!("vmx_version cannot be less than 15, have {version} in vsphere config"),
                    );
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn refuse(config: &Config, why: &str) -> Result<(), CompatError> {
    Err(CompatError::new(why).hint(format!("the file is {}", config.called())))
}

fn whole(config: &Config, key: &str) -> Result<i64, String> {
    config.get(key).parse().map_err(|_| format!("`{}` is no whole number", config.get(key)))
}

/// An installer's medium and its digest.
fn medium(config: &Config) -> Result<(), CompatError> {
    if !config.says("iso_checksum") {
        return refuse(
            config,
            "Please provide a valid checksum for \"iso_checksum\" when providing \"iso_url\"",
        );
    }
    let (sum, kind) = (config.get("iso_checksum"), config.get("iso_checksum_type"));
    if !matches!(kind, "sha256" | "sha512") {
        return refuse(
            config,
            "\"iso_checksum_type\" is a required field when providing iso_checksum. Checksum type can be sha256 or sha512",
        );
    }
    // A wrong one is not found out after an hour.
    format!("{kind}:{sum}").parse::<Digest>().map(drop).map_err(|error| {
        CompatError::new(format!("\"iso_checksum\" is no {kind} digest"))
            .because(error)
            .hint(format!("the file is {}", config.called()))
    })
}

/// A Satellite.
fn subscription(config: &Config, os: Os) -> Result<(), CompatError> {
    if !config.says("rhsm_server_hostname") {
        return Ok(());
    }
    if os != Os::RedHat {
        return refuse(
            config,
            "RedHat Subscription Manager Config (RHSM) cannot be provided when OS is not RedHat",
        );
    }
    if !config.says("rhsm_server_release_version") {
        return refuse(config, "RHSM version required when satelite server hostname is set for RHSM");
    }
    if !(config.says("rhsm_activation_key") && config.says("rhsm_org_id")) {
        return refuse(config, "Activation key and Org ID are required to use RHSM with satellite");
    }
    Ok(())
}

/// The site's own servers.
fn site(config: &Config, has_iso: bool) -> Result<(), CompatError> {
    let last = if has_iso {
        ("iso_url", "Please provide iso_url when building in air-gapped mode")
    } else {
        ("image_url", "Please provide image_url when building in air-gapped mode")
    };
    let needed = [
        ("eksa_build_tooling_repo_url", "eksa_build_tooling_repo_url must be set when using air-gapped mode"),
        ("image_builder_repo_url", "image_builder_repo_url must be set when using air-gapped mode"),
        ("extra_repos", "Please set extra_repos to internal os package repo when using air-gapped mode"),
        (
            "private_artifacts_eksd_fqdn",
            "Please set private_artifacts_eksd_fqdn to internal artifacts server's eks-d endpoint",
        ),
        (
            "private_artifacts_eksa_fqdn",
            "Please set private_artifacts_eksa_fqdn to internal artifacts server's eks-a endpoint",
        ),
        last,
    ];
    match needed.into_iter().find(|(key, _)| !config.says(key)) {
        Some((_, why)) => refuse(config, why),
        None => Ok(()),
    }
}
