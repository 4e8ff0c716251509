//! The AMI that a build starts from.
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    driver::{KeptImage, KeptKind},
    plan::{AmiFilter, AmiSourcePlan},
    value::Arch,
};
use aws_sdk_ec2::types::{DeviceType, Filter, Image, ImageState};

/// Amazon's name for it.
pub(super) const fn architecture(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x86_64",
        Arch::Aarch64 => "arm64",
    }
}

/// Finds the one AMI that is meant, and looks whether an instance can start from it.
pub(super) async fn image(aws: &Aws, source: &AmiSourcePlan, arch: Arch) -> Result<KeptImage, AwsError> {
    let found = match source {
        AmiSourcePlan::Id(id) => by_id(aws, id).await?,
        AmiSourcePlan::Ssm(name) => by_id(aws, &parameter(aws, name).await?).await?,
        AmiSourcePlan::Found(filter) => by_filter(aws, filter, arch).await?,
    };
    usable(aws, &found, arch)?;
    Ok(kept(aws, &found))
}

/// As others see it.
pub(super) fn kept(aws: &Aws, image: &Image) -> KeptImage {
    let id = image.image_id().unwrap_or_default();
    let name = image.name().unwrap_or_default();
    let owner = image.image_owner_alias().or(image.owner_id()).unwrap_or("nobody known");
    let made = image.creation_date().unwrap_or_default().split('T').next().unwrap_or_default();
    let devices = image.block_device_mappings().iter();
    KeptImage {
        kind: KeptKind::Ami,
        id: id.to_owned(),
        place: aws.region().to_owned(),
        name: name.to_owned(),
        disks: devices.filter_map(|device| Some(device.ebs()?.snapshot_id()?.to_owned())).collect(),
        description: format!("{id} `{name}` of {owner}, made on {made}, in {}", aws.region()),
    }
}

/// What an AMI is for.
pub(super) async fn architecture_of(aws: &Aws, id: &str) -> Result<Arch, AwsError> {
    let found = by_id(aws, id).await?;
    let name = found.architecture().map(|architecture| architecture.as_str());
    [Arch::X86_64, Arch::Aarch64].into_iter().find(|arch| Some(architecture(*arch)) == name).ok_or_else(
        || {
            let why = match name {
                Some(name) => format!("it is for {name}"),
                None => "EC2 does not say which architecture it is for".to_owned(),
            };
            AwsError::new(AwsErrorKind::Usage, format!("start from the AMI `{id}` in {}", aws.region()))
                .because(why)
        },
    )
}

async fn by_id(aws: &Aws, id: &str) -> Result<Image, AwsError> {
    let attempt = || format!("look at the AMI `{id}` in {}", aws.region());
    let answer =
        aws.ec2()
            .describe_images()
            .image_ids(id)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeImages", error))
            .map_err(|error| match error.kind() {
                AwsErrorKind::NotFound => error
                    .hint("AMIs have another id in each region, and some are shared with some accounts only"),
                _ => error,
            })?;
    answer.images().first().cloned().ok_or_else(|| {
        AwsError::new(AwsErrorKind::NotFound, attempt())
            .because("there is none, or it is not shared with this account")
            .hint("AMIs have another id in each region")
    })
}

/// The AMI's id in a parameter. Some parameters of Amazon's hold JSON with an `image_id`.
async fn parameter(aws: &Aws, name: &str) -> Result<String, AwsError> {
    let attempt = || format!("read the parameter `{name}` in {}", aws.region());
    let answer = aws
        .ssm()
        .get_parameter()
        .name(name)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "GetParameter", error))
        .map_err(|error| match error.kind() {
            AwsErrorKind::NotFound => error.hint(format!(
                "`aws ssm get-parameters-by-path --recursive --path {}` lists what is there",
                name.rsplit_once('/').map_or("/", |(folder, _)| folder)
            )),
            _ => error,
        })?;
    let value = answer.parameter().and_then(|found| found.value()).unwrap_or_default().trim();
    let inner = serde_json::from_str::<serde_json::Value>(value)
        .ok()
        .and_then(|json| json.get("image_id")?.as_str().map(ToOwned::to_owned));
    let id = inner.unwrap_or_else(|| value.to_owned());
    if !id.starts_with("ami-") {
        return Err(AwsError::new(AwsErrorKind::Usage, attempt())
            .because(format!("it holds `{}`, which is not the id of an AMI", id.escape_debug())));
    }
    Ok(id)
}

async fn by_filter(aws: &Aws, wanted: &AmiFilter, arch: Arch) -> Result<Image, AwsError> {
    let described = describe(wanted);
    let attempt = || format!("find an AMI with {described} in {}", aws.region());
    let mut filters: Vec<Filter> = wanted
        .filters
        .iter()
        .map(|(name, values)| Filter::builder().name(name).set_values(Some(values.clone())).build())
        .collect();
    let usual = [("architecture", architecture(arch)), ("root-device-type", "ebs"), ("state", "available")];
    for (name, value) in usual {
        if !wanted.filters.contains_key(name) {
            filters.push(Filter::builder().name(name).values(value).build());
        }
    }
    let mut pages = aws
        .ec2()
        .describe_images()
        .set_owners((!wanted.owners.is_empty()).then(|| wanted.owners.clone()))
        .set_filters(Some(filters))
        .into_paginator()
        .send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::of(attempt(), "DescribeImages", error))?;
        found.extend(page.images.unwrap_or_default());
    }
    if found.len() > 1 && !wanted.most_recent {
        let names: Vec<&str> = found.iter().filter_map(|image| image.name()).take(3).collect();
        return Err(AwsError::new(AwsErrorKind::Usage, attempt())
            .because(format!("there are {}, such as {}", found.len(), names.join(", ")))
            .hint("say more about it, or take the newest with `most-recent = true`"));
    }
    // Dates are written so that they sort.
    found.into_iter().max_by(|a, b| a.creation_date().cmp(&b.creation_date())).ok_or_else(|| {
        AwsError::new(AwsErrorKind::NotFound, attempt()).because(format!("there is none for {arch}")).hint(
            "`aws ec2 describe-images` with the same filters shows what is there; `*` and `?` are wildcards",
        )
    })
}

fn describe(wanted: &AmiFilter) -> String {
    let mut words: Vec<String> =
        wanted.filters.iter().map(|(name, values)| format!("{name} `{}`", values.join("` or `"))).collect();
    if !wanted.owners.is_empty() {
        words.push(format!("owner {}", wanted.owners.join(" or ")));
    }
    words.join(", ")
}

fn usable(aws: &Aws, image: &Image, arch: Arch) -> Result<(), AwsError> {
    let id = image.image_id().unwrap_or_default();
    let refused = |why: String| {
        AwsError::new(AwsErrorKind::Usage, format!("start from the AMI `{id}` in {}", aws.region()))
            .because(why)
    };
    if let Some(state) = image.state()
        && *state != ImageState::Available
    {
        let reason = image.state_reason().and_then(|reason| reason.message()).unwrap_or("no reason is told");
        return Err(refused(format!("it is {} ({reason})", state.as_str())));
    }
    if let Some(found) = image.architecture()
        && found.as_str() != architecture(arch)
    {
        return Err(refused(format!("it is for {}, and the build is for {arch}", found.as_str()))
            .hint("`arch` of the definition says what the build is for"));
    }
    if image.root_device_type() == Some(&DeviceType::InstanceStore) {
        return Err(refused("its root is in an instance store, which EC2 has retired".to_owned())
            .hint("start from an AMI whose root is in EBS, which all of today's are"));
    }
    Ok(())
}
