//! Which cloud, as whom, and how it is known: what the user says, then a file's section or the environment.
use super::{
    CloudStackError, CloudStackErrorKind, Endpoint, Place, Trust,
    ini::{Ini, Section, is_true},
};
use crate::value::Secret;
use std::path::{Path, PathBuf};

/// The section of the file of `cs` that is taken when nobody names one.
const REGION: &str = "cloudstack";

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a user says about a cloud.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The address of the API.
    pub endpoint: Option<String>,
    /// The API key.
    pub key: Option<Secret>,
    /// The secret key.
    pub secret: Option<Secret>,
    /// How the server is recognised.
    pub trust: Option<Trust>,
    /// A file as `cs` has it.
    pub file: Option<PathBuf>,
    /// A section of that file.
    pub region: Option<String>,
}

impl Said {
    /// The place, with what is not said from the environment (`CLOUDSTACK_ENDPOINT`, `CLOUDSTACK_KEY`, `CLOUDSTACK_SECRET`, or
    /// `CLOUDSTACK_API_URL`, `CLOUDSTACK_API_KEY`, `CLOUDSTACK_SECRET_KEY`), and then from the files of `cs`. A section that is named wins over the
    /// environment.
    pub fn place(&self) -> Result<Place, CloudStackError> {
        let ini = self.files(&variable)?;
        self.place_from(&ini, &variable)
    }

    /// The place with this address, for what is to be removed there: any section of a file may have its keys.
    pub(super) fn place_of(endpoint: &Endpoint) -> Option<Place> {
        Self::default().files(&variable).ok().and_then(|ini| place_of(endpoint, &ini, &variable))
    }

    /// The files of `cs`; what is read later there wins here.
    fn files(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Ini, CloudStackError> {
        if let Some(path) = &self.file {
            return Ini::read(path)?.ok_or_else(|| {
                CloudStackError::new(CloudStackErrorKind::Usage, format!("read `{}`", path.display()))
                    .because("there is no such file")
            });
        }
        let named = variable("CLOUDSTACK_CONFIG").map(PathBuf::from);
        let home = variable("HOME").map(|home| Path::new(&home).join(".cloudstack.ini"));
        let mut made = Ini::default();
        for path in [named, Some(PathBuf::from("cloudstack.ini")), home].into_iter().flatten() {
            made = made.over(Ini::read(&path)?.unwrap_or_default());
        }
        Ok(made)
    }

    fn place_from(
        &self,
        ini: &Ini,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Place, CloudStackError> {
        let lacks = |why: String, hint: &str| {
            CloudStackError::new(CloudStackErrorKind::Usage, "call a cloud").because(why).hint(hint)
        };
        let named = self.region.clone().or_else(|| variable("CLOUDSTACK_REGION"));
        let section = ini.0.get(named.as_deref().unwrap_or(REGION));
        if section.is_none()
            && let Some(name) = &self.region
        {
            let known: Vec<&str> = ini.0.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(lacks(
                format!("no file has a section `{name}`"),
                &format!("there are: {known}; the files are cloudstack.ini here and ~/.cloudstack.ini"),
            ));
        }
        let section = section.cloned().unwrap_or_default();
        let environment = environment(variable);
        // Who names a section or its file wants what is in it.
        let sets = if self.region.is_some() || self.file.is_some() {
            [section, environment]
        } else {
            [environment, section]
        };
        let of = |what: fn(&Section) -> Option<Secret>| sets.iter().find_map(what);
        // How a server is recognised belongs to the address that it is said of.
        let (address, beside) = if let Some(said) = &self.endpoint {
            (Some(said.clone()), None)
        } else {
            let set = sets.iter().find(|set| set.endpoint.is_some());
            (set.and_then(|set| set.endpoint.clone()), set)
        };
        let address = address.ok_or_else(|| {
            lacks(
                "none is named".to_owned(),
                "`--endpoint URL` names it, the variable CLOUDSTACK_ENDPOINT, or `endpoint` in ~/.cloudstack.ini",
            )
        })?;
        let key = self.key.clone().or_else(|| of(|set| set.key.clone())).ok_or_else(|| {
            lacks(
                format!("no API key for {address} is known"),
                "set the variable CLOUDSTACK_KEY, or `key` in ~/.cloudstack.ini, or say `--api-key KEY`",
            )
        })?;
        let secret = self.secret.clone().or_else(|| of(|set| set.secret.clone())).ok_or_else(|| {
            lacks(
                format!("the secret key for {address} is not known"),
                "set the variable CLOUDSTACK_SECRET, or `secret` in ~/.cloudstack.ini, or say `--secret-file FILE`",
            )
        })?;
        let trust = self.trust.clone().unwrap_or_else(|| beside.map(trust).unwrap_or_default());
        Ok(Place { endpoint: Endpoint::new(&address, trust)?, key, secret })
    }
}

fn trust(section: &Section) -> Trust {
    match &section.verify {
        Some(path) => Trust::CaFile(PathBuf::from(path)),
        None if section.insecure => Trust::Anything,
        None => Trust::System,
    }
}

/// What the variables say: those of `cs`, and then those of the Terraform provider.
fn environment(variable: &dyn Fn(&str) -> Option<String>) -> Section {
    let either = |one: &str, other: &str| variable(one).or_else(|| variable(other));
    Section {
        endpoint: either("CLOUDSTACK_ENDPOINT", "CLOUDSTACK_API_URL"),
        key: either("CLOUDSTACK_KEY", "CLOUDSTACK_API_KEY").map(Secret::new),
        secret: either("CLOUDSTACK_SECRET", "CLOUDSTACK_SECRET_KEY").map(Secret::new),
        verify: variable("CLOUDSTACK_VERIFY"),
        insecure: variable("CLOUDSTACK_DANGEROUS_NO_TLS_VERIFY").is_some_and(|value| is_true(&value)),
    }
}

fn place_of(endpoint: &Endpoint, ini: &Ini, variable: &dyn Fn(&str) -> Option<String>) -> Option<Place> {
    std::iter::once(environment(variable)).chain(ini.0.values().cloned()).find_map(|set| {
        let (key, secret) = (set.key?, set.secret?);
        let same = match set.endpoint {
            Some(said) => Endpoint::new(&said, Trust::System).is_ok_and(|known| known.url == endpoint.url),
            None => true,
        };
        same.then(|| Place { endpoint: endpoint.clone(), key, secret })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn environment(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn ini(sections: &[(&str, &str)]) -> Ini {
        let section = |name: &str| Section {
            endpoint: Some(format!("https://{name}.example.com/client/api")),
            key: Some(Secret::new(format!("{name}-key"))),
            secret: Some(Secret::new(format!("{name}-secret"))),
            verify: Some(format!("/{name}.pem")),
            insecure: false,
        };
        Ini(sections.iter().map(|(name, of)| ((*name).to_owned(), section(of))).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn the_environment_wins_unless_a_section_is_named() {
        let env = environment(&[
            ("CLOUDSTACK_API_URL", "https://env.example.com/client/api"),
            ("CLOUDSTACK_API_KEY", "env-key"),
            ("CLOUDSTACK_SECRET_KEY", "env-secret"),
        ]);
        let files = ini(&[("cloudstack", "file"), ("lab", "lab")]);
        let place = Said::default().place_from(&files, &env).unwrap();
        assert_eq!(place.endpoint.url, "https://env.example.com/client/api");
        assert_eq!((place.key.expose(), place.secret.expose()), ("env-key", "env-secret"));
        assert_eq!(place.endpoint.trust, Trust::System, "the file's trust is for the file's server");
        let said = Said { region: Some("lab".into()), ..Said::default() };
        let place = said.place_from(&files, &env).unwrap();
        assert_eq!((place.key.expose(), place.secret.expose()), ("lab-key", "lab-secret"));
        assert_eq!(place.endpoint.trust, Trust::CaFile("/lab.pem".into()));
        let place = Said::default().place_from(&files, &environment(&[])).unwrap();
        assert_eq!(place.endpoint.url, "https://file.example.com/client/api");
        let said = Said { region: Some("none".into()), ..Said::default() };
        let error = said.place_from(&files, &env).unwrap_err();
        assert!(error.hint_text().unwrap().contains("cloudstack, lab"), "{error:?}");
    }

    #[test]
    fn what_lacks_is_said_with_where_it_may_stand() {
        let env = environment(&[("CLOUDSTACK_ENDPOINT", "https://a/client/api"), ("CLOUDSTACK_KEY", "k")]);
        let error = Said::default().place_from(&Ini::default(), &env).unwrap_err();
        assert!(error.hint_text().unwrap().contains("CLOUDSTACK_SECRET"), "{error:?}");
        let error = Said::default().place_from(&Ini::default(), &environment(&[])).unwrap_err();
        assert!(error.hint_text().unwrap().contains("--endpoint"), "{error:?}");
    }

    #[test]
    fn keys_are_found_by_the_address_that_they_are_for() {
        let files = ini(&[("a", "a"), ("b", "b")]);
        let endpoint = Endpoint::new("https://b.example.com/client/api", Trust::Anything).unwrap();
        let found = place_of(&endpoint, &files, &environment(&[])).unwrap();
        assert_eq!((found.key.expose(), &found.endpoint.trust), ("b-key", &Trust::Anything));
        let other = Endpoint::new("https://c.example.com", Trust::System).unwrap();
        assert!(place_of(&other, &files, &environment(&[])).is_none());
    }
}
