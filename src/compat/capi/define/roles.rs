//! Roles of the user's own, by the names that image-builder's variables have for them.
use super::{Item, Make};
use crate::{compat::CompatError, definition};
use std::path::Path;

/// Where each of them comes in.
const PLACES: &[(&[&str], &str)] = &[
    (&["firstboot_custom_roles_pre"], "firstboot-custom-roles-pre"),
    (&["firstboot_custom_roles_post"], "firstboot-custom-roles-post"),
    (&["node_custom_roles_pre"], "node-custom-roles-pre"),
    (&["custom_role_names", "node_custom_roles_post"], "node-custom-roles-post"),
    (&["node_custom_roles_post_sysprep"], "node-custom-roles-post-sysprep"),
];

impl Make<'_> {
    pub(super) fn custom_roles(&self, with: &mut dyn FnMut(&str, Item)) -> Result<(), CompatError> {
        for (variables, parameter) in PLACES {
            let mut names = Vec::new();
            for variable in *variables {
                for word in self.settings.words(variable)? {
                    names.extend(self.custom_role(variable, &word)?);
                }
            }
            if !names.is_empty() {
                with(parameter, names.into());
            }
        }
        Ok(())
    }

    /// The role's name here; `None` if something else does what it does.
    fn custom_role(&self, variable: &str, word: &str) -> Result<Option<String>, CompatError> {
        let base = Path::new(word).file_name().map(|name| name.to_string_lossy().into_owned());
        let base = base.unwrap_or_else(|| word.to_owned());
        // The role of EKS Anywhere that copies files, which arrive in another way here.
        if base == "load_additional_files" && !self.settings.variables().files().is_empty() {
            return Ok(None);
        }
        let folder = self.path(word);
        if folder.join("role.toml").is_file() {
            if let Some(parent) = folder.parent() {
                let mut roles = self.roles.borrow_mut();
                if !roles.iter().any(|known| known == parent) {
                    roles.push(parent.to_owned());
                }
            }
            return Ok(Some(base));
        }
        if folder.join("tasks").is_dir() {
            return Err(CompatError::new(format!("`{word}` in `{variable}` (from {}) is a role of Ansible's", self.settings.from(variable)))
                .hint(format!("write what it does as `{}`: a list of steps, docs/roles.md", folder.join("role.toml").display()))
                .hint(format!("or write the definition out with `goldsmith capi {} --print`, and run the role from there in an `ansible` step", self.target)));
        }
        if !word.contains('/') && definition::built_in_roles().iter().any(|role| *role == word) {
            return Ok(Some(word.to_owned()));
        }
        Err(CompatError::new(format!(
            "the role `{word}` in `{variable}` (from {}) is nowhere",
            self.settings.from(variable)
        ))
        .hint(format!(
            "`{}` does not exist, and no role of goldsmith's has this name",
            folder.join("role.toml").display()
        )))
    }
}
