//! What makes a template a result: a name that is free, tags, who may use it, and what it takes the place of.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Named, Params, Scope, Template};
use crate::cx::{Cx, UndoHandle};

/// The key of our tag; its value is the build.
pub const TAG: &str = "goldsmith";

/// What is left to do when a template is ready and proved.
#[derive(Debug)]
pub struct Finish<'a> {
    /// What people read of it, without our mark.
    pub text: &'a str,
    /// Tags besides ours.
    pub tags: &'a [(String, String)],
    /// Accounts that may use it.
    pub accounts: &'a [String],
    /// Projects that may use it.
    pub projects: &'a [Named],
    /// Older ones that it takes the place of.
    pub old: &'a [Template],
}

/// Whether goldsmith made a template.
pub fn is_ours(template: &Template) -> bool {
    template.tags.iter().any(|tag| tag.key == TAG)
}

impl CloudStack {
    /// Templates of this name: those of which another one takes the place. `hint` says how that is asked for.
    pub async fn in_the_way(
        &self,
        scope: &Scope,
        name: &str,
        replace: bool,
        hint: &str,
    ) -> Result<Vec<Template>, CloudStackError> {
        self.in_the_way_of(scope, name, "", replace, hint).await
    }

    /// The same, where one of that name has been made, with the identifier `own`.
    pub async fn in_the_way_of(
        &self,
        scope: &Scope,
        name: &str,
        own: &str,
        replace: bool,
        hint: &str,
    ) -> Result<Vec<Template>, CloudStackError> {
        let mut old = self.templates(scope, None, Some(name)).await?;
        let mut seen = std::collections::BTreeSet::from([own.to_owned()]);
        old.retain(|template| seen.insert(template.id.clone()));
        let exists = |template: &Template| {
            CloudStackError::new(CloudStackErrorKind::Exists, format!("call the template `{name}`"))
                .because(format!("there is one of that name: {}", template.id))
        };
        match old.iter().find(|template| !replace || !is_ours(template)) {
            None => Ok(old),
            Some(template) if !is_ours(template) => Err(exists(template).hint(format!(
                "goldsmith did not make it (it has no tag `{TAG}`): choose another name, or delete it yourself"
            ))),
            Some(template) => Err(exists(template).hint(hint)),
        }
    }

    /// Shares and tags a template, makes it a result, and deletes what it takes the place of. Returns the identifiers of what was deleted.
    pub async fn finish_template(
        &self,
        cx: &Cx,
        id: &str,
        undo: UndoHandle,
        finish: &Finish<'_>,
    ) -> Result<Vec<String>, CloudStackError> {
        cx.check()?;
        let mut tags = vec![(TAG.to_owned(), cx.id().to_string())];
        tags.extend(finish.tags.iter().cloned());
        self.tag_template(cx, id, &tags).await?;
        self.share_template(id, finish.accounts, finish.projects).await?;
        self.describe_template(id, finish.text).await?;
        cx.undo().keep(undo)?;
        let mut replaced = Vec::new();
        for old in finish.old {
            match self.delete_template(cx, &old.id).await {
                Ok(()) => replaced.push(old.id.clone()),
                Err(error) if error.kind() == CloudStackErrorKind::NotFound => {}
                Err(error) if error.kind() == CloudStackErrorKind::Cancelled => return Err(error),
                Err(error) => {
                    // The new one is good all the same; machines may still need the old one.
                    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    cx.events().warn(
                        format!("the older template {} is still there: {why}", old.id),
                        Some("delete it when no machine needs it any more".to_owned()),
                    );
                }
            }
        }
        Ok(replaced)
    }

    /// Sets what a template of a disk cannot be made with. Clouds may let administrators alone do that: what is refused is a warning.
    pub async fn set_flags(&self, cx: &Cx, id: &str, flags: &[(&str, &str)]) -> Result<(), CloudStackError> {
        for (key, word) in flags {
            let params = Params::new().with("id", id).with(*key, true);
            let attempt = format!("make the template {id} {word}");
            match self.call(&attempt, "updateTemplatePermissions", &params).await {
                Ok(_) => {}
                Err(error) if error.fault().is_some() => {
                    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    let hint = "clouds may let administrators alone set it".to_owned();
                    cx.events().warn(
                        format!("the template is not {word}, although that was asked for: {why}"),
                        Some(hint),
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
