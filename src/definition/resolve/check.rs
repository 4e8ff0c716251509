//! Checks that several parts of a definition need.
use crate::definition::{
    problem::Span,
    reader::{At, Field, Reader, blame_variables},
    scalar::{List, Text},
    suggest::one_of,
};
use crate::plan::is_login;
use std::net::IpAddr;

/// Reports `message` at `span` unless `condition` holds.
pub(in crate::definition) fn holds(
    span: &Span,
    condition: bool,
    reader: &mut Reader<'_>,
    message: impl FnOnce() -> String,
) -> Option<()> {
    if !condition {
        reader.report(span, message());
    }
    condition.then_some(())
}

/// Whether exactly one of these keys is there; reports when not.
pub(super) fn exactly_one(
    header: &Span,
    of: &str,
    keys: &[(&str, Option<&Span>)],
    reader: &mut Reader<'_>,
) -> bool {
    let names = one_of(keys.iter().map(|(name, _)| *name));
    let mut given: Vec<(&str, &Span)> =
        keys.iter().filter_map(|(name, span)| Some((*name, (*span)?))).collect();
    given.sort_by_key(|(_, span)| span.start);
    match &given[..] {
        [] => {
            reader.report(header, format!("{of} needs {names}")).label("none of them is here");
            false
        }
        [_] => true,
        [(first, first_span), (second, second_span), ..] => {
            reader
                .report(second_span, format!("{of} takes only one of {names}"))
                .label(format!("`{second}` is the second"))
                .also((*first_span).clone(), format!("`{first}` is here"));
            false
        }
    }
}

/// The text, when `condition` holds for it; else reports that it `is_not` something.
pub(super) fn text(
    at: At<Text>,
    reader: &mut Reader<'_>,
    condition: impl FnOnce(&str) -> bool,
    is_not: &str,
    help: &str,
) -> Option<String> {
    let expanded = at.value.0;
    if reader.is_template(&expanded.text) || condition(&expanded.text) {
        return Some(expanded.text);
    }
    let problem = reader.report(&at.span, format!("`{}` {is_not}", expanded.text.escape_debug()));
    problem.help(help);
    blame_variables(problem, &expanded);
    None
}

/// Every text of a list, each checked like [`text`].
pub(super) fn texts(
    list: List<Text>,
    reader: &mut Reader<'_>,
    condition: impl Fn(&str) -> bool,
    is_not: &str,
    help: &str,
) -> Option<Vec<String>> {
    let checked: Vec<Option<String>> =
        list.into_iter().map(|at| text(at, reader, &condition, is_not, help)).collect();
    checked.into_iter().collect()
}

/// Whether `text` is one word of letters, digits and `extra`, which does not look like an option.
pub(super) fn is_word(text: &str, extra: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || extra.contains(letter))
}

/// Whether `text` is one line without control characters.
pub(super) fn is_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether `text` is a network: `203.0.113.0/24`.
pub(super) fn is_network(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    match (address.parse::<IpAddr>(), bits.parse::<u32>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        _ => false,
    }
}

/// Whether `path` can be a file or folder in a guest.
pub(super) fn is_guest_path(path: &str) -> bool {
    path.starts_with('/') && is_line(path) && !path.split('/').any(|part| matches!(part, "." | ".."))
}

/// What [`is_guest_path`] asks for.
pub(super) const GUEST_PATH: &str = "write an absolute path, without `.` and `..`";

/// Whether `name` is a login or group name that all tools of a guest take (see `useradd(8)`).
pub(super) fn is_account(name: &str) -> bool {
    is_login(name)
}

/// What [`is_account`] asks for.
pub(super) const ACCOUNT: &str =
    "a name is made of at most 32 lower-case letters, digits, `_` and `-`, and starts with a letter or `_`";

/// The name of a user or group, if there is one.
#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
pub(super) fn account(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    text(at, reader, is_account, "cannot be the name of a user or group", ACCOUNT).map(Some)
}

/// A path in a guest, if there is one.
#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
pub(super) fn guest_path(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    text(at, reader, is_guest_path, "is not a path in a guest", GUEST_PATH).map(Some)
}

/// The path of a file in a guest, which must be there.
pub(super) fn file_path(field: Field<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let right = |path: &str| is_guest_path(path) && !path.ends_with('/');
    text(field.required()?, reader, right, "is not the path of a file in a guest", GUEST_PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_paths_are_absolute_and_go_nowhere_else() {
        assert!(is_guest_path("/etc/motd"));
        for path in ["etc/motd", "/etc/../shadow", "/a\nb", ""] {
            assert!(!is_guest_path(path), "{path}");
        }
    }

    #[test]
    fn networks_have_as_many_bits_as_their_addresses() {
        for text in ["203.0.113.7/32", "10.0.0.0/8", "2001:db8::/64"] {
            assert!(is_network(text), "{text}");
        }
        for text in ["203.0.113.7", "203.0.113.7/33", "2001:db8::/129", "host/8", "10.0.0.0/x"] {
            assert!(!is_network(text), "{text}");
        }
    }

    #[test]
    fn words_cannot_be_options() {
        assert!(is_word("libstdc++6", "+"));
        for word in ["--force", "a b", ""] {
            assert!(!is_word(word, "+"), "{word}");
        }
    }
}
