//! `fedfunnel simulate`
use super::Common;
use clap::Args;
#[derive(Args, Debug)]
pub struct DemoArgs {}
#[derive(Args, Debug)]
pub struct SimulateArgs {}
pub fn demo(_: &Common, _: &DemoArgs) -> anyhow::Result<()> {
    Ok(())
}
pub fn run(_: &Common, _: &SimulateArgs) -> anyhow::Result<()> {
    Ok(())
}
