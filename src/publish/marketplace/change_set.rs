//! A new version of an AMI product as the catalogue wants it
//! ([AddDeliveryOptions](https://docs.aws.amazon.com/marketplace/latest/APIReference/work-with-single-ami-products.html)).
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The only catalogue.
pub(super) const CATALOG: &str = "AWSMarketplace";
/// Adds a version to a product.
pub(super) const CHANGE: &str = "AddDeliveryOptions";
/// The entity that is changed.
pub(super) const ENTITY: &str = "AmiProduct@1.0";

/// `Details` of the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Details {
    pub(super) version: Version,
    pub(super) delivery_options: [DeliveryOption; 1],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    pub(super) version_title: String,
    pub(super) release_notes: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeliveryOption {
    pub(super) details: DeliveryDetails,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeliveryDetails {
    pub(super) ami_delivery_option_details: AmiDelivery,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AmiDelivery {
    pub(super) ami_source: AmiSource,
    pub(super) usage_instructions: String,
    pub(super) recommended_instance_type: String,
    pub(super) security_groups: Vec<SecurityGroup>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AmiSource {
    pub(super) ami_id: String,
    pub(super) access_role_arn: String,
    pub(super) user_name: String,
    pub(super) operating_system_name: String,
    pub(super) operating_system_version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SecurityGroup {
    pub(super) ip_protocol: &'static str,
    pub(super) from_port: u16,
    pub(super) to_port: u16,
    pub(super) ip_ranges: [&'static str; 1],
}

impl SecurityGroup {
    /// One port, open for everybody.
    pub(super) fn open(port: u16) -> Self {
        Self { ip_protocol: "tcp", from_port: port, to_port: port, ip_ranges: ["0.0.0.0/0"] }
    }
}

/// A change set that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// The product.
    pub product: String,
    /// How people find it in the list of requests.
    pub name: String,
    /// What is to be added.
    pub details: Details,
}

impl ChangeSet {
    /// `Details` as the catalogue wants it: a text.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.details)
    }

    /// As `aws marketplace-catalog start-change-set --change-set` takes it.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        Ok(serde_json::json!([{
            "ChangeType": CHANGE,
            "Entity": { "Type": ENTITY, "Identifier": self.product },
            "Details": self.text()?,
        }]))
    }

    /// The same for the same request: whoever sends it again gets the first one's answer.
    pub(super) fn token(&self) -> Result<String, serde_json::Error> {
        let digest = Sha256::digest(format!("{}\n{}\n{}", self.product, self.name, self.text()?));
        let mut token = "goldsmith-".to_owned();
        for byte in digest.iter().take(20) {
            // Writing to a text cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        Ok(token)
    }
}

/// `Release NAME` in the letters that a change set's name may have, at most 100.
pub(super) fn name(image: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_+=.:@-".contains(c);
    format!("Release {image}").chars().map(|c| if fits(c) { c } else { '-' }).take(100).collect()
}
