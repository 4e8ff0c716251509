//! From a plan to the text of the answers.
use super::{EARLY, FINISH, FOLDER, IN_INITRD, RenderedFile, escape::environment};
use crate::{
    plan::{
        AnswerPlace, AnswersPlan, DiskLayout, InstallEnd, InstallMirror, Installer, NetworkPlan, SeedKind,
        Selinux, TargetDisk, Updates,
    },
    seed::{SeedError, nocloud::META_DATA},
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

/// The files that let the installer work alone: the one in its own language, then those that it refers to.
///
/// # Errors
/// When the plan asks for what there is not, or a template cannot be filled.
pub fn render(plan: &AnswersPlan) -> Result<Vec<RenderedFile>, SeedError> {
    plan.check().map_err(SeedError::Answers)?;
    let place = plan.place();
    let names = names(plan, &place);
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
    let fill = |name: &str, origin: String| {
        let text = env
            .get_template(name)
            .and_then(|template| template.render(&names))
            .map_err(|source| SeedError::Template { name: origin.clone(), source })?;
        Ok(RenderedFile { name: name.to_owned(), text, origin })
    };
    let built_in = |name: &str| fill(name, format!("built-in template {name}"));
    let main = match &plan.template {
        Some(own) => {
            let origin = own.path.display().to_string();
            let text = env
                .render_named_str(OWN, &own.text, &names)
                .map_err(|source| SeedError::Template { name: origin.clone(), source })?;
            RenderedFile { name: String::new(), text, origin }
        }
        None => built_in(builtin)?,
    };
    let beside = |name: &str| match place {
        AnswerPlace::Initrd => format!("{IN_INITRD}/{name}"),
        AnswerPlace::Volume(_) | AnswerPlace::Served => name.to_owned(),
    };
    let mut files = vec![RenderedFile { name: file.into(), ..main }];
    if plan.installer == Installer::Subiquity {
        files.push(built_in("meta-data")?);
    }
    files.push(RenderedFile { name: beside(FINISH), ..built_in(FINISH)? });
    if plan.installer == Installer::DebianInstaller && !plan.early.is_empty() {
        let script = plan.early.iter().map(|command| command.trim_end()).collect::<Vec<_>>().join("\n");
        files.push(RenderedFile {
            name: beside(EARLY),
            text: format!("set -e\n{script}\n"),
            origin: "early commands of the definition".into(),
        });
    }
    Ok(files)
}

/// What templates know.
fn names(plan: &AnswersPlan, place: &AnswerPlace) -> Value {
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
    let medium = context! {
        cloud_init => plan.seed == SeedKind::NoCloud,
        host_keys_come => plan.seed != SeedKind::Login,
        instance_id => "goldsmith-installer",
        folder => FOLDER,
        seed => format!("/{IN_INITRD}"),
        label => match place {
            AnswerPlace::Volume(label) => label.as_str(),
            AnswerPlace::Initrd | AnswerPlace::Served => "",
        },
    };
    minijinja::value::merge_maps([medium, software, disk, system])
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
