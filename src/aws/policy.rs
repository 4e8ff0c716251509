//! What goldsmith must be allowed to do in an account: one table, from which policies are made.
//!
//! Which action knows which resources and conditions is in the
//! [service authorization reference](https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html): the pages of
//! [EC2](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html),
//! [EBS](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticblockstore.html),
//! [Systems Manager](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html),
//! [S3](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html),
//! [KMS](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html),
//! [the Marketplace's catalogue](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsmarketplacecatalog.html) and
//! [IAM](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html).
//! What is removed or changed must have our tag; what is made must get it.
use super::tag::BUILD;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What something is allowed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Purpose {
    /// To find out who we are, and what we may do.
    Check,
    /// To see images, snapshots and what uses them.
    Look,
    /// To send a disk into a snapshot, directly.
    Upload,
    /// To compare a disk with an earlier snapshot.
    Parent,
    /// To make an AMI of a snapshot.
    Register,
    /// To remove what a build made, and AMIs that are not kept.
    Remove,
    /// To use keys for encrypted snapshots.
    Encrypt,
    /// To build on an instance.
    Ec2,
    /// To give the instance a profile.
    Profile,
    /// To reach the instance by the session manager.
    Session,
    /// To look up AMIs in parameters.
    Lookup,
    /// To copy AMIs to other regions.
    Copy,
    /// To share AMIs and snapshots, to deprecate and to protect them.
    Share,
    /// To write AMIs into parameters.
    Channel,
    /// To write an AMI into a bucket, and to fetch it from there.
    Export,
    /// To add an AMI to a product of the Marketplace.
    Marketplace,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Check,
        Self::Look,
        Self::Upload,
        Self::Parent,
        Self::Register,
        Self::Remove,
        Self::Encrypt,
        Self::Ec2,
        Self::Profile,
        Self::Session,
        Self::Lookup,
        Self::Copy,
        Self::Share,
        Self::Channel,
        Self::Export,
        Self::Marketplace,
    ];
}

/// On what something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// The actions know no resources.
    All,
    /// These, with `PARTITION` in them, each with one that is like it, for the simulation.
    These(&'static [(&'static str, &'static str)]),
}

/// Under which condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// It has our tag.
    Tagged,
    /// It gets our tag in this very call.
    Tagging,
    /// A key of the request's context has one of these values.
    Is(&'static str, &'static [&'static str]),
}

/// One statement of a policy.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name in policies.
    pub sid: &'static str,
    /// What it allows: `ec2:RegisterImage`.
    pub actions: &'static [&'static str],
    on: On,
    when: When,
}

const SNAPSHOT: (&str, &str) = ("arn:PARTITION:ec2:*::snapshot/*", "snapshot/snap-0123456789abcdef0");
const IMAGE: (&str, &str) = ("arn:PARTITION:ec2:*::image/*", "image/ami-0123456789abcdef0");
const INSTANCE: (&str, &str) = ("arn:PARTITION:ec2:*:*:instance/*", "instance/i-0123456789abcdef0");
const VOLUME: (&str, &str) = ("arn:PARTITION:ec2:*:*:volume/*", "volume/vol-0123456789abcdef0");
const KEY_PAIR: (&str, &str) = ("arn:PARTITION:ec2:*:*:key-pair/*", "key-pair/goldsmith");
const GROUP: (&str, &str) = ("arn:PARTITION:ec2:*:*:security-group/*", "security-group/sg-0123456789abcdef0");
const SPOT: (&str, &str) =
    ("arn:PARTITION:ec2:*:*:spot-instances-request/*", "spot-instances-request/sir-01234567");
const SUBNET: (&str, &str) = ("arn:PARTITION:ec2:*:*:subnet/*", "subnet/subnet-0123456789abcdef0");
const NETWORK: (&str, &str) =
    ("arn:PARTITION:ec2:*:*:network-interface/*", "network-interface/eni-0123456789abcdef0");
const VPC: (&str, &str) = ("arn:PARTITION:ec2:*:*:vpc/*", "vpc/vpc-0123456789abcdef0");
const TASK: (&str, &str) =
    ("arn:PARTITION:ec2:*:*:export-image-task/*", "export-image-task/export-ami-0123456789abcdef0");
const ROLE: (&str, &str) = ("arn:PARTITION:iam::*:role/*", "arn:PARTITION:iam::ACCOUNT:role/goldsmith");
const KEY: (&str, &str) = (
    "arn:PARTITION:kms:*:*:key/*",
    "arn:PARTITION:kms:REGION:ACCOUNT:key/01234567-89ab-cdef-0123-456789abcdef",
);
const PARAMETER: (&str, &str) =
    ("arn:PARTITION:ssm:*:*:parameter/*", "arn:PARTITION:ssm:REGION:ACCOUNT:parameter/goldsmith/stable");
const PUBLIC_PARAMETER: (&str, &str) = (
    "arn:PARTITION:ssm:*::parameter/aws/service/*",
    "arn:PARTITION:ssm:REGION::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
);
const DOCUMENT: (&str, &str) = (
    "arn:PARTITION:ssm:*::document/AWS-Start*Session",
    "arn:PARTITION:ssm:REGION::document/AWS-StartSSHSession",
);
const OWN_SESSION: (&str, &str) = (
    "arn:PARTITION:ssm:*:*:session/*",
    "arn:PARTITION:ssm:REGION:ACCOUNT:session/goldsmith-0123456789abcdef0",
);
const BUCKET: (&str, &str) = ("arn:PARTITION:s3:::*", "arn:PARTITION:s3:::goldsmith");
const OBJECT: (&str, &str) = ("arn:PARTITION:s3:::*/*", "arn:PARTITION:s3:::goldsmith/export");
const PRODUCT: (&str, &str) = (
    "arn:PARTITION:aws-marketplace:us-east-1:*:AWSMarketplace/*",
    "arn:PARTITION:aws-marketplace:us-east-1:ACCOUNT:AWSMarketplace/AmiProduct/prod-0123456789abc",
);

const fn rule(
    purpose: Purpose,
    sid: &'static str,
    actions: &'static [&'static str],
    on: On,
    when: When,
) -> Rule {
    Rule { purpose, sid, actions, on, when }
}

/// The table.
pub const RULES: &[Rule] = &[
    rule(
        Purpose::Check,
        "Check",
        &["sts:GetCallerIdentity", "iam:SimulatePrincipalPolicy", "iam:GetRole"],
        On::All,
        When::Always,
    ),
    rule(
        Purpose::Look,
        "Look",
        &[
            "ec2:DescribeImages",
            "ec2:DescribeSnapshots",
            "ec2:DescribeRegions",
            "ec2:DescribeInstances",
            "ec2:DescribeVolumes",
            "ec2:DescribeTags",
        ],
        On::All,
        When::Always,
    ),
    // The snapshot is tagged in the call that makes it, so what is written to is ours.
    rule(Purpose::Upload, "UploadStart", &["ebs:StartSnapshot"], On::These(&[SNAPSHOT]), When::Tagging),
    rule(
        Purpose::Upload,
        "Upload",
        &["ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"],
        On::These(&[SNAPSHOT]),
        When::Tagged,
    ),
    // The parent may be anybody's snapshot that we may read. It is read when this host has no record of it.
    rule(
        Purpose::Parent,
        "UploadParent",
        &["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"],
        On::These(&[SNAPSHOT]),
        When::Always,
    ),
    rule(Purpose::Upload, "UploadTags", &["ec2:CreateTags"], On::These(&[SNAPSHOT]), When::Tagging),
    rule(Purpose::Register, "Register", &["ec2:RegisterImage"], On::These(&[IMAGE, SNAPSHOT]), When::Always),
    rule(
        Purpose::Register,
        "RegisterTags",
        &["ec2:CreateTags"],
        On::These(&[IMAGE, SNAPSHOT]),
        When::Tagging,
    ),
    rule(
        Purpose::Remove,
        "Remove",
        &["ec2:DeregisterImage", "ec2:DeleteSnapshot", "ec2:DeleteVolume"],
        On::These(&[IMAGE, SNAPSHOT, VOLUME]),
        When::Tagged,
    ),
    // What a newer image is made from is looked at before an older one goes.
    rule(
        Purpose::Remove,
        "RemoveLook",
        &[
            "ec2:DescribeImageAttribute",
            "ec2:DescribeSnapshotAttribute",
            "ec2:DescribeLaunchTemplates",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:DescribeKeyPairs",
            "ec2:DescribeSecurityGroups",
            "ssm:DescribeParameters",
        ],
        On::All,
        When::Always,
    ),
    rule(
        Purpose::Encrypt,
        "Encrypt",
        &[
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
        On::These(&[KEY]),
        When::Always,
    ),
    rule(
        Purpose::Ec2,
        "Ec2Look",
        &[
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeInstanceStatus",
            "ec2:DescribeKeyPairs",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSpotInstanceRequests",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ],
        On::All,
        When::Always,
    ),
    rule(Purpose::Ec2, "Ec2Run", &["ec2:RunInstances"], On::These(&[INSTANCE, VOLUME]), When::Tagging),
    rule(
        Purpose::Ec2,
        "Ec2RunWith",
        &["ec2:RunInstances"],
        On::These(&[IMAGE, SNAPSHOT, SUBNET, NETWORK, GROUP, KEY_PAIR, SPOT]),
        When::Always,
    ),
    rule(
        Purpose::Ec2,
        "Ec2Make",
        &["ec2:CreateSecurityGroup", "ec2:ImportKeyPair", "ec2:CreateVolume"],
        On::These(&[GROUP, KEY_PAIR, VOLUME]),
        When::Tagging,
    ),
    rule(Purpose::Ec2, "Ec2MakeIn", &["ec2:CreateSecurityGroup"], On::These(&[VPC]), When::Always),
    rule(
        Purpose::Ec2,
        "Ec2Change",
        &[
            "ec2:AttachVolume",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateImage",
            "ec2:CreateSnapshot",
            "ec2:DeleteKeyPair",
            "ec2:DeleteSecurityGroup",
            "ec2:DetachVolume",
            "ec2:GetConsoleOutput",
            "ec2:GetConsoleScreenshot",
            "ec2:ModifyInstanceAttribute",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
        ],
        On::These(&[INSTANCE, VOLUME, GROUP, KEY_PAIR]),
        When::Tagged,
    ),
    rule(
        Purpose::Ec2,
        "Ec2Image",
        &["ec2:CreateImage", "ec2:CreateSnapshot"],
        On::These(&[IMAGE, SNAPSHOT]),
        When::Tagging,
    ),
    rule(Purpose::Ec2, "Ec2Spot", &["ec2:CancelSpotInstanceRequests"], On::These(&[SPOT]), When::Always),
    rule(
        Purpose::Ec2,
        "Ec2Tags",
        &["ec2:CreateTags"],
        On::These(&[INSTANCE, VOLUME, GROUP, KEY_PAIR, SPOT, NETWORK, IMAGE, SNAPSHOT]),
        When::Tagging,
    ),
    rule(
        Purpose::Profile,
        "Profile",
        &["iam:PassRole"],
        On::These(&[ROLE]),
        When::Is("iam:PassedToService", &["ec2.amazonaws.com"]),
    ),
    rule(Purpose::Profile, "ProfileLook", &["iam:GetInstanceProfile"], On::All, When::Always),
    rule(
        Purpose::Session,
        "Session",
        &["ssm:StartSession"],
        On::These(&[INSTANCE]),
        When::Is("ssm:resourceTag/goldsmith:build", &["*"]),
    ),
    rule(Purpose::Session, "SessionWith", &["ssm:StartSession"], On::These(&[DOCUMENT]), When::Always),
    rule(Purpose::Session, "SessionEnd", &["ssm:TerminateSession"], On::These(&[OWN_SESSION]), When::Always),
    rule(Purpose::Session, "SessionLook", &["ssm:DescribeInstanceInformation"], On::All, When::Always),
    rule(
        Purpose::Lookup,
        "Lookup",
        &["ssm:GetParameter", "ssm:GetParameters"],
        On::These(&[PARAMETER, PUBLIC_PARAMETER]),
        When::Always,
    ),
    // The image is another account's, or another region's: it has no tag of ours. The copy gets one.
    rule(
        Purpose::Copy,
        "Copy",
        &["ec2:CopyImage", "ec2:CopySnapshot"],
        On::These(&[IMAGE, SNAPSHOT]),
        When::Always,
    ),
    rule(Purpose::Copy, "CopyTags", &["ec2:CreateTags"], On::These(&[IMAGE, SNAPSHOT]), When::Tagging),
    rule(
        Purpose::Share,
        "Share",
        &[
            "ec2:ModifyImageAttribute",
            "ec2:ModifySnapshotAttribute",
            "ec2:EnableImageDeprecation",
            "ec2:DisableImageDeprecation",
            "ec2:EnableImageDeregistrationProtection",
            "ec2:DisableImageDeregistrationProtection",
            "ec2:CreateTags",
        ],
        On::These(&[IMAGE, SNAPSHOT]),
        When::Tagged,
    ),
    rule(
        Purpose::Share,
        "ShareLook",
        &[
            "ec2:DescribeImageAttribute",
            "ec2:DescribeSnapshotAttribute",
            "ec2:GetImageBlockPublicAccessState",
            "ec2:GetSnapshotBlockPublicAccessState",
        ],
        On::All,
        When::Always,
    ),
    rule(
        Purpose::Share,
        "ShareWithAll",
        &[
            "ec2:DisableImageBlockPublicAccess",
            "ec2:EnableImageBlockPublicAccess",
            "ec2:DisableSnapshotBlockPublicAccess",
            "ec2:EnableSnapshotBlockPublicAccess",
        ],
        On::All,
        When::Always,
    ),
    rule(
        Purpose::Channel,
        "Channel",
        &["ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter", "ssm:AddTagsToResource"],
        On::These(&[PARAMETER]),
        When::Always,
    ),
    rule(Purpose::Channel, "ChannelLook", &["ssm:DescribeParameters"], On::All, When::Always),
    rule(Purpose::Export, "Export", &["ec2:ExportImage"], On::These(&[IMAGE, TASK]), When::Always),
    rule(Purpose::Export, "ExportLook", &["ec2:DescribeExportImageTasks"], On::All, When::Always),
    rule(
        Purpose::Export,
        "ExportBucket",
        &["s3:GetBucketLocation", "s3:ListBucket"],
        On::These(&[BUCKET]),
        When::Always,
    ),
    rule(
        Purpose::Export,
        "ExportObject",
        &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        On::These(&[OBJECT]),
        When::Always,
    ),
    rule(
        Purpose::Marketplace,
        "Marketplace",
        &["aws-marketplace:StartChangeSet"],
        On::These(&[PRODUCT]),
        When::Is("catalog:ChangeType", &["AddDeliveryOptions"]),
    ),
    rule(
        Purpose::Marketplace,
        "MarketplaceLook",
        &["aws-marketplace:DescribeEntity", "aws-marketplace:DescribeChangeSet"],
        On::These(&[PRODUCT]),
        When::Always,
    ),
    // The Marketplace takes the AMI by the access role, which whoever releases must be allowed to hand on.
    rule(
        Purpose::Marketplace,
        "MarketplaceRole",
        &["iam:PassRole"],
        On::These(&[ROLE]),
        When::Is("iam:PassedToService", &["assets.marketplace.amazonaws.com"]),
    ),
];

/// What a policy says about names that the table leaves open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Only these keys, as ARNs.
    pub keys: Vec<String>,
    /// Only these parameters, by name.
    pub parameters: Vec<String>,
}

/// The group of regions that ARNs begin with: `aws`, `aws-cn` or `aws-us-gov`.
pub fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The rules for these purposes.
pub fn rules(purposes: &[Purpose]) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| purposes.contains(&rule.purpose))
}

/// The policy for these purposes, as IAM takes it
/// ([grammar](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html)).
pub fn policy(purposes: &[Purpose], partition: &str, narrow: &Narrow) -> Value {
    let statements: Vec<Value> = rules(purposes).map(|rule| rule.statement(partition, narrow)).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

impl Rule {
    fn resources(&self, partition: &str, narrow: &Narrow) -> Vec<String> {
        let On::These(these) = self.on else { return vec!["*".to_owned()] };
        these
            .iter()
            .flat_map(|one| match *one {
                KEY if !narrow.keys.is_empty() => narrow.keys.clone(),
                PARAMETER if !narrow.parameters.is_empty() => narrow
                    .parameters
                    .iter()
                    .map(|name| format!("arn:{partition}:ssm:*:*:parameter/{}", name.trim_start_matches('/')))
                    .collect(),
                (pattern, _) => vec![pattern.replace("PARTITION", partition)],
            })
            .collect()
    }

    fn statement(&self, partition: &str, narrow: &Narrow) -> Value {
        let mut statement = Map::new();
        statement.insert("Sid".to_owned(), json!(self.sid));
        statement.insert("Effect".to_owned(), json!("Allow"));
        statement.insert("Action".to_owned(), json!(self.actions));
        statement.insert("Resource".to_owned(), json!(self.resources(partition, narrow)));
        let there = |key: String| json!({ "Null": { key: "false" } });
        let condition = match self.when {
            When::Always => None,
            When::Tagged => Some(there(format!("aws:ResourceTag/{BUILD}"))),
            When::Tagging => Some(there(format!("aws:RequestTag/{BUILD}"))),
            When::Is(key, ["*"]) => Some(there(key.to_owned())),
            When::Is(key, values) => Some(json!({ "StringEquals": { key: values } })),
        };
        if let Some(condition) = condition {
            statement.insert("Condition".to_owned(), condition);
        }
        Value::Object(statement)
    }

    /// Resources as a call would name them, one of each kind.
    pub(super) fn samples(&self, region: &str, account: &str) -> Vec<String> {
        let On::These(these) = self.on else { return Vec::new() };
        let partition = partition(region);
        these
            .iter()
            .map(|(pattern, sample)| {
                // Of resources of EC2, only the last part is spelt out.
                let whole = if sample.starts_with("arn:") {
                    (*sample).to_owned()
                } else {
                    let owner = if pattern.contains(":ec2:*::") { "" } else { "ACCOUNT" };
                    format!("arn:PARTITION:ec2:REGION:{owner}:{sample}")
                };
                whole.replace("PARTITION", partition).replace("REGION", region).replace("ACCOUNT", account)
            })
            .collect()
    }

    /// What the request's context holds, by key, when the condition is met.
    pub(super) fn context(&self) -> Vec<(String, String)> {
        match self.when {
            When::Always => Vec::new(),
            When::Tagged => vec![(format!("aws:ResourceTag/{BUILD}"), "0123456789ab".to_owned())],
            When::Tagging => vec![
                (format!("aws:RequestTag/{BUILD}"), "0123456789ab".to_owned()),
                ("aws:TagKeys".to_owned(), BUILD.to_owned()),
            ],
            When::Is(key, values) => values
                .first()
                .map(|value| (key.to_owned(), if *value == "*" { "0123456789ab" } else { *value }.to_owned()))
                .into_iter()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_policy_has_one_statement_of_each_name_and_says_what_each_is_about() {
        let sids: BTreeSet<&str> = RULES.iter().map(|rule| rule.sid).collect();
        assert_eq!(sids.len(), RULES.len());
        assert!(sids.iter().all(|sid| sid.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        let all = policy(&Purpose::ALL, "aws", &Narrow::default());
        for statement in all["Statement"].as_array().unwrap() {
            let actions = statement["Action"].as_array().unwrap();
            assert!(
                !actions.is_empty() && actions.iter().all(|action| action.as_str().unwrap().contains(':'))
            );
            assert!(!statement["Resource"].as_array().unwrap().is_empty());
            let of: BTreeSet<&str> =
                statement["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(of.len(), actions.len(), "{statement}");
        }
        assert!(Purpose::ALL.iter().all(|purpose| RULES.iter().any(|rule| rule.purpose == *purpose)));
    }

    #[test]
    fn nothing_is_removed_that_has_no_tag_of_ours() {
        let removes = ["Delete", "Deregister", "Terminate", "Stop", "Detach", "Modify"];
        let careful = RULES.iter().filter(|rule| {
            rule.actions.iter().any(|action| {
                action
                    .strip_prefix("ec2:")
                    .is_some_and(|name| removes.iter().any(|word| name.starts_with(word)))
            })
        });
        let careful: Vec<&Rule> = careful.collect();
        assert!(careful.len() >= 3);
        assert!(careful.iter().all(|rule| rule.when == When::Tagged), "{careful:?}");
    }

    #[test]
    fn names_make_a_policy_narrower() {
        let narrow = Narrow {
            keys: vec!["arn:aws:kms:eu-west-1:1:key/a".to_owned()],
            parameters: vec!["/web/stable".to_owned()],
        };
        let made = policy(&[Purpose::Encrypt, Purpose::Channel], "aws-cn", &narrow);
        assert_eq!(made["Statement"][0]["Resource"], json!(["arn:aws:kms:eu-west-1:1:key/a"]));
        assert_eq!(made["Statement"][1]["Resource"], json!(["arn:aws-cn:ssm:*:*:parameter/web/stable"]));
    }

    #[test]
    fn samples_are_whole_names() {
        for rule in RULES {
            for sample in rule.samples("eu-west-1", "123456789012") {
                assert!(sample.starts_with("arn:aws:"), "{sample}");
                assert!(
                    !["PARTITION", "REGION", "ACCOUNT", "*"].iter().any(|word| sample.contains(word)),
                    "{sample}"
                );
            }
        }
        let upload = RULES.iter().find(|rule| rule.sid == "Upload").unwrap();
        assert_eq!(
            upload.samples("us-gov-west-1", "1"),
            ["arn:aws-us-gov:ec2:us-gov-west-1::snapshot/snap-0123456789abcdef0"]
        );
    }
}
