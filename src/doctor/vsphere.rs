//! What a user lacks in a vCenter for building and publishing there.
//!
//! [`look`] asks the server and judges nothing; [`judge`] judges and asks nothing.
use super::{Finding, Status};
use crate::{
    cx::causes,
    value::Size,
    vsphere::{Datacenter, For, Moref, Named, On, PRIVILEGES, Privilege, VCenter, VsphereError, plain_name},
};
use serde::Serialize;
use std::time::Duration;

/// What a build or a publication is to use, in the user's words. Nothing said is nothing looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VsphereTarget {
    /// The datacenter; the only one if there is one.
    pub datacenter: Option<String>,
    /// A cluster, or a host that is in none.
    pub cluster: Option<String>,
    /// The resource pool; by default the cluster's own.
    pub resource_pool: Option<String>,
    /// The folder for machines; by default the datacenter's own.
    pub folder: Option<String>,
    /// The datastore.
    pub datastore: Option<String>,
    /// The network.
    pub network: Option<String>,
    /// The template that is cloned.
    pub template: Option<String>,
    /// Whether clones are linked to it, which takes a snapshot.
    pub linked_clone: bool,
    /// What is wanted besides builds.
    pub purposes: Vec<For>,
}

/// What was found of one thing that the user named.
#[derive(Debug)]
pub struct Found {
    what: Named,
    said: String,
    result: Result<(Moref, String), VsphereError>,
    /// What is to be known about it, for people.
    detail: Option<String>,
    /// Why it will not do, and the way out.
    trouble: Option<(Status, String, String)>,
}

/// What was seen in a vCenter.
#[derive(Debug)]
pub struct Seen {
    server: String,
    user: String,
    full_name: String,
    version: String,
    is_vcenter: bool,
    datacenter: Option<Result<Datacenter, VsphereError>>,
    things: Vec<Found>,
    /// Of privileges that are needed: those that are lacked, with the path of the object; or why that could not be seen.
    lacking: Result<Vec<(Privilege, String)>, VsphereError>,
    /// How many were looked at.
    looked_at: usize,
    /// Hosts of the cluster, by name, and why they cannot be reached from here.
    unreachable: Vec<(String, String)>,
    hosts: usize,
}

/// Asks the server.
pub async fn look(vcenter: &VCenter, target: &VsphereTarget) -> Seen {
    let about = vcenter.about();
    let mut seen = Seen {
        server: vcenter.place().server.to_string(),
        user: vcenter.place().user.clone(),
        full_name: about.full_name.clone(),
        version: about.version.clone(),
        is_vcenter: about.is_vcenter,
        datacenter: None,
        things: Vec::new(),
        lacking: Ok(Vec::new()),
        looked_at: 0,
        unreachable: Vec::new(),
        hosts: 0,
    };
    let datacenter = vcenter.datacenter(target.datacenter.as_deref()).await;
    if let Ok(datacenter) = &datacenter {
        things(vcenter, datacenter, target, &mut seen).await;
        seen.lacking = lacking(vcenter, datacenter, target, &mut seen.looked_at, &seen.things).await;
        hosts(vcenter, &mut seen).await;
    }
    seen.datacenter = Some(datacenter);
    seen
}

async fn things(vcenter: &VCenter, datacenter: &Datacenter, target: &VsphereTarget, seen: &mut Seen) {
    let named = [
        (Named::ComputeResource, &target.cluster),
        (Named::ResourcePool, &target.resource_pool),
        (Named::Datastore, &target.datastore),
        (Named::Network, &target.network),
        (Named::Machine, &target.template),
    ];
    for (what, said) in named {
        let Some(said) = said.as_deref().filter(|said| !said.is_empty()) else { continue };
        let result = match vcenter.find(what, Some(datacenter), said).await {
            Ok(moref) => vcenter.path_of(&moref).await.map(|path| (moref, path)),
            Err(error) => Err(error),
        };
        let mut found = Found { what, said: said.to_owned(), result, detail: None, trouble: None };
        if let Ok((moref, _)) = &found.result {
            let looked = match what {
                Named::Datastore => datastore(vcenter, moref).await,
                Named::Machine => template(vcenter, moref, target.linked_clone).await,
                _ => Ok((None, None)),
            };
            match looked {
                Ok((detail, trouble)) => (found.detail, found.trouble) = (detail, trouble),
                Err(error) => found.result = Err(error),
            }
        }
        seen.things.push(found);
    }
    if let Some(said) = target.folder.as_deref().filter(|said| !said.is_empty()) {
        let found = vcenter.folder(datacenter, said).await;
        let detail = match &found {
            Ok((_, missing)) if !missing.is_empty() => Some(format!("`{}` will be made", missing.join("/"))),
            _ => None,
        };
        let result = match found {
            Ok((moref, _)) => vcenter.path_of(&moref).await.map(|path| (moref, path)),
            Err(error) => Err(error),
        };
        seen.things.push(Found { what: Named::Folder, said: said.to_owned(), result, detail, trouble: None });
    }
}

type Looked = (Option<String>, Option<(Status, String, String)>);

async fn datastore(vcenter: &VCenter, moref: &Moref) -> Result<Looked, VsphereError> {
    /// Less is enough for no image with its snapshot.
    const LITTLE: u64 = 20 << 30;
    let paths = ["summary.freeSpace", "summary.capacity", "summary.accessible", "summary.maintenanceMode"];
    let properties = vcenter.properties(moref, &paths).await?;
    let number = |path: &str| properties.text(path).and_then(|text| text.parse::<u64>().ok());
    let detail = match (number("summary.freeSpace"), number("summary.capacity")) {
        (Some(free), Some(all)) => Some(format!("{} of {} are free", Size::bytes(free), Size::bytes(all))),
        _ => None,
    };
    let trouble = if properties.text("summary.accessible") == Some("false") {
        Some((
            Status::Failure,
            "no host reaches it".to_owned(),
            "choose another, or see its hosts".to_owned(),
        ))
    } else if properties.text("summary.maintenanceMode").is_some_and(|mode| mode != "normal") {
        Some((Status::Failure, "it is in maintenance".to_owned(), "wait, or choose another".to_owned()))
    } else if number("summary.freeSpace").is_some_and(|free| free < LITTLE) {
        Some((
            Status::Warning,
            "that is little for a build".to_owned(),
            "choose another, or make room".to_owned(),
        ))
    } else {
        None
    };
    Ok((detail, trouble))
}

async fn template(vcenter: &VCenter, moref: &Moref, linked: bool) -> Result<Looked, VsphereError> {
    let properties = vcenter.properties(moref, &["config.template", "snapshot.currentSnapshot"]).await?;
    let is_template = properties.text("config.template") == Some("true");
    let detail = if is_template { "a template" } else { "a virtual machine" };
    let trouble = (linked && properties.get("snapshot.currentSnapshot").is_none()).then(|| {
        (
            Status::Failure,
            "it has no snapshot, and a linked clone needs one".to_owned(),
            "make a snapshot of it, or set `linked_clone` to false".to_owned(),
        )
    });
    Ok((Some(detail.to_owned()), trouble))
}

/// Asks for each object's privileges at once. Where nothing was named, the datacenter stands for what would be taken.
async fn lacking(
    vcenter: &VCenter,
    datacenter: &Datacenter,
    target: &VsphereTarget,
    looked_at: &mut usize,
    things: &[Found],
) -> Result<Vec<(Privilege, String)>, VsphereError> {
    let found = |what: Named| {
        things.iter().find(|thing| thing.what == what).and_then(|thing| thing.result.as_ref().ok()).cloned()
    };
    let whole = || (datacenter.moref.clone(), datacenter.path.clone());
    let mut all = Vec::new();
    for on in [On::Server, On::Folder, On::Pool, On::Datastore, On::Network] {
        let (object, path) = match on {
            On::Server => (vcenter.service("rootFolder")?, "/".to_owned()),
            On::Folder => found(Named::Folder).unwrap_or_else(whole),
            On::Pool => {
                found(Named::ResourcePool).or_else(|| found(Named::ComputeResource)).unwrap_or_else(whole)
            }
            On::Datastore => found(Named::Datastore).unwrap_or_else(whole),
            On::Network => found(Named::Network).unwrap_or_else(whole),
        };
        let needed: Vec<Privilege> =
            PRIVILEGES.iter().filter(|one| one.on == on && wanted(target, one.purpose)).copied().collect();
        let ids: Vec<&str> = needed.iter().map(|one| one.id).collect();
        *looked_at += ids.len();
        if ids.is_empty() {
            continue;
        }
        let lacks = vcenter.lacks(&object, &ids).await?;
        all.extend(
            needed.into_iter().filter(|one| lacks.contains(&one.id)).map(|one| (one, plain_name(&path))),
        );
    }
    Ok(all)
}

fn wanted(target: &VsphereTarget, purpose: For) -> bool {
    purpose == For::Builds || target.purposes.contains(&purpose)
}

/// Disks are transferred to and from hosts, not through the vCenter.
async fn hosts(vcenter: &VCenter, seen: &mut Seen) {
    const PATIENCE: Duration = Duration::from_secs(3);
    let cluster = seen.things.iter().find(|thing| thing.what == Named::ComputeResource);
    let Some(Ok((cluster, _))) = cluster.map(|thing| &thing.result) else { return };
    let Ok(properties) = vcenter.properties(cluster, &["host"]).await else { return };
    let hosts = properties.morefs("host");
    let Ok(named) = vcenter.properties_of_all(&hosts, &["name"]).await else { return };
    let names: Vec<String> =
        named.iter().filter_map(|(_, properties)| properties.text("name")).map(plain_name).collect();
    seen.hosts = names.len();
    let tries = names.into_iter().map(|name| async move {
        let connecting = tokio::net::TcpStream::connect((name.as_str(), 443));
        let why = match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        Some((name, why))
    });
    seen.unreachable = futures_util::future::join_all(tries).await.into_iter().flatten().collect();
}

/// A verdict about each thing.
pub fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = vec![server(seen)];
    match &seen.datacenter {
        Some(Ok(datacenter)) => {
            findings.push(Finding::new("datacenter", Status::Ok, format!("`{}`", datacenter.path)));
        }
        Some(Err(error)) => findings.push(refused("datacenter", error)),
        None => {}
    }
    findings.extend(seen.things.iter().map(thing));
    if matches!(seen.datacenter, Some(Ok(_))) {
        findings.push(privileges(seen));
    }
    if seen.hosts > 0 {
        findings.push(reach(seen));
    }
    findings
}

fn server(seen: &Seen) -> Finding {
    let detail = format!("{} at {}, as `{}`", seen.full_name, seen.server, seen.user);
    let major = seen.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if !seen.is_vcenter {
        return Finding::new("vcenter", Status::Warning, format!("{detail}: a single host, no vCenter"))
            .mend("templates, tags and content libraries need a vCenter");
    }
    match major {
        Some(major) if major < 7 => Finding::new(
            "vcenter",
            Status::Warning,
            format!("{detail}: older than 7.0, with which nobody tried"),
        ),
        _ => Finding::new("vcenter", Status::Ok, detail),
    }
}

fn refused(check: &'static str, error: &VsphereError) -> Finding {
    let finding = Finding::new(check, Status::Failure, causes(error).join(": "));
    match error.hint_text() {
        Some(hint) => finding.mend(hint),
        None => finding,
    }
}

fn thing(found: &Found) -> Finding {
    let check = match found.what {
        Named::ComputeResource | Named::Host => "cluster",
        Named::ResourcePool => "resource-pool",
        Named::Datastore | Named::StoragePod => "datastore",
        Named::Network => "network",
        Named::Machine => "template",
        Named::Folder => "folder",
        Named::Datacenter => "datacenter",
    };
    let path = match &found.result {
        Ok((_, path)) => plain_name(path),
        Err(error) => return refused(check, error),
    };
    let said = if path.ends_with(&found.said) { path } else { format!("{path} (`{}`)", found.said) };
    let detail = match &found.detail {
        Some(detail) => format!("{said}: {detail}"),
        None => said,
    };
    match &found.trouble {
        Some((status, why, way)) => {
            Finding::new(check, *status, format!("{detail}; {why}")).mend(way.clone())
        }
        None => Finding::new(check, Status::Ok, detail),
    }
}

fn privileges(seen: &Seen) -> Finding {
    let lacking = match &seen.lacking {
        Ok(lacking) => lacking,
        Err(error) => return refused("privileges", error),
    };
    if lacking.is_empty() {
        let detail = format!("all {} that are needed", seen.looked_at);
        return Finding::new("privileges", Status::Ok, detail);
    }
    let detail = format!("{} of {} are missing for `{}`", lacking.len(), seen.looked_at, seen.user);
    Finding::new("privileges", Status::Failure, detail).mend_all(ways(seen, lacking))
}

/// As a table for vCenter's pages, and as commands.
fn ways(seen: &Seen, lacking: &[(Privilege, String)]) -> Vec<String> {
    let width = lacking.iter().map(|(one, _)| one.id.len()).max().unwrap_or(0);
    let mut lines: Vec<String> =
        lacking.iter().map(|(one, path)| format!("{:width$}  {}  (on {path})", one.id, one.label)).collect();
    let mut paths: Vec<&str> = lacking.iter().map(|(_, path)| path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let several = paths.len() > 1;
    for (at, path) in paths.into_iter().enumerate() {
        // What is needed on one object is not given on another.
        let role =
            if several { format!("goldsmith-missing-{}", at + 1) } else { "goldsmith-missing".to_owned() };
        let ids: Vec<&str> = lacking.iter().filter(|(_, on)| on == path).map(|(one, _)| one.id).collect();
        lines.push(format!("govc role.create {role} {}", ids.join(" ")));
        lines.push(format!(
            "govc permissions.set -principal {} -role {role} -propagate=true {}",
            quoted(&seen.user),
            quoted(path)
        ));
    }
    lines.push(
        "(a user has one role on each object: add these to the one that it has, if it has one there)"
            .to_owned(),
    );
    lines
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.@".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn reach(seen: &Seen) -> Finding {
    if seen.unreachable.is_empty() {
        let detail =
            format!("{} reached at port 443", if seen.hosts == 1 { "the host is" } else { "all hosts are" });
        return Finding::new("hosts", Status::Ok, detail);
    }
    let mut reasons: Vec<&str> = seen.unreachable.iter().map(|(_, why)| why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let named = |why: &str| {
        let names = seen.unreachable.iter().filter(|(_, other)| other == why).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let each: Vec<String> = reasons.into_iter().map(|why| format!("{}: {why}", named(why))).collect();
    let detail = format!(
        "{} of {} cannot be reached from here, and disks go to and from them directly ({})",
        seen.unreachable.len(),
        seen.hosts,
        each.join("; ")
    );
    Finding::new("hosts", Status::Warning, detail)
        .mend("let this host resolve their names and connect to their port 443, or publish through a content library")
}

/// The privileges that are missing, for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its id.
    pub privilege: &'static str,
    /// In vCenter's pages.
    pub label: &'static str,
    /// The path of the object.
    pub on: String,
}

/// The privileges that are missing.
pub fn missing(seen: &Seen) -> Vec<Missing> {
    let lacking = seen.lacking.as_deref().unwrap_or_default();
    lacking
        .iter()
        .map(|(one, path)| Missing { privilege: one.id, label: one.label, on: path.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vsphere::VsphereErrorKind;

    fn seen() -> Seen {
        Seen {
            server: "vc.example.com".into(),
            user: "builder@vsphere.local".into(),
            full_name: "VMware vCenter Server 8.0.2".into(),
            version: "8.0.2".into(),
            is_vcenter: true,
            datacenter: Some(Ok(Datacenter {
                moref: Moref::new("Datacenter", "datacenter-2"),
                path: "/DC 0".into(),
                name: "DC 0".into(),
            })),
            things: Vec::new(),
            lacking: Ok(Vec::new()),
            looked_at: 31,
            unreachable: Vec::new(),
            hosts: 0,
        }
    }

    #[test]
    fn all_is_well_where_all_is_well() {
        let findings = judge(&seen());
        assert_eq!(super::super::worst(&findings), Status::Ok, "{findings:#?}");
        assert!(findings.iter().any(|one| one.detail.contains("all 31")));
    }

    #[test]
    fn what_is_missing_is_a_table_and_commands() {
        let lacking: Vec<(Privilege, String)> = PRIVILEGES
            .iter()
            .filter(|one| one.id.starts_with("VirtualMachine.State"))
            .map(|one| (*one, "/DC 0/vm".to_owned()))
            .collect();
        let seen = Seen { lacking: Ok(lacking), ..seen() };
        let finding = privileges(&seen);
        assert_eq!(finding.status, Status::Failure);
        assert_eq!(
            finding.mend,
            [
                "VirtualMachine.State.CreateSnapshot  Virtual machine > Snapshot management > Create snapshot  (on /DC 0/vm)",
                "govc role.create goldsmith-missing VirtualMachine.State.CreateSnapshot",
                "govc permissions.set -principal builder@vsphere.local -role goldsmith-missing -propagate=true '/DC 0/vm'",
                "(a user has one role on each object: add these to the one that it has, if it has one there)",
            ]
        );
        assert_eq!(missing(&seen)[0].privilege, "VirtualMachine.State.CreateSnapshot");
    }

    #[test]
    fn what_is_not_there_says_what_is() {
        let error = VsphereError::new(VsphereErrorKind::NotFound, "find the datastore `x`")
            .because("there are: a, b");
        let found = Found {
            what: Named::Datastore,
            said: "x".into(),
            result: Err(error),
            detail: None,
            trouble: None,
        };
        let finding = thing(&found);
        assert_eq!((finding.check, finding.status), ("datastore", Status::Failure));
        assert_eq!(finding.detail, "could not find the datastore `x`: there are: a, b");
    }
}
