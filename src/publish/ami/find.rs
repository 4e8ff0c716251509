//! AMIs as they are: found by id, by name, or all of an account's own in a region.
use crate::aws::{Aws, AwsError, AwsErrorKind};
use aws_sdk_ec2::types::{self as ec2, Filter, Tag};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An AMI in its region.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// Where it is.
    pub region: String,
    /// Its name: unique among an account's own in a region.
    pub name: String,
    /// What its maker says about it.
    pub description: Option<String>,
    /// `pending`, `available`, `failed`, …
    pub state: String,
    /// Why it is in that state, if the service says so.
    pub reason: Option<String>,
    /// `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// `hvm`, or `paravirtual` for very old ones.
    pub virtualization: Option<String>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The account that owns it.
    pub owner: Option<String>,
    /// Whether everybody may use it.
    pub public: bool,
    /// From when on it is not offered any more.
    pub deprecated: Option<String>,
    /// Whether it is protected from deregistration, in EC2's words.
    pub protection: Option<String>,
    /// When an instance was last launched from it; the service tells it a day late.
    pub launched: Option<String>,
    /// The image it is a copy of, as far as EC2 or our tag knows.
    pub copy_of: Option<String>,
    /// Its snapshots, the root device's first.
    pub snapshots: Vec<String>,
    /// Whether any of them is encrypted.
    pub encrypted: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The tag of a copy with the region and id of its source, as `us-east-1:ami-…`.
pub(super) const SOURCE: &str = "goldsmith:source";

impl Image {
    pub(super) fn of(region: &str, image: &ec2::Image) -> Self {
        let root = image.root_device_name();
        let mut disks: Vec<_> =
            image.block_device_mappings().iter().filter_map(|device| Some((device, device.ebs()?))).collect();
        disks.sort_by_key(|(device, _)| device.device_name() != root);
        let text = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(ToOwned::to_owned);
        let tags = tags(image.tags());
        Self {
            id: image.image_id().unwrap_or_default().to_owned(),
            region: region.to_owned(),
            name: image.name().unwrap_or_default().to_owned(),
            description: text(image.description()),
            state: image.state().map_or("unknown", |state| state.as_str()).to_owned(),
            reason: image.state_reason().and_then(|reason| text(reason.message().or(reason.code()))),
            architecture: text(image.architecture().map(|arch| arch.as_str())),
            virtualization: text(image.virtualization_type().map(|kind| kind.as_str())),
            boot_mode: text(image.boot_mode().map(|mode| mode.as_str())),
            created: image.creation_date().and_then(|date| date.parse().ok()),
            owner: text(image.owner_id()),
            public: image.public().unwrap_or_default(),
            deprecated: text(image.deprecation_time()),
            protection: text(image.deregistration_protection()),
            launched: text(image.last_launched_time()),
            copy_of: text(image.source_image_id()).or_else(|| {
                let source = tags.get(SOURCE)?;
                Some(source.rsplit(':').next().unwrap_or(source).to_owned())
            }),
            snapshots: disks
                .iter()
                .filter_map(|(_, disk)| disk.snapshot_id().map(ToOwned::to_owned))
                .collect(),
            encrypted: disks.iter().any(|(_, disk)| disk.encrypted() == Some(true)),
            tags,
        }
    }

    /// A name by its tag, else by what EC2 says: AlmaLinux and others write `aarch64` where EC2 writes `arm64`.
    pub fn arch(&self) -> Option<&str> {
        self.tags.get("Architecture").map(String::as_str).or(self.architecture.as_deref())
    }
}

pub(super) fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .collect()
}

/// Which of an account's own AMIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query<'a> {
    /// All of them, also those that are deprecated or disabled.
    All,
    /// Those of this name; `*` and `?` stand for any characters.
    Named(&'a str),
}

/// The account's own AMIs in the session's region, in the order of their names.
pub async fn own(aws: &Aws, query: Query<'_>) -> Result<Vec<Image>, AwsError> {
    let mut call = aws.ec2().describe_images().owners("self").include_deprecated(true).include_disabled(true);
    if let Query::Named(name) = query {
        call = call.filters(Filter::builder().name("name").values(name).build());
    }
    let images: Vec<ec2::Image> =
        call.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(|error| {
            AwsError::of(format!("list the AMIs in {}", aws.region()), "DescribeImages", error)
        })?;
    let mut found: Vec<Image> = images.iter().map(|image| Image::of(aws.region(), image)).collect();
    found.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(found)
}

/// The account's own AMI of exactly this name in the session's region, if there is one. What is gone but still listed does not count.
pub async fn named(aws: &Aws, name: &str) -> Result<Option<Image>, AwsError> {
    // A name may hold characters that a filter takes for patterns.
    let escaped: String = name
        .chars()
        .flat_map(|c| ["\\"].into_iter().filter(move |_| "*?\\".contains(c)).flat_map(str::chars).chain([c]))
        .collect();
    let found = own(aws, Query::Named(&escaped)).await?;
    Ok(found.into_iter().find(|ami| ami.name == name && ami.state != "deregistered"))
}

/// The AMI `id` in the session's region, whoever owns it.
pub async fn one(aws: &Aws, id: &str) -> Result<Image, AwsError> {
    let attempt = || format!("find the AMI `{id}` in {}", aws.region());
    if !id.starts_with("ami-") || !id[4..].chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(AwsError::new(AwsErrorKind::Usage, attempt()).because("that is no id of an AMI").hint(
            "an id is `ami-` and 8 or 17 hexadecimal digits; `goldsmith ami show 'NAME*'` finds ids by names",
        ));
    }
    let elsewhere =
        || format!("AMIs belong to one region: say which with `--region`; this was {}", aws.region());
    let answer =
        aws.ec2().describe_images().image_ids(id).include_deprecated(true).send().await.map_err(|error| {
            let error = AwsError::of(attempt(), "DescribeImages", error);
            if error.kind() == AwsErrorKind::NotFound { error.hint(elsewhere()) } else { error }
        })?;
    answer.images().first().map(|image| Image::of(aws.region(), image)).ok_or_else(|| {
        AwsError::new(AwsErrorKind::NotFound, attempt()).because("there is none").hint(elsewhere())
    })
}
