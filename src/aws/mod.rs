//! A session in an Amazon account: credentials, regions, addresses, retries; what is ours there, and how it is removed.
//!
//! Credentials, profiles and regions are found as by Amazon's own tools (environment, `~/.aws`, SSO, container and instance roles).
//! Nothing here knows what an image is: [`crate::publish`] and the driver for EC2 do.
mod error;
pub mod policy;
mod remove;
mod simulate;
mod tag;
mod tagged;

pub use error::{ApiError, AwsError, AwsErrorKind};
pub use remove::{DRIVER, Kind, images_of, remove, remove_with, resource};
pub use simulate::{Checked, Decision, Verdict, check};
pub use tag::{BUILD, SNAPSHOT, Tags, UPLOAD};
pub use tagged::{ROLE, of_build, tagged};

use crate::value::Secret;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Which account, and where: what the user said. Whatever is not said comes from the environment and `~/.aws/config`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
    /// A profile of `~/.aws/config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Such as `eu-west-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Address of another server that speaks Amazon's API, for all services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// How often a call is made before its error counts. Errors that would come again are not repeated.
const ATTEMPTS: u32 = 8;
/// The longest that one attempt may take. No call of ours carries more than a few megabytes.
const ATTEMPT: Duration = Duration::from_secs(90);
/// The longest that a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A session. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Aws {
    config: SdkConfig,
    account: Account,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Aws {
    /// Reads the configuration. Credentials are looked for with the first call.
    pub async fn open(account: &Account) -> Result<Self, AwsError> {
        Self::load(account, None).await
    }

    /// The same with these keys, whatever the environment says.
    pub async fn with_keys(account: &Account, id: &str, secret: &Secret) -> Result<Self, AwsError> {
        let keys = aws_sdk_sts::config::Credentials::builder()
            .access_key_id(id)
            .secret_access_key(secret.expose())
            .provider_name("given")
            .build();
        Self::load(account, Some(keys)).await
    }

    async fn load(
        account: &Account,
        keys: Option<aws_sdk_sts::config::Credentials>,
    ) -> Result<Self, AwsError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client()?)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build(),
            )
            .app_name(app_name());
        if let Some(keys) = keys {
            loader = loader.credentials_provider(keys);
        }
        if let Some(profile) = &account.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &account.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &account.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(AwsError::new(AwsErrorKind::Usage, "tell which region is meant")
                .hint("say it with `--region`, `region` in `[aws]`, AWS_REGION, or in ~/.aws/config"));
        };
        let account = Account {
            profile: account.profile.clone(),
            region: Some(region),
            endpoint: config.endpoint_url().map(ToOwned::to_owned),
        };
        Ok(Self { config, account })
    }

    /// What was found, with the region that is meant.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The session's own region.
    pub fn region(&self) -> &str {
        self.account.region.as_deref().unwrap_or_default()
    }

    /// The same session with another region of its own.
    #[must_use]
    pub fn at(&self, region: &str) -> Self {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        Self { config, account: Account { region: Some(region.to_owned()), ..self.account.clone() } }
    }

    /// EC2 in the session's region.
    pub fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.config)
    }

    /// EBS's direct interface in the session's region. The caller repeats calls itself: it must know when it is throttled.
    pub fn ebs(&self) -> aws_sdk_ebs::Client {
        let config =
            aws_sdk_ebs::config::Builder::from(&self.config).retry_config(RetryConfig::disabled()).build();
        aws_sdk_ebs::Client::from_conf(config)
    }

    /// As [`Aws::ebs`], as many clients with connections of their own: where HTTP/2 is spoken, a client has one connection for all of
    /// its calls, which many large ones fill.
    pub fn ebs_lanes(&self, lanes: usize) -> Result<Vec<aws_sdk_ebs::Client>, AwsError> {
        let lane = || {
            let config = aws_sdk_ebs::config::Builder::from(&self.config)
                .retry_config(RetryConfig::disabled())
                .http_client(http_client()?)
                .build();
            Ok(aws_sdk_ebs::Client::from_conf(config))
        };
        std::iter::repeat_with(lane).take(lanes).collect()
    }

    /// S3 in the session's region.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        // Other servers seldom have a name for each bucket.
        let by_path = self.account.endpoint.is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(by_path).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Systems Manager in the session's region.
    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.config)
    }

    /// Identity and access: one for the whole account.
    pub fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config)
    }

    /// Who we are.
    pub fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.config)
    }

    /// The Marketplace's catalogue, which is in `us-east-1` only
    /// ([endpoints](https://docs.aws.amazon.com/general/latest/gr/aws-marketplace.html)).
    pub fn marketplace(&self) -> aws_sdk_marketplacecatalog::Client {
        aws_sdk_marketplacecatalog::Client::new(&self.at("us-east-1").config)
    }
}

fn app_name() -> aws_config::AppName {
    // The name is made of letters only, hence valid.
    aws_config::AppName::new("goldsmith").unwrap_or_else(|_| unreachable!("letters are valid"))
}

/// Rustls with ring, the proxies that the environment names, and the certificates of this host or of `AWS_CA_BUNDLE`.
fn http_client() -> Result<SharedHttpClient, AwsError> {
    let mut trusted = TrustStore::default();
    if let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        let attempt = || format!("read the certificates in `{}` (AWS_CA_BUNDLE)", path.display());
        let pem = std::fs::read(&path)
            .map_err(|error| AwsError::new(AwsErrorKind::Usage, attempt()).because(error))?;
        trusted.add_pem_certificate(pem);
    }
    let context = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| AwsError::new(AwsErrorKind::Usage, "prepare TLS").because(error))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        if let Some(settings) = settings {
            connector = connector.connector_settings(settings.clone());
        }
        connector.build()
    }))
}
