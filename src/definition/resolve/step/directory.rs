//! `directory`: a folder.
use crate::definition::{
    raw::Directory,
    reader::{At, Reader},
    resolve::check,
    scalar::Mode,
};
use crate::plan::DirectoryStep;

pub(super) fn resolve(
    At { value: raw, .. }: At<Directory>,
    reader: &mut Reader<'_>,
) -> Option<DirectoryStep> {
    let path_span = raw.path.span().cloned().unwrap_or_default();
    let absent_span = raw.absent.span().cloned().unwrap_or_default();
    let others = [
        ("mode", raw.mode.span()),
        ("owner", raw.owner.span()),
        ("group", raw.group.span()),
        ("empty", raw.empty.span()),
    ];
    let other = others.iter().find_map(|(key, span)| Some((*key, (*span)?.clone())));
    let path = raw.path.required().and_then(|path| {
        check::text(
            path,
            reader,
            check::is_guest_path,
            "is not the path of a folder in a guest",
            check::GUEST_PATH,
        )
    });
    let absent = raw.absent.or(false);
    let empty = raw.empty.or(false);
    if let (Some(true), Some((key, span))) = (absent, other) {
        reader
            .report(&span, format!("a folder that is `absent` has no `{key}`"))
            .also(absent_span, "`absent` is here");
        return None;
    }
    // A slip with a variable must not cost the whole guest.
    if let (Some(path), true) = (&path, absent == Some(true) || empty == Some(true)) {
        check::holds(&path_span, !path.trim_matches('/').is_empty(), reader, || {
            "the root folder can be neither removed nor emptied".to_owned()
        })?;
    }
    let mode = raw.mode.maybe().map(|mode| mode.map(|at| at.value).map(|Mode(bits)| bits));
    let owner = check::account(raw.owner, reader);
    let group = check::account(raw.group, reader);
    let path = path.map(|path| if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path });
    Some(DirectoryStep {
        path: path?,
        mode: mode?,
        owner: owner?,
        group: group?,
        absent: absent?,
        empty: empty?,
    })
}
