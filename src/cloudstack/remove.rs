//! What we make in a cloud, as undo data, and how it is removed.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Endpoint, Said, Scope};
use crate::cx::{BuildId, ResourceRef, Stop};
use std::{collections::BTreeMap, fmt, time::Duration};

/// The word for all of this in journals.
pub const DRIVER: &str = "cloudstack";
/// The only kind of thing so far.
pub const TEMPLATE: &str = "template";
/// The detail that names the build.
pub const BUILD: &str = "build";
/// The detail that has the name of a template.
const NAME: &str = "name";
/// The detail that has the identifier of its project.
const PROJECT: &str = "project";
/// How long a cloud may take to notice that an upload was cut.
const NOTICED: Duration = Duration::from_mins(4);
/// The detail that has the address.
const ENDPOINT: &str = "endpoint";

/// The detail of a template whose file was never begun to be sent.
const UNSENT: &str = "unsent";

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

/// Undo data for a template: by its mark, before its identifier is known.
pub fn resource(
    cloud: &CloudStack,
    scope: &Scope,
    name: &str,
    build: &BuildId,
    id: Result<&str, &Mark>,
) -> ResourceRef {
    // How the server is recognised goes into one word, so that it is read back as it was.
    let endpoint = serde_json::to_string(&cloud.place().endpoint).unwrap_or_default();
    let mut details = BTreeMap::from([
        (ENDPOINT.to_owned(), endpoint),
        (NAME.to_owned(), name.to_owned()),
        (BUILD.to_owned(), build.to_string()),
    ]);
    details.extend(scope.project.clone().map(|project| (PROJECT.to_owned(), project)));
    let id = match id {
        Ok(id) => id.to_owned(),
        Err(mark) => mark.to_string(),
    };
    ResourceRef { driver: DRIVER.to_owned(), kind: TEMPLATE.to_owned(), id, details }
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
    if resource.kind != TEMPLATE {
        return Err(CloudStackError::new(CloudStackErrorKind::Usage, format!("remove {resource}"))
            .because("this goldsmith does not know such a thing: a newer one made it"));
    }
    if !resource.id.starts_with("goldsmith-build:") {
        let limit = if resource.details.contains_key(UNSENT) { Duration::ZERO } else { NOTICED };
        return delete(cloud, &resource.id, limit, stop).await;
    }
    let scope = Scope { project: resource.details.get(PROJECT).cloned() };
    let name = resource.details.get(NAME).map(String::as_str);
    let mut ids: Vec<String> = cloud
        .templates(&scope, None, name)
        .await?
        .into_iter()
        .filter(|template| template.displaytext.contains(&format!("({})", resource.id)))
        .map(|template| template.id)
        .collect();
    ids.dedup();
    for id in ids {
        delete(cloud, &id, NOTICED, stop).await?;
    }
    Ok(())
}

/// Deletes a template. One whose upload was cut cannot be deleted before the cloud has noticed, which it looks for once a minute
/// (`upload.monitoring.interval`).
async fn delete(cloud: &CloudStack, id: &str, limit: Duration, stop: &Stop) -> Result<(), CloudStackError> {
    const EVERY: Duration = Duration::from_secs(2);
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match cloud.delete_undone(id, stop).await {
            Err(error) if error.kind() == CloudStackErrorKind::NotFound => return Ok(()),
            Err(error) if is_uploading(&error) => {
                if stop.is_hurried() || tokio::time::Instant::now() >= deadline {
                    return Err(error.hint(
                        "the cloud gives the upload up by itself after a time (`upload.operation.timeout`, 10 or 60 minutes unless changed); \
                         then `goldsmith gc` removes it",
                    ));
                }
                tokio::select! {
                    () = stop.hurried() => {}
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
            other => return other,
        }
    }
}

fn is_uploading(error: &CloudStackError) -> bool {
    error.fault().is_some_and(|fault| fault.says("getting uploaded"))
}
