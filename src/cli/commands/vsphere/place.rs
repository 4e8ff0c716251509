//! Which vCenter, as whom, and where in it: from the arguments, a file, and the environment, in this order.
use super::config::Config;
use crate::{
    cli::{
        args::{SpotArgs, VcenterArgs},
        problem::Problem,
    },
    publish::vsphere::{NetworkChoice, Target},
    value::Secret,
    vsphere::{Place, Server, Trust},
};
use std::path::Path;
use url::Url;

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl VcenterArgs {
    /// The session to open.
    pub(super) fn place(&self, config: &Config) -> Result<Place, Problem> {
        self.place_from(config, &variable)
    }

    fn place_from(
        &self,
        config: &Config,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Place, Problem> {
        let govc = Govc::from(variable);
        let ours =
            self.server.clone().or_else(|| config.server.clone()).or_else(|| variable("VSPHERE_SERVER"));
        // What govc is told about trust is about the server that it is told.
        let insecure = config.insecure || (ours.is_none() && govc.insecure);
        let host = ours.or(govc.host).ok_or_else(|| {
            Problem::usage("no vCenter is named").hint("`--server HOST`, or the variable VSPHERE_SERVER")
        })?;
        let user = self.user.clone().or_else(|| config.user.clone()).or_else(|| variable("VSPHERE_USER"));
        let user = user.or(govc.user).ok_or_else(|| {
            Problem::usage("nobody is named who logs in").hint("`--user NAME`, or the variable VSPHERE_USER")
        })?;
        let told = match &self.password_file {
            Some(path) => Some(first_line(path)?),
            None => config.password.clone().or_else(|| variable("VSPHERE_PASSWORD").map(Secret::new)),
        };
        let password = told.or(govc.password).ok_or_else(|| {
            Problem::usage(format!("the password of `{user}` is not known"))
                .hint("the variable VSPHERE_PASSWORD, or `--password-file FILE`")
        })?;
        let trust = match (&self.ca_file, &self.thumbprint) {
            (Some(path), _) => Trust::CaFile(absolute(path)?),
            (_, Some(thumbprint)) => Trust::Thumbprint(thumbprint.clone()),
            _ if self.insecure || insecure => Trust::Anything,
            _ => Trust::System,
        };
        Ok(Place { server: Server { host, trust }, user, password })
    }

    /// Where in it, as far as nobody says it more precisely.
    pub(super) fn target(&self, spot: &SpotArgs, config: &Config) -> Target {
        let or = |said: &Option<String>, config: &Option<String>| said.clone().or_else(|| config.clone());
        let mut networks: Vec<NetworkChoice> = spot.networks.iter().map(|said| network(said)).collect();
        if networks.is_empty() {
            networks.extend(config.network.clone().map(|here| NetworkChoice { of: None, here }));
        }
        // Who names a host does not want the cluster of the file.
        let cluster =
            if spot.host.is_some() { spot.cluster.clone() } else { or(&spot.cluster, &config.cluster) };
        Target {
            datacenter: or(&self.datacenter, &config.datacenter),
            cluster,
            host: spot.host.clone(),
            pool: or(&spot.resource_pool, &config.pool),
            folder: or(&spot.folder, &config.folder),
            datastore: or(&spot.datastore, &config.datastore),
            networks,
        }
    }
}

/// `NAME`, or `OVFNET=NAME`.
fn network(said: &str) -> NetworkChoice {
    match said.split_once('=') {
        Some((of, here)) => NetworkChoice { of: Some(of.to_owned()), here: here.to_owned() },
        None => NetworkChoice { of: None, here: said.to_owned() },
    }
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, Problem> {
    std::path::absolute(path)
        .map_err(|error| Problem::host(format!("could not find `{}`", path.display()), error))
}

fn first_line(path: &Path) -> Result<Secret, Problem> {
    let failed =
        |why: String| Problem::usage(format!("could not read the password in `{}`: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => Err(failed("its first line is empty".to_owned())),
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
    fn arguments_win_over_the_file_and_that_over_the_environment() {
        let env = environment(&[
            ("VSPHERE_SERVER", "env"),
            ("VSPHERE_USER", "env-user"),
            ("VSPHERE_PASSWORD", "env-password"),
            ("GOVC_URL", "https://who%40x:pass@govc/sdk"),
            ("GOVC_INSECURE", "1"),
        ]);
        let mut config = Config { server: Some("file".to_owned()), ..Config::default() };
        let place = VcenterArgs::default().place_from(&config, &env).unwrap();
        assert_eq!((place.server.host.as_str(), place.user.as_str()), ("file", "env-user"));
        assert_eq!(place.password.expose(), "env-password");
        assert_eq!(place.server.trust, Trust::System, "govc's trust is for govc's server");
        config.insecure = true;
        let arguments = VcenterArgs { server: Some("said".to_owned()), ..VcenterArgs::default() };
        let place = arguments.place_from(&config, &env).unwrap();
        assert_eq!((place.server.host.as_str(), &place.server.trust), ("said", &Trust::Anything));
    }

    #[test]
    fn govc_s_variables_are_the_last_resort() {
        let env =
            environment(&[("GOVC_URL", "https://who%40x:p%3Ass@govc:8443/sdk"), ("GOVC_INSECURE", "true")]);
        let place = VcenterArgs::default().place_from(&Config::default(), &env).unwrap();
        assert_eq!(place.server, Server { host: "govc:8443".to_owned(), trust: Trust::Anything });
        assert_eq!((place.user.as_str(), place.password.expose()), ("who@x", "p:ss"));
        let nothing = VcenterArgs::default().place_from(&Config::default(), &environment(&[]));
        assert!(matches!(nothing, Err(Problem::Usage { .. })));
    }

    #[test]
    fn a_network_may_be_said_for_one_of_the_image_s() {
        assert_eq!(network("VM Network").of, None);
        assert_eq!(network("nic0=VM Network").of.as_deref(), Some("nic0"));
    }
}
