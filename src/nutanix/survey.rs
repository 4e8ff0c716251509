//! What a Prism Central tells of itself and of who asks, for whoever checks whether all is there.
use super::{Dialect, Prism, PrismError, call::Call};
use serde_json::{Value, json};

/// Who logged in (`GET /users/me` of version 3; version 4 has nothing like it).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// As the server calls them.
    pub name: String,
    /// Names of the policies that give them their rights; none for local administrators.
    pub policies: Vec<String>,
    /// Names of their projects.
    pub projects: Vec<String>,
}

impl Prism {
    /// Who logged in.
    pub async fn who(&self) -> Result<Who, PrismError> {
        let attempt = format!("ask {} who logged in", self.place().server);
        let answer = self.send(Call::get(&attempt, "api/nutanix/v3/users/me")).await?.value;
        let status = &answer["status"];
        let names = |list: &Value| -> Vec<String> {
            let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(|one| one["name"].as_str()).map(ToOwned::to_owned).collect()
        };
        let resources = &status["resources"];
        let name = status["name"].as_str().or(resources["display_name"].as_str());
        Ok(Who {
            name: name.unwrap_or_default().to_owned(),
            policies: names(&resources["access_control_policy_reference_list"]),
            projects: names(&resources["projects_reference_list"]),
        })
    }

    /// The versions of the software on all that is registered, by name; the Prism Central itself is in it, too.
    pub async fn versions(&self) -> Result<Vec<(String, String)>, PrismError> {
        let attempt = format!("ask {} for versions", self.place().server);
        let entries = match self.dialect() {
            Dialect::V3 => {
                self.list_v3(&attempt, "api/nutanix/v3/clusters/list", json!({ "kind": "cluster" })).await?
            }
            Dialect::V4 => self.list_v4(&attempt, "api/clustermgmt/v4.0/config/clusters", None).await?,
        };
        let version = |entry: &Value| match self.dialect() {
            Dialect::V3 => {
                let status = &entry["status"];
                let version = &status["resources"]["config"]["software_map"]["NOS"]["version"];
                Some((status["name"].as_str()?.to_owned(), version.as_str()?.to_owned()))
            }
            Dialect::V4 => {
                let version = &entry["config"]["buildInfo"]["version"];
                Some((entry["name"].as_str()?.to_owned(), version.as_str()?.to_owned()))
            }
        };
        Ok(entries.iter().filter_map(version).collect())
    }
}
