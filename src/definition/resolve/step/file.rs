//! `file`: a file in the guest.
use crate::definition::{
    raw::File,
    reader::{At, Field, Reader},
    resolve::{check, source},
    scalar::{Mode, SecretText},
};
use crate::plan::{Content, FileStep};

pub(super) fn resolve(At { value: raw, span: place }: At<File>, reader: &mut Reader<'_>) -> Option<FileStep> {
    let is_bad = matches!(raw.content, Field::Bad) || matches!(raw.source, Field::Bad);
    let given = [("content", raw.content.span()), ("source", raw.source.span())];
    let one_given = !is_bad && check::exactly_one(&place, "`file`", &given, reader);
    let dest = raw.dest.required().and_then(|dest| {
        let right = |path: &str| check::is_guest_path(path) && !path.ends_with('/');
        check::text(dest, reader, right, "is not the path of a file in a guest", check::GUEST_PATH)
    });
    let content = match (raw.content, raw.source) {
        _ if !one_given => None,
        (Field::Good(At { value: SecretText(text), .. }), _) => Some(Content::Text(text)),
        (_, Field::Good(path)) => source::local_file(path, reader).map(Content::Path),
        _ => None,
    };
    let mode = raw.mode.or(Mode(0o644)).map(|Mode(bits)| bits);
    let root = || "root".to_owned();
    let owner = check::account(raw.owner, reader).map(|owner| owner.unwrap_or_else(root));
    let group = check::account(raw.group, reader).map(|group| group.unwrap_or_else(root));
    Some(FileStep { dest: dest?, content: content?, mode: mode?, owner: owner?, group: group? })
}
