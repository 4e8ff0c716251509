//! The file that EKS Anywhere's image-builder takes for vSphere (`vsphere.json`).
use super::{VsphereError, VsphereErrorKind};
use crate::value::Secret;
use serde_json::Value;
use std::path::Path;

/// What is used of the file. All of its values are texts; what is not known here is about other things.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Name or address of the vCenter.
    pub server: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// Of that user.
    pub password: Option<Secret>,
    /// Whether any certificate is taken.
    pub insecure: bool,
    /// The datacenter.
    pub datacenter: Option<String>,
    /// The cluster.
    pub cluster: Option<String>,
    /// The resource pool.
    pub pool: Option<String>,
    /// The folder.
    pub folder: Option<String>,
    /// The datastore.
    pub datastore: Option<String>,
    /// The network.
    pub network: Option<String>,
    /// Whether the result is a template.
    pub template: bool,
    /// Whether the result has a snapshot.
    pub snapshot: bool,
    /// What is cloned.
    pub source: Option<String>,
    /// Whether the clone shares the source's disks.
    pub linked_clone: bool,
}

impl Config {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, VsphereError> {
        let attempt = |verb: &str| format!("{verb} `{}`", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| VsphereError::new(VsphereErrorKind::Usage, attempt("read")).because(error))?;
        Self::parse(&text).map_err(|why| {
            VsphereError::new(VsphereErrorKind::Usage, attempt("understand")).because(why).hint(
                "it is one JSON object, such as `{\"vcenter_server\": \"vc.example.com\", \"datacenter\": \"DC0\"}`",
            )
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            // The text of an error of serde_json's has none of the values in it, which may be secret.
            format!("line {}, column {}: it is no JSON", error.line(), error.column())
        })?;
        let Value::Object(fields) = value else { return Err("it is no object".to_owned()) };
        let text = |key: &str| match fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("`{key}` is no text")),
        };
        let flag = |key: &str| match fields.get(key) {
            Some(Value::Bool(on)) => Ok(*on),
            _ => match text(key)?.as_deref() {
                None | Some("false") => Ok(false),
                Some("true") => Ok(true),
                Some(_) => Err(format!("`{key}` is neither `true` nor `false`")),
            },
        };
        Ok(Self {
            server: text("vcenter_server")?,
            user: text("username")?,
            password: text("password")?.map(Secret::new),
            insecure: flag("insecure_connection")?,
            datacenter: text("datacenter")?,
            cluster: text("cluster")?,
            pool: text("resource_pool")?,
            folder: text("folder")?,
            datastore: text("datastore")?,
            network: text("network")?,
            template: flag("convert_to_template")?,
            snapshot: flag("create_snapshot")?,
            source: text("template")?,
            linked_clone: flag("linked_clone")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_eks_anywhere_is_understood() {
        let config = Config::parse(
            r#"{"cluster": "C0", "convert_to_template": "true", "create_snapshot": "false", "datacenter": "DC0",
                "datastore": "ds", "folder": "/DC0/vm/x", "insecure_connection": "false", "linked_clone": "false",
                "network": "VM Network", "resource_pool": "", "template": "", "vcenter_server": "vc.example.com",
                "username": "u", "password": "p4ssword", "vmx_version": "15", "iso_url": "https://example.com/x.iso"}"#,
        )
        .unwrap();
        assert_eq!(config.cluster.as_deref(), Some("C0"));
        assert_eq!(config.server.as_deref(), Some("vc.example.com"));
        assert_eq!((config.template, config.snapshot, config.insecure), (true, false, false));
        assert_eq!(config.pool, None);
        assert!(!format!("{config:?}").contains("p4ssword"));
    }

    #[test]
    fn what_is_wrong_with_it_is_said_without_its_secrets() {
        for (text, word) in [
            ("[1]", "no object"),
            (r#"{"password": "p4ss"#, "no JSON"),
            (r#"{"cluster": 7}"#, "`cluster` is no text"),
            (r#"{"convert_to_template": "yes"}"#, "neither"),
        ] {
            let why = Config::parse(text).unwrap_err();
            assert!(why.contains(word) && !why.contains("p4ss"), "{why}");
        }
    }
}
