//! Properties of managed objects.
use super::{Element, Moref, Node, VCenter, VsphereError, VsphereErrorKind};
use std::collections::BTreeMap;

/// Properties of one object, by their paths: `config.annotation`. What an object does not have, or we may not see, is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    values: BTreeMap<String, Node>,
    /// What was refused, with the server's word for why.
    missing: Vec<(String, String)>,
}

impl Properties {
    /// A property.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.values.get(path)
    }

    /// The text of a property.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path).map(|node| node.text.as_str())
    }

    /// The object that a property refers to.
    pub fn moref(&self, path: &str) -> Option<Moref> {
        self.get(path).and_then(Node::as_moref)
    }

    /// The objects that a property refers to.
    pub fn morefs(&self, path: &str) -> Vec<Moref> {
        self.get(path).map(Node::morefs).unwrap_or_default()
    }

    /// What could not be read, with the server's word for why: `NoPermission`.
    pub fn missing(&self) -> &[(String, String)] {
        &self.missing
    }

    fn of(object: &Node) -> Self {
        let mut made = Self::default();
        for pair in object.all("propSet") {
            if let (Some(name), Some(value)) = (pair.text_at("name"), pair.at("val")) {
                made.values.insert(name.to_owned(), value.clone());
            }
        }
        for missing in object.all("missingSet") {
            let fault = missing.at("fault/fault").and_then(|fault| fault.kind.clone());
            if let Some(path) = missing.text_at("path") {
                made.missing.push((path.to_owned(), fault.unwrap_or_default()));
            }
        }
        made
    }
}

impl VCenter {
    /// Properties of an object. One that is not there (any more) is an error of the kind `NotFound`.
    pub async fn properties(&self, object: &Moref, paths: &[&str]) -> Result<Properties, VsphereError> {
        let found = self.properties_of_all(std::slice::from_ref(object), paths).await?;
        found.into_iter().next().map(|(_, properties)| properties).ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::NotFound, format!("look at {object}"))
                .because("there is none")
        })
    }

    /// Properties of objects of one kind, in one call. Objects that are gone are left out.
    pub async fn properties_of_all(
        &self,
        objects: &[Moref],
        paths: &[&str],
    ) -> Result<Vec<(Moref, Properties)>, VsphereError> {
        let Some(first) = objects.first() else { return Ok(Vec::new()) };
        let attempt = if objects.len() == 1 {
            format!("look at {first}")
        } else {
            format!("look at {first} and others")
        };
        let fill = |call: &mut Element| {
            call.node("specSet", |spec| {
                spec.node("propSet", |set| {
                    set.leaf("type", &first.kind);
                    for path in paths {
                        set.leaf("pathSet", path);
                    }
                });
                for object in objects {
                    spec.node("objectSet", |set| {
                        set.moref("obj", object);
                    });
                }
            });
            // Without bounds; a server cuts long answers all the same.
            call.node("options", |_| {});
        };
        self.retrieve(&attempt, fill).await
    }

    /// RetrievePropertiesEx with all that follows it.
    pub(super) async fn retrieve(
        &self,
        attempt: &str,
        fill: impl FnOnce(&mut Element),
    ) -> Result<Vec<(Moref, Properties)>, VsphereError> {
        let collector = self.service("propertyCollector")?;
        let mut answer = self.call(attempt, "RetrievePropertiesEx", &collector, fill).await?;
        let mut found = Vec::new();
        while let Some(result) = answer.at("returnval") {
            for object in result.all("objects") {
                if let Some(moref) = object.at("obj").and_then(Node::as_moref) {
                    found.push((moref, Properties::of(object)));
                }
            }
            let Some(token) = result.text_at("token").map(ToOwned::to_owned) else { break };
            answer = self
                .call(attempt, "ContinueRetrievePropertiesEx", &collector, |call| {
                    call.leaf("token", token);
                })
                .await?;
        }
        Ok(found)
    }
}
