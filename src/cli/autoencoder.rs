//! `fedfunnel autoencoder`
use super::Common;
use clap::Subcommand;
#[derive(Subcommand, Debug)]
pub enum AutoencoderVerb {
    Train,
}
pub fn run(_: &Common, _: &AutoencoderVerb) -> anyhow::Result<()> {
    Ok(())
}
