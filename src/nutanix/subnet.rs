//! Subnets: what network cards are connected to.
use super::{Cluster, Dialect, Named, Prism, PrismError, choose};
use serde_json::{Value, json};

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// The UUID of its cluster; those of virtual private clouds have none.
    pub cluster: Option<String>,
}

impl Named for Subnet {
    fn uuid(&self) -> &str {
        &self.uuid
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Prism {
    /// All subnets that machines of this cluster can be in, or of all clusters.
    pub async fn subnets_of(&self, cluster: Option<&Cluster>) -> Result<Vec<Subnet>, PrismError> {
        let attempt = match cluster {
            Some(cluster) => format!("list the subnets of the cluster `{}`", cluster.name),
            None => "list the subnets".to_owned(),
        };
        let entries = match self.dialect() {
            Dialect::V3 => {
                self.list_v3(&attempt, "api/nutanix/v3/subnets/list", json!({ "kind": "subnet" })).await?
            }
            Dialect::V4 => self.list_v4(&attempt, "api/networking/v4.0/config/subnets", None).await?,
        };
        let all = entries.iter().filter_map(|entry| read(self.dialect(), entry));
        let is_there = |subnet: &Subnet| match (cluster, &subnet.cluster) {
            (Some(cluster), Some(of)) => *of == cluster.uuid,
            _ => true,
        };
        Ok(all.filter(is_there).collect())
    }

    /// Those that are meant, in their order: a machine may have two cards in one subnet.
    pub async fn named_subnets(&self, said: &[String], cluster: &Cluster) -> Result<Vec<Subnet>, PrismError> {
        if said.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.subnets_of(Some(cluster)).await?;
        said.iter().map(|said| choose("subnet", said, &all).cloned()).collect()
    }
}

fn read(dialect: Dialect, entry: &Value) -> Option<Subnet> {
    let (uuid, name, cluster) = match dialect {
        Dialect::V3 => {
            let (status, spec) = (&entry["status"], &entry["spec"]);
            let of = |part: &'_ Value| part["cluster_reference"]["uuid"].as_str().map(ToOwned::to_owned);
            (
                &entry["metadata"]["uuid"],
                status["name"].as_str().or(spec["name"].as_str()),
                of(status).or_else(|| of(spec)),
            )
        }
        Dialect::V4 => {
            let cluster = entry["clusterReference"].as_str().filter(|uuid| !uuid.is_empty());
            (&entry["extId"], entry["name"].as_str(), cluster.map(ToOwned::to_owned))
        }
    };
    Some(Subnet { uuid: uuid.as_str()?.to_owned(), name: name?.to_owned(), cluster })
}
