//! The driver for Nutanix: machines of AHV in a cluster of a Prism Central, and what is made of them there.
//!
//! Read in this order: [`find`] looks whether all is there, and [`source`] for what a build starts from; [`create`] makes the machine;
//! [`machine`] is one that exists, [`address`] the way to its guest; [`image`] makes a result of it, and [`export`] brings its disk here.
//!
//! Everything bears the build's mark from its first moment; [`crate::nutanix`] journals and removes it.
mod address;
mod create;
mod export;
mod fault;
mod find;
mod image;
mod machine;
mod source;

use super::{
    Boot, Captured, DriverError, DriverErrorKind, Hypervisor, KeptImage, Machine, MachineSpec, Readiness,
};
use crate::{
    cx::{BuildId, Cx, ResourceRef, Stop},
    nutanix::{self, Cluster, Prism, Project, Subnet},
    plan::{NutanixImagePlan, NutanixMachinePlan, NutanixSourcePlan, PrismPlan, SourcePlan},
    value::Arch,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;

/// How long the driver waits, and how often it looks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks.
    pub every: Duration,
    /// Until a machine's guest has an address.
    pub address: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(2), address: Duration::from_mins(20) }
    }
}

/// What a build is to be made of and to become.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where in the Prism Central, wherever that was said.
    pub place: PrismPlan,
    /// What its machine is.
    pub machine: NutanixMachinePlan,
    /// The image that it starts from.
    pub source: NutanixSourcePlan,
    /// What is to be made; with its name.
    pub result: Option<NutanixImagePlan>,
}

/// Where machines go.
#[derive(Debug, Clone)]
struct Spot {
    cluster: Cluster,
    subnets: Vec<Subnet>,
    project: Option<Project>,
}

/// One Prism Central, for one plan.
#[derive(Debug, Clone)]
pub struct Nutanix {
    prism: Prism,
    job: Arc<Job>,
    pace: Pace,
    spot: Arc<OnceCell<Spot>>,
    /// What was made and may be kept, by its id.
    made: Arc<Mutex<BTreeMap<String, image::Made>>>,
}

impl Nutanix {
    /// Makes no call.
    pub fn new(prism: Prism, job: Job) -> Self {
        Self { prism, job: Arc::new(job), pace: Pace::default(), spot: Arc::default(), made: Arc::default() }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Where machines go; it is looked for once.
    async fn spot(&self) -> Result<&Spot, DriverError> {
        self.spot.get_or_try_init(|| find::spot(self)).await
    }

    /// From now on, others know by this id what was made.
    fn remember(&self, id: &str, made: image::Made) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), made);
    }

    /// What was made and has this id.
    fn made(&self, id: &str) -> Option<image::Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[async_trait]
impl Hypervisor for Nutanix {
    fn loopback_for_guests(&self) -> Option<IpAddr> {
        None
    }

    fn name(&self) -> &'static str {
        nutanix::DRIVER
    }

    async fn preflight(&self, spec: &MachineSpec) -> Result<Readiness, DriverError> {
        find::preflight(self, spec).await
    }

    async fn find_image(&self, cx: &Cx, source: &SourcePlan, _: Arch) -> Result<KeptImage, DriverError> {
        source::image(self, cx, source).await
    }

    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        let Boot::Image(id) = &spec.boot else {
            return Err(DriverError::new(
                DriverErrorKind::Unsupported,
                "start a machine of AHV from anything but an image of the Prism Central",
            )
            .hint("a definition with `driver = \"nutanix\"` has a `[source.nutanix]`"));
        };
        let vm = create::machine(self, cx, spec, id).await?;
        Ok(Box::new(machine::Built::new(self.clone(), cx, spec, vm)))
    }

    async fn keep(&self, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
        image::keep(self, cx, captured).await
    }

    async fn owned(&self, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
        find::owned(self, build).await
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        Ok(nutanix::remove_with(&self.prism, resource, stop).await?)
    }
}
