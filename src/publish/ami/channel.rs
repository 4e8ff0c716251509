//! Channels: parameters of Systems Manager that name the AMI of a release, in each region.
//!
//! A release is `set` to a channel such as `candidate`, the regions are read back and compared (`validate`), and then the same values go
//! to the next channel (`promote`), in all regions or in none.
use super::find::{self, Image};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, Tags},
    cx::{Cx, Look, Sight, causes},
};
use aws_sdk_ssm::types::{ParameterType, Tag};
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::Duration,
};

/// The type that lets Systems Manager check that an AMI exists, and EC2 take the parameter instead of an id
/// ([Native parameter support for AMIs](https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html)).
const DATA_TYPE: &str = "aws:ec2:image";

/// A parameter's name with `{channel}`, `{arch}` and `{name}` in it: `/myorg/{name}/{channel}/{arch}/image_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rest = text.to_owned();
        for word in ["{channel}", "{arch}", "{name}"] {
            rest = rest.replace(word, "x");
        }
        if !text.contains("{channel}") {
            return Err("write `{channel}` where the channel's name belongs".to_owned());
        }
        if rest.contains(['{', '}']) {
            return Err("only `{channel}`, `{arch}` and `{name}` stand for something".to_owned());
        }
        check_name(&rest)?;
        Ok(Self(text.to_owned()))
    }
}

/// What Systems Manager takes for a name
/// ([PutParameter](https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html)).
fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    let first = name.trim_start_matches('/').to_ascii_lowercase();
    if !name.starts_with('/') || name.ends_with('/') || name.contains("//") {
        Err("begin with `/`, and do not end with it".to_owned())
    } else if !name.chars().all(fits) {
        Err("letters, digits, `_`, `.`, `-` and `/` only".to_owned())
    } else if first.starts_with("aws") || first.starts_with("ssm") {
        Err("names that begin with `aws` or `ssm` belong to Amazon".to_owned())
    } else if name.split('/').count() > 16 {
        Err("fifteen levels at most".to_owned())
    } else {
        Ok(())
    }
}

/// Parameters of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// How they are called.
    pub pattern: Pattern,
    /// What stands for `{name}`.
    pub name: Option<String>,
    /// What stands for `{channel}`.
    pub channel: String,
}

impl Channel {
    /// The parameter for images of this architecture, in EC2's words.
    pub fn parameter(&self, arch: &str) -> Result<String, AwsError> {
        let usage = |why: String| AwsError::new(AwsErrorKind::Usage, "name the parameter").because(why);
        let Pattern(pattern) = &self.pattern;
        if pattern.contains("{name}") && self.name.is_none() {
            return Err(usage(format!("`{pattern}` has a `{{name}}`")).hint("say it with `--name`"));
        }
        let made = pattern
            .replace("{channel}", &self.channel)
            .replace("{arch}", arch)
            .replace("{name}", self.name.as_deref().unwrap_or_default());
        check_name(&made).map_err(|why| usage(format!("`{made}`: {why}")))?;
        Ok(made)
    }
}

/// How a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It names what it is to name.
    Same,
    /// It did not exist, and was made.
    Created,
    /// It named another AMI, and was changed.
    Changed,
    /// It does not exist.
    Missing,
    /// It names another AMI.
    Differs,
    /// It is no parameter for AMIs, or another parameter's type.
    WrongType,
    /// There is no AMI for it to name.
    NoImage,
    /// It could not be read or written.
    Failed,
}

impl Verdict {
    /// Whether nothing is left to do.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Same | Self::Created | Self::Changed)
    }
}

/// One parameter in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Slot {
    /// Where.
    pub region: String,
    /// Its name.
    pub parameter: String,
    /// The AMI that it is to name.
    pub wanted: Option<String>,
    /// The AMI that it named before.
    pub found: Option<String>,
    /// How it is.
    pub verdict: Verdict,
    /// Why, if it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error: Vec<String>,
}

impl Slot {
    fn failed(region: &str, parameter: &str, error: &AwsError) -> Self {
        Self {
            region: region.to_owned(),
            parameter: parameter.to_owned(),
            wanted: None,
            found: None,
            verdict: Verdict::Failed,
            error: causes(error),
        }
    }
}

/// Where the parameters are, and how hard to look for what they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Regions.
    pub regions: Vec<String>,
    /// A region without the image is an error; otherwise it is left alone.
    pub strict: bool,
}

/// A parameter as it is.
struct Found {
    value: String,
    data_type: Option<String>,
}

async fn read(aws: &Aws, name: &str) -> Result<Option<Found>, AwsError> {
    let attempt = || format!("read the parameter `{name}` in {}", aws.region());
    let answer = aws
        .ssm()
        .get_parameters()
        .names(name)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "GetParameters", error))?;
    Ok(answer.parameters().first().map(|parameter| Found {
        value: parameter.value().unwrap_or_default().to_owned(),
        data_type: parameter.data_type().map(ToOwned::to_owned),
    }))
}

/// Writes a parameter and waits until it can be read: Systems Manager looks for the AMI first, and drops the value when there is none.
async fn write(
    cx: &Cx,
    aws: &Aws,
    (name, value): (&str, &str),
    release: &str,
    exists: bool,
    every: Duration,
) -> Result<(), AwsError> {
    const LIMIT: Duration = Duration::from_secs(300);
    let attempt = || format!("set the parameter `{name}` in {} to `{value}`", aws.region());
    let mut call = aws
        .ssm()
        .put_parameter()
        .name(name)
        .value(value)
        .r#type(ParameterType::String)
        .data_type(DATA_TYPE)
        .description(release)
        .overwrite(exists);
    if !exists {
        // A parameter that exists keeps its tags: the call takes them for new ones only.
        for (key, value) in Tags::of(cx.id(), release).iter() {
            let tag = Tag::builder().key(key).value(value).build();
            call =
                call.tags(tag.map_err(|error| AwsError::new(AwsErrorKind::Other, attempt()).because(error))?);
        }
    }
    call.send().await.map_err(|error| AwsError::of(attempt(), "PutParameter", error))?;
    let what = format!("`{name}` in {} to be accepted", aws.region());
    cx.wait_for(&what, LIMIT, every, async || match read(aws, name).await {
        Ok(Some(found)) if found.value == value => Look::Ready(()),
        Ok(Some(found)) => Look::NotYet(vec![Sight::no("value", found.value)]),
        Ok(None) => Look::NotYet(vec![Sight::no("value", "none")]),
        Err(error) => Look::Hopeless(error.into()),
    })
    .await
    .map_err(|error| {
        AwsError::new(AwsErrorKind::Timeout, attempt())
            .because(error)
            .hint("Systems Manager refuses an AMI that it cannot find in that region, and says so to EventBridge only")
    })
}

/// EC2's word for the image's architecture.
fn arch(ami: &Image) -> Result<&str, AwsError> {
    match ami.architecture.as_deref().or(ami.arch()) {
        Some("aarch64") => Ok("arm64"),
        Some(arch) => Ok(arch),
        None => Err(AwsError::new(AwsErrorKind::Usage, "name the parameter")
            .because(format!("nothing says what `{}` was made for", ami.id))
            .hint("tag it: `Architecture` = `x86_64` or `arm64`")),
    }
}

/// What each parameter of `amis` in `places` is to name, and what it names.
async fn look(aws: &Aws, amis: &[Image], channel: &Channel, places: &Places) -> Result<Vec<Slot>, AwsError> {
    let mut wanted: BTreeMap<String, &Image> = BTreeMap::new();
    for ami in amis {
        let parameter = channel.parameter(arch(ami)?)?;
        if let Some(other) = wanted.insert(parameter.clone(), ami) {
            return Err(AwsError::new(AwsErrorKind::Usage, format!("let `{parameter}` name one AMI"))
                .because(format!("`{}` and `{}` would share it", other.id, ami.id))
                .hint("give the pattern an `{arch}`, or set one image at a time"));
        }
    }
    let mut asked: FuturesUnordered<_> = places
        .regions
        .iter()
        .flat_map(|region| wanted.iter().map(move |(parameter, ami)| (region, parameter, *ami)))
        .map(|(region, parameter, ami)| {
            let aws = aws.at(region);
            async move {
                slot(&aws, parameter, ami)
                    .await
                    .unwrap_or_else(|error| Slot::failed(region, parameter, &error))
            }
        })
        .collect();
    let mut slots = Vec::new();
    while let Some(slot) = asked.next().await {
        if slot.verdict != Verdict::NoImage || places.strict {
            slots.push(slot);
        }
    }
    slots.sort_by(|a, b| (&a.region, &a.parameter).cmp(&(&b.region, &b.parameter)));
    Ok(slots)
}

async fn slot(aws: &Aws, parameter: &str, ami: &Image) -> Result<Slot, AwsError> {
    let there =
        if ami.region == aws.region() { Some(ami.clone()) } else { find::named(aws, &ami.name).await? };
    let wanted = there.filter(|there| there.state == "available").map(|there| there.id);
    let found = read(aws, parameter).await?;
    let typed = found.as_ref().is_none_or(|found| found.data_type.as_deref() == Some(DATA_TYPE));
    let found = found.map(|found| found.value);
    let verdict = match (&wanted, &found) {
        (None, _) => Verdict::NoImage,
        (Some(_), None) => Verdict::Missing,
        (Some(wanted), Some(found)) if wanted != found => Verdict::Differs,
        _ if !typed => Verdict::WrongType,
        _ => Verdict::Same,
    };
    let (region, parameter) = (aws.region().to_owned(), parameter.to_owned());
    Ok(Slot { region, parameter, wanted, found, verdict, error: Vec::new() })
}

/// Compares the parameters of `amis` and their copies with what they are to be. Changes nothing.
pub async fn validate(
    aws: &Aws,
    amis: &[Image],
    channel: &Channel,
    places: &Places,
) -> Result<Vec<Slot>, AwsError> {
    look(aws, amis, channel, places).await
}

/// Lets the parameters name `amis`, and in other regions their copies. One that names another AMI is changed only if `overwrite` says
/// so; when there is such a one and it does not, nothing is written anywhere.
pub async fn set(
    cx: &Cx,
    aws: &Aws,
    amis: &[Image],
    channel: &Channel,
    places: &Places,
    overwrite: bool,
    every: Duration,
) -> Result<Vec<Slot>, AwsError> {
    let slots = look(aws, amis, channel, places).await?;
    let taken: Vec<String> = slots
        .iter()
        .filter(|slot| matches!(slot.verdict, Verdict::Differs | Verdict::WrongType))
        .map(|slot| {
            format!(
                "`{}` in {} names {}",
                slot.parameter,
                slot.region,
                slot.found.as_deref().unwrap_or("nothing")
            )
        })
        .collect();
    if !taken.is_empty() && !overwrite {
        return Err(AwsError::new(AwsErrorKind::Exists, format!("set the channel `{}`", channel.channel))
            .because(taken.join(", "))
            .hint("`--overwrite` changes parameters that exist; nothing was written"));
    }
    let releases: BTreeMap<String, &Image> =
        amis.iter().map(|ami| Ok((channel.parameter(arch(ami)?)?, ami))).collect::<Result<_, AwsError>>()?;
    let release = |parameter: &str| releases.get(parameter).map_or("", |ami| ami.name.as_str());
    written(cx, aws, slots, release, every).await
}

/// Writes all slots that are not as they should be, all at once.
async fn written<'a>(
    cx: &Cx,
    aws: &Aws,
    slots: Vec<Slot>,
    release: impl Fn(&str) -> &'a str,
    every: Duration,
) -> Result<Vec<Slot>, AwsError> {
    cx.check()?;
    let mut writing: FuturesUnordered<_> = slots
        .into_iter()
        .map(|mut slot| {
            let (aws, release) = (aws.at(&slot.region), release(&slot.parameter).to_owned());
            async move {
                let Some(wanted) = slot.wanted.clone() else { return slot };
                let to = match slot.verdict {
                    Verdict::Missing => Verdict::Created,
                    Verdict::Differs | Verdict::WrongType => Verdict::Changed,
                    _ => return slot,
                };
                let exists = to == Verdict::Changed;
                match write(cx, &aws, (&slot.parameter, &wanted), &release, exists, every).await {
                    Ok(()) => slot.verdict = to,
                    Err(error) => {
                        slot.verdict = Verdict::Failed;
                        slot.error = causes(&error);
                    }
                }
                slot
            }
        })
        .collect();
    let mut all = Vec::new();
    while let Some(slot) = writing.next().await {
        all.push(slot);
    }
    all.sort_by(|a, b| (&a.region, &a.parameter).cmp(&(&b.region, &b.parameter)));
    Ok(all)
}

/// Lets the parameters of `to` name what those of `from` name, for these architectures and in all of these regions. Everything is read
/// first: when a region's value is missing or names another release than the others', nothing is written.
pub async fn promote(
    cx: &Cx,
    aws: &Aws,
    (from, to): (&Channel, &Channel),
    architectures: &BTreeSet<String>,
    places: &Places,
    every: Duration,
) -> Result<Vec<Slot>, AwsError> {
    let attempt = || format!("promote `{}` to `{}`", from.channel, to.channel);
    let mut pairs = BTreeMap::new();
    for arch in architectures {
        pairs.insert(from.parameter(arch)?, to.parameter(arch)?);
    }
    let mut asked: FuturesUnordered<_> = places
        .regions
        .iter()
        .flat_map(|region| pairs.iter().map(move |pair| (region, pair)))
        .map(|(region, (from, to))| {
            let aws = aws.at(region);
            async move { (from, promoted(&aws, from, to).await) }
        })
        .collect();
    let mut slots = Vec::new();
    let mut releases: BTreeMap<&str, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    while let Some((from, looked)) = cx.stop().unless_cancelled(asked.next()).await? {
        let (slot, release) = looked?;
        if slot.wanted.is_none() {
            if places.strict {
                return Err(AwsError::new(AwsErrorKind::NotFound, attempt())
                    .because(format!("there is no `{from}` in {}", slot.region))
                    .hint("nothing was written"));
            }
            continue;
        }
        let Some(release) = release else {
            let wanted = slot.wanted.unwrap_or_default();
            return Err(AwsError::new(AwsErrorKind::NotFound, attempt())
                .because(format!("`{from}` in {} names `{wanted}`, which is not available", slot.region))
                .hint("nothing was written; set the channel again"));
        };
        releases.entry(from).or_default().entry(release).or_default().insert(slot.region.clone());
        slots.push(slot);
    }
    if slots.is_empty() {
        return Err(AwsError::new(AwsErrorKind::NotFound, attempt())
            .because(format!(
                "no region has a parameter such as `{}`",
                pairs.keys().next().map_or("", String::as_str)
            ))
            .hint("`goldsmith ami channel set` makes them"));
    }
    for (parameter, found) in &releases {
        if found.len() > 1 {
            let told: Vec<String> = found
                .iter()
                .map(|(name, regions)| {
                    format!("`{name}` in {}", regions.iter().cloned().collect::<Vec<_>>().join(", "))
                })
                .collect();
            return Err(AwsError::new(AwsErrorKind::Other, attempt())
                .because(format!("`{parameter}` names different releases: {}", told.join("; ")))
                .hint("nothing was written; `goldsmith ami channel set --overwrite` makes them one"));
        }
    }
    let names: BTreeMap<String, String> = releases
        .iter()
        .filter_map(|(from, found)| Some((pairs.get(*from)?.clone(), found.keys().next()?.clone())))
        .collect();
    drop(asked);
    let release = |parameter: &str| names.get(parameter).map_or("", String::as_str);
    written(cx, aws, slots, release, every).await
}

/// One parameter's slot for promotion, and the name of the release that the first channel names, if its AMI is available.
async fn promoted(aws: &Aws, from: &str, to: &str) -> Result<(Slot, Option<String>), AwsError> {
    let wanted = read(aws, from).await?.map(|found| found.value);
    let release = match &wanted {
        Some(id) => match find::one(aws, id).await {
            Ok(ami) => Some(ami).filter(|ami| ami.state == "available").map(|ami| ami.name),
            Err(error) if matches!(error.kind(), AwsErrorKind::NotFound | AwsErrorKind::Usage) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    let found = read(aws, to).await?;
    let typed = found.as_ref().is_none_or(|found| found.data_type.as_deref() == Some(DATA_TYPE));
    let found = found.map(|found| found.value);
    let verdict = match &found {
        None => Verdict::Missing,
        Some(_) if found != wanted => Verdict::Differs,
        Some(_) if !typed => Verdict::WrongType,
        Some(_) => Verdict::Same,
    };
    let (region, parameter) = (aws.region().to_owned(), to.to_owned());
    Ok((Slot { region, parameter, wanted, found, verdict, error: Vec::new() }, release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameters_name_is_checked_before_anything_is_written() {
        let channel = |pattern: &str| Channel {
            pattern: pattern.parse().unwrap(),
            name: Some("alma-9".into()),
            channel: "stable".into(),
        };
        let parameter = channel("/org/{name}/{channel}/{arch}/image_id").parameter("arm64").unwrap();
        assert_eq!(parameter, "/org/alma-9/stable/arm64/image_id");
        for wrong in [
            "/org/{arch}",
            "/org/{channel}/{os}",
            "org/{channel}",
            "/aws/{channel}",
            "/a/{channel}/",
            "/a b/{channel}",
        ] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
        let nameless = Channel { name: None, ..channel("/org/{name}/{channel}") };
        assert!(nameless.parameter("x86_64").is_err());
        let odd = Channel { channel: "a b".into(), ..channel("/org/{channel}") };
        assert!(odd.parameter("x86_64").is_err());
    }
}
