//! AMIs of a build, by way of [`crate::publish`]; without the feature `aws`, the way to say so.
use super::{BuildError, BuildErrorKind, world::Upload};
use crate::{
    cx::Cx,
    plan::{AmiPlan, Plan},
};
use std::path::Path;

#[cfg(feature = "aws")]
pub(super) use with::{preflight, upload};

#[cfg(not(feature = "aws"))]
pub(super) async fn preflight(_: &Cx, plan: &Plan) -> Result<(), BuildError> {
    if plan.amis.is_empty() { Ok(()) } else { Err(without()) }
}

#[cfg(not(feature = "aws"))]
pub(super) async fn upload(
    _: &Cx,
    _: &Plan,
    _: &AmiPlan,
    _: u64,
    _: &Path,
) -> Result<Box<dyn Upload>, BuildError> {
    Err(without())
}

#[cfg(not(feature = "aws"))]
fn without() -> BuildError {
    BuildError::new(
        BuildErrorKind::Preflight,
        "this goldsmith was compiled without the feature `aws`, and makes no AMIs",
    )
}

#[cfg(feature = "aws")]
mod with {
    use super::{AmiPlan, BuildError, BuildErrorKind, Cx, Path, Plan, Upload};
    use crate::{
        aws::{Account, Aws, AwsError, Tags},
        build::AmiId,
        cx::UndoHandle,
        disk::{BlockSink, FEED_BLOCK},
        publish::{ami, ebs},
        value::Size,
    };
    use async_trait::async_trait;
    use std::path::PathBuf;

    async fn session(plan: &Plan) -> Result<Aws, BuildError> {
        let account = Account {
            profile: plan.aws.profile.clone(),
            region: plan.aws.region.clone(),
            endpoint: plan.aws.endpoint.clone(),
        };
        Aws::open(&account).await.map_err(failed("could not open the Amazon account"))
    }

    /// `attempt` is a whole message.
    fn failed(attempt: &str) -> impl FnOnce(AwsError) -> BuildError {
        let attempt = attempt.to_owned();
        move |error| {
            let hint = error.hint_text().map(ToOwned::to_owned);
            let built = BuildError::because(attempt, error);
            match hint {
                Some(hint) => built.hint(hint),
                None => built,
            }
        }
    }

    /// Whether the AMIs of a plan can be made: credentials, region, permissions, names. Makes nothing.
    pub(in crate::build) async fn preflight(cx: &Cx, plan: &Plan) -> Result<(), BuildError> {
        if plan.amis.is_empty() {
            return Ok(());
        }
        let ready = Box::pin(async {
            let aws = session(plan).await?;
            let owner = ami::preflight(&aws, &plan.amis, plan.machine.disk.as_bytes())
                .await
                .map_err(failed("the Amazon account is not ready for the AMIs"))?;
            cx.events().notice(format!("AMIs are made in {} of the account {owner}", aws.region()));
            Ok::<(), BuildError>(())
        });
        cx.stop()
            .unless_cancelled(ready)
            .await?
            .map_err(|error| error.kind_unless_interrupted(BuildErrorKind::Preflight))
    }

    /// Starts the snapshot of an AMI. What it will hold is written down in `folder`, where what its parent holds may be.
    pub(in crate::build) async fn upload(
        cx: &Cx,
        plan: &Plan,
        ami: &AmiPlan,
        disk_bytes: u64,
        folder: &Path,
    ) -> Result<Box<dyn Upload>, BuildError> {
        let aws = session(plan).await?;
        let parent = Box::pin(parent(cx, &aws, ami, disk_bytes, folder))
            .await
            .map_err(failed("could not compare the disk with the parent of an AMI"))?;
        let tags = Tags::of(cx.id(), &plan.name).and(&ami.tags);
        // A build may make several: each has an id of its own.
        let id = cx.id().uuid(&format!("ami {}", ami.name)).to_string();
        let spec = ebs::SnapshotSpec {
            disk_bytes,
            description: ami.description.clone().unwrap_or_else(|| format!("{}, by goldsmith", ami.name)),
            tags: tags.clone(),
            // With a parent, they are the parent's.
            encrypted: ami.volume.encrypted && parent.is_none(),
            kms_key: ami.volume.kms_key.clone().filter(|_| parent.is_none()),
            parent,
            token: id.clone(),
        };
        let upload = ebs::Upload::start(&aws, cx.undo(), &id, spec)
            .await
            .map_err(failed("could not start the snapshot of an AMI"))?;
        Ok(Box::new(RealUpload { aws, upload, tags, made: None, folder: folder.to_owned() }))
    }

    /// The blocks of the snapshot that the AMI is to be the difference to, if there is one.
    async fn parent(
        cx: &Cx,
        aws: &Aws,
        ami: &AmiPlan,
        disk_bytes: u64,
        folder: &Path,
    ) -> Result<Option<ebs::Parent>, AwsError> {
        let Some(base) = ami::base(aws, ami, Some(disk_bytes)).await? else { return Ok(None) };
        base.tell(cx, ami);
        ebs::Parent::open(cx, aws, folder, &base.snapshot, base.volume_gib).await.map(Some)
    }

    struct RealUpload {
        aws: Aws,
        upload: ebs::Upload,
        tags: Tags,
        made: Option<UndoHandle>,
        /// Where records of uploads are.
        folder: PathBuf,
    }

    #[async_trait]
    impl Upload for RealUpload {
        fn feed(&mut self) -> Box<dyn BlockSink> {
            Box::new(self.upload.feed())
        }

        async fn send(&mut self, cx: &Cx) -> Result<(), BuildError> {
            self.upload.send(cx, None).await.map_err(failed("could not send the disk to Amazon"))?;
            let ebs::Traffic { sent, unchanged, .. } = self.upload.traffic();
            if unchanged > 0 {
                let size = |blocks: u64| Size::bytes(blocks * FEED_BLOCK as u64);
                cx.events().notice(format!(
                    "{} of {} were sent to the snapshot `{}`, the rest is its parent's",
                    size(sent),
                    size(sent + unchanged),
                    self.upload.snapshot()
                ));
            }
            Ok(())
        }

        async fn complete(&mut self, cx: &Cx) -> Result<(), BuildError> {
            self.upload.complete(cx).await.map_err(failed("could not complete the snapshot of an AMI"))
        }

        async fn register(&mut self, cx: &Cx, ami: &AmiPlan) -> Result<AmiId, BuildError> {
            let (aws, snapshot) = (&self.aws, self.upload.snapshot());
            let making = async {
                ebs::completed(cx, aws, snapshot).await?;
                ami::register(cx, aws, cx.undo(), ami, snapshot, &self.tags).await
            };
            let (made, handle) = making.await.map_err(failed("could not make the AMI"))?;
            self.made = handle;
            self.upload.remember(cx, &self.folder);
            let ami::Ami { id, name, region, snapshot } = made;
            Ok(AmiId { id, name, region, snapshots: vec![snapshot] })
        }

        fn keep(&mut self, cx: &Cx) -> Result<(), BuildError> {
            // The image first: without its snapshot it would be nothing.
            for handle in [self.made.take(), self.upload.undo()].into_iter().flatten() {
                cx.undo().keep(handle)?;
            }
            Ok(())
        }
    }
}
