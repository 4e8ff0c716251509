//! Which Prism Central, as whom: from the arguments, and then from a file.
use crate::{
    cli::{args::PrismArgs, problem::Problem},
    nutanix::{Config, Place, Said, Trust},
    value::Secret,
};
use std::path::Path;

impl PrismArgs {
    /// Whom to speak to.
    pub(super) fn place(&self, config: &Config) -> Result<Place, Problem> {
        let trust = match (&self.ca_file, &self.thumbprint) {
            (Some(path), _) => Some(Trust::CaFile(absolute(path)?)),
            (_, Some(thumbprint)) => Some(Trust::Thumbprint(thumbprint.clone())),
            _ if self.insecure => Some(Trust::Anything),
            _ => None,
        };
        let said = Said {
            host: self.endpoint.clone(),
            port: self.port,
            user: self.user.clone(),
            password: self.password_file.as_deref().map(first_line).transpose()?,
            trust,
        };
        said.place(config).map_err(Problem::Prism)
    }

    /// What EKS Anywhere's file says, if one is named.
    pub(super) fn config(&self) -> Result<Config, Problem> {
        match &self.config {
            None => Ok(Config::default()),
            Some(path) => Config::read(path).map_err(Problem::Prism),
        }
    }
}

pub(super) fn absolute(path: &Path) -> Result<std::path::PathBuf, Problem> {
    std::path::absolute(path)
        .map_err(|error| Problem::host(format!("could not find `{}`", path.display()), error))
}

pub(super) fn first_line(path: &Path) -> Result<Secret, Problem> {
    let failed =
        |why: String| Problem::usage(format!("could not read the password in `{}`: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => Err(failed("its first line is empty".to_owned())),
    }
}
