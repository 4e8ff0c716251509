//! `check`: what must hold in the booted result.
use crate::definition::{
    raw::Check,
    reader::{At, Reader},
    resolve::check,
};
use crate::plan::{CheckStep, Expected};

pub(super) fn resolve(
    At { value: raw, span: place }: At<Check>,
    reader: &mut Reader<'_>,
) -> Option<CheckStep> {
    let ends =
        [("equals", raw.equals.span()), ("matches", raw.matches.span()), ("exit-code", raw.exit_code.span())];
    if ends.iter().any(|(_, span)| span.is_some()) && !check::exactly_one(&place, "`check`", &ends, reader) {
        return None;
    }
    let line = |text: &str| !text.trim().is_empty();
    let run = raw
        .run
        .required()
        .and_then(|at| check::text(at, reader, line, "is no command", "write a shell command"));
    let as_user = check::account(raw.as_user, reader);
    let code_span = raw.exit_code.span().cloned().unwrap_or_default();
    let expect = if let Some(at) = raw.equals.maybe()? {
        Expected::Equals(check::text(at, reader, |_| true, "", "")?.trim().to_owned())
    } else if let Some(at) = raw.matches.maybe()? {
        let help = "write an extended regular expression";
        let right = |text: &str| !text.is_empty() && check::is_line(text);
        Expected::Matches(check::text(at, reader, right, "is no regular expression for a line", help)?)
    } else {
        let code = raw.exit_code.or(0)?;
        check::holds(&code_span, code <= 255, reader, || {
            format!("{code} is no exit code: they go from 0 to 255")
        })?;
        Expected::ExitCode(code)
    };
    let name = match raw.name.maybe()? {
        Some(at) => {
            let right = |name: &str| !name.trim().is_empty() && check::is_line(name);
            check::text(at, reader, right, "cannot be the name of a check", "write one line")
        }
        None => run.as_ref().map(|run| crate::definition::resolve::label::first_command(run)),
    };
    Some(CheckStep { name: name?, run: run?, expect, as_user: as_user? })
}
