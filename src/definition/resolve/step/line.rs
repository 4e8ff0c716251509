//! `line`: a line in a file.
use crate::definition::{
    raw::Line,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::{SecretText, Text},
};
use crate::plan::LineStep;

pub(super) fn resolve(At { value: raw, span: place }: At<Line>, reader: &mut Reader<'_>) -> Option<LineStep> {
    let conflict = raw.conflict_with_absent();
    let path = check::file_path(raw.path, reader);
    let absent = raw.absent.or(false);
    let create = raw.create.or(false);
    let line_absent = raw.line.is_absent();
    let line = match raw.line {
        Field::Absent => Some(String::new()),
        Field::Bad => None,
        Field::Good(At { value: SecretText(line), span }) => {
            let right = check::is_line(&line.replace('\t', " "));
            check::holds(&span, right, reader, || "`line` is one line".to_owned()).map(|()| line)
        }
    };
    let match_absent = raw.r#match.is_absent();
    let matching = expression(raw.r#match, reader);
    let after = expression(raw.after, reader);
    if let (Some(true), Some((key, span))) = (absent, conflict) {
        reader.report(&span, format!("a line that is `absent` has no `{key}`"));
        return None;
    }
    if line_absent && (match_absent || absent != Some(true)) {
        reader
            .report(&place, "`line` of a `[[provision]]` needs `line`")
            .help("only an `absent` line can be told by `match` alone");
        return None;
    }
    Some(LineStep {
        path: path?,
        line: line?,
        matching: matching?,
        after: after?,
        absent: absent?,
        create: create?,
    })
}

impl Line {
    /// A key that makes no sense for a line that is to be absent.
    fn conflict_with_absent(&self) -> Option<(&'static str, crate::definition::problem::Span)> {
        let keys = [("create", self.create.span()), ("after", self.after.span())];
        keys.into_iter().find_map(|(key, span)| Some((key, span?.clone())))
    }
}

/// An extended regular expression, if there is one; grep will say whether it is right.
#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
fn expression(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    let right = |text: &str| !text.is_empty() && check::is_line(text);
    check::text(
        at,
        reader,
        right,
        "is no regular expression for a line",
        "write an extended regular expression",
    )
    .map(Some)
}
