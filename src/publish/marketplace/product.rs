//! What the catalogue says about a product.
use crate::aws::{Aws, AwsError, AwsErrorKind};
use aws_smithy_types::{Document, Number};
use serde_json::Value;

/// A product as it is now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    /// Its title, for people.
    pub(super) title: Option<String>,
    details: Value,
}

/// Asks for the product `id`.
pub(super) async fn look(aws: &Aws, id: &str) -> Result<Listed, AwsError> {
    let attempt = || format!("look at the product `{id}` of the Marketplace");
    let answer = aws
        .marketplace()
        .describe_entity()
        .catalog(super::change_set::CATALOG)
        .entity_id(id)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeEntity", error))?;
    let kind = answer.entity_type().unwrap_or_default();
    if !kind.starts_with("AmiProduct@") {
        return Err(AwsError::new(AwsErrorKind::Usage, format!("release an AMI to the product `{id}`"))
            .because(format!("it is a `{kind}`, not an `AmiProduct`")));
    }
    let details = match (answer.details(), answer.details_document()) {
        (Some(text), _) => serde_json::from_str(text)
            .map_err(|error| AwsError::new(AwsErrorKind::Other, attempt()).because(error))?,
        (None, Some(document)) => json(document),
        (None, None) => Value::Null,
    };
    let title = details["Description"]["ProductTitle"].as_str().map(ToOwned::to_owned);
    Ok(Listed { title, details })
}

impl Listed {
    /// What the newest version with this architecture recommends.
    pub(super) fn instance_type(&self, arch: &str) -> Option<String> {
        let mut versions: Vec<&Value> = self.details["Versions"].as_array()?.iter().collect();
        // The order is not documented; where a date is missing, it is the one of the list.
        versions.sort_by_key(|version| version["CreationDate"].as_str().unwrap_or_default());
        versions.iter().rev().find_map(|version| {
            let sources = version["Sources"].as_array().map(Vec::as_slice).unwrap_or_default();
            let fits = |option: &Value| {
                let source = sources.iter().find(|source| source["Id"] == option["SourceId"]);
                source.and_then(|source| source["Architecture"].as_str()).is_none_or(|known| known == arch)
            };
            let options = version["DeliveryOptions"].as_array()?;
            let found = options.iter().filter(|option| fits(option));
            found
                .filter_map(|option| option["Recommendations"]["InstanceType"].as_str())
                .find(|kind| !kind.is_empty())
                .map(ToOwned::to_owned)
        })
    }
}

fn json(document: &Document) -> Value {
    match document {
        Document::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), json(value))).collect())
        }
        Document::Array(items) => items.iter().map(json).collect(),
        Document::Number(Number::PosInt(number)) => (*number).into(),
        Document::Number(Number::NegInt(number)) => (*number).into(),
        Document::Number(Number::Float(number)) => (*number).into(),
        Document::String(text) => text.as_str().into(),
        Document::Bool(truth) => (*truth).into(),
        Document::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_version_with_the_architecture_recommends() {
        let version = |date: &str, arch: &str, kind: &str| {
            json!({
                "CreationDate": date,
                "Sources": [{ "Id": "s", "Architecture": arch }],
                "DeliveryOptions": [{ "SourceId": "s", "Recommendations": { "InstanceType": kind } }],
            })
        };
        let details = json!({ "Versions": [
            version("2026-03-01T00:00:00Z", "x86_64", "m7i.large"),
            version("2026-04-01T00:00:00Z", "arm64", "m7g.large"),
            version("2026-01-01T00:00:00Z", "x86_64", "t2.micro"),
        ] });
        let listed = Listed { title: None, details };
        assert_eq!(listed.instance_type("x86_64").as_deref(), Some("m7i.large"));
        assert_eq!(listed.instance_type("arm64").as_deref(), Some("m7g.large"));
        let empty = Listed { title: None, details: json!({}) };
        assert_eq!(empty.instance_type("arm64"), None);
    }

    #[test]
    fn a_document_is_json() {
        let document = Document::Object(
            [("a".to_owned(), Document::Array(vec![Document::Number(Number::PosInt(1)), Document::Null]))]
                .into(),
        );
        assert_eq!(json(&document), json!({ "a": [1, null] }));
    }
}
