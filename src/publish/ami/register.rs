//! RegisterImage, so that doing it twice makes one image.
use super::{parent, spec};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, Kind, SNAPSHOT, Tags, resource},
    cx::{Cx, Look, Sight, Undo, UndoHandle, UndoLog},
    plan::AmiPlan,
    publish::ebs,
};
use aws_sdk_ec2::types::{Filter, Image, ImageState};
use serde::Serialize;
use std::time::Duration;

/// The longest that a registered AMI may take until it can be used; minutes as a rule.
const LIMIT: Duration = Duration::from_secs(3600);
/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// A new AMI may be unknown to other servers of the service for so long.
const UNKNOWN_FOR: Duration = Duration::from_secs(120);

/// An AMI that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ami {
    /// `ami-…`
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub region: String,
    /// What it was made of.
    pub snapshot: String,
}

/// Looks whether `ami` can be made, before anything is: its values, its files, its name. With `snapshot`, an AMI of that name is fine
/// when it is of that snapshot.
pub async fn check(aws: &Aws, ami: &AmiPlan, snapshot: Option<&str>) -> Result<(), AwsError> {
    spec::check(ami, None)?;
    spec::uefi_data(ami).await?;
    existing(aws, ami, snapshot).await.map(drop)
}

/// Whether AMIs can be made with this session, before anything is: credentials, permissions, values, names. Returns the account's id.
/// The disk will have at least `disk_bytes`.
pub async fn preflight(aws: &Aws, amis: &[AmiPlan], disk_bytes: u64) -> Result<String, AwsError> {
    let attempt = || format!("use the Amazon account in {}", aws.region());
    let who = aws
        .sts()
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "GetCallerIdentity", error))?;
    for ami in amis {
        check(aws, ami, None).await?;
        parent::base(aws, ami, Some(disk_bytes)).await?;
        permitted(aws, ami).await?;
    }
    Ok(who.account.unwrap_or_default())
}

/// Asks without doing it. Only a refusal counts: whatever else is wrong may be so because there is no snapshot yet.
async fn permitted(aws: &Aws, ami: &AmiPlan) -> Result<(), AwsError> {
    const NO_SNAPSHOT: &str = "snap-00000000000000000";
    let attempt = || format!("register AMIs in {}", aws.region());
    let call = spec::request(aws, ami, NO_SNAPSHOT, &Tags::default().and(&ami.tags)).await?;
    match call.dry_run(true).send().await.map_err(|error| AwsError::of(attempt(), "RegisterImage", error)) {
        Err(error) if matches!(error.kind(), AwsErrorKind::Permission | AwsErrorKind::Auth) => Err(error),
        _ => Ok(()),
    }
}

/// Makes an AMI of a snapshot that is completed, or finds the one that was made before. With the undo entry of one that was made now.
pub async fn register(
    cx: &Cx,
    aws: &Aws,
    undo: &UndoLog,
    ami: &AmiPlan,
    snapshot: &str,
    tags: &Tags,
) -> Result<(Ami, Option<UndoHandle>), AwsError> {
    let made = |id: String| Ami {
        id,
        name: ami.name.clone(),
        region: aws.region().to_owned(),
        snapshot: snapshot.to_owned(),
    };
    let tags = tags.clone().and(&ami.tags).with(SNAPSHOT, snapshot);
    if let Some(id) = existing(aws, ami, Some(snapshot)).await? {
        cx.events().notice(format!("the AMI `{}` was registered before as {id}", ami.name));
        available(cx, aws, &id, &tags).await?;
        return Ok((made(id), None));
    }
    let attempt = || format!("register the AMI `{}` in {}", ami.name, aws.region());
    let handle = undo.plan(ebs::image_of(aws, snapshot))?;
    let call = spec::request(aws, ami, snapshot, &tags).await?;
    let answered = call.send().await.map_err(|error| AwsError::of(attempt(), "RegisterImage", error));
    let id = match answered {
        Ok(answer) => answer.image_id.ok_or_else(|| {
            AwsError::new(AwsErrorKind::Other, attempt()).because("RegisterImage answered without an id")
        })?,
        // The SDK repeats calls: an answer that was lost on the way makes the next say that the name is taken, by ourselves.
        Err(error) if error.kind() == AwsErrorKind::Exists => {
            existing(aws, ami, Some(snapshot)).await?.ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    undo.resolve(handle, Undo::Resource(resource(aws, Kind::Image, &id)))?;
    available(cx, aws, &id, &tags).await?;
    Ok((made(id), Some(handle)))
}

/// Our own AMI of this name, when it is of `snapshot`; an error when it is of another.
async fn existing(aws: &Aws, ami: &AmiPlan, snapshot: Option<&str>) -> Result<Option<String>, AwsError> {
    let attempt = || format!("look for an AMI called `{}` in {}", ami.name, aws.region());
    let answer = aws
        .ec2()
        .describe_images()
        .owners("self")
        .include_disabled(true)
        .include_deprecated(true)
        .filters(Filter::builder().name("name").values(escaped(&ami.name)).build())
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeImages", error))?;
    let Some(image) = answer.images().iter().find(|image| image.name() == Some(&ami.name)) else {
        return Ok(None);
    };
    let id = image.image_id().unwrap_or_default();
    if snapshot.is_some_and(|snapshot| is_of(image, snapshot)) {
        return Ok(Some(id.to_owned()));
    }
    let error =
        AwsError::new(AwsErrorKind::Exists, format!("make the AMI `{}` in {}", ami.name, aws.region()))
            .because(format!("{id} has that name already, and is made of another snapshot"));
    Err(error.hint(format!(
        "choose another name, or remove the old one: `aws ec2 deregister-image --region {} --image-id {id}`",
        aws.region()
    )))
}

/// `*`, `?` and `\` have a meaning in filters; names have none of them but might in future.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?")
}

fn is_of(image: &Image, snapshot: &str) -> bool {
    let mapped = image
        .block_device_mappings()
        .iter()
        .any(|device| device.ebs().and_then(|ebs| ebs.snapshot_id()) == Some(snapshot));
    mapped || image.tags().iter().any(|tag| tag.key() == Some(SNAPSHOT) && tag.value() == Some(snapshot))
}

/// Waits until an AMI can be used, and gives it the tags that it should have been made with: servers that are not Amazon's forget them.
async fn available(cx: &Cx, aws: &Aws, id: &str, tags: &Tags) -> Result<(), AwsError> {
    let what = format!("the AMI `{id}` in {}", aws.region());
    let attempt = || format!("look at the AMI `{id}` in {}", aws.region());
    let begun = tokio::time::Instant::now();
    let look = || async {
        let answer = aws.ec2().describe_images().image_ids(id).include_disabled(true).send().await;
        let answer = match answer.map_err(|error| AwsError::of(attempt(), "DescribeImages", error)) {
            Ok(answer) => answer,
            Err(error) if error.kind() == AwsErrorKind::NotFound && begun.elapsed() < UNKNOWN_FOR => {
                return Look::NotYet(vec![Sight::no("known", "not yet")]);
            }
            Err(error) if matches!(error.kind(), AwsErrorKind::Throttled | AwsErrorKind::Unavailable) => {
                return Look::NotYet(vec![Sight::unknown("state", error.to_string())]);
            }
            Err(error) => return Look::Hopeless(Box::new(error)),
        };
        let Some(image) = answer.images().first() else {
            return Look::NotYet(vec![Sight::no("known", "not yet")]);
        };
        let why = image.state_reason().and_then(|reason| reason.message()).unwrap_or_default().to_owned();
        match image.state() {
            Some(ImageState::Available) => Look::Ready(image.clone()),
            Some(state @ (ImageState::Pending | ImageState::Transient)) => {
                Look::NotYet(vec![Sight::no(state.as_str(), why)])
            }
            Some(state) => Look::Hopeless(format!("it is {}: {why}", state.as_str()).into()),
            None => Look::NotYet(vec![Sight::no("state", "not said")]),
        }
    };
    let image = cx.wait_for(&what, LIMIT, EVERY, look).await?;
    let has = |key: &str| image.tags().iter().any(|tag| tag.key() == Some(key));
    if tags.iter().any(|(key, _)| !has(key)) {
        aws.ec2().create_tags().resources(id).set_tags(Some(tags.ec2())).send().await.map_err(|error| {
            AwsError::of(format!("tag the AMI `{id}` in {}", aws.region()), "CreateTags", error)
        })?;
    }
    Ok(())
}
