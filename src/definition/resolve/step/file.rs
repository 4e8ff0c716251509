//! `file`: a file in the guest.
use crate::definition::{
    problem::Span,
    raw::File,
    reader::{At, Field, Reader},
    resolve::{check, source},
    scalar::{Mode, SecretText, Text},
};
use crate::plan::{Content, FileStep};

pub(super) fn resolve(At { value: raw, span: place }: At<File>, reader: &mut Reader<'_>) -> Option<FileStep> {
    let dest = check::file_path(raw.dest, reader);
    let content = content(raw.content, raw.source, "`file`", &place, reader);
    let mode = raw.mode.or(Mode(0o644)).map(|Mode(bits)| bits);
    let root = || "root".to_owned();
    let owner = check::account(raw.owner, reader).map(|owner| owner.unwrap_or_else(root));
    let group = check::account(raw.group, reader).map(|group| group.unwrap_or_else(root));
    Some(FileStep { dest: dest?, content: content?, mode: mode?, owner: owner?, group: group? })
}

/// What is in a file: exactly one of `text` and `path`, which are keys of `header` at `place`.
pub(super) fn content(
    text: Field<SecretText>,
    path: Field<Text>,
    header: &str,
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<Content> {
    let is_bad = matches!(text, Field::Bad) || matches!(path, Field::Bad);
    let given = [("content", text.span()), ("source", path.span())];
    if is_bad || !check::exactly_one(place, header, &given, reader) {
        return None;
    }
    match (text, path) {
        (Field::Good(At { value: SecretText(text), .. }), _) => Some(Content::Text(text)),
        (_, Field::Good(path)) => source::local_file(path, reader).map(Content::Path),
        _ => None,
    }
}
