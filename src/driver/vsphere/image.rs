//! What is made of a machine that is off: a machine or a template that stays, or an item of a content library.
use super::Vsphere;
use crate::{
    cx::Cx,
    driver::{Captured, DriverError, KeptImage},
};

pub(super) async fn keep(_: &Vsphere, _: &Cx, _: Captured) -> Result<KeptImage, DriverError> {
    Err(super::unwritten())
}
