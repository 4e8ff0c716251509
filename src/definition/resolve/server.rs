//! What tables of servers have in common: names of things there, who logs in, how the server is recognised.
#![allow(
    clippy::option_option,
    reason = "as in `Field::maybe`: without the outer one, a mistake was reported"
)]
use super::{check, source::local_file};
use crate::{
    definition::{
        problem::Span,
        raw::Several,
        reader::{At, Field, Reader},
        scalar::{List, Map, Text},
    },
    plan::{SecretSource, ServerTrust},
};
use std::{collections::BTreeMap, path::PathBuf};

/// A name or a path as a server shows it.
pub(super) fn name(field: Field<Text>, is_not: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    check::text(at, reader, is_name, is_not, "write it as the server shows it, or leave the key out")
        .map(Some)
}

/// Several of them; `what` is what they are.
pub(super) fn names(
    field: Field<List<Text>>,
    key: &str,
    is_not: &str,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    let Some(At { value: list, span }) = field.maybe()? else { return Some(Vec::new()) };
    check::holds(&span, !list.is_empty(), reader, || format!("`{key}` names nothing"))?;
    check::texts(list, reader, is_name, is_not, "write it as the server shows it")
}

/// `one` (a single name) or `all` (a list of them), by their keys.
pub(super) fn one_or_several(
    (one_key, one): (&str, Field<Text>),
    (all_key, all): (&str, Field<List<Text>>),
    is_not: &str,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    if let (Some(first), Some(second)) = (one.span(), all.span()) {
        let first = first.clone();
        reader
            .report(second, format!("it is either `{one_key}` or `{all_key}`"))
            .also(first, format!("`{one_key}` is here"));
        return None;
    }
    match name(one, is_not, reader)? {
        Some(one) => Some(vec![one]),
        None => names(all, all_key, is_not, reader),
    }
}

/// Whether something in an inventory can be called so.
pub(super) fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && check::is_line(text)
}

/// A file of this host.
pub(super) fn file(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<PathBuf>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    local_file(at, reader).map(Some)
}

/// A table whose values are a text or a list of them, as pairs; `of` and `value` say what its keys and its values are.
pub(super) fn pairs(
    map: Field<Map<Several>>,
    (of, value): (&str, &str),
    reader: &mut Reader<'_>,
) -> Option<Vec<(String, String)>> {
    let entries: Vec<Option<Vec<(String, String)>>> = map
        .or(Map::new())?
        .into_iter()
        .map(|(key, entry)| {
            check::holds(&entry.key, is_name(&key), reader, || {
                format!("`{}` is not the name of a {of}", key.escape_debug())
            })?;
            let At { value: Several(list), span } = entry.value;
            check::holds(&span, !list.is_empty(), reader, || format!("the {of} `{key}` has no {value}"))?;
            let is_not = format!("is not the name of a {value}");
            let values = check::texts(list, reader, is_name, &is_not, "write one line of text")?;
            Some(values.into_iter().map(|value| (key.clone(), value)).collect())
        })
        .collect();
    Some(entries.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// A table of the user's own keys, whose values are a line of text each.
pub(super) fn lines(map: Field<Map<Text>>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let entries = map.or(Map::new())?.into_iter().map(|(key, entry)| {
        let help = "write one line of text";
        Some((key, check::text(entry.value, reader, check::is_line, "is not a line of text", help)?))
    });
    // All of them are looked at before it is given up.
    entries.collect::<Vec<_>>().into_iter().collect()
}

/// The keys that say how a server is recognised.
pub(super) struct Trust {
    pub(super) ca_file: Field<Text>,
    pub(super) thumbprint: Field<Text>,
    pub(super) insecure: Field<bool>,
}

/// How `server` ("a vCenter") is recognised.
pub(super) fn trust(
    Trust { ca_file, thumbprint, insecure }: Trust,
    server: &str,
    reader: &mut Reader<'_>,
) -> Option<Option<ServerTrust>> {
    let given = [
        ("ca-file", ca_file.span().cloned()),
        ("thumbprint", thumbprint.span().cloned()),
        (
            "insecure",
            insecure.span().filter(|_| matches!(&insecure, Field::Good(At { value: true, .. }))).cloned(),
        ),
    ];
    let mut given: Vec<(&str, Span)> =
        given.into_iter().filter_map(|(name, span)| Some((name, span?))).collect();
    given.sort_by_key(|(_, span)| span.start);
    if let [(first, first_span), (second, second_span), ..] = &given[..] {
        let message = format!(
            "{server} is recognised in one way: by `ca-file`, by `thumbprint`, or with `insecure` not at all"
        );
        reader
            .report(second_span, message)
            .label(format!("`{second}` is the second"))
            .also(first_span.clone(), format!("`{first}` is here"));
        return None;
    }
    let (ca_file, insecure) = (file(ca_file, reader), insecure.or(false));
    let thumbprint = match thumbprint.maybe() {
        Some(Some(at)) => {
            let help = "copy it from the server's page: 20 (SHA-1) or 32 (SHA-256) bytes in hexadecimal, with or without colons";
            check::text(at, reader, is_thumbprint, "is not the fingerprint of a certificate", help).map(Some)
        }
        other => other.map(|_| None),
    };
    Some(match (ca_file?, thumbprint?, insecure?) {
        (Some(path), ..) => Some(ServerTrust::CaFile(path)),
        (None, Some(print), _) => Some(ServerTrust::Thumbprint(print)),
        (None, None, true) => Some(ServerTrust::Anything),
        (None, None, false) => None,
    })
}

/// Whether it is one of SHA-1 or SHA-256.
fn is_thumbprint(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
    matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `key`: the name of a secret. `secrets` are those of the definition, if they are right; `example` is what one may be called.
pub(super) fn secret(
    (key, field): (&str, Field<Text>),
    example: &str,
    secrets: Option<&BTreeMap<String, SecretSource>>,
    reader: &mut Reader<'_>,
) -> Option<Option<String>> {
    let Some(At { value, span }) = field.maybe()? else { return Some(None) };
    let name = value.0.text;
    // Without the secrets, something is wrong with them, and this may be right.
    if secrets.is_some_and(|secrets| !secrets.contains_key(&name)) {
        // It may be the secret itself, which must not be shown.
        let message = format!("`{key}` is the name of a secret, and there is none of this name");
        reader.report(&span, message).help(format!(
            "add `[secret.{example}]` with `env`, `file`, `command` or `json`, and write `{key} = \"{example}\"`"
        ));
        return None;
    }
    Some(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_of_two_lengths() {
        for text in ["00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33", &"ab".repeat(32)] {
            assert!(is_thumbprint(text), "{text}");
        }
        for text in ["", "00:11", &"xy".repeat(20), &"ab".repeat(21)] {
            assert!(!is_thumbprint(text), "{text}");
        }
    }
}
