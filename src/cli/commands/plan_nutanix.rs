//! How `goldsmith plan` shows a build in a Prism Central.
use crate::cli::words::{count, trust, within};
use crate::plan::{NutanixBoot, NutanixImageKind, NutanixMachinePlan, NutanixSourcePlan, Plan};

/// What the build starts from.
pub(super) fn source(source: &NutanixSourcePlan) -> Vec<String> {
    match source {
        NutanixSourcePlan::Image(name) => vec![format!("the image `{name}` of the Prism Central")],
        NutanixSourcePlan::Url { url, digest } => {
            let mut lines = vec![format!("{url}, fetched by the cluster")];
            lines.extend(digest.as_ref().map(ToString::to_string));
            lines
        }
        NutanixSourcePlan::Config => vec!["the image that `config` in `[nutanix]` names".to_owned()],
    }
}

/// The machine, and where it is.
pub(super) fn machine(plan: &Plan, machine: &NutanixMachinePlan) -> Vec<String> {
    let prism = &plan.prism;
    let server = match (&prism.endpoint, &prism.config) {
        (Some(server), _) => server.clone(),
        (None, Some(config)) => format!("the Prism Central of {}", config.display()),
        (None, None) => "the Prism Central of the environment".to_owned(),
    };
    let user = prism.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
    let place = [("cluster", &prism.cluster), ("project", &prism.project)];
    let place = place.iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
    let subnets = prism.subnets.iter().map(|name| format!("subnet {name}"));
    let boot = match machine.boot {
        NutanixBoot::Legacy => "bios",
        NutanixBoot::Uefi => "efi",
        NutanixBoot::SecureBoot => "efi with Secure Boot",
    };
    let cores = match machine.cores_per_socket {
        1 => String::new(),
        cores => format!(" ({cores} in a socket)"),
    };
    let disk = machine.disk.map_or_else(|| "the image's disk".to_owned(), |disk| format!("{disk} disk"));
    let mut lines = vec![
        format!("Nutanix: {server}{user}{}", trust(prism.trust.as_ref())),
        place.chain(subnets).collect::<Vec<_>>().join(", "),
        format!("{}{cores}, {} memory, {disk}, {boot}", count(machine.cpus as usize, "CPU"), machine.memory),
        pairs("categories", &machine.categories),
        format!(
            "SSH to port {} of the address{} that has stayed for {}",
            machine.ssh_port,
            within(&machine.ip_networks),
            machine.ip_settle
        ),
    ];
    lines.retain(|line| !line.is_empty());
    lines
}

fn pairs(what: &str, all: &[(String, String)]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let all: Vec<String> = all.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{what} {}", all.join(", "))
}

/// What is made of it: its name, and more about it.
pub(super) fn image(plan: &Plan) -> Vec<(String, String)> {
    let Some(image) = &plan.nutanix else { return Vec::new() };
    let what = match image.kind {
        NutanixImageKind::Nothing => return Vec::new(),
        NutanixImageKind::Image => "an image",
        NutanixImageKind::Template => "a template",
        NutanixImageKind::Ova => "an OVA",
    };
    let replace = if image.replace { ", in the place of an earlier one" } else { "" };
    let name = image.name.clone().unwrap_or_else(|| match &plan.prism.config {
        Some(config) => format!("as {} calls it, or {}", config.display(), plan.name),
        None => plan.name.clone(),
    });
    let mut lines = vec![(name, format!("({what} in the Prism Central{replace})"))];
    let categories = pairs("categories", &image.categories);
    if !categories.is_empty() {
        lines.push((categories, String::new()));
    }
    lines
}

/// How the result is proved.
pub(super) fn proof(plan: &Plan) -> Option<&'static str> {
    let image = plan.nutanix.as_ref()?;
    Some(match image.kind {
        NutanixImageKind::Nothing => {
            "a machine made of an image of the disk boots and is checked from inside"
        }
        _ => "a machine made of the result boots and is checked from inside",
    })
}
