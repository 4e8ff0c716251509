//! What machines can be made of: templates and media, the caller's own and those of others.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Named, Params, Scope, Template, choose};

/// A template or a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A template.
    Template,
    /// A medium.
    Iso,
}

impl SourceKind {
    fn word(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Iso => "medium",
        }
    }
}

impl CloudStack {
    /// The template or the medium that is meant, as it is in a zone; it is ready there.
    pub async fn source(
        &self,
        scope: &Scope,
        zone: &Named,
        kind: SourceKind,
        said: &str,
    ) -> Result<Template, CloudStackError> {
        let all = self.sources(scope, zone, kind).await?;
        let mut names: Vec<Named> = Vec::new();
        for one in &all {
            let named = Named { id: one.id.clone(), name: one.name.clone() };
            if !names.contains(&named) {
                names.push(named);
            }
        }
        let meant = choose(kind.word(), &names, said)?;
        let of_it = |one: &&Template| one.id == meant.id;
        let found = all.iter().filter(of_it).find(|one| one.ready).or_else(|| all.iter().find(of_it));
        match found {
            Some(found) if found.ready => Ok(found.clone()),
            other => {
                let status = other.map(|one| one.status.clone()).filter(|text| !text.is_empty());
                let attempt =
                    format!("start from the {} `{}` in the zone `{}`", kind.word(), meant.name, zone.name);
                Err(CloudStackError::new(CloudStackErrorKind::Usage, attempt).because(format!(
                    "it is not ready there: {}",
                    status.unwrap_or_else(|| "the cloud says no more".to_owned())
                )))
            }
        }
    }

    async fn sources(
        &self,
        scope: &Scope,
        zone: &Named,
        kind: SourceKind,
    ) -> Result<Vec<Template>, CloudStackError> {
        let (command, field, filter) = match kind {
            SourceKind::Template => ("listTemplates", "template", "templatefilter"),
            SourceKind::Iso => ("listIsos", "iso", "isofilter"),
        };
        let attempt = format!("list what the zone `{}` has to start from", zone.name);
        let mut all: Vec<Template> = Vec::new();
        // The caller's own and public ones; ready or not, the caller's own; what others share.
        for which in ["executable", "self", "sharedexecutable"] {
            let params = Params::new()
                .with(filter, which)
                .with("zoneid", &zone.id)
                .maybe("projectid", scope.project.as_deref());
            for found in self.list(&attempt, command, field, &params).await? {
                let found = Template::of(&found);
                if !all.iter().any(|known| known.id == found.id && known.zone == found.zone) {
                    all.push(found);
                }
            }
        }
        Ok(all)
    }
}
