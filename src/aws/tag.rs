//! Tags: what says that a thing is ours, and of which build.
use crate::cx::BuildId;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use std::collections::BTreeMap;

/// The tag with the build's id. What has no such tag is never touched.
pub const BUILD: &str = "goldsmith:build";
/// The tag with the id of the upload that made a snapshot.
pub const UPLOAD: &str = "goldsmith:upload";
/// The tag with the snapshot that an AMI was made of.
pub const SNAPSHOT: &str = "goldsmith:snapshot";
/// The tag with the image's name.
const IMAGE: &str = "goldsmith:image";

/// Tags of one thing, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// The tags by which a thing of this build is found again.
    pub fn of(build: &BuildId, image: &str) -> Self {
        let ours = [(BUILD, build.to_string()), (IMAGE, image.to_owned())];
        Self(ours.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Adds the user's; ours win.
    #[must_use]
    pub fn and(mut self, more: &BTreeMap<String, String>) -> Self {
        for (key, value) in more {
            self.0.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// Adds what the thing is in its build, such as `proof`, so that [`super::tagged`] finds it.
    #[must_use]
    pub fn role(self, role: &str) -> Self {
        self.with(super::ROLE, role)
    }

    /// Adds one of ours, which has one of the names of this module.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Key and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// As EC2 wants them.
    pub fn ec2(&self) -> Vec<Tag> {
        self.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
    }

    /// For a call that makes a thing of this type: the tags are there from its first moment.
    pub fn specification(&self, kind: ResourceType) -> TagSpecification {
        TagSpecification::builder().resource_type(kind).set_tags(Some(self.ec2())).build()
    }
}
