//! `image`: container images.
use super::transfer::{self, Keys};
use crate::definition::{
    raw::Image,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::{List, Map},
};
use crate::plan::ImageStep;
use std::collections::BTreeMap;

pub(super) fn resolve(
    At { value: raw, span: place }: At<Image>,
    reader: &mut Reader<'_>,
) -> Option<ImageStep> {
    let is_bad = matches!(raw.url, Field::Bad)
        || matches!(raw.path, Field::Bad)
        || matches!(raw.source, Field::Bad)
        || matches!(raw.pull, Field::Bad);
    let given = [
        ("url", raw.url.span()),
        ("path", raw.path.span()),
        ("source", raw.source.span()),
        ("pull", raw.pull.span()),
    ];
    if is_bad || !check::exactly_one(&place, "`image`", &given, reader) {
        return None;
    }
    let from = if raw.pull.is_absent() {
        let keys = Keys {
            url: raw.url,
            path: raw.path,
            source: raw.source,
            digest: raw.digest,
            digest_url: raw.digest_url,
            via: raw.via,
        };
        transfer::resolve(keys, "an `image`", &place, reader).map(Some)
    } else {
        let others = [raw.digest.span(), raw.digest_url.span(), raw.via.span()];
        if let Some(other) = others.into_iter().flatten().next() {
            reader.report(&other.clone(), "this is about an archive of images, but these are pulled by name");
            return None;
        }
        Some(None)
    };
    let pull = raw
        .pull
        .or(List::new())
        .and_then(|list| check::texts(list, reader, is_reference, "is not the name of an image", REFERENCE));
    let namespace = match raw.namespace.maybe() {
        Some(None) => Some("k8s.io".to_owned()),
        Some(Some(at)) => {
            let right = |text: &str| check::is_word(text, "._-");
            check::text(at, reader, right, "is not a namespace", "write a name such as `k8s.io`")
        }
        None => None,
    };
    let strip_arch = match raw.strip_arch.maybe() {
        Some(None) => Some(None),
        Some(Some(at)) => {
            let right = |text: &str| check::is_word(text, "_");
            check::text(at, reader, right, "is not an architecture", "write a name such as `amd64`").map(Some)
        }
        None => None,
    };
    let tag = raw.tag.or(Map::new()).and_then(|tags| {
        let mut all = Some(BTreeMap::new());
        for (old, entry) in tags {
            let old_right =
                check::holds(&entry.key, is_reference(&old) || old.contains("{{"), reader, || {
                    format!("`{}` is not the name of an image", old.escape_debug())
                });
            let new =
                check::text(entry.value, reader, is_reference, "is not the name of an image", REFERENCE);
            all = all.zip(new.zip(old_right)).map(|(mut all, (new, ()))| {
                all.insert(old, new);
                all
            });
        }
        all
    });
    let unpack = raw.unpack.or(false);
    Some(ImageStep {
        from: from?,
        pull: pull?,
        namespace: namespace?,
        unpack: unpack?,
        strip_arch: strip_arch?,
        tag: tag?,
    })
}

const REFERENCE: &str = "write it in full, such as `registry.k8s.io/pause:3.10`";

fn is_reference(text: &str) -> bool {
    check::is_word(text, "._-/:@") && text.contains('/')
}
