//! `[source.ami]` and `[machine.ec2]`: a build on Amazon EC2.
use crate::{
    definition::{
        reader::{Key, Table},
        scalar::{List, Map, One, Text},
        table::table,
    },
    plan::{SshWay, VolumeKind},
    value::Size,
};

table! {
    /// An AMI to start from, for `driver = "ec2"`: by one of `id`, `ssm`, and `name` with or without `filters`.
    "`[source.ami]`", SourceAmi {
        /// Its id, such as `ami-0123456789abcdef0`, which is another one in each region.
        id: optional Text,
        /// A parameter of Systems Manager that holds its id, such as
        /// `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64`.
        ssm: optional Text,
        /// Its name; `*` and `?` are wildcards. Needs `owners`.
        name: optional Text,
        /// Who made it: account numbers, `self`, `amazon` or `aws-marketplace`. Anybody may publish an AMI of any name.
        owners: optional List<Text>,
        /// More filters of EC2's `DescribeImages`, such as `{ "tag:Release" = ["stable"] }`. It must be available, of the build's
        /// architecture and in EBS besides.
        filters: optional Map<List<Text>>,
        /// Of several that fit, take the newest. Default: false, and several are an error.
        most_recent: optional bool,
    }
}

table! {
    /// The instance that is built in, and the one that proves the AMI. Everything that is made is temporary, but for the AMI.
    "`[machine.ec2]`", Ec2 {
        /// Types of instances, tried in this order when one cannot be had. Default: `t3.small`, or `t4g.small` for aarch64.
        instance_types: optional List<Text>,
        /// Use spot instances, which are cheaper and may be taken away. Default: false.
        spot: optional bool,
        /// The most to pay for a spot instance, in dollars an hour, such as `0.05`. Default: the price on demand.
        max_price: optional Text,
        /// The subnet, such as `subnet-0123456789abcdef0`. Default: one of the default VPC.
        subnet: optional Text,
        /// The VPC of the temporary security group. Default: the subnet's, or the default one.
        vpc: optional Text,
        /// Whether the instance gets a public address. Default: as the subnet says.
        associate_public_ip: optional bool,
        /// Name or ARN of an instance profile, whose role the instance has.
        instance_profile: optional Text,
        /// Whether the instance's metadata is told only to who opens a session first (IMDSv2). Default: true.
        imds_v2: optional bool,
        /// How many hops the metadata goes: 2 for programs in containers. Default: 1.
        imds_hop_limit: optional u32,
        /// Security groups of your own, by id. They must let SSH in. Default: a temporary one, open to `ssh-from`.
        security_groups: optional List<Text>,
        /// Networks that may reach the SSH port, such as `203.0.113.7/32`. Default: this host's address alone, asked of
        /// `checkip.amazonaws.com`; with `ssh = "private"`, the address that this host has towards the VPC.
        ssh_from: optional List<Text>,
        /// The way to SSH: `public`, `private`, or `session-manager`, which needs Amazon's session-manager-plugin here, its agent in
        /// the image, and an instance profile that lets the agent in. Default: `public`.
        ssh: optional One<SshWay>,
        /// The guest's SSH port. Default: 22.
        ssh_port: optional u32,
        /// The root volume. Default: as the AMI says.
        root: optional Ec2Volume,
        /// A file with user data of your own, beside the build's: a script or any other format of cloud-init's, or for Ignition a
        /// configuration; relative to the definition's folder.
        user_data: optional Text,
        /// Tags of everything that the build makes.
        tags: optional Map<Text>,
        /// A second volume, which the steps fill with a system of its own. The AMI is made of it instead of the instance's own disk.
        surrogate: optional Ec2Surrogate,
    }
}

table! {
    /// A volume of an instance.
    "a volume of `[machine.ec2]`", Ec2Volume {
        /// Its size, in whole GiB.
        size: optional Size,
        /// Its type: `gp3`, `gp2`, `io1`, `io2` or `standard`.
        r#type: optional One<VolumeKind>,
        /// Operations a second, for `gp3`, `io1` and `io2`. Needs `type`.
        iops: optional u32,
        /// MiB a second, for `gp3`. Needs `type`.
        throughput: optional u32,
        /// Whether it is encrypted, and so the AMI's snapshot. Default: as the AMI or the account says.
        encrypted: optional bool,
        /// The key that it is encrypted with: id, alias or ARN.
        kms_key: optional Text,
    }
}

table! {
    /// A second volume that becomes the AMI's root, as `root-device` and `volume-size` of the AMI say.
    "`surrogate` of `[machine.ec2]`", Ec2Surrogate {
        /// The name under which it is attached. Instances of today show it as `/dev/nvme1n1`. Default: `/dev/sdb`.
        device: optional Text,
        /// The volume. Its size must be said.
        volume: required Ec2Volume,
    }
}

/// By how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[
    (SourceAmi::HEADER, SourceAmi::KEYS),
    (Ec2::HEADER, Ec2::KEYS),
    (Ec2Volume::HEADER, Ec2Volume::KEYS),
    (Ec2Surrogate::HEADER, Ec2Surrogate::KEYS),
];
