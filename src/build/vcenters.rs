//! Sessions in vCenters: one for each that a run builds in, also for what is removed there at its end.
use super::{BuildError, BuildErrorKind, opened::Opened, trust::trust};
use crate::{
    cx::{Cx, ResourceRef, Stop},
    disk::ova::Ova,
    driver::{DriverError, DriverErrorKind, vsphere::Vsphere},
    plan::{Plan, VcenterPlan, VsphereImageKind, VsphereImagePlan, VsphereMachinePlan, VsphereProvisioning},
    provision::Secrets,
    publish::vsphere::Job,
    vsphere::{
        self, Config, Kind, NetworkChoice, Place, Said, Target, VCenter, VsphereError, VsphereErrorKind,
        machine::Provisioning, result::Finish,
    },
};
use std::path::Path;

/// The sessions that are open.
#[derive(Debug, Default)]
pub(super) struct Vcenters {
    open: Opened<VCenter>,
}

impl Vcenters {
    /// One that somebody else opened, and closes.
    pub(super) fn with(vcenter: VCenter) -> Self {
        Self { open: Opened::with(vcenter) }
    }

    /// The driver for `plan`, in a session that all builds of this run share.
    pub(super) async fn driver(
        &self,
        cx: &Cx,
        plan: &Plan,
        machine: &VsphereMachinePlan,
        secrets: &Secrets,
    ) -> Result<Vsphere, DriverError> {
        let config = config(&plan.vcenter)?;
        let place = place(cx, &plan.vcenter, &config, secrets).await?;
        let vcenter = self.session(cx, &place).await?;
        let spot = merged(plan.vcenter.clone(), &config);
        Ok(Vsphere::new(vcenter, spot, machine.clone(), plan.vsphere.clone()))
    }

    async fn session(&self, cx: &Cx, place: &Place) -> Result<VCenter, VsphereError> {
        let same = |vcenter: &VCenter| {
            let known = vcenter.place();
            known.server == place.server && known.user == place.user
        };
        if let Some(known) = self.open.known(same) {
            return Ok(known);
        }
        let opened = cx.stop().unless_cancelled(VCenter::connect(place)).await??;
        self.open.note(&opened);
        Ok(opened)
    }

    /// Removes a thing for good, in the session that was open anyway; otherwise as the user whom the environment names.
    pub(super) async fn remove(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        let removed = match self.open.known(|vcenter| vcenter.holds(resource)) {
            Some(vcenter) => vsphere::remove_with(&vcenter, resource, stop).await,
            None => vsphere::remove(resource, stop).await,
        };
        removed.map_err(|error| {
            DriverError::new(DriverErrorKind::Other, format!("remove {resource}")).because(error)
        })
    }

    /// Logs out everywhere: servers allow a limited number of sessions, and forget them late.
    pub(super) async fn close(&self) {
        for vcenter in self.open.take() {
            let _ = vcenter.log_out().await;
        }
    }

    /// Makes a machine of an OVA on this host, which a build goes on with.
    pub(super) async fn import(
        &self,
        cx: &Cx,
        plan: &Plan,
        image: &Path,
        secrets: &Secrets,
    ) -> Result<ResourceRef, BuildError> {
        let failed = |error: VsphereError| {
            let hint = error.hint_text().map(ToOwned::to_owned);
            let built = BuildError::because(format!("could not import `{}`", image.display()), error);
            match hint {
                Some(hint) => built.hint(hint),
                None => built,
            }
        };
        let imported = async {
            let config = config(&plan.vcenter)?;
            let vcenter = self.session(cx, &place(cx, &plan.vcenter, &config, secrets).await?).await?;
            let said = merged(plan.vcenter.clone(), &config);
            let ova = open(image).await?;
            let machine = plan.machine.vsphere.as_ref();
            let job = Job {
                image,
                ova: &ova,
                name: &name(cx, plan),
                target: &target(&said),
                provisioning: machine.map_or(Provisioning::Thin, |machine| match machine.provisioning {
                    VsphereProvisioning::Thin => Provisioning::Thin,
                    VsphereProvisioning::Thick => Provisioning::Thick,
                    VsphereProvisioning::EagerZeroed => Provisioning::EagerZeroed,
                }),
                properties: &[],
                finish: &Finish::default(),
                replace: false,
            };
            let machine = Box::pin(job.import(cx, &vcenter)).await?;
            let moref = machine.moref().to_string();
            let details = [(vsphere::MOREF, moref.as_str())];
            Ok(vsphere::resource(&vcenter, Kind::Machine, machine.path(), cx.id().as_str(), &details))
        };
        imported.await.map_err(failed)
    }
}

/// What an imported machine is called: as it will be, if it is to stay and takes nobody's place.
fn name(cx: &Cx, plan: &Plan) -> String {
    let stays = |image: &&VsphereImagePlan| {
        matches!(image.kind, VsphereImageKind::Machine | VsphereImageKind::Template) && !image.replace
    };
    let own = plan.vsphere.as_ref().filter(stays).map(|image| image.name.clone());
    own.unwrap_or_else(|| format!("{}-{}", plan.name, cx.id()))
}

/// Whether an OVA can be read at all; before anything is made.
pub(super) async fn check(image: &Path) -> Result<(), BuildError> {
    open(image).await.map(drop).map_err(|error| {
        BuildError::because("the source of the machine is not ready", error)
            .kind_unless_interrupted(BuildErrorKind::Preflight)
    })
}

async fn open(image: &Path) -> Result<Ova, VsphereError> {
    let path = image.to_owned();
    let opened = tokio::task::spawn_blocking(move || Ova::open_path(&path)).await;
    let attempt = || format!("read `{}`", image.display());
    opened
        .map_err(|error| VsphereError::new(VsphereErrorKind::Other, attempt()).because(error))?
        .map_err(|error| VsphereError::new(VsphereErrorKind::Usage, attempt()).because(error))
}

/// EKS Anywhere's file, if the definition names one.
fn config(plan: &VcenterPlan) -> Result<Config, VsphereError> {
    plan.config.as_deref().map_or_else(|| Ok(Config::default()), Config::read)
}

/// The session that a definition means.
async fn place(
    cx: &Cx,
    plan: &VcenterPlan,
    config: &Config,
    secrets: &Secrets,
) -> Result<Place, VsphereError> {
    let failed = |why: Box<dyn std::error::Error + Send + Sync>| {
        VsphereError::new(VsphereErrorKind::Usage, "log in to a vCenter").because(why)
    };
    let password = match &plan.password {
        Some(name) => Some(secrets.get(cx, name).await.map_err(|error| failed(error.into()))?),
        None => None,
    };
    let trust = trust(plan.trust.as_ref()).map_err(|why| failed(why.into()))?;
    let place =
        Said { server: plan.server.clone(), user: plan.user.clone(), password, trust }.place(config)?;
    cx.redactor().learn(&place.password);
    Ok(place)
}

/// What the definition says, and what it does not say from the file.
fn merged(plan: VcenterPlan, config: &Config) -> VcenterPlan {
    // Who names a host does not want the cluster of the file.
    let cluster = config.cluster.clone().filter(|_| plan.host.is_none());
    let networks =
        if plan.networks.is_empty() { config.network.clone().into_iter().collect() } else { plan.networks };
    VcenterPlan {
        datacenter: plan.datacenter.or_else(|| config.datacenter.clone()),
        cluster: plan.cluster.or(cluster),
        resource_pool: plan.resource_pool.or_else(|| config.pool.clone()),
        folder: plan.folder.or_else(|| config.folder.clone()),
        datastore: plan.datastore.or_else(|| config.datastore.clone()),
        networks,
        ..plan
    }
}

fn target(plan: &VcenterPlan) -> Target {
    Target {
        datacenter: plan.datacenter.clone(),
        cluster: plan.cluster.clone(),
        host: plan.host.clone(),
        pool: plan.resource_pool.clone(),
        folder: plan.folder.clone(),
        datastore: plan.datastore.clone(),
        networks: plan
            .networks
            .first()
            .map(|here| NetworkChoice { of: None, here: here.clone() })
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_wins_over_the_file() {
        let config = Config {
            datacenter: Some("DC1".to_owned()),
            cluster: Some("C1".to_owned()),
            network: Some("net".to_owned()),
            ..Config::default()
        };
        let said = VcenterPlan { datacenter: Some("DC0".to_owned()), ..VcenterPlan::default() };
        let both = merged(said.clone(), &config);
        assert_eq!((both.datacenter.as_deref(), both.cluster.as_deref()), (Some("DC0"), Some("C1")));
        assert_eq!(both.networks, ["net"]);
        let on_a_host = merged(VcenterPlan { host: Some("h".to_owned()), ..said }, &config);
        assert_eq!(on_a_host.cluster, None, "the file's cluster may be another than the host's");
    }
}
