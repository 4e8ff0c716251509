//! `cloudstack` of an `[[output]]`: the template that is made of the machine's root disk.
use super::super::{
    deliver::no_file,
    server::{lines, name, names},
};
use crate::{
    definition::{
        raw::Output,
        reader::{At, Reader},
    },
    plan::CloudStackImagePlan,
};
use std::collections::BTreeMap;

/// What is made when only files are wanted.
pub(in super::super) fn nothing(image: &str) -> CloudStackImagePlan {
    CloudStackImagePlan {
        name: image.to_owned(),
        stays: false,
        description: None,
        os_type: None,
        public: false,
        featured: false,
        extractable: false,
        password_enabled: false,
        zones: Vec::new(),
        tags: BTreeMap::new(),
        accounts: Vec::new(),
        replace: false,
    }
}

/// The template; `image` is the image's name.
pub(in super::super) fn image(
    raw: Output,
    image: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<CloudStackImagePlan> {
    let right = no_file(&raw, "cloudstack", "a cloud", reader);
    let Some(At { value: raw, .. }) = raw.cloudstack.maybe()? else {
        right?;
        return Some(CloudStackImagePlan { stays: true, ..nothing(image?) });
    };
    let own = name(raw.name, "is not a name", reader);
    let description = name(raw.description, "is not a line of text", reader);
    let os_type = name(raw.os_type, "is not the name of a type of system", reader);
    let (public, featured) = (raw.public.or(false), raw.featured.or(false));
    let (extractable, password) = (raw.extractable.or(false), raw.password_enabled.or(false));
    let zones = names(raw.zones, "zones", "is not the name of a zone", reader);
    let accounts = names(raw.share_with, "share-with", "is not the name of an account", reader);
    let tags = lines(raw.tags, reader);
    let replace = raw.replace.or(false);
    right?;
    Some(CloudStackImagePlan {
        name: own?.or_else(|| image.map(str::to_owned))?,
        stays: true,
        description: description?,
        os_type: os_type?,
        public: public?,
        featured: featured?,
        extractable: extractable?,
        password_enabled: password?,
        zones: zones?,
        tags: tags?,
        accounts: accounts?,
        replace: replace?,
    })
}
