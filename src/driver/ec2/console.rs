//! What can be seen of an instance from outside: its console and its screen.
use super::Ec2;
use crate::{
    aws::AwsError,
    driver::{DriverError, DriverErrorKind},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::path::Path;

/// Brings the last 64 KiB of the console into `file`. Nitro instances tell them while they run; others a while later.
pub(super) async fn output(ec2: &Ec2, id: &str, file: &Path) -> Result<(), DriverError> {
    let attempt = || format!("read the console of the instance `{id}` in {}", ec2.aws.region());
    let answer = ec2.aws.ec2().get_console_output().instance_id(id).latest(true).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        // Not on Nitro: there is only what it said when it started last.
        Err(_) => ec2
            .aws
            .ec2()
            .get_console_output()
            .instance_id(id)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "GetConsoleOutput", error))?,
    };
    let Some(encoded) = answer.output() else { return Ok(()) };
    let bytes = STANDARD
        .decode(encoded.replace(['\n', '\r'], ""))
        .map_err(|error| DriverError::new(DriverErrorKind::Other, attempt()).because(error))?;
    tokio::fs::write(file, bytes)
        .await
        .map_err(|error| DriverError::new(DriverErrorKind::Other, attempt()).because(error))
}

/// The screen, as JPEG.
pub(super) async fn screen(ec2: &Ec2, id: &str) -> Result<Vec<u8>, DriverError> {
    let attempt = || format!("take a picture of the instance `{id}` in {}", ec2.aws.region());
    let answer = ec2
        .aws
        .ec2()
        .get_console_screenshot()
        .instance_id(id)
        .wake_up(true)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "GetConsoleScreenshot", error))?;
    STANDARD
        .decode(answer.image_data().unwrap_or_default())
        .map_err(|error| DriverError::new(DriverErrorKind::Other, attempt()).because(error))
}
