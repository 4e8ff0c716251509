//! Who uses which AMIs in a region: instances, launch templates, parameters.
use crate::aws::{Aws, AwsError};
use aws_sdk_ec2::types::{Instance, InstanceStateName};
use aws_sdk_ssm::types::{ParameterStringFilter, ParameterType};
use std::collections::{BTreeMap, BTreeSet};

/// AMIs in use, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage(BTreeMap<String, BTreeSet<String>>);

impl Usage {
    /// Notes that `who` uses the AMI `id`.
    pub fn add(&mut self, id: &str, who: impl Into<String>) {
        self.0.entry(id.to_owned()).or_default().insert(who.into());
    }

    /// One user of the AMI `id`, and how many more there are.
    pub fn of(&self, id: &str) -> Option<String> {
        let users = self.0.get(id)?;
        let first = users.first()?;
        Some(match users.len() - 1 {
            0 => first.clone(),
            more => format!("{first} and {more} more"),
        })
    }
}

/// What is used in the session's region. Auto Scaling groups use launch templates; launch configurations, which Amazon is retiring, are
/// not looked at. An error means that it is not known, and then nothing may be removed.
pub async fn usage(aws: &Aws) -> Result<Usage, AwsError> {
    let mut used = Usage::default();
    instances(aws, &mut used).await?;
    templates(aws, &mut used).await?;
    parameters(aws, &mut used).await?;
    Ok(used)
}

async fn instances(aws: &Aws, used: &mut Usage) -> Result<(), AwsError> {
    let attempt = || format!("see which instances there are in {}", aws.region());
    let mut pages = aws.ec2().describe_instances().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::of(attempt(), "DescribeInstances", error))?;
        let all = page.reservations().iter().flat_map(|reservation| reservation.instances());
        for instance in all.filter(|instance| !is_over(instance)) {
            if let (Some(image), Some(id)) = (instance.image_id(), instance.instance_id()) {
                used.add(image, format!("the instance {id}"));
            }
        }
    }
    Ok(())
}

fn is_over(instance: &Instance) -> bool {
    instance.state().and_then(|state| state.name()) == Some(&InstanceStateName::Terminated)
}

/// Every version counts: an Auto Scaling group may use an old one.
async fn templates(aws: &Aws, used: &mut Usage) -> Result<(), AwsError> {
    let attempt = || format!("see which launch templates there are in {}", aws.region());
    let templates = aws
        .ec2()
        .describe_launch_templates()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeLaunchTemplates", error))?;
    for template in templates {
        let (Some(id), name) = (template.launch_template_id(), template.launch_template_name()) else {
            continue;
        };
        let versions = aws
            .ec2()
            .describe_launch_template_versions()
            .launch_template_id(id)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeLaunchTemplateVersions", error))?;
        for version in versions {
            if let Some(image) = version.launch_template_data().and_then(|data| data.image_id()) {
                used.add(image, format!("the launch template {}", name.unwrap_or(id)));
            }
        }
    }
    Ok(())
}

/// Parameters with an AMI's id as value, whatever their type.
async fn parameters(aws: &Aws, used: &mut Usage) -> Result<(), AwsError> {
    /// The most that one call takes.
    const AT_ONCE: usize = 10;
    let attempt = || format!("see which parameters there are in {}", aws.region());
    let plain = ParameterStringFilter::builder()
        .key("Type")
        .values(ParameterType::String.as_str())
        .build()
        .map_err(|error| AwsError::new(crate::aws::AwsErrorKind::Other, attempt()).because(error))?;
    let mut names: Vec<String> = Vec::new();
    let mut pages = aws.ssm().describe_parameters().parameter_filters(plain).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::of(attempt(), "DescribeParameters", error))?;
        names
            .extend(page.parameters().iter().filter_map(|parameter| parameter.name().map(ToOwned::to_owned)));
    }
    for some in names.chunks(AT_ONCE) {
        let answer = aws
            .ssm()
            .get_parameters()
            .set_names(Some(some.to_vec()))
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "GetParameters", error))?;
        for parameter in answer.parameters() {
            let (name, value) = (parameter.name().unwrap_or("?"), parameter.value().unwrap_or_default());
            if value.starts_with("ami-") {
                used.add(value.trim(), format!("the parameter {name}"));
            }
        }
    }
    Ok(())
}
