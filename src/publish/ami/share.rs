//! Who may use an AMI and its snapshots.
use super::find::Image;
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::{Cx, Look, Sight},
};
use aws_sdk_ec2::types::{
    CreateVolumePermission, CreateVolumePermissionModifications, ImageAttributeName, LaunchPermission,
    LaunchPermissionModifications, PermissionGroup, SnapshotAttributeName,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// Who may use an image besides its owner.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Audience {
    /// Everybody.
    pub public: bool,
    /// Accounts, by their twelve digits.
    pub accounts: BTreeSet<String>,
    /// Organisations, by ARN.
    pub organizations: BTreeSet<String>,
    /// Organisational units, by ARN.
    pub units: BTreeSet<String>,
}

impl Audience {
    /// Whether nobody but the owner may use it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all of this can be meant.
    pub fn check(&self) -> Result<(), AwsError> {
        let usage = |what: String, form: &str| {
            Err(AwsError::new(AwsErrorKind::Usage, format!("share with {what}")).because(form.to_owned()))
        };
        for account in &self.accounts {
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return usage(format!("the account `{account}`"), "an account is twelve digits");
            }
        }
        for (arns, kind, what) in
            [(&self.organizations, ":organization/o-", "organisation"), (&self.units, ":ou/o-", "unit")]
        {
            for arn in arns {
                if !arn.starts_with("arn:") || !arn.contains(":organizations:") || !arn.contains(kind) {
                    let form = format!("its ARN is `arn:aws:organizations::ACCOUNT{kind}…`");
                    return usage(format!("the {what} `{arn}`"), &form);
                }
            }
        }
        Ok(())
    }

    fn without(&self, known: &Self) -> Self {
        let less = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect();
        Self {
            public: self.public && !known.public,
            accounts: less(&self.accounts, &known.accounts),
            organizations: less(&self.organizations, &known.organizations),
            units: less(&self.units, &known.units),
        }
    }

    /// For people.
    pub fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if self.public {
            words.push("everybody".to_owned());
        }
        words.extend(self.accounts.iter().map(|account| format!("account {account}")));
        words.extend(self.organizations.iter().chain(&self.units).cloned());
        if words.is_empty() { "nobody else".to_owned() } else { words.join(", ") }
    }

    fn launch(&self) -> Vec<LaunchPermission> {
        let new = LaunchPermission::builder;
        let mut all = Vec::new();
        if self.public {
            all.push(new().group(PermissionGroup::All).build());
        }
        all.extend(self.accounts.iter().map(|id| new().user_id(id).build()));
        all.extend(self.organizations.iter().map(|arn| new().organization_arn(arn).build()));
        all.extend(self.units.iter().map(|arn| new().organizational_unit_arn(arn).build()));
        all
    }

    /// Snapshots cannot be shared with organisations
    /// ([Share a snapshot](https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html)).
    fn for_snapshots(&self) -> Self {
        Self { public: self.public, accounts: self.accounts.clone(), ..Self::default() }
    }

    fn volume(&self) -> Vec<CreateVolumePermission> {
        let new = CreateVolumePermission::builder;
        let mut all = Vec::new();
        if self.public {
            all.push(new().group(PermissionGroup::All).build());
        }
        all.extend(self.accounts.iter().map(|id| new().user_id(id).build()));
        all
    }
}

/// Who may launch the AMI `id` of the session's region.
pub async fn audience(aws: &Aws, id: &str) -> Result<Audience, AwsError> {
    let answer = aws
        .ec2()
        .describe_image_attribute()
        .image_id(id)
        .attribute(ImageAttributeName::LaunchPermission)
        .send()
        .await
        .map_err(|error| {
            let attempt = format!("see who may use `{id}` in {}", aws.region());
            AwsError::of(attempt, "DescribeImageAttribute", error)
        })?;
    let mut audience = Audience::default();
    for permission in answer.launch_permissions() {
        audience.public |= permission.group() == Some(&PermissionGroup::All);
        audience.accounts.extend(permission.user_id().map(ToOwned::to_owned));
        audience.organizations.extend(permission.organization_arn().map(ToOwned::to_owned));
        audience.units.extend(permission.organizational_unit_arn().map(ToOwned::to_owned));
    }
    Ok(audience)
}

async fn snapshot_audience(aws: &Aws, id: &str) -> Result<Audience, AwsError> {
    let answer = aws
        .ec2()
        .describe_snapshot_attribute()
        .snapshot_id(id)
        .attribute(SnapshotAttributeName::CreateVolumePermission)
        .send()
        .await
        .map_err(|error| {
            let attempt = format!("see who may use the snapshot `{id}` in {}", aws.region());
            AwsError::of(attempt, "DescribeSnapshotAttribute", error)
        })?;
    let mut audience = Audience::default();
    for permission in answer.create_volume_permissions() {
        audience.public |= permission.group() == Some(&PermissionGroup::All);
        audience.accounts.extend(permission.user_id().map(ToOwned::to_owned));
    }
    Ok(audience)
}

/// Lets `wanted` use `ami`, and its snapshots when `snapshots` says so; reads back that it holds. What holds already is not asked for
/// again, and nothing is taken from anybody.
pub(super) async fn share(
    cx: &Cx,
    aws: &Aws,
    ami: &Image,
    wanted: &Audience,
    snapshots: bool,
    every: Duration,
) -> Result<(), AwsError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let missing = wanted.without(&audience(aws, &ami.id).await?);
    if !missing.is_empty() {
        let permission = LaunchPermissionModifications::builder().set_add(Some(missing.launch())).build();
        aws.ec2()
            .modify_image_attribute()
            .image_id(&ami.id)
            .launch_permission(permission)
            .send()
            .await
            .map_err(|error| {
                let attempt = format!("share `{}` in {} with {}", ami.id, ami.region, missing.words());
                hinted(AwsError::of(attempt, "ModifyImageAttribute", error), &ami.region)
            })?;
        holds(cx, &format!("`{}`", ami.id), wanted, every, async || audience(aws, &ami.id).await).await?;
    }
    let wanted = wanted.for_snapshots();
    if !snapshots || wanted.is_empty() {
        return Ok(());
    }
    for id in &ami.snapshots {
        let missing = wanted.without(&snapshot_audience(aws, id).await?);
        if missing.is_empty() {
            continue;
        }
        let permission =
            CreateVolumePermissionModifications::builder().set_add(Some(missing.volume())).build();
        aws.ec2()
            .modify_snapshot_attribute()
            .snapshot_id(id)
            .attribute(SnapshotAttributeName::CreateVolumePermission)
            .create_volume_permission(permission)
            .send()
            .await
            .map_err(|error| {
                let attempt = format!("share the snapshot `{id}` in {} with {}", ami.region, missing.words());
                AwsError::of(attempt, "ModifySnapshotAttribute", error)
            })?;
        holds(cx, &format!("`{id}`"), &wanted, every, async || snapshot_audience(aws, id).await).await?;
    }
    Ok(())
}

/// Reads back until what was asked for holds: EC2's answers lag behind.
async fn holds(
    cx: &Cx,
    what: &str,
    wanted: &Audience,
    every: Duration,
    read: impl AsyncFn() -> Result<Audience, AwsError>,
) -> Result<(), AwsError> {
    const LIMIT: Duration = Duration::from_secs(120);
    let what = format!("{what} to be shared");
    cx.wait_for(&what, LIMIT, every, async || match read().await {
        Ok(now) => {
            let missing = wanted.without(&now);
            if missing.is_empty() {
                Look::Ready(())
            } else {
                Look::NotYet(vec![Sight::no(missing.words(), "")])
            }
        }
        Err(error) => Look::Hopeless(error.into()),
    })
    .await
    .map_err(AwsError::from)
}

fn hinted(error: AwsError, region: &str) -> AwsError {
    match error.code() {
        Some("ResourceLimitExceeded") => error.hint(format!(
            "raise the quota \"Public AMIs\" of Amazon EC2 in {region} (Service Quotas), or retire old images with `goldsmith ami gc`"
        )),
        Some("OperationNotPermitted") => error.hint(
            "the account's block of public access may forbid it: `--lift-public-access-block` takes it away",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_meant_is_shared_with() {
        let with = |account: &str, organization: &str| Audience {
            accounts: BTreeSet::from([account.to_owned()]),
            organizations: BTreeSet::from([organization.to_owned()]),
            ..Audience::default()
        };
        let org = "arn:aws:organizations::123456789012:organization/o-abc123";
        with("123456789012", org).check().unwrap();
        assert!(with("12345678901", org).check().is_err());
        assert!(with("123456789012", "o-abc123").check().is_err());
        let unit = Audience { units: BTreeSet::from([org.to_owned()]), ..Audience::default() };
        assert!(unit.check().is_err(), "an organisation is no unit");
    }
}
