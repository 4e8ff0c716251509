//! Clouds of CloudStack: the keys for each that a run builds in, also for what is removed there at its end.
use super::{opened::Opened, trust::trust};
use crate::{
    cloudstack::{self, CloudStack, CloudStackError, CloudStackErrorKind, Place, Said},
    cx::{Cx, ResourceRef, Stop},
    driver::{DriverError, DriverErrorKind, cloudstack::Cloudstack},
    plan::{CloudPlan, CloudStackMachinePlan, Plan},
    provision::Secrets,
    value::Secret,
};

/// The clouds whose keys are known.
#[derive(Debug, Default)]
pub(super) struct Clouds {
    open: Opened<CloudStack>,
}

impl Clouds {
    /// One that somebody else opened.
    pub(super) fn with(cloud: CloudStack) -> Self {
        Self { open: Opened::with(cloud) }
    }

    /// The driver for `plan`, with the keys that it means; builds of one run share its connections.
    pub(super) async fn driver(
        &self,
        cx: &Cx,
        plan: &Plan,
        machine: &CloudStackMachinePlan,
        secrets: &Secrets,
    ) -> Result<Cloudstack, DriverError> {
        let place = place(cx, &plan.cloud, secrets).await?;
        let same = |cloud: &CloudStack| {
            let known = cloud.place();
            known.endpoint == place.endpoint && known.key.expose() == place.key.expose()
        };
        let cloud = if let Some(known) = self.open.known(same) {
            known
        } else {
            let opened = CloudStack::open(&place)?;
            self.open.note(&opened);
            opened
        };
        Ok(Cloudstack::new(cloud, plan.cloud.clone(), machine.clone(), plan.cloudstack.clone()))
    }

    /// Removes a thing for good, with the keys of this run; otherwise with those that the environment or a file of `cs` has.
    pub(super) async fn remove(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        let removed = match self.open.known(|cloud| cloud.holds(resource)) {
            Some(cloud) => cloudstack::remove_with(&cloud, resource, stop).await,
            None => cloudstack::remove(resource, stop).await,
        };
        removed.map_err(|error| {
            DriverError::new(DriverErrorKind::Other, format!("remove {resource}")).because(error)
        })
    }
}

/// The cloud that a definition means, and whose keys are used there.
async fn place(cx: &Cx, plan: &CloudPlan, secrets: &Secrets) -> Result<Place, CloudStackError> {
    let key = secret(cx, plan.key.as_deref(), secrets).await?;
    let secret = secret(cx, plan.secret.as_deref(), secrets).await?;
    let trust = trust(plan.trust.as_ref())
        .map_err(|why| CloudStackError::new(CloudStackErrorKind::Usage, "call a cloud").because(why))?;
    let said = Said {
        endpoint: plan.endpoint.clone(),
        key,
        secret,
        trust,
        file: plan.config.clone(),
        region: plan.region.clone(),
    };
    let place = said.place()?;
    cx.redactor().learn(&place.secret);
    Ok(place)
}

async fn secret(cx: &Cx, name: Option<&str>, secrets: &Secrets) -> Result<Option<Secret>, CloudStackError> {
    let Some(name) = name else { return Ok(None) };
    let found = secrets
        .get(cx, name)
        .await
        .map_err(|error| CloudStackError::new(CloudStackErrorKind::Usage, "call a cloud").because(error))?;
    Ok(Some(found))
}
