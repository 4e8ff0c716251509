//! Which vCenter, as whom, and where in it: from the arguments, and then from a file.
use crate::{
    cli::{
        args::{FinishArgs, ProvisioningArgs, SpotArgs, VcenterArgs},
        problem::Problem,
    },
    value::Secret,
    vsphere::{Config, NetworkChoice, Place, Said, Target, Trust, machine::Provisioning, result::Finish},
};
use std::path::Path;

impl VcenterArgs {
    /// The session to open.
    pub(super) fn place(&self, config: &Config) -> Result<Place, Problem> {
        let trust = match (&self.ca_file, &self.thumbprint) {
            (Some(path), _) => Some(Trust::CaFile(absolute(path)?)),
            (_, Some(thumbprint)) => Some(Trust::Thumbprint(thumbprint.clone())),
            _ if self.insecure => Some(Trust::Anything),
            _ => None,
        };
        let password = self.password_file.as_deref().map(first_line).transpose()?;
        let said = Said { server: self.server.clone(), user: self.user.clone(), password, trust };
        said.place(config).map_err(Problem::Vsphere)
    }

    /// What EKS Anywhere's file says, if one is named.
    pub(super) fn config(&self) -> Result<Config, Problem> {
        match &self.config {
            None => Ok(Config::default()),
            Some(path) => Config::read(path).map_err(Problem::Vsphere),
        }
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

impl FinishArgs {
    /// What the machine gets, with what the file says where nobody says it.
    pub(super) fn finish(&self, config: &Config) -> Finish {
        Finish {
            snapshot: self.snapshot.clone().or_else(|| config.snapshot.then(|| "goldsmith".to_owned())),
            tags: self.tags.clone(),
            attributes: self.attributes.clone(),
            template: self.template || (config.template && !self.no_template),
        }
    }
}

impl ProvisioningArgs {
    /// How the space of disks is taken, if it is said.
    pub(super) fn said(&self) -> Option<Provisioning> {
        match (self.thin, self.thick, self.eager_zeroed) {
            (true, ..) => Some(Provisioning::Thin),
            (_, true, _) => Some(Provisioning::Thick),
            (.., true) => Some(Provisioning::EagerZeroed),
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_may_be_said_for_one_of_the_image_s() {
        assert_eq!(network("VM Network").of, None);
        assert_eq!(network("nic0=VM Network").of.as_deref(), Some("nic0"));
    }
}
