//! Every message is counted as it is.

use fedfunnel::codec::{Message, MessageKind};
use fedfunnel::federation::{Direction, Ledger};

#[test]
fn a_broadcast_counts_what_single_messages_would() {
    let ids = [0, 127, 128, 20_000];
    for checksum in [false, true] {
        let (mut together, mut alone) = (Ledger::new(checksum), Ledger::new(checksum));
        let arrived = together.broadcast(MessageKind::Model, 300, &ids, vec![1, 2, 3]).unwrap();
        assert_eq!(arrived, [1, 2, 3]);
        for collaborator in ids {
            let (kind, payload) = (MessageKind::Model, vec![1, 2, 3]);
            let message = Message { kind, round: 300, collaborator, payload };
            alone.send(Direction::Down, &message).unwrap();
        }
        assert_eq!(together, alone);
    }
}
