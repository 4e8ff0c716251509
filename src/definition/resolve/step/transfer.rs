//! What `download`, `archive` and `image` have in common: a file from elsewhere, and how it is recognised.
use crate::definition::{
    problem::Span,
    reader::{At, Field, Reader},
    resolve::{check, source},
    scalar::{One, SecretText, Text, parse_url},
};
use crate::plan::{FileOrigin, Transfer, Via};
use crate::value::Digest;

/// The keys that say so.
pub(super) struct Keys {
    pub(super) url: Field<SecretText>,
    pub(super) path: Field<Text>,
    pub(super) source: Field<Text>,
    pub(super) digest: Field<Text>,
    pub(super) digest_url: Field<Text>,
    pub(super) via: Field<One<Via>>,
}

/// The transfer that `keys` of `header` at `place` describe, one of which is there.
pub(super) fn resolve(keys: Keys, header: &str, place: &Span, reader: &mut Reader<'_>) -> Option<Transfer> {
    let Keys { url, path, source: local, digest, digest_url, via } = keys;
    let via_span = via.span().cloned();
    let digest_span = digest.span().cloned();
    let digest_url_span = digest_url.span().cloned();
    let digest = digest.maybe().and_then(|at| match at {
        None => Some(None),
        Some(at) => {
            let right = |text: &str| text.contains(':') && text.parse::<Digest>().is_ok();
            let help = "write `sha256:` and 64 hexadecimal digits, or `sha512:` and 128";
            check::text(at, reader, right, "is not a digest", help).map(Some)
        }
    });
    let digest_url = digest_url.maybe().and_then(|at| match at {
        None => Some(None),
        Some(at) => check::text(at, reader, is_address, "is not an address", ADDRESS).map(Some),
    });
    let via = via.maybe()?.map_or(Via::Host, |at| at.value.0);
    let is_url = !url.is_absent();
    let origin = match (url, path, local) {
        (Field::Good(At { value: SecretText(text), span }), ..) => {
            let templated = reader.is_template(&text) || text.contains("${secret.");
            check::holds(&span, templated || is_address(&text), reader, || {
                format!(
                    "`{}` is not an address to download from: it starts with `https://` or `http://`",
                    text.escape_debug()
                )
            })?;
            FileOrigin::Url(text)
        }
        (_, path @ Field::Good(_), _) => FileOrigin::Guest(check::file_path(path, reader)?),
        (_, _, Field::Good(path)) if reader.is_template(&path.value.0.text) => {
            FileOrigin::Host(reader.folder.join(&path.value.0.text))
        }
        (_, _, Field::Good(path)) => FileOrigin::Host(source::local_file(path, reader)?),
        _ => return None,
    };
    let (digest, digest_url) = (digest?, digest_url?);
    if is_url {
        match (&digest, &digest_url) {
            (None, None) => {
                reader
                    .report(place, format!("{header} with a `url` needs a `digest` or a `digest-url`"))
                    .label("what is there may change at any time")
                    .help("add `digest = \"sha256:…\"`, as the publisher states it");
                return None;
            }
            (Some(_), Some(_)) => {
                let span = digest_url_span.unwrap_or_default();
                reader
                    .report(&span, format!("{header} takes only one of `digest` and `digest-url`"))
                    .also(digest_span.unwrap_or_default(), "`digest` is here");
                return None;
            }
            _ => {}
        }
    } else if let Some(span) = digest_url_span.or(via_span) {
        reader.report(&span, "this is about a download, but there is no `url`");
        return None;
    }
    Some(Transfer { origin, digest, digest_url, via })
}

const ADDRESS: &str = "an address starts with `https://` or `http://`";

fn is_address(text: &str) -> bool {
    parse_url(text, &["http", "https"]).is_ok_and(|url| url.host_str().is_some())
}
