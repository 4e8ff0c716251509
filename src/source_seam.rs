//! Scaffold: what the doctor needs of `source`, until it is merged.
#![allow(missing_docs, clippy::unused_async)]
use crate::{plan::Plan, value::Size};
#[derive(Debug, thiserror::Error)]
#[error("scaffold")]
pub struct SourceError {}
impl SourceError { pub fn hint(&self) -> Option<String> { None } }
#[derive(Debug)]
pub struct Needs { pub bytes_work: Size }
pub async fn preflight(_: &Plan) -> Result<Needs, SourceError> { Ok(Needs { bytes_work: Size::bytes(0) }) }
