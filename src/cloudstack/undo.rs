//! How what we made in a cloud is removed. What is gone already is no error; a job that still works on something is waited for.
use super::{
    CloudStack, CloudStackError, CloudStackErrorKind, Params, PublicAddress, Rule, Scope, Template, Vm,
    VmState,
    remove::{
        ADDRESS, ALLOWED, AT, BEFORE, FIREWALL, FORWARD, ID, JOB, MACHINE, NAME, NETWORK, PORT, REFUSED,
        TEMPLATE, TO, UNSENT,
    },
    result::TAG,
};
use crate::cx::{ResourceRef, Stop};
use std::time::Duration;
use tokio::time::Instant;

/// How often the cloud is asked.
const EVERY: Duration = Duration::from_secs(2);
/// How long a cloud may take to notice that an upload was cut.
const NOTICED: Duration = Duration::from_mins(4);
/// How long a machine may be on its way to another state.
const MOVES: Duration = Duration::from_mins(20);
/// A call whose answer was lost may still be on its way into the cloud's books: so often it is looked for, and so far apart.
const LOST: (u32, Duration) = (4, Duration::from_secs(1));

/// Removes a thing for good.
pub(super) async fn remove(
    cloud: &CloudStack,
    scope: &Scope,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<(), CloudStackError> {
    if let Some(job) = resource.details.get(JOB) {
        cloud.settled(&format!("wait for what makes {resource}"), job, stop).await?;
    }
    match resource.kind.as_str() {
        TEMPLATE => template(cloud, scope, resource, stop).await,
        MACHINE => machine(cloud, scope, resource, stop).await,
        ADDRESS => address(cloud, scope, resource, stop).await,
        FORWARD | FIREWALL => rules(cloud, scope, resource, stop).await,
        _ => Err(CloudStackError::new(CloudStackErrorKind::Usage, format!("remove {resource}"))
            .because("this goldsmith does not know such a thing: a newer one made it")),
    }
}

/// Waits a moment, unless the user is in a hurry.
async fn pause(time: Duration, stop: &Stop) {
    tokio::select! {
        () = stop.hurried() => {}
        () = tokio::time::sleep(time) => {}
    }
}

async fn template(
    cloud: &CloudStack,
    scope: &Scope,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<(), CloudStackError> {
    if !resource.id.starts_with("goldsmith-build:") {
        let limit = if resource.details.contains_key(UNSENT) { Duration::ZERO } else { NOTICED };
        return delete(cloud, &resource.id, limit, stop).await;
    }
    let name = resource.details.get(NAME).map(String::as_str);
    let mut found: Vec<Template> = cloud.templates(scope, None, name).await?;
    found.retain(|template| template.displaytext.contains(&format!("({})", resource.id)));
    found.dedup_by(|one, other| one.id == other.id);
    for template in found {
        if let Some(job) = &template.job {
            cloud.settled(&format!("wait for what makes {resource}"), job, stop).await?;
        }
        delete(cloud, &template.id, NOTICED, stop).await?;
    }
    Ok(())
}

/// Deletes a template. One whose upload was cut cannot be deleted before the cloud has noticed, which it looks for once a minute
/// (`upload.monitoring.interval`).
async fn delete(cloud: &CloudStack, id: &str, limit: Duration, stop: &Stop) -> Result<(), CloudStackError> {
    let deadline = Instant::now() + limit;
    let mut forced = false;
    loop {
        match cloud.delete_undone(id, forced, stop).await {
            Err(error) if error.kind() == CloudStackErrorKind::NotFound => return Ok(()),
            // The only machine of it was for its proof, and an account that may not expunge leaves its remains.
            Err(error) if !forced && says(&error, "are using it") => forced = true,
            Err(error) if says(&error, "getting uploaded") => {
                if stop.is_hurried() || Instant::now() >= deadline {
                    return Err(error.hint(
                        "the cloud gives the upload up by itself after a time (`upload.operation.timeout`, 10 or 60 minutes unless changed); \
                         then `goldsmith gc` removes it",
                    ));
                }
                pause(EVERY, stop).await;
            }
            other => return other,
        }
    }
}

fn says(error: &CloudStackError, text: &str) -> bool {
    error.fault().is_some_and(|fault| fault.says(text))
}

/// Expunges a machine, or, where the account may not, destroys it: then the cloud expunges it by itself (`expunge.delay`).
async fn machine(
    cloud: &CloudStack,
    scope: &Scope,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<(), CloudStackError> {
    let id = resource.details.get(ID);
    let attempt = format!("remove the machine `{}`", resource.id);
    let deadline = Instant::now() + MOVES;
    let certain = id.is_some() || resource.details.contains_key(REFUSED);
    let (mut expunge, mut looks) = (true, 0);
    loop {
        let Some(vm) = find(cloud, scope, id.map(String::as_str), &resource.id).await? else {
            looks += 1;
            if certain || looks >= LOST.0 || stop.is_hurried() {
                return Ok(());
            }
            pause(LOST.1, stop).await;
            continue;
        };
        if vm.job.is_some() || matches!(vm.state, VmState::Starting | VmState::Stopping) {
            if stop.is_hurried() || Instant::now() >= deadline {
                return Err(CloudStackError::new(CloudStackErrorKind::Timeout, attempt)
                    .because(format!("the cloud still works on it: {}", vm.said))
                    .hint("`goldsmith gc` looks again"));
            }
            pause(EVERY, stop).await;
            continue;
        }
        let params = Params::new().with("id", &vm.id).maybe("expunge", expunge.then_some(true));
        match cloud.job_undone(&attempt, "destroyVirtualMachine", &params, stop).await {
            Err(error) if error.kind() == CloudStackErrorKind::NotFound => return Ok(()),
            // Older versions speak of "expunge", newer ones of "expunging".
            Err(error) if expunge && says(&error, "expung") => expunge = false,
            other => return other,
        }
    }
}

async fn find(
    cloud: &CloudStack,
    scope: &Scope,
    id: Option<&str>,
    name: &str,
) -> Result<Option<Vm>, CloudStackError> {
    if let Some(id) = id {
        return cloud.machine(scope, id).await;
    }
    let all = cloud.machines(scope, None, Some(name)).await?;
    Ok(all.into_iter().find(|vm| vm.state != VmState::Gone))
}

/// Releases a public address, and its rules with it.
async fn address(
    cloud: &CloudStack,
    scope: &Scope,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<(), CloudStackError> {
    let id = match resource.details.get(ID) {
        Some(id) => id.clone(),
        None => match acquired(cloud, scope, resource, stop).await? {
            Some(address) => address.id,
            None => return Ok(()),
        },
    };
    let attempt = format!("release the public address {}", resource.id);
    let params = Params::new().with("id", &id);
    match cloud.job_undone(&attempt, "disassociateIpAddress", &params, stop).await {
        Err(error) if error.kind() == CloudStackErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The address that a call acquired whose answer nobody heard: the only new one that nobody uses.
async fn acquired(
    cloud: &CloudStack,
    scope: &Scope,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<Option<PublicAddress>, CloudStackError> {
    let detail = |key: &str| resource.details.get(key).map(String::as_str).unwrap_or_default();
    let before: Vec<&str> = detail(BEFORE).split(',').collect();
    for look in 1..=LOST.0 {
        let mut new = cloud.public_addresses(scope, Some(detail(NETWORK))).await?;
        new.retain(|address| {
            let tagged = address.tags.iter().any(|(key, _)| key == TAG);
            !before.contains(&address.id.as_str()) && !address.taken && !tagged
        });
        let mut unused = Vec::new();
        for address in new {
            if cloud.port_forwards(scope, &address.id).await?.is_empty()
                && cloud.firewall_rules(scope, &address.id).await?.is_empty()
            {
                unused.push(address);
            }
        }
        match unused.len() {
            0 if look == LOST.0 || stop.is_hurried() => break,
            0 => pause(LOST.1, stop).await,
            1 => {
                let address = unused.pop();
                if let Some(job) = address.as_ref().and_then(|address| address.job.as_ref()) {
                    cloud.settled("wait for a public address", job, stop).await?;
                }
                return Ok(address);
            }
            _ => {
                let all: Vec<&str> = unused.iter().map(|address| address.ip.as_str()).collect();
                return Err(CloudStackError::new(
                    CloudStackErrorKind::Usage,
                    format!("release the public address {}", resource.id),
                )
                .because(format!("it may be any of these, which nobody uses: {}", all.join(", ")))
                .hint(
                    "release the one that is not yours in the user interface; `goldsmith gc` looks again",
                ));
            }
        }
    }
    Ok(None)
}

/// Deletes rules at an address that stays.
async fn rules(
    cloud: &CloudStack,
    scope: &Scope,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<(), CloudStackError> {
    let detail = |key: &str| resource.details.get(key).map(String::as_str).unwrap_or_default();
    let (at, port) = (detail(AT), detail(PORT));
    let ours = |rule: &Rule| rule.first == rule.last && rule.first.to_string() == port;
    let forwards = resource.kind == FORWARD;
    let found =
        if forwards { cloud.port_forwards(scope, at).await } else { cloud.firewall_rules(scope, at).await };
    let found = match found {
        Err(error) if error.kind() == CloudStackErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let (command, what) = if forwards {
        ("deletePortForwardingRule", "port forward")
    } else {
        ("deleteFirewallRule", "firewall rule")
    };
    for rule in found.iter().filter(|rule| ours(rule)) {
        let same = if forwards {
            rule.machine.as_deref() == Some(detail(TO))
        } else {
            same_networks(&rule.cidrs, detail(ALLOWED))
        };
        if !same {
            continue;
        }
        let attempt = format!("delete the {what} of {}", resource.id);
        let params = Params::new().with("id", &rule.id);
        match cloud.job_undone(&attempt, command, &params, stop).await {
            Err(error) if error.kind() == CloudStackErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// The cloud may write the list in another order.
fn same_networks(one: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut all: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
        all.sort_unstable();
        all
    };
    sorted(one) == sorted(other)
}
