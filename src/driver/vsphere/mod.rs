//! The driver for vSphere: machines of a vCenter that are new, copies, or out of a content library, and what is made of them there.
//!
//! Read in this order: [`find`] looks whether all is there, and [`source`] for what a build starts from; [`create`] makes the machine, as
//! [`describe`] says it in a vCenter's words, with what [`media`] brought into its drives; [`machine`] is one that exists, [`address`] the way to its guest; [`image`] makes a result of it,
//! [`library`] one of a content library, and [`export`] brings its disk here.
//!
//! Everything bears the build's mark from its first moment; [`crate::vsphere`] journals and removes it.
mod address;
mod create;
mod describe;
mod export;
mod fault;
mod find;
mod image;
mod library;
mod machine;
mod media;
mod source;

use super::{
    Boot, Captured, DriverError, DriverErrorKind, Hypervisor, KeptImage, Machine, MachineSpec, Readiness,
};
use crate::{
    cx::{BuildId, Cx, ResourceRef, Stop},
    plan::{SourcePlan, VcenterPlan, VsphereImagePlan, VsphereMachinePlan},
    value::Arch,
    vsphere::{self, Item, Moref, VCenter},
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
    /// Until a machine's guest has an address.
    pub address: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(2), address: Duration::from_mins(20) }
    }
}

/// What a machine can be made of, by the id that others know it by.
#[derive(Debug, Clone)]
enum Origin {
    /// A machine or a template, as it is or as it was in a snapshot.
    Machine { moref: Moref, path: String, linked: bool, snapshot: Option<Moref> },
    /// An item of a content library.
    Item(Item),
}

/// One vCenter, for one plan.
#[derive(Debug, Clone)]
pub struct Vsphere {
    vcenter: VCenter,
    place: VcenterPlan,
    plan: VsphereMachinePlan,
    /// What is to be made, for what can be looked at beforehand: its name may be taken, its library missing.
    result: Option<VsphereImagePlan>,
    pace: Pace,
    /// What was found or made, by its id.
    origins: Arc<Mutex<BTreeMap<String, Origin>>>,
    /// What was made and may be kept, by its id.
    made: Arc<Mutex<BTreeMap<String, image::Made>>>,
    /// What was brought to machines, which they do not keep.
    brought: Arc<Mutex<BTreeMap<Moref, media::Brought>>>,
}

impl Vsphere {
    /// Makes no call. `place` has all that is said about where in the vCenter, wherever that was said.
    pub fn new(
        vcenter: VCenter,
        place: VcenterPlan,
        plan: VsphereMachinePlan,
        result: Option<VsphereImagePlan>,
    ) -> Self {
        Self {
            vcenter,
            place,
            plan,
            result,
            pace: Pace::default(),
            origins: Arc::default(),
            made: Arc::default(),
            brought: Arc::default(),
        }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// A machine that is there already.
    pub fn adopt(&self, cx: &Cx, spec: &MachineSpec, machine: vsphere::machine::Machine) -> Box<dyn Machine> {
        Box::new(machine::Built::new(self.clone(), cx, spec, machine))
    }

    /// Takes from a machine, which is off, what it is not to keep: its seed, the media that the build brought, drives that were made for
    /// these. It is done before a result is made of it.
    pub async fn forget(&self, cx: &Cx, machine: &ResourceRef) -> Result<(), DriverError> {
        media::forget(self, cx, &self.vcenter.machine_of(machine).await?).await
    }

    /// From now on, others know by this id what a machine can be made of.
    fn remember(&self, id: impl Into<String>, origin: Origin) {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into(), origin);
    }

    /// What has this id.
    fn origin(&self, id: &str) -> Option<Origin> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[async_trait]
impl Hypervisor for Vsphere {
    fn loopback_for_guests(&self) -> Option<IpAddr> {
        None
    }

    fn name(&self) -> &'static str {
        vsphere::DRIVER
    }

    async fn preflight(&self, spec: &MachineSpec) -> Result<Readiness, DriverError> {
        find::preflight(self, spec).await
    }

    async fn find_image(&self, cx: &Cx, source: &SourcePlan, _: Arch) -> Result<KeptImage, DriverError> {
        source::image(self, cx, source).await
    }

    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        let made = match &spec.boot {
            Boot::Optical => create::new(self, cx, spec).await?,
            Boot::Image(id) => create::copy(self, cx, spec, id).await?,
            Boot::Made(machine) => create::go_on(self, cx, spec, machine).await?,
            Boot::Disk | Boot::Kernel(_) => {
                return Err(DriverError::new(
                    DriverErrorKind::Unsupported,
                    "start a machine of a vCenter from a disk or a kernel of this host",
                )
                .hint("a definition with `driver = \"vsphere\"` has a `[source.vsphere]`, or a `[source.iso]` that is started by keys"));
            }
        };
        Ok(Box::new(machine::Built::new(self.clone(), cx, spec, made)))
    }

    async fn keep(&self, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
        image::keep(self, cx, captured).await
    }

    async fn owned(&self, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
        find::owned(self, build).await
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        Ok(vsphere::remove_with(&self.vcenter, resource, stop).await?)
    }
}
