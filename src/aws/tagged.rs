//! Things whose id nobody knows yet: they are found by their tags.
//!
//! A process that dies between asking for a thing and hearing the answer knows no id of it. The tags are on the thing from its first
//! moment, so undo data may name these instead.
use super::{Aws, AwsError, BUILD, Kind, resource};
use crate::cx::{BuildId, ResourceRef};
use aws_sdk_ec2::types::Filter;
use std::{collections::BTreeMap, time::Duration};

/// The tag that tells the things of one build apart: `build`, `proof`.
pub const ROLE: &str = "goldsmith:role";

/// What was made a moment ago is not in every answer yet
/// ([eventual consistency](https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html)).
const LOOKS: u32 = 3;
/// Between two looks.
const BETWEEN: Duration = Duration::from_secs(2);

/// Undo data for whatever is of this kind and carries the tags of this build and this role.
pub fn tagged(aws: &Aws, kind: Kind, build: &BuildId, role: &str) -> ResourceRef {
    let mut made = resource(aws, kind, format!("goldsmith-{build}-{role}"));
    let tags = [("tagged-build", build.to_string()), ("tagged-role", role.to_owned())];
    made.details.extend(tags.map(|(key, value)| (key.to_owned(), value)));
    made
}

/// The tags to look for, when undo data names no id.
pub(super) fn sought(details: &BTreeMap<String, String>) -> Option<[(&'static str, &str); 2]> {
    Some([(BUILD, details.get("tagged-build")?), (ROLE, details.get("tagged-role")?)])
}

/// Ids of all that is of this kind and has these tags.
pub(super) async fn find(
    aws: &Aws,
    kind: Kind,
    tags: &[(&str, &str)],
    hurried: bool,
) -> Result<Vec<String>, AwsError> {
    for look in 1.. {
        let found = once(aws, kind, tags).await?;
        if !found.is_empty() || look >= LOOKS || hurried {
            return Ok(found);
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(Vec::new())
}

async fn once(aws: &Aws, kind: Kind, tags: &[(&str, &str)]) -> Result<Vec<String>, AwsError> {
    let ec2 = aws.ec2();
    let filters = || -> Vec<Filter> {
        tags.iter()
            .map(|(key, value)| Filter::builder().name(format!("tag:{key}")).values(*value).build())
            .collect()
    };
    let attempt = || format!("look for a {} of the build in {}", kind.name(), aws.region());
    let all = |ids: Vec<Option<&str>>| ids.into_iter().flatten().map(ToOwned::to_owned).collect();
    Ok(match kind {
        Kind::Instance => {
            let answer = ec2.describe_instances().set_filters(Some(filters())).send().await;
            let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeInstances", error))?;
            let instances = answer.reservations().iter().flat_map(|reservation| reservation.instances());
            all(instances.map(|instance| instance.instance_id()).collect())
        }
        Kind::SpotRequest => {
            let answer = ec2.describe_spot_instance_requests().set_filters(Some(filters())).send().await;
            let answer =
                answer.map_err(|error| AwsError::of(attempt(), "DescribeSpotInstanceRequests", error))?;
            let requests = answer.spot_instance_requests().iter();
            all(requests.map(|request| request.spot_instance_request_id()).collect())
        }
        Kind::Volume => {
            let answer = ec2.describe_volumes().set_filters(Some(filters())).send().await;
            let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeVolumes", error))?;
            all(answer.volumes().iter().map(|volume| volume.volume_id()).collect())
        }
        Kind::Snapshot => {
            let answer = ec2.describe_snapshots().owner_ids("self").set_filters(Some(filters())).send().await;
            let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeSnapshots", error))?;
            all(answer.snapshots().iter().map(|snapshot| snapshot.snapshot_id()).collect())
        }
        Kind::Image => {
            let answer = ec2.describe_images().owners("self").set_filters(Some(filters())).send().await;
            let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeImages", error))?;
            all(answer.images().iter().map(|image| image.image_id()).collect())
        }
        Kind::SecurityGroup => {
            let answer = ec2.describe_security_groups().set_filters(Some(filters())).send().await;
            let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeSecurityGroups", error))?;
            all(answer.security_groups().iter().map(|group| group.group_id()).collect())
        }
        // These have names of our own choosing, or tags of their own.
        Kind::KeyPair | Kind::Object | Kind::Upload | Kind::ImageOf | Kind::PublicLeave => Vec::new(),
    })
}

/// Ids of all things of this kind that carry the tags of this build and this role.
pub async fn of_role(aws: &Aws, kind: Kind, build: &BuildId, role: &str) -> Result<Vec<String>, AwsError> {
    once(aws, kind, &[(BUILD, build.as_str()), (ROLE, role)]).await
}

/// Ids of all things of this kind that carry the tag of this build.
pub async fn of_build(aws: &Aws, kind: Kind, build: &BuildId) -> Result<Vec<String>, AwsError> {
    once(aws, kind, &[(BUILD, build.as_str())]).await
}
