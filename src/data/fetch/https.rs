//! Downloads over HTTPS.

use super::super::archive;
use super::super::source::SourceFile;
use super::delivery::{Delivery, Failure};
use crate::Error;
use crate::digest::copy_hashed;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::time::Duration;

/// To find a host and connect to it: a mirror out of reach should cost seconds.
const CONNECT: Duration = Duration::from_secs(5);
/// For the answer to begin.
const ANSWER: Duration = Duration::from_secs(15);
/// For the next bytes of the body: a slow line is fine, a dead one is not.
const READ: Duration = Duration::from_secs(20);

/// Every missing file by itself, from `<base><name>.gz`.
pub(super) fn gzip_files(base: &str, delivery: &mut Delivery<'_>) -> Result<(), Failure> {
    let agent = agent();
    for file in delivery.missing.clone() {
        let body = get(&agent, &format!("{base}{}.gz", file.name))?;
        let total = body.content_length();
        let body = delivery.counting(file.name, total, body.into_reader());
        // Some hosts unpack what they send: the content decides whether it is gzipped.
        let plain = archive::plain(BufReader::new(body))?;
        let content = archive::read_capped(plain, file.bytes)?;
        delivery.accept(file, &content)?;
    }
    Ok(())
}

/// All files out of `folder` in the archive at `url`, which is kept in a temporary file until it is verified. The user
/// may have put it into the data set's folder, where it is left as it is.
pub(super) fn tar_gz(
    url: &'static str,
    folder: &str,
    bytes: u64,
    sha256: &'static str,
    delivery: &mut Delivery<'_>,
) -> Result<(), Failure> {
    let name = url.rsplit('/').next().unwrap_or(url);
    let archive = SourceFile { name, bytes, sha256 };
    let own = delivery.dir.join(name);
    if own.is_file() {
        let file = File::open(&own)?;
        let counted = delivery.counting(name, Some(file.metadata()?.len()), file);
        if copy_hashed(counted, &mut io::sink())?.sha256 == archive.sha256 {
            delivery.route = name.into();
            return unpack(BufReader::new(File::open(&own)?), folder, delivery);
        }
    }
    let body = get(&agent(), url)?;
    let dir = delivery.folder()?;
    let mut file =
        tempfile::tempfile_in(dir).map_err(|e| Failure::Local(Error::io("write in the folder", dir)(e)))?;
    let body = delivery.counting(name, body.content_length(), body.into_reader());
    let hashed = copy_hashed(body.take(archive.bytes + 1), &mut file)?;
    if let Some(difference) = archive.difference(&hashed, "came") {
        return Err(Failure::Route(difference));
    }
    file.rewind()?;
    unpack(BufReader::new(file), folder, delivery)
}

/// Takes the missing files out of an archive.
pub(super) fn unpack(
    archive: impl std::io::BufRead,
    folder: &str,
    delivery: &mut Delivery<'_>,
) -> Result<(), Failure> {
    archive::each_file(archive, folder, |name, content| {
        if let Some(file) = delivery.wants(name) {
            let content = delivery.counting(file.name, Some(file.bytes), content);
            let content = archive::read_capped(content, file.bytes)?;
            delivery.accept(file, &content)?;
        }
        Ok::<_, Failure>(!delivery.missing.is_empty())
    })?;
    match delivery.missing.first() {
        Some(file) => Err(Failure::Route(format!("{} is not in the archive", file.name))),
        None => Ok(()),
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_read(Some(READ))
        .user_agent(concat!("fedfunnel/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn get(agent: &ureq::Agent, url: &str) -> Result<ureq::Body, Failure> {
    match agent.get(url).call() {
        Ok(response) => Ok(response.into_body()),
        // Without the "io: " that ureq puts before what the system said.
        Err(ureq::Error::Io(error)) => Err(error.into()),
        Err(error) => Err(Failure::Route(error.to_string())),
    }
}
