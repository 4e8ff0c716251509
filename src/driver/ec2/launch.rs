//! From a specification to an instance: key pair, security group, RunInstances; another type when one cannot be had.
use super::{Ec2, fault, network};
use crate::{
    aws::{self, AwsError, AwsErrorKind, Kind, Tags},
    cx::{Cx, JournalError, Undo, UndoHandle},
    driver::{DriverError, DriverErrorKind, MachineSpec},
    plan::RootVolume,
    value::Size,
};
use aws_sdk_ec2::{
    error::SdkError,
    operation::run_instances::builders::RunInstancesFluentBuilder,
    primitives::Blob,
    types::{
        BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification, Instance,
        InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceMetadataEndpointState,
        InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType, MarketType,
        ResourceType, ShutdownBehavior, SpotInstanceType, SpotMarketOptions,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// An instance that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Launched {
    pub(super) id: String,
    /// What it calls the disk that it starts from.
    pub(super) root_device: String,
}

/// Makes all that an instance needs, and the instance, which starts at once.
pub(super) async fn instance(
    ec2: &Ec2,
    cx: &Cx,
    spec: &MachineSpec,
    image: &str,
) -> Result<Launched, DriverError> {
    let role = &spec.role;
    let tags = ec2.tags(cx, &spec.image, role);
    let root_device = root_device(ec2, image).await?;
    let key = match &spec.instance.authorized_key {
        Some(line) => Some(key_pair(ec2, cx, role, line, &tags).await?),
        None => None,
    };
    cx.check()?;
    let groups = match ec2.plan.security_groups.as_slice() {
        [] => vec![network::group(ec2, cx, role, &tags).await?],
        given => given.to_vec(),
    };
    cx.check()?;
    let user_data = match &spec.instance.user_data {
        Some(path) => Some(STANDARD.encode(tokio::fs::read(path).await.map_err(|error| {
            DriverError::new(DriverErrorKind::Other, format!("read `{}`", path.display())).because(error)
        })?)),
        None => None,
    };
    let request = Request { ec2, cx, role, image, key, groups, user_data, root_device, tags };
    request.first_that_can_be_had().await
}

/// Imports the build's public key under a name that is this machine's alone.
async fn key_pair(ec2: &Ec2, cx: &Cx, role: &str, line: &str, tags: &Tags) -> Result<String, DriverError> {
    let name = format!("goldsmith-{}-{role}", cx.id());
    let _ = cx.undo().plan(Undo::Resource(aws::resource(&ec2.aws, Kind::KeyPair, &name)))?;
    let attempt = || format!("import the key pair `{name}` in {}", ec2.aws.region());
    let imported = ec2
        .aws
        .ec2()
        .import_key_pair()
        .key_name(&name)
        .public_key_material(Blob::new(line.trim()))
        .tag_specifications(tags.specification(ResourceType::KeyPair))
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "ImportKeyPair", error));
    match imported {
        // The answer of an earlier attempt was lost; nobody else knows the name.
        Err(error) if error.kind() == AwsErrorKind::Exists => Ok(name),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(name),
    }
}

/// What the image calls the disk that its instances start from.
async fn root_device(ec2: &Ec2, image: &str) -> Result<String, DriverError> {
    let attempt = || format!("look at the AMI `{image}` in {}", ec2.aws.region());
    let answer = ec2.aws.ec2().describe_images().image_ids(image).send().await;
    let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeImages", error))?;
    let found = answer.images().first().and_then(|image| image.root_device_name());
    Ok(found.unwrap_or(crate::plan::ROOT_DEVICE).to_owned())
}

/// Everything that RunInstances is told.
struct Request<'a> {
    ec2: &'a Ec2,
    cx: &'a Cx,
    role: &'a str,
    image: &'a str,
    key: Option<String>,
    groups: Vec<String>,
    user_data: Option<String>,
    root_device: String,
    tags: Tags,
}

impl Request<'_> {
    /// Tries each type in turn.
    async fn first_that_can_be_had(&self) -> Result<Launched, DriverError> {
        let types = &self.ec2.plan.instance_types;
        for (number, kind) in types.iter().enumerate() {
            self.cx.check()?;
            match self.launch(number, kind).await {
                Ok(instance) => {
                    return Ok(Launched {
                        id: instance.instance_id().unwrap_or_default().to_owned(),

                        root_device: self.root_device.clone(),
                    });
                }
                Err(Failed::Aws(error)) if fault::another_type_may_do(&error) && number + 1 < types.len() => {
                    let code = error.code().unwrap_or_default().to_owned();
                    let next = &types[number + 1];
                    self.cx.events().warn(
                        format!("no instance of type {kind} can be had ({code}); {next} is tried instead"),
                        None,
                    );
                }
                Err(failed) => return Err(failed.into()),
            }
        }
        Err(DriverError::new(DriverErrorKind::Unsupported, "launch an instance")
            .because("no type of it is named"))
    }

    async fn launch(&self, number: usize, kind: &str) -> Result<Instance, Failed> {
        let (aws, cx) = (&self.ec2.aws, self.cx);
        // Cancelled before the instances: it would start another one.
        let mut planned: Vec<UndoHandle> = Vec::new();
        let mut plan = |kind| -> Result<UndoHandle, JournalError> {
            let handle = cx.undo().plan(Undo::Resource(aws::tagged(aws, kind, cx.id(), self.role)))?;
            planned.push(handle);
            Ok(handle)
        };
        let instance = plan(Kind::Instance)?;
        if self.ec2.plan.spot.is_some() {
            let _ = plan(Kind::SpotRequest)?;
        }
        let attempt =
            || format!("launch an instance of type {kind} from `{}` in {}", self.image, aws.region());
        let sent = self.request(number, kind).send().await;
        // What Amazon refused was not made. Of anything else nobody knows.
        let refused =
            matches!(&sent, Err(SdkError::ServiceError(error)) if error.raw().status().is_client_error());
        let sent = sent.map_err(|error| AwsError::of(attempt(), "RunInstances", error));
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                if refused {
                    for handle in planned {
                        cx.undo().keep(handle)?;
                    }
                }
                let error = match fault::launch_hint(&error) {
                    Some(hint) => error.hint(hint),
                    None => error,
                };
                return Err(error.into());
            }
        };
        let made = answer.instances().first().cloned().ok_or_else(|| {
            AwsError::new(AwsErrorKind::Other, attempt()).because("RunInstances answered without an instance")
        });
        let made = made?;
        let id = made.instance_id().unwrap_or_default();
        cx.undo().resolve(instance, Undo::Resource(aws::resource(aws, Kind::Instance, id)))?;
        cx.events().notice(format!("instance {id} ({kind}) in {}", aws.region()));
        Ok(made)
    }

    fn request(&self, number: usize, kind: &str) -> RunInstancesFluentBuilder {
        let plan = &self.ec2.plan;
        let mut request = self
            .ec2
            .aws
            .ec2()
            .run_instances()
            .image_id(self.image)
            .instance_type(InstanceType::from(kind))
            .min_count(1)
            .max_count(1)
            // A repeated call with the same token makes no second instance; another type is another call.
            .client_token(format!("{}-{}-{number}", self.cx.id(), self.role))
            .set_key_name(self.key.clone())
            .set_user_data(self.user_data.clone())
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Stop)
            .metadata_options(metadata(plan))
            .set_block_device_mappings(self.devices());
        for kind in [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface] {
            request = request.tag_specifications(self.tags.specification(kind));
        }
        if let Some(spot) = &plan.spot {
            request = request.tag_specifications(self.tags.specification(ResourceType::SpotInstancesRequest));
            // Only an instance of a persistent request can be stopped, and its image made without a running system in it.
            let options = SpotMarketOptions::builder()
                .set_max_price(spot.max_price.clone())
                .spot_instance_type(SpotInstanceType::Persistent)
                .instance_interruption_behavior(InstanceInterruptionBehavior::Stop);
            request = request.instance_market_options(
                InstanceMarketOptionsRequest::builder()
                    .market_type(MarketType::Spot)
                    .spot_options(options.build())
                    .build(),
            );
        }
        if let Some(profile) = &plan.profile {
            let named = IamInstanceProfileSpecification::builder();
            let named = if profile.starts_with("arn:") { named.arn(profile) } else { named.name(profile) };
            request = request.iam_instance_profile(named.build());
        }
        // With an interface of its own, subnet and groups are the interface's.
        match plan.public_ip {
            Some(public) => request.network_interfaces(
                InstanceNetworkInterfaceSpecification::builder()
                    .device_index(0)
                    .associate_public_ip_address(public)
                    .delete_on_termination(true)
                    .set_subnet_id(plan.subnet.clone())
                    .set_groups(Some(self.groups.clone()))
                    .build(),
            ),
            None => {
                request.set_subnet_id(plan.subnet.clone()).set_security_group_ids(Some(self.groups.clone()))
            }
        }
    }

    /// The root volume, when something about it differs from the image's, and the second one.
    fn devices(&self) -> Option<Vec<BlockDeviceMapping>> {
        let plan = &self.ec2.plan;
        let mut devices = Vec::new();
        if plan.root != RootVolume::default() {
            devices.push(device(&self.root_device, &plan.root));
        }
        if let Some(second) = plan.surrogate.as_ref().filter(|_| self.role == super::surrogate::ROLE) {
            devices.push(device(&second.device, &second.volume));
        }
        (!devices.is_empty()).then_some(devices)
    }
}

fn device(name: &str, volume: &RootVolume) -> BlockDeviceMapping {
    BlockDeviceMapping::builder()
        .device_name(name)
        .ebs(ebs(volume).delete_on_termination(true).build())
        .build()
}

/// A volume in a block device mapping.
pub(super) fn ebs(volume: &RootVolume) -> aws_sdk_ec2::types::builders::EbsBlockDeviceBuilder {
    let number = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    EbsBlockDevice::builder()
        .set_volume_size(volume.size.map(gib))
        .set_volume_type(volume.kind.map(|kind| kind.name().into()))
        .set_iops(number(volume.iops))
        .set_throughput(number(volume.throughput))
        .set_encrypted(volume.encrypted)
        .set_kms_key_id(volume.kms_key.clone())
}

/// Whole GiB, rounded up.
pub(super) fn gib(size: Size) -> i32 {
    i32::try_from(size.as_bytes().div_ceil(1 << 30)).unwrap_or(i32::MAX)
}

fn metadata(plan: &crate::plan::Ec2Plan) -> InstanceMetadataOptionsRequest {
    let tokens = if plan.imds.v2_required { HttpTokensState::Required } else { HttpTokensState::Optional };
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(tokens)
        .http_put_response_hop_limit(plan.imds.hop_limit.into())
        .build()
}

/// Why a type could not be launched.
enum Failed {
    /// Amazon said no, or nothing.
    Aws(AwsError),
    Other(DriverError),
}

impl From<AwsError> for Failed {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

impl From<DriverError> for Failed {
    fn from(error: DriverError) -> Self {
        Self::Other(error)
    }
}

impl From<JournalError> for Failed {
    fn from(error: JournalError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Failed> for DriverError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Aws(error) => error.into(),
            Failed::Other(error) => error,
        }
    }
}
