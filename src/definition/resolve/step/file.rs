//! `file`: a file in the guest.
use crate::definition::{
    raw::File,
    reader::{At, Field, Reader},
    resolve::{check, source},
    scalar::{Mode, SecretText, Text},
};
use crate::plan::{Content, FileStep};

/// What a file's source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Content as it is.
    Verbatim,
    /// A template.
    Template,
}

pub(super) fn resolve(raw: At<File>, reader: &mut Reader<'_>) -> Option<FileStep> {
    read(raw, Source::Verbatim, reader)
}

/// The keys that files and templates have in common.
pub(super) fn read(
    At { value: raw, span: place }: At<File>,
    kind: Source,
    reader: &mut Reader<'_>,
) -> Option<FileStep> {
    let is_bad = matches!(raw.content, Field::Bad) || matches!(raw.source, Field::Bad);
    let given = [("content", raw.content.span()), ("source", raw.source.span())];
    let what = if kind == Source::Template { "`template`" } else { "`file`" };
    let one_given = !is_bad && check::exactly_one(&place, what, &given, reader);
    let dest = raw.dest.required().and_then(|dest| {
        let right = |path: &str| check::is_guest_path(path) && !path.ends_with('/');
        check::text(dest, reader, right, "is not the path of a file in a guest", check::GUEST_PATH)
    });
    let content = match (raw.content, raw.source) {
        _ if !one_given => None,
        (Field::Good(At { value: SecretText(text), .. }), _) => Some(Content::Text(text)),
        (_, Field::Good(path)) if kind == Source::Template => neighbour(path, reader).map(Content::Text),
        // A role's files are in the binary, mostly.
        (_, Field::Good(path)) if reader.roles.inside() => {
            neighbour(path, reader).map(|text| Content::Text(literal(text)))
        }
        (_, Field::Good(path)) if reader.is_template(&path.value.0.text) => {
            Some(Content::Path(reader.folder.join(&path.value.0.text)))
        }
        (_, Field::Good(path)) => source::local_file(path, reader).map(Content::Path),
        _ => None,
    };
    let mode = raw.mode.or(Mode(0o644)).map(|Mode(bits)| bits);
    let root = || "root".to_owned();
    let owner = check::account(raw.owner, reader).map(|owner| owner.unwrap_or_else(root));
    let group = check::account(raw.group, reader).map(|group| group.unwrap_or_else(root));
    Some(FileStep { dest: dest?, content: content?, mode: mode?, owner: owner?, group: group? })
}

/// The text of a file beside what is being read.
pub(super) fn neighbour(at: At<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let (path, text) = reader.neighbour(&at.value.0.text);
    match text {
        Ok(text) => Some(text),
        Err(error) => {
            reader.report(&at.span, format!("cannot read `{}`", path.display())).cause(error);
            None
        }
    }
}

/// A template that gives `text` as it is.
pub(super) fn literal(text: String) -> String {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return text;
    }
    // The language's texts are written like JSON's.
    format!("{{{{ {} }}}}", serde_json::Value::String(text))
}
