//! Files of this host on their way to the guest, over more than one connection if one is lost.
use super::runner::{COME_BACK, StepError, Worker};
use crate::guest::{CommError, Communicator, Content, GuestError, Target};
use std::path::Path;

/// So often a transfer is made again when the connection is lost in the middle.
const CUTS: u32 = 2;

impl Worker<'_> {
    /// Sends a file of this host.
    pub(super) async fn send(&self, path: &Path, target: &Target) -> Result<(), StepError> {
        let local = |source| StepError::Local { path: path.to_owned(), source };
        let mut cuts = 0;
        loop {
            let mut file = tokio::fs::File::open(path).await.map_err(local)?;
            let size = file.metadata().await.map_err(local)?.len();
            match self.guest.upload(self.cx, Content::Reader(&mut file, size), target).await {
                Ok(()) => return Ok(()),
                Err(error) => self.after_cut(error, &mut cuts).await?,
            }
        }
    }

    /// Connects again if `error` says that the connection was lost in a transfer, which is then to be made again: what had
    /// arrived counts only when it is whole, so nothing is done twice.
    pub(super) async fn after_cut(&self, error: CommError, cuts: &mut u32) -> Result<(), StepError> {
        *cuts += 1;
        if !error.is_cut() || *cuts > CUTS || (self.trouble)().is_some() {
            return Err(error.into());
        }
        self.cx.events().warn(format!("{error}; connecting again"), None);
        let limit = COME_BACK.min(self.timeout);
        match self.guest.reconnect(self.cx, limit, self.trouble).await {
            Ok(()) => Ok(()),
            Err(GuestError::Cancelled(cancelled)) => Err(cancelled.into()),
            Err(source) => Err(StepError::Lost { cut: Box::new(error), source: Box::new(source) }),
        }
    }
}
