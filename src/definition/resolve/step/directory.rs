//! `directory`: a folder.
use crate::definition::{
    raw::Directory,
    reader::{At, Reader, blame_variables},
    resolve::check,
    scalar::{Mode, Text},
};
use crate::plan::DirectoryStep;
use std::path::PathBuf;

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
        ("source", raw.source.span()),
        ("file-mode", raw.file_mode.span()),
        ("delete", raw.delete.span()),
    ];
    let other = others.iter().find_map(|(key, span)| Some((*key, (*span)?.clone())));
    let source_span = raw.source.span().cloned();
    let empty_span = raw.empty.span().cloned().unwrap_or_default();
    let of_source = [("file-mode", raw.file_mode.span().cloned()), ("delete", raw.delete.span().cloned())];
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
    let delete = raw.delete.or(false);
    match &source_span {
        None => {
            if let Some((key, span)) = of_source.into_iter().find_map(|(key, span)| Some((key, span?))) {
                reader.report(&span, format!("`{key}` is about what `source` brings, but there is none"));
                return None;
            }
        }
        Some(source) if empty == Some(true) => {
            reader
                .report(&empty_span, "a folder with a `source` is not `empty`")
                .also(source.clone(), "`source` is here")
                .help("`delete = true` removes what the source does not have");
            return None;
        }
        Some(_) => {}
    }
    // A slip with a variable must not cost the whole guest.
    let removes = [absent, empty, delete].contains(&Some(true));
    if let (Some(path), true) = (&path, removes) {
        check::holds(&path_span, !path.trim_matches('/').is_empty(), reader, || {
            "the root folder can be neither removed nor emptied".to_owned()
        })?;
    }
    let source = match raw.source.maybe() {
        Some(None) => Some(None),
        Some(Some(at)) => folder(at, reader).map(Some),
        None => None,
    };
    let file_mode = raw.file_mode.maybe().map(|mode| mode.map(|at| at.value).map(|Mode(bits)| bits));
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
        source: source?,
        file_mode: file_mode?,
        delete: delete?,
    })
}

/// A folder on this host, which must be there unless its name is a template.
fn folder(at: At<Text>, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let expanded = &at.value.0;
    if reader.is_template(&expanded.text) {
        // What comes in as a parameter is the user's own folder.
        return Some(reader.folder.join(&expanded.text));
    }
    let Some(home) = reader.home() else {
        reader.report(&at.span, "a built-in role has no folders on this host");
        return None;
    };
    let path = home.join(&expanded.text);
    let Err(error) = reader.files.check_folder(&path) else { return Some(path) };
    let problem = reader.report(&at.span, format!("cannot read the folder `{}`", path.display()));
    problem.cause(error);
    blame_variables(problem, expanded);
    None
}
