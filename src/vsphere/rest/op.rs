//! The table of calls: each in both dialects, so that who calls says it once.
//!
//! `/api` (vCenter 7.0 U2 and newer) has bare bodies and answers; `/rest` (6.5 to 8) names the parameter that a body is, wraps answers
//! into `value`, and writes maps as lists of pairs.
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The longest that an answer may take, of calls that only look or write something down.
const ANSWER: Duration = Duration::from_mins(2);
/// The same of those that copy disks before they answer.
pub(super) const COPYING: Duration = Duration::from_hours(6);

/// One of the two forms of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Below `/api`.
    Api,
    /// Below `/rest`.
    Rest,
}

/// A call. `{name}` in an address is an argument; arguments that are not in it are fields of the body.
#[derive(Debug)]
pub(super) struct Op {
    /// Method and address below `/api/`.
    api: (&'static str, &'static str),
    /// Method and address below `/rest/`.
    rest: (&'static str, &'static str),
    /// The parameter that the whole body is, if it is one: `/rest` wants its name.
    wrapped: Option<&'static str>,
    /// Where in the body maps are, as JSON pointers.
    maps: &'static [&'static str],
    /// Whether making it twice is the same as making it once.
    pub(super) reads: bool,
    /// The longest that an answer may take.
    pub(super) limit: Duration,
}

/// A call as it is sent.
#[derive(Debug, PartialEq)]
pub(super) struct Built {
    pub(super) method: &'static str,
    /// `api/content/library/item?action=find`.
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

impl Op {
    const fn new(api: (&'static str, &'static str), rest: (&'static str, &'static str)) -> Self {
        Self { api, rest, wrapped: None, maps: &[], reads: false, limit: ANSWER }
    }

    const fn wrapped(self, name: &'static str) -> Self {
        Self { wrapped: Some(name), ..self }
    }

    const fn maps(self, maps: &'static [&'static str]) -> Self {
        Self { maps, ..self }
    }

    const fn reads(self) -> Self {
        Self { reads: true, ..self }
    }

    const fn copies(self) -> Self {
        Self { limit: COPYING, ..self }
    }

    /// The call in a dialect.
    pub(super) fn build(&self, dialect: Dialect, arguments: &[(&str, &str)], body: Option<Value>) -> Built {
        let (method, address) = self.in_dialect(dialect);
        let (mut path, mut named) = (address.to_owned(), Map::new());
        for (name, value) in arguments {
            let slot = format!("{{{name}}}");
            if path.contains(&slot) {
                path = path.replace(&slot, &escape(value));
            } else {
                named.insert((*name).to_owned(), json!(value));
            }
        }
        let mut body = body;
        if dialect == Dialect::Rest {
            if let Some(body) = &mut body {
                for at in self.maps {
                    body.pointer_mut(at).into_iter().for_each(pairs);
                }
            }
            body = match (self.wrapped, body) {
                (Some(name), Some(body)) => Some(json!({ name: body })),
                (_, body) => body,
            };
        }
        if !named.is_empty() {
            if let Some(Value::Object(fields)) = body {
                named.extend(fields);
            }
            body = Some(Value::Object(named));
        }
        // The older form reads a body wherever there may be one.
        if dialect == Dialect::Rest && method == "POST" {
            body = Some(body.unwrap_or_else(|| json!({})));
        }
        Built { method, path: format!("{}/{path}", dialect.root()), body }
    }

    /// For people: `POST /api/content/library/item`.
    pub(super) fn name(&self, dialect: Dialect) -> String {
        let (method, address) = self.in_dialect(dialect);
        format!("{method} /{}/{address}", dialect.root())
    }

    fn in_dialect(&self, dialect: Dialect) -> (&'static str, &'static str) {
        match dialect {
            Dialect::Api => self.api,
            Dialect::Rest => self.rest,
        }
    }
}

impl Dialect {
    fn root(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Rest => "rest",
        }
    }
}

/// A map as `/rest` writes it.
fn pairs(map: &mut Value) {
    if let Value::Object(fields) = map {
        let list =
            std::mem::take(fields).into_iter().map(|(key, value)| json!({ "key": key, "value": value }));
        *map = Value::Array(list.collect());
    }
}

/// The keys of a map in an answer, in both dialects.
pub(super) fn keys(map: &Value) -> Vec<String> {
    match map {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(pairs) => {
            pairs.iter().filter_map(|pair| pair["key"].as_str().map(ToOwned::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// A value in an address.
fn escape(value: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

pub(super) const LOG_IN: Op = Op::new(("POST", "session"), ("POST", "com/vmware/cis/session"));
pub(super) const LOG_OUT: Op = Op::new(("DELETE", "session"), ("DELETE", "com/vmware/cis/session"));

pub(super) const CATEGORIES: Op =
    Op::new(("GET", "cis/tagging/category"), ("GET", "com/vmware/cis/tagging/category")).reads();
pub(super) const CATEGORY: Op = Op::new(
    ("GET", "cis/tagging/category/{category_id}"),
    ("GET", "com/vmware/cis/tagging/category/id:{category_id}"),
)
.reads();
pub(super) const MAKE_CATEGORY: Op =
    Op::new(("POST", "cis/tagging/category"), ("POST", "com/vmware/cis/tagging/category"))
        .wrapped("create_spec");
pub(super) const REMOVE_CATEGORY: Op = Op::new(
    ("DELETE", "cis/tagging/category/{category_id}"),
    ("DELETE", "com/vmware/cis/tagging/category/id:{category_id}"),
);
pub(super) const TAGS_OF_CATEGORY: Op = Op::new(
    ("POST", "cis/tagging/tag?action=list-tags-for-category"),
    ("POST", "com/vmware/cis/tagging/tag/id:{category_id}?~action=list-tags-for-category"),
)
.reads();
pub(super) const TAG: Op =
    Op::new(("GET", "cis/tagging/tag/{tag_id}"), ("GET", "com/vmware/cis/tagging/tag/id:{tag_id}")).reads();
pub(super) const MAKE_TAG: Op =
    Op::new(("POST", "cis/tagging/tag"), ("POST", "com/vmware/cis/tagging/tag")).wrapped("create_spec");
pub(super) const REMOVE_TAG: Op =
    Op::new(("DELETE", "cis/tagging/tag/{tag_id}"), ("DELETE", "com/vmware/cis/tagging/tag/id:{tag_id}"));
/// Attaching what is attached changes nothing.
pub(super) const ATTACH: Op = Op::new(
    ("POST", "cis/tagging/tag-association/{tag_id}?action=attach"),
    ("POST", "com/vmware/cis/tagging/tag-association/id:{tag_id}?~action=attach"),
)
.reads();
pub(super) const TAGS_OF: Op = Op::new(
    ("POST", "cis/tagging/tag-association?action=list-attached-tags"),
    ("POST", "com/vmware/cis/tagging/tag-association?~action=list-attached-tags"),
)
.reads();
pub(super) const BEARERS: Op = Op::new(
    ("POST", "cis/tagging/tag-association/{tag_id}?action=list-attached-objects"),
    ("POST", "com/vmware/cis/tagging/tag-association/id:{tag_id}?~action=list-attached-objects"),
)
.reads();

pub(super) const LIBRARIES: Op =
    Op::new(("GET", "content/library"), ("GET", "com/vmware/content/library")).reads();
pub(super) const FIND_LIBRARY: Op =
    Op::new(("POST", "content/library?action=find"), ("POST", "com/vmware/content/library?~action=find"))
        .wrapped("spec")
        .reads();
pub(super) const LIBRARY: Op =
    Op::new(("GET", "content/library/{library_id}"), ("GET", "com/vmware/content/library/id:{library_id}"))
        .reads();

pub(super) const FIND_ITEM: Op = Op::new(
    ("POST", "content/library/item?action=find"),
    ("POST", "com/vmware/content/library/item?~action=find"),
)
.wrapped("spec")
.reads();
pub(super) const ITEMS: Op = Op::new(
    ("GET", "content/library/item?library_id={library_id}"),
    ("GET", "com/vmware/content/library/item?library_id={library_id}"),
)
.reads();
pub(super) const ITEM: Op = Op::new(
    ("GET", "content/library/item/{library_item_id}"),
    ("GET", "com/vmware/content/library/item/id:{library_item_id}"),
)
.reads();
pub(super) const MAKE_ITEM: Op =
    Op::new(("POST", "content/library/item"), ("POST", "com/vmware/content/library/item"))
        .wrapped("create_spec");
pub(super) const CHANGE_ITEM: Op = Op::new(
    ("PATCH", "content/library/item/{library_item_id}"),
    ("PATCH", "com/vmware/content/library/item/id:{library_item_id}"),
)
.wrapped("update_spec")
.reads();
pub(super) const REMOVE_ITEM: Op = Op::new(
    ("DELETE", "content/library/item/{library_item_id}"),
    ("DELETE", "com/vmware/content/library/item/id:{library_item_id}"),
);
pub(super) const FILES: Op = Op::new(
    ("GET", "content/library/item/{library_item_id}/file"),
    ("GET", "com/vmware/content/library/item/file?library_item_id={library_item_id}"),
)
.reads();

pub(super) const BEGIN_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session"),
    ("POST", "com/vmware/content/library/item/update-session"),
)
.wrapped("create_spec");
pub(super) const UPDATE: Op = Op::new(
    ("GET", "content/library/item/update-session/{update_session_id}"),
    ("GET", "com/vmware/content/library/item/update-session/id:{update_session_id}"),
)
.reads();
pub(super) const KEEP_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}?action=keep-alive"),
    ("POST", "com/vmware/content/library/item/update-session/id:{update_session_id}?~action=keep-alive"),
)
.reads();
pub(super) const COMPLETE_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}?action=complete"),
    ("POST", "com/vmware/content/library/item/update-session/id:{update_session_id}?~action=complete"),
)
.copies();
pub(super) const CANCEL_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}?action=cancel"),
    ("POST", "com/vmware/content/library/item/update-session/id:{update_session_id}?~action=cancel"),
);
pub(super) const END_UPDATE: Op = Op::new(
    ("DELETE", "content/library/item/update-session/{update_session_id}"),
    ("DELETE", "com/vmware/content/library/item/update-session/id:{update_session_id}"),
);
/// A second time it replaces the first.
pub(super) const ADD_FILE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}/file"),
    ("POST", "com/vmware/content/library/item/updatesession/file/id:{update_session_id}?~action=add"),
)
.wrapped("file_spec")
.reads();
pub(super) const REMOVE_FILE: Op = Op::new(
    ("DELETE", "content/library/item/update-session/{update_session_id}/file/{file_name}"),
    ("POST", "com/vmware/content/library/item/updatesession/file/id:{update_session_id}?~action=remove"),
);
pub(super) const VALIDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}/file?action=validate"),
    ("POST", "com/vmware/content/library/item/updatesession/file/id:{update_session_id}?~action=validate"),
)
.reads()
.copies();

pub(super) const BEGIN_DOWNLOAD: Op = Op::new(
    ("POST", "content/library/item/download-session"),
    ("POST", "com/vmware/content/library/item/download-session"),
)
.wrapped("create_spec");
pub(super) const KEEP_DOWNLOAD: Op = Op::new(
    ("POST", "content/library/item/download-session/{download_session_id}?action=keep-alive"),
    ("POST", "com/vmware/content/library/item/download-session/id:{download_session_id}?~action=keep-alive"),
)
.reads();
pub(super) const END_DOWNLOAD: Op = Op::new(
    ("DELETE", "content/library/item/download-session/{download_session_id}"),
    ("DELETE", "com/vmware/content/library/item/download-session/id:{download_session_id}"),
);
pub(super) const PREPARE: Op = Op::new(
    ("POST", "content/library/item/download-session/{download_session_id}/file?action=prepare"),
    ("POST", "com/vmware/content/library/item/downloadsession/file/id:{download_session_id}?~action=prepare"),
)
.reads();
pub(super) const PREPARED: Op = Op::new(
    ("GET", "content/library/item/download-session/{download_session_id}/file?file_name={file_name}"),
    ("POST", "com/vmware/content/library/item/downloadsession/file/id:{download_session_id}?~action=get"),
)
.reads();

pub(super) const CAPTURE_OVF: Op =
    Op::new(("POST", "vcenter/ovf/library-item"), ("POST", "com/vmware/vcenter/ovf/library-item")).copies();
pub(super) const FILTER_OVF: Op = Op::new(
    ("POST", "vcenter/ovf/library-item/{ovf_library_item_id}?action=filter"),
    ("POST", "com/vmware/vcenter/ovf/library-item/id:{ovf_library_item_id}?~action=filter"),
)
.reads();
pub(super) const DEPLOY_OVF: Op = Op::new(
    ("POST", "vcenter/ovf/library-item/{ovf_library_item_id}?action=deploy"),
    ("POST", "com/vmware/vcenter/ovf/library-item/id:{ovf_library_item_id}?~action=deploy"),
)
.maps(&["/deployment_spec/network_mappings"])
.copies();
pub(super) const CAPTURE_TEMPLATE: Op =
    Op::new(("POST", "vcenter/vm-template/library-items"), ("POST", "vcenter/vm-template/library-items"))
        .wrapped("spec")
        .copies();
pub(super) const TEMPLATE: Op = Op::new(
    ("GET", "vcenter/vm-template/library-items/{template_library_item}"),
    ("GET", "vcenter/vm-template/library-items/{template_library_item}"),
)
.reads();
pub(super) const DEPLOY_TEMPLATE: Op = Op::new(
    ("POST", "vcenter/vm-template/library-items/{template_library_item}?action=deploy"),
    ("POST", "vcenter/vm-template/library-items/{template_library_item}?action=deploy"),
)
.wrapped("spec")
.maps(&["/hardware_customization/nics"])
.copies();

#[cfg(test)]
mod tests {
    use super::*;

    fn both(op: &Op, arguments: &[(&str, &str)], body: Option<Value>) -> [(String, Option<Value>); 2] {
        [Dialect::Api, Dialect::Rest].map(|dialect| {
            let built = op.build(dialect, arguments, body.clone());
            (format!("{} /{}", built.method, built.path), built.body)
        })
    }

    #[test]
    fn a_body_that_is_one_parameter_is_bare_here_and_named_there() {
        let spec = json!({ "name": "os" });
        let [api, rest] = both(&MAKE_CATEGORY, &[], Some(spec.clone()));
        assert_eq!(api, ("POST /api/cis/tagging/category".into(), Some(spec.clone())));
        assert_eq!(
            rest,
            ("POST /rest/com/vmware/cis/tagging/category".into(), Some(json!({ "create_spec": spec })))
        );
    }

    #[test]
    fn arguments_go_where_the_dialect_wants_them() {
        let [api, rest] = both(&TAGS_OF_CATEGORY, &[("category_id", "urn:x:GLOBAL")], None);
        assert_eq!(
            api,
            (
                "POST /api/cis/tagging/tag?action=list-tags-for-category".into(),
                Some(json!({ "category_id": "urn:x:GLOBAL" }))
            )
        );
        assert_eq!(
            rest,
            (
                "POST /rest/com/vmware/cis/tagging/tag/id:urn:x:GLOBAL?~action=list-tags-for-category".into(),
                Some(json!({}))
            )
        );
        let named = [("download_session_id", "7"), ("file_name", "a b/c.ovf")];
        let [api, rest] = both(&PREPARED, &named, None);
        assert_eq!(
            api,
            ("GET /api/content/library/item/download-session/7/file?file_name=a%20b%2Fc.ovf".into(), None)
        );
        assert_eq!(
            rest,
            (
                "POST /rest/com/vmware/content/library/item/downloadsession/file/id:7?~action=get".into(),
                Some(json!({ "file_name": "a b/c.ovf" }))
            )
        );
    }

    #[test]
    fn a_call_without_a_body_has_none_here_and_an_empty_one_there() {
        let [api, rest] = both(&COMPLETE_UPDATE, &[("update_session_id", "7")], None);
        assert_eq!(api, ("POST /api/content/library/item/update-session/7?action=complete".into(), None));
        assert_eq!(rest.1, Some(json!({})));
        let [api, rest] = both(&ITEMS, &[("library_id", "a")], None);
        assert_eq!(api, ("GET /api/content/library/item?library_id=a".into(), None));
        assert_eq!(rest, ("GET /rest/com/vmware/content/library/item?library_id=a".into(), None));
    }

    #[test]
    fn maps_become_pairs_there() {
        let body = json!({ "deployment_spec": { "network_mappings": { "VM Network": "network-7" } } });
        let [api, rest] = both(&DEPLOY_OVF, &[("ovf_library_item_id", "i")], Some(body.clone()));
        assert_eq!(api.1, Some(body));
        let pairs = json!({ "deployment_spec": { "network_mappings": [{ "key": "VM Network", "value": "network-7" }] } });
        assert_eq!(rest.1, Some(pairs));
        assert_eq!(keys(&json!({ "4000": {} })), ["4000"]);
        assert_eq!(keys(&json!([{ "key": "4000", "value": {} }])), ["4000"]);
        let body =
            json!({ "name": "web", "hardware_customization": { "nics": { "4000": { "network": "n" } } } });
        let [api, rest] = both(&DEPLOY_TEMPLATE, &[("template_library_item", "i")], Some(body.clone()));
        assert_eq!(api, ("POST /api/vcenter/vm-template/library-items/i?action=deploy".into(), Some(body)));
        assert_eq!(rest.0, "POST /rest/vcenter/vm-template/library-items/i?action=deploy");
        assert_eq!(rest.1.unwrap()["spec"]["hardware_customization"]["nics"][0]["key"], "4000");
    }
}
