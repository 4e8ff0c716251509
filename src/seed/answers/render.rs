//! From a plan to the text of the answers.
use super::{
    Answers, AnswersFile, AnswersKeys, AnswersMedium, EARLY, FINISH, FOLDER, HOST_KEY, IN_INITRD,
    escape::environment,
};
use crate::{
    plan::{
        AnswersPlan, DiskLayout, InstallEnd, InstallMirror, Installer, NetworkPlan, Selinux, TargetDisk,
        Updates, is_login,
    },
    seed::{SeedError, nocloud::META_DATA},
    value::Secret,
};
use minijinja::{Value, context};
use std::net::Ipv4Addr;
use url::Url;

/// The built-in templates by the names that other templates include and extend them by.
const TEMPLATES: &[(&str, &str)] = &[
    ("autoinstall.yaml", include_str!("../../../cloud-init/autoinstall.yaml.j2")),
    ("meta-data", META_DATA),
    ("anaconda.cfg", include_str!("../../../kickstart/anaconda.cfg.j2")),
    ("anaconda-disk.cfg", include_str!("../../../kickstart/anaconda-disk.cfg.j2")),
    ("preseed.cfg", include_str!("../../../kickstart/preseed.cfg.j2")),
    ("photon.json", include_str!("../../../kickstart/photon.json.j2")),
    (FINISH, include_str!("../../../kickstart/finish.sh.j2")),
];

/// The user's template, for others to see.
const OWN: &str = "template";

/// The files that let `installer` work alone.
///
/// # Errors
/// When the plan asks for what there is not, or a template cannot be filled.
pub fn render(plan: &AnswersPlan, keys: &AnswersKeys) -> Result<Answers, SeedError> {
    plan.check().map_err(SeedError::Answers)?;
    if keys.user == "root" || !is_login(&keys.user) {
        return Err(SeedError::BuildUser { user: keys.user.clone() });
    }
    let medium = match plan.installer {
        Installer::Subiquity => AnswersMedium::Cidata,
        Installer::Anaconda | Installer::Photon => AnswersMedium::Oemdrv,
        Installer::DebianInstaller => AnswersMedium::Initrd,
    };
    let names = names(plan, keys, medium);
    let mut env = environment();
    for &(name, text) in TEMPLATES {
        env.add_template(name, text).map_err(|source| SeedError::Template { name: name.into(), source })?;
    }
    let (file, builtin) = match plan.installer {
        Installer::Subiquity => ("user-data", "autoinstall.yaml"),
        Installer::Anaconda => ("ks.cfg", "anaconda.cfg"),
        Installer::DebianInstaller => ("preseed.cfg", "preseed.cfg"),
        Installer::Photon => ("ks.json", "photon.json"),
    };
    let (origin, main) = match &plan.template {
        Some(own) => (own.path.display().to_string(), own.text.as_str()),
        None => (format!("built-in template {builtin}"), ""),
    };
    let fill = |name: &str, origin: &str| {
        env.get_template(name)
            .and_then(|template| template.render(&names))
            .map_err(|source| SeedError::Template { name: origin.to_owned(), source })
    };
    let text = if plan.template.is_some() {
        env.render_named_str(OWN, main, &names)
            .map_err(|source| SeedError::Template { name: origin.clone(), source })?
    } else {
        fill(builtin, &origin)?
    };

    let own = |name: &str| match medium {
        AnswersMedium::Initrd => format!("{IN_INITRD}/{name}"),
        AnswersMedium::Cidata | AnswersMedium::Oemdrv => name.to_owned(),
    };
    let public = |name: String, text: String, origin: String| AnswersFile {
        name,
        text: Secret::new(text),
        private: false,
        origin,
    };
    let mut files = vec![public(file.into(), text, origin)];
    if plan.installer == Installer::Subiquity {
        let origin = "built-in template meta-data".to_owned();
        files.push(public("meta-data".into(), fill("meta-data", &origin)?, origin));
    }
    let origin = format!("built-in template {FINISH}");
    files.push(public(own(FINISH), fill(FINISH, &origin)?, origin));
    if plan.installer == Installer::DebianInstaller && !plan.early.is_empty() {
        let script = plan.early.iter().map(|command| command.trim_end()).collect::<Vec<_>>().join("\n");
        files.push(public(
            own(EARLY),
            format!("set -e\n{script}\n"),
            "early commands of the definition".into(),
        ));
    }
    files.push(AnswersFile {
        name: own(HOST_KEY),
        text: keys.host_key_private.clone(),
        private: true,
        origin: "host key of the build".into(),
    });
    let public_key = format!("{}\n", keys.host_key_public.trim());
    files.push(public(own(&format!("{HOST_KEY}.pub")), public_key, "host key of the build".into()));
    Ok(Answers {
        installer: plan.installer,
        files,
        medium,
        kernel_args: kernel_args(plan.installer).iter().map(|&word| word.to_owned()).collect(),
        end: plan.end,
    })
}

/// Words for the installer's kernel. The last console is the one that installers talk on.
fn kernel_args(installer: Installer) -> &'static [&'static str] {
    match installer {
        // `autoinstall` answers the one question that is asked before the answers are believed.
        Installer::Subiquity => &["autoinstall", "ds=nocloud", "console=tty0", "console=ttyS0,115200n8"],
        Installer::Anaconda => {
            &["inst.ks=hd:LABEL=OEMDRV:/ks.cfg", "inst.cmdline", "console=tty0", "console=ttyS0,115200n8"]
        }
        // The preseed file in the initrd needs no word; named here it would be read twice, and its early commands run twice.
        // The text frontend writes lines where the usual one paints windows.
        Installer::DebianInstaller => &[
            "auto=true",
            "priority=critical",
            "DEBIAN_FRONTEND=text",
            "console=tty0",
            "console=ttyS0,115200n8",
        ],
        Installer::Photon => &[
            "ks=/dev/disk/by-label/OEMDRV:/ks.json",
            "photon.media=cdrom",
            "console=tty0",
            "console=ttyS0,115200n8",
        ],
    }
}

/// What templates know.
fn names(plan: &AnswersPlan, keys: &AnswersKeys, medium: AnswersMedium) -> Value {
    let swap = plan.swap.map(|size| size.as_mib_ceil());
    let disk = match &plan.disk {
        TargetDisk::First => None,
        TargetDisk::Device(device) => Some(device.as_str()),
    };
    // minijinja's macro takes so many names at once.
    let system = context! {
        system => plan.system.id(),
        version => plan.version.clone(),
        major => plan.major(),
        arch => plan.arch.to_string(),
        provider => plan.provider.name(),
        firmware => plan.firmware.to_string(),
        installer => plan.installer.name(),
        locale => plan.locale.clone(),
        keyboard => plan.keyboard.clone(),
        timezone => plan.timezone.clone(),
        hostname => plan.hostname.clone(),
        network => network(&plan.network),
        proxy => plan.proxy.as_ref().map(Url::as_str),
        mirror => mirror(&plan.mirror),
        repositories => plan.repositories.iter().map(|repository| context! {
            name => repository.name.clone(),
            url => repository.url.as_str(),
        }).collect::<Vec<_>>(),
    };
    let disk = context! {
        layout => plan.layout.name(),
        filesystem => plan.filesystem.name(),
        esp => plan.esp.as_mib_ceil(),
        boot => plan.boot.as_mib_ceil(),
        swap => swap,
        // Bytes, for the layout in which swap is a file.
        swap_file => if plan.layout == DiskLayout::Automatic { swap.unwrap_or(0) << 20 } else { 0 },
        disk => disk,
        partitions => partitions(plan),
    };
    let software = context! {
        updates => match plan.updates { Updates::Security => "security", Updates::All => "all" },
        services_select => services_select(plan),
        kernel => plan.kernel.clone(),
        packages => plan.packages.clone(),
        without => plan.without.clone(),
        services => plan.services.clone(),
        selinux => match plan.selinux {
            Selinux::Enforcing => "enforcing",
            Selinux::Permissive => "permissive",
            Selinux::Disabled => "disabled",
        },
        firewall => plan.firewall,
        users => plan.users.iter().map(|user| context! {
            name => user.name.clone(),
            groups => user.groups.clone(),
            sudo => user.sudo,
            authorized_keys => user.authorized_keys.clone(),
        }).collect::<Vec<_>>(),
        early => plan.early.iter().map(|text| text.trim_end().to_owned()).collect::<Vec<_>>(),
        late => plan.late.clone(),
        end => match plan.end { InstallEnd::PowerOff => "power-off", InstallEnd::Reboot => "reboot" },
    };
    let build = context! {
        user => keys.user.clone(),
        authorized_key => keys.authorized_key.trim(),
        host_key_public => keys.host_key_public.trim(),
        instance_id => "goldsmith-installer",
        folder => FOLDER,
        seed => format!("/{IN_INITRD}"),
        label => medium.label().unwrap_or_default(),
    };
    minijinja::value::merge_maps([build, software, disk, system])
}

fn network(network: &NetworkPlan) -> Value {
    match network {
        NetworkPlan::Dhcp => context! { mode => "dhcp" },
        NetworkPlan::Static { address, prefix, gateway, dns } => context! {
            mode => "static",
            address => address.to_string(),
            prefix => prefix,
            netmask => netmask(*prefix).to_string(),
            gateway => gateway.map(|gateway| gateway.to_string()),
            dns => dns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    }
}

fn netmask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0))
}

fn mirror(mirror: &InstallMirror) -> Value {
    let host = |url: &Url| match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    };
    let path = |url: &Url| format!("/{}", url.path().trim_matches('/'));
    match mirror {
        InstallMirror::Medium => context! { kind => "medium" },
        InstallMirror::Distribution => context! { kind => "distribution" },
        InstallMirror::Url { main, security } => context! {
            kind => "url",
            main => main.as_str(),
            protocol => main.scheme(),
            host => host(main),
            path => path(main),
            security => security.as_ref().map(Url::as_str),
            security_host => security.as_ref().map(host),
            security_path => security.as_ref().map(path),
        },
    }
}

/// Which of a mirror's services Debian's installer uses.
fn services_select(plan: &AnswersPlan) -> Vec<&'static str> {
    let security = match &plan.mirror {
        InstallMirror::Medium => false,
        InstallMirror::Distribution => true,
        InstallMirror::Url { security, .. } => security.is_some(),
    };
    let mut services = vec![];
    if security {
        services.push("security");
    }
    if plan.updates == Updates::All {
        services.push("updates");
    }
    services
}

/// The partitions that a layout says, in their order on the disk; none where the installer decides.
fn partitions(plan: &AnswersPlan) -> Vec<Value> {
    let part = |name: &str, mount: &str, mib: Option<u64>, format: &str, flag: Option<&str>| {
        context! { name, mount, mib, format, flag, rest => mib.is_none() }
    };
    let root = plan.filesystem.name();
    let (esp, boot, bootable) = match plan.layout {
        DiskLayout::Automatic => return vec![],
        DiskLayout::Root => (false, false, Some("boot")),
        DiskLayout::EfiRoot | DiskLayout::RootEfi => (true, false, None),
        DiskLayout::EfiBootRoot => (true, true, None),
    };
    let mut parts = vec![];
    if esp {
        parts.push(part("esp", "/boot/efi", Some(plan.esp.as_mib_ceil()), "fat32", Some("boot")));
    }
    if boot {
        parts.push(part("boot", "/boot", Some(plan.boot.as_mib_ceil()), "ext4", None));
    }
    if let Some(swap) = plan.swap {
        parts.push(part("swap", "", Some(swap.as_mib_ceil()), "swap", Some("swap")));
    }
    parts.push(part("root", "/", None, root, bootable));
    parts
}
