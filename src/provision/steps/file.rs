//! `file`: a file with content, owner and mode.
use crate::{
    guest::{Communicator, Content, Target},
    plan::{self, FileStep},
    provision::{
        Secrets,
        runner::{StepError, Worker},
        secrets::Place,
    },
};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &FileStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    let target = Target {
        path: step.dest.clone(),
        mode: step.mode,
        owner: step.owner.clone(),
        group: step.group.clone(),
        timeout: worker.timeout.get(),
    };
    match &step.content {
        plan::Content::Text(text) => {
            let text = secrets.fill(worker.cx, text, Place::Text).await?;
            worker.guest.upload(worker.cx, Content::Bytes(text.expose().as_bytes()), &target).await?;
        }
        plan::Content::Path(path) => {
            let local = |source| StepError::Local { path: path.clone(), source };
            let mut file = tokio::fs::File::open(path).await.map_err(local)?;
            let size = file.metadata().await.map_err(local)?.len();
            worker.guest.upload(worker.cx, Content::Reader(&mut file, size), &target).await?;
        }
    }
    Ok(())
}
