//! Clusters: where images and machines are.
use super::{Dialect, Named, Prism, PrismError, PrismErrorKind, choose};
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

impl Named for Cluster {
    fn uuid(&self) -> &str {
        &self.uuid
    }

    fn name(&self) -> &str {
        &self.name
    }
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

    /// The one that is meant, or the only one.
    pub async fn named_cluster(&self, said: Option<&str>) -> Result<Cluster, PrismError> {
        let mut all = self.clusters().await?;
        if let Some(said) = said {
            return choose("cluster", said, &all).cloned();
        }
        let attempt = "choose a cluster";
        match all.len() {
            0 => Err(PrismError::new(PrismErrorKind::NotFound, attempt)
                .because(format!("none is registered with {}", self.place().server))),
            1 => Ok(all.remove(0)),
            count => {
                let names: Vec<String> = all.iter().map(|cluster| format!("`{}`", cluster.name)).collect();
                Err(PrismError::new(PrismErrorKind::Usage, attempt)
                    .because(format!("there are {count}: {}", names.join(", ")))
                    .hint("say which one: `cluster` in `[nutanix]`"))
            }
        }
    }

    /// Those that are meant, each once. A name is the same in capitals; a UUID is as good.
    pub async fn named_clusters(&self, said: &[String]) -> Result<Vec<Cluster>, PrismError> {
        if said.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.clusters().await?;
        let mut found: Vec<Cluster> = Vec::new();
        for said in said {
            let cluster = choose("cluster", said, &all)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(uuid: &str, name: &str) -> Cluster {
        Cluster { uuid: uuid.into(), name: name.into() }
    }

    #[test]
    fn a_name_that_is_not_one_cluster_is_an_error_that_lists_them() {
        let all = [cluster("1", "PE-one"), cluster("2", "pe-ONE"), cluster("3", "other")];
        assert_eq!(choose("cluster", "OTHER", &all).unwrap().uuid, "3");
        assert_eq!(choose("cluster", "2", &all).unwrap().uuid, "2");
        let why = |said| crate::cx::causes(&choose("cluster", said, &all).unwrap_err()).join(": ");
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
