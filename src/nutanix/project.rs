//! Projects: to whom machines belong.
use super::{Named, Prism, PrismError, choose};
use serde_json::{Value, json};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
}

impl Named for Project {
    fn uuid(&self) -> &str {
        &self.uuid
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Prism {
    /// The project that is meant. Version 4.0 has no list of them, so that of v3 is asked, which these servers have, too.
    pub async fn named_project(&self, said: &str) -> Result<Project, PrismError> {
        let attempt = format!("list the projects of {}", self.place().server);
        let body = json!({ "kind": "project" });
        let entries = self.list_v3(&attempt, "api/nutanix/v3/projects/list", body).await?;
        let all: Vec<Project> = entries.iter().filter_map(read).collect();
        choose("project", said, &all).cloned()
    }
}

fn read(entry: &Value) -> Option<Project> {
    let name = entry["status"]["name"].as_str().or(entry["spec"]["name"].as_str())?;
    Some(Project { uuid: entry["metadata"]["uuid"].as_str()?.to_owned(), name: name.to_owned() })
}
