//! From what the user says about the network to the gate.
use crate::{
    bundle::Bundles,
    cli::{args::Offline, problem::Problem},
    fetch::{Gate, Stock},
};
use std::sync::Arc;

/// The gate that is meant. Bundles are opened, so that one that is none is told before anything else.
pub(super) fn gate(said: &Offline) -> Result<Gate, Problem> {
    if !said.offline {
        return Ok(Gate::open());
    }
    let mut stocks: Vec<Arc<dyn Stock>> = Vec::new();
    if !said.bundles.is_empty() {
        stocks.push(Arc::new(Bundles::open(&said.bundles).map_err(Problem::Bundle)?));
    }
    Ok(Gate::closed(stocks, said.hosts.clone()))
}
