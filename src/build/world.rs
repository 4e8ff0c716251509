//! What the recipe needs from outside, as a trait: the real world, and the fake one of the fault-injection tests.
use super::{AmiId, BuildError};
use crate::{
    cx::{Check, Cx, ResourceRef, Stop},
    disk::BlockSink,
    driver::{DriverError, Hypervisor},
    guest::{Credentials, Login, Trouble},
    plan::{AmiPlan, Plan},
    provision::Secrets,
    source::{BaseDisk, Installer, Prepared},
    value::HumanDuration,
};
use async_trait::async_trait;
use std::{net::SocketAddr, sync::Arc};

/// A session in a guest.
#[async_trait]
pub trait Session: Send + Sync {
    /// What was found out about the guest at login; values only, no secret.
    fn facts(&self) -> serde_json::Value;

    /// Carries out the plan's steps.
    async fn provision(
        &mut self,
        cx: &Cx,
        plan: &Plan,
        secrets: &Secrets,
        trouble: Trouble<'_>,
    ) -> Result<(), BuildError>;

    /// Removes what must not be in an image, and trims. The guest is only good for powering off afterwards.
    async fn seal(&mut self, cx: &Cx, plan: &Plan) -> Result<(), BuildError>;

    /// Checks a booted result against the plan and against the facts of the guest that was built.
    async fn check(
        &mut self,
        cx: &Cx,
        subject: &str,
        plan: &Plan,
        built: &serde_json::Value,
    ) -> Result<Vec<Check>, BuildError>;

    /// Runs a script of ours as root, at most for `limit`: whether it succeeded, and what it printed.
    async fn ask(
        &mut self,
        cx: &Cx,
        name: &str,
        script: &str,
        limit: HumanDuration,
    ) -> Result<(bool, String), BuildError>;

    /// Logs for the failure bundle: file name and text. Bounded in time and size.
    async fn diagnose(&mut self, cx: &Cx) -> Vec<(String, String)>;

    /// Ends the session; the guest may be gone already.
    async fn close(&mut self);
}

/// A snapshot in an account that is filled from the disk of a build, and the AMI that it becomes.
#[async_trait]
pub trait Upload: Send {
    /// Where the disk engine puts the blocks; asked for once. [`Upload::send`] ends when it is dropped.
    fn feed(&mut self) -> Box<dyn BlockSink>;

    /// Sends what comes from the feed.
    async fn send(&mut self, cx: &Cx) -> Result<(), BuildError>;

    /// Says that all of the disk was sent. The service works on while the disk is proved.
    async fn complete(&mut self, cx: &Cx) -> Result<(), BuildError>;

    /// Waits for the snapshot and makes the AMI of it.
    async fn register(&mut self, cx: &Cx, ami: &AmiPlan) -> Result<AmiId, BuildError>;

    /// Snapshot and AMI are results: they survive.
    fn keep(&mut self, cx: &Cx) -> Result<(), BuildError>;
}

/// Everything outside the recipe.
#[async_trait]
pub trait World: Send + Sync {
    /// The hypervisor that a plan asks for.
    async fn hypervisor(
        &self,
        cx: &Cx,
        plan: &Plan,
        secrets: &Secrets,
    ) -> Result<Arc<dyn Hypervisor>, DriverError>;

    /// Removes something that a driver made, by whichever driver that was.
    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError>;

    /// Removes what processes that died left with the drivers and that no journal names, such as run folders.
    async fn sweep(&self) -> Result<(), DriverError>;

    /// Looks whether the plan's inputs and tools are there. Makes nothing.
    async fn preflight(&self, cx: &Cx, plan: &Plan) -> Result<(), BuildError>;

    /// Gets what the steps need from this host, as far as that is certain.
    async fn fetch(&self, cx: &Cx, plan: &Plan, secrets: &Secrets) -> Result<(), BuildError>;

    /// Makes the first disk, or what an installer needs to make it; or finds what the hypervisor keeps.
    async fn prepare_source(
        &self,
        cx: &Cx,
        plan: &Plan,
        hypervisor: &dyn Hypervisor,
        secrets: &Secrets,
    ) -> Result<Prepared, BuildError>;

    /// Starts the snapshot of an AMI of the plan, for a disk of so many bytes.
    async fn upload(
        &self,
        cx: &Cx,
        plan: &Plan,
        ami: &AmiPlan,
        disk_bytes: u64,
    ) -> Result<Box<dyn Upload>, BuildError>;

    /// Makes the first disk of what an installer left.
    async fn adopt_installed(
        &self,
        cx: &Cx,
        plan: &Plan,
        installer: Installer,
    ) -> Result<BaseDisk, BuildError>;

    /// Waits for the guest and logs in; with `own` first, to bring in what `login` needs.
    async fn connect(
        &self,
        cx: &Cx,
        address: SocketAddr,
        login: &Login,
        own: Option<&Credentials>,
        limit: HumanDuration,
        trouble: Trouble<'_>,
    ) -> Result<Box<dyn Session>, BuildError>;
}
