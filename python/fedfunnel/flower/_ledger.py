"""The bytes of a federation, by three measures."""

from dataclasses import dataclass

# What a node sends in Flower's deployment for an exchange beside the records, measured with flwr 1.42 and a model of one
# array: the headers of the requests by which the objects of a message are pulled and pushed. docs/deployment.md has how.
PROTOCOL_BYTES = 18_000


@dataclass
class RoundBytes:
    """What nodes sent in a round.

    round     its number
    updates   how many updates came
    payload   bytes of the codec's messages
    records   bytes of all records of the replies, as Flower counts them
    raw       what the records of as many replies would be with arrays in the place of the messages
    setups    bytes of what nodes shipped to be decoded with, before this round
    protocol  what Flower's deployment adds, PROTOCOL_BYTES an exchange: an estimate, and none in a simulation
    """

    round: int
    updates: int = 0
    payload: int = 0
    records: int = 0
    raw: int = 0
    setups: int = 0
    protocol: int = 0


def count(content):
    """Bytes of the records of a message, as Flower counts them."""
    return sum(record.count_bytes() for record in content.values() if len(record))


class Ledger(list):
    """A RoundBytes for each round."""

    def __str__(self):
        """A table of it, and what it comes to."""
        lines = [
            "round  updates      payload      records          raw       setups    +protocol",
        ]
        total = RoundBytes(0)
        for one in self:
            lines.append(_line(one.round, one))
            for name in ("updates", "payload", "records", "raw", "setups", "protocol"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
        lines.append(_line("all", total))
        sent = total.records + total.setups
        if sent:
            lines.append(
                f"records are {total.raw / max(total.records, 1):.1f} times smaller than raw, with setups "
                f"{total.raw / sent:.2f} times, and with Flower's requests "
                f"{(total.raw + total.protocol) / (sent + total.protocol):.2f} times"
            )
        return "\n".join(lines)


def _line(name, one):
    numbers = (one.payload, one.records, one.raw, one.setups, one.protocol)
    return f"{name!s:>5}  {one.updates:>7}" + "".join(f"  {number:>11,}" for number in numbers)
