//! The driver for CloudStack: machines that a cloud makes of its templates and media, and the templates that are made of them.
//!
//! Read in this order: [`find`] looks whether all is there, and [`source`] for what a build starts from; [`create`] makes the machine,
//! [`machine`] is one that exists, [`way`] how its guest is reached; [`image`] makes a template of it, and [`export`] brings its disk here.
//!
//! Everything is in the journal before it is made; [`crate::cloudstack`] removes it.
mod create;
mod export;
mod fault;
mod find;
mod image;
mod machine;
mod source;
mod way;

use super::{
    Boot, Captured, DriverError, DriverErrorKind, Hypervisor, KeptImage, Machine, MachineSpec, Readiness,
};
use crate::{
    cloudstack::{self, CloudStack, PublicAddress, SourceKind, Template},
    cx::{BuildId, Cx, ResourceRef, Stop},
    plan::{CloudPlan, CloudStackImagePlan, CloudStackMachinePlan, SourcePlan},
    value::Arch,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long the driver waits, and how often it looks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks.
    pub every: Duration,
    /// Until a template is made of a disk, copied, or put where it can be fetched.
    pub template: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(2), template: Duration::from_hours(3) }
    }
}

/// What a machine can be made of.
#[derive(Debug, Clone)]
struct Origin {
    kind: SourceKind,
    template: Template,
}

/// One cloud, for one plan.
#[derive(Debug, Clone)]
pub struct Cloudstack {
    cloud: CloudStack,
    place: CloudPlan,
    plan: CloudStackMachinePlan,
    /// What is to be made, for what can be looked at beforehand: its name may be taken.
    result: Option<CloudStackImagePlan>,
    pace: Pace,
    /// Where machines are made, and what with; looked for once.
    spot: Arc<tokio::sync::OnceCell<find::Spot>>,
    /// What was found or made, by its identifier.
    origins: Arc<Mutex<BTreeMap<String, Origin>>>,
    /// What was made and may be kept, by its identifier.
    made: Arc<Mutex<BTreeMap<String, image::Made>>>,
    /// The public address that was acquired for this build's machines.
    address: Arc<tokio::sync::Mutex<Option<PublicAddress>>>,
}

impl Cloudstack {
    /// Makes no call.
    pub fn new(
        cloud: CloudStack,
        place: CloudPlan,
        plan: CloudStackMachinePlan,
        result: Option<CloudStackImagePlan>,
    ) -> Self {
        Self {
            cloud,
            place,
            plan,
            result,
            pace: Pace::default(),
            spot: Arc::default(),
            origins: Arc::default(),
            made: Arc::default(),
            address: Arc::default(),
        }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// From now on, this is known by its identifier.
    fn remember(&self, origin: Origin) {
        let id = origin.template.id.clone();
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).insert(id, origin);
    }

    /// What has this identifier.
    fn origin(&self, id: &str) -> Option<Origin> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[async_trait]
impl Hypervisor for Cloudstack {
    fn loopback_for_guests(&self) -> Option<IpAddr> {
        None
    }

    fn name(&self) -> &'static str {
        cloudstack::DRIVER
    }

    async fn preflight(&self, _: &MachineSpec) -> Result<Readiness, DriverError> {
        find::preflight(self).await
    }

    async fn find_image(&self, cx: &Cx, source: &SourcePlan, _: Arch) -> Result<KeptImage, DriverError> {
        source::image(self, cx, source).await
    }

    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        match &spec.boot {
            Boot::Image(id) => Ok(Box::new(create::of(self, cx, spec, id).await?)),
            Boot::Disk | Boot::Kernel(_) | Boot::Optical | Boot::Made(_) => Err(DriverError::new(
                DriverErrorKind::Unsupported,
                "start a machine of a cloud from a disk, a medium or a kernel of this host",
            )
            .hint("a definition with `driver = \"cloudstack\"` has a `[source.cloudstack]`")),
        }
    }

    async fn keep(&self, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
        image::keep(self, cx, captured).await
    }

    async fn owned(&self, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
        find::owned(self, build).await
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        Ok(cloudstack::remove_with(&self.cloud, resource, stop).await?)
    }
}
