//! Things by what people call them: a name in any case, or an identifier.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Params, answer::text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something with an identifier and a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The identifier.
    pub id: String,
    /// The name.
    pub name: String,
}

/// The one of `all` that `said` means: by its identifier, by its name, or by its name in another case. `what` is what they are, for errors.
pub fn choose(what: &str, all: &[Named], said: &str) -> Result<Named, CloudStackError> {
    let attempt = format!("find the {what} `{said}`");
    if let Some(found) = all.iter().find(|one| one.id == said) {
        return Ok(found.clone());
    }
    let exact: Vec<&Named> = all.iter().filter(|one| one.name == said).collect();
    let found = if exact.is_empty() {
        all.iter().filter(|one| one.name.eq_ignore_ascii_case(said)).collect()
    } else {
        exact
    };
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(CloudStackError::new(CloudStackErrorKind::NotFound, attempt)
            .because(format!("there is none; {}", listed(what, all, said)))),
        several => {
            let several: Vec<String> =
                several.iter().map(|one| format!("{} ({})", one.id, one.name)).collect();
            Err(CloudStackError::new(CloudStackErrorKind::Usage, attempt)
                .because(format!("several are called so: {}", several.join(", ")))
                .hint("say the identifier of the one that is meant"))
        }
    }
}

/// What there is, or what is most like it.
fn listed(what: &str, all: &[Named], said: &str) -> String {
    /// As many are listed.
    const MOST: usize = 12;
    let mut names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return format!("there is no {what} at all");
    }
    if names.len() <= MOST {
        return format!("there are: {}", names.join(", "));
    }
    let said = said.to_lowercase();
    names.sort_by(|one, other| {
        let like = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &said);
        like(other).total_cmp(&like(one))
    });
    format!("most like it are: {}", names[..MOST.min(names.len())].join(", "))
}

fn named(items: &[Value], name: &str) -> Vec<Named> {
    items
        .iter()
        .map(|item| Named { id: text(&item["id"]), name: text(&item[name]) })
        .filter(|one| !one.name.is_empty())
        .collect()
}

impl CloudStack {
    /// The zones that may be used.
    pub async fn zones(&self) -> Result<Vec<Named>, CloudStackError> {
        let params = Params::new().with("available", true);
        Ok(named(&self.list("list the zones", "listZones", "zone", &params).await?, "name"))
    }

    /// The zones that are meant; the only one if none is named.
    pub async fn zones_named(&self, said: &[String]) -> Result<Vec<Named>, CloudStackError> {
        let all = self.zones().await?;
        if let ([], [only]) = (said, all.as_slice()) {
            return Ok(vec![only.clone()]);
        }
        if said.is_empty() {
            let names: Vec<&str> = all.iter().map(|zone| zone.name.as_str()).collect();
            return Err(CloudStackError::new(CloudStackErrorKind::Usage, "choose a zone")
                .because(format!("none is named, and there are: {}", names.join(", ")))
                .hint("`--zone NAME` names one"));
        }
        let mut found: Vec<Named> = Vec::new();
        for said in said {
            let zone = choose("zone", &all, said)?;
            if !found.contains(&zone) {
                found.push(zone);
            }
        }
        Ok(found)
    }

    /// The hypervisors of a zone. They have names only.
    pub async fn hypervisors(&self, zone: &Named) -> Result<Vec<Named>, CloudStackError> {
        let attempt = format!("list the hypervisors of the zone `{}`", zone.name);
        let params = Params::new().with("zoneid", &zone.id);
        let answer = self.call(&attempt, "listHypervisors", &params).await?;
        let items = answer["hypervisor"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names = items.iter().map(|item| text(&item["name"])).filter(|name| !name.is_empty());
        Ok(names.map(|name| Named { id: name.clone(), name }).collect())
    }

    /// The type of system that is called so.
    pub async fn os_type(&self, said: &str) -> Result<Named, CloudStackError> {
        let all = self.list("list the types of systems", "listOsTypes", "ostype", &Params::new()).await?;
        choose("type of system", &named(&all, "description"), said)
    }

    /// The projects that the user may see.
    pub async fn project(&self, said: &str) -> Result<Named, CloudStackError> {
        let params = Params::new().with("listall", true);
        let all = self.list("list the projects", "listProjects", "project", &params).await?;
        choose("project", &named(&all, "name"), said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(pairs: &[(&str, &str)]) -> Vec<Named> {
        pairs.iter().map(|(id, name)| Named { id: (*id).to_owned(), name: (*name).to_owned() }).collect()
    }

    #[test]
    fn a_name_is_found_in_any_case_and_told_apart() {
        let zones = some(&[("1", "Zone-A"), ("2", "zone-b"), ("3", "Zone-B"), ("4", "dup"), ("5", "dup")]);
        assert_eq!(choose("zone", &zones, "zone-a").unwrap().id, "1");
        assert_eq!(choose("zone", &zones, "zone-b").unwrap().id, "2");
        assert_eq!(choose("zone", &zones, "5").unwrap().name, "dup");
        for (said, words) in [("ZONE-B", ["2 (zone-b)", "3 (Zone-B)"]), ("dup", ["4 (dup)", "5 (dup)"])] {
            let error = choose("zone", &zones, said).unwrap_err();
            assert_eq!(error.kind(), CloudStackErrorKind::Usage);
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
        }
        let error = choose("zone", &zones, "x").unwrap_err();
        assert!(
            std::error::Error::source(&error).unwrap().to_string().contains("there are: Zone-A"),
            "{error:?}"
        );
    }

    #[test]
    fn of_many_the_most_alike_are_told() {
        let types: Vec<Named> = (0..200)
            .map(|at| Named { id: at.to_string(), name: format!("CentOS {at} (64-bit)") })
            .chain(some(&[("u", "Ubuntu 24.04 LTS")]))
            .collect();
        let why = listed("type", &types, "ubuntu 24.04");
        assert!(why.starts_with("most like it are: Ubuntu 24.04 LTS, "), "{why}");
    }
}
