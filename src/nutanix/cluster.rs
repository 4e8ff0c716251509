//! Clusters: where images and machines are.
use super::{Dialect, Prism, PrismError, PrismErrorKind};
use serde::Serialize;
use serde_json::{Value, json};

/// A cluster that images can be on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
}

impl Prism {
    /// All clusters that are registered here, without the Prism Central itself, which is in the list, too.
    pub async fn clusters(&self) -> Result<Vec<Cluster>, PrismError> {
        let attempt = format!("list the clusters of {}", self.place().server);
        let entries = match self.dialect() {
            Dialect::V3 => {
                self.list_v3(&attempt, "api/nutanix/v3/clusters/list", json!({ "kind": "cluster" })).await?
            }
            Dialect::V4 => self.list_v4(&attempt, "api/clustermgmt/v4.0/config/clusters", None).await?,
        };
        Ok(entries.iter().filter_map(|entry| read(self.dialect(), entry)).collect())
    }

    /// Those that are meant, each once. A name is the same in capitals; a UUID is as good.
    pub async fn named_clusters(&self, said: &[String]) -> Result<Vec<Cluster>, PrismError> {
        if said.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.clusters().await?;
        let mut found: Vec<Cluster> = Vec::new();
        for said in said {
            let cluster = choose(said, &all)?;
            if !found.contains(cluster) {
                found.push(cluster.clone());
            }
        }
        Ok(found)
    }
}

fn read(dialect: Dialect, entry: &Value) -> Option<Cluster> {
    let (uuid, name, services) = match dialect {
        Dialect::V3 => {
            let name = entry["status"]["name"].as_str().or(entry["spec"]["name"].as_str());
            (&entry["metadata"]["uuid"], name, &entry["status"]["resources"]["config"]["service_list"])
        }
        Dialect::V4 => (&entry["extId"], entry["name"].as_str(), &entry["config"]["clusterFunction"]),
    };
    let is_prism = services.as_array().is_some_and(|list| list.iter().any(|one| one == "PRISM_CENTRAL"));
    if is_prism {
        return None;
    }
    Some(Cluster { uuid: uuid.as_str()?.to_owned(), name: name?.to_owned() })
}

fn choose<'a>(said: &str, all: &'a [Cluster]) -> Result<&'a Cluster, PrismError> {
    let attempt = || format!("choose the cluster `{said}`");
    if let Some(exact) = all.iter().find(|cluster| cluster.uuid.eq_ignore_ascii_case(said)) {
        return Ok(exact);
    }
    let same: Vec<&Cluster> =
        all.iter().filter(|cluster| cluster.name.to_lowercase() == said.to_lowercase()).collect();
    match same.as_slice() {
        [one] => Ok(one),
        [] => {
            let names: Vec<String> = all.iter().map(|cluster| format!("`{}`", cluster.name)).collect();
            let there = match names.as_slice() {
                [] => "no cluster is registered with it".to_owned(),
                names => format!("there is none of the name or UUID; there are: {}", names.join(", ")),
            };
            Err(PrismError::new(PrismErrorKind::NotFound, attempt()).because(there))
        }
        several => {
            let list: Vec<String> =
                several.iter().map(|cluster| format!("`{}` ({})", cluster.name, cluster.uuid)).collect();
            Err(PrismError::new(PrismErrorKind::Usage, attempt())
                .because(format!("{} have that name: {}", several.len(), list.join(", ")))
                .hint("name it by its UUID"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(uuid: &str, name: &str) -> Cluster {
        Cluster { uuid: uuid.into(), name: name.into() }
    }

    #[test]
    fn a_name_that_is_not_one_cluster_is_an_error_that_lists_them() {
        let all = [cluster("1", "PE-one"), cluster("2", "pe-ONE"), cluster("3", "other")];
        assert_eq!(choose("OTHER", &all).unwrap().uuid, "3");
        assert_eq!(choose("2", &all).unwrap().uuid, "2");
        let why = |said| crate::cx::causes(&choose(said, &all).unwrap_err()).join(": ");
        assert!(why("pe-one").contains("`PE-one` (1), `pe-ONE` (2)"), "{}", why("pe-one"));
        assert!(why("none").contains("`PE-one`, `pe-ONE`, `other`"), "{}", why("none"));
    }

    #[test]
    fn the_prism_central_is_no_cluster() {
        let entry = |services: &str| {
            json!({ "metadata": { "uuid": "u" }, "status": { "name": "pc", "resources":
                { "config": { "service_list": [services] } } } })
        };
        assert!(read(Dialect::V3, &entry("PRISM_CENTRAL")).is_none());
        assert_eq!(read(Dialect::V3, &entry("AOS")), Some(cluster("u", "pc")));
        let entry = json!({ "extId": "u", "name": "pc", "config": { "clusterFunction": ["PRISM_CENTRAL"] } });
        assert!(read(Dialect::V4, &entry).is_none());
    }
}
