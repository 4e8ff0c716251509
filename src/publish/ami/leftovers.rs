//! What dead builds left in an account, found by the tag that everything of ours has.
//!
//! A build on this host has a journal, and `goldsmith gc` carries it out. Here are the builds whose host or journal is gone. Nothing tells
//! those from builds that live on other hosts, except their age; so only what is older than the user says may go.
use super::find::{self, Query, SOURCE};
use crate::aws::{Aws, AwsError, BUILD, Kind, resource};
use crate::cx::ResourceRef;
use aws_sdk_ec2::types::{Filter, Tag};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// One thing with our tag that is no image, and belongs to none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leftover {
    /// Where.
    pub region: String,
    /// What: `instance`, `volume`, …
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The build that made it.
    pub build: String,
    /// Its state, in EC2's words.
    pub state: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Why it stays; `None` when it may go.
    pub stays: Option<String>,
    /// How it is removed.
    #[serde(skip)]
    pub resource: ResourceRef,
}

/// What is looked at, and what is spared.
struct Looking<'a> {
    aws: &'a Aws,
    now: Timestamp,
    older_than: Duration,
    here: &'a BTreeSet<String>,
    found: Vec<Leftover>,
}

/// Things of builds in the session's region, in the order in which they can be removed. What is younger than `older_than` stays, and what
/// belongs to a build with a journal on this host: `here` are their ids.
pub async fn leftovers(
    aws: &Aws,
    now: Timestamp,
    older_than: Duration,
    here: &BTreeSet<String>,
) -> Result<Vec<Leftover>, AwsError> {
    let mut looking = Looking { aws, now, older_than, here, found: Vec::new() };
    looking.instances().await?;
    looking.volumes().await?;
    looking.snapshots().await?;
    looking.key_pairs().await?;
    looking.security_groups().await?;
    Ok(looking.found)
}

fn ours() -> Filter {
    Filter::builder().name("tag-key").values(BUILD).build()
}

impl Looking<'_> {
    fn add(
        &mut self,
        kind: Kind,
        id: Option<&str>,
        tags: &[Tag],
        (state, created): (&str, Option<&DateTime>),
        stays: Option<String>,
    ) {
        let tags = find::tags(tags);
        // The filter is the service's; that nothing of others is touched is ours to see.
        let (Some(id), Some(build)) = (id, tags.get(BUILD)) else { return };
        let created = created.and_then(|time| Timestamp::from_second(time.secs()).ok());
        let stays = stays.or_else(|| self.spared(build, created));
        self.found.push(Leftover {
            region: self.aws.region().to_owned(),
            kind: kind.name().to_owned(),
            id: id.to_owned(),
            build: build.clone(),
            state: state.to_owned(),
            created,
            stays,
            resource: resource(self.aws, kind, id),
        });
    }

    fn spared(&self, build: &str, created: Option<Timestamp>) -> Option<String> {
        if self.here.contains(build) {
            return Some("its build has a journal on this host: `goldsmith gc` removes it".to_owned());
        }
        let Some(created) = created else {
            return Some("EC2 does not tell its age".to_owned());
        };
        let age = self.now.duration_since(created).as_secs();
        let limit = i64::try_from(self.older_than.as_secs()).unwrap_or(i64::MAX);
        (age < limit).then(|| "it is too young: its build may live on another host".to_owned())
    }

    async fn instances(&mut self) -> Result<(), AwsError> {
        let attempt = || format!("look for instances of builds in {}", self.aws.region());
        let all = self
            .aws
            .ec2()
            .describe_instances()
            .filters(ours())
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeInstances", error))?;
        for instance in all.iter().flat_map(|reservation| reservation.instances()) {
            let state =
                instance.state().and_then(|state| state.name()).map_or("unknown", |name| name.as_str());
            if state != "terminated" && state != "shutting-down" {
                let known = (state, instance.launch_time());
                self.add(Kind::Instance, instance.instance_id(), instance.tags(), known, None);
            }
        }
        Ok(())
    }

    async fn volumes(&mut self) -> Result<(), AwsError> {
        let attempt = || format!("look for volumes of builds in {}", self.aws.region());
        let all = self
            .aws
            .ec2()
            .describe_volumes()
            .filters(ours())
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeVolumes", error))?;
        for volume in &all {
            let state = volume.state().map_or("unknown", |state| state.as_str());
            let user = volume.attachments().iter().find_map(|attachment| attachment.instance_id());
            let stays = user.map(|instance| format!("the instance {instance} uses it"));
            self.add(Kind::Volume, volume.volume_id(), volume.tags(), (state, volume.create_time()), stays);
        }
        Ok(())
    }

    /// Snapshots of AMIs are results. Copies that are under way do not name theirs yet.
    async fn snapshots(&mut self) -> Result<(), AwsError> {
        let attempt = || format!("look for snapshots of builds in {}", self.aws.region());
        let images = find::own(self.aws, Query::All).await?;
        let users: BTreeMap<&str, &str> = images
            .iter()
            .flat_map(|ami| ami.snapshots.iter().map(|id| (id.as_str(), ami.id.as_str())))
            .collect();
        let copying = images.iter().any(|ami| ami.state == "pending");
        let all = self
            .aws
            .ec2()
            .describe_snapshots()
            .owner_ids("self")
            .filters(ours())
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeSnapshots", error))?;
        for snapshot in &all {
            if snapshot.snapshot_id().is_some_and(|id| users.contains_key(id)) {
                continue;
            }
            let copy = snapshot.tags().iter().any(|tag| tag.key() == Some(SOURCE));
            let stays = (copy && copying).then(|| "an AMI is being copied to this region".to_owned());
            let state = snapshot.state().map_or("unknown", |state| state.as_str());
            let known = (state, snapshot.start_time());
            self.add(Kind::Snapshot, snapshot.snapshot_id(), snapshot.tags(), known, stays);
        }
        Ok(())
    }

    async fn key_pairs(&mut self) -> Result<(), AwsError> {
        let attempt = || format!("look for key pairs of builds in {}", self.aws.region());
        let answer = self
            .aws
            .ec2()
            .describe_key_pairs()
            .filters(ours())
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeKeyPairs", error))?;
        for pair in answer.key_pairs() {
            self.add(Kind::KeyPair, pair.key_name(), pair.tags(), ("", pair.create_time()), None);
        }
        Ok(())
    }

    /// EC2 does not tell the age of a security group. One whose build left something old in this region is as old.
    async fn security_groups(&mut self) -> Result<(), AwsError> {
        let attempt = || format!("look for security groups of builds in {}", self.aws.region());
        let all = self
            .aws
            .ec2()
            .describe_security_groups()
            .filters(ours())
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeSecurityGroups", error))?;
        for group in &all {
            let tags = find::tags(group.tags());
            let build = tags.get(BUILD).map(String::as_str).unwrap_or_default();
            let known =
                self.found.iter().filter(|one| one.build == build).filter_map(|one| one.created).max();
            let created = known.map(|time| DateTime::from_secs(time.as_second()));
            self.add(Kind::SecurityGroup, group.group_id(), group.tags(), ("", created.as_ref()), None);
        }
        Ok(())
    }
}
