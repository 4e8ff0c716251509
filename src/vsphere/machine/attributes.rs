//! Custom attributes: words of a site's own on machines.
use super::Machine;
use crate::vsphere::{Moref, Node, VCenter, VsphereError, VsphereErrorKind};

impl Machine {
    /// Sets a custom attribute. One that no machine has yet is defined; a definition is the site's, and stays.
    pub async fn set_attribute(&self, name: &str, value: &str) -> Result<(), VsphereError> {
        let vcenter = &self.vcenter;
        let attempt = format!("set the custom attribute `{name}` of `{}`", self.path);
        let manager = vcenter.service("customFieldsManager")?;
        let key = match vcenter.attribute(&manager, name).await? {
            Some(key) => key,
            None => vcenter.define_attribute(&attempt, &manager, name).await?,
        };
        vcenter
            .call(attempt, "SetField", &manager, |call| {
                call.moref("entity", &self.moref).leaf("key", key).leaf("value", value);
            })
            .await
            .map(drop)
    }
}

impl VCenter {
    /// The key of an attribute that machines may have.
    async fn attribute(&self, manager: &Moref, name: &str) -> Result<Option<String>, VsphereError> {
        let properties = self.properties(manager, &["field"]).await?;
        let fields = properties.get("field").map(|fields| fields.nodes.as_slice()).unwrap_or_default();
        let is_it = |field: &&Node| {
            field.text_at("name") == Some(name)
                && field.text_at("managedObjectType").is_none_or(|kind| matches!(kind, "" | "VirtualMachine"))
        };
        Ok(fields.iter().find(is_it).and_then(|field| field.text_at("key")).map(ToOwned::to_owned))
    }

    async fn define_attribute(
        &self,
        attempt: &str,
        manager: &Moref,
        name: &str,
    ) -> Result<String, VsphereError> {
        let defined = self
            .call(attempt, "AddCustomFieldDef", manager, |call| {
                call.leaf("name", name).leaf("moType", "VirtualMachine");
            })
            .await;
        match defined {
            Ok(answer) => answer.text_at("returnval/key").map(ToOwned::to_owned).ok_or_else(|| {
                VsphereError::new(VsphereErrorKind::Other, attempt)
                    .because("AddCustomFieldDef answered without a key")
            }),
            // Somebody else defined it a moment ago, or it is of all kinds of things.
            Err(error) if error.kind() == VsphereErrorKind::Exists => {
                self.attribute(manager, name).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}
