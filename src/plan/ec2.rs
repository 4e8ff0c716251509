//! A build on Amazon EC2: the AMI to start from and the instance.
use super::VolumeKind;
use crate::value::{Arch, Size};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// An AMI to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AmiSourcePlan {
    /// By its id: `ami-0123456789abcdef0`.
    Id(String),
    /// By a parameter of Systems Manager that holds its id, such as
    /// `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64`.
    Ssm(String),
    /// By what is known about it.
    Found(AmiFilter),
}

/// What an AMI must be like. It must be available, of the build's architecture, and have a root volume in EBS besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AmiFilter {
    /// Filters of
    /// [`DescribeImages`](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html), by name.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Account numbers, `self`, `amazon` or `aws-marketplace`: anybody may publish an AMI of any name.
    pub owners: Vec<String>,
    /// Of several, the one that was made last; otherwise several are an error.
    pub most_recent: bool,
}

/// The instance that is built in, and the one that proves the AMI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ec2Plan {
    /// Tried in this order when one cannot be had.
    pub instance_types: Vec<String>,
    /// Spot instances, which are cheaper and may be taken away.
    pub spot: Option<SpotPlan>,
    /// The subnet; by default one of the default VPC.
    pub subnet: Option<String>,
    /// The VPC of the temporary security group; by default the subnet's, or the default one.
    pub vpc: Option<String>,
    /// Whether the instance gets a public address; by default the subnet decides.
    pub public_ip: Option<bool>,
    /// Name or ARN of an instance profile.
    pub profile: Option<String>,
    /// How the instance's metadata service is asked.
    pub imds: ImdsPlan,
    /// Security groups of the user's; without any, a temporary one is made.
    pub security_groups: Vec<String>,
    /// Who may reach the temporary group's SSH port.
    pub ssh_from: SshFrom,
    /// The way to SSH.
    pub ssh: SshWay,
    /// The guest's SSH port.
    pub ssh_port: u16,
    /// The root volume.
    pub root: RootVolume,
    /// User data of the user's own, beside the build's: a file of this host.
    pub user_data: Option<PathBuf>,
    /// Tags of everything that the build makes.
    pub tags: BTreeMap<String, String>,
    /// A second volume that becomes the image's, instead of the instance's own.
    pub surrogate: Option<SurrogatePlan>,
}

impl Ec2Plan {
    /// An instance about which nothing is said.
    pub fn plain(arch: Arch) -> Self {
        let kind = match arch {
            Arch::X86_64 => "t3.small",
            Arch::Aarch64 => "t4g.small",
        };
        Self {
            instance_types: vec![kind.to_owned()],
            spot: None,
            subnet: None,
            vpc: None,
            public_ip: None,
            profile: None,
            imds: ImdsPlan { v2_required: true, hop_limit: 1 },
            security_groups: Vec::new(),
            ssh_from: SshFrom::Auto,
            ssh: SshWay::Public,
            ssh_port: 22,
            root: RootVolume::default(),
            user_data: None,
            tags: BTreeMap::new(),
            surrogate: None,
        }
    }
}

/// Spot instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SpotPlan {
    /// The most that is paid, in dollars an hour, as Amazon wants it; by default the price on demand.
    pub max_price: Option<String>,
}

/// The instance's metadata service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImdsPlan {
    /// Version 2 only, which needs a token.
    pub v2_required: bool,
    /// How many hops an answer goes: 2 for programs in containers.
    pub hop_limit: u8,
}

/// Who may reach the temporary security group's SSH port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SshFrom {
    /// This host alone; its address is found out.
    Auto,
    /// These networks.
    Networks(Vec<String>),
}

/// The way to an instance's SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SshWay {
    /// By its public address.
    #[default]
    Public,
    /// By its private address.
    Private,
    /// Through Systems Manager's session manager; nothing of the instance is open to a network.
    SessionManager,
}

/// A volume in EBS. What is not said is as in the AMI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RootVolume {
    /// Its size, in whole GiB.
    pub size: Option<Size>,
    /// Its type.
    pub kind: Option<VolumeKind>,
    /// Operations a second.
    pub iops: Option<u32>,
    /// MiB a second.
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: Option<bool>,
    /// The key that it is encrypted with: id, alias or ARN.
    pub kms_key: Option<String>,
}

/// A second volume that the build's steps fill. Its snapshot becomes the image's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SurrogatePlan {
    /// The name under which it is attached: `/dev/sdb`. Instances of today see it as `/dev/nvme1n1`.
    pub device: String,
    /// The volume.
    pub volume: RootVolume,
}
