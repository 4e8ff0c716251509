//! `[aws]`.
use super::check;
use crate::{
    definition::{
        raw::Aws,
        reader::{At, Field, Reader},
    },
    plan::AwsPlan,
};

pub(super) fn aws(aws: Field<Aws>, reader: &mut Reader<'_>) -> Option<AwsPlan> {
    let Some(At { value: raw, .. }) = aws.maybe()? else { return Some(AwsPlan::default()) };
    let filled = |text: &str| !text.trim().is_empty() && !text.contains(char::is_whitespace);
    let profile = match raw.profile.maybe() {
        Some(Some(at)) => {
            check::text(at, reader, filled, "is not a profile", "profiles are listed in ~/.aws/config")
                .map(Some)
        }
        other => other.map(|_| None),
    };
    let region = match raw.region.maybe() {
        Some(Some(at)) => {
            check::text(at, reader, is_region, "is not a region", "regions read like `eu-west-1`").map(Some)
        }
        other => other.map(|_| None),
    };
    let endpoint = raw.endpoint_url.maybe();
    Some(AwsPlan {
        profile: profile?,
        region: region?,
        endpoint: endpoint?.map(|at| at.value.to_string().trim_end_matches('/').to_owned()),
    })
}

/// `eu-west-1`, `us-gov-east-1`, `ap-southeast-5`.
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    matches!(parts.as_slice(), [places @ .., number]
        if (2..=4).contains(&places.len()) && places.iter().all(|part| lower(part))
            && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
