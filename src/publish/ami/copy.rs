//! Copies of an AMI in other regions: all at once, found again by name, never made twice.
//!
//! A copy is a result from its first moment: it is in no journal, and nothing of ours ever removes it. Whoever is interrupted runs the
//! same command again. It finds what is there by its name, and EC2 knows a repeated request by its token for a day.
use super::{
    find::{self, Image, SOURCE},
    life::{self, Protection},
    public_access::{self, Blocks},
    regions::{Which, regions},
    share::{Audience, share},
    wait::{Board, Patience, Settled, settled},
};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, BUILD},
    cx::{Cx, Event, Unit, causes},
};
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be copied where, and who may use it.
#[derive(Debug, Clone, Default)]
pub struct CopyPlan {
    /// The AMI in the session's region.
    pub ami: String,
    /// Where to. The session's region needs no copy.
    pub to: Which,
    /// Encrypt the copies, with the key that the account uses by default.
    pub encrypt: bool,
    /// Keys by region; a copy that has one is encrypted.
    pub keys: BTreeMap<String, String>,
    /// Who may use the copies and the source.
    pub audience: Audience,
    /// The snapshots are for the same accounts.
    pub snapshots: bool,
    /// Take away what forbids public images.
    pub lift: bool,
    /// Forbid new public images again afterwards, where that was lifted.
    pub restore: bool,
    /// From when on copies and source are deprecated.
    pub deprecate: Option<Timestamp>,
    /// Protection of copies and source from deregistration.
    pub protect: Option<Protection>,
    /// How long to wait.
    pub patience: Patience,
}

/// How far a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// The copy is there, and everything that was asked for was done.
    Done,
    /// EC2 copies on; nobody waits for it any more. The same command goes on.
    Pending,
    /// It failed; the same command tries again.
    Failed,
    /// It was not begun, or not to the end, because others failed or it was interrupted.
    Held,
}

/// What became of one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copied {
    /// Which.
    pub region: String,
    /// The AMI there, as soon as it has an id.
    pub ami: Option<String>,
    /// How far it is.
    pub state: CopyState,
    /// It was there before this run.
    pub found: bool,
    /// Why it is not done, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub error: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Copied {
    fn new(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ami: None,
            state: CopyState::Held,
            found: false,
            error: Vec::new(),
            hint: None,
        }
    }

    /// `available` tells whether only what follows the copy was missing.
    fn end(&mut self, result: Result<(), AwsError>, available: bool) {
        match result {
            Ok(()) => self.state = CopyState::Done,
            Err(error) => {
                let begun = self.ami.is_some() && !available;
                self.state = match error.kind() {
                    AwsErrorKind::Timeout | AwsErrorKind::Cancelled if begun => CopyState::Pending,
                    AwsErrorKind::Cancelled => CopyState::Held,
                    _ => CopyState::Failed,
                };
                self.error = causes(&error);
                self.hint = error.hint_text().map(ToOwned::to_owned);
            }
        }
    }
}

/// What became of all regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CopyReport {
    /// The AMI that was copied.
    pub source: Image,
    /// Its own region first, then the others in the order of their names.
    pub regions: Vec<Copied>,
    /// Regions that the account would have to enable first.
    pub not_enabled: Vec<String>,
    /// The user interrupted it.
    pub interrupted: bool,
}

impl CopyReport {
    /// Regions that are not done.
    pub fn undone(&self) -> impl Iterator<Item = &Copied> {
        self.regions.iter().filter(|copied| copied.state != CopyState::Done)
    }

    /// Whether everything that was asked for is done.
    pub fn is_done(&self) -> bool {
        self.undone().next().is_none()
    }
}

/// Copies, shares, and says what became of each region. Only what is wrong before the first copy is an error.
pub async fn copy(cx: &Cx, aws: &Aws, plan: &CopyPlan) -> Result<CopyReport, AwsError> {
    plan.audience.check()?;
    let source = source(cx, aws, plan).await?;
    let found = regions(aws, &plan.to).await?;
    let here = aws.region().to_owned();
    let targets: Vec<String> = found.chosen.into_iter().filter(|region| *region != here).collect();
    check_keys(plan, &source, &targets)?;
    let blocked = check_public_access(cx, aws, plan, &targets).await?;
    // Somebody else's image can be copied, but not changed.
    let mine = find::named(aws, &source.name).await?.is_some_and(|own| own.id == source.id);
    let what = format!("copies of {}", source.name);
    let tags = snapshot_tags(aws, &source).await?;
    let job = Job { cx, plan, source: &source, tags, blocked, board: Board::new(&what) };
    cx.check()?;

    let total = targets.len() as u64;
    let progress = |done| {
        cx.emit(Event::Progress { what: what.clone(), done, total: Some(total), unit: Unit::Items });
    };
    progress(0);
    let mut running: FuturesUnordered<_> = targets.iter().map(|region| job.region(aws.at(region))).collect();
    let mut copied: Vec<Copied> = Vec::new();
    while let Some(one) = running.next().await {
        tell(cx, &one);
        copied.push(one);
        progress(copied.len() as u64);
    }
    drop(running);
    cx.emit(Event::ProgressFinished { what });
    copied.sort_by(|a, b| a.region.cmp(&b.region));

    let mut first = Copied { ami: Some(source.id.clone()), found: true, ..Copied::new(&here) };
    let all_done = copied.iter().all(|copied| copied.state == CopyState::Done);
    if !mine || !plan.changes() {
        first.state = CopyState::Done;
    } else if all_done {
        // Who sees the source sees a release that is complete.
        let result = job.finish(aws, &source).await;
        first.end(result, true);
        tell(cx, &first);
    } else {
        first.error = vec!["the source was left as it is, since a copy is missing".to_owned()];
    }
    copied.insert(0, first);
    Ok(CopyReport {
        source,
        regions: copied,
        not_enabled: found.not_enabled,
        interrupted: cx.stop().is_cancelled(),
    })
}

fn tell(cx: &Cx, copied: &Copied) {
    let id = copied.ami.as_deref().unwrap_or("no AMI");
    match copied.state {
        CopyState::Done => cx.events().notice(format!("{}: {id}", copied.region)),
        CopyState::Failed => {
            let text = format!("{}: {}", copied.region, copied.error.join(": "));
            cx.events().warn(text, copied.hint.clone());
        }
        CopyState::Pending | CopyState::Held => {}
    }
}

/// The source, as soon as it is available.
async fn source(cx: &Cx, aws: &Aws, plan: &CopyPlan) -> Result<Image, AwsError> {
    let source = find::one(aws, &plan.ami).await?;
    if source.state == "available" {
        return Ok(source);
    }
    let attempt = || format!("copy `{}` from {}", plan.ami, aws.region());
    let board = Board::new(format!("`{}`", plan.ami));
    match settled(cx, aws, &plan.ami, plan.patience, &board).await? {
        Settled::Available(ami) => Ok(*ami),
        Settled::Broken(ami) => Err(AwsError::new(AwsErrorKind::Usage, attempt()).because(broken(&ami))),
        Settled::Gone => Err(AwsError::new(AwsErrorKind::NotFound, attempt()).because("it is gone")),
    }
}

fn broken(ami: &Image) -> String {
    let reason = ami.reason.as_deref().unwrap_or("EC2 gives no reason");
    format!("`{}` in {} is {}: {reason}", ami.id, ami.region, ami.state)
}

fn check_keys(plan: &CopyPlan, source: &Image, targets: &[String]) -> Result<(), AwsError> {
    let targets: BTreeSet<&str> = targets.iter().map(String::as_str).collect();
    if let Some(region) = plan.keys.keys().find(|region| !targets.contains(region.as_str())) {
        return Err(AwsError::new(AwsErrorKind::Usage, format!("use the key for {region}"))
            .because("no copy goes there"));
    }
    let encrypted = plan.encrypt || !plan.keys.is_empty() || source.encrypted;
    if plan.audience.public && encrypted {
        return Err(AwsError::new(AwsErrorKind::Usage, "make encrypted images public")
            .because("EC2 keeps images with encrypted snapshots private")
            .hint("share them with accounts (`--account`), which must be allowed to use the key, too"));
    }
    Ok(())
}

/// What forbids public images where: an error unless it may be lifted.
async fn check_public_access(
    cx: &Cx,
    aws: &Aws,
    plan: &CopyPlan,
    targets: &[String],
) -> Result<BTreeMap<String, Blocks>, AwsError> {
    let mut blocked = BTreeMap::new();
    if !plan.audience.public {
        return Ok(blocked);
    }
    let mut asked: FuturesUnordered<_> = targets
        .iter()
        .map(String::as_str)
        .chain([aws.region()])
        .map(|region| {
            let aws = aws.at(region);
            async move { (region, public_access::blocks(&aws, plan.snapshots).await) }
        })
        .collect();
    while let Some((region, found)) = cx.stop().unless_cancelled(asked.next()).await? {
        let found = match found {
            Ok(found) => found,
            // Who may not look may still be allowed to share: EC2 says so in time.
            Err(error) if error.kind() == AwsErrorKind::Permission && !plan.lift => {
                cx.events().warn(causes(&error).join(": "), error.hint_text().map(ToOwned::to_owned));
                continue;
            }
            Err(error) => return Err(error),
        };
        if found.any() {
            blocked.insert(region.to_owned(), found);
        }
    }
    let by_policy = blocked.values().any(|block| block.by_policy);
    if !blocked.is_empty() && (!plan.lift || by_policy) {
        let regions: Vec<&str> = blocked
            .iter()
            .filter(|(_, block)| !plan.lift || block.by_policy)
            .map(|(region, _)| region.as_str())
            .collect();
        return Err(public_access::forbidden(&regions, by_policy));
    }
    Ok(blocked)
}

/// Tags of the source's first snapshot: EC2 copies none of them.
async fn snapshot_tags(aws: &Aws, source: &Image) -> Result<BTreeMap<String, String>, AwsError> {
    let Some(id) = source.snapshots.first() else { return Ok(BTreeMap::new()) };
    let answer = aws.ec2().describe_snapshots().snapshot_ids(id).send().await;
    let answer = answer.map_err(|error| {
        AwsError::of(format!("read the tags of `{id}` in {}", aws.region()), "DescribeSnapshots", error)
    });
    match answer {
        Ok(answer) => Ok(answer.snapshots().first().map(|one| find::tags(one.tags())).unwrap_or_default()),
        // The snapshots of somebody else's image may be hidden, and so are their tags.
        Err(error) if matches!(error.kind(), AwsErrorKind::NotFound | AwsErrorKind::Permission) => {
            Ok(BTreeMap::new())
        }
        Err(error) => Err(error),
    }
}

impl CopyPlan {
    /// Whether anything is done to an image once it is there.
    fn changes(&self) -> bool {
        !self.audience.is_empty() || self.deprecate.is_some() || self.protect.is_some()
    }
}

/// What all regions share.
struct Job<'a> {
    cx: &'a Cx,
    plan: &'a CopyPlan,
    source: &'a Image,
    /// The source's snapshot's.
    tags: BTreeMap<String, String>,
    /// What forbids public images where.
    blocked: BTreeMap<String, Blocks>,
    /// What all waits see.
    board: Board,
}

impl Job<'_> {
    async fn region(&self, aws: Aws) -> Copied {
        let mut copied = Copied::new(aws.region());
        let image = self.image(&aws, &mut copied).await;
        let available = image.is_ok();
        let result = match image {
            Ok(image) => self.complete(&aws, &image).await,
            Err(error) => Err(error),
        };
        copied.end(result, available);
        copied
    }

    async fn complete(&self, aws: &Aws, image: &Image) -> Result<(), AwsError> {
        self.tag(aws, image).await?;
        self.finish(aws, image).await
    }

    /// The copy, as soon as it is available.
    async fn image(&self, aws: &Aws, copied: &mut Copied) -> Result<Image, AwsError> {
        let there = find::named(aws, &self.source.name).await?;
        let Some(there) = there else { return self.make(aws, copied, None).await };
        self.is_ours(&there)?;
        copied.ami = Some(there.id.clone());
        copied.found = true;
        match settled(self.cx, aws, &there.id, self.plan.patience, &self.board).await? {
            Settled::Available(image) => {
                self.is_encrypted_as_asked(aws, &image).await?;
                Ok(*image)
            }
            Settled::Broken(image) => Err(self.failed(&image)),
            Settled::Gone => self.make(aws, copied, Some(&there.id)).await,
        }
    }

    /// An image that has the name but is a copy of another must not be taken for ours.
    fn is_ours(&self, there: &Image) -> Result<(), AwsError> {
        match &there.copy_of {
            Some(of) if *of != self.source.id => {
                let attempt = format!("copy `{}` to {}", self.source.id, there.region);
                Err(AwsError::new(AwsErrorKind::Exists, attempt)
                    .because(format!(
                        "`{}` has the name `{}` there and is a copy of `{of}`",
                        there.id, there.name
                    ))
                    .hint(format!(
                        "if nobody needs it: `aws ec2 deregister-image --region {} --image-id {}`",
                        there.region, there.id
                    )))
            }
            _ => Ok(()),
        }
    }

    /// A copy that an earlier run made without encryption, or with another key, must not pass for what is asked for now.
    async fn is_encrypted_as_asked(&self, aws: &Aws, there: &Image) -> Result<(), AwsError> {
        let key = self.plan.keys.get(aws.region());
        let attempt = || format!("copy `{}` to {} with encryption", self.source.id, there.region);
        let other = |why: String| {
            AwsError::new(AwsErrorKind::Exists, attempt()).because(why).hint(format!(
                "if nobody needs it: `aws ec2 deregister-image --region {} --image-id {}`, then run the same command again",
                there.region, there.id
            ))
        };
        if (self.plan.encrypt || key.is_some()) && !there.encrypted {
            return Err(other(format!("`{}` has the name there already and is not encrypted", there.id)));
        }
        // Which key an alias stands for, only the key service knows.
        let Some(key) = key.filter(|key| !key.contains("alias/")) else { return Ok(()) };
        if there.snapshots.is_empty() {
            return Ok(());
        }
        let answer =
            aws.ec2().describe_snapshots().set_snapshot_ids(Some(there.snapshots.clone())).send().await;
        let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeSnapshots", error))?;
        let bare = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
        let mut keys = answer.snapshots().iter().filter_map(|snapshot| snapshot.kms_key_id());
        match keys.find(|found| bare(found) != bare(key)) {
            Some(found) => {
                Err(other(format!("`{}` has the name there already, with the key `{found}`", there.id)))
            }
            None => Ok(()),
        }
    }

    fn failed(&self, ami: &Image) -> AwsError {
        AwsError::new(AwsErrorKind::Other, format!("copy `{}` to {}", self.source.id, ami.region))
            .because(broken(ami))
            .hint(format!(
                "remove it with `aws ec2 deregister-image --region {} --image-id {}`, then run the same command again",
                ami.region, ami.id
            ))
    }

    /// Asks for a copy and waits for it. `gone` is a copy that EC2 still knows but that somebody deregistered: the same token would
    /// give that one again.
    async fn make(&self, aws: &Aws, copied: &mut Copied, gone: Option<&str>) -> Result<Image, AwsError> {
        let mut gone = gone.map(ToOwned::to_owned);
        for _ in 0..3 {
            self.cx.check()?;
            let id = self.ask(aws, gone.as_deref()).await?;
            copied.ami = Some(id.clone());
            copied.found = false;
            match settled(self.cx, aws, &id, self.plan.patience, &self.board).await? {
                Settled::Available(ami) => return Ok(*ami),
                Settled::Broken(ami) => return Err(self.failed(&ami)),
                Settled::Gone => gone = Some(id),
            }
        }
        copied.ami = None;
        let attempt = format!("copy `{}` to {}", self.source.id, aws.region());
        Err(AwsError::new(AwsErrorKind::Other, attempt)
            .because("every copy was deregistered before it was complete"))
    }

    async fn ask(&self, aws: &Aws, gone: Option<&str>) -> Result<String, AwsError> {
        let (source, region) = (self.source, aws.region());
        let key = self.plan.keys.get(region);
        let encrypt = self.plan.encrypt || key.is_some();
        let attempt = || format!("copy `{}` from {} to {region}", source.id, source.region);
        let answer = aws
            .ec2()
            .copy_image()
            .client_token(self.token(region, encrypt, key.map(String::as_str), gone))
            .name(&source.name)
            .set_description(source.description.clone())
            .source_image_id(&source.id)
            .source_region(&source.region)
            .set_encrypted(encrypt.then_some(true))
            .set_kms_key_id(key.cloned())
            .tag_specifications(specification(ResourceType::Image, &self.image_tags()))
            .tag_specifications(specification(ResourceType::Snapshot, &self.snapshot_tags()))
            .send()
            .await
            .map_err(|error| {
                let error = AwsError::of(attempt(), "CopyImage", error);
                match error.code() {
                    Some("ResourceLimitExceeded") => error.hint(
                        "EC2 copies only so many snapshots at once to a region: run the same command again when others are done",
                    ),
                    _ => error,
                }
            })?;
        answer.image_id().map(ToOwned::to_owned).ok_or_else(|| {
            AwsError::new(AwsErrorKind::Other, attempt()).because("CopyImage answered without an id")
        })
    }

    /// The same request has the same token, whoever repeats it; another request has another. EC2 allows 64 characters.
    fn token(&self, region: &str, encrypt: bool, key: Option<&str>, gone: Option<&str>) -> String {
        let mut digest = Sha256::new();
        let (source, tags) = (self.source, (self.image_tags(), self.snapshot_tags()));
        let parts =
            (&source.region, &source.id, region, &source.name, &source.description, encrypt, key, gone);
        digest.update(format!("{parts:?}{tags:?}"));
        hex::encode(digest.finalize())
    }

    fn image_tags(&self) -> BTreeMap<String, String> {
        self.with_source(&self.source.tags)
    }

    fn snapshot_tags(&self) -> BTreeMap<String, String> {
        // Some copies have a snapshot that is nobody else's: the image's tags tell at least what it belongs to.
        self.with_source(if self.tags.is_empty() { &self.source.tags } else { &self.tags })
    }

    fn with_source(&self, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let source = format!("{}:{}", self.source.region, self.source.id);
        // These keys belong to Amazon.
        let theirs = tags.iter().filter(|(key, _)| !key.starts_with("aws:"));
        let mut all: BTreeMap<String, String> =
            theirs.map(|(key, value)| (key.clone(), value.clone())).collect();
        all.insert(SOURCE.to_owned(), source);
        // Somebody else's image has no build of ours; its copy is ours all the same, and `gc` must know. No run's id: a repeated
        // request must be the same to the letter.
        all.entry(BUILD.to_owned()).or_insert_with(|| "copy".to_owned());
        all
    }

    /// Tags were given with the request; whatever is missing still (the copy is somebody else's work, or of an older version) is added.
    async fn tag(&self, aws: &Aws, ami: &Image) -> Result<(), AwsError> {
        let missing = |wanted: &BTreeMap<String, String>, have: &BTreeMap<String, String>| {
            wanted
                .iter()
                .filter(|(key, _)| !have.contains_key(*key))
                .map(|(key, value)| Tag::builder().key(key).value(value).build())
                .collect::<Vec<_>>()
        };
        let image = missing(&self.image_tags(), &ami.tags);
        let attempt = || format!("tag `{}` in {}", ami.id, ami.region);
        if !image.is_empty() {
            aws.ec2()
                .create_tags()
                .resources(&ami.id)
                .set_tags(Some(image))
                .send()
                .await
                .map_err(|error| AwsError::of(attempt(), "CreateTags", error))?;
        }
        if ami.snapshots.is_empty() {
            return Ok(());
        }
        let answer = aws
            .ec2()
            .describe_snapshots()
            .set_snapshot_ids(Some(ami.snapshots.clone()))
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeSnapshots", error))?;
        let wanted = self.snapshot_tags();
        for snapshot in answer.snapshots() {
            let tags = missing(&wanted, &find::tags(snapshot.tags()));
            if let (false, Some(id)) = (tags.is_empty(), snapshot.snapshot_id()) {
                aws.ec2()
                    .create_tags()
                    .resources(id)
                    .set_tags(Some(tags))
                    .send()
                    .await
                    .map_err(|error| AwsError::of(attempt(), "CreateTags", error))?;
            }
        }
        Ok(())
    }

    /// Shares, deprecates and protects an image that is available.
    async fn finish(&self, aws: &Aws, ami: &Image) -> Result<(), AwsError> {
        let (cx, plan) = (self.cx, self.plan);
        cx.check()?;
        let leave = match self.blocked.get(aws.region()) {
            Some(blocks) => {
                Some(public_access::lift(cx, aws, blocks, !plan.restore, plan.patience.every).await?)
            }
            None => None,
        };
        let shared = share(cx, aws, ami, &plan.audience, plan.snapshots, plan.patience.every).await;
        // Also when it failed: the account is to be as it was.
        let restored = match leave {
            Some(leave) => leave.restore(cx).await,
            None => Ok(()),
        };
        shared?;
        restored?;
        if let Some(at) = plan.deprecate {
            life::deprecate(aws, ami, at).await?;
        }
        if let Some(protection) = plan.protect {
            life::protect(aws, ami, protection).await?;
        }
        Ok(())
    }
}

fn specification(kind: ResourceType, tags: &BTreeMap<String, String>) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}
