//! What requests may look like, by tables of facts: v3 from Nutanix's own description of the interface (Swagger), v4 from the models of its
//! official SDKs (ntnx-vmm-py-client 4.3.2, of which only what 4.0.1 has, too, and what is below `v4.1` of 4.1.1; ntnx-prism-py-client 4.4.2;
//! ntnx-clustermgmt-py-client 4.0.1; ntnx-networking-py-client 4.0.1). Of machines and templates, what this client never says is an `object`.
use serde_json::{Map, Value};

/// The tables of one dialect.
pub(crate) struct Schema {
    table: Value,
    /// Before the addresses.
    base: &'static str,
}

/// A request as far as it is compared.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(String, String)],
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

impl Schema {
    pub(crate) fn v3() -> Self {
        let table = serde_json::from_str(include_str!("v3.json")).unwrap();
        Self { table, base: "/api/nutanix/v3" }
    }

    pub(crate) fn v4() -> Self {
        Self { table: serde_json::from_str(include_str!("v4.json")).unwrap(), base: "" }
    }

    /// What is wrong with a request; nothing if all is well.
    pub(crate) fn wrongs(&self, asked: &Asked<'_>) -> Vec<String> {
        let path = asked.path.strip_prefix(self.base).unwrap_or(asked.path);
        let calls = self.table["calls"].as_array().unwrap();
        let fits = |call: &&Value| {
            let (method, template) = call["call"].as_str().unwrap().split_once(' ').unwrap();
            method == asked.method && is_at(template, path)
        };
        // An address without a variable is the better one.
        let mut found: Vec<&Value> = calls.iter().filter(fits).collect();
        found.sort_by_key(|call| call["call"].as_str().unwrap().matches('{').count());
        let Some(call) = found.first() else {
            return vec![format!("there is no call {} {}", asked.method, asked.path)];
        };
        let mut wrongs = Vec::new();
        for (name, _) in asked.query {
            if !call["query"].as_array().is_some_and(|known| known.iter().any(|one| one == name.as_str())) {
                wrongs.push(format!("{}: no parameter `{name}`", call["call"]));
            }
        }
        for header in call["headers"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let said = asked.headers.iter().find(|(name, _)| header["name"] == name.as_str());
            if let (Some((name, value)), Some(allowed)) = (said, header["one-of"].as_array())
                && !allowed.iter().any(|one| one == value.as_str())
            {
                wrongs.push(format!("{}: `{name}: {value}`", call["call"]));
            }
        }
        match (call["body"].as_str(), call["bytes"] == true) {
            (Some(kind), _) => match serde_json::from_slice::<Value>(asked.body) {
                Ok(body) => self.compare_type(kind, &body, "body", &mut wrongs),
                Err(error) => wrongs.push(format!("{}: the body is no JSON: {error}", call["call"])),
            },
            (None, true) => {}
            (None, false) if asked.body.is_empty() => {}
            (None, false) => wrongs.push(format!("{}: takes no body", call["call"])),
        }
        wrongs
    }

    fn compare_type(&self, kind: &str, value: &Value, at: &str, wrongs: &mut Vec<String>) {
        let Some(fields) = self.table["types"][kind].as_object() else {
            return wrongs.push(format!("{at}: nothing is known of `{kind}`"));
        };
        let Value::Object(said) = value else { return wrongs.push(format!("{at}: is no object")) };
        // A free map has no fields of its own.
        for (name, value) in said.iter().filter(|_| !fields.is_empty()) {
            match fields.get(name) {
                Some(field) => self.compare(field, value, &format!("{at}.{name}"), wrongs),
                None => wrongs.push(format!("{at}.{name}: `{kind}` has no such field")),
            }
        }
        let must = |(_, field): &(&String, &Value)| field["must"] == true;
        for (name, _) in fields.iter().filter(must).filter(|(name, _)| !said.contains_key(*name)) {
            wrongs.push(format!("{at}.{name}: is missing"));
        }
    }

    fn compare(&self, field: &Value, value: &Value, at: &str, wrongs: &mut Vec<String>) {
        if let Some(kind) = field["is"].as_str() {
            return self.compare_type(kind, value, at, wrongs);
        }
        if let Some(kinds) = field["any-of"].as_array() {
            let said = &value["$objectType"];
            return match kinds.iter().find(|kind| *kind == said) {
                Some(kind) => self.compare_type(kind.as_str().unwrap(), value, at, wrongs),
                None => wrongs.push(format!("{at}: is a {said}")),
            };
        }
        if !field["map"].is_null() {
            let Some(map) = value.as_object() else { return wrongs.push(format!("{at}: is no object")) };
            for (key, one) in map {
                self.compare(&field["map"], one, &format!("{at}.{key}"), wrongs);
            }
            return;
        }
        if !field["list"].is_null() {
            let Some(list) = value.as_array() else { return wrongs.push(format!("{at}: is no list")) };
            for (number, one) in list.iter().enumerate() {
                self.compare(&field["list"], one, &format!("{at}[{number}]"), wrongs);
            }
            return;
        }
        let kind = field["type"].as_str().unwrap_or("object");
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let right = match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "uuid" => {
                value.as_str().is_some_and(|text| uuid::Uuid::parse_str(text).is_ok() && text.len() == 36)
            }
            "sha256" => value.as_str().is_some_and(|text| text.len() == 64 && hex(text)),
            "object" => value.is_object(),
            other => panic!("what is `{other}`?"),
        };
        if !right {
            wrongs.push(format!("{at}: {value} is no {kind}"));
        }
        let empty = Map::new();
        let field = field.as_object().unwrap_or(&empty);
        if let Some(allowed) = field.get("one-of").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            wrongs.push(format!("{at}: {value} is none of {allowed:?}"));
        }
        if let (Some(longest), Some(text)) = (field.get("longest").and_then(Value::as_u64), value.as_str())
            && text.chars().count() as u64 > longest
        {
            wrongs.push(format!("{at}: has more than {longest} characters"));
        }
    }
}

/// Whether a path is one of a template: `/images/{uuid}`.
fn is_at(template: &str, path: &str) -> bool {
    let (one, two): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    one.len() == two.len()
        && one
            .iter()
            .zip(&two)
            .all(|(known, said)| (known.starts_with('{') && !said.is_empty()) || known == said)
}

#[test]
fn wrong_requests_are_found() {
    let ask = |schema: &Schema, method: &str, path: &str, body: &str| {
        schema.wrongs(&Asked { method, path, query: &[], headers: &[], body: body.as_bytes() }).join("; ")
    };
    let (v3, v4) = (Schema::v3(), Schema::v4());
    let post = |body: &str| ask(&v3, "POST", "/api/nutanix/v3/images", body);
    let good = r#"{"metadata": {"kind": "image"}, "spec": {"name": "a", "resources": {"image_type": "DISK_IMAGE"}}}"#;
    assert_eq!(post(good), "");
    for (from, to, word) in [
        ("DISK_IMAGE", "BOGUS", "none of"),
        ("image_type", "imageType", "no such field"),
        ("\"name\": \"a\",", "", "spec.name: is missing"),
        ("\"a\"", "7", "no string"),
    ] {
        let found = post(&good.replace(from, to));
        assert!(found.contains(word), "{found}");
    }
    assert!(ask(&v3, "POST", "/api/nutanix/v3/image", "{}").contains("no call"));
    let post = |body: &str| ask(&v4, "POST", "/api/vmm/v4.0/content/images", body);
    let good = r#"{"name": "a", "type": "DISK_IMAGE",
        "source": {"$objectType": "vmm.v4.content.UrlSource", "url": "https://a"}}"#;
    assert_eq!(post(good), "");
    for (from, to, word) in [
        ("\"url\"", "\"source_uri\"", "no such field"),
        ("UrlSource", "Source", "is a"),
        ("\"type\": \"DISK_IMAGE\",", "", "is missing"),
    ] {
        let found = post(&good.replace(from, to));
        assert!(found.contains(word), "{found}");
    }
}
