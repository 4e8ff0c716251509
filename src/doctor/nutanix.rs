//! What a user lacks in a Prism Central for building and publishing there.
//!
//! [`look`] asks the server and judges nothing; [`judge`] judges and asks nothing.
use super::{Finding, Status};
use crate::{
    cx::causes,
    nutanix::{Cluster, Dialect, Image, ImageState, Prism, PrismError, PrismErrorKind, Who},
};

/// What a build or a publication is to use, in the user's words. Nothing said is nothing looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrismTarget {
    /// The cluster, by name or UUID.
    pub cluster: Option<String>,
    /// The subnet, by name or UUID.
    pub subnet: Option<String>,
    /// The image that builds begin with.
    pub source_image: Option<String>,
    /// What the result is to be called.
    pub image_name: Option<String>,
}

/// UUIDs and names of those that there are.
type Subnets = Result<Vec<(String, String)>, PrismError>;

/// What was seen in a Prism Central.
#[derive(Debug)]
pub struct Seen {
    server: String,
    user: String,
    dialect: Dialect,
    who: Result<Who, PrismError>,
    versions: Result<Vec<(String, String)>, PrismError>,
    clusters: Result<Vec<Cluster>, PrismError>,
    cluster: Option<(String, Result<Cluster, PrismError>)>,
    subnet: Option<(String, Subnets)>,
    /// With the name that was looked for.
    source: Option<(String, Result<Vec<Image>, PrismError>)>,
    results: (String, Result<Vec<Image>, PrismError>),
}

/// Asks the server.
pub async fn look(prism: &Prism, target: &PrismTarget) -> Seen {
    let cluster = match &target.cluster {
        None => None,
        Some(said) => {
            let found = prism.named_clusters(std::slice::from_ref(said)).await;
            let none = || PrismError::new(PrismErrorKind::NotFound, format!("choose the cluster `{said}`"));
            Some((said.clone(), found.and_then(|mut all| all.pop().ok_or_else(none))))
        }
    };
    let subnet = match &target.subnet {
        None => None,
        Some(said) => {
            let of = cluster.as_ref().and_then(|(_, found)| found.as_ref().ok());
            Some((said.clone(), prism.subnets_there(of).await))
        }
    };
    let source = match &target.source_image {
        None => None,
        Some(said) => Some((said.clone(), prism.images_named(said).await)),
    };
    // That images may be seen at all is shown by any name.
    let result = target.image_name.clone().unwrap_or_else(|| "goldsmith".to_owned());
    Seen {
        server: prism.place().server.to_string(),
        user: prism.place().user.clone(),
        dialect: prism.dialect(),
        who: prism.who().await,
        versions: prism.versions().await,
        clusters: prism.clusters().await,
        cluster,
        subnet,
        source,
        results: (result.clone(), prism.images_named(&result).await),
    }
}

/// A verdict about each thing.
pub fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = vec![server(seen), user(seen), clusters(seen)];
    if let Some((said, found)) = &seen.cluster {
        findings.push(match found {
            Ok(cluster) => {
                let version = version_of(seen, &cluster.name);
                let version = version.map(|version| format!(", {version}")).unwrap_or_default();
                Finding::new("cluster", Status::Ok, format!("`{}` ({}{version})", cluster.name, cluster.uuid))
            }
            Err(error) => {
                refused("cluster", error).mend(format!("name another than `{said}`, by name or UUID"))
            }
        });
    }
    findings.extend(seen.subnet.as_ref().map(|(said, there)| subnet(said, there)));
    findings.extend(seen.source.as_ref().map(|(said, found)| source(said, found)));
    findings.push(images(seen));
    findings
}

fn version_of<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let versions = seen.versions.as_ref().ok()?;
    versions.iter().find(|(of, _)| of == name).map(|(_, version)| version.as_str())
}

fn server(seen: &Seen) -> Finding {
    let detail = format!("{}, which speaks {}", seen.server, seen.dialect);
    match seen.dialect {
        Dialect::V4 => Finding::new("prism-central", Status::Ok, detail),
        Dialect::V3 => Finding::new(
            "prism-central",
            Status::Ok,
            format!("{detail}: version 4 of the interface comes with pc.2024.3"),
        ),
    }
}

fn user(seen: &Seen) -> Finding {
    match &seen.who {
        Ok(who) => {
            let name = if who.name.is_empty() { &seen.user } else { &who.name };
            let by = match (who.policies.as_slice(), who.projects.as_slice()) {
                ([], []) => "no policy is told, as of local administrators".to_owned(),
                (policies, []) => format!("policies: {}", policies.join(", ")),
                ([], projects) => format!("projects: {}", projects.join(", ")),
                (policies, projects) => {
                    format!("policies: {}; projects: {}", policies.join(", "), projects.join(", "))
                }
            };
            Finding::new("user", Status::Ok, format!("`{name}` ({by})"))
        }
        Err(error) if error.kind() == PrismErrorKind::Auth => refused("user", error),
        // It is version 3's, which newer servers may lack.
        Err(_) => Finding::new(
            "user",
            Status::Ok,
            format!("`{}`; the server does not tell which rights they have", seen.user),
        ),
    }
}

fn clusters(seen: &Seen) -> Finding {
    match &seen.clusters {
        Ok(clusters) if clusters.is_empty() => {
            Finding::new("clusters", Status::Failure, format!("`{}` sees none", seen.user))
                .mend("register a cluster with this Prism Central, or give the user the right View Cluster")
        }
        Ok(clusters) => {
            let names: Vec<String> = clusters.iter().map(|cluster| format!("`{}`", cluster.name)).collect();
            Finding::new("clusters", Status::Ok, names.join(", "))
        }
        Err(error) => refused("clusters", error),
    }
}

fn subnet(said: &str, there: &Subnets) -> Finding {
    let there = match there {
        Ok(there) => there,
        Err(error) => return refused("subnet", error),
    };
    let is_it = |(uuid, name): &&(String, String)| {
        uuid.eq_ignore_ascii_case(said) || name.to_lowercase() == said.to_lowercase()
    };
    let found: Vec<&(String, String)> = there.iter().filter(is_it).collect();
    match found.as_slice() {
        [(uuid, name)] => Finding::new("subnet", Status::Ok, format!("`{name}` ({uuid})")),
        [] => {
            let mut names: Vec<String> = there.iter().map(|(_, name)| format!("`{name}`")).collect();
            names.sort();
            names.dedup();
            let detail = match names.as_slice() {
                [] => format!("there is no `{said}`, and no other that machines of the cluster can be in"),
                names => format!("there is no `{said}`; there are: {}", names.join(", ")),
            };
            Finding::new("subnet", Status::Failure, detail)
                .mend("name one of the cluster's, or give the user the right View Subnet")
        }
        several => {
            let uuids: Vec<&str> = several.iter().map(|(uuid, _)| uuid.as_str()).collect();
            Finding::new(
                "subnet",
                Status::Failure,
                format!("{} are called `{said}`: {}", several.len(), uuids.join(", ")),
            )
            .mend("name it by its UUID")
        }
    }
}

fn source(said: &str, found: &Result<Vec<Image>, PrismError>) -> Finding {
    match found.as_deref() {
        Ok([]) => Finding::new("source-image", Status::Failure, format!("there is no image `{said}`"))
            .mend("publish it first: `goldsmith publish nutanix`, or say `image_url`"),
        Ok([image]) => match &image.state {
            ImageState::Ready => {
                Finding::new("source-image", Status::Ok, format!("`{said}` ({})", image.uuid))
            }
            ImageState::Pending(state) => Finding::new(
                "source-image",
                Status::Warning,
                format!("`{said}` ({}) is not ready yet: {}", image.uuid, state.to_lowercase()),
            )
            .mend("wait until it is"),
            ImageState::Failed(why) => Finding::new(
                "source-image",
                Status::Failure,
                format!("`{said}` ({}) will never be ready: {why}", image.uuid),
            )
            .mend("remove it, and publish it again"),
        },
        Ok(several) => {
            let uuids: Vec<&str> = several.iter().map(|image| image.uuid.as_str()).collect();
            Finding::new(
                "source-image",
                Status::Failure,
                format!("{} are called `{said}`: {}", several.len(), uuids.join(", ")),
            )
            .mend("name it by its UUID")
        }
        Err(error) => refused("source-image", error),
    }
}

/// Whether images may be seen, and whether the result's name is free.
fn images(seen: &Seen) -> Finding {
    let (name, found) = &seen.results;
    match found {
        Ok(found) if found.is_empty() => Finding::new(
            "images",
            Status::Ok,
            "may be listed; whether they may be made, the server does not tell",
        ),
        Ok(found) => {
            let uuids: Vec<&str> = found.iter().map(|image| image.uuid.as_str()).collect();
            Finding::new(
                "images",
                Status::Warning,
                format!("`{name}` is there already: {}", uuids.join(", ")),
            )
            .mend("choose another name, or say `--replace` for one that goldsmith made")
        }
        Err(error) => refused("images", error),
    }
}

fn refused(check: &'static str, error: &PrismError) -> Finding {
    let finding = Finding::new(check, Status::Failure, causes(error).join(": "));
    match error.hint_text() {
        Some(hint) => finding.mend(hint),
        None => finding,
    }
}
