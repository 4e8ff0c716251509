//! Which product of the Marketplace an AMI belongs to, and what a release says: a TOML file.
use crate::aws::{AwsError, AwsErrorKind};
use serde::Deserialize;
use std::path::Path;

/// The channel of products and releases that name none.
pub const STABLE: &str = "stable";

/// A file of products.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Products {
    /// The product that releases go to unless a public one is asked for: its id.
    pub dev_product: Option<String>,
    /// What every release says, unless its product says otherwise.
    #[serde(default)]
    pub defaults: Terms,
    /// The public products.
    #[serde(default, rename = "product")]
    pub products: Vec<Product>,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Product {
    /// Its id, such as `prod-cvyxsvsdzfjx4`.
    pub id: String,
    /// How names of its AMIs begin, such as `AlmaLinux OS 9`.
    pub os: String,
    /// The architecture of its AMIs, as EC2 says it: `x86_64` or `arm64`.
    pub arch: String,
    /// Its channel, such as `beta`.
    #[serde(default = "stable")]
    pub channel: String,
    /// What its releases say.
    #[serde(default)]
    pub terms: Terms,
}

fn stable() -> String {
    STABLE.to_owned()
}

/// What a release says besides its AMI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Terms {
    /// The role by which the Marketplace copies the AMI: its ARN.
    pub access_role: Option<String>,
    /// The system as the Marketplace lists them, such as `UBUNTU` or `OTHERLINUX`.
    pub os_name: Option<String>,
    /// The system's version.
    pub os_version: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// What a buyer must know to use it.
    pub usage: Option<String>,
    /// The instance type that is recommended if the product has no version yet for the architecture.
    pub instance_type: Option<String>,
    /// Ports that the recommended security group opens for everybody. Default: 22.
    pub ports: Option<Vec<u16>>,
}

impl Terms {
    /// These, and what they do not say as `other` says it.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            access_role: self.access_role.or_else(|| other.access_role.clone()),
            os_name: self.os_name.or_else(|| other.os_name.clone()),
            os_version: self.os_version.or_else(|| other.os_version.clone()),
            user: self.user.or_else(|| other.user.clone()),
            usage: self.usage.or_else(|| other.usage.clone()),
            instance_type: self.instance_type.or_else(|| other.instance_type.clone()),
            ports: self.ports.or_else(|| other.ports.clone()),
        }
    }
}

impl Products {
    /// Reads a file; what is wrong with it is told with its line.
    pub fn read(path: &Path) -> Result<Self, AwsError> {
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
            AwsError::new(AwsErrorKind::Usage, format!("read the products in `{}`", path.display()))
                .because(error)
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.into()))?;
        let products: Self =
            toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().into()))?;
        for (index, one) in products.products.iter().enumerate() {
            let same = |other: &Product| {
                (&other.os, &other.arch, &other.channel) == (&one.os, &one.arch, &one.channel)
            };
            if products.products[..index].iter().any(same) {
                let what =
                    format!("`{}` for {} in the channel {} is there twice", one.os, one.arch, one.channel);
                return Err(wrong(what.into()));
            }
            if !matches!(one.arch.as_str(), "x86_64" | "arm64") {
                let what = format!("`{}` is not an architecture of EC2: `x86_64` or `arm64` is", one.arch);
                return Err(wrong(what.into()));
            }
        }
        Ok(products)
    }

    /// The product for an AMI called `name`: the one whose `os` says most about it.
    pub fn find(&self, name: &str, arch: &str, channel: &str) -> Option<&Product> {
        self.products
            .iter()
            .filter(|product| product.arch == arch && product.channel == channel)
            .filter(|product| begins(name, &product.os))
            .max_by_key(|product| product.os.len())
    }
}

/// Whether `name` begins with the words of `os`: `AlmaLinux OS 9.6` does with `AlmaLinux OS 9`, `AlmaLinux OS 90` does not.
fn begins(name: &str, os: &str) -> bool {
    name.strip_prefix(os).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const TEXT: &str = r#"
dev-product = "prod-dev"
[defaults]
access-role = "arn:aws:iam::123456789012:role/market"
user = "ec2-user"
[[product]]
id = "prod-9"
os = "AlmaLinux OS 9"
arch = "x86_64"
[[product]]
id = "prod-9-arm"
os = "AlmaLinux OS 9"
arch = "arm64"
terms.user = "alma"
[[product]]
id = "prod-kitten"
os = "AlmaLinux OS Kitten 10"
arch = "x86_64"
[[product]]
id = "prod-beta"
os = "AlmaLinux OS 9"
arch = "x86_64"
channel = "beta"
[[product]]
id = "prod-any"
os = "AlmaLinux OS"
arch = "x86_64"
"#;

    #[test_case("AlmaLinux OS 9.6.20250522 x86_64", "x86_64", "stable" => Some("prod-9".to_owned()))]
    #[test_case("AlmaLinux OS 9.6.20250522 arm64", "arm64", "stable" => Some("prod-9-arm".to_owned()))]
    #[test_case("AlmaLinux OS 9.6.20250522 x86_64", "x86_64", "beta" => Some("prod-beta".to_owned()))]
    #[test_case("AlmaLinux OS Kitten 10.20250522.0 x86_64", "x86_64", "stable" => Some("prod-kitten".to_owned()))]
    #[test_case("AlmaLinux OS 90.1 x86_64", "x86_64", "stable" => Some("prod-any".to_owned()) ; "not a part of a word")]
    #[test_case("AlmaLinux OS 90.1 arm64", "arm64", "stable" => None)]
    #[test_case("AlmaLinux OS 9.6", "x86_64", "alpha" => None)]
    fn products_are_found_by_name_architecture_and_channel(
        name: &str,
        arch: &str,
        channel: &str,
    ) -> Option<String> {
        let products: Products = toml::from_str(TEXT).unwrap();
        products.find(name, arch, channel).map(|product| product.id.clone())
    }

    #[test_case("bogus = 1", "unknown field `bogus`" ; "key")]
    #[test_case("[[product]]\nid = \"a\"\nos = \"b\"\narch = \"aarch64\"", "not an architecture of EC2" ; "architecture")]
    #[test_case("[[product]]\nid = \"a\"\nos = \"b\"", "missing field `arch`" ; "missing")]
    #[test_case("[[product]]\nid = 'a'\nos = 'b'\narch = 'arm64'\n[[product]]\nid = 'c'\nos = 'b'\narch = 'arm64'", "is there twice" ; "twice")]
    fn wrong_files_are_told_with_the_line(text: &str, expected: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = Products::read(file.path()).unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains(expected), "{why}");
    }

    #[test]
    fn what_a_product_says_wins_over_defaults() {
        let products: Products = toml::from_str(TEXT).unwrap();
        let terms = products.products[1].terms.clone().or(&products.defaults);
        assert_eq!((terms.user.as_deref(), terms.access_role.is_some()), (Some("alma"), true));
    }
}
