//! What we make in a cloud, as undo data; [`super::undo`] removes it.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Endpoint, Forward, Named, Said, Scope, undo};
use crate::cx::{BuildId, ResourceRef, Stop};
use std::{collections::BTreeMap, fmt};

/// The word for all of this in journals.
pub const DRIVER: &str = "cloudstack";
/// A template.
pub const TEMPLATE: &str = "template";
/// A machine.
pub const MACHINE: &str = "machine";
/// A public address.
pub(super) const ADDRESS: &str = "public-address";
/// A port of somebody's address that leads to a machine.
pub(super) const FORWARD: &str = "port-forward";
/// Who may come in by a port of somebody's address.
pub(super) const FIREWALL: &str = "firewall-rule";
/// The detail that names the build.
pub const BUILD: &str = "build";
/// The detail that has the name of a template.
pub(super) const NAME: &str = "name";
/// The detail that has the identifier of its project.
const PROJECT: &str = "project";
/// The detail that has the identifier, once it is known.
pub(super) const ID: &str = "id";
/// The detail that has the job that makes it.
pub(super) const JOB: &str = "job";
/// The detail of what the cloud refused to make.
pub(super) const REFUSED: &str = "refused";
/// The detail that has the identifier of the network of an address.
pub(super) const NETWORK: &str = "network";
/// The detail that has the identifiers of addresses that were there before.
pub(super) const BEFORE: &str = "before";
/// The detail that has the identifier of the address of a rule.
pub(super) const AT: &str = "address";
/// The detail that has the port of a rule.
pub(super) const PORT: &str = "port";
/// The detail that has the identifier of the machine of a rule.
pub(super) const TO: &str = "machine";
/// The detail that has the networks of a rule.
pub(super) const ALLOWED: &str = "allowed-from";
/// The detail that has the address.
const ENDPOINT: &str = "endpoint";

/// The detail of a template whose file was never begun to be sent.
pub(super) const UNSENT: &str = "unsent";

/// What a template bears in its description until it is a result, so that it can be found without its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

/// The mark of the try `number` of a build.
pub fn mark_of(build: &BuildId, number: u32) -> Mark {
    Mark(format!("goldsmith-build:{build}:{number}"))
}

impl Mark {
    /// A description with the mark.
    pub fn on(&self, text: &str) -> String {
        format!("{text} ({self})")
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a machine bears in the name that people read.
pub fn mark_of_machine(build: &BuildId) -> String {
    format!("(goldsmith-build:{build})")
}

/// Undo data of a thing of this kind.
fn made_of(
    cloud: &CloudStack,
    scope: &Scope,
    build: &BuildId,
    kind: &str,
    id: String,
    more: &[(&str, &str)],
) -> ResourceRef {
    // How the server is recognised goes into one word, so that it is read back as it was.
    let endpoint = serde_json::to_string(&cloud.place().endpoint).unwrap_or_default();
    let mut details =
        BTreeMap::from([(ENDPOINT.to_owned(), endpoint), (BUILD.to_owned(), build.to_string())]);
    details.extend(scope.project.clone().map(|project| (PROJECT.to_owned(), project)));
    details.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    ResourceRef { driver: DRIVER.to_owned(), kind: kind.to_owned(), id, details }
}

/// Undo data for a template: by its mark, before its identifier is known.
pub fn resource(
    cloud: &CloudStack,
    scope: &Scope,
    name: &str,
    build: &BuildId,
    id: Result<&str, &Mark>,
) -> ResourceRef {
    let id = match id {
        Ok(id) => id.to_owned(),
        Err(mark) => mark.to_string(),
    };
    made_of(cloud, scope, build, TEMPLATE, id, &[(NAME, name)])
}

/// How much is known of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made<'a> {
    /// The cloud is asked for it.
    Asked,
    /// The cloud refused to make it.
    Refused,
    /// It has this identifier.
    Known(&'a str),
}

/// Undo data for a machine; its name, which is unique, always names it.
pub fn machine_resource(
    cloud: &CloudStack,
    scope: &Scope,
    name: &str,
    build: &BuildId,
    made: Made<'_>,
) -> ResourceRef {
    let more = match made {
        Made::Asked => None,
        Made::Refused => Some((REFUSED, "true")),
        Made::Known(id) => Some((ID, id)),
    };
    made_of(cloud, scope, build, MACHINE, name.to_owned(), more.as_slice())
}

/// How much is known of an address.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known<'a> {
    /// It is none of these.
    NotThese(&'a [String]),
    /// It has this identifier, and this job makes it.
    This(&'a str, &'a str),
}

/// Undo data for a public address.
pub(super) fn address_resource(
    cloud: &CloudStack,
    scope: &Scope,
    network: &Named,
    build: &BuildId,
    known: Known<'_>,
) -> ResourceRef {
    match known {
        Known::NotThese(before) => {
            let (id, before) = (format!("of the network {}", network.name), before.join(","));
            made_of(cloud, scope, build, ADDRESS, id, &[(NETWORK, &network.id), (BEFORE, &before)])
        }
        Known::This(id, job) => made_of(cloud, scope, build, ADDRESS, id.to_owned(), &[(ID, id), (JOB, job)]),
    }
}

/// Undo data for a rule at somebody's address: for who may come in, if `cidrs` say that; otherwise for where the port leads.
pub(super) fn rule_resource(
    cloud: &CloudStack,
    scope: &Scope,
    build: &BuildId,
    forward: &Forward<'_>,
    cidrs: Option<&str>,
) -> ResourceRef {
    let (address, port) = (forward.address, forward.port.to_string());
    let id = format!("{}:{port}", address.ip);
    let at = [(AT, address.id.as_str()), (PORT, &port)];
    match cidrs {
        None => {
            let more = [at[0], at[1], (TO, &forward.machine.id)];
            made_of(cloud, scope, build, FORWARD, id, &more)
        }
        Some(cidrs) => {
            let more = [at[0], at[1], (ALLOWED, cidrs)];
            made_of(cloud, scope, build, FIREWALL, id, &more)
        }
    }
}

/// The same for something that this job makes.
pub(super) fn in_job(mut resource: ResourceRef, job: &str) -> ResourceRef {
    resource.details.insert(JOB.to_owned(), job.to_owned());
    resource
}

/// The same for a template whose file was never begun to be sent: the cloud waits for it for a long time, and so it cannot be deleted soon.
pub fn unsent(mut resource: ResourceRef) -> ResourceRef {
    resource.details.insert(UNSENT.to_owned(), "true".to_owned());
    resource
}

fn endpoint(resource: &ResourceRef) -> Option<Endpoint> {
    serde_json::from_str(resource.details.get(ENDPOINT)?).ok()
}

impl CloudStack {
    /// Whether a thing of undo data is in this cloud.
    pub fn holds(&self, resource: &ResourceRef) -> bool {
        endpoint(resource).is_some_and(|there| there == self.place().endpoint)
    }
}

/// Removes a thing for good, with the keys that the environment or a file of `cs` has for that cloud. Gone already is `Ok`.
pub async fn remove(resource: &ResourceRef, stop: &Stop) -> Result<(), CloudStackError> {
    let attempt = || format!("remove {resource}");
    let Some(endpoint) = endpoint(resource) else {
        return Err(CloudStackError::new(CloudStackErrorKind::Usage, attempt())
            .because("the journal does not say in which cloud it is"));
    };
    let Some(place) = Said::place_of(&endpoint) else {
        return Err(CloudStackError::new(CloudStackErrorKind::Auth, attempt())
            .because(format!("the keys for {endpoint} are not known any more"))
            .hint("set CLOUDSTACK_ENDPOINT, CLOUDSTACK_KEY and CLOUDSTACK_SECRET, and run `goldsmith gc`"));
    };
    remove_with(&CloudStack::open(&place)?, resource, stop).await
}

/// As [`remove`], with the keys of this session.
pub async fn remove_with(
    cloud: &CloudStack,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<(), CloudStackError> {
    undo::remove(cloud, &scope_of(resource), resource, stop).await
}

fn scope_of(resource: &ResourceRef) -> Scope {
    Scope { project: resource.details.get(PROJECT).cloned() }
}
