//! The file that EKS Anywhere's image-builder takes for Nutanix (`nutanix.json`).
use super::{PrismError, PrismErrorKind};
use crate::value::Secret;
use serde_json::Value;
use std::path::Path;

/// What is used of the file. Its values are texts; what is not known here is about other things.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `nutanix_endpoint`: name or address of the Prism Central.
    pub host: Option<String>,
    /// `nutanix_port`
    pub port: Option<u16>,
    /// `nutanix_username`
    pub user: Option<String>,
    /// `nutanix_password`
    pub password: Option<Secret>,
    /// `nutanix_insecure`: whether any certificate is taken.
    pub insecure: bool,
    /// `nutanix_cluster_uuid`, or else `nutanix_cluster_name`.
    pub cluster: Option<String>,
    /// `nutanix_subnet_name`
    pub subnet: Option<String>,
    /// `image_name`: what the result is called.
    pub image_name: Option<String>,
    /// `image_url`: where the image comes from that a build begins with.
    pub image_url: Option<String>,
    /// `source_image_name`: the same, if it is there already.
    pub source_image: Option<String>,
    /// `image_size_gb`, of the disk of a build, in GiB.
    pub size_gib: Option<u64>,
    /// `image_export`: whether the result is downloaded, too.
    pub export: bool,
}

impl Config {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, PrismError> {
        let attempt = |verb: &str| format!("{verb} `{}`", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| PrismError::new(PrismErrorKind::Usage, attempt("read")).because(error))?;
        Self::parse(&text).map_err(|why| {
            PrismError::new(PrismErrorKind::Usage, attempt("understand")).because(why).hint(
                "it is one JSON object, such as \
                 `{\"nutanix_endpoint\": \"prism.example.com\", \"nutanix_cluster_name\": \"PE-cluster\"}`",
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
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
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
        let number = |key: &str| match text(key)? {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("`{key}` is no number")),
        };
        let port = number("nutanix_port")?
            .map(|port| u16::try_from(port).map_err(|_| "`nutanix_port` is no port".to_owned()))
            .transpose()?;
        let uuid = text("nutanix_cluster_uuid")?;
        Ok(Self {
            host: text("nutanix_endpoint")?,
            port,
            user: text("nutanix_username")?,
            password: text("nutanix_password")?.map(Secret::new),
            insecure: flag("nutanix_insecure")?,
            cluster: uuid.or(text("nutanix_cluster_name")?),
            subnet: text("nutanix_subnet_name")?,
            image_name: text("image_name")?,
            image_url: text("image_url")?,
            source_image: text("source_image_name")?,
            size_gib: number("image_size_gb")?,
            export: flag("image_export")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_eks_anywhere_is_read_as_it_is() {
        let config = Config::parse(
            r#"{"nutanix_cluster_name": "PE-cluster", "nutanix_cluster_uuid": "", "image_name": "ubuntu-2204-kube-v1-31",
                "image_size_gb": "10", "image_url": "https://example.com/jammy.img", "image_export": "false",
                "nutanix_subnet_name": "subnet-1", "nutanix_endpoint": "prism.example.com", "nutanix_insecure": "true",
                "nutanix_port": "9440", "nutanix_username": "admin", "nutanix_password": "p4ssword"}"#,
        )
        .unwrap();
        assert_eq!(config.cluster.as_deref(), Some("PE-cluster"));
        assert_eq!(config.host.as_deref(), Some("prism.example.com"));
        assert_eq!((config.port, config.size_gib), (Some(9440), Some(10)));
        assert_eq!((config.insecure, config.export), (true, false));
        assert_eq!(config.image_name.as_deref(), Some("ubuntu-2204-kube-v1-31"));
        assert!(!format!("{config:?}").contains("p4ssword"));
    }

    #[test]
    fn what_is_wrong_with_it_is_said_without_its_secrets() {
        for (text, word) in [
            ("[1]", "no object"),
            (r#"{"nutanix_password": "p4ss"#, "no JSON"),
            (r#"{"nutanix_endpoint": []}"#, "`nutanix_endpoint` is no text"),
            (r#"{"nutanix_insecure": "yes"}"#, "neither"),
            (r#"{"nutanix_port": "123456"}"#, "no port"),
        ] {
            let why = Config::parse(text).unwrap_err();
            assert!(why.contains(word) && !why.contains("p4ss"), "{why}");
        }
    }
}
