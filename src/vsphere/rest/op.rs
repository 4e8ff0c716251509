//! A call in both dialects, so that who calls says it once; which there are is in the table beside this ([`super::calls`]).
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
    pub(super) const fn new(api: (&'static str, &'static str), rest: (&'static str, &'static str)) -> Self {
        Self { api, rest, wrapped: None, maps: &[], reads: false, limit: ANSWER }
    }

    pub(super) const fn wrapped(self, name: &'static str) -> Self {
        Self { wrapped: Some(name), ..self }
    }

    pub(super) const fn maps(self, maps: &'static [&'static str]) -> Self {
        Self { maps, ..self }
    }

    pub(super) const fn reads(self) -> Self {
        Self { reads: true, ..self }
    }

    pub(super) const fn copies(self) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vsphere::rest::calls::{
        COMPLETE_UPDATE, DEPLOY_OVF, DEPLOY_TEMPLATE, ITEMS, MAKE_CATEGORY, PREPARED, TAGS_OF_CATEGORY,
    };

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
