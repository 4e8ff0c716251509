//! The driver for Amazon EC2: instances that start from an AMI, and of which another is made.
//!
//! Read in this order: [`launch`] makes the key pair, the security group and the instance; [`machine`] is one that exists; [`image`] makes
//! an AMI of it, and [`surrogate`] one of a second volume. [`tunnel`] is the way to instances that no network leads to.
//!
//! Everything is tagged from its first moment, and undo data names tags until the id is known.
mod console;
mod fault;
mod find;
mod image;
mod launch;
mod machine;
mod network;
mod surrogate;
mod tunnel;

pub use network::OwnAddress;

use super::{Boot, DriverError, DriverErrorKind, Hypervisor, KeptImage, Machine, MachineSpec, Readiness};
use crate::{
    aws::{self, Aws, Kind, Tags},
    cx::{BuildId, Cx, ResourceRef, Stop},
    plan::{Accelerator, Ec2Plan, SourcePlan, SshWay},
    value::{Arch, HumanDuration},
};
use async_trait::async_trait;
use std::{net::IpAddr, sync::Arc, time::Duration};

/// How long the driver waits, and how often it looks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks.
    pub every: Duration,
    /// Until an instance runs.
    pub run: HumanDuration,
    /// Until an image is available or a snapshot complete.
    pub image: HumanDuration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(5),
            run: HumanDuration::seconds(10 * 60),
            // Snapshots of large volumes take hours. Amazon goes on with them, whoever waits.
            image: HumanDuration::seconds(6 * 3600),
        }
    }
}

/// What an AMI is for. Makes nothing.
pub async fn architecture_of(aws: &Aws, id: &str) -> Result<Arch, aws::AwsError> {
    find::architecture_of(aws, id).await
}

/// EC2 in one region, for one plan.
#[derive(Debug, Clone)]
pub struct Ec2 {
    aws: Aws,
    plan: Ec2Plan,
    pace: Pace,
    own_address: Option<Arc<dyn OwnAddress>>,
}

impl Ec2 {
    /// Makes no call.
    pub fn new(aws: Aws, plan: Ec2Plan) -> Self {
        Self { aws, plan, pace: Pace::default(), own_address: None }
    }

    /// The same with somebody who knows this host's public address.
    #[must_use]
    pub fn with_own_address(mut self, knows: Arc<dyn OwnAddress>) -> Self {
        self.own_address = Some(knows);
        self
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The tags of everything that the machine `role` of this build consists of.
    fn tags(&self, cx: &Cx, image: &str, role: &str) -> Tags {
        Tags::of(cx.id(), image).role(role).and(&self.plan.tags)
    }

    /// Looks whether the types of instances exist in the region and execute `arch`.
    async fn check_types(&self, arch: Arch) -> Result<(), DriverError> {
        let wanted = find::architecture(arch);
        for kind in &self.plan.instance_types {
            let attempt = || format!("look at the instance type `{kind}` in {}", self.aws.region());
            let answer =
                self.aws.ec2().describe_instance_types().instance_types(kind.as_str().into()).send().await;
            let answer = answer.map_err(|error| {
                let error = aws::AwsError::of(attempt(), "DescribeInstanceTypes", error);
                match error.code() {
                    Some("InvalidInstanceType") => error.hint(
                        "`aws ec2 describe-instance-type-offerings` lists the types of a region; `machine.ec2.instance-types` says which are used",
                    ),
                    _ => error,
                }
            })?;
            let known = answer.instance_types().first().and_then(|found| found.processor_info());
            let executes: Vec<&str> = known
                .map(|info| info.supported_architectures().iter().map(|arch| arch.as_str()).collect())
                .unwrap_or_default();
            if !executes.is_empty() && !executes.contains(&wanted) {
                return Err(DriverError::new(
                    DriverErrorKind::Unsupported,
                    format!("build for `{arch}` on an instance of type `{kind}`"),
                )
                .because(format!("it executes {}", executes.join(" and ")))
                .hint("types with a `g` after the number, such as t4g.small and m7g.large, execute aarch64; `machine.ec2.instance-types` says which are used"));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Hypervisor for Ec2 {
    fn loopback_for_guests(&self) -> Option<IpAddr> {
        None
    }

    fn name(&self) -> &'static str {
        aws::DRIVER
    }

    async fn preflight(&self, spec: &MachineSpec) -> Result<Readiness, DriverError> {
        if self.plan.ssh == SshWay::SessionManager {
            tunnel::check().await?;
        }
        self.check_types(spec.arch).await?;
        Ok(Readiness {
            hypervisor: format!("EC2 in {}", self.aws.region()),
            // Amazon's own hypervisor; on the older ones it is Xen, and nobody tells beforehand.
            accelerator: Accelerator::Kvm,
            notice: None,
        })
    }

    async fn find_image(&self, cx: &Cx, source: &SourcePlan, arch: Arch) -> Result<KeptImage, DriverError> {
        let SourcePlan::Ami(source) = source else {
            return Err(DriverError::new(DriverErrorKind::Unsupported, "find an image to start from")
                .because("EC2 starts from AMIs"));
        };
        let found = cx.stop().unless_cancelled(find::image(&self.aws, source, arch)).await?;
        Ok(found?)
    }

    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        let Boot::Image(image) = &spec.boot else {
            return Err(DriverError::new(
                DriverErrorKind::Unsupported,
                "start an instance from a disk of this host",
            )
            .because("instances start from AMIs")
            .hint("a definition with `driver = \"ec2\"` has a `[source.ami]`"));
        };
        let launched = launch::instance(self, cx, spec, image).await?;
        Ok(Box::new(machine::Instance::new(self.clone(), cx, spec, launched)))
    }

    async fn owned(&self, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
        let mut all = Vec::new();
        for kind in [Kind::Instance, Kind::Volume, Kind::Image, Kind::Snapshot, Kind::SecurityGroup] {
            let ids = aws::of_build(&self.aws, kind, build).await?;
            all.extend(ids.into_iter().map(|id| aws::resource(&self.aws, kind, id)));
        }
        Ok(all)
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        Ok(aws::remove(resource, stop).await?)
    }
}
