//! `group`: a group of the image.
use crate::definition::{
    raw::Group,
    reader::{At, Reader},
    resolve::check,
};
use crate::plan::GroupStep;

pub(super) fn resolve(At { value: raw, .. }: At<Group>, reader: &mut Reader<'_>) -> Option<GroupStep> {
    let others = [("gid", raw.gid.span()), ("system", raw.system.span())];
    let other = others.iter().find_map(|(key, span)| Some((*key, (*span)?.clone())));
    let name = raw.name.required().and_then(|name| {
        check::text(name, reader, check::is_account, "cannot be the name of a group", check::ACCOUNT)
    });
    let absent = raw.absent.or(false);
    if let (Some(true), Some((key, span))) = (absent, other) {
        reader.report(&span, format!("a group that is `absent` has no `{key}`"));
        return None;
    }
    let gid = raw.gid.maybe().map(|at| at.map(|at| at.value));
    let system = raw.system.or(false);
    Some(GroupStep { name: name?, gid: gid?, system: system?, absent: absent? })
}
