//! Which Prism Central, as whom, and how it is known: what the user says, then EKS Anywhere's file, then the environment.
use super::{Config, Place, PrismError, PrismErrorKind, Server, Trust};
use crate::value::Secret;

/// A variable of the environment that is not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The user whom the environment names.
pub(super) fn user_of(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    variable("NUTANIX_USER").or_else(|| variable("NUTANIX_USERNAME"))
}

/// What a user says about a session in a Prism Central.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Name or address.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// Who asks.
    pub user: Option<String>,
    /// Of that user.
    pub password: Option<Secret>,
    /// How the server is recognised.
    pub trust: Option<Trust>,
}

impl Said {
    /// The place to go to, with what is not said from the file and from the environment: `NUTANIX_ENDPOINT`, `NUTANIX_PORT`,
    /// `NUTANIX_USER` or `NUTANIX_USERNAME`, `NUTANIX_PASSWORD` and `NUTANIX_INSECURE`.
    pub fn place(&self, config: &Config) -> Result<Place, PrismError> {
        self.place_from(config, &variable)
    }

    fn place_from(
        &self,
        config: &Config,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Place, PrismError> {
        let lacks = |why: String, hint: &str| {
            PrismError::new(PrismErrorKind::Usage, "log in to a Prism Central").because(why).hint(hint)
        };
        let said = self.host.clone().or_else(|| config.host.clone());
        // What the environment says of ports and trust is about the server that it names.
        let elsewhere = said.is_some();
        let host = said.or_else(|| variable("NUTANIX_ENDPOINT")).ok_or_else(|| {
            lacks(
                "none is named".to_owned(),
                "`--endpoint HOST` names it, or `nutanix_endpoint` in the file of `--config`, or the variable NUTANIX_ENDPOINT",
            )
        })?;
        let mut port = self.port.or(config.port);
        if let Some(text) = variable("NUTANIX_PORT").filter(|_| port.is_none() && !elsewhere) {
            let wrong = || lacks(format!("NUTANIX_PORT is `{text}`, which is no port"), "it is 9440 mostly");
            port = Some(text.parse().map_err(|_| wrong())?);
        }
        let user = self.user.clone().or_else(|| config.user.clone()).or_else(|| user_of(variable));
        let user = user.ok_or_else(|| {
            lacks(
                "nobody is named who logs in".to_owned(),
                "`--user NAME` names them, or `nutanix_username` in the file of `--config`, or the variable NUTANIX_USER",
            )
        })?;
        let told = self.password.clone().or_else(|| config.password.clone());
        let password = told.or_else(|| variable("NUTANIX_PASSWORD").map(Secret::new)).ok_or_else(|| {
            lacks(
                format!("the password of `{user}` is not known"),
                "set the variable NUTANIX_PASSWORD, or say `--password-file FILE`, or `nutanix_password` in the file of `--config`",
            )
        })?;
        let careless = matches!(
            variable("NUTANIX_INSECURE").map(|text| text.to_ascii_lowercase()).as_deref(),
            Some("1" | "true" | "t" | "yes")
        );
        let trust = match &self.trust {
            Some(said) => said.clone(),
            None if config.insecure || (!elsewhere && careless) => Trust::Anything,
            None => Trust::System,
        };
        Ok(Place { server: Server { host, port, trust }, user, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "NUTANIX_ENDPOINT" => "there.example.com",
            "NUTANIX_PORT" => "9441",
            "NUTANIX_USERNAME" => "env",
            "NUTANIX_PASSWORD" => "env-word",
            "NUTANIX_INSECURE" => "True",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn what_is_said_counts_more_than_the_file_and_that_more_than_the_environment() {
        let place = Said::default().place_from(&Config::default(), &environment).unwrap();
        assert_eq!((place.server.host.as_str(), place.server.port), ("there.example.com", Some(9441)));
        assert_eq!((place.user.as_str(), place.password.expose()), ("env", "env-word"));
        assert_eq!(place.server.trust, Trust::Anything);
        let config = Config { host: Some("file".into()), user: Some("f".into()), ..Config::default() };
        let place = Said::default().place_from(&config, &environment).unwrap();
        assert_eq!((place.server.host.as_str(), place.server.port), ("file", None));
        assert_eq!((place.user.as_str(), place.server.trust), ("f", Trust::System));
        let said = Said { host: Some("said".into()), port: Some(1), ..Said::default() };
        let place = said.place_from(&config, &environment).unwrap();
        assert_eq!((place.server.host.as_str(), place.server.port), ("said", Some(1)));
    }

    #[test]
    fn what_is_missing_is_said_with_all_ways_to_say_it() {
        let error = Said::default().place_from(&Config::default(), &|_| None).unwrap_err();
        assert!(error.hint_text().unwrap().contains("NUTANIX_ENDPOINT"));
    }
}
