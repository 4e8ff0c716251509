//! A new version of a product in Amazon's Marketplace: from an AMI to a change set, and that to its end.
//!
//! The catalogue is in `us-east-1`, and so must the AMI be
//! ([version](https://docs.aws.amazon.com/marketplace/latest/userguide/ami-single-ami-products.html)). A change set that was sent goes on
//! without us; sent again, it is the same one.
mod change_set;
mod follow;
mod product;
mod products;

pub use change_set::{ChangeSet, Details};
pub use follow::{Pace, ProblemOfChange, Released};
pub use products::{Product, Products, STABLE, Terms};

use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::Cx,
};
use aws_sdk_ec2::types::{Image, ImageState};
use aws_sdk_marketplacecatalog::types::{Change, Entity};
use change_set::{
    AmiDelivery, AmiSource, CATALOG, CHANGE, DeliveryDetails, DeliveryOption, ENTITY, SecurityGroup, Version,
};

/// Where the Marketplace takes AMIs from.
pub const REGION: &str = "us-east-1";

/// What is to be released, as the user says it.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The AMI.
    pub ami: String,
    /// Products, and what releases to them say.
    pub products: Products,
    /// To this product, whatever the file says.
    pub product: Option<String>,
    /// To the public product and not to the one for tries.
    pub public: bool,
    /// The channel.
    pub channel: String,
    /// What the version is called. Default: the AMI's tag `Version`, else its name.
    pub title: Option<String>,
    /// What is new in it. Default: `NAME release.`
    pub notes: Option<String>,
    /// The recommended instance type, whatever the current version has.
    pub instance_type: Option<String>,
    /// What it says besides, before the file.
    pub terms: Terms,
}

/// What is to be sent, and what there is to tell about it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What is to be sent.
    pub change_set: ChangeSet,
    /// The AMI's name.
    pub image: String,
    /// The product's title, if it says one.
    pub product_title: Option<String>,
    /// The version's.
    pub title: String,
    /// What is recommended.
    pub instance_type: String,
}

/// Finds product, instance type and texts for a release. Changes nothing.
pub async fn prepare(aws: &Aws, wish: &Wish) -> Result<Prepared, AwsError> {
    let image = image(&aws.at(REGION), &wish.ami).await?;
    let name = image.name().unwrap_or(&wish.ami).to_owned();
    let arch = image.architecture().map(|arch| arch.as_str()).unwrap_or_default().to_owned();
    let (product, terms) = chosen(wish, &name, &arch)?;
    let listed = product::look(aws, &product).await?;
    let instance_type = wish
        .instance_type
        .clone()
        .or_else(|| listed.instance_type(&arch))
        .or_else(|| terms.instance_type.clone())
        .unwrap_or_else(|| if arch == "arm64" { "t4g.small" } else { "t3.small" }.to_owned());
    let version = tag(&image, "Version");
    let title = wish.title.clone().or_else(|| version.map(ToOwned::to_owned)).unwrap_or_else(|| name.clone());
    let missing = |what: &str, hint: &str| {
        AwsError::new(AwsErrorKind::Usage, format!("release `{name}` to the product `{product}`"))
            .because(format!("{what} is not said"))
            .hint(hint)
    };
    let os_version =
        terms.os_version.clone().or_else(|| version.map(|version| without_date(version).to_owned()));
    let os_version = os_version.ok_or_else(|| {
        missing(
            "the system's version",
            "say `--os-version`, or `os-version` in the file of products, or tag the AMI with `Version`",
        )
    })?;
    let access_role = terms.access_role.clone().ok_or_else(|| {
        missing(
            "the role by which the Marketplace copies the AMI",
            "say `--access-role ARN`, or `access-role` in the file of products",
        )
    })?;
    let user = terms.user.clone().unwrap_or_else(|| "ec2-user".to_owned());
    let usage = terms.usage.clone().unwrap_or_else(|| {
        format!("Launch the instance, then log in by SSH with your key pair as the user {user}.")
    });
    let ports = terms.ports.clone().unwrap_or_else(|| vec![22]);
    let details = Details {
        version: Version {
            version_title: title.clone(),
            release_notes: wish.notes.clone().unwrap_or_else(|| format!("{name} release.")),
        },
        delivery_options: [DeliveryOption {
            details: DeliveryDetails {
                ami_delivery_option_details: AmiDelivery {
                    ami_source: AmiSource {
                        ami_id: wish.ami.clone(),
                        access_role_arn: access_role,
                        user_name: user,
                        operating_system_name: terms.os_name.unwrap_or_else(|| "OTHERLINUX".to_owned()),
                        operating_system_version: os_version,
                    },
                    usage_instructions: usage,
                    recommended_instance_type: instance_type.clone(),
                    security_groups: ports.into_iter().map(SecurityGroup::open).collect(),
                },
            },
        }],
    };
    let change_set = ChangeSet { product, name: change_set::name(&name), details };
    Ok(Prepared { change_set, image: name, product_title: listed.title, title, instance_type })
}

/// Sends a change set and follows it to its end.
pub async fn release(cx: &Cx, aws: &Aws, prepared: &Prepared, pace: Pace) -> Result<Released, AwsError> {
    let ChangeSet { product, name, .. } = &prepared.change_set;
    let attempt = || format!("release `{}` to the product `{product}`", prepared.image);
    let internal = |error: Box<dyn std::error::Error + Send + Sync>| {
        AwsError::new(AwsErrorKind::Other, attempt()).because(error)
    };
    let details = prepared.change_set.text().map_err(|error| internal(error.into()))?;
    let entity = Entity::builder().r#type(ENTITY).identifier(product).build();
    let entity = entity.map_err(|error| internal(error.into()))?;
    let change = Change::builder().change_type(CHANGE).entity(entity).details(details).build();
    let answer = aws
        .marketplace()
        .start_change_set()
        .catalog(CATALOG)
        .change_set(change.map_err(|error| internal(error.into()))?)
        .change_set_name(name)
        .client_request_token(prepared.change_set.token().map_err(|error| internal(error.into()))?)
        .send()
        .await
        .map_err(|error| busy(AwsError::of(attempt(), "StartChangeSet", error)))?;
    let id = answer.change_set_id().ok_or_else(|| internal("StartChangeSet gave no id".into()))?;
    follow::to_its_end(cx, aws, prepared, id, pace).await
}

/// A product takes one change at a time.
fn busy(error: AwsError) -> AwsError {
    if error.code() == Some("ResourceInUseException") {
        error.hint("another change of the product is under way: the same command works when that is done")
    } else {
        error
    }
}

async fn image(aws: &Aws, ami: &str) -> Result<Image, AwsError> {
    let attempt = || format!("find the AMI `{ami}` in {REGION}, from where the Marketplace takes AMIs");
    let copy = "copy it there with `goldsmith ami copy`, and name the copy";
    let answer = aws.ec2().describe_images().image_ids(ami).send().await.map_err(|error| {
        let error = AwsError::of(attempt(), "DescribeImages", error);
        if error.kind() == AwsErrorKind::NotFound { error.hint(copy) } else { error }
    })?;
    let image = answer.images.unwrap_or_default().into_iter().next();
    let image = image.ok_or_else(|| AwsError::new(AwsErrorKind::NotFound, attempt()).hint(copy))?;
    match image.state() {
        None | Some(ImageState::Available) => Ok(image),
        Some(state) => Err(AwsError::new(AwsErrorKind::Usage, format!("release the AMI `{ami}`"))
            .because(format!("it is {}", state.as_str()))),
    }
}

/// The product's id, and what a release to it says.
fn chosen(wish: &Wish, name: &str, arch: &str) -> Result<(String, Terms), AwsError> {
    let Wish { products, terms, channel, .. } = wish;
    let found = products.find(name, arch, channel);
    let mut terms = terms.clone();
    if let Some(found) = found {
        terms = terms.or(&found.terms);
    }
    let terms = terms.or(&products.defaults);
    let error = |why: String, hint: &str| {
        AwsError::new(
            AwsErrorKind::Usage,
            format!("choose a product for `{name}` ({arch}, channel {channel})"),
        )
        .because(why)
        .hint(hint)
    };
    if let Some(product) = &wish.product {
        return Ok((product.clone(), terms));
    }
    if !wish.public {
        return match &products.dev_product {
            Some(product) => Ok((product.clone(), terms)),
            None => Err(error(
                "there is no product for tries".to_owned(),
                "name it as `dev-product` in the file of products, or say `--public-product` or `--product ID`",
            )),
        };
    }
    let Some(product) = found else {
        let known = products.products.iter();
        let known = known.map(|product| format!("{} ({}, {})", product.os, product.arch, product.channel));
        let known: Vec<String> = known.collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join("; ") };
        return Err(error(
            format!("the file of products has {known}"),
            "add a `[[product]]` whose `os` is how the AMI's name begins, or say `--product ID`",
        ));
    };
    Ok((product.id.clone(), terms))
}

fn tag<'a>(image: &'a Image, key: &str) -> Option<&'a str> {
    image.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value())
}

/// `9.6.20250522` and `9.6.20250522.1` are the system 9.6.
fn without_date(version: &str) -> &str {
    let parts = version.match_indices('.');
    let date = |(at, _): &(usize, &str)| {
        let digits = version[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        digits == 8
    };
    parts.into_iter().find(date).map_or(version, |(at, _)| &version[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("9.6.20250522" => "9.6")]
    #[test_case("10.20250522.0" => "10")]
    #[test_case("9.6" => "9.6")]
    #[test_case("2025.1" => "2025.1")]
    fn dates_are_no_versions_of_systems(version: &str) -> &str {
        without_date(version)
    }

    #[test]
    fn names_of_change_sets_have_few_letters() {
        assert_eq!(change_set::name("web (a) [b]/1"), "Release web -a- -b--1");
        assert_eq!(change_set::name(&"x".repeat(200)).len(), 100);
    }
}
