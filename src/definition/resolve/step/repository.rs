//! `repository`: where packages come from.
use super::file::{self, Source};
use crate::definition::{
    problem::Span,
    raw::Repository,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::{List, Map, SecretText, Text},
};
use crate::plan::{AptRepository, Content, RepositoryStep, RpmRepository};
use std::collections::BTreeMap;

pub(super) fn resolve(
    At { value: raw, span: place }: At<Repository>,
    reader: &mut Reader<'_>,
) -> Option<RepositoryStep> {
    let kinds = [
        ("uris", raw.uris.span()),
        ("baseurl", raw.baseurl.span()),
        ("public", raw.public.span()),
        ("source", raw.source.span()),
        ("absent", raw.absent.span()),
    ];
    let is_bad = matches!(raw.uris, Field::Bad)
        || matches!(raw.baseurl, Field::Bad)
        || matches!(raw.public, Field::Bad)
        || matches!(raw.source, Field::Bad);
    if is_bad || !check::exactly_one(&place, "`repository`", &kinds, reader) {
        return None;
    }
    strangers(&raw, reader)?;
    if let Some(at) = raw.public.maybe()? {
        let right = |text: &str| matches!(text, "enabled" | "disabled");
        let state = check::text(
            at,
            reader,
            right,
            "is no state of the public repositories",
            "write `enabled` or `disabled`",
        )?;
        return Some(RepositoryStep::Public { state });
    }
    if let Field::Good(at) = raw.source {
        let name = at.value.0.text.rsplit('/').next().unwrap_or_default().to_owned();
        let content = file::neighbour_or_path(at, Source::Verbatim, reader);
        let dest = check::guest_path(raw.dest, reader);
        return Some(RepositoryStep::File { content: content?, name, dest: dest? });
    }
    let Field::Good(name) = raw.name else {
        if raw.name.is_absent() {
            reader.report(&place, "this `repository` needs a `name`").label("its file is called so");
        }
        return None;
    };
    let name =
        check::text(name, reader, |text| check::is_word(text, "_-."), "cannot name a repository", NAME);
    if let Some(absent) = raw.absent.maybe()? {
        check::holds(&absent.span, absent.value, reader, || {
            "`absent = false` says nothing: remove it".to_owned()
        })?;
        return Some(RepositoryStep::Absent { name: name? });
    }
    let key = key(raw.key, raw.key_source, &place, reader);
    let options = raw.options.or(Map::new()).and_then(|options| self::options(options, reader));
    let enabled = raw.enabled.or(true);
    if let Some(baseurl) = raw.baseurl.maybe()? {
        let right = |text: &str| {
            ["https://", "http://", "ftp://", "file:///"].iter().any(|scheme| text.starts_with(scheme))
        };
        let baseurl = address(baseurl, right, reader);
        let gpg_key = match raw.gpg_key.maybe()? {
            None => Some(None),
            Some(at) => check::text(
                at,
                reader,
                check::is_line,
                "is not one line",
                "write addresses, separated by blanks",
            )
            .map(Some),
        };
        return Some(RepositoryStep::Rpm(RpmRepository {
            name: name?,
            baseurl: baseurl?,
            options: options?,
            gpg_check: raw.gpg_check.or(true)?,
            gpg_key: gpg_key?,
            key: key?,
            enabled: enabled?,
        }));
    }
    let uris = raw.uris.required()?;
    check::holds(&uris.span, !uris.value.is_empty(), reader, || "`uris` names no address".to_owned())?;
    let uris: Vec<Option<String>> =
        uris.value.into_iter().map(|uri| address(uri, |text| text.contains(':'), reader)).collect();
    let suites_span = raw.suites.span().cloned().unwrap_or(place);
    let suites = words(raw.suites, reader);
    let components = words(raw.components, reader);
    let types = match raw.types.maybe()? {
        None => Some(vec!["deb".to_owned()]),
        Some(at) => {
            let right = |text: &str| matches!(text, "deb" | "deb-src");
            check::texts(at.value, reader, right, "is no type of repository", "write `deb` or `deb-src`")
        }
    };
    let (suites, components) = (suites?, components?);
    check::holds(&suites_span, !suites.is_empty(), reader, || {
        "a repository for apt needs `suites`: releases, or `/` for one without releases".to_owned()
    })?;
    let flat = |suite: &String| suite.ends_with('/');
    let right = if components.is_empty() {
        suites.iter().all(|suite| flat(suite) || reader.is_template(suite))
    } else {
        !suites.iter().any(flat)
    };
    check::holds(&suites_span, right, reader, || {
        "suites that end with `/` have no `components`, and all others have some".to_owned()
    })?;
    Some(RepositoryStep::Apt(AptRepository {
        name: name?,
        uris: uris.into_iter().collect::<Option<_>>()?,
        suites,
        components,
        types: types?,
        options: options?,
        key: key?,
        enabled: enabled?,
    }))
}

const NAME: &str = "write letters, digits, `-`, `_` and dots";

/// Reports keys that make no sense with the kind of repository.
fn strangers(raw: &Repository, reader: &mut Reader<'_>) -> Option<()> {
    let apt =
        [("suites", raw.suites.span()), ("components", raw.components.span()), ("types", raw.types.span())];
    let rpm = [("gpg-check", raw.gpg_check.span()), ("gpg-key", raw.gpg_key.span())];
    let both = [
        ("key", raw.key.span()),
        ("key-source", raw.key_source.span()),
        ("options", raw.options.span()),
        ("enabled", raw.enabled.span()),
    ];
    let (name, dest) = (("name", raw.name.span()), ("dest", raw.dest.span()));
    let mut wrong: Vec<(&str, Option<&Span>)> = Vec::new();
    let what = if !raw.uris.is_absent() {
        wrong.extend(rpm);
        wrong.push(dest);
        "uris"
    } else if !raw.baseurl.is_absent() {
        wrong.extend(apt);
        wrong.push(dest);
        "baseurl"
    } else {
        wrong.extend(apt.into_iter().chain(rpm).chain(both));
        if !raw.absent.is_absent() {
            wrong.push(dest);
            "absent"
        } else if !raw.public.is_absent() {
            wrong.extend([name, dest]);
            "public"
        } else {
            wrong.push(name);
            "source"
        }
    };
    let found = wrong.into_iter().find_map(|(key, span)| Some((key, span?.clone())));
    if let Some((key, span)) = &found {
        reader.report(span, format!("a `repository` with `{what}` has no `{key}`"));
    }
    found.is_none().then_some(())
}

#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
fn key(
    text: Field<Text>,
    path: Field<Text>,
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<Option<Content>> {
    if text.is_absent() && path.is_absent() {
        return Some(None);
    }
    let given = [("key", text.span()), ("key-source", path.span())];
    if !check::exactly_one(place, "`repository`", &given, reader) {
        return None;
    }
    match (text, path) {
        (Field::Good(at), _) => {
            let help = "write the text from `-----BEGIN PGP PUBLIC KEY BLOCK-----` on, or use `key-source`";
            let right = |text: &str| text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----");
            check::text(at, reader, right, "is not an ASCII-armoured key", help)
                .map(|text| Some(Content::Text(text)))
        }
        (_, Field::Good(at)) => file::neighbour_or_path(at, Source::Verbatim, reader).map(Some),
        _ => None,
    }
}

fn address(
    At { value: SecretText(text), span }: At<SecretText>,
    right: impl Fn(&str) -> bool,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let is_right =
        reader.is_template(&text) || (right(&text) && check::is_line(&text) && !text.contains(' '));
    check::holds(&span, is_right, reader, || {
        format!("`{}` is not the address of a repository", text.escape_debug())
    })?;
    Some(text)
}

fn words(field: Field<List<Text>>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let right =
        |text: &str| text == "./" || check::is_word(text.trim_start_matches('/'), "-._/~") || text == "/";
    check::texts(field.or(List::new())?, reader, right, "is not a word of a repository", "write one word")
}

fn options(options: Map<SecretText>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let mut all_right = true;
    let mut found = BTreeMap::new();
    for (name, entry) in options {
        let SecretText(value) = entry.value.value;
        let right = check::is_word(&name, "-_") && check::is_line(&value);
        all_right &= check::holds(&entry.key, right, reader, || {
            format!(
                "`{}` cannot be an option of a repository: name and value are one line",
                name.escape_debug()
            )
        })
        .is_some();
        found.insert(name, value);
    }
    all_right.then_some(found)
}
