//! Which vCenter, as whom, and how it is known: what the user says, then EKS Anywhere's file, then the environment.
use super::{Config, Place, Server, Trust, VsphereError, VsphereErrorKind};
use crate::value::Secret;
use url::Url;

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a user says about a session in a vCenter.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Name or address.
    pub server: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// Of that user.
    pub password: Option<Secret>,
    /// How the server is recognised.
    pub trust: Option<Trust>,
}

impl Said {
    /// The session to open, with what is not said from the file and from the environment: `VSPHERE_SERVER`, `VSPHERE_USER` and
    /// `VSPHERE_PASSWORD`, or govc's variables.
    pub fn place(&self, config: &Config) -> Result<Place, VsphereError> {
        self.place_from(config, &variable)
    }

    fn place_from(
        &self,
        config: &Config,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Place, VsphereError> {
        let lacks = |why: String, hint: &str| {
            VsphereError::new(VsphereErrorKind::Usage, "log in to a vCenter").because(why).hint(hint)
        };
        let govc = Govc::from(variable);
        let ours =
            self.server.clone().or_else(|| config.server.clone()).or_else(|| variable("VSPHERE_SERVER"));
        // What govc is told about trust is about the server that it is told.
        let insecure = config.insecure || (ours.is_none() && govc.insecure);
        let host = ours.or(govc.host).ok_or_else(|| {
            lacks(
                "none is named".to_owned(),
                "`--server HOST` or `server` in `[vsphere]` names it, or the variable VSPHERE_SERVER",
            )
        })?;
        let user = self.user.clone().or_else(|| config.user.clone()).or_else(|| variable("VSPHERE_USER"));
        let user = user.or(govc.user).ok_or_else(|| {
            lacks(
                "nobody is named who logs in".to_owned(),
                "`--user NAME` or `user` in `[vsphere]` names them, or the variable VSPHERE_USER",
            )
        })?;
        let told = self.password.clone().or_else(|| config.password.clone());
        let told = told.or_else(|| variable("VSPHERE_PASSWORD").map(Secret::new));
        let password = told.or(govc.password).ok_or_else(|| {
            lacks(
                format!("the password of `{user}` is not known"),
                "set the variable VSPHERE_PASSWORD, or say `--password-file FILE`, or `password` in `[vsphere]`",
            )
        })?;
        let trust = match &self.trust {
            Some(said) => said.clone(),
            None if insecure => Trust::Anything,
            None => Trust::System,
        };
        Ok(Place { server: Server { host, trust }, user, password })
    }
}

/// What the variables of VMware's govc say.
#[derive(Debug, Default)]
struct Govc {
    host: Option<String>,
    user: Option<String>,
    password: Option<Secret>,
    insecure: bool,
}

impl Govc {
    fn from(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut made = Self::default();
        if let Some(text) = variable("GOVC_URL") {
            let text = if text.contains("://") { text } else { format!("https://{text}") };
            if let Ok(url) = Url::parse(&text) {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                made.host = url.host_str().map(|host| format!("{host}{port}"));
                let plain = |text: &str| percent(text);
                made.user = Some(plain(url.username())).filter(|user| !user.is_empty());
                made.password = url.password().map(|password| Secret::new(plain(password)));
            }
        }
        made.user = variable("GOVC_USERNAME").or(made.user);
        made.password = variable("GOVC_PASSWORD").map(Secret::new).or(made.password);
        made.insecure =
            matches!(variable("GOVC_INSECURE").as_deref(), Some("1" | "true" | "True" | "TRUE" | "t"));
        made
    }
}

/// A part of an address without its escapes: `%40` is an `@`.
fn percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn what_is_said_wins_over_the_file_and_that_over_the_environment() {
        let env = environment(&[
            ("VSPHERE_SERVER", "env"),
            ("VSPHERE_USER", "env-user"),
            ("VSPHERE_PASSWORD", "env-password"),
            ("GOVC_URL", "https://who%40x:pass@govc/sdk"),
            ("GOVC_INSECURE", "1"),
        ]);
        let mut config = Config { server: Some("file".to_owned()), ..Config::default() };
        let place = Said::default().place_from(&config, &env).unwrap();
        assert_eq!((place.server.host.as_str(), place.user.as_str()), ("file", "env-user"));
        assert_eq!(place.password.expose(), "env-password");
        assert_eq!(place.server.trust, Trust::System, "govc's trust is for govc's server");
        config.insecure = true;
        let said = Said { server: Some("said".to_owned()), ..Said::default() };
        let place = said.place_from(&config, &env).unwrap();
        assert_eq!((place.server.host.as_str(), &place.server.trust), ("said", &Trust::Anything));
    }

    #[test]
    fn govc_s_variables_are_the_last_resort() {
        let env =
            environment(&[("GOVC_URL", "https://who%40x:p%3Ass@govc:8443/sdk"), ("GOVC_INSECURE", "true")]);
        let place = Said::default().place_from(&Config::default(), &env).unwrap();
        assert_eq!(place.server, Server { host: "govc:8443".to_owned(), trust: Trust::Anything });
        assert_eq!((place.user.as_str(), place.password.expose()), ("who@x", "p:ss"));
        let nothing = Said::default().place_from(&Config::default(), &environment(&[])).unwrap_err();
        assert_eq!(nothing.kind(), VsphereErrorKind::Usage);
    }
}
