//! `channels.NAME: {type: alertmanager}`.

use super::Address;
use super::channel::{self, Hidden, Source};
use super::raw::channels::Other;
use super::section::Section;
use crate::error::Result;
use std::path::PathBuf;
use std::time::Duration;

/// Where an Alertmanager is.
#[derive(Debug, Clone)]
pub struct Alertmanager {
    /// Its address, without `/api/v2/alerts`.
    pub address: Source<Address>,
    /// Authorities that are trusted in place of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Headers of the user's.
    pub headers: Vec<(String, Hidden)>,
    /// An answer is waited for at most so long.
    pub timeout: Duration,
}

/// An Alertmanager, checked.
pub(super) fn alertmanager(at: &Section<'_>, name: &str, raw: &Other) -> Result<Alertmanager> {
    let address = channel::address(at, "Alertmanager", name, raw)?;
    if let Source::Here(address) = &address
        && address.path().contains("/api/")
    {
        let next = "give the address of its page, such as http://alertmanager:9093";
        return Err(at.wrong("url", "`url` is that of an API; its path is added", next));
    }
    Ok(Alertmanager {
        address,
        ca_file: raw.ca_file.as_ref().map(|path| at.path("ca_file", path)).transpose()?,
        headers: channel::headers(at, raw)?,
        timeout: channel::timeout(at, raw, channel::WEBHOOK_TIMEOUT)?,
    })
}
