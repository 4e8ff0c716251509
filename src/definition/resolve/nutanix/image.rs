//! `nutanix` of an `[[output]]`: what is made of the machine.
use super::super::{
    deliver::no_file,
    server::{name, pairs},
};
use crate::{
    definition::{
        raw::{NutanixKept, Output},
        reader::{At, Reader},
        scalar::One,
    },
    plan::{NutanixImageKind, NutanixImagePlan},
};

/// What stays in a Prism Central when only files are wanted.
pub(in super::super) fn nothing() -> NutanixImagePlan {
    NutanixImagePlan {
        name: None,
        kind: NutanixImageKind::Nothing,
        categories: Vec::new(),
        description: None,
        replace: false,
    }
}

/// What stays there.
pub(in super::super) fn image(raw: Output, reader: &mut Reader<'_>) -> Option<NutanixImagePlan> {
    let right = no_file(&raw, "nutanix", "a Prism Central", reader);
    let usual = NutanixImagePlan { kind: NutanixImageKind::Image, ..nothing() };
    let Some(At { value: raw, .. }) = raw.nutanix.maybe()? else { return right.map(|()| usual) };
    let own = name(raw.name, "is not a name", reader);
    let kind = raw.r#as.or(One(NutanixKept::Image)).map(|One(kept)| match kept {
        NutanixKept::Image => NutanixImageKind::Image,
        NutanixKept::Template => NutanixImageKind::Template,
        NutanixKept::Ova => NutanixImageKind::Ova,
    });
    let categories = pairs(raw.categories, ("category", "value"), reader);
    let description = name(raw.description, "is not a line of text", reader);
    let replace = raw.replace.or(false);
    right?;
    Some(NutanixImagePlan {
        name: own?,
        kind: kind?,
        categories: categories?,
        description: description?,
        replace: replace?,
    })
}
