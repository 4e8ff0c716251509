//! The plan: what a build will do, fully resolved and immutable. Values only; everything may read them.
//!
//! A plan holds no secret: texts keep their `${secret.NAME}` placeholders until the moment they are used.
mod ami;
mod answers;
mod aws;
mod cloudstack;
mod ec2;
mod input;
mod iso;
mod machine;
mod nutanix;
mod output;
mod role;
mod served;
mod source;
mod step;
mod trust;
pub mod typed;
mod vsphere;

pub(crate) use ami::tag_fault;
pub use ami::{AmiFault, AmiPlan, AmiVolume, BootMode, ROOT_DEVICE, VolumeKind};
pub use answers::*;
pub use aws::AwsPlan;
pub use cloudstack::{
    CloudPlan, CloudStackBoot, CloudStackImagePlan, CloudStackMachinePlan, CloudStackSourcePlan,
    CloudStackWay,
};
pub use ec2::{
    AmiFilter, AmiSourcePlan, Ec2Plan, ImdsPlan, RootVolume, SpotPlan, SshFrom, SshWay, SurrogatePlan,
};
pub use input::{Input, InputKind};
pub use iso::{AnswerFile, AnswerPlace, Answers, InstallerBoot, IsoDigest, IsoPlan, TypedStep, TypedWait};
pub use machine::{
    Accelerator, DEFAULT_LIBVIRT_URI, EMBEDDED_URI, Firmware, GuestPlan, LoginPlan, LoginProof, MachinePlan,
    Provider, SeedKind,
};
pub use nutanix::{
    NutanixBoot, NutanixImageKind, NutanixImagePlan, NutanixMachinePlan, NutanixSourcePlan, PrismPlan,
};
pub use output::{Compression, OutputFormat, OutputPlan, OvaPlan, SealPlan, VerifyPlan};
pub use role::{ListedRole, Param, ParamKind, RoleUse, listed_roles, variable};
pub use served::{says_server, with_server};
pub use source::{
    BootstrapPlan, DiskSourcePlan, ImageFormat, Mirror, Origin, Partition, PartitionSize, SourcePlan,
};
pub use step::*;
pub use trust::ServerTrust;
pub use vsphere::{
    VcenterPlan, VsphereCdBus, VsphereController, VsphereFirmware, VsphereImageKind, VsphereImagePlan,
    VsphereMachinePlan, VsphereNic, VsphereProvisioning, VsphereSourcePlan,
};

use crate::value::Arch;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf};

/// One image to build.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Name of the image; also the stem of its files. Letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// The guest's architecture.
    pub arch: Arch,
    /// Which of the definition's builds it is: the values of its `[matrix]`, by axis (`region`) or by axis and key (`release.codename`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub matrix: BTreeMap<String, String>,
    /// The user's file, absolute.
    pub definition: PathBuf,
    /// Where the first disk comes from.
    pub source: SourcePlan,
    /// The machine that is built in.
    pub machine: MachinePlan,
    /// How the guest is reached.
    pub guest: GuestPlan,
    /// What the image is for, which decides about agents and drivers in it.
    pub provider: Provider,
    /// Which Amazon account AMIs are published to.
    #[serde(skip_serializing_if = "AwsPlan::is_default")]
    pub aws: AwsPlan,
    /// Which vCenter is built in.
    #[serde(skip_serializing_if = "VcenterPlan::is_default")]
    pub vcenter: VcenterPlan,
    /// Which Prism Central is built in.
    #[serde(skip_serializing_if = "PrismPlan::is_default")]
    pub prism: PrismPlan,
    /// Which cloud of CloudStack is built in.
    #[serde(skip_serializing_if = "CloudPlan::is_default")]
    pub cloud: CloudPlan,
    /// What is done in the guest, in order. Steps of roles are among them, in their places.
    pub provision: Vec<Step>,
    /// The roles that steps belong to.
    pub roles: Vec<RoleUse>,
    /// What is removed before the image is finished.
    pub seal: SealPlan,
    /// The files to deliver.
    pub outputs: Vec<OutputPlan>,
    /// The AMIs to make.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amis: Vec<AmiPlan>,
    /// What to make of the machine, when it is one of a vCenter's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vsphere: Option<VsphereImagePlan>,
    /// What to make of the machine, when it is one of Nutanix's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nutanix: Option<NutanixImagePlan>,
    /// The template to make of the machine, when it is one of CloudStack's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudstack: Option<CloudStackImagePlan>,
    /// Whether it is built without a network: all comes from what was collected, and machines have no route out. The command line says so.
    #[serde(skip_serializing_if = "is_false")]
    pub offline: bool,
    /// How they are proved.
    pub verify: VerifyPlan,
    /// Where secrets come from, by name; they are read when they are first needed.
    pub secrets: BTreeMap<String, SecretSource>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// An environment variable of goldsmith.
    Env(String),
    /// A file; a final line end is dropped.
    File(PathBuf),
    /// Standard output of a command, run without a shell; a final line end is dropped.
    Command(Vec<String>),
    /// A text in a file of JSON.
    Json {
        /// The file, absolute.
        file: PathBuf,
        /// The key at its top level.
        key: String,
    },
}
