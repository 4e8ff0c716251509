//! Prism Centrals: one session for each that a run builds in, also for what is removed there at its end.
use super::{opened::Opened, trust::trust};
use crate::{
    cx::{Cx, ResourceRef, Stop},
    driver::{
        DriverError, DriverErrorKind,
        nutanix::{Job, Nutanix},
    },
    nutanix::{self, Config, Dialect, Place, Prism, PrismError, PrismErrorKind, Said},
    plan::{NutanixMachinePlan, NutanixSourcePlan, Plan, PrismPlan, SourcePlan},
    provision::Secrets,
    value::Size,
};

/// Those that are spoken to. There is nothing to close: each call bears who makes it.
#[derive(Debug, Default)]
pub(super) struct Prisms {
    open: Opened<Prism>,
}

impl Prisms {
    /// One that somebody else speaks to.
    pub(super) fn with(prism: Prism) -> Self {
        Self { open: Opened::with(prism) }
    }

    /// The driver for `plan`, in a session that all builds of this run share.
    pub(super) async fn driver(
        &self,
        cx: &Cx,
        plan: &Plan,
        machine: &NutanixMachinePlan,
        secrets: &Secrets,
    ) -> Result<Nutanix, DriverError> {
        let config = match &plan.prism.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let place = place(cx, &plan.prism, &config, secrets).await?;
        let dialect = plan.prism.api.as_deref().and_then(|text| text.parse().ok());
        let prism = self.session(cx, &place, dialect).await?;
        if config.export && plan.outputs.is_empty() {
            cx.events().notice(
                "`image_export` of the file of `config` makes no file here: an `[[output]]` does, such as `format = \"qcow2\"`",
            );
        }
        Ok(Nutanix::new(prism, job(plan, machine, &config)?))
    }

    async fn session(&self, cx: &Cx, place: &Place, dialect: Option<Dialect>) -> Result<Prism, PrismError> {
        let same = |prism: &Prism| {
            let known = prism.place();
            known.server == place.server
                && known.user == place.user
                && dialect.is_none_or(|dialect| dialect == prism.dialect())
        };
        if let Some(known) = self.open.known(same) {
            return Ok(known);
        }
        let opened = cx.stop().unless_cancelled(Prism::connect(place, dialect)).await??;
        self.open.note(&opened);
        Ok(opened)
    }

    /// Removes a thing for good, with the password that the session has; otherwise with that of the environment.
    pub(super) async fn remove(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        let removed = match self.open.known(|prism| prism.holds(resource)) {
            Some(prism) => nutanix::remove_with(&prism, resource, stop).await,
            None => nutanix::remove(resource, stop).await,
        };
        removed.map_err(|error| {
            DriverError::new(DriverErrorKind::Other, format!("remove {resource}")).because(error)
        })
    }
}

/// The session that a definition means.
async fn place(cx: &Cx, plan: &PrismPlan, config: &Config, secrets: &Secrets) -> Result<Place, PrismError> {
    let failed = |why: Box<dyn std::error::Error + Send + Sync>| {
        PrismError::new(PrismErrorKind::Usage, "log in to a Prism Central").because(why)
    };
    let password = match &plan.password {
        Some(name) => Some(secrets.get(cx, name).await.map_err(|error| failed(error.into()))?),
        None => None,
    };
    let trust = trust(plan.trust.as_ref()).map_err(|why| failed(why.into()))?;
    let said =
        Said { host: plan.endpoint.clone(), port: plan.port, user: plan.user.clone(), password, trust };
    let place = said.place(config)?;
    cx.redactor().learn(&place.password);
    Ok(place)
}

/// What the definition says, and what it does not say from the file.
fn job(plan: &Plan, machine: &NutanixMachinePlan, config: &Config) -> Result<Job, PrismError> {
    let mut place = plan.prism.clone();
    place.cluster = place.cluster.or_else(|| config.cluster.clone());
    if place.subnets.is_empty() {
        place.subnets.extend(config.subnet.clone());
    }
    let mut machine = machine.clone();
    machine.disk = machine.disk.or(config.size_gib.map(Size::gib));
    let source = match &plan.source {
        SourcePlan::Nutanix(NutanixSourcePlan::Config) => source(config)?,
        SourcePlan::Nutanix(source) => source.clone(),
        _ => NutanixSourcePlan::Config,
    };
    let mut result = plan.nutanix.clone();
    if let Some(result) = &mut result {
        let named = result.name.take().or_else(|| config.image_name.clone());
        result.name = Some(named.unwrap_or_else(|| plan.name.clone()));
    }
    Ok(Job { place, machine, source, result })
}

/// The image that the file names: one that is there already comes first, as in EKS Anywhere.
fn source(config: &Config) -> Result<NutanixSourcePlan, PrismError> {
    if let Some(name) = &config.source_image {
        return Ok(NutanixSourcePlan::Image(name.clone()));
    }
    let Some(text) = &config.image_url else { return Ok(NutanixSourcePlan::Config) };
    let wrong = |why: String| {
        PrismError::new(PrismErrorKind::Usage, format!("understand `image_url`, `{text}`")).because(why)
    };
    let url: url::Url = text.parse().map_err(|error: url::ParseError| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("a cluster fetches images by `http` and `https` only".to_owned()));
    }
    Ok(NutanixSourcePlan::Url { url, digest: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_of_the_file_is_the_one_that_is_there_or_the_one_to_fetch() {
        let url = Some("https://example.com/jammy.img".to_owned());
        let both = Config { source_image: Some("base".into()), image_url: url.clone(), ..Config::default() };
        assert_eq!(source(&both).unwrap(), NutanixSourcePlan::Image("base".to_owned()));
        let fetched = Config { image_url: url, ..Config::default() };
        assert!(matches!(source(&fetched).unwrap(), NutanixSourcePlan::Url { digest: None, .. }));
        assert_eq!(source(&Config::default()).unwrap(), NutanixSourcePlan::Config);
        for wrong in ["jammy.img", "file:///jammy.img"] {
            let config = Config { image_url: Some(wrong.into()), ..Config::default() };
            assert!(source(&config).is_err(), "{wrong}");
        }
    }
}
