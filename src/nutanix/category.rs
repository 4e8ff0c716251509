//! Categories: keys with values that entities bear, such as `AppType=Kubernetes`.
use super::{
    Dialect, Kind, Mark, Prism, PrismError, PrismErrorKind,
    call::{Answer, Call, escape},
    resource,
};
use crate::cx::{Cx, Undo};
use serde_json::{Value, json};

/// A category that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Its UUID; v3 has none.
    pub uuid: Option<String>,
}

/// Categories that an image is to bear.
pub type Categories = Vec<Category>;

impl Prism {
    /// Categories by key and value; those that are missing are made, and journaled.
    pub async fn categories(&self, cx: &Cx, said: &[(String, String)]) -> Result<Categories, PrismError> {
        let mut found = Vec::new();
        for (key, value) in said {
            let attempt = format!("find the category `{key}={value}`");
            if let Some(known) = self.category(&attempt, key, value).await? {
                found.push(known);
                continue;
            }
            found.push(self.make_category(cx, key, value).await?);
        }
        Ok(found)
    }

    /// Categories by key and value, all of which must be there.
    pub async fn named_categories(&self, said: &[(String, String)]) -> Result<Categories, PrismError> {
        let mut found = Vec::new();
        for (key, value) in said {
            let attempt = format!("find the category `{key}={value}`");
            found.push(self.category(&attempt, key, value).await?.ok_or_else(|| {
                PrismError::new(PrismErrorKind::NotFound, attempt)
                    .because("there is none")
                    .hint("make it in Prism Central: one that is made for a machine would stay")
            })?);
        }
        Ok(found)
    }

    async fn category(&self, attempt: &str, key: &str, value: &str) -> Result<Option<Category>, PrismError> {
        let made = |uuid| Category { key: key.to_owned(), value: value.to_owned(), uuid };
        match self.dialect() {
            Dialect::V3 => {
                let there = found(self.send(Call::get(attempt, value_path(key, value))).await)?;
                Ok(there.map(|_| made(None)))
            }
            Dialect::V4 => {
                let entries = self.list_v4(attempt, V4, Some(&filter(key, value))).await?;
                let same = |entry: &&Value| entry["key"] == key && entry["value"] == value;
                let uuid = entries.iter().find(same).and_then(|entry| entry["extId"].as_str());
                Ok(uuid.map(|uuid| made(Some(uuid.to_owned()))))
            }
        }
    }

    async fn make_category(&self, cx: &Cx, key: &str, value: &str) -> Result<Category, PrismError> {
        let attempt = format!("make the category `{key}={value}`");
        let mark = Mark::of(cx.id()).on("");
        let plan = |kind: Kind, id: &str| {
            cx.undo().plan(Undo::Resource(resource(self, kind, id, cx.id().as_str(), &[("key", key)])))
        };
        match self.dialect() {
            Dialect::V3 => {
                if found(self.send(Call::get(&attempt, key_path(key))).await)?.is_none() {
                    let _ = plan(Kind::CategoryKey, key)?;
                    let body = json!({ "name": key, "description": mark });
                    self.send(Call::put(&attempt, key_path(key), body)).await?;
                }
                let _ = plan(Kind::Category, value)?;
                let body = json!({ "value": value, "description": mark });
                self.send(Call::put(&attempt, value_path(key, value), body)).await?;
                Ok(Category { key: key.to_owned(), value: value.to_owned(), uuid: None })
            }
            Dialect::V4 => {
                let _ = plan(Kind::Category, value)?;
                let body = json!({ "key": key, "value": value, "description": mark });
                let id = cx.id().uuid(&format!("category {key}={value}"));
                let answer = self.send(Call::post(&attempt, V4, body).request_id(id)).await?.value;
                let uuid = answer["data"]["extId"].as_str().ok_or_else(|| {
                    PrismError::new(PrismErrorKind::Other, &attempt)
                        .because("the answer does not tell its id")
                })?;
                Ok(Category { key: key.to_owned(), value: value.to_owned(), uuid: Some(uuid.to_owned()) })
            }
        }
    }

    /// Removes a category, or a key of v3, that bears the mark of `build`. Gone already is a success.
    pub(super) async fn remove_category(
        &self,
        key: &str,
        value: Option<&str>,
        build: &str,
    ) -> Result<(), PrismError> {
        let name = value.map_or_else(|| key.to_owned(), |value| format!("{key}={value}"));
        let attempt = format!("remove the category `{name}`");
        let is_ours =
            |entry: &Value| entry["description"].as_str().is_some_and(|text| super::is_marked(text, build));
        let gone = |removed: Result<Answer, PrismError>| found(removed).map(drop);
        if self.dialect() == Dialect::V3 {
            let path = value.map_or_else(|| key_path(key), |value| value_path(key, value));
            let there = found(self.send(Call::get(&attempt, path.as_str())).await)?;
            return match there.filter(|there| is_ours(&there.value)) {
                Some(_) => gone(self.send(Call::delete(&attempt, path)).await),
                None => Ok(()),
            };
        }
        let value = value.unwrap_or_default();
        for entry in self.list_v4(&attempt, V4, Some(&filter(key, value))).await? {
            let (true, Some(uuid)) = (is_ours(&entry), entry["extId"].as_str()) else { continue };
            let path = format!("{V4}/{}", escape(uuid));
            let Some(there) = found(self.send(Call::get(&attempt, path.as_str())).await)? else { continue };
            let delete = Call::delete(&attempt, path).request_id(uuid::Uuid::new_v4()).if_match(there.etag);
            gone(self.send(delete).await)?;
        }
        Ok(())
    }
}

const V4: &str = "api/prism/v4.0/config/categories";

fn key_path(key: &str) -> String {
    format!("api/nutanix/v3/categories/{}", escape(key))
}

fn value_path(key: &str, value: &str) -> String {
    format!("{}/{}", key_path(key), escape(value))
}

fn filter(key: &str, value: &str) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    format!("key eq '{}' and value eq '{}'", quoted(key), quoted(value))
}

/// An answer, or none when there is no such thing.
pub(super) fn found(answer: Result<Answer, PrismError>) -> Result<Option<Answer>, PrismError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == PrismErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
