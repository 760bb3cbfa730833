//! What the bytes of a federation are, as bars: all messages by their kinds, and updates by whose the bytes are.

use crate::codec::MessageKind;
use crate::federation::{Direction, FederationOutcome, Ledger, Outcome};
use crate::report::{Plot, Series, Style};

/// Parts of updates that are told apart; others are one.
const SHOWN: usize = 7;

/// What is no payload.
const ENVELOPE: &str = "headers and checksums";

/// All bytes of a ledger by what they are: each is in one of these sums.
fn kinds(ledger: &Ledger) -> [(&'static str, u64); 7] {
    let payloads = |kind: MessageKind, direction: Option<Direction>| {
        let is_one = |one: Direction, of: MessageKind| {
            of == kind && direction.is_none_or(|direction| direction == one)
        };
        let all = ledger.transfers.iter().filter(|sent| is_one(sent.direction, sent.kind));
        all.map(|sent| sent.bytes - ledger.envelope(sent)).sum()
    };
    [
        ("updates", payloads(MessageKind::Update, None)),
        ("global models", payloads(MessageKind::Model, None)),
        ("setup, spread over the rounds", payloads(MessageKind::Setup, Some(Direction::Up))),
        ("shared setup, spread over the rounds", payloads(MessageKind::Setup, Some(Direction::Down))),
        ("control values", payloads(MessageKind::Control, None)),
        ("joining", payloads(MessageKind::Join, None)),
        (ENVELOPE, ledger.transfers.iter().map(|sent| ledger.envelope(sent)).sum()),
    ]
}

/// The bytes of a ledger's updates by whose they are: each is in one of these sums.
fn parts(ledger: &Ledger) -> Vec<(String, u64)> {
    let updates = || ledger.transfers.iter().filter(|sent| sent.kind == MessageKind::Update);
    let all: u64 = updates().map(|sent| sent.bytes).sum();
    let mut parts = vec![(ENVELOPE.to_string(), updates().map(|sent| ledger.envelope(sent)).sum::<u64>())];
    parts.extend(ledger.parts.iter().map(|part| (part.name.clone(), part.bytes as u64)));
    let known = parts.iter().fold(0u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
    parts.push(("payloads".into(), all.saturating_sub(known)));
    parts
}

/// Both plots; the one of updates where there are any.
pub fn plots(outcome: &Outcome) -> Vec<Plot> {
    let names: Vec<String> = outcome.federations.iter().map(|one| one.label.clone()).collect();
    let bars = |plot: Plot| plot.with_bars(names.clone());
    let mut all = bars(Plot::new(
        "wire",
        "What crosses the wire",
        "Codec",
        "Bytes a round and collaborator, both directions",
    ))
    .with_caption(
        "All messages by what they are, divided by the rounds and the collaborators: what a bar adds up to, times both, is \
         the sum of the ledger.",
    );
    let share = |federation: &FederationOutcome, bytes: u64| {
        let rounds = federation.rounds.len().max(1) * outcome.spec.collaborators.max(1);
        bytes as f64 / rounds as f64
    };
    let each: Vec<_> = outcome.federations.iter().map(|one| kinds(&one.ledger)).collect();
    for (kind, (name, _)) in each.first().into_iter().flatten().enumerate() {
        let lengths = outcome.federations.iter().zip(&each).map(|(one, kinds)| share(one, kinds[kind].1));
        add(&mut all, name, lengths.collect());
    }
    let each: Vec<_> = outcome.federations.iter().map(|one| parts(&one.ledger)).collect();
    let mut updates =
        bars(Plot::new("wire-updates", "What an update is made of", "Codec", "Share of its bytes (%)"))
            .with_caption("By whose the bytes are, over all updates that were sent.");
    for (name, lengths) in shares(&each) {
        add(&mut updates, &name, lengths);
    }
    let is_drawn = |plot: &Plot| !plot.series.is_empty();
    [all, updates].into_iter().filter(is_drawn).collect()
}

/// A part of every bar, where any has such a part.
fn add(plot: &mut Plot, name: &str, lengths: Vec<f64>) {
    if lengths.iter().any(|length| *length > 0.0) {
        let points = lengths.into_iter().enumerate().map(|(bar, length)| (bar as f64, length));
        plot.series.push(Series::new(name, Style::Solid, points.collect()));
    }
}

/// In percent of each ledger's updates, by the names of parts: those that are most of any, in the order in which they
/// stand in updates, and all others together.
fn shares(each: &[Vec<(String, u64)>]) -> Vec<(String, Vec<f64>)> {
    let mut shares: Vec<(String, Vec<f64>)> = Vec::new();
    for (bar, parts) in each.iter().enumerate() {
        let all = parts.iter().map(|(_, bytes)| *bytes as f64).sum::<f64>().max(1.0);
        for (name, bytes) in parts.iter().filter(|(_, bytes)| *bytes > 0) {
            let place = shares.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                shares.push((name.clone(), vec![0.0; each.len()]));
                shares.len() - 1
            });
            shares[place].1[bar] += 100.0 * *bytes as f64 / all;
        }
    }
    let most = |(_, lengths): &(String, Vec<f64>)| lengths.iter().copied().fold(0.0, f64::max);
    if shares.len() > SHOWN + 1 {
        let mut by_size: Vec<f64> = shares.iter().map(most).collect();
        by_size.sort_by(|a, b| b.total_cmp(a));
        let (own, others): (Vec<_>, Vec<_>) =
            shares.into_iter().partition(|share| most(share) >= by_size[SHOWN - 1]);
        shares = own;
        let sum = |bar: usize| others.iter().map(|(_, lengths)| lengths[bar]).sum();
        shares.push(("all others".into(), (0..each.len()).map(sum).collect()));
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::BytesPart;
    use crate::codec::Message;

    /// A ledger with messages of every kind, those of many rounds and many collaborators among them.
    fn ledger(checksum: bool) -> Ledger {
        use MessageKind::{Control, Join, Model, Setup, Update};
        let mut ledger = Ledger::new(checksum);
        let mut send = |direction, kind, round, collaborator, payload: usize| {
            let message = Message { kind, round, collaborator, payload: vec![7; payload] };
            ledger.send(direction, &message).unwrap();
        };
        send(Direction::Up, Join, 0, 0, 4);
        send(Direction::Up, Setup, 0, 300, 1000);
        send(Direction::Down, Setup, 1, 300, 500);
        send(Direction::Down, Model, 1, 300, 800);
        send(Direction::Down, Control, 127, 1, 12);
        send(Direction::Up, Update, 128, 1, 30);
        send(Direction::Up, Update, 20_000, 128, 0);
        let part = |name: &str, bytes| BytesPart { name: name.into(), bytes };
        ledger.note_parts(&[part("counts", 2), part("topk(0.1)", 20)], 1);
        ledger
    }

    #[test]
    fn every_byte_is_in_one_part() {
        for checksum in [false, true] {
            let ledger = ledger(checksum);
            let kinds = kinds(&ledger);
            assert_eq!(kinds.iter().map(|(_, bytes)| bytes).sum::<u64>(), ledger.bytes(|_| true));
            let payloads: Vec<u64> = kinds[..6].iter().map(|(_, bytes)| *bytes).collect();
            assert_eq!(payloads, [30, 800, 1000, 500, 12, 4]);
            let parts = parts(&ledger);
            let updates = ledger.bytes(|sent| sent.kind == MessageKind::Update);
            assert_eq!(parts.iter().map(|(_, bytes)| bytes).sum::<u64>(), updates);
            assert_eq!(parts.last(), Some(&("payloads".to_string(), 8)));
        }
    }

    #[test]
    fn the_parts_of_a_bar_are_all_of_it() {
        let many = |from: u64| (from..from + 9).map(|part| (format!("part {part}"), part + 1)).collect();
        let each = [many(0), many(4), vec![(ENVELOPE.to_string(), 0)]];
        let shares = shares(&each);
        assert_eq!(shares.len(), SHOWN + 1);
        assert_eq!(shares[SHOWN].0, "all others");
        for (bar, due) in [100.0, 100.0, 0.0].into_iter().enumerate() {
            let sum: f64 = shares.iter().map(|(_, lengths)| lengths[bar]).sum();
            assert!((sum - due).abs() < 1e-9, "{bar}: {sum}");
        }
    }
}
