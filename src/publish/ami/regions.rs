//! Which regions are meant.
use crate::aws::{Aws, AwsError, AwsErrorKind};
use std::collections::BTreeSet;

/// Which regions the user wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Which {
    /// All that are enabled for the account.
    #[default]
    All,
    /// These.
    Only(BTreeSet<String>),
    /// All that are enabled but these.
    Except(BTreeSet<String>),
}

/// Regions by what can be done there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Regions {
    /// Those that are meant, in the order of their names.
    pub chosen: Vec<String>,
    /// Those that the account would have to enable first.
    pub not_enabled: Vec<String>,
}

/// Finds out which regions are meant. One that does not exist, or that was asked for by name and is not enabled, is an error.
pub async fn regions(aws: &Aws, which: &Which) -> Result<Regions, AwsError> {
    let answer = aws
        .ec2()
        .describe_regions()
        .all_regions(true)
        .send()
        .await
        .map_err(|error| AwsError::of("list the account's regions", "DescribeRegions", error))?;
    let mut enabled = BTreeSet::new();
    let mut not_enabled = BTreeSet::new();
    for region in answer.regions() {
        let Some(name) = region.region_name() else { continue };
        let into =
            if region.opt_in_status() == Some("not-opted-in") { &mut not_enabled } else { &mut enabled };
        into.insert(name.to_owned());
    }
    choose(which, enabled, not_enabled)
}

fn choose(
    which: &Which,
    enabled: BTreeSet<String>,
    not_enabled: BTreeSet<String>,
) -> Result<Regions, AwsError> {
    let named = match which {
        Which::All => &BTreeSet::new(),
        Which::Only(names) | Which::Except(names) => names,
    };
    for name in named {
        if !enabled.contains(name) && !not_enabled.contains(name) {
            return Err(unknown(name, enabled.iter().chain(&not_enabled)));
        }
    }
    let chosen = match which {
        Which::All => enabled,
        Which::Only(names) => {
            let missing: Vec<&str> = names.intersection(&not_enabled).map(String::as_str).collect();
            if let Some(first) = missing.first() {
                return Err(AwsError::new(AwsErrorKind::Usage, format!("use {}", missing.join(", ")))
                    .because("the account has not enabled it")
                    .hint(format!("enable it with `aws account enable-region --region-name {first}`")));
            }
            names.clone()
        }
        Which::Except(names) => enabled.difference(names).cloned().collect(),
    };
    Ok(Regions { chosen: chosen.into_iter().collect(), not_enabled: not_enabled.into_iter().collect() })
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> AwsError {
    let error = AwsError::new(AwsErrorKind::Usage, format!("use the region `{name}`"))
        .because("there is no such region");
    match known.min_by_key(|known| strsim::levenshtein(known, name)) {
        Some(near) if strsim::levenshtein(near, name) <= 3 => error.hint(format!("did you mean `{near}`?")),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn regions_are_chosen_by_name_and_by_what_is_enabled() {
        let (enabled, not) = (set(&["us-east-1", "eu-west-1", "eu-west-2"]), set(&["me-south-1"]));
        let choose = |which: Which| choose(&which, enabled.clone(), not.clone());
        assert_eq!(choose(Which::All).unwrap().chosen, ["eu-west-1", "eu-west-2", "us-east-1"]);
        assert_eq!(choose(Which::All).unwrap().not_enabled, ["me-south-1"]);
        assert_eq!(
            choose(Which::Except(set(&["me-south-1", "eu-west-2"]))).unwrap().chosen,
            ["eu-west-1", "us-east-1"]
        );
        let error = choose(Which::Only(set(&["eu-west-1", "me-south-1"]))).unwrap_err();
        assert!(
            error.hint_text().is_some_and(|hint| hint.contains("enable-region --region-name me-south-1"))
        );
        // The misspelt region that CAPA's workflow once had.
        let error = choose(Which::Except(set(&["us-eest-1"]))).unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean `us-east-1`?"));
    }
}
